"""Errors of the argument parser: PyTorch's exception types, messages with the signature."""

import numpy as np
import pytest

import rushlight as torch

pytestmark = pytest.mark.core
x = torch.ones(3)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: torch.exp(), TypeError, r'exp\(\) missing 1 required positional argument: "self"|"input"'),
        (lambda: torch.exp(1.0), TypeError, r"exp\(\): argument 'input' \(position 1\) must be Tensor, not float"),
        (lambda: torch.exp(None), TypeError, "must be Tensor, not NoneType"),
        (lambda: torch.exp(x, x, x), TypeError, "takes 1 positional argument but 3 were given"),
        (lambda: torch.exp(x, wrong=1), TypeError, "unexpected keyword argument 'wrong'"),
        (lambda: torch.add(x, "a"), TypeError, r"add\(\).*must be Tensor or Number, not str"),
        (lambda: torch.cumsum(x, 1.5), TypeError, "must be int, not float"),
        (lambda: torch.cumsum(x, dim=0, input=x), TypeError, "multiple values|got multiple"),
        (lambda: x.reshape("a"), TypeError, "tuple of ints"),
        (lambda: torch.sum(x, dim="a"), TypeError, "invalid combination of arguments|must be"),
        (lambda: torch.zeros(2, dtype="float32"), TypeError, "must be torch.dtype, not str"),
        (lambda: torch.zeros(-1), RuntimeError, "negative dimension -1"),
        (lambda: torch.cat(x), TypeError, "tuple of Tensors"),
        (lambda: torch.cat([x, 1]), TypeError, "tuple of Tensors"),
        (lambda: x.sum(5), IndexError, r"Dimension out of range \(expected to be in range of \[-1, 0\], but got 5\)"),
        (
            lambda: x + torch.ones(4),
            RuntimeError,
            r"size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 0",
        ),
        (lambda: x.view(2), RuntimeError, "shape '\\[2\\]' is invalid for input of size 3"),
        (lambda: torch.device("nowhere"), RuntimeError, "device type at start of device string: nowhere"),
        (lambda: torch.zeros(2, device="cuda"), AssertionError, "not compiled with CUDA"),
        (lambda: x.no_such_name, AttributeError, "no_such_name"),
        (lambda: torch.no_such_name, AttributeError, "no_such_name"),
        (lambda: bool(x), RuntimeError, "more than one value is ambiguous"),
        (lambda: x.item(), RuntimeError, "a Tensor with 3 elements cannot be converted to Scalar"),
        (lambda: len(torch.tensor(1)), TypeError, r"len\(\) of a 0-d tensor"),
        (lambda: torch.Tensor.add(1, x), TypeError, "doesn't apply to a 'int' object"),
    ],
)
def test_error(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_every_operator_refuses_an_unknown_keyword():
    for op in torch._C._registry():
        where = torch._C._functions if not op["namespace"] else getattr(torch._C, "_" + op["namespace"])
        function = getattr(where, op["name"], None)
        if function is not None:
            with pytest.raises(TypeError):
                function(no_such_keyword=1)


def test_every_operator_refuses_objects():
    thing = object()
    for op in torch._C._registry():
        where = torch._C._functions if not op["namespace"] else getattr(torch._C, "_" + op["namespace"])
        function = getattr(where, op["name"], None)
        if function is None or not op["params"] or any(p["type"] == "Any" for p in op["params"]):
            continue
        with pytest.raises((TypeError, RuntimeError)):
            function(*[thing] * 30)
        with pytest.raises((TypeError, RuntimeError)):
            function(thing)


def test_numpy_names_of_arguments():
    y = torch.ones(2, 3)
    assert torch.sum(y, axis=1, keepdims=True).shape == (2, 1)
    assert torch.add(input=y, other=y).sum().item() == 12
    assert torch.exp(input=y).shape == (2, 3)


def test_numbers_of_numpy_are_numbers():
    assert (x * np.float32(2)).tolist() == [2.0] * 3
    assert (x + np.int64(1)).tolist() == [2.0] * 3
    assert x.reshape(np.int64(3), 1).shape == (3, 1)


def test_sizes_as_arguments_or_as_one_list():
    assert (
        torch.zeros(2, 3).shape
        == torch.zeros((2, 3)).shape
        == torch.zeros([2, 3]).shape
        == torch.zeros(size=(2, 3)).shape
    )
    y = torch.zeros(2, 3, 4)
    assert y.permute(2, 0, 1).shape == y.permute((2, 0, 1)).shape == (4, 2, 3)
    assert y.view(-1).shape == (24,) and y.reshape(6, -1).shape == (6, 4)


def test_signature_and_documentation():
    assert "exp(" in torch.exp.__doc__ and torch.exp.__name__ == "exp" and torch.Tensor.exp.__name__ == "exp"
    import inspect

    assert list(inspect.signature(torch.cumsum).parameters)[:2] == ["input", "dim"]
