"""TorchScript's names. Rushlight runs Python as it is: `script` and `trace` return what they are given."""

import typing
import warnings
from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "annotate",
    "export",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "trace_module",
    "unused",
]

_NO_ARCHIVES = "TorchScript archives are not supported; save and load a state_dict() with torch.save and torch.load"


class Error(Exception):
    """An error in TorchScript."""


class Attribute(typing.NamedTuple):
    """A value with its TorchScript type."""

    value: Any
    type: Any


def _warn(name: str) -> None:
    warnings.warn(
        f"`torch.jit.{name}` is deprecated. Please switch to `torch.compile` or `torch.export`.",
        DeprecationWarning,
        stacklevel=3,
    )


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """Return `obj`, a function, a module or a class, unchanged; with PyTorch's deprecation warning."""
    _warn("script")
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return `func` unchanged; with PyTorch's deprecation warning."""
    _warn("trace")
    return func


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Return `mod` unchanged; with PyTorch's deprecation warning."""
    _warn("trace_method")
    return mod


def script_if_tracing(fn: Callable) -> Callable:
    """Return `fn`: nothing is traced."""
    return fn


def script_method(fn: Callable, *args: Any) -> Callable:
    """Return `fn`: nothing is scripted."""
    return fn


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """Return `mod`, which must be in eval mode."""
    if getattr(mod, "training", False):
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() first")
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """Return `mod`."""
    return mod


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that leaves the function as it is."""
    if callable(drop):
        return drop
    return lambda fn: fn


def unused(fn: Callable) -> Callable:
    """A decorator that leaves the function as it is."""
    return fn


def export(fn: Callable) -> Callable:
    """A decorator that leaves the function as it is."""
    return fn


def interface(obj: type) -> type:
    """A decorator that leaves the class as it is."""
    return obj


def annotate(the_type: Any, the_value: Any) -> Any:
    """Return the value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001  (PyTorch's name)
    """`isinstance` for plain types and for types in brackets, whose insides are not looked at."""
    import builtins

    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return any(builtins.isinstance(obj, typing.get_origin(kind) or kind) for kind in kinds)


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.jit.save: " + _NO_ARCHIVES)


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.jit.load: " + _NO_ARCHIVES)


def enable_onednn_fusion(enabled: bool) -> None:
    """Nothing is fused by a compiler here."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run the function now; `wait` returns its result."""
    return func(*args, **kwargs)


def wait(future: Any) -> Any:
    """The result of a `fork`."""
    return future
