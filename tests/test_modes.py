"""The one door: interpreters, dispatch modes, vmap and grad, subclasses with __torch_function__."""

import pytest

import rushlight as torch
from rushlight.func import grad, jacrev, vmap
from rushlight.overrides import TorchFunctionMode
from rushlight.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.core


def test_grad_of_vmap_of_grad():
    def f(x):
        return (x.sin() * x).sum()

    x = torch.randn(5, dtype=torch.float64)
    per_element = vmap(grad(lambda v: v.sin() * v))
    expected = x.sin() + x * x.cos()
    assert torch.allclose(per_element(x), expected)
    outer = grad(lambda v: per_element(v).sum())
    assert torch.allclose(outer(x), 2 * x.cos() - x * x.sin())


def test_vmap_over_a_closed_over_parameter():
    w = torch.tensor(2.0, requires_grad=True)
    out = vmap(lambda v: v * w)(torch.tensor([1.0, 2.0, 3.0]))
    out.sum().backward()
    assert w.grad.item() == 6.0


def test_vmap_by_rule_and_by_loop_agree_with_python():
    a, b = torch.randn(4, 3), torch.randn(3, 4)
    assert torch.allclose(vmap(lambda x, y: x + y, in_dims=(0, 1))(a, b), a + b.t())
    assert torch.allclose(vmap(lambda x: x.cumsum(0))(a), a.cumsum(1))
    assert torch.allclose(vmap(vmap(lambda x: x * 2 + 1))(a), a * 2 + 1)
    with pytest.raises(RuntimeError, match="item"):
        vmap(lambda x: x.sum().item())(a)


def test_jacrev():
    x = torch.randn(3, dtype=torch.float64)
    assert torch.allclose(jacrev(lambda v: v * v)(x), torch.diag(2 * x))


def test_flop_counter_as_a_dispatch_mode():
    class Flops(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.total, self.names = 0, []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.names.append(str(func))
            out = func(*args, **(kwargs or {}))
            if str(func) == "aten.mm.default":
                self.total += 2 * args[0].shape[0] * args[0].shape[1] * args[1].shape[1]
            return out

    a, b = torch.randn(2, 3, requires_grad=True), torch.randn(3, 4)
    with Flops() as mode:
        y = torch.mm(a, b)
    assert mode.total == 48 and "aten.mm.default" in mode.names
    y.sum().backward()
    assert a.grad.shape == (2, 3)


def test_subclass_results_and_overrides():
    calls = []

    class Logged(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            calls.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = torch.ones(3).as_subclass(Logged)
    y = x + 1
    assert type(y) is Logged and y.tolist() == [2.0] * 3
    assert type(torch.exp(x)) is Logged
    assert "add" in calls and "exp" in calls


def test_object_with_an_override_need_not_be_a_tensor():
    class Diagonal:
        def __init__(self, n):
            self.n = n

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return ("handled", func.__name__)

    assert torch.add(Diagonal(3), torch.ones(3)) == ("handled", "add")


def test_torch_function_mode():
    class Swap(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.add:
                return torch.mul(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))

    a = torch.tensor([3.0])
    with Swap():
        assert torch.add(a, a).item() == 9.0
    assert torch.add(a, a).item() == 6.0


def test_device_as_a_context():
    with torch.device("meta"):
        assert torch.empty(3).is_meta
    assert not torch.empty(3).is_meta


def test_functions_of_another_torch_are_answered_by_name():
    """PyTorch hands a call with tensors that aren't its own over to `__torch_function__`, with its own function."""

    def relu(input, inplace=False):
        raise AssertionError("the other package's function was called")

    def no_such_name(input):
        raise AssertionError("the other package's function was called")

    relu.__module__ = no_such_name.__module__ = "torch.nn.functional"
    x = torch.tensor([-1.0, 2.0])
    assert torch.Tensor.__torch_function__(relu, (torch.Tensor,), (x,), {}).tolist() == [0, 2]
    assert torch.Tensor.__torch_function__(no_such_name, (torch.Tensor,), (x,), {}) is NotImplemented
