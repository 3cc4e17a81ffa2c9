"""Short-time Fourier transforms, and the windows of the top namespace."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight
from rushlight._C import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "istft", "kaiser_window", "stft"]


def _window(name: str, length: int, periodic: bool, options: dict[str, Any], f: Any) -> Tensor:
    """f(0 .. length - 1, the number of steps of a period) as a window."""
    if isinstance(length, bool) or not isinstance(length, int):
        raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {type(length).__name__}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    requires_grad, _ = options.pop("requires_grad"), options.pop("pin_memory")
    kind = options["dtype"] = options["dtype"] or rushlight.get_default_dtype()
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind}")
    if length <= 1:
        return rushlight.ones(length, **options).requires_grad_(requires_grad)
    wide = {**options, "dtype": kind if kind in (rushlight.float32, rushlight.float64) else rushlight.float32}
    n = rushlight.arange(length, **wide)
    return f(n, length if periodic else length - 1).to(kind).requires_grad_(requires_grad)


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """(1 - cos(2 pi n / N)) / 2; N is window_length, or one less if not periodic."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory, "requires_grad": requires_grad}
    return _window("hann_window", window_length, periodic, options, lambda n, N: 0.5 - 0.5 * rushlight.cos(n * (2 * math.pi / N)))


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """alpha - beta cos(2 pi n / N); N is window_length, or one less if not periodic."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory, "requires_grad": requires_grad}
    return _window(
        "hamming_window", window_length, periodic, options, lambda n, N: alpha - beta * rushlight.cos(n * (2 * math.pi / N))
    )


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N); N is window_length, or one less if not periodic."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory, "requires_grad": requires_grad}

    def formula(n: Tensor, N: int) -> Tensor:
        return 0.42 - 0.5 * rushlight.cos(n * (2 * math.pi / N)) + 0.08 * rushlight.cos(n * (4 * math.pi / N))

    return _window("blackman_window", window_length, periodic, options, formula)


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """1 - |2 n / N - 1|; N is window_length, or one less if not periodic."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory, "requires_grad": requires_grad}
    return _window("bartlett_window", window_length, periodic, options, lambda n, N: 1 - abs(n * (2 / N) - 1))


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta); N is window_length, or one less if not periodic."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory, "requires_grad": requires_grad}

    def formula(n: Tensor, N: int) -> Tensor:
        top = rushlight.i0(rushlight.tensor(float(beta), dtype=n.dtype, device=n.device))
        return rushlight.i0(beta * rushlight.sqrt(1 - (n * (2 / N) - 1) ** 2)) / top

    return _window("kaiser_window", window_length, periodic, options, formula)


# ---------------------------------------------------------------- short-time transforms
def _full_window(name: str, window: Tensor | None, n_fft: int, win_length: int, like: Tensor) -> Tensor:
    """The window in the middle of n_fft points."""
    if window is not None and (window.dim() != 1 or window.shape[0] != win_length):
        raise RuntimeError(
            f"{name}(): expected a 1D window tensor of size equal to win_length={win_length}, but got window with size "
            f"{list(window.shape)}"
        )
    if window is None:
        window = rushlight.ones(win_length, dtype=like.dtype, device=like.device)
    left = (n_fft - win_length) // 2
    return rushlight.nn.functional.pad(window, [left, n_fft - win_length - left]) if win_length < n_fft else window


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """Fourier transforms of windowed pieces of a signal (..., T): (..., frequencies, frames), complex.

    Pieces of n_fft points begin every hop_length points (default: n_fft // 4). `center` pads the signal so that frame t
    is centered at t * hop_length. With return_complex=False real and imaginary parts are a last dimension of size 2.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    what = f"stft({list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width})"
    if window is None and (width == n_fft or win_length is None):
        warnings.warn(
            "A window was not provided. A rectangular window will be applied, which is known to cause spectral leakage. "
            "Other windows such as rushlight.hann_window or rushlight.hamming_window are recommended to reduce it.",
            stacklevel=2,
        )
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None:
        if not complex_input:
            raise RuntimeError("stft requires the return_complex parameter be given for real inputs.")
        return_complex = True
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(f"{what}: expected a tensor of floating point or complex values")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"{what}: expected a 1D or 2D tensor")
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    x = input if input.dim() == 2 else input.unsqueeze(0)
    if center:
        half = n_fft // 2
        x = rushlight.nn.functional.pad(x.unsqueeze(1), [half, half], mode=pad_mode).squeeze(1)
    length = x.shape[1]
    if n_fft <= 0 or n_fft > length:
        raise RuntimeError(f"{what}: expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{what}: expected hop_length > 0, but got hop_length={hop}")
    if width <= 0 or width > n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft, but got win_length={width}")
    weights = _full_window("stft", window, n_fft, width, x) if window is not None or width < n_fft else None
    frames = x.unfold(1, n_fft, hop)
    if weights is not None:
        frames = frames * weights
    complex_input = frames.is_complex()
    if onesided is None:
        onesided = not complex_input
    if onesided and complex_input:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else "backward"
    spectrum = (rushlight.fft.rfft if onesided else rushlight.fft.fft)(frames, dim=-1, norm=norm).transpose(1, 2)
    result = spectrum if input.dim() == 2 else spectrum.squeeze(0)
    return result if return_complex else rushlight.view_as_real(result)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The inverse of `stft`: overlapping pieces are added and divided by the sum of the squared windows (Griffin, Lim 1984)."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    what = f"istft({list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width})"
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if input.numel() == 0:
        raise RuntimeError(f"{what}: input tensor cannot be empty.")
    if input.dim() not in (2, 3):
        raise RuntimeError(f"{what}: expected a tensor with 2 or 3 dimensions, but got {input.dim()}")
    x = input if input.dim() == 3 else input.unsqueeze(0)
    bins, frames = x.shape[1], x.shape[2]
    if onesided is None:
        onesided = bins != n_fft
    expected = n_fft // 2 + 1 if onesided else n_fft
    if bins != expected:
        which = "onesided" if onesided else "twosided"
        raise RuntimeError(f"{what}: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft "
                           f"{'/ 2 + 1 ' if onesided else ''}when {which}, but got {bins}")  # fmt: skip
    if not 0 < hop <= width:
        raise RuntimeError(f"{what}: expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft")
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    real = rushlight.view_as_real(x)[..., 0]
    weights = _full_window("istft", window, n_fft, width, real)
    norm = "ortho" if normalized else "backward"
    pieces = x.transpose(1, 2)
    if return_complex:
        pieces = rushlight.fft.ifft(pieces, dim=-1, norm=norm)
    else:  # of a real signal's whole spectrum the first half says it all
        pieces = rushlight.fft.irfft(pieces[..., : n_fft // 2 + 1], n_fft, dim=-1, norm=norm)
    total = n_fft + hop * (frames - 1)
    signal = _overlapped(pieces * weights, total, hop)
    envelope = _overlapped((weights * weights).expand(1, frames, n_fft), total, hop)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    stop = min(end, total)
    signal, envelope = signal[:, start:stop], envelope[:, start:stop]
    least = envelope.abs().min().item() if envelope.numel() else 0.0
    if not least > 1e-11:
        raise RuntimeError(f"{what}: window overlap add min: {least}; the windows leave a gap, where the signal is unknown")
    signal = signal / envelope
    if end > total:
        warnings.warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in "
                      "the tail. Please check your center and hop_length settings.", stacklevel=2)  # fmt: skip
        signal = rushlight.nn.functional.pad(signal, [0, end - total])
    return signal if input.dim() == 3 else signal.squeeze(0)


def _overlapped(pieces: Tensor, total: int, hop: int) -> Tensor:
    """The sums of pieces (N, frames, width) laid down every hop points: (N, total)."""
    n, frames, width = pieces.shape
    at = rushlight.arange(width, device=pieces.device) + hop * rushlight.arange(frames, device=pieces.device).unsqueeze(1)
    zeros = rushlight.zeros(n, total, dtype=pieces.dtype, device=pieces.device)
    return zeros.index_add(1, at.reshape(-1), pieces.reshape(n, frames * width))


Tensor.stft = stft  # type: ignore[attr-defined]
Tensor.istft = istft  # type: ignore[attr-defined]
