"""Initialisers: the numbers that PyTorch draws from the same seed, the formulas, the errors."""

import math

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import init

pytestmark = pytest.mark.core

# Elements 0, 1, 7 and 19 of a 4 x 5 matrix after manual_seed(0), as PyTorch 2.13 prints them.
DRAWN = {
    "uniform": (lambda t: init.uniform_(t, -1, 2), [0.488770, 1.304665, 1.689334, -0.153194]),
    "normal": (lambda t: init.normal_(t, 1, 2), [-1.251680, -1.304720, 4.706012, 1.107474]),
    "trunc_normal": (lambda t: init.trunc_normal_(t), [-1.125840, -1.152360, 1.853006, 0.053737]),
    "trunc_normal, narrow": (
        lambda t: init.trunc_normal_(t, 0, 1, -0.1, 0.1), [-0.000749, 0.053644, 0.079289, -0.043546]
    ),
    "trunc_normal, tail": (
        lambda t: init.trunc_normal_(t, 0.0, 2.0, 3.0, 5.0), [4.330192, 3.803657, 4.792890, 3.483417]
    ),
    "xavier_uniform": (init.xavier_uniform_, [-0.006113, 0.438004, 0.647392, -0.355554]),
    "xavier_normal": (lambda t: init.xavier_normal_(t, 2.0), [-1.061452, -1.086456, 1.747031, 0.050664]),
    "kaiming_uniform": (lambda t: init.kaiming_uniform_(t, a=5**0.5), [-0.003348, 0.239905, 0.354591, -0.194745]),
    "kaiming_normal": (
        lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        [-0.796089, -0.814842, 1.310273, 0.037998],
    ),
    "sparse": (lambda t: init.sparse_(t, 0.5), [-0.011258, 0.000000, 0.018530, 0.000537]),
    "orthogonal": (init.orthogonal_, [-0.628863, -0.643676, 0.827501, 0.142685]),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_same_numbers_from_the_same_seed(name):
    fill, expected = DRAWN[name]
    torch.manual_seed(0)
    tensor = torch.empty(4, 5)
    assert fill(tensor) is tensor
    got = tensor.flatten()
    assert [got[i].item() for i in (0, 1, 7, 19)] == pytest.approx(expected, abs=2e-6)


def test_layers_draw_what_pytorch_draws():
    torch.manual_seed(0)
    assert nn.Linear(3, 2).weight.flatten().tolist()[:3] == pytest.approx([-0.004323, 0.309716, -0.475185], abs=1e-6)
    torch.manual_seed(0)
    assert nn.Embedding(2, 2).weight.flatten().tolist() == pytest.approx(
        [1.540996, -0.293429, -2.178789, 0.568431], abs=1e-6
    )


def test_constants():
    assert torch.equal(init.constant_(torch.empty(2, 2), 0.25), torch.full((2, 2), 0.25))
    assert torch.equal(init.ones_(torch.empty(3)), torch.ones(3))
    assert torch.equal(init.zeros_(torch.ones(3)), torch.zeros(3))
    assert torch.equal(init.eye_(torch.empty(2, 3)), torch.tensor([[1.0, 0, 0], [0, 1, 0]]))


def test_dirac_passes_its_input_on():
    weight = init.dirac_(torch.empty(4, 2, 3, 3), groups=2)
    x = torch.arange(64.0).reshape(1, 4, 4, 4)
    assert torch.equal(nn.functional.conv2d(x, weight, padding=1, groups=2), x)


def test_bounds_and_moments():
    torch.manual_seed(1)
    weight = torch.empty(60, 40)
    init.xavier_uniform_(weight)
    assert weight.abs().max() <= math.sqrt(6 / 100)
    init.kaiming_normal_(weight, nonlinearity="relu")
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 40), rel=0.05)
    init.trunc_normal_(weight, std=0.02, a=-0.03, b=0.03)
    assert weight.abs().max() <= 0.03
    conv = torch.empty(8, 4, 3, 3)
    init.kaiming_uniform_(conv, mode="fan_out", nonlinearity="linear")
    assert conv.abs().max() <= math.sqrt(3 / (8 * 9))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 2)])
def test_orthogonal(shape):
    weight = init.orthogonal_(torch.empty(shape), gain=2.0).flatten(1)
    product = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    assert torch.allclose(product, 4 * torch.eye(product.shape[0]), atol=1e-5)


def test_sparse_has_zeros_in_every_column():
    weight = init.sparse_(torch.empty(10, 4), 0.3)
    assert (weight == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_nothing_is_recorded():
    weight = nn.Parameter(torch.empty(3, 3))
    for fill in (init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_, init.eye_, init.trunc_normal_):
        fill(weight)
        assert weight.is_leaf and weight.requires_grad


def test_generator_argument():
    a, b = (init.normal_(torch.empty(4), generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("nonlinearity", "param", "gain"),
    [
        ("linear", None, 1),
        ("conv_transpose3d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / (1 + 0.01**2))),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
        ("selu", None, 0.75),
    ],
)
def test_gain(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: init.calculate_gain("x"), "Unsupported nonlinearity x"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
        (lambda: init.eye_(torch.empty(3)), "Only tensors with 2 dimensions are supported"),
        (lambda: init.dirac_(torch.empty(3)), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda: init.dirac_(torch.empty(3, 2, 2), 2), "dim 0 must be divisible by groups"),
        (lambda: init.xavier_uniform_(torch.empty(3)), "Fan in and fan out can not be computed"),
        (lambda: init.kaiming_normal_(torch.empty(3, 3), mode="x"), "Mode x not supported"),
        (lambda: init.orthogonal_(torch.empty(3)), "Only tensors with 2 or more dimensions are supported"),
        (lambda: init.sparse_(torch.empty(3), 0.1), "Only tensors with 2 dimensions are supported"),
    ],
)
def test_errors(action, message):
    with pytest.raises(ValueError, match=message):
        action()


def test_warnings():
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(torch.empty(0, 3))
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        init.trunc_normal_(torch.empty(3), mean=5.0)
    with pytest.warns(FutureWarning, match="`nn.init.normal` is now deprecated"):
        init.normal(torch.empty(3))
