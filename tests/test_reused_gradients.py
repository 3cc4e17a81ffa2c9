"""A backward pass writes over large gradients that nobody holds: whoever holds one must not see it."""

import pytest

import rushlight as torch

F = torch.nn.functional
ACTIVATIONS = [F.relu, F.gelu, F.silu, F.elu, F.leaky_relu, F.hardtanh, F.softplus, F.hardsigmoid, F.hardshrink]


@pytest.mark.parametrize("f", ACTIVATIONS, ids=lambda f: f.__name__)
def test_gradients_that_are_held_stay_as_they_are(f):
    torch.manual_seed(0)
    x, weight = torch.randn(100, 100, requires_grad=True), torch.randn(100, 100)
    kept = weight.clone()
    (expected,) = torch.autograd.grad((f(x) * weight).sum(), x)  # the product's gradient is written over
    small = [torch.autograd.grad((f(row) * w).sum(), row)[0] for row, w in zip(x.unbind(), weight, strict=True)]
    torch.testing.assert_close(expected, torch.stack(small))  # rows are too small for it

    z = f(x)
    z.retain_grad()
    seen = []
    z.register_hook(seen.append)
    (z * weight).sum().backward()
    assert torch.equal(z.grad, kept) and torch.equal(seen[0], kept) and torch.equal(x.grad, expected)

    (given,) = torch.autograd.grad(f(x), x, weight)
    assert torch.equal(weight, kept) and torch.equal(given, expected)

    a, b = x * 1, x * 1
    both = torch.autograd.grad(f(a) + f(b), (a, b), weight)  # one tensor for two
    assert all(torch.equal(g, expected) for g in both) and torch.equal(weight, kept)

    recorded = torch.autograd.grad((f(x) * weight).sum(), x, create_graph=True)[0]
    assert torch.equal(recorded.detach(), expected)


def test_a_backward_pass_of_activations_needs_no_memory_for_gradients():
    x = torch.randn(1 << 20, requires_grad=True)
    y = x
    for _ in range(8):
        y = F.relu(y)
    total = y.sum() * 1
    del y
    torch.cpu.reset_peak_memory_stats()
    before = torch.cpu.memory_stats()["allocated"]
    total.backward()
    assert torch.cpu.memory_stats()["peak"] - before <= 2 * 4 << 20
