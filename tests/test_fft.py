"""Fourier transforms against NumPy's, short-time transforms against SciPy's, and their gradients."""

import numpy as np
import pytest
import scipy.signal

import rushlight as torch

RNG = np.random.default_rng(3)
REAL = RNG.normal(size=(3, 4, 6))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)
NORMS = (None, "backward", "ortho", "forward")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 3, 6, 9])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_dimension(name, n, norm):
    x = REAL if name in ("rfft", "ihfft") else COMPLEX
    for dim in (-1, 1):
        expected = getattr(np.fft, name)(x, n, dim, norm)
        got = getattr(torch.fft, name)(torch.from_numpy(x), n, dim, norm)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)
        single = torch.from_numpy(x).to(torch.complex64 if np.iscomplexobj(x) else torch.float32)
        assert getattr(torch.fft, name)(single, n, dim, norm).dtype in (torch.complex64, torch.float32)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("s,dim", [(None, None), ((4, 4), None), ((2, 5), (0, 2)), (None, (2, 1))])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_dimensions(name, s, dim, norm):
    x = REAL if name == "rfftn" else COMPLEX
    axes = dim if dim is not None else None if s is None else tuple(range(3 - len(s), 3))
    expected = getattr(np.fft, name)(x, s, axes, norm)
    np.testing.assert_allclose(getattr(torch.fft, name)(torch.from_numpy(x), s, dim, norm).numpy(), expected, atol=1e-12)


def test_two_dimensions_and_symmetric_forms():
    z, x = torch.from_numpy(COMPLEX), torch.from_numpy(REAL)
    for plain, two in (("fftn", "fft2"), ("ifftn", "ifft2"), ("irfftn", "irfft2"), ("hfftn", "hfft2")):
        assert torch.equal(getattr(torch.fft, plain)(z, dim=(-2, -1)), getattr(torch.fft, two)(z))
    for plain, two in (("rfftn", "rfft2"), ("ihfftn", "ihfft2")):
        assert torch.equal(getattr(torch.fft, plain)(x, dim=(-2, -1)), getattr(torch.fft, two)(x))
    torch.testing.assert_close(torch.fft.hfftn(torch.fft.ihfftn(x), s=x.shape), x)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts(n):
    np.testing.assert_allclose(torch.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5).astype(np.float32))
    np.testing.assert_allclose(torch.fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5).astype(np.float32))
    x = RNG.normal(size=(n, 3))
    for dim in (None, 0, (0, 1)):
        np.testing.assert_array_equal(torch.fft.fftshift(torch.from_numpy(x), dim).numpy(), np.fft.fftshift(x, dim))
        np.testing.assert_array_equal(torch.fft.ifftshift(torch.from_numpy(x), dim).numpy(), np.fft.ifftshift(x, dim))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "rfft2", "irfft2", "fftn", "irfftn"])
def test_gradients(name):
    data = REAL[:2, :3, :4] if name in ("rfft", "ihfft", "rfft2") else COMPLEX[:2, :3, :4]
    x = torch.from_numpy(data.copy()).requires_grad_()
    f = getattr(torch.fft, name)
    assert torch.autograd.gradcheck(lambda t: f(t, norm="ortho"), (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


def test_out_meta_and_errors():
    z = torch.from_numpy(COMPLEX)
    out = torch.empty(0, dtype=torch.complex128)
    assert torch.fft.fft(z, out=out) is out and torch.equal(out, torch.fft.fft(z))
    assert torch.fft.rfft(torch.empty(3, 8, device="meta")).shape == (3, 5)
    for call, kind, text in (
        (lambda: torch.fft.fft(z, 0), RuntimeError, "Invalid number of data points"),
        (lambda: torch.fft.fft(z, norm="x"), RuntimeError, "Invalid normalization mode"),
        (lambda: torch.fft.rfft(z), RuntimeError, "expects a real input"),
        (lambda: torch.fft.fft(torch.tensor(1.0)), IndexError, "no dimensions"),
        (lambda: torch.fft.fftn(z, dim=(0, 0)), RuntimeError, "must be unique"),
        (lambda: torch.fft.fftn(z, (2,), (0, 1)), RuntimeError, "same length"),
        (lambda: torch.fft.fft(z.real.half()), RuntimeError, "Unsupported dtype Half"),
    ):
        with pytest.raises(kind, match=text):
            call()
    assert torch.fft.fft(torch.tensor([1, 2])).dtype == torch.complex64


# ---------------------------------------------------------------- short-time transforms
@pytest.mark.parametrize("hop,width,center", [(4, 16, True), (8, 12, True), (4, 16, False)])
def test_short_time_transform_and_its_inverse(hop, width, center):
    x = torch.from_numpy(RNG.normal(size=(2, 100)))
    window = torch.hann_window(width, dtype=torch.float64)
    s = torch.stft(x, 16, hop, width, window, center=center, return_complex=True, pad_mode="constant")
    full = np.zeros(16)
    full[(16 - width) // 2 : (16 - width) // 2 + width] = window.numpy()
    padded = np.pad(x.numpy(), ((0, 0), (8, 8))) if center else x.numpy()
    frames = np.stack([padded[:, i : i + 16] for i in range(0, padded.shape[1] - 15, hop)], 1)
    np.testing.assert_allclose(s.numpy(), np.fft.rfft(frames * full).transpose(0, 2, 1), atol=1e-12)
    if center:
        back = torch.istft(s, 16, hop, width, window, length=96)
        torch.testing.assert_close(back, x[:, :96])
        assert torch.autograd.gradcheck(lambda t: torch.view_as_real(t.stft(16, hop, width, window, return_complex=True)), (x[:1, :40].clone().requires_grad_(),))
    with pytest.raises(RuntimeError, match="return_complex"):
        torch.stft(x, 16, window=torch.ones(16))
    with pytest.raises(RuntimeError, match="window overlap add min"):
        torch.istft(s, 16, hop, width, torch.zeros(width, dtype=torch.float64))


@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("m", [0, 1, 2, 7, 8])
def test_windows_against_scipy(m, sym):
    windows, options = torch.signal.windows, {"sym": sym, "dtype": torch.float64}
    for name, mine, theirs in (
        ("bartlett", {}, ()), ("blackman", {}, ()), ("cosine", {}, ()), ("hamming", {}, ()), ("hann", {}, ()), ("nuttall", {}, ()),
        ("exponential", {"tau": 2.0}, (None, 2.0)), ("gaussian", {"std": 1.5}, (1.5,)), ("kaiser", {"beta": 4.0}, (4.0,)),
        ("general_cosine", {"a": [0.5, 0.3, 0.2]}, ([0.5, 0.3, 0.2],)), ("general_hamming", {"alpha": 0.6}, (0.6,)),
    ):  # fmt: skip
        expected = getattr(scipy.signal.windows, name)(m, *theirs, sym=sym)
        np.testing.assert_allclose(getattr(windows, name)(m, **mine, **options).numpy(), expected, atol=1e-12, err_msg=name)
    for name, given in (("hann", ()), ("hamming", ()), ("blackman", ()), ("bartlett", ()), ("kaiser", (12.0,))):
        expected = getattr(scipy.signal.windows, name)(m, *given, sym=sym)
        got = getattr(torch, name + "_window")(m, not sym, dtype=torch.float64)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12, err_msg=name)


def test_windows_refuse():
    with pytest.raises(ValueError, match="non-negative window length"):
        torch.signal.windows.hann(-1)
    with pytest.raises(ValueError, match="float32 or float64"):
        torch.signal.windows.hann(4, dtype=torch.int32)
    with pytest.raises(RuntimeError, match="non-negative window_length"):
        torch.hann_window(-1)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "ihfft", "fftn", "ifftn"])
@pytest.mark.parametrize("shape", [(3, 1024), (1024, 3), (7, 33, 64), (5, 1001), (3000, 2), (3000, 1)])
def test_many_real_points_in_both_directions(shape, name, norm):
    x = torch.randn(*shape, dtype=torch.float64)
    for dim in [None] if name.endswith("n") else range(len(shape)):
        found = getattr(torch.fft, name)(x, dim=dim, norm=norm)
        expected = getattr(np.fft, name)(x.numpy(), **{"axes" if name.endswith("n") else "axis": dim}, norm=norm)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-11 * np.abs(expected).max())
