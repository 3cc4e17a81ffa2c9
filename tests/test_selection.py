"""Kernels with a path of their own for short rows, narrow ranges or few points, against NumPy."""

import itertools
import math

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(5)
LENGTHS = [1, 7, 19, 20, 33, 64, 127, 128, 129, 255, 256, 1000, 5000]


def rows(n: int, kind: str) -> np.ndarray:
    if kind == "float":
        return RNG.standard_normal((3, n)).astype("f4")
    return RNG.integers(-5, 6, (3, n)).astype("i8" if kind == "int" else "f8")


@pytest.mark.parametrize("kind", ["float", "int", "ties"])
@pytest.mark.parametrize("n", LENGTHS)
def test_order_statistics(n: int, kind: str) -> None:
    x = rows(n, kind)
    t = torch.from_numpy(x)
    order = np.argsort(x, 1, kind="stable")
    values, places = t.sort(dim=1, stable=True)
    assert (places.numpy() == order).all() and (values.numpy() == np.sort(x, 1)).all()
    middle, at = t.median(1)
    assert (at.numpy() == order[:, (n - 1) // 2]).all()
    assert (middle.numpy() == np.sort(x, 1)[:, (n - 1) // 2]).all()
    k = min(3, n)
    best, where = t.topk(k, 1)
    assert (best.numpy() == -np.sort(-x, 1)[:, :k]).all()
    assert (np.take_along_axis(x, where.numpy(), 1) == best.numpy()).all()


@pytest.mark.parametrize("kind", ["float", "int", "ties"])
def test_unique_and_runs(kind: str) -> None:
    x = rows(500, kind)[0]
    t = torch.from_numpy(x)
    for got, want in zip(
        t.unique(return_inverse=True, return_counts=True), np.unique(x, return_inverse=True, return_counts=True), strict=True
    ):
        assert (got.numpy() == want).all()
    first = np.concatenate([[True], x[1:] != x[:-1]])
    values, inverse, counts = t.unique_consecutive(return_inverse=True, return_counts=True)
    assert (values.numpy() == x[first]).all() and (inverse.numpy() == np.cumsum(first) - 1).all()
    assert (counts.numpy() == np.diff(np.append(np.flatnonzero(first), len(x)))).all()


def test_buckets_and_counts() -> None:
    x = rows(3000, "float")[0]
    edges = np.array([-1.0, -0.5, 0.0, 0.0, 0.7], "f4")
    for right in (False, True):
        got = torch.bucketize(torch.from_numpy(x), torch.from_numpy(edges), right=right)
        assert (got.numpy() == np.searchsorted(edges, x, "right" if right else "left")).all()
    assert (torch.histc(torch.from_numpy(x), 9, -2, 2).numpy() == np.histogram(x, 9, (-2, 2))[0]).all()
    k = RNG.integers(0, 40, 5000)
    assert (torch.bincount(torch.from_numpy(k)).numpy() == np.bincount(k)).all()
    assert (torch.isin(torch.from_numpy(k), torch.tensor([3, 7])).numpy() == np.isin(k, [3, 7])).all()


@pytest.mark.parametrize("n", [1, 2, 5, 8, 12, 24, 64, 96])
def test_transforms_of_few_points(n: int) -> None:
    x = RNG.standard_normal((3, n))
    t = torch.from_numpy(x)
    np.testing.assert_allclose(torch.fft.fft(t).numpy(), np.fft.fft(x), atol=1e-12)
    np.testing.assert_allclose(torch.fft.rfft2(t).numpy(), np.fft.rfft2(x), atol=1e-12)
    np.testing.assert_allclose(torch.fft.ifft2(t, norm="ortho").numpy(), np.fft.ifft2(x, norm="ortho"), atol=1e-12)
    half = np.fft.rfft(x)
    np.testing.assert_allclose(torch.fft.irfft(torch.from_numpy(half), n).numpy(), x, atol=1e-12)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "float16"])
@pytest.mark.parametrize("shape", [(7, 5), (40, 600), (3, 30, 17)])
def test_extrema_over_outer_dimensions_and_where_they_are(shape: tuple[int, ...], kind: str) -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(-4, 5, shape).astype(kind)  # with many ties
    if kind.startswith("float"):
        a[tuple(rng.integers(0, n, 9) for n in shape)] = np.nan
    x = torch.from_numpy(a)
    for dim in range(len(shape)):
        for ours, theirs in ((x.max(dim), a.argmax(dim)), (x.min(dim), a.argmin(dim))):
            np.testing.assert_array_equal(ours.indices.numpy(), theirs)  # NumPy too takes the first, and NaN before all
            np.testing.assert_array_equal(ours.values.numpy(), np.take_along_axis(a, np.expand_dims(theirs, dim), dim).squeeze(dim))
        np.testing.assert_array_equal(x.argmax(dim).numpy(), a.argmax(dim))


def test_masks_and_indices() -> None:
    x = rows(700, "float")
    mask = x > 0
    t, m = torch.from_numpy(x), torch.from_numpy(mask)
    assert (t[m].numpy() == x[mask]).all()
    assert (torch.nonzero(m).numpy() == np.argwhere(mask)).all()
    filled = t.masked_scatter(m, torch.arange(int(mask.sum())).float()).numpy()
    assert (filled[mask] == np.arange(mask.sum())).all() and (filled[~mask] == x[~mask]).all()
    with pytest.raises(RuntimeError, match="index 700 is out of bounds for dimension 1 with size 700"):
        torch.gather(t, 1, torch.full((3, 2), 700))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2)])
def test_gradients_of_nll_loss(shape: tuple[int, ...], reduction: str) -> None:
    x = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (shape[0], *shape[2:]))
    target.view(-1)[0] = 1
    target.view(-1)[1] = -100
    weight = torch.rand(3, dtype=torch.float64) + 0.5
    for w in (None, weight):

        def loss(x: torch.Tensor, w: torch.Tensor | None = w) -> torch.Tensor:
            return torch.nn.functional.nll_loss(x * x, target, w, reduction=reduction)

        assert gradcheck(loss, (x,)) and gradgradcheck(loss, (x,))


def test_gradients_of_cross() -> None:
    a = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a, b: torch.linalg.cross(a, b, dim=1), (a, b))
    assert gradgradcheck(lambda a, b: torch.linalg.cross(a, b, dim=1), (a, b))


@pytest.mark.parametrize("count, among", [(1000, 1), (1000, 40), (5000, 2000), (3, 5000), (20000, 20000)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32, torch.int64, torch.uint8])
def test_isin_as_numpy(count, among, dtype):
    high = 200 if dtype is torch.uint8 else 4000
    x, y = torch.randint(0, high, (count,)).to(dtype), torch.randint(0, high, (among,)).to(dtype)
    if dtype.is_floating_point:
        x[0], y[0], x[1] = math.nan, math.nan, -0.0
    for invert in (False, True):
        np.testing.assert_array_equal(torch.isin(x, y, invert=invert).numpy(), np.isin(x.numpy(), y.numpy(), invert=invert))


@pytest.mark.parametrize("r", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [0, 1, 3, 6])
def test_combinations_as_itertools(n, r):
    for again, choose in ((False, itertools.combinations), (True, itertools.combinations_with_replacement)):
        found = torch.combinations(torch.arange(n), r, again)
        assert found.tolist() == [list(c) for c in choose(range(n), r)]
        assert torch.combinations(torch.empty(n, device="meta"), r, again).shape == found.shape
    with pytest.raises(RuntimeError, match="too many"):
        torch.combinations(torch.empty(10**6, device="meta"), 10**5)
