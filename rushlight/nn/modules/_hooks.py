"""Hooks of modules: the global ones, their registration, and the call that runs them."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rushlight import _C, Tensor
from rushlight.nn.modules._backward_hook import BackwardHook
from rushlight.utils.hooks import RemovableHandle

_global_buffer_registration_hooks: dict[int, Callable] = OrderedDict()
_global_module_registration_hooks: dict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: dict[int, Callable] = OrderedDict()
_global_backward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_backward_hooks: dict[int, Callable] = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_forward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks_always_called: dict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: dict[int, bool] = OrderedDict()

# One test tells a call that there is no global hook: a list that is empty or holds the word "hooks".
# It is filled when a hook is registered, and emptied by the first call that finds every table empty.
any_global: list[str] = _C._global_module_hooks
# Where these are empty, and there is no global hook, a call is a call of `forward`.
CALL_HOOKS = frozenset(("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"))

_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
    "Please use only one of them."
)


def _has_any_global_hook() -> bool:
    return bool(
        _global_backward_pre_hooks or _global_backward_hooks or _global_forward_hooks or _global_forward_pre_hooks
    )


def _add(table: dict, hook: Callable, *extra: dict) -> RemovableHandle:
    handle = RemovableHandle(table, extra_dict=list(extra)) if extra else RemovableHandle(table)
    table[handle.id] = hook
    return handle


def _add_global(table: dict, hook: Callable, *extra: dict) -> RemovableHandle:
    if not any_global:
        any_global.append("hooks")
    return _add(table, hook, *extra)


def register_module_buffer_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever any module registers a buffer; a returned value replaces it."""
    return _add(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever any module registers a child; a returned value replaces it."""
    return _add(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, name, param)` whenever any module registers a parameter; a returned value replaces it."""
    return _add(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call `hook(module, args)` before every module's `forward`."""
    return _add_global(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., None], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every module's `forward`."""
    handle = _add_global(_global_forward_hooks, hook, _global_forward_hooks_always_called)
    if with_kwargs:
        _global_forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        _global_forward_hooks_always_called[handle.id] = True
    return handle


def _register_global_backward(hook: Callable, full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(_MIXED)
    _global_is_full_backward_hook = full
    return _add_global(_global_backward_hooks, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` for the last node of every module (deprecated: use the full one)."""
    return _register_global_backward(hook, full=False)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when the gradients of any module's inputs are known."""
    return _register_global_backward(hook, full=True)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` when the gradients of any module's outputs are known."""
    return _add_global(_global_backward_pre_hooks, hook)


def registered(table: dict[int, Callable], module: Any, name: str, member: Any) -> Any:
    """`member` after every registration hook of `table` had its say."""
    for hook in table.values():
        replacement = hook(module, name, member)
        if replacement is not None:
            member = replacement
    return member


class _WrappedHook:
    """A hook of a graph node that passes the module on to a hook of the module."""

    def __init__(self, hook: Callable, module: Any) -> None:
        self.hook, self.module = hook, module

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)


class HookMixin:
    """The part of Module that registers hooks and runs a call that has some."""

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradients of the outputs are known; it may return others."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` for the last node of forward (deprecated: use the full one)."""
        return self._register_backward(hook, full=False, prepend=False)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        It may return other input gradients. Inputs and outputs must not be modified in place by their users.
        """
        return self._register_backward(hook, full=True, prepend=prepend)

    def _register_backward(self, hook: Callable, full: bool, prepend: bool) -> RemovableHandle:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self._is_full_backward_hook = full
        return self._add_hook(self._backward_hooks, hook, prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward, or `hook(module, args, kwargs)`; it may return other arguments."""
        handle = self._add_hook(self._forward_pre_hooks, hook, prepend, self._forward_pre_hooks_with_kwargs)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output.

        `with_kwargs` adds the keyword arguments before `output`; `always_call` runs the hook also when forward raises.
        """
        handle = self._add_hook(
            self._forward_hooks, hook, prepend, self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        )
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def _add_hook(self, table: dict, hook: Callable, prepend: bool, *extra: dict) -> RemovableHandle:
        handle = _add(table, hook, *extra)
        if prepend:
            table.move_to_end(handle.id, last=False)
        self._hooked = True
        return handle

    def _has_call_hooks(self) -> bool:
        return any(self.__dict__.get(name) for name in CALL_HOOKS)

    def _get_backward_hooks(self) -> tuple[list[Callable], list[Callable]]:
        full, partial = [], []
        for is_full, table in (
            (_global_is_full_backward_hook, _global_backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            (full if is_full else partial).extend(table.values())
        return full, partial

    def _get_backward_pre_hooks(self) -> list[Callable]:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """The call with every hook. `__call__` comes here only where one of the flags says that there may be some."""
        if any_global and not _has_any_global_hook():
            any_global.clear()
        self._hooked = self._has_call_hooks()
        if not self._hooked and not any_global:
            return self.forward(*args, **kwargs)
        done: set[tuple[bool, int]] = set()
        if not self._forward_hooks_always_called and not _global_forward_hooks_always_called:
            return self._call_with_hooks(args, kwargs, done, [None])
        result = [None]
        try:
            return self._call_with_hooks(args, kwargs, done, result)
        except Exception:
            self._call_remaining_hooks(args, kwargs, done, result[0])
            raise

    def _call_with_hooks(self, args: tuple, kwargs: dict, done: set, outcome: list) -> Any:
        full, partial = self._get_backward_hooks() if (_global_backward_hooks or self._backward_hooks) else ((), ())
        before = self._get_backward_pre_hooks() if (_global_backward_pre_hooks or self._backward_pre_hooks) else ()
        args, kwargs = self._run_forward_pre_hooks(args, kwargs)
        backward = BackwardHook(self, full, before) if full or before else None
        if backward is not None:
            args = backward.setup_input_hook(args)
        outcome[0] = result = self.forward(*args, **kwargs)
        for is_global, key, hook, with_kwargs in self._forward_hook_list():
            done.add((is_global, key))
            replaced = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            if replaced is not None:
                outcome[0] = result = replaced
        if backward is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                    f"received {type(result)}",
                    stacklevel=3,
                )
            result = backward.setup_output_hook(result)
        if partial:
            self._hook_last_node(args, result, partial)
        return result

    def _run_forward_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        hooks = [(hook, False) for hook in _global_forward_pre_hooks.values()]
        hooks += [(h, key in self._forward_pre_hooks_with_kwargs) for key, h in self._forward_pre_hooks.items()]
        for hook, with_kwargs in hooks:
            replaced = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if replaced is None:
                continue
            if not with_kwargs:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
            elif isinstance(replaced, tuple) and len(replaced) == 2:
                args, kwargs = replaced
            else:
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                )
        return args, kwargs

    def _forward_hook_list(self) -> list[tuple[bool, int, Callable, bool]]:
        hooks = [(True, k, h, k in _global_forward_hooks_with_kwargs) for k, h in _global_forward_hooks.items()]
        return hooks + [(False, k, h, k in self._forward_hooks_with_kwargs) for k, h in self._forward_hooks.items()]

    def _call_remaining_hooks(self, args: tuple, kwargs: dict, done: set, result: Any) -> None:
        """After an exception: the `always_call` hooks that have not run; their own exceptions become warnings."""
        for is_global, key, hook, with_kwargs in self._forward_hook_list():
            always = _global_forward_hooks_always_called if is_global else self._forward_hooks_always_called
            if key not in always or (is_global, key) in done:
                continue
            try:
                replaced = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if replaced is not None:
                    result = replaced
            except Exception as error:
                scope = "global module forward hook" if is_global else "module forward hook"
                warnings.warn(
                    f"{scope} with ``always_call=True`` raised an exception that was silenced as another error was "
                    f"raised in forward: {error!s}",
                    stacklevel=4,
                )

    def _hook_last_node(self, args: tuple, result: Any, hooks: list[Callable]) -> None:
        """Old-style backward hooks sit on the node that made the first output, whatever it is."""
        output = result
        while not isinstance(output, Tensor):
            if isinstance(output, dict):
                output = next(value for value in output.values() if isinstance(value, Tensor))
            else:
                output = output[0]
        node = output.grad_fn
        if node is None:
            return
        for hook in hooks:
            node.register_hook(_WrappedHook(hook, self))
        self._maybe_warn_non_full_backward_hook(args, result, node)

    def _maybe_warn_non_full_backward_hook(self, inputs: Any, result: Any, grad_fn: Any) -> None:
        def warn(reason: str) -> None:
            warnings.warn(
                f"Using a non-full backward hook when {reason}. The hook will be missing some of the grad_input. "
                "Please use register_full_backward_hook to get the documented behavior.",
                FutureWarning,
                stacklevel=5,
            )

        values = inputs if isinstance(inputs, tuple) else (inputs,)
        outputs = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(output, Tensor) for output in outputs):
            warn("the forward contains multiple autograd Nodes, or outputs that are not a tuple of Tensors,")
        elif not all(isinstance(value, Tensor) for value in values):
            warn("inputs are not all Tensors or a tuple of Tensors,")
        elif len({output.grad_fn for output in outputs}) != 1:
            warn("outputs are generated by different autograd Nodes,")
        else:
            sources = {value.grad_fn for value in values if value.grad_fn is not None}
            if any(nxt is not None and nxt not in sources for nxt, _ in grad_fn.next_functions if sources):
                warn("the forward contains multiple autograd Nodes,")
