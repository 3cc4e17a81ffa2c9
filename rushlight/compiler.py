"""`torch.compile` and its companions: programs run as they are written."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]

_said = False


def compile(  # noqa: A001  (PyTorch's name)
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Callable:
    """Return a callable that means the same as `model` and runs it eagerly; the first call of `compile` says so.

    A module is returned as it is. The options are those of PyTorch's compiler, which there is none of.
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode is not None and mode not in ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"):
        raise RuntimeError(
            f"Unrecognized mode={mode}, should be one of: default, reduce-overhead, max-autotune-no-cudagraphs, "
            "max-autotune"
        )
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode)
    if not callable(model):
        raise TypeError(f"torch.compile: a function or a module is expected, not {type(model).__name__}")
    if not disable:
        _say_once()
    from rushlight.nn import Module

    if isinstance(model, Module | type):
        return model

    @functools.wraps(model)
    def eager(*args: Any, **kwargs: Any) -> Any:
        return model(*args, **kwargs)

    eager._torchdynamo_orig_callable = model  # type: ignore[attr-defined]
    return eager


def _say_once() -> None:
    global _said
    if not _said:
        _said = True
        warnings.warn("torch.compile: Rushlight has no compiler and runs the program eagerly", stacklevel=3)


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Callable:
    """A decorator that leaves the function as it is."""
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """Return `fn`."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """Return `fn`."""
    return fn


def is_compiling() -> bool:
    """False."""
    return False


def is_dynamo_compiling() -> bool:
    """False."""
    return False


def is_exporting() -> bool:
    """False."""
    return False


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """No compilers."""
    return []


def reset() -> None:
    """Nothing is kept."""


def cudagraph_mark_step_begin() -> None:
    """Nothing is recorded."""


class set_stance:  # noqa: N801  (PyTorch's name)
    """How the compiler behaves, in a `with` block or from now on: there is none, so that every stance is eager."""

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, **kwargs: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass

    def __call__(self, fn: Callable) -> Callable:
        return fn
