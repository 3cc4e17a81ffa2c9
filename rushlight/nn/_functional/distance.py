"""Distances and similarities of vectors, and normalisation to unit length."""

import rushlight
from rushlight import Tensor
from rushlight._C import _nn


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between `x1` and `x2` along `dim`; norms below `eps` count as `eps`.

    Shapes broadcast; the result lacks `dim`. Integers raise RuntimeError.
    """
    common = rushlight.promote_types(x1.dtype, x2.dtype)
    if not common.is_floating_point:
        name = {"int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}
        shown = name.get(str(common).split(".")[-1], str(common))
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {shown}")
    x1, x2 = rushlight.broadcast_tensors(x1.to(common), x2.to(common))
    return (x1 / _norm_at_least(x1, dim, eps) * (x2 / _norm_at_least(x2, dim, eps))).sum(dim)


def _norm_at_least(x: Tensor, dim: int, eps: float) -> Tensor:
    """Euclidean norm, raised to `eps` in value only: the gradient is the norm's."""
    norm = x.norm(2, dim, keepdim=True)
    return norm + (norm.detach().clamp_min(eps) - norm.detach())


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """p-norm of x1 - x2 + eps along the last dimension. Shapes broadcast."""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """p-norm distances of all pairs i < j of rows: (N, M) to (N * (N - 1) / 2,)."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    i, j = rushlight.triu_indices(input.size(0), input.size(0), 1)
    one, other = input.index_select(0, i).unsqueeze(1), input.index_select(0, j).unsqueeze(1)
    return rushlight.cdist(one, other, p, "donot_use_mm_for_euclid_dist").reshape(-1)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input divided by its p-norm along `dim`, or by `eps` where that is larger. Same shape as `input`."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / norm if out is None else rushlight.div(input, norm, out=out)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input / (k + alpha * mean of squares over `size` neighbouring channels) ** beta. (N, C, ...) to the same.

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012.
    """
    dim = input.dim()
    if dim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    squares = (input * input).unsqueeze(1)
    if dim == 3:
        squares = _nn.pad(squares, (0, 0, size // 2, (size - 1) // 2))
        mean = _nn.avg_pool2d(squares, (size, 1), stride=1).squeeze(1)
    else:
        shape = input.size()
        squares = squares.view(shape[0], 1, shape[1], shape[2], -1)
        squares = _nn.pad(squares, (0, 0, 0, 0, size // 2, (size - 1) // 2))
        mean = _nn.avg_pool3d(squares, (size, 1, 1), stride=1).squeeze(1).view(shape)
    return input / (mean * alpha + k).pow(beta)
