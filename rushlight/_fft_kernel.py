"""The transforms behind rushlight.fft: SciPy's pocketfft with threads where SciPy is installed, else NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import _C, from_numpy
from rushlight._C import Tensor

try:
    from scipy import fft as _scipy
except ImportError:
    _scipy = None

_FORWARD = ("backward", "ortho", "forward")  # what SciPy and NumPy call the normalizations 0, 1, 2 of a forward transform
_INVERSE = ("forward", "ortho", "backward")
_THREADED = 1 << 15  # elements that are worth a second thread


def _run(name: str, x: Tensor, dims: tuple[int, ...], norm: str, result: Any, **options: Any) -> Tensor:
    array = x.numpy()
    if _scipy is not None:
        workers = _C.get_num_threads() if x.numel() >= _THREADED else 1
        out = getattr(_scipy, name)(array, axes=dims, norm=norm, workers=workers, **options)
    else:
        out = getattr(np.fft, name)(array, axes=dims, norm=norm, **options)
    # NumPy computes in double precision; PyTorch's results have the precision of the input
    return from_numpy(np.ascontiguousarray(out, dtype=result))


def c2c(x: Tensor, dims: tuple[int, ...], normalization: int, forward: int) -> Tensor:
    """Complex numbers to complex numbers."""
    norm = (_FORWARD if forward else _INVERSE)[normalization]
    return _run("fftn" if forward else "ifftn", x, dims, norm, _complex(x))


def r2c(x: Tensor, dims: tuple[int, ...], normalization: int, onesided: int) -> Tensor:
    """Real numbers to their spectrum, whole or the half that says it all."""
    return _run("rfftn" if onesided else "fftn", x, dims, _FORWARD[normalization], _complex(x))


def c2r(x: Tensor, dims: tuple[int, ...], normalization: int, size: int) -> Tensor:
    """Half a spectrum to `size` real numbers along the last of the dimensions."""
    result = np.float64 if x.dtype == _C.complex128 else np.float32
    sizes = [x.shape[d] for d in dims[:-1]] + [size]
    return _run("irfftn", x, dims, _INVERSE[normalization], result, s=sizes)


def _complex(x: Tensor) -> Any:
    return np.complex128 if x.dtype in (_C.complex128, _C.float64) else np.complex64
