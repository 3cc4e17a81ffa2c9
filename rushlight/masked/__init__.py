"""Reductions and normalisations over those elements of a tensor that a mask names.

Everywhere `mask` is a bool tensor that broadcasts to the input, True where an element counts; None: everywhere. What does
not count is replaced by the identity of the reduction, which is also the result where nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight._C import Tensor
from rushlight._C import dtype as _dtype

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

_Dims = int | Sequence[int] | None


def _dims(x: Tensor, dim: _Dims) -> tuple[int, ...]:
    """The dimensions of a reduction, all where none is given."""
    given = range(x.dim()) if dim is None or (not isinstance(dim, int) and len(dim) == 0) else (dim,) if isinstance(dim, int) else dim
    found: list[int] = []
    for d in given:
        rank = max(x.dim(), 1)
        if not -rank <= d < rank:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {d})")
        if d % rank in found:
            raise RuntimeError(f"dim={d % rank} appears multiple times in the list of dims")
        found.append(d % rank)
    return tuple(found) if x.dim() else ()


def _mask(x: Tensor, mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.expand(x.shape).to(rushlight.bool)


def _filled(x: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    """x with the value where the mask is False."""
    mask = _mask(x, mask)
    return x if mask is None else rushlight.where(mask, x, rushlight.full((), value, dtype=x.dtype, device=x.device))


def _extreme(name: str, kind: _dtype, largest: bool) -> Any:
    if kind is rushlight.bool or kind.is_complex:
        raise NotImplementedError(f"identity of {name} on {kind} input")
    if kind.is_floating_point:
        return math.inf if largest else -math.inf
    return rushlight.iinfo(kind).max if largest else rushlight.iinfo(kind).min


def _sum_dtype(x: Tensor, dtype: _dtype | None) -> _dtype:
    if dtype is not None:
        return dtype
    return x.dtype if x.is_floating_point() or x.is_complex() else rushlight.int64


def _cast(x: Tensor, dtype: _dtype | None) -> Tensor:
    return x if dtype is None else x.to(dtype)


def sum(
    input: Tensor, dim: _Dims = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Sum over dim; 0 where nothing counts."""
    x = input.to(_sum_dtype(input, dtype))
    return rushlight.sum(_filled(x, mask, 0), _dims(x, dim), bool(keepdim), dtype=x.dtype)


def prod(
    input: Tensor, dim: _Dims = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Product over dim; 1 where nothing counts."""
    x = _filled(input.to(_sum_dtype(input, dtype)), mask, 1)
    for d in sorted(_dims(x, dim), reverse=True):
        x = x.prod(d, keepdim=True)
    return x if keepdim else x.squeeze(_dims(x, dim)) if x.dim() else x


def amax(
    input: Tensor, dim: _Dims = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Maximum over dim; the least value of the dtype where nothing counts."""
    x = _cast(input, dtype)
    return rushlight.amax(_filled(x, mask, _extreme("amax", x.dtype, False)), _dims(x, dim), bool(keepdim))


def amin(
    input: Tensor, dim: _Dims = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Minimum over dim; the greatest value of the dtype where nothing counts."""
    x = _cast(input, dtype)
    return rushlight.amin(_filled(x, mask, _extreme("amin", x.dtype, True)), _dims(x, dim), bool(keepdim))


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Index of the maximum along dim, or in the flattened input, in the dtype of the input as in PyTorch."""
    x = _cast(input, dtype)
    return rushlight.argmax(_filled(x, mask, _extreme("argmax", x.dtype, False)), dim, bool(keepdim)).to(x.dtype)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Index of the minimum along dim, or in the flattened input, in the dtype of the input as in PyTorch."""
    x = _cast(input, dtype)
    return rushlight.argmin(_filled(x, mask, _extreme("argmin", x.dtype, True)), dim, bool(keepdim)).to(x.dtype)


def cumsum(input: Tensor, dim: int, *, dtype: _dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Sums of the elements up to each along dim."""
    x = _cast(input, dtype)
    return rushlight.cumsum(_filled(x, mask, 0), dim, dtype=x.dtype)


def cumprod(input: Tensor, dim: int, *, dtype: _dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Products of the elements up to each along dim."""
    x = _cast(input, dtype)
    return rushlight.cumprod(_filled(x, mask, 1), dim, dtype=x.dtype)


def mean(
    input: Tensor, dim: _Dims = None, *, keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Mean over dim of floating-point or complex numbers; nan where nothing counts."""
    x = _cast(input, dtype)
    if not (x.is_floating_point() or x.is_complex()):
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {x.dtype}"
        )
    dims = _dims(x, dim)
    if mask is None:
        return rushlight.mean(x, dims, bool(keepdim))
    return sum(x, dims, keepdim=keepdim, mask=mask) / _count(x, dims, bool(keepdim), mask)


def _count(x: Tensor, dims: tuple[int, ...], keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements count, in a real dtype that fits x."""
    ones = rushlight.ones(x.shape, dtype=rushlight.int64, device=x.device) if mask is None else _mask(x, mask).long()
    return rushlight.sum(ones, dims, keepdim)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """The lower median along dim; nan where nothing counts."""
    x = _cast(input, dtype)
    mask = _mask(x, mask)
    if mask is None or x.is_floating_point():
        found = rushlight.nanmedian if mask is not None else rushlight.median
        return found(_filled(x, mask, math.nan) if mask is not None else x, dim, keepdim).values
    if not mask.any(dim).all():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return rushlight.nanmedian(_filled(x.double(), mask, math.nan), dim, keepdim).values.to(x.dtype)


def norm(
    input: Tensor, ord: float | None = 2.0, dim: _Dims = None, *, keepdim: bool | None = False,
    dtype: _dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The ord-norm of vectors over dim (see linalg.vector_norm); 0, for ord=-inf inf, where nothing counts."""
    x = _cast(input, dtype)
    order = 2.0 if ord is None else float(ord)
    return rushlight.linalg.vector_norm(_filled(x, mask, math.inf if order == -math.inf else 0), order, _dims(x, dim), bool(keepdim))


def _variance(
    name: str, input: Tensor, dim: _Dims, unbiased: bool | None, correction: float | None, keepdim: bool, dtype: Any, mask: Any
) -> Tensor:
    if unbiased is not None and correction is not None:
        raise RuntimeError(f"{name}: unbiased and correction say the same; give one of them")
    less = (1.0 if unbiased is None else float(unbiased)) if correction is None else float(correction)
    x = _cast(input, dtype)
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(rushlight.get_default_dtype())
    dims = _dims(x, dim)
    count = _count(x, dims, True, mask)
    middle = sum(x, dims, keepdim=True, mask=mask) / count
    away = _filled(x - middle, mask, 0)
    squares = (away * away.conj()).real if x.is_complex() else away * away
    total = rushlight.sum(squares, dims, keepdim)
    count = count if keepdim else count.reshape(total.shape)
    return total / rushlight.clamp(count - less, min=0)


def var(
    input: Tensor, dim: _Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Variance over dim, the sum of squares divided by the count less the correction (default 1)."""
    return _cast_result(_variance("var", input, dim, unbiased, correction, bool(keepdim), dtype, mask), input, dtype)


def std(
    input: Tensor, dim: _Dims = None, unbiased: bool | None = None, *, correction: int | None = None,
    keepdim: bool | None = False, dtype: _dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Standard deviation: the root of `var`."""
    found = _variance("std", input, dim, unbiased, correction, bool(keepdim), dtype, mask)
    return _cast_result(rushlight.sqrt(found), input, dtype)


def _cast_result(result: Tensor, input: Tensor, dtype: _dtype | None) -> Tensor:
    wanted = input.dtype if dtype is None else dtype
    return result.to(wanted) if wanted.is_floating_point or wanted.is_complex else result


def softmax(input: Tensor, dim: int, *, dtype: _dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax along dim; 0 for what does not count."""
    x = _cast(input, dtype)
    return rushlight.softmax(_filled(x, mask, -math.inf), dim, dtype=x.dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: _dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Logarithm of softmax along dim; -inf for what does not count."""
    x = _cast(input, dtype)
    return rushlight.log_softmax(_filled(x, mask, -math.inf), dim, dtype=x.dtype)


def softmin(input: Tensor, dim: int, *, dtype: _dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax of -input along dim; 0 for what does not count."""
    x = _cast(input, dtype)
    return rushlight.softmax(-_filled(x, mask, math.inf), dim, dtype=x.dtype)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """input divided by its norm along dim, or by eps where that is larger; 0 for what does not count."""
    x = _cast(input, dtype)
    length = norm(x, ord, dim, keepdim=True, mask=mask)
    return _filled(x, mask, 0) / rushlight.clamp(length, min=eps)


def logsumexp(
    input: Tensor, dim: _Dims = None, *, keepdim: bool = False, dtype: _dtype | None = None, mask: Tensor | None = None
) -> Tensor:
    """Logarithm of the sum of exponentials over dim; the least value of the dtype where nothing counts."""
    x = _cast(input, dtype)
    least = -math.inf if x.is_complex() else _extreme("logsumexp", x.dtype, False)
    return rushlight.logsumexp(_filled(x, mask, least), _dims(x, dim), keepdim).to(x.dtype)


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: _dtype | None = None, input_mask: Tensor | None = None, other_mask: Tensor | None = None
) -> Tensor:
    """Logarithm of exp(input) + exp(other), each with a mask of its own; -inf where neither counts."""
    x, y = _cast(input, dtype), _cast(other, dtype)
    return rushlight.logaddexp(_filled(x, input_mask, -math.inf), _filled(y, other_mask, -math.inf))
