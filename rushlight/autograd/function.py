"""Operators written in Python: `class F(Function)` with static `forward` and `backward`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor


class FunctionCtx:
    """What `forward` hands to `backward`. Any attribute may be set on it; tensors go through save_for_backward."""

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs and outputs of forward for backward, which finds them in `ctx.saved_tensors`."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        self._saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Names the inputs that forward changed in place; forward must return them."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Names the outputs that are constants to differentiation."""
        self._constant = args

    def set_materialize_grads(self, value: bool) -> None:
        """With False, backward gets None instead of zeros for outputs that were not used."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward kept; raises RuntimeError where it was freed or changed in place."""
        node = self.__dict__.get("_node")
        if node is None:
            return tuple(self.__dict__.get("_to_save") or ())
        return _C._function_saved(node, self._output_numbers)


class _Backward(FunctionCtx):
    """Base of the context classes, one for each Function: runs backward when the graph asks for it."""

    _forward_cls: type

    def _run_backward(self, *grads: Tensor | None) -> tuple:
        cls = self._forward_cls
        user = cls.backward if cls.backward is not Function.backward else cls.vjp
        if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
            )
        if user is Function.vjp:
            raise NotImplementedError(
                "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
            )
        if self.materialize_grads:
            made = _C._function_results(self._node_ref())
            filled = []
            for g, meta in zip(grads, made, strict=False):
                if g is None and meta is not None:
                    from rushlight import zeros

                    g = zeros(meta[0], dtype=meta[1])
                filled.append(g)
            grads = tuple(filled)
        result = user(self, *grads)
        result = result if isinstance(result, tuple) else (result,)
        return self._match(result)

    def _node_ref(self) -> Any:
        return self.__dict__["_node"]

    def _match(self, result: tuple) -> tuple:
        """One gradient for each argument of forward; surplus Nones are dropped."""
        expected = self._n_args
        if len(result) > expected and all(g is None for g in result[expected:]):
            result = result[:expected]
        name = type(self).__name__
        if len(result) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {expected}, got {len(result)})"
            )
        for i, (g, is_tensor) in enumerate(zip(result, self._is_tensor, strict=True)):
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"function {name}: expected a Tensor or None as gradient {i}, got {type(g).__name__}")
            if g is not None and not is_tensor:
                raise RuntimeError(
                    f"function {name} returned a gradient different from None at position {i + 1}, but the corresponding forward input was not a Variable"
                )
        return result


def _has_setup(cls: type) -> bool:
    return cls.setup_context is not Function.setup_context


class Function:
    """Base of operators written in Python. Subclasses define static methods; call them through `apply`.

    forward(ctx, *args), or forward(*args) with setup_context(ctx, inputs, output); backward(ctx, *grad_outputs) returns a
    gradient for each argument of forward, None for what needs none.
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operator itself, run without recording."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Fills ctx where forward does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients with respect to forward's arguments."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name of backward."""
        raise NotImplementedError("vjp is not implemented.")

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Tangents of the outputs (forward mode)."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    @functools.cache
    def _context_class(cls) -> type[_Backward]:
        return type(cls.__name__ + "Backward", (_Backward,), {"_forward_cls": cls, "__module__": cls.__module__})

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and records it."""
        if kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        ctx = cls._context_class()()
        is_tensor = tuple(isinstance(a, Tensor) for a in args)
        recording = _C.is_grad_enabled()
        ctx.needs_input_grad = tuple(recording and t and a.requires_grad for t, a in zip(is_tensor, args, strict=True))
        wants = any(ctx.needs_input_grad)
        node = _C._function_node(ctx, type(ctx).__name__, args) if wants else None
        try:
            return cls._run(ctx, args, node, recording, is_tensor)
        finally:
            if node is not None:
                _C._function_done(node)

    @classmethod
    def _run(cls, ctx: Any, args: tuple, node: Any, recording: bool, is_tensor: tuple) -> Any:
        """Forward without recording, then the outputs' place in the graph."""
        _C._set_grad_enabled(False)
        try:
            if _has_setup(cls):
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            _C._set_grad_enabled(recording)
        single = not isinstance(output, tuple)
        outputs = (output,) if single else output
        dirty = ctx.__dict__.get("_dirty", ())
        for t in dirty:
            if not any(t is a for a in args):
                raise RuntimeError("mark_dirty(): every tensor must be an input of forward")
            _C._function_dirty(t)
        if node is not None:
            ctx._node, ctx._n_args, ctx._is_tensor = node, len(args), is_tensor
            outputs = _attach(ctx, node, outputs, args, dirty)
        return outputs[0] if single else outputs


def _attach(ctx: _Backward, node: Any, outputs: tuple, args: tuple, dirty: tuple) -> tuple:
    """Gives the outputs their place in the graph, then saves what was asked for."""
    constant = ctx.__dict__.get("_constant", ())
    original, results = outputs, []
    for nr, value in enumerate(outputs):
        if not isinstance(value, Tensor):
            results.append(value)
            continue
        changed = any(value is d for d in dirty)
        if any(value is a for a in args) and not changed:
            value = value.detach()  # an input returned as it is: its alias is the output
        differentiable = value.is_floating_point() or value.is_complex()
        if differentiable and not any(original[nr] is c for c in constant):
            if value.requires_grad and not changed:
                value = value.detach()
            _C._function_output(node, value, nr, changed)
        else:
            _C._function_constant(node, value, nr)
        results.append(value)
    to_save = tuple(ctx.__dict__.pop("_to_save", ()) or ())
    by_id = {id(o): r for o, r in zip(original, results, strict=True) if isinstance(o, Tensor)}
    is_input = {id(a) for a in args if isinstance(a, Tensor)}
    kept = tuple(by_id[id(t)] if id(t) in by_id and id(t) not in is_input else t for t in to_save)
    ctx._output_numbers = tuple(next((i for i, r in enumerate(results) if r is t), -1) for t in kept)
    _C._function_save(node, kept, tuple(r for r in results if isinstance(r, Tensor)))
    return tuple(results)


def once_differentiable(fn: Callable) -> Callable:
    """Decorates a backward that is not itself differentiable: differentiating it raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        recording = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            outputs = fn(ctx, *args)
        finally:
            _C._set_grad_enabled(recording)
        if not recording or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        single = not isinstance(outputs, tuple)
        items = (outputs,) if single else outputs
        barred = tuple(
            _Once.apply(o, *[a for a in args if isinstance(a, Tensor)]) if isinstance(o, Tensor) else o for o in items
        )
        return barred[0] if single else barred

    return wrapper


class _Once(Function):
    """Identity of its first argument that depends on the others and can't be differentiated."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *sources: Tensor) -> Tensor:
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


InplaceFunction = Function
NestedIOFunction = Function
