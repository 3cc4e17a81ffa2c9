"""Initial values of parameters, written into existing tensors; none of it is recorded in the graph."""

import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import rushlight
from rushlight import Tensor

__all__ = [
    "calculate_gain", "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_",
    "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_", "uniform",
    "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
    "orthogonal", "sparse",
]  # fmt: skip

_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: int | float | None = None) -> float:
    """Recommended gain of an activation; `param` is the negative slope of leaky_relu. ValueError for others."""
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _no_grad_uniform_(tensor: Tensor, a: float, b: float, generator: "rushlight.Generator | None" = None) -> Tensor:
    with rushlight.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def _no_grad_normal_(tensor: Tensor, mean: float, std: float, generator: "rushlight.Generator | None" = None) -> Tensor:
    with rushlight.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _no_grad_fill_(tensor: Tensor, val: float) -> Tensor:
    with rushlight.no_grad():
        return tensor.fill_(val)


def _no_grad_zero_(tensor: Tensor) -> Tensor:
    with rushlight.no_grad():
        return tensor.zero_()


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: "rushlight.Generator | None" = None) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b)."""
    return _no_grad_uniform_(tensor, a, b, generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: "rushlight.Generator | None" = None
) -> Tensor:
    """Fill with draws from the normal distribution."""
    return _no_grad_normal_(tensor, mean, std, generator)


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _no_grad_trunc_normal_(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: "rushlight.Generator | None" = None
) -> Tensor:
    """Rejection: of normal draws where 30 % or more of them fall between the bounds, else of uniform ones."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    low, high = (a - mean) / std, (b - mean) / std
    with rushlight.no_grad():
        if _normal_cdf(high) - _normal_cdf(low) > 0.3:
            tensor.normal_(mean, std, generator=generator)
            outside = (tensor < a) | (tensor > b)
            while bool(outside.any()):
                again = rushlight.empty_like(tensor).normal_(mean, std, generator=generator)
                tensor.copy_(rushlight.where(outside, again, tensor))
                outside = (tensor < a) | (tensor > b)
            return tensor
        peak = min(max(0.0, low), high)  # where the density is highest between the bounds
        rejected = None
        while rejected is None or bool(rejected.any()):
            draw = rushlight.empty_like(tensor).uniform_(low, high, generator=generator)
            level = rushlight.empty_like(tensor).uniform_(generator=generator)
            above = level > ((peak * peak - draw * draw) / 2).exp()
            tensor.copy_(draw if rejected is None else rushlight.where(rejected, draw, tensor))
            rejected = above if rejected is None else rejected & above
        return tensor.mul_(std).add_(mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: "rushlight.Generator | None" = None,
) -> Tensor:
    """Fill with draws from the normal distribution that are redrawn until they lie in [a, b]."""
    return _no_grad_trunc_normal_(tensor, mean, std, a, b, generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    return _no_grad_fill_(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _no_grad_fill_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _no_grad_zero_(tensor)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with rushlight.no_grad():
        return tensor.copy_(rushlight.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution (3-D to 5-D) so that it passes its first input channels on, per group."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups:
        raise ValueError("dim 0 must be divisible by groups")
    rows = tensor.size(0) // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    with rushlight.no_grad():
        tensor.zero_()
        for g in range(groups):
            for d in range(min(rows, tensor.size(1))):
                tensor[(g * rows + d, d, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input: (out, in, *kernel) weights."""
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(tensor.shape[2:])
    return tensor.size(1) * receptive, tensor.size(0) * receptive


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: "rushlight.Generator | None" = None) -> Tensor:
    """Uniform in +-gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: "rushlight.Generator | None" = None) -> Tensor:
    """Normal of standard deviation gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return _no_grad_normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: "rushlight.Generator | None" = None,
) -> Tensor:
    """Uniform in +-gain * sqrt(3 / fan), `a` the negative slope of leaky_relu. Source: He et al., 2015."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: "rushlight.Generator | None" = None,
) -> Tensor:
    """Normal of standard deviation gain / sqrt(fan), `a` the negative slope of leaky_relu. Source: He et al., 2015."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else _no_grad_normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: "rushlight.Generator | None" = None) -> Tensor:
    """Fill with a random (semi-)orthogonal matrix; dimensions after the first count as one.

    Source: Saxe et al., 2013.
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    tall = flat.t() if rows < columns else flat
    q = _orthonormal_columns(tall)
    with rushlight.no_grad():
        tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape)).mul_(gain)
    return tensor


def _orthonormal_columns(matrix: Tensor) -> Tensor:
    """The factor Q of the QR decomposition whose R has a positive diagonal, by Gram-Schmidt's method done twice.

    That sign makes the distribution uniform over the orthogonal matrices. Source: Giraud et al., 2005.
    """
    dtype = rushlight.promote_types(matrix.dtype, rushlight.float64)
    rows = matrix.t().to(dtype).contiguous()
    for i in range(rows.size(0)):
        row, before = rows[i], rows[:i]
        for _ in range(2):
            if i:
                row.sub_(before.t().mv(before.conj().mv(row)))
        row.div_(rushlight.linalg.vector_norm(row))
    return rows.t()


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: "rushlight.Generator | None" = None
) -> Tensor:
    """Normal draws in a matrix, of which a fraction `sparsity` of each column is set to zero. Source: Martens, 2010."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with rushlight.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[rushlight.randperm(rows)[:zeros], column] = 0
    return tensor


def _make_deprecate(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The old name, without the underscore, of an initialiser."""
    new = function.__name__

    @wraps(function)
    def deprecated(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{new[:-1]}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    deprecated.__name__ = new[:-1]
    deprecated.__doc__ = f"Deprecated name of `{new}`."
    return deprecated


uniform = _make_deprecate(uniform_)
normal = _make_deprecate(normal_)
constant = _make_deprecate(constant_)
eye = _make_deprecate(eye_)
dirac = _make_deprecate(dirac_)
xavier_uniform = _make_deprecate(xavier_uniform_)
xavier_normal = _make_deprecate(xavier_normal_)
kaiming_uniform = _make_deprecate(kaiming_uniform_)
kaiming_normal = _make_deprecate(kaiming_normal_)
orthogonal = _make_deprecate(orthogonal_)
sparse = _make_deprecate(sparse_)
