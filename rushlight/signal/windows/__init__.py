"""Windows of M points; `sym=False` gives M points of the period M, for spectra. Formulas: Harris 1978."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import rushlight
from rushlight._C import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _options(name: str, M: int, dtype: Any, layout: Any, device: Any) -> dict[str, Any]:
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not rushlight.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    kind = rushlight.get_default_dtype() if dtype is None else dtype
    if kind not in (rushlight.float32, rushlight.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    return {"dtype": kind, "device": device}


def _ramp(M: int, sym: bool, start: float, step: float, options: dict[str, Any]) -> Tensor:
    """start + step * (0 .. M - 1)"""
    return rushlight.linspace(start, start + step * (M - 1), M, **options)


def _small(M: int, options: dict[str, Any], requires_grad: bool) -> Tensor | None:
    """The windows of no and of one point."""
    return rushlight.ones(M, **options, requires_grad=requires_grad) if M <= 1 else None


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = rushlight.strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-|n - center| / tau); the center is the middle unless it is given, which an asymmetric window allows."""
    options = _options("exponential", M, dtype, layout, device)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    middle = (M if not sym else M - 1) / 2.0 if center is None else center
    return rushlight.exp(-abs(_ramp(M, sym, -middle / tau, 1 / tau, options))).requires_grad_(requires_grad)


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = rushlight.strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi (n + 1/2) / M): half a wave."""
    options = _options("cosine", M, dtype, layout, device)
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    step = math.pi / (M if sym else M + 1)
    return rushlight.sin(_ramp(M, sym, 0.5 * step, step, options)).requires_grad_(requires_grad)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = rushlight.strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-((n - middle) / std)^2 / 2)"""
    options = _options("gaussian", M, dtype, layout, device)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    middle = (M if not sym else M - 1) / 2.0
    scale = 1 / (std * math.sqrt(2.0))
    return rushlight.exp(-_ramp(M, sym, -middle * scale, scale, options) ** 2).requires_grad_(requires_grad)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = rushlight.strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1, with the modified Bessel function of order 0."""
    options = _options("kaiser", M, dtype, layout, device)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    top = rushlight.tensor(beta, **options)
    step = 2 * beta / (M if not sym else M - 1)
    end = min(beta, -beta + step * (M - 1))
    k = rushlight.linspace(-beta, end, M, **options)
    return (rushlight.i0(rushlight.sqrt(beta * beta - k * k)) / rushlight.i0(top)).requires_grad_(requires_grad)


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Any = None,
    layout: Any = rushlight.strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The sum over i of (-1)^i a[i] cos(2 pi i n / (M - 1))."""
    options = _options("general_cosine", M, dtype, layout, device)
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    coefficients = list(a)
    if not coefficients:
        raise ValueError("Coefficients cannot be empty")
    step = 2 * math.pi / (M if not sym else M - 1)
    k = _ramp(M, sym, 0.0, step, options)
    signed = [(-1) ** i * w for i, w in enumerate(coefficients)]
    factors = rushlight.tensor(signed, **options).unsqueeze(-1)
    orders = rushlight.arange(len(signed), **options).unsqueeze(-1)
    return (factors * rushlight.cos(orders * k)).sum(0).requires_grad_(requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))"""
    return general_cosine(
        M, a=[alpha, 1.0 - alpha], sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hamming(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """0.54 - 0.46 cos(2 pi n / (M - 1))"""
    return general_hamming(M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def hann(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """(1 - cos(2 pi n / (M - 1))) / 2"""
    return general_hamming(M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def blackman(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1))"""
    return general_cosine(
        M, a=[0.42, 0.5, 0.08], sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def nuttall(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Four cosines with the least side lobes (Nuttall 1981)."""
    return general_cosine(
        M,
        a=[0.3635819, 0.4891775, 0.1365995, 0.0106411],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = rushlight.strided, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """1 - |2 n / (M - 1) - 1|: a triangle."""
    options = _options("bartlett", M, dtype, layout, device)
    if (small := _small(M, options, requires_grad)) is not None:
        return small
    step = 2 / (M if not sym else M - 1)
    return (1 - abs(_ramp(M, sym, -1.0, step, options))).requires_grad_(requires_grad)
