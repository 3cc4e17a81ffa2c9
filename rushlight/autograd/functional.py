"""Derivatives of functions: vjp, jvp, jacobian, hessian and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.grad_mode import enable_grad

_f = _C._functions


def _pack(value: Any, what: str) -> tuple[bool, tuple[Tensor, ...]]:
    single = isinstance(value, Tensor)
    items = (value,) if single else tuple(value)
    for i, x in enumerate(items):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The {what} must be either a Tensor or a tuple of Tensors but the value at index {i} has type {type(x)}."
            )
    return single, items


def _fresh(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    return tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(True) for x in inputs)


def _grad(
    outputs: tuple, inputs: tuple, grads: tuple | None, create_graph: bool, strict: bool = False
) -> tuple[Tensor, ...]:
    pairs = [
        (o, None if grads is None else g) for o, g in zip(outputs, grads or outputs, strict=True) if o.requires_grad
    ]
    if not pairs:
        if strict:
            raise RuntimeError(
                "The output of the user-provided function is independent of the input. This is not allowed in strict mode."
            )
        return tuple(_f.zeros_like(x) for x in inputs)
    outs = tuple(o for o, _ in pairs)
    seeds = None if grads is None else tuple(g for _, g in pairs)
    result = _C._run_backward(outs, seeds, True, create_graph, inputs, True, False)
    if strict and any(g is None for g in result):
        raise RuntimeError(
            "The output of the user-provided function is independent of an input. This is not allowed in strict mode."
        )
    return tuple(_f.zeros_like(x) if g is None else g for g, x in zip(result, inputs, strict=True))


def _settle(value: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    return value if create_graph else tuple(v.detach() for v in value)


def _unpack(value: tuple, single: bool) -> Any:
    return value[0] if single else value


def _vectors(v: Any, like: tuple[Tensor, ...], what: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {what}")
        return (_f.ones_like(like[0]),)
    _, vs = _pack(v, "v")
    if len(vs) != len(like) or any(a.shape != b.shape for a, b in zip(vs, like, strict=True)):
        raise RuntimeError("v has invalid size: it must have the structure and the sizes of what it multiplies")
    return vs


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v times the Jacobian)."""
    with enable_grad():
        single_in, ins = _pack(inputs, "inputs")
        ins = _fresh(ins, create_graph)
        single_out, outs = _pack(func(*ins), "outputs of the user-provided function")
        vs = _vectors(v, outs, "the user-provided function returns a single Tensor with a single element.")
        result = _grad(outs, ins, vs, create_graph, strict)
    return _unpack(_settle(outs, create_graph), single_out), _unpack(_settle(result, create_graph), single_in)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), the Jacobian times v), by differentiating the vjp with respect to its vector."""
    with enable_grad():
        _, ins = _pack(inputs, "inputs")
        ins = _fresh(ins, create_graph)
        vs = _vectors(v, ins, "the input to the user-provided function is a single Tensor with a single element.")
        single_out, outs = _pack(func(*ins), "outputs of the user-provided function")
        seeds = tuple(_f.zeros_like(o).requires_grad_(True) for o in outs)
        first = _grad(outs, ins, seeds, True, strict)
        result = _grad(first, seeds, vs, create_graph)
    return _unpack(_settle(outs, create_graph), single_out), _unpack(_settle(result, create_graph), single_out)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and input a tensor of shape output.shape + input.shape."""
    with enable_grad():
        single_in, ins = _pack(inputs, "inputs")
        ins = _fresh(ins, create_graph)
        single_out, outs = _pack(func(*ins), "outputs of the user-provided function")
        rows = []
        for out in outs:
            columns: list[list[Tensor]] = [[] for _ in ins]
            for j in range(out.numel()):
                seed = _f.zeros_like(out).reshape(-1)
                seed[j] = 1
                for column, g in zip(
                    columns, _grad((out,), ins, (seed.reshape(out.shape),), create_graph, strict), strict=True
                ):
                    column.append(g)
            shaped = tuple(
                (_f.stack(column) if column else x.new_zeros((0, *x.shape))).reshape((*out.shape, *x.shape))
                for column, x in zip(columns, ins, strict=True)
            )
            rows.append(_unpack(_settle(shaped, create_graph), single_in))
    return rows[0] if single_out else tuple(rows)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with a single number as result."""
    single_in, _ = _pack(inputs, "inputs")

    def first(*xs: Tensor) -> Any:
        out = func(*xs)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("The output of the function given to hessian should contain a single element")
        return _unpack(_grad((out.reshape(()),), xs, None, True, strict), len(xs) == 1 and single_in)

    def gradient(*xs: Tensor) -> Any:
        tracked = tuple(x if x.requires_grad else x.requires_grad_(True) for x in xs)
        return first(*tracked)

    return jacobian(gradient, inputs, create_graph=create_graph, strict=strict)


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v times the Hessian)."""
    with enable_grad():
        single_in, ins = _pack(inputs, "inputs")
        ins = _fresh(ins, create_graph)
        out = func(*ins)
        vs = _vectors(v, ins, "the input to the user-provided function is a single Tensor with a single element.")
        first = _grad((out,), ins, None, True, strict)
        result = _grad(first, ins, vs, create_graph, strict)
    return out if create_graph else out.detach(), _unpack(_settle(result, create_graph), single_in)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), the Hessian times v): the Hessian is symmetric, so this is vhp."""
    return vhp(func, inputs, v, create_graph, strict)
