"""Gradients where elements tie, are NaN, or lie at a point without a derivative, and other corners: as PyTorch has them."""

import math

import pytest

import rushlight as torch

F = torch.nn.functional
nan, inf = math.nan, math.inf


def gradients(f, *values):
    inputs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
    return [g.tolist() for g in torch.autograd.grad(f(*inputs).sum(), inputs)]


@pytest.mark.parametrize(
    "f,inputs,expected",
    [
        (torch.median, [[1, 2, 2, 4, 3, 2, 2]], [[0, 0.25, 0.25, 0, 0, 0.25, 0.25]]),
        (torch.nanmedian, [[1, 2, 2, nan, 3]], [[0, 0.5, 0.5, 0, 0]]),
        (torch.median, [[1, nan, 2, nan]], [[0, 0.5, 0, 0.5]]),
        (torch.max, [[1, nan, 2, nan]], [[0, 0.5, 0, 0.5]]),
        (torch.min, [[3, 1, 2, 1]], [[0, 0.5, 0, 0.5]]),
        (torch.maximum, [[1, nan, 2, 1], [1, 0, nan, 2]], [[0.5, 1, 1, 0], [0.5, 1, 1, 1]]),
        (torch.minimum, [[1, nan, 2, 1], [1, 0, nan, 2]], [[0.5, 1, 1, 1], [0.5, 1, 1, 0]]),
        (torch.fmax, [[1, nan, 2], [1, 0, nan]], [[1, 0, 1], [0, 1, 0]]),
        (torch.atan2, [[0, 1], [0, 0]], [[0, 0], [0, -1]]),
        (torch.acosh, [[-2, 2]], [[1 / math.sqrt(3), 1 / math.sqrt(3)]]),
        (lambda x, y: F.binary_cross_entropy(x, y, reduction="sum"), [[0, 1], [0, 1]], [[0, 0], [inf, -inf]]),
    ],
)
def test_gradients_at_ties(f, inputs, expected):
    for got, wanted in zip(gradients(f, *inputs), expected, strict=True):
        assert got == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int8])
def test_lazy_negatives_are_honoured_in_every_dtype(dtype):
    t = torch._neg_view(torch.tensor([1, 2], dtype=dtype))
    assert t.is_neg() and t.tolist() == [-1, -2] and (t + t).tolist() == [-2, -4] and t.float().tolist() == [-1, -2]


def test_lazy_conjugates_of_halves():
    z = torch.tensor([1 + 2j, 3 - 1j]).to(torch.complex32).conj()
    assert z.is_conj() and z.resolve_conj().tolist() == [1 - 2j, 3 + 1j] and z.imag.tolist() == [-2, 1]


@pytest.mark.parametrize("loss", [F.l1_loss, F.mse_loss, F.smooth_l1_loss, F.huber_loss])
def test_losses_spread_their_inputs_before_they_promote_them(loss):
    with pytest.warns(UserWarning, match="target size"):
        assert loss(torch.tensor(1.0), torch.ones(3, dtype=torch.float16)).dtype is torch.float32


def test_equal_compares_across_dtypes():
    assert torch.equal(torch.ones(2), torch.ones(2, dtype=torch.bool)) and not torch.equal(torch.ones(2), torch.ones(3, dtype=torch.bool))


def test_parts_of_nothing():
    assert [len(t) for t in torch.unsafe_chunk(torch.zeros(0, 3), 2)] == [0, 0]
    assert torch.trapezoid(torch.zeros(0, dtype=torch.int32)).dtype is torch.int32


def test_splits_and_fills_by_indices_that_cannot_be_used():
    with pytest.raises(RuntimeError, match="to be on cpu"):
        torch.ones(4).tensor_split(torch.empty(2, dtype=torch.int64, device="meta"))
    with pytest.raises(RuntimeError, match="vector/scalar"):
        torch.ones(2, 3).index_fill_(0, torch.zeros(2, 3, dtype=torch.int64), 1.0)


def test_an_operator_without_a_derivative_raises_where_the_derivative_is_asked_for():
    y = torch.special.airy_ai(torch.ones(2, requires_grad=True))
    assert y.requires_grad
    with pytest.raises(NotImplementedError, match="derivative for airy_ai is not implemented"):
        y.sum().backward()


def test_in_place_changes_of_shape_need_no_memory_of_their_own():
    assert torch.arange(3.0).expand(4, 3).t_().shape == (3, 4) and torch.ones(1).expand(1, 4).squeeze_().shape == (4,)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        torch.arange(3.0).expand(4, 3).add_(1)
