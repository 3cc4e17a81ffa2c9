"""Discrete Fourier transforms, in the normalizations "backward" (inverse by n), "forward" (forward by n), "ortho"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight._C import Tensor, _functions
from rushlight._C import complex64 as _complex64
from rushlight._C import complex128 as _complex128
from rushlight._C import dtype as _dtype
from rushlight._C import float32 as _float32
from rushlight._C import float64 as _float64

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft",
    "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

_NONE, _ROOT, _ALL = range(3)  # the normalizations of the native transforms


def _normalization(norm: str | None, forward: bool) -> int:
    if norm is None or norm == "backward":
        return _NONE if forward else _ALL
    if norm == "forward":
        return _ALL if forward else _NONE
    if norm == "ortho":
        return _ROOT
    raise RuntimeError(f'Invalid normalization mode: "{norm}" (use "backward", "forward" or "ortho")')


def _inexact(name: str, x: Tensor, complex_: bool = False) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    kind = x.dtype
    if not (kind.is_floating_point or kind.is_complex):
        kind = rushlight.get_default_dtype()
    if kind not in (rushlight.float32, rushlight.float64, rushlight.complex64, rushlight.complex128):
        raise RuntimeError(f"Unsupported dtype {rushlight.typename(x).split('.')[-1].removesuffix('Tensor')} ({name})")
    return x.to(kind.to_complex() if complex_ and not kind.is_complex else kind)


def _real(name: str, x: Tensor) -> Tensor:
    if isinstance(x, Tensor) and x.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {x.dtype}")
    return _inexact(name, x)


def _wrap(dim: int, rank: int) -> int:
    if not -max(rank, 1) <= dim < max(rank, 1) or rank == 0:
        if rank == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    return dim % rank


def _resized(x: Tensor, sizes: Sequence[int], dims: Sequence[int]) -> Tensor:
    """x cut, or filled up with zeros, to the sizes."""
    for size, dim in zip(sizes, dims, strict=True):
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")
        if x.shape[dim] > size:
            x = x.narrow(dim, 0, size)
        elif x.shape[dim] < size:
            x = rushlight.nn.functional.pad(x, [0, 0] * (x.dim() - 1 - dim) + [0, size - x.shape[dim]])
    return x


def _shape_and_dims(
    name: str, x: Tensor, s: Sequence[int] | int | None, dim: Sequence[int] | int | None, half: bool = False
) -> tuple[list[int], list[int]]:
    """Sizes and dimensions of a transform; `half`: the last size is that of the real numbers behind half a spectrum."""
    rank = x.dim()
    s = [s] if isinstance(s, int) else s
    dim = [dim] if isinstance(dim, int) else dim
    if dim is not None:
        dims = [_wrap(d, rank) for d in dim]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None:
        if len(s) > rank:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {rank} dimensions.")
        dims = list(range(rank - len(s), rank))
    else:
        dims = list(range(rank))
    sizes = [x.shape[d] for d in dims]
    if half and dims:
        sizes[-1] = 2 * (sizes[-1] - 1)
    if s is not None:
        sizes = [have if want == -1 else want for want, have in zip(s, sizes, strict=True)]
    for size in sizes:
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return sizes, dims


def _give(name: str, result: Tensor, out: Tensor | None) -> Tensor:
    if out is None:
        return result
    if not rushlight.can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"{name}(): result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def _plain(x: Any, s: Any, dim: Any, norm: str | None, out: Tensor | None) -> bool:
    """Nothing is to be resized, scaled or checked: the usual call."""
    usual = s is None and norm is None and out is None and type(x) is Tensor and dim in ((-1,), (-2, -1))
    return usual and x.dim() >= len(dim) and x.numel() > 0


def _complex_transform(name: str, x: Tensor, s: Any, dim: Any, norm: str | None, forward: bool, out: Tensor | None) -> Tensor:
    if _plain(x, s, dim, norm, out):
        kind = x.dtype
        if kind is _complex64 or kind is _complex128:
            return _functions._fft_c2c(x, dim, _NONE if forward else _ALL, forward)
        if forward and (kind is _float32 or kind is _float64):
            return _functions._fft_r2c(x, dim, _NONE, False)
    x = _inexact(name, x)
    sizes, dims = _shape_and_dims(name, x, s, dim)
    scale = _normalization(norm, forward)
    if not dims:
        return _give(name, _inexact(name, x, True).clone(), out)
    x = _resized(x, sizes, dims)
    if forward and not x.dtype.is_complex:
        return _give(name, _functions._fft_r2c(x, dims, scale, False), out)
    return _give(name, _functions._fft_c2c(_inexact(name, x, True), dims, scale, forward), out)


def _from_real(name: str, x: Tensor, s: Any, dim: Any, norm: str | None, forward: bool, out: Tensor | None) -> Tensor:
    if forward and _plain(x, s, dim, norm, out) and (x.dtype is _float32 or x.dtype is _float64):
        return _functions._fft_r2c(x, dim, _NONE, True)
    x = _real(name, x)
    sizes, dims = _shape_and_dims(name, x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    half = _functions._fft_r2c(_resized(x, sizes, dims), dims, _normalization(norm, forward), True)
    return _give(name, half if forward else half.conj().resolve_conj(), out)


def _to_real(name: str, x: Tensor, s: Any, dim: Any, norm: str | None, forward: bool, out: Tensor | None) -> Tensor:
    x = _inexact(name, x, True)
    sizes, dims = _shape_and_dims(name, x, s, dim, half=True)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = _resized(x, [*sizes[:-1], sizes[-1] // 2 + 1], dims)
    result = _functions._fft_c2r(x.conj() if forward else x, dims, _normalization(norm, forward), sizes[-1])
    return _give(name, result, out)


def _one(n: int | None) -> list[int] | None:
    if n is not None and n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return None if n is None else [n]


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """Transform of n points along dim: X[k] = sum over j of x[j] exp(-2 pi i j k / n)."""
    return _complex_transform("fft", input, _one(n), (dim,), norm, True, out)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `fft`."""
    return _complex_transform("ifft", input, _one(n), (dim,), norm, False, out)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The first n // 2 + 1 points of `fft` of real numbers; the others are their conjugates."""
    return _from_real("rfft", input, _one(n), (dim,), norm, True, out)


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `rfft`: n real points (default: 2 (points - 1))."""
    return _to_real("irfft", input, _one(n), (dim,), norm, False, out)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """`fft` of n points (default: 2 (points - 1)) that are conjugate-symmetric, of which input is the first half."""
    return _to_real("hfft", input, _one(n), (dim,), norm, True, out)


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `hfft`: the first half of the conjugate-symmetric `ifft` of real numbers."""
    return _from_real("ihfft", input, _one(n), (dim,), norm, False, out)


_Sizes = Sequence[int] | int | None


def fftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """`fft` over several dimensions (default: all, or the last of as many as s has sizes)."""
    return _complex_transform("fftn", input, s, dim, norm, True, out)


def ifftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `fftn`."""
    return _complex_transform("ifftn", input, s, dim, norm, False, out)


def rfftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """`fftn` of real numbers; of the last dimension the first half."""
    return _from_real("rfftn", input, s, dim, norm, True, out)


def irfftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `rfftn`."""
    return _to_real("irfftn", input, s, dim, norm, False, out)


def hfftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """`fftn` of conjugate-symmetric points, of which input is the first half along the last dimension."""
    return _to_real("hfftn", input, s, dim, norm, True, out)


def ihfftn(input: Tensor, s: _Sizes = None, dim: _Sizes = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `hfftn`."""
    return _from_real("ihfftn", input, s, dim, norm, False, out)


def fft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fftn` over the last two dimensions."""
    return _complex_transform("fft2", input, s, dim, norm, True, out)


def ifft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`ifftn` over the last two dimensions."""
    return _complex_transform("ifft2", input, s, dim, norm, False, out)


def rfft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`rfftn` over the last two dimensions."""
    return _from_real("rfft2", input, s, dim, norm, True, out)


def irfft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`irfftn` over the last two dimensions."""
    return _to_real("irfft2", input, s, dim, norm, False, out)


def hfft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`hfftn` over the last two dimensions."""
    return _to_real("hfft2", input, s, dim, norm, True, out)


def ihfft2(
    input: Tensor, s: _Sizes = None, dim: _Sizes = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`ihfftn` over the last two dimensions."""
    return _from_real("ihfft2", input, s, dim, norm, False, out)


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
