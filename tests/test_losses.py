"""Losses and activation functions: values against formulas in NumPy, reductions, options, gradients of both orders."""

import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

pytestmark = pytest.mark.core

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 5))
Y = RNG.normal(size=(6, 5))
CLASSES = RNG.integers(0, 5, size=6)
WEIGHT = RNG.uniform(0.5, 2, size=5)
SHARES = RNG.dirichlet(np.ones(5), size=6)


def tensor(a, grad=False):
    t = torch.from_numpy(np.ascontiguousarray(a))
    return t.requires_grad_() if grad else t


def log_softmax(x, axis=1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def huber(d, delta):
    return np.where(np.abs(d) <= delta, d * d / 2, delta * (np.abs(d) - delta / 2))


PAIRED = {
    "mse_loss": ({}, lambda x, y: (x - y) ** 2),
    "l1_loss": ({}, lambda x, y: np.abs(x - y)),
    "smooth_l1_loss": ({"beta": 0.7}, lambda x, y: huber(x - y, 0.7) / 0.7),
    "huber_loss": ({"delta": 0.7}, lambda x, y: huber(x - y, 0.7)),
    "binary_cross_entropy_with_logits": ({}, lambda x, y: -(y * np.log(sigmoid(x)) + (1 - y) * np.log(sigmoid(-x)))),
}


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", PAIRED)
def test_losses_of_pairs(name, reduction):
    options, formula = PAIRED[name]
    expected = formula(X, Y)
    expected = {"none": expected, "mean": expected.mean(), "sum": expected.sum()}[reduction]
    f = getattr(F, name)

    def call(x, y):
        return f(x, y, reduction=reduction, **options)

    for kind, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        got = call(tensor(X.astype(kind)), tensor(Y.astype(kind)))
        np.testing.assert_allclose(got.numpy(), expected, rtol=tolerance)
    strided = tensor(X.T).t(), tensor(Y)
    np.testing.assert_allclose(call(*strided).numpy(), expected, rtol=1e-12)
    inputs = tensor(X[:2, :3], True), tensor(Y[:2, :3], True)
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_binary_cross_entropy():
    p, y = sigmoid(X), sigmoid(Y)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    np.testing.assert_allclose(F.binary_cross_entropy(tensor(p), tensor(y), reduction="none").numpy(), expected)
    weighted = F.binary_cross_entropy(tensor(p), tensor(y), tensor(WEIGHT))
    np.testing.assert_allclose(weighted.item(), (expected * WEIGHT).mean())
    assert torch.autograd.gradcheck(F.binary_cross_entropy, (tensor(p[:2], True), tensor(y[:2])))
    edge = F.binary_cross_entropy(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), reduction="none")
    assert edge.tolist() == [100, 0]
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))


def test_positive_weights_of_logits():
    y = (Y > 0).astype(np.float64)
    expected = -(WEIGHT * y * np.log(sigmoid(X)) + (1 - y) * np.log(sigmoid(-X)))
    got = F.binary_cross_entropy_with_logits(tensor(X), tensor(y), pos_weight=tensor(WEIGHT), reduction="none")
    np.testing.assert_allclose(got.numpy(), expected)
    far = torch.tensor([1000.0, -1000.0])
    large = F.binary_cross_entropy_with_logits(far, torch.zeros(2), reduction="none")
    assert large.tolist() == [1000, 0]


# ---------------------------------------------------------------- classes
def expected_cross_entropy(x, classes, weight=None, ignore=-100, smoothing=0.0):
    """Losses one by one and the divisor of their mean."""
    logs = log_softmax(x)
    w = np.ones(x.shape[1]) if weight is None else weight
    kept = classes != ignore
    safe = np.where(kept, classes, 0)
    rows = np.arange(len(x))
    hard = -logs[rows, safe] * w[safe]
    soft = -(logs * w).sum(1) / x.shape[1]
    return np.where(kept, (1 - smoothing) * hard + smoothing * soft, 0), (w[safe] * kept).sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("ignore", [-100, 2])
def test_cross_entropy_of_classes(weight, ignore, smoothing):
    losses, divisor = expected_cross_entropy(X, CLASSES, weight, ignore, smoothing)
    options = {
        "weight": None if weight is None else tensor(weight), "ignore_index": ignore, "label_smoothing": smoothing,
    }  # fmt: skip
    x, y = tensor(X), tensor(CLASSES)
    np.testing.assert_allclose(F.cross_entropy(x, y, reduction="none", **options).numpy(), losses, atol=1e-12)
    np.testing.assert_allclose(F.cross_entropy(x, y, **options).item(), losses.sum() / divisor)
    np.testing.assert_allclose(F.cross_entropy(x, y, reduction="sum", **options).item(), losses.sum())
    for reduction in ("none", "mean", "sum"):

        def call(logits, reduction=reduction):
            return F.cross_entropy(logits, y, reduction=reduction, **options)

        assert torch.autograd.gradcheck(call, (tensor(X, True),))
        assert torch.autograd.gradgradcheck(call, (tensor(X, True),))


def test_cross_entropy_of_images_and_of_one_example():
    x, y = RNG.normal(size=(2, 5, 3, 4)), RNG.integers(0, 5, size=(2, 3, 4))
    flat, _ = expected_cross_entropy(x.transpose(0, 2, 3, 1).reshape(-1, 5), y.reshape(-1))
    np.testing.assert_allclose(F.cross_entropy(tensor(x), tensor(y), reduction="none").numpy().reshape(-1), flat)
    np.testing.assert_allclose(F.cross_entropy(tensor(x[0, :, 0, 0]), tensor(y)[0, 0, 0]).item(), flat[0])
    assert torch.autograd.gradcheck(lambda t: F.cross_entropy(t, tensor(y)), (tensor(x, True),))


@pytest.mark.parametrize("sizes", [(2, 5, 3, 4), (1, 21, 40, 40), (2, 3, 1300), (2, 3, 0), (0, 3, 4)])
def test_cross_entropy_of_planes_is_that_of_their_pixels(sizes):
    x = torch.randn(*sizes, dtype=torch.float64)
    y = torch.randint(0, sizes[1], (sizes[0], *sizes[2:]))
    y[torch.rand(y.shape) > 0.8] = -100
    for reduction in ("none", "sum"):
        planes, pixels = x.clone().requires_grad_(), x.clone().requires_grad_()
        loss = F.cross_entropy(planes, y, reduction=reduction)
        rows = F.cross_entropy(pixels.movedim(1, -1).reshape(-1, sizes[1]), y.reshape(-1), reduction=reduction)
        torch.testing.assert_close(loss.reshape(-1), rows.reshape(-1), rtol=1e-12, atol=1e-12)
        weight = torch.arange(1.0, loss.numel() + 1, dtype=torch.float64)
        (loss.reshape(-1) * weight).sum().backward()
        (rows.reshape(-1) * weight).sum().backward()
        torch.testing.assert_close(planes.grad, pixels.grad, rtol=1e-12, atol=1e-12)


def test_cross_entropy_of_probabilities():
    expected = -(SHARES * log_softmax(X)).sum(1)
    np.testing.assert_allclose(F.cross_entropy(tensor(X), tensor(SHARES)).item(), expected.mean())
    inputs = tensor(X, True), tensor(SHARES, True)
    assert torch.autograd.gradcheck(F.cross_entropy, inputs)


def test_cross_entropy_is_log_softmax_and_nll():
    x, y, w = tensor(X), tensor(CLASSES), tensor(WEIGHT)
    for reduction in ("none", "mean", "sum"):
        split = F.nll_loss(F.log_softmax(x, 1), y, w, reduction=reduction)
        assert torch.allclose(F.cross_entropy(x, y, w, reduction=reduction), split)


def test_extreme_logits():
    x = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == 1e4 and x.grad.tolist() == [[0, 0], [-0.5, 0.5]]
    everything_ignored = F.cross_entropy(torch.zeros(2, 3), torch.tensor([-100, -100]))
    assert math.isnan(everything_ignored.item())


def test_kl_div():
    logs = log_softmax(X)
    expected = SHARES * (np.log(SHARES) - logs)
    np.testing.assert_allclose(F.kl_div(tensor(logs), tensor(SHARES), reduction="none").numpy(), expected)
    np.testing.assert_allclose(F.kl_div(tensor(logs), tensor(SHARES), reduction="batchmean").item(), expected.sum() / 6)
    log_target = F.kl_div(tensor(logs), tensor(np.log(SHARES)), reduction="sum", log_target=True)
    np.testing.assert_allclose(log_target.item(), expected.sum())


def test_bad_arguments():
    with pytest.raises(ValueError, match="middle"):
        F.mse_loss(torch.ones(2), torch.ones(2), reduction="middle")
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(torch.zeros(1, 3), torch.tensor([3]))
    with pytest.raises(ValueError, match="batch"):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1, 2]))
    with pytest.warns(UserWarning, match="target size"), pytest.raises(RuntimeError, match="must match"):
        F.mse_loss(torch.zeros(2), torch.zeros(3))
    with pytest.warns(UserWarning, match="size_average"):
        assert F.mse_loss(torch.zeros(2), torch.ones(2), size_average=False).item() == 2


# ---------------------------------------------------------------- activations
def erf(x):
    return np.vectorize(math.erf)(x)


ACTIVATIONS = {
    "relu": ((), lambda x: np.maximum(x, 0)),
    "relu6": ((), lambda x: np.clip(x, 0, 6)),
    "leaky_relu": ((0.2,), lambda x: np.where(x > 0, x, 0.2 * x)),
    "elu": ((0.5,), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    "celu": ((0.5,), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5))),
    "selu": ((), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    "gelu": ((), lambda x: x / 2 * (1 + erf(x / math.sqrt(2)))),
    "silu": ((), lambda x: x * sigmoid(x)),
    "mish": ((), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "softplus": ((2.0, 20.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
    "softsign": ((), lambda x: x / (1 + np.abs(x))),
    "hardtanh": ((-0.5, 0.6), lambda x: np.clip(x, -0.5, 0.6)),
    "hardsigmoid": ((), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish": ((), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hardshrink": ((0.4,), lambda x: np.where(np.abs(x) > 0.4, x, 0)),
    "softshrink": ((0.4,), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.4, 0)),
    "tanhshrink": ((), lambda x: x - np.tanh(x)),
    "logsigmoid": ((), lambda x: -np.log1p(np.exp(-x))),
    "sigmoid": ((), sigmoid),
    "tanh": ((), np.tanh),
    "threshold": ((0.1, -2.0), lambda x: np.where(x > 0.1, x, -2)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    arguments, formula = ACTIVATIONS[name]
    f = getattr(F, name)
    np.testing.assert_allclose(f(tensor(X), *arguments).numpy(), formula(X), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(f(tensor(X.astype(np.float32)), *arguments).numpy(), formula(X), rtol=1e-4, atol=1e-6)
    x = tensor(X[:2], True)
    assert torch.autograd.gradcheck(lambda t: f(t, *arguments), (x,))
    assert torch.autograd.gradgradcheck(lambda t: f(t, *arguments), (x,))


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "hardtanh"])
def test_activations_in_place(name):
    f = getattr(F, name)
    x = tensor(X, True)
    y = x * 1
    assert f(y, inplace=True) is y
    expected = f(x)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy())
    (in_place,) = torch.autograd.grad(y.sum(), x)
    (out_of_place,) = torch.autograd.grad(expected.sum(), x)
    np.testing.assert_allclose(in_place.numpy(), out_of_place.numpy(), rtol=1e-12)


def test_gelu_by_tanh():
    inner = math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)
    np.testing.assert_allclose(F.gelu(tensor(X), approximate="tanh").numpy(), X / 2 * (1 + np.tanh(inner)))

    def call(t):
        return F.gelu(t, approximate="tanh")

    assert torch.autograd.gradcheck(call, (tensor(X[:2], True),))
    assert torch.autograd.gradgradcheck(call, (tensor(X[:2], True),))
    with pytest.raises(RuntimeError, match="approximate"):
        F.gelu(torch.ones(2), approximate="sinh")


def test_prelu_and_glu():
    x, w = tensor(X, True), tensor(WEIGHT, True)
    np.testing.assert_allclose(F.prelu(x, w).detach().numpy(), np.where(X > 0, X, WEIGHT * X))
    assert torch.autograd.gradcheck(F.prelu, (x, w))
    even = tensor(X[:, :4], True)
    np.testing.assert_allclose(F.glu(even).detach().numpy(), X[:, :2] * sigmoid(X[:, 2:4]))
    assert torch.autograd.gradcheck(F.glu, (even,)) and torch.autograd.gradgradcheck(F.glu, (even,))
    with pytest.raises(RuntimeError, match="must be even"):
        F.glu(x)


# ---------------------------------------------------------------- as PyTorch has them
@pytest.mark.parametrize("name", ["gelu", "hardshrink", "logsigmoid", "softplus"])
def test_activations_that_write_into_out(name):
    x, out = tensor(X), torch.empty(0, dtype=torch.float64)
    assert getattr(F, name)(x, out=out) is out
    assert torch.equal(out, getattr(F, name)(x))
    with pytest.raises(RuntimeError, match="dtype"):
        getattr(F, name)(x, out=torch.empty(0))


def test_activations_of_integers_and_complex_numbers():
    assert np.allclose(F.softsign(torch.tensor([-3, 0, 4])), [-0.75, 0, 0.8])
    z = X + 1j * Y
    assert np.allclose(F.silu(tensor(z)), z / (1 + np.exp(-z)))
    w = tensor(z).clone()
    assert F.silu(w, inplace=True) is w and np.allclose(w, z / (1 + np.exp(-z)))
    assert torch.autograd.gradcheck(F.silu, (tensor(z, True),))


def test_kl_div_has_no_gradient_by_targets_that_are_not_positive():
    target = torch.tensor([0.0, -1.0, 0.5], requires_grad=True)
    F.kl_div(torch.zeros(3), target, reduction="sum").backward()
    assert np.isnan(target.grad[:2].numpy()).all()
    assert target.grad[2].item() == pytest.approx(math.log(0.5) + 1)


def test_prelu_gradients_of_both_orders():
    x, w = tensor(X, True), tensor(WEIGHT, True)
    assert torch.autograd.gradcheck(F.prelu, (x, w)) and torch.autograd.gradgradcheck(F.prelu, (x, w))


def test_gradients_that_are_constant_still_have_a_graph():
    x = tensor(log_softmax(X), True)
    for f in (lambda: F.nll_loss(x, tensor(CLASSES)), lambda: F.prelu(x, torch.tensor(0.25, dtype=torch.float64)).sum()):
        (g,) = torch.autograd.grad(f(), x, create_graph=True)
        assert g.requires_grad


def test_pdist_of_order_zero_counts_and_has_a_gradient_of_zeros():
    x = tensor(np.array([[0.0, 1], [0, 2], [3, 4]]), True)
    d = F.pdist(x, 0)
    assert d.tolist() == [1, 2, 2]
    assert torch.autograd.grad(d.sum(), x)[0].abs().sum() == 0


def test_losses_name_the_first_thing_that_is_wrong():
    x = torch.randn(5, 4)
    for loss in (F.multi_margin_loss, F.multilabel_margin_loss):
        with pytest.raises(ValueError, match="abc is not a valid value for reduction"):
            loss(x, torch.rand(5), reduction="abc")
    with pytest.raises(RuntimeError, match="ignore_index cannot be specified"):
        F.linear_cross_entropy(torch.randn(2, 3), torch.randn(2, 3), torch.rand(2, 2), ignore_index=0)
    with pytest.raises(RuntimeError, match="requires batched input"):
        F.linear_cross_entropy(torch.randn(3), torch.randn(2, 4, 3), torch.rand(2, 4))


def test_fractional_max_pool3d_of_an_empty_batch():
    assert F.fractional_max_pool3d(torch.randn(0, 1, 4, 5, 4), (2, 2, 1), 2).shape == (0, 1, 2, 2, 2)


def test_cdist_of_nothing_has_a_graph():
    x = torch.randn(2, 0, requires_grad=True)
    assert torch.cdist(x, torch.randn(3, 0)).requires_grad
