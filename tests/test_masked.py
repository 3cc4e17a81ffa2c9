"""Masked reductions against NumPy's masked arrays, and functions of the top namespace that are compositions."""

import math

import numpy as np
import pytest

import rushlight as torch
from rushlight import masked

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 5))
MASK = RNG.random((4, 5)) > 0.4
MASK[:, 0] = True
T, M = torch.from_numpy(X), torch.from_numpy(MASK)
ARRAY = np.ma.array(X, mask=~MASK)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_reductions(dim):
    for name, other in (("sum", "sum"), ("prod", "prod"), ("amax", "max"), ("amin", "min"), ("mean", "mean")):
        got = getattr(masked, name)(T, dim, mask=M)
        np.testing.assert_allclose(got.numpy(), np.ma.filled(getattr(ARRAY, other)(axis=dim), 0), err_msg=name)
    if dim == 1:  # of every row more than one element counts, or the variance is nan
        got, expected = masked.var(T, 1, mask=M).numpy(), np.ma.filled(ARRAY.var(axis=1, ddof=1), np.nan)
        enough = MASK.sum(1) > 1
        np.testing.assert_allclose(got[enough], expected[enough])
        np.testing.assert_allclose(masked.std(T, 1, unbiased=False, mask=M).numpy(), ARRAY.std(axis=1))


def test_rows_in_which_nothing_counts():
    x, none = torch.tensor([[1.0, 2.0]]), torch.tensor([[False, False]])
    assert masked.sum(x, 1, mask=none).item() == 0 and masked.prod(x, 1, mask=none).item() == 1
    assert masked.amax(x, 1, mask=none).item() == -math.inf and masked.amin(x, 1, mask=none).item() == math.inf
    assert math.isnan(masked.mean(x, 1, mask=none).item()) and math.isnan(masked.median(x, 1, mask=none).item())
    assert masked.norm(x, 2, 1, mask=none).item() == 0 and masked.logsumexp(x, 1, mask=none).item() == -math.inf
    with pytest.raises(ValueError, match="fully masked out rows"):
        masked.median(x.long(), 1, mask=none)
    with pytest.raises(ValueError, match="Could not infer output dtype"):
        masked.mean(x.long())


def test_normalisations_cumulations_and_indices():
    soft = masked.softmax(T, 1, mask=M)
    expected = np.where(MASK, np.exp(X), 0)
    np.testing.assert_allclose(soft.numpy(), expected / expected.sum(1, keepdims=True))
    np.testing.assert_allclose(masked.log_softmax(T, 1, mask=M).exp().numpy(), soft.numpy())
    np.testing.assert_allclose(masked.softmin(-T, 1, mask=M).numpy(), soft.numpy())
    np.testing.assert_allclose(masked.logsumexp(T, 1, mask=M).numpy(), np.log(expected.sum(1)))
    filled = np.where(MASK, X, 0)
    np.testing.assert_allclose(masked.cumsum(T, 1, mask=M).numpy(), filled.cumsum(1))
    np.testing.assert_allclose(masked.cumprod(T, 1, mask=M).numpy(), np.where(MASK, X, 1).cumprod(1))
    length = np.linalg.norm(filled, axis=1, keepdims=True)
    np.testing.assert_allclose(masked.normalize(T, 2.0, 1, mask=M).numpy(), filled / length)
    np.testing.assert_array_equal(masked.argmax(T, 1, mask=M).numpy(), np.where(MASK, X, -9).argmax(1))
    np.testing.assert_array_equal(masked.argmin(T, 1, mask=M).numpy(), np.where(MASK, X, 9).argmin(1))
    np.testing.assert_allclose(masked.median(T, 1, mask=M).numpy(), [np.sort(x[m])[(m.sum() - 1) // 2] for x, m in zip(X, MASK, strict=True)])
    both = masked.logaddexp(T, T, input_mask=M, other_mask=~M)
    np.testing.assert_allclose(both.numpy(), X)
    assert torch.autograd.gradcheck(lambda t: masked.softmax(t, 1, mask=M), (T.clone().requires_grad_(),))
    assert torch.autograd.gradcheck(lambda t: masked.var(t, mask=M), (T.clone().requires_grad_(),))


# ---------------------------------------------------------------- compositions
def test_gradient_of_samples():
    x = torch.from_numpy(RNG.normal(size=(5, 6)))
    at = torch.tensor([0.0, 1.0, 1.5, 3.5, 4.0, 6.0], dtype=torch.float64)
    for order in (1, 2):
        for got, expected in zip(torch.gradient(x, edge_order=order), np.gradient(x.numpy(), edge_order=order), strict=True):
            np.testing.assert_allclose(got.numpy(), expected)
        got = torch.gradient(x, spacing=(at,), dim=1, edge_order=order)[0]
        np.testing.assert_allclose(got.numpy(), np.gradient(x.numpy(), at.numpy(), axis=1, edge_order=order))
        got = torch.gradient(x, spacing=[2.0, 0.5], edge_order=order)
        np.testing.assert_allclose(got[1].numpy(), np.gradient(x.numpy(), 0.5, axis=1, edge_order=order))
    with pytest.raises(RuntimeError, match="edge_order"):
        torch.gradient(x, edge_order=3)
    for spacing in ([], [1.0], [torch.arange(3.0)]):
        with pytest.raises(RuntimeError, match="list of length equal to the number of dimensions"):
            torch.gradient(x, spacing=spacing)


def test_coordinates_of_places():
    places = torch.tensor([[0, 7], [23, 11]])
    for got, expected in zip(torch.unravel_index(places, (2, 3, 4)), np.unravel_index(places.numpy(), (2, 3, 4)), strict=True):
        np.testing.assert_array_equal(got.numpy(), expected)
    with pytest.raises(TypeError, match="integer dtype"):
        torch.unravel_index(torch.ones(2), (2, 2))


def test_hashes_of_bits():
    x = RNG.normal(size=(3, 7))
    bits = x.view(np.uint64)
    assert int(torch.hash_tensor(torch.from_numpy(x)).item()) == int(np.bitwise_xor.reduce(bits, axis=None))
    got = torch.from_numpy(x).hash_tensor(1, keepdim=True)
    np.testing.assert_array_equal(got.numpy(), np.bitwise_xor.reduce(bits, axis=1, keepdims=True))


def test_cross_products_and_powers():
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(1, 3))
    x, y = (torch.from_numpy(v).requires_grad_() for v in (a, b))
    np.testing.assert_allclose(torch.linalg.cross(x, y).detach().numpy(), np.cross(a, b))
    np.testing.assert_allclose(x.detach().t().cross(x.detach().t() + 1, 0).numpy(), np.cross(a, a + 1).T)
    assert torch.autograd.gradcheck(torch.linalg.cross, (x, y)) and torch.autograd.gradgradcheck(torch.linalg.cross, (x, y))
    with pytest.raises(RuntimeError, match="must have length 3"):
        torch.linalg.cross(torch.ones(2), torch.ones(2))
    np.testing.assert_allclose(torch.linalg.vander(torch.from_numpy(a[0]), N=4).numpy(), np.vander(a[0], 4, increasing=True))
