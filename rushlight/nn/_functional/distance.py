"""Distances and similarities of vectors, and normalisation to unit length."""

import rushlight
from rushlight import Tensor
from rushlight._C import _nn

cosine_similarity = _nn.cosine_similarity


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """p-norm of x1 - x2 + eps along the last dimension. Shapes broadcast."""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


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
    squares = _nn.pad(input * input, (0, 0) * (dim - 2) + (size // 2, (size - 1) // 2))
    mean = squares.narrow(1, 0, input.shape[1])
    for i in range(1, size):
        mean = mean + squares.narrow(1, i, input.shape[1])
    mean = mean / size
    return input / (mean * alpha + k).pow(beta)
