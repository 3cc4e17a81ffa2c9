"""Special functions that are computed on vectors: odd sizes, every lane another case, edges, strides."""

import math

import numpy as np
import pytest

import rushlight as torch

mpmath = pytest.importorskip("mpmath")
SIZES = (1, 7, 8, 33)
LIMITS = {np.float32: 2e-7, np.float64: 5e-15}


def _compare(ours, true, x: np.ndarray, limit: float, beside: float = 0.0) -> None:
    """Relative errors; absolute ones below `beside`, or where numbers are subnormal."""
    beside = max(beside, 2 * float(np.finfo(x.dtype).smallest_normal))
    got = ours(torch.from_numpy(x)).numpy()
    want = np.array([float(true(mpmath.mpf(float(v)))) for v in x])
    with np.errstate(over="ignore", invalid="ignore"):
        close = (got == want.astype(x.dtype)) | (np.abs(got - want) <= limit * np.maximum(np.abs(want), beside))
    assert close.all(), (x, got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 11, 13])
def test_polygamma_of_every_order(n, dtype):
    rng = np.random.default_rng(n)
    for size in SIZES:
        x = np.exp(rng.uniform(-5, 8, size)).astype(dtype)
        _compare(lambda t: torch.polygamma(n, t), lambda v: mpmath.polygamma(n, v), x, LIMITS[dtype])
    edges = np.array([6, 10, 19.9, 20, 31.9, 32, 1e6], dtype)
    _compare(lambda t: torch.polygamma(n, t), lambda v: mpmath.polygamma(n, v), edges, LIMITS[dtype])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polygamma_of_negative_numbers(dtype):
    x = np.array([-0.25, 0.5, -1.5, 3, -2.75, -17.125, 8, -30.4, -0.01], dtype)
    for n in (1, 2, 3):
        _compare(lambda t, n=n: torch.polygamma(n, t), lambda v, n=n: mpmath.polygamma(n, v), x, LIMITS[dtype], 1.0)
    poles = torch.from_numpy(np.array([0, -0.0, -1, -3, math.inf, math.nan], dtype))
    assert torch.polygamma(1, poles).tolist()[:5] == [math.inf] * 4 + [0]
    assert torch.polygamma(2, poles).tolist()[:5] == [-math.inf] * 4 + [0]
    assert math.isnan(torch.polygamma(1, poles)[5]) and math.isnan(torch.polygamma(2, poles)[5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_airy_function_in_all_its_parts(dtype):
    rng = np.random.default_rng(0)
    for low, high in ((-5.1, 2.3), (-60, -4.9), (2, 20), (-200, 100)):
        for size in SIZES:
            x = rng.uniform(low, high, size).astype(dtype)
            _compare(torch.special.airy_ai, mpmath.airyai, x, LIMITS[dtype], 0.5 if low < 0 else 0.0)
    edges = torch.from_numpy(np.array([0, math.inf, -math.inf, 1e30, -1e30, math.nan], dtype))
    got = torch.special.airy_ai(edges).tolist()
    assert got[0] == pytest.approx(0.355028053887817239, rel=LIMITS[dtype]) and got[1:4] == [0, 0, 0]
    assert abs(got[4]) < 1e-6 and math.isnan(got[5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spherical_bessel_function(dtype):
    x = np.array([1e-12, -1e-3, 0.5, 3.14, -25.5, 1e4, 1e10], dtype)
    _compare(torch.special.spherical_bessel_j0, lambda v: mpmath.sin(v) / v, x, LIMITS[dtype], 1e-3)
    edges = torch.from_numpy(np.array([0, math.inf, -math.inf, math.nan], dtype))
    got = torch.special.spherical_bessel_j0(edges).tolist()
    assert got[:3] == [1, 0, 0] and math.isnan(got[3])


def _recurrence(name: str, x: float, n: float) -> float:
    if math.isnan(n):
        return n
    if name.startswith("shifted_"):
        name, x = name.removeprefix("shifted_"), 2 * x - 1
    following = {
        "hermite_polynomial_h": (2 * x, lambda k, p, q: 2 * x * p - 2 * k * q),
        "hermite_polynomial_he": (x, lambda k, p, q: x * p - k * q),
        "laguerre_polynomial_l": (1 - x, lambda k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
        "legendre_polynomial_p": (x, lambda k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
        **{
            f"chebyshev_polynomial_{kind}": (first, lambda k, p, q: 2 * x * p - q)
            for kind, first in zip("tuvw", (x, 2 * x, 2 * x - 1, 2 * x + 1), strict=True)
        },
    }
    first, step = following[name]
    values = [1.0, first]
    for k in range(1, int(n)):
        values.append(step(k, values[-1], values[-2]))
    return 0.0 if n <= -1 else values[int(n)]


POLYNOMIALS = [name for name in dir(torch.special) if "_polynomial_" in name]


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_of_another_degree_in_each_lane(name):
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            x = rng.uniform(-1, 1, size).astype(dtype)
            for n in (rng.integers(-2, 9, size).astype(dtype), np.full(size, 5, dtype), np.full(size, 2.75, dtype)):
                got = getattr(torch.special, name)(torch.from_numpy(x), torch.from_numpy(n)).numpy()
                want = [_recurrence(name, float(a), float(b)) for a, b in zip(x, n, strict=True)]
                np.testing.assert_allclose(got, want, rtol=LIMITS[dtype], atol=20 * LIMITS[dtype])
    odd = torch.tensor([math.nan, 2.0, -1.0, 0.0, 1e30], dtype=torch.float64)
    got = getattr(torch.special, name)(torch.full((5,), 0.25, dtype=torch.float64), odd).tolist()
    assert math.isnan(got[0]) and got[1] == pytest.approx(_recurrence(name, 0.25, 2)) and got[2:] == [0, 1, 0]
    got = getattr(torch.special, name)(torch.tensor([math.nan, 0.5]), 20).tolist()
    assert math.isnan(got[0]) and not math.isnan(got[1])
    strided = torch.linspace(-1, 1, 22).double()[::2]
    assert torch.equal(getattr(torch.special, name)(strided, 3), getattr(torch.special, name)(strided.clone(), 3))


@pytest.mark.parametrize("decimals", [0, 1, 3, -2, 11, 12, 15, -13])
def test_rounding_to_decimals(decimals):
    rng = np.random.default_rng(2)
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            x = (rng.standard_normal(size) * 10.0 ** rng.integers(-3, 6, size)).astype(dtype)
            x[0] = math.inf
            scale = dtype(10.0 ** abs(decimals))
            with np.errstate(invalid="ignore"):
                want = np.rint(x / scale) * scale if decimals < 0 else np.rint(x * scale) / scale
            got = torch.round(torch.from_numpy(x), decimals=decimals).numpy()
            np.testing.assert_array_equal(got, want)
    x = torch.arange(20.0) / 7
    assert torch.equal(torch.round(x[::3], decimals=2), torch.round(x, decimals=2)[::3])
