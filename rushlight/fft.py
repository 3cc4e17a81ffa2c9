"""Discrete Fourier transforms, in the normalizations "backward" (inverse by n), "forward" (forward by n), "ortho"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight._C import Tensor
from rushlight._C import dtype as _dtype
from rushlight._namespace import fill as _fill

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]

_Sizes = Sequence[int] | int | None


def _give(name: str, result: Tensor, out: Tensor) -> Tensor:
    if not rushlight.can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"{name}(): result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def _frequencies(n: int, count: int, negative: bool, d: float, out: Tensor | None, options: dict[str, Any]) -> Tensor:
    kind = options.pop("dtype") or (out.dtype if out is not None else rushlight.get_default_dtype())
    requires_grad = options.pop("requires_grad")
    result = rushlight.arange(count, dtype=kind, **options)
    if negative:
        result[(n + 1) // 2 :] -= n
    result = result * (1.0 / (n * d))
    return _give("fftfreq", result, out) if out is not None else result.requires_grad_(requires_grad)


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: _dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of the points of `fft`, for samples at distance d: 0, 1, .., -2, -1, each over n d."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _frequencies(n, n, True, d, out, options)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: _dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of the points of `rfft`, for samples at distance d: 0, 1, .., n // 2, each over n d."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _frequencies(n, n // 2 + 1, False, d, out, options)


def _shift(x: Tensor, dim: Any, up: int) -> Tensor:
    dims = list(range(x.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return x.roll([(x.shape[d] + up) // 2 for d in dims], dims) if dims else x.clone()


def fftshift(input: Tensor, dim: _Sizes = None) -> Tensor:
    """Points of `fftn` reordered so that frequency zero is in the middle."""
    return _shift(input, dim, 0)


def ifftshift(input: Tensor, dim: _Sizes = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shift(input, dim, 1)


_fill(globals(), "fft")
