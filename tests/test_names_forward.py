"""Forward mode, and what is around the transforms of functions."""

import pytest

import rushlight as torch
from rushlight import func
from rushlight.autograd import forward_ad, gradcheck
from rushlight.autograd.gradcheck import GradcheckError


def test_tangents_go_through_operators():
    x, t = torch.rand(3, dtype=torch.float64), torch.rand(3, dtype=torch.float64)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        primal, tangent = forward_ad.unpack_dual(dual.sin() * dual)
        torch.testing.assert_close(tangent, t * (x.cos() * x + x.sin()))
        torch.testing.assert_close(primal, x.sin() * x)
        assert not primal.requires_grad and not tangent.requires_grad
        assert forward_ad.unpack_dual(dual).tangent is t and dual.data_ptr() == x.data_ptr()
        assert forward_ad.unpack_dual(torch.ones(2)).tangent is None
        assert forward_ad.unpack_dual(dual.round()).tangent.tolist() == [0, 0, 0]
        z = forward_ad.make_dual(torch.tensor([1 + 2j]), torch.tensor([1j]))
        torch.testing.assert_close(forward_ad.unpack_dual(z * z).tangent, torch.tensor([-4 + 2j]))
        torch.testing.assert_close(forward_ad.unpack_dual(z.abs()).tangent, torch.tensor([2 / 5**0.5]))
    assert forward_ad.unpack_dual(x).tangent is None


def test_tangents_of_weights_stay_in_the_graph():
    layer = torch.nn.Linear(3, 2)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.rand(3), torch.tensor([0.0, 1, 0]))
        _, tangent = forward_ad.unpack_dual(layer(dual))
        torch.testing.assert_close(tangent, layer.weight[:, 1])
        tangent.sum().backward()
    assert layer.weight.grad.tolist() == [[0, 1, 0], [0, 1, 0]]
    x = torch.ones(3, requires_grad=True)
    with forward_ad.dual_level():
        cube = forward_ad.make_dual(x * 2, torch.ones(3)).pow(3).sum()
        forward_ad.unpack_dual(cube).tangent.backward()
    assert x.grad.tolist() == [24, 24, 24]


def test_levels_refuse():
    one = torch.ones(1)
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(one, one)
    with pytest.raises(RuntimeError, match="Dual level must be"):
        forward_ad.exit_dual_level()
    level = forward_ad.enter_dual_level()
    try:
        with pytest.raises(RuntimeError, match="Nested forward mode AD"):
            forward_ad.enter_dual_level()
        with pytest.raises(ValueError, match="floating point or complex, but got: torch.int64"):
            forward_ad.make_dual(torch.tensor([1]), one)
        with pytest.raises(RuntimeError, match="different size"):
            forward_ad.make_dual(torch.ones(2), one)
        with torch.no_grad(), pytest.raises(NotImplementedError, match="recorded graph"):
            forward_ad.make_dual(one, one)
    finally:
        forward_ad.exit_dual_level(level=level)


def test_gradcheck_forward():
    def inputs(dtype):
        return tuple(torch.rand(2, 2, dtype=dtype, requires_grad=True) for _ in range(2))

    assert gradcheck(lambda a, b: (a @ b).tanh(), inputs(torch.float64), check_forward_ad=True)
    assert gradcheck(lambda a, b: a * b.conj(), inputs(torch.complex128), check_forward_ad=True, check_backward_ad=False)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(GradcheckError, match="forward mode"):
        gradcheck(Wrong.apply, inputs(torch.float64)[:1], check_forward_ad=True, check_backward_ad=False)


def test_linearize():
    x, y = torch.ones(3), torch.full((3,), 2.0)
    value, along = func.linearize(lambda a, b: {"sin": (a * b).sin()}, x, y)
    torch.testing.assert_close(value["sin"], (x * y).sin())
    for t in (torch.ones(3), torch.arange(3.0)):
        torch.testing.assert_close(along(t, torch.zeros(3))["sin"], y * (x * y).cos() * t)
        torch.testing.assert_close(along(t, t)["sin"], (x + y) * (x * y).cos() * t)
    with pytest.raises(RuntimeError, match="same argspec"):
        along(x)
    with pytest.raises(RuntimeError, match="tangent:0 with shape"):
        along(torch.ones(2), x)
    assert func.linearize(lambda a: torch.ones(2), x)[1](x).tolist() == [0, 0]


def test_functional_call_of_several_dicts():
    layer = torch.nn.Linear(2, 2)
    weight, bias = {"weight": torch.eye(2)}, {"bias": torch.ones(2)}
    assert func.functional_call(layer, (weight, bias), torch.ones(2)).tolist() == [2, 2]
    with pytest.raises(ValueError, match="weight appeared in multiple dictionaries"):
        func.functional_call(layer, parameter_and_buffer_dicts=(weight, weight), args=torch.ones(2))
    with pytest.raises(ValueError, match="list/tuple of dicts"):
        func.functional_call(layer, 5, torch.ones(2))


def test_around_transforms():
    x = torch.zeros(2)
    assert func.functionalize(lambda a: a.add_(1))(x).tolist() == [1, 1] and x.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="remove=other"):
        func.functionalize(len, remove="other")
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    assert func.replace_all_batch_norm_modules_(model) is model
    assert model[0].running_mean is None and not model[0].track_running_stats and not model.state_dict().keys() - {
        "0.weight", "0.bias"
    }  # fmt: skip
    batch = torch.rand(4, 3)
    torch.testing.assert_close(model.eval()(batch).mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    seen = []

    def look(row):
        seen.append(func.debug_unwrap(row))
        return row

    func.vmap(look)(batch)
    assert seen[0].shape == (4, 3) and func.debug_unwrap(batch) is batch
