"""Distributions: PyTorch's samples and densities, divergences, transforms, refusals."""

import json
import math
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import distributions as D

ROWS = json.loads((Path(__file__).parent / "recorded" / "distributions.json").read_text())


def make(row):
    arguments = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in row["options"].items()}
    return getattr(D, row["distribution"])(**arguments)


def close(tensor, expected, rtol=2e-4, atol=2e-5):
    torch.testing.assert_close(
        tensor.double(), torch.tensor(expected, dtype=torch.float64), rtol=rtol, atol=atol, equal_nan=True
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["distribution"])
def test_values_are_pytorchs(row):
    distribution = make(row)
    value = torch.tensor(row["sample"])
    close(distribution.log_prob(value), row["log_prob"])
    close(distribution.mean, row["mean"])
    close(distribution.variance, row["variance"])
    for name, arguments in (("entropy", ()), ("cdf", (value,))):
        if row[name] is not None:
            close(getattr(distribution, name)(*arguments), row[name])
    assert repr(distribution) == row["repr"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["distribution"])
def test_samples_are_pytorchs(row):
    torch.manual_seed(0)
    close(make(row).sample((4,)), row["sample"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["distribution"])
def test_shapes_and_expand(row):
    distribution = make(row)
    shape = tuple(distribution.batch_shape) + tuple(distribution.event_shape)
    assert tuple(distribution.sample((3, 2)).shape) == (3, 2, *shape)
    wide = distribution.expand((5, *distribution.batch_shape))
    assert tuple(wide.sample().shape) == (5, *shape)
    value = torch.tensor(row["sample"])[0]
    close(wide.log_prob(value)[3], row["log_prob"][0])


@pytest.mark.parametrize("row", [r for r in ROWS if make(r).has_rsample], ids=lambda row: row["distribution"])
def test_rsample_has_gradients(row):
    arguments = {k: torch.tensor(v, dtype=torch.float64).requires_grad_() for k, v in row["options"].items()}
    if row["distribution"] == "Uniform":
        arguments["high"] = (arguments["high"] + 1).detach().requires_grad_()
    getattr(D, row["distribution"])(**arguments).rsample((3,)).square().sum().backward()
    assert all(bool(torch.isfinite(value.grad).all()) for value in arguments.values())


@pytest.mark.parametrize("name", ["Normal", "Gamma", "Beta", "Exponential", "Laplace", "Poisson", "Categorical"])
def test_kl_is_the_mean_of_the_difference(name):
    pairs = {
        "Normal": [(0.0, 1.0), (1.0, 2.0)],
        "Gamma": [(2.0, 1.0), (3.0, 2.0)],
        "Beta": [(2.0, 3.0), (1.5, 1.0)],
        "Exponential": [(1.0,), (2.0,)],
        "Laplace": [(0.0, 1.0), (1.0, 2.0)],
        "Poisson": [(3.0,), (2.0,)],
        "Categorical": [(torch.tensor([0.2, 0.8]),), (torch.tensor([0.5, 0.5]),)],
    }
    p, q = (getattr(D, name)(*arguments) for arguments in pairs[name])
    torch.manual_seed(1)
    sample = p.sample((40000,))
    estimate = float((p.log_prob(sample) - q.log_prob(sample)).mean())
    assert float(D.kl_divergence(p, q)) == pytest.approx(estimate, abs=0.03)


def test_transforms_invert_and_know_their_jacobian():
    x = torch.tensor([-1.2, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    for transform in (
        D.ExpTransform(),
        D.SigmoidTransform(),
        D.TanhTransform(),
        D.SoftplusTransform(),
        D.AffineTransform(1.0, -2.0),
    ):
        y = transform(x)
        torch.testing.assert_close(transform.inv(y), x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(transform.log_abs_det_jacobian(x, y), slope.abs().log())
    simplex = D.StickBreakingTransform()
    assert float(simplex(x).sum()) == pytest.approx(1.0)
    torch.testing.assert_close(simplex.inv(simplex(x)), x)


def test_transforms_to_constraints():
    x = torch.tensor([-1.0, 0.5, 2.0])
    c = D.constraints
    for constraint in (c.positive, c.less_than(3.0), c.interval(1.0, 4.0), c.unit_interval, c.simplex, c.real):
        for registry in (D.transform_to, D.biject_to):
            assert bool(constraint.check(registry(constraint)(x)).all())
        torch.testing.assert_close(D.biject_to(constraint).inv(D.biject_to(constraint)(x)), x, rtol=1e-4, atol=1e-4)
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        D.biject_to(c.boolean)


def test_relaxed():
    torch.manual_seed(0)
    probs = torch.tensor([0.2, 0.8], requires_grad=True)
    D.RelaxedOneHotCategorical(torch.tensor(0.5), probs=probs).rsample((5,)).square().sum().backward()
    assert bool(torch.isfinite(probs.grad).all()) and float(probs.grad.abs().sum()) > 0
    relaxed = D.RelaxedBernoulli(torch.tensor(0.01), probs=torch.tensor(0.3)).sample((2000,))
    assert float(relaxed.mean()) == pytest.approx(0.3, abs=0.05)


def test_transformed_independent_and_mixture():
    base = D.Normal(torch.zeros(3, 2), torch.ones(3, 2))
    rows = D.Independent(base, 1)
    assert rows.event_shape == (2,) and rows.log_prob(torch.zeros(3, 2)).shape == (3,)
    logit = D.TransformedDistribution(D.Uniform(0.0, 1.0), [D.SigmoidTransform().inv, D.AffineTransform(2.0, 3.0)])
    value = torch.tensor([1.0, 4.0])
    z = (value - 2) / 3
    torch.testing.assert_close(
        logit.log_prob(value), -z - 2 * torch.log1p((-z).exp()) - math.log(3), rtol=1e-4, atol=1e-5
    )
    mixture = D.MixtureSameFamily(
        D.Categorical(torch.tensor([0.3, 0.7])), D.Normal(torch.tensor([0.0, 3.0]), torch.ones(2))
    )
    assert float(mixture.mean) == pytest.approx(2.1) and mixture.sample((5,)).shape == (5,)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: D.Normal(0.0, -1.0), r"parameter scale .* to satisfy the constraint GreaterThan\(lower_bound=0.0\)"),
        (lambda: D.Uniform(1.0, 0.0), "Expected parameter low"),
        (lambda: D.Bernoulli(), "Either `probs` or `logits` must be specified, but not both."),
        (lambda: D.Categorical(torch.tensor([0.5, 0.5])).log_prob(torch.tensor(5)), "Expected value argument"),
        (lambda: D.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(3)), "Value is not broadcastable"),
        (lambda: D.Normal(0.0, 1.0).log_prob(1.0), "must be a Tensor"),
        (lambda: D.MultivariateNormal(torch.zeros(2)), "Exactly one of covariance_matrix"),
        (lambda: D.Dirichlet(torch.tensor(1.0)), "at least one-dimensional"),
    ],
)  # fmt: skip
def test_refusals(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_missing_divergence():
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0))
