"""Differentiation: `backward`, `grad`, custom functions, gradient checking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight._deferred import defer
from rushlight.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from rushlight.autograd.function import Function
from rushlight.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rushlight.autograd.gradcheck import gradcheck, gradgradcheck
from rushlight.autograd.variable import Variable

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def _tuple(value: Any, what: str) -> tuple:
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, Sequence) or hasattr(value, "__iter__"):
        return tuple(value)
    raise TypeError(f"{what} must be a Tensor or a sequence of Tensors, not {type(value).__name__}")


def _check_grads(grads: tuple, tensors: tuple) -> tuple:
    if len(grads) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(grads)} gradients")
    return grads


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of tensors with respect to the graph's leaves, or to inputs, to their `.grad`.

    grad_tensors: the gradient of each tensor; None for scalars. Raises RuntimeError where a tensor needs no gradient,
    where a graph was freed, or where a saved tensor was changed in place.
    """
    if _C._vmap_level():
        raise RuntimeError("backward() called inside a functorch transform. This is not supported; use func.grad")
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    tensors = _tuple(tensors, "tensors")
    targets = () if inputs is None else _tuple(inputs, "inputs")
    if inputs is not None and not targets:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    grads = None if grad_tensors is None else _check_grads(_tuple(grad_tensors, "grad_tensors"), tensors)
    retain = create_graph if retain_graph is None else retain_graph
    _C._run_backward(tensors, grads, retain, create_graph, targets, True, True)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of outputs with respect to inputs, as a tuple.

    grad_outputs: the gradient of each output; None for scalars. Raises RuntimeError where an input was not used, unless
    allow_unused (None then) or materialize_grads (zeros then).
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    outputs, inputs = _tuple(outputs, "outputs"), _tuple(inputs, "inputs")
    grads = None if grad_outputs is None else _tuple(grad_outputs, "grad_outputs")
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        from rushlight.func import vmap

        def one(*g: Tensor) -> tuple:
            return _C._run_backward(outputs, g, True, create_graph, inputs, True, False)

        return vmap(one)(*grads)
    if grads is not None:
        _check_grads(grads, outputs)
    unused = bool(allow_unused) or materialize_grads
    result = _C._run_backward(outputs, grads, retain, create_graph, inputs, unused, False)
    if materialize_grads:
        result = tuple(g if g is not None else x.new_zeros(x.shape) for g, x in zip(result, inputs, strict=True))
    return result


defer(globals(), ["functional", "forward_ad", "graph", "profiler", "profiler_util"])
