"""Random numbers: the streams, distributions and dropout give what PyTorch gives for a seed.

A row is an expression. `python tests/test_random.py` run where PyTorch is installed writes recorded/random.json again:
for every row the numbers after manual_seed(42), the dtype and strides of the result, and the number that is drawn next,
which shows how much of the stream was used.
"""

import copy
import json
import math
import pathlib
import pickle
import statistics
import warnings

import pytest

RECORDED = pathlib.Path(__file__).with_name("recorded") / "random.json"

if __name__ == "__main__":
    import torch
    from torch.nn import functional as F
else:
    import rushlight as torch
    from rushlight.nn import functional as F

ROWS = """
torch.rand(7)
torch.rand(2, 3, 4)
torch.rand(())
torch.rand(0)
torch.rand(5, dtype=torch.float64)
torch.rand(5, dtype=torch.float16)
torch.rand(5, dtype=torch.bfloat16)
torch.rand(3, dtype=torch.complex64)
torch.rand(4, 5, out=torch.empty(5, 4).t())
torch.rand(3, generator=torch.Generator().manual_seed(7))
torch.rand_like(torch.ones(5, 7).t())
torch.rand_like(torch.ones(5, 7)[:, ::2])
torch.rand_like(torch.ones(2, 3, 2, 2), memory_format=torch.channels_last)
torch.rand_like(torch.ones(3, dtype=torch.int64), dtype=torch.float32)
torch.randn(15)
torch.randn(16)
torch.randn(17)
torch.randn(4, 9)
torch.randn(7, dtype=torch.float64)
torch.randn(21, dtype=torch.float64)
torch.randn(33, dtype=torch.float16)
torch.randn(3, dtype=torch.bfloat16)
torch.randn(9, dtype=torch.complex64)
torch.randn(3, dtype=torch.complex128)
torch.randn(20, out=torch.empty(40)[::2])
torch.randn_like(torch.ones(5, 4).t())
torch.randn(3), torch.rand(3), torch.randn(3), torch.randn(20), torch.randn(3)
torch.randint(10, (20,))
torch.randint(-5, 2**40, (20,))
torch.randint(-2**63, 2**63 - 1, (4,))
torch.randint(0, 2**28, (4,))
torch.randint(0, 2**28 - 1, (4,))
torch.randint(0, 256, (9,), dtype=torch.uint8)
torch.randint(-128, 128, (9,), dtype=torch.int8)
torch.randint(0, 60000, (9,), dtype=torch.uint16)
torch.randint(0, 2, (9,), dtype=torch.bool)
torch.randint(0, 100, (9,), dtype=torch.float32)
torch.randint(-8191, 8191, (20,), dtype=torch.float16)
torch.randint(4097, 5000, (20,), dtype=torch.float16)
torch.randint(0, 512, (20,), dtype=torch.bfloat16)
torch.randint(0, 2**60, (5,), dtype=torch.float32)
torch.randint_like(torch.ones(5, 3).t(), 100)
torch.randint_like(torch.ones(5), 3, 100)
torch.randint_like(torch.ones(5), torch.tensor(7))
torch.randperm(0)
torch.randperm(10)
torch.randperm(30, dtype=torch.float32)
torch.randperm(5, out=torch.ones(10, dtype=torch.int64)[::2])
torch.empty(9).uniform_(-2, 5)
torch.empty(5, dtype=torch.float64).uniform_(-2, 5)
torch.ones(6, 5).t().uniform_()
torch.empty(9).normal_(1, 2)
torch.empty(33).normal_(1, 2)
torch.ones(6, 5).t().normal_(1, 2)
torch.empty(9, dtype=torch.complex64).normal_(1, 2)
torch.empty(9).log_normal_(1, 0.3)
torch.empty(9).exponential_(1.5)
torch.empty(9, dtype=torch.float64).exponential_()
torch.empty(9).cauchy_(1, 2)
torch.empty(9).geometric_(0.3)
torch.empty(9, dtype=torch.int32).geometric_(0.1)
torch.empty(5, dtype=torch.int64).random_()
torch.empty(5).random_()
torch.empty(5, dtype=torch.uint8).random_()
torch.empty(5, dtype=torch.int64).random_(-3, None)
torch.empty(5, dtype=torch.int32).random_(5, None)
torch.empty(5, dtype=torch.int64).random_(100)
torch.empty(9).bernoulli_()
torch.empty(9, dtype=torch.int64).bernoulli_(0.7)
torch.ones(6, 5).t().bernoulli_(0.3)
torch.ones(6, 5).t().bernoulli_(torch.linspace(0, 1, 30).reshape(5, 6))
torch.ones(6, 5).bernoulli_(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64))
torch.bernoulli(torch.linspace(0, 1, 30).reshape(5, 6).t())
torch.bernoulli(torch.ones(20), 0.3)
torch.normal(torch.linspace(0, 1, 20), torch.linspace(1, 2, 20))
torch.normal(torch.linspace(0, 1, 6).reshape(2, 3).t(), 2.0)
torch.normal(3.0, torch.linspace(1, 2, 4))
torch.normal(torch.linspace(0, 1, 3), torch.ones(2, 1))
torch.normal(2.0, 3.0, (5,))
torch.multinomial(torch.arange(1.0, 9.0), 4)
torch.multinomial(torch.arange(1.0, 9.0), 20, replacement=True)
torch.multinomial(torch.arange(1.0, 13.0).reshape(3, 4).t(), 2)
torch.multinomial(torch.arange(1.0, 9.0, dtype=torch.float64), 1)
torch.poisson(torch.linspace(0, 30, 20))
torch._standard_gamma(torch.linspace(0.1, 5, 20))
torch.poisson(torch.full((9,), 3.5, dtype=torch.float64))
torch.binomial(torch.full((20,), 40.0), torch.linspace(0, 1, 20))
torch.binomial(torch.tensor([3.0, 9.0]), torch.tensor([[0.5], [0.2]]))
F.dropout(torch.ones(40), 0.4)
F.dropout(torch.arange(30.0).reshape(6, 5).t(), 0.3)
F.dropout(torch.arange(30.0).reshape(6, 5)[:, ::2], 0.3)
F.dropout(torch.ones(9, dtype=torch.float64), 0.3)
F.dropout(torch.ones(9, dtype=torch.bfloat16), 0.3)
F.dropout(torch.ones(9), 0.3, True, True)
F.dropout(torch.ones(9), 0.0)
F.dropout(torch.ones(9), 1.0)
F.dropout(torch.ones(9), 0.5, False)
F.dropout(torch.full((9,), float("inf")), 0.5).isnan()
F.dropout1d(torch.ones(4, 3), 0.5)
F.dropout1d(torch.ones(2, 3, 2), 0.5)
F.dropout2d(torch.ones(3, 3, 2, 1), 0.5)
F.dropout2d(torch.ones(3, 3, 2, 1), 0.5, True, True)
F.dropout3d(torch.ones(3, 3, 1, 1), 0.5)
F.dropout3d(torch.ones(3, 3, 1, 1, 2), 0.5)
F.alpha_dropout(torch.arange(9.0), 0.35, True)
F.alpha_dropout(torch.arange(9.0), 0.35)
F.feature_alpha_dropout(torch.ones(3, 3, 2), 0.35, True)
torch.dropout(torch.ones(9), 0.5, True)
torch.dropout_(torch.ones(9), 0.5, True)
torch.feature_dropout(torch.ones(3, 3, 2), 0.5, True)
torch.native_dropout(torch.ones(9), 0.5, True)
torch.native_dropout(torch.ones(9), 1.0, True)
torch.Generator().manual_seed(-1).initial_seed()
torch.Generator().manual_seed(5).get_state()[:64]
torch.rand(700)[-3:], torch.randn(()), torch.get_rng_state()[5040:]
""".strip().split("\n")


def run(expression):
    """What the expression gives after a seed, as JSON can hold it."""
    torch.manual_seed(42)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bounds beyond a type's precision
        value = eval(expression)
    results = []
    for v in value if isinstance(value, tuple) else (value,):
        if not isinstance(v, torch.Tensor):
            results.append(v)
            continue
        numbers = torch.stack([v.real, v.imag], -1) if v.is_complex() else v
        plain = numbers.double() if v.is_floating_point() or v.is_complex() else numbers
        results.append([str(v.dtype), list(v.shape), list(v.stride()), plain.flatten().tolist()])
    return {"results": results, "next": torch.rand(()).item()}


def record():
    rows = {expression: run(expression) for expression in ROWS}
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items())
    RECORDED.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    record()
    raise SystemExit

EXPECTED = json.loads(RECORDED.read_text())


@pytest.mark.parametrize("expression", ROWS)
def test_numbers_of_a_seed(expression):
    got, expected = run(expression), EXPECTED[expression]
    assert len(got["results"]) == len(expected["results"])
    for g, e in zip(got["results"], expected["results"], strict=True):
        if not isinstance(e, list):
            assert g == e
            continue
        assert g[:3] == e[:3]
        assert g[3] == pytest.approx(e[3], rel=2e-6, abs=2e-6)
    assert got["next"] == expected["next"]


# ---------------------------------------------------------------- generators
def test_generator_state_is_a_place_in_the_stream():
    g = torch.Generator().manual_seed(3)
    torch.randn(5, generator=g)
    state, clone = g.get_state(), g.clone_state()
    after = torch.randn(40, generator=g)
    assert torch.equal(torch.randn(40, generator=clone), after)
    assert g.set_state(state) is g
    assert torch.equal(torch.randn(40, generator=g), after)
    for other in (copy.deepcopy(clone), pickle.loads(pickle.dumps(clone))):
        assert other is not clone and other.initial_seed() == 3
        assert torch.equal(torch.rand(3, generator=other), torch.rand(3, generator=clone.clone_state()))


def test_generators_are_independent():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    torch.rand(100, generator=torch.Generator().manual_seed(2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.default_generator.initial_seed() == 1 and torch.initial_seed() == 1
    assert torch.manual_seed(1) is torch.default_generator
    assert torch.default_generator.device == torch.device("cpu")


def test_seed_comes_from_the_system():
    g = torch.Generator()
    assert g.initial_seed() == 67280421310721
    assert g.seed() == g.initial_seed() != g.seed()
    with torch.random.fork_rng():
        torch.seed()
        inside = torch.rand(1)
    assert 0 <= inside.item() < 1


def test_fork_rng_restores_the_state():
    torch.manual_seed(4)
    with torch.random.fork_rng():
        torch.rand(10)
    first = torch.rand(3)
    torch.manual_seed(4)
    assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: torch.Generator().manual_seed(2**64), ValueError, "Overflow when unpacking long long"),
        (lambda: torch.Generator().manual_seed(1.5), RuntimeError, "manual_seed expected a long, but got float"),
        (lambda: torch.Generator("xx"), RuntimeError, "device type at start of device string: xx"),
        (lambda: torch.Generator("meta"), RuntimeError, "cpu"),
        (lambda: torch.Generator().set_state(3), TypeError, "expected a torch.ByteTensor, but got int"),
        (lambda: torch.Generator().set_state(torch.zeros(5056)), TypeError, "RNG state must be a torch.ByteTensor"),
        (lambda: torch.set_rng_state(torch.zeros(3, dtype=torch.uint8)), RuntimeError, "size 5056 but found .* 3"),
        (lambda: torch.set_rng_state(torch.zeros(5056, dtype=torch.uint8)), RuntimeError, "Invalid mt19937 state"),
        (lambda: torch.rand(2, dtype=torch.int32), NotImplementedError, '"check_uniform_bounds" not implemented for'),
        (lambda: torch.randn(2, dtype=torch.bool), NotImplementedError, '"normal_kernel_cpu" not implemented for'),
        (lambda: torch.rand(-1), RuntimeError, "negative dimension -1"),
        (lambda: torch.rand(2, out=torch.empty(2), dtype=torch.float64), RuntimeError, "dtype Double does not match"),
        (lambda: torch.rand(2, generator=5), TypeError, "torch.Generator, not int"),
        (lambda: torch.randint(5, 3, (2,)), RuntimeError, "from=5 >= to=3"),
        (lambda: torch.randint(0, 300, (2,), dtype=torch.uint8), RuntimeError, "to - 1 is out of bounds for unsigned"),
        (lambda: torch.randint(-5, 3, (2,), dtype=torch.uint8), RuntimeError, "from is out of bounds for unsigned"),
        (lambda: torch.randperm(300, dtype=torch.uint8), RuntimeError, "without overflow"),
        (lambda: torch.randperm(3000, dtype=torch.float16), RuntimeError, "n cannot be greater than 2049"),
        (lambda: torch.empty(2).uniform_(2, 1), RuntimeError, "uniform_ expects .* from=2 > to=1"),
        (lambda: torch.empty(2).uniform_(0, math.inf), RuntimeError, "to is out of bounds for float"),
        (lambda: torch.empty(2).normal_(0, -1), RuntimeError, "normal expects std >= 0.0, but found std -1"),
        (lambda: torch.empty(2).exponential_(0), RuntimeError, "exponential_ expects lambda > 0.0"),
        (lambda: torch.empty(2, dtype=torch.int64).cauchy_(), RuntimeError, "you specified long int"),
        (lambda: torch.empty(2).geometric_(1), RuntimeError, r"geometric_ expects p to be in \(0, 1\), but got p=1"),
        (lambda: torch.empty(2).log_normal_(0, 0), RuntimeError, "log_normal_ expects std > 0.0"),
        (lambda: torch.empty(2).bernoulli_(1.5), RuntimeError, "bernoulli_ expects p to be in .* p=1.5"),
        (lambda: torch.bernoulli(torch.tensor([0.5, 1.5])), RuntimeError, "Expected p_in >= 0 && p_in <= 1"),
        (lambda: torch.bernoulli(torch.tensor([1, 0])), NotImplementedError, "not implemented for 'Long'"),
        (lambda: torch.normal(0.0, -torch.ones(2)), RuntimeError, "normal expects all elements of std >= 0.0"),
        (lambda: torch.normal(torch.ones(2), torch.ones(3)), RuntimeError, "must match the size of tensor b"),
        (lambda: torch.multinomial(torch.ones(2), 3), RuntimeError, "without replacement"),
        (lambda: torch.multinomial(torch.tensor([0.5, -0.5]), 1), RuntimeError, "element < 0"),
        (lambda: torch.multinomial(torch.zeros(3), 1), RuntimeError, "invalid multinomial distribution"),
        (lambda: torch.poisson(torch.tensor([-1.0])), RuntimeError, "invalid Poisson rate"),
        (lambda: F.dropout(torch.ones(2), 1.5), ValueError, "between 0 and 1, but got 1.5"),
        (lambda: torch.dropout(torch.ones(2), 1.5, True), RuntimeError, "between 0 and 1, but got 1.5"),
        (lambda: F.dropout(torch.ones(2, dtype=torch.int64)), RuntimeError, "can't be cast to .* Long"),
        (lambda: F.dropout1d(torch.ones(3)), RuntimeError, "dropout1d: Expected 2D or 3D input"),
        (lambda: torch.feature_dropout(torch.ones(3), 0.5, True), RuntimeError, "at least 2 dimensions"),
        (lambda: torch.ones(2, requires_grad=True).uniform_(), RuntimeError, "a leaf Variable that requires grad"),
        (lambda: torch.ones(1).expand(3).uniform_(), RuntimeError, "single memory location"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# ---------------------------------------------------------------- the graph
@pytest.mark.parametrize(
    "fill",
    [
        lambda t: t.uniform_(),
        lambda t: t.normal_(),
        lambda t: t.random_(5),
        lambda t: t.exponential_(),
        lambda t: t.bernoulli_(0.5),
        lambda t: t.bernoulli_(torch.full((4,), 0.5)),
    ],
)
def test_fills_cut_the_history(fill):
    x = torch.ones(4, requires_grad=True)
    y = x * 2
    version = y._version
    assert fill(y) is y and y._version == version + 1 and y.requires_grad
    (y * 3).sum().backward()
    assert torch.equal(x.grad, torch.zeros(4))


def test_fill_of_a_view_keeps_the_rest():
    x = torch.ones(4, requires_grad=True)
    y = x * 2
    y[1:3].uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [2, 0, 0, 2]


def test_samples_have_no_gradient():
    p = torch.full((5,), 0.5, requires_grad=True)
    for sample in (torch.bernoulli(p), torch.poisson(p), torch.normal(p, 1.0), torch.normal(p, p)):
        (g,) = torch.autograd.grad(sample.sum(), p)
        assert torch.equal(g, torch.zeros(5))
    assert not torch.multinomial(p, 2).requires_grad


@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 2)])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.dropout(x, 0.4),
        lambda x: F.dropout(x.t() if x.dim() == 2 else x, 0.4),
        lambda x: F.dropout(x * 1, 0.4, True, True),
        lambda x: torch.native_dropout(x, 0.4, True)[0],
        lambda x: torch.feature_dropout(x, 0.4, True),
        lambda x: F.alpha_dropout(x, 0.4, True),
        lambda x: F.feature_alpha_dropout(x, 0.4, True),
        lambda x: F.dropout(x, 1.0),
    ],
)
def test_dropout_gradients(function, shape):
    def seeded(x):
        torch.manual_seed(5)
        return function(x).sin()

    torch.manual_seed(0)
    x = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(seeded, (x,))
    assert torch.autograd.gradgradcheck(seeded, (x,))


def test_dropout_gradient_uses_the_mask():
    x = torch.rand(1000, requires_grad=True)
    y = F.dropout(x, 0.25)
    y.sum().backward()
    assert torch.equal(x.grad != 0, y != 0)
    assert torch.allclose(x.grad[x.grad != 0], torch.tensor(1 / 0.75))


def test_dropout_without_effect_is_its_input():
    x = torch.ones(3, requires_grad=True)
    assert F.dropout(x, 0.0) is x and F.dropout(x, 0.5, training=False) is x
    assert F.dropout(torch.ones(0, 3), 0.5).shape == (0, 3)
    assert torch.nn.Dropout(0.5).eval()(x) is x


def test_dropout_warns_of_unusual_ranks():
    with pytest.warns(UserWarning, match="dropout2d: Received a 2-D input"):
        F.dropout2d(torch.ones(2, 3))
    with pytest.warns(UserWarning, match="assuming that channel-wise 1D dropout"):
        F.dropout2d(torch.ones(2, 3, 4))
    with pytest.warns(UserWarning, match="dropout3d: Received a 2-D input"):
        F.dropout3d(torch.ones(2, 3))


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d, F.alpha_dropout, torch.bernoulli, torch.rand_like])
def test_examples_of_a_batch_draw_their_own(function):
    torch.manual_seed(7)
    options = {"training": True} if function is F.alpha_dropout else {}
    y = torch.vmap(lambda x: function(x, **options), randomness="different")(torch.full((6, 2, 16, 2, 2), 0.5))
    assert y.shape == (6, 2, 16, 2, 2)
    assert len({tuple(v.flatten().tolist()) for v in y}) == 6


# ---------------------------------------------------------------- options, shapes and distributions
def test_factory_options():
    assert torch.rand(3, requires_grad=True).requires_grad
    assert torch.randint(5, (3,), dtype=torch.float32, requires_grad=True).is_leaf
    with pytest.raises(RuntimeError, match="floating point"):
        torch.randint(5, (3,), requires_grad=True)
    for make in (torch.rand, torch.randn):
        assert make(2, 3, device="meta").shape == (2, 3)
    assert F.dropout(torch.ones(2, 3, device="meta")).device.type == "meta"
    assert torch.multinomial(torch.ones(2, 3, device="meta"), 2).shape == (2, 2)
    assert torch.empty(3, device="meta").uniform_().is_meta
    out = torch.empty(0)
    assert torch.rand(4, out=out) is out and out.shape == (4,)


def test_integer_bounds_beyond_precision_warn():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^11\), 2\^11\]"):
        torch.randint(0, 3000, (2,), dtype=torch.float16)


@pytest.mark.parametrize(
    ("draw", "mean", "variance"),
    [
        (lambda n: torch.empty(n).log_normal_(0.1, 0.2), math.exp(0.12), math.expm1(0.04) * math.exp(0.24)),
        (lambda n: torch.empty(n).geometric_(0.25), 4, 12),
        (lambda n: torch.empty(n).exponential_(2), 0.5, 0.25),
        (lambda n: torch.poisson(torch.full((n,), 20.0)), 20, 20),
        (lambda n: torch.binomial(torch.full((n,), 50.0), torch.full((n,), 0.3)), 15, 10.5),
        (lambda n: F.alpha_dropout(torch.randn(n), 0.3, True), 0, 1),
        (lambda n: F.dropout(torch.ones(n), 0.3), 1, 3 / 7),
    ],
)
def test_moments(draw, mean, variance):
    n = 40_000
    torch.manual_seed(6)
    x = draw(n).tolist()
    assert statistics.fmean(x) == pytest.approx(mean, abs=5 * math.sqrt(variance / n))
    assert statistics.pvariance(x) == pytest.approx(variance, rel=0.06)


# shape, sample, and the slope of the sample by the shape at its quantile: mpmath, 40 digits
GAMMA_SLOPES = [
    (0.1, 1e-4, 0.008787466900722504),
    (0.1, 0.5, 5.11969156720947),
    (0.5, 0.2, 0.7940505663308434),
    (1, 1, 1.1735630272247268),
    (1, 12, 3.1394484478284523),
    (1, 30, 4.010702785322668),
    (2, 0.1, 0.16736173806687574),
    (2, 3, 1.321798518177963),
    (7.5, 5, 0.8290187952963953),
    (7.5, 25, 1.7571167259844003),
    (100, 90, 0.9498259498011414),
    (100, 130, 1.1388044458372277),
    (100, 140, 1.179610460446782),
    (1000, 1040, 1.0199085070110787),
    (0.3, 9, 5.410846360907554),
]


def test_gamma_samples_are_differentiable():
    shapes, samples, expected = torch.tensor(GAMMA_SLOPES, dtype=torch.float64).unbind(1)
    assert torch.allclose(torch._standard_gamma_grad(shapes, samples), expected, rtol=1e-9)
    torch.manual_seed(1)
    a = torch.full((2000,), 3.0, dtype=torch.float64, requires_grad=True)
    torch._standard_gamma(a).sum().backward()
    assert a.grad.mean().item() == pytest.approx(1, abs=0.05)  # the mean of the distribution is its shape
