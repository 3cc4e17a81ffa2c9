"""`__torch_function__`: how classes and modes take over calls of operators."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor, _disabled_torch_function_impl

_modes: list[Any] = []  # torch-function modes in force, innermost last


def _overloaded(values: Iterable[Any]) -> list[Any]:
    """Arguments with an override, each type once, subclasses before the classes they derive from."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        override = getattr(kind, "__torch_function__", None)
        if override is None or override is _disabled_torch_function_impl or kind is Tensor:
            continue
        if any(type(other) is kind for other in found):
            continue
        at = next((i for i, other in enumerate(found) if issubclass(kind, type(other))), len(found))
        found.insert(at, value)
    return found


def _flat(args: Iterable[Any]) -> Iterable[Any]:
    for value in args:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _call_override(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Called by the argument parser where an argument or a mode overrides func."""
    candidates = _overloaded(_flat([*args, *kwargs.values()]))
    types = tuple(type(value) for value in candidates)
    if _modes:
        mode = _modes.pop()
        before = _C._set_function_modes(len(_modes))
        try:
            return mode.__torch_function__(func, types, args, kwargs)
        finally:
            _modes.append(mode)
            _C._set_function_modes(before)
    for value in candidates:
        result = type(value).__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    names = ", ".join(t.__name__ for t in types)
    raise TypeError(
        f"no implementation found for '{resolve_name(func)}' on types that implement __torch_function__: [{names}]"
    )


def _wrap_subclass(cls: type, value: Any) -> Any:
    if cls is Tensor:
        return value
    if isinstance(value, Tensor) and not isinstance(value, cls):
        return value.as_subclass(cls)
    if isinstance(value, (list, tuple)):
        items = [_wrap_subclass(cls, v) for v in value]
        return (
            type(value)(items) if not hasattr(value, "_fields") and type(value) in (list, tuple) else type(value)(items)
        )
    return value


class _Disabled:
    """Within the block overriding by subclasses is off."""

    def __enter__(self) -> None:
        self.saved, _modes[:] = list(_modes), []
        self.before = _C._set_function_modes(0)

    def __exit__(self, *exc: object) -> None:
        _modes[:] = self.saved
        _C._set_function_modes(self.before)


def _own(func: Callable) -> Callable | None:
    """func; where it is PyTorch's own, which hands a call with tensors that aren't its own over to them, the function
    of that name here, or None."""
    package = __name__.partition(".")[0]
    module = getattr(func, "__module__", None) or ""
    foreign = isinstance(func, (types.FunctionType, types.BuiltinFunctionType)) and module.partition(".")[0] == "torch"
    if not foreign or package == "torch":  # the alias renames this package
        return func
    here = sys.modules[package]
    for home in (here.nn.functional, here, here.linalg, here.special):
        if hasattr(home, func.__name__):
            return getattr(home, func.__name__)
    return None


def _default_torch_function(
    cls: type, func: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """What Tensor itself does: calls func and returns its results in the subclass."""
    own = _own(func)
    if own is None or not all(issubclass(cls, t) for t in types):
        return NotImplemented
    plain = {id(v): v for v in _flat([*args, *(kwargs or {}).values()])}

    def lower(value: Any) -> Any:
        if isinstance(value, Tensor) and type(value) is not Tensor:
            return (
                _C._as_subclass(Tensor, value) if not value.is_leaf or not value.requires_grad else _leaf_alias(value)
            )
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(lower(v) for v in value)
        return value

    result = own(*[lower(a) for a in args], **{k: lower(v) for k, v in (kwargs or {}).items()})
    name = getattr(func, "__name__", "")
    if name.endswith("_") and not name.endswith("__") and args and isinstance(args[0], Tensor):
        return args[0]
    del plain
    return result if func in get_default_nowrap_functions() else _wrap_subclass(cls, result)


def _leaf_alias(value: Tensor) -> Tensor:
    """A plain view of a leaf of a subclass, through which gradients reach the leaf."""
    return _C._as_subclass(Tensor, value)


def get_default_nowrap_functions() -> set[Callable]:
    """Functions whose results are never wrapped in a subclass."""
    return set()


class TorchFunctionMode:
    """A context in which every call of an operator goes to `__torch_function__` of the mode."""

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        raise NotImplementedError(
            "TorchFunctionMode: define __torch_function__(self, func, types, args=(), kwargs=None)"
        )

    def __enter__(self) -> TorchFunctionMode:
        _modes.append(self)
        _C._set_function_modes(len(_modes))
        return self

    def __exit__(self, *exc: object) -> None:
        _modes.pop()
        _C._set_function_modes(len(_modes))


class _DeviceMode(TorchFunctionMode):
    """`with torch.device(...)`: factory functions without a device argument use this one."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") in _FACTORIES and kwargs.get("device") is None:
            kwargs["device"] = self.device
        return func(*args, **kwargs)


_FACTORIES = {
    "empty", "zeros", "ones", "full", "eye", "arange", "linspace", "logspace", "rand", "randn", "randint", "randperm",
    "tensor", "as_tensor", "scalar_tensor", "empty_strided", "empty_permuted", "tril_indices", "triu_indices", "normal",
}  # fmt: skip


def _push_device(device: Any) -> Any:
    _DeviceMode(device).__enter__()
    return device


def _pop_device() -> None:
    for i in range(len(_modes) - 1, -1, -1):
        if isinstance(_modes[i], _DeviceMode):
            del _modes[i]
            break
    _C._set_function_modes(len(_modes))


def has_torch_function(args: Iterable[Any]) -> bool:
    """Whether one of the arguments, or a mode in force, overrides operators."""
    return bool(_modes) or bool(_overloaded(args))


def has_torch_function_unary(value: Any) -> bool:
    """has_torch_function of one argument."""
    return has_torch_function((value,))


def has_torch_function_variadic(*args: Any) -> bool:
    """has_torch_function of the arguments given."""
    return has_torch_function(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Calls the override of a function written in Python."""
    return _call_override(public_api, args, kwargs)


def is_tensor_like(value: Any) -> bool:
    """Whether value is a Tensor or takes part in overriding."""
    return isinstance(value, Tensor) or hasattr(type(value), "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether func is a method of Tensor."""
    return "method" in type(func).__name__


def resolve_name(func: Callable) -> str:
    """`torch.add` and the like, for messages."""
    module = getattr(func, "__module__", None)
    return f"{module}.{getattr(func, '__qualname__', func)}" if module else str(func)
