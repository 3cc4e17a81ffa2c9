"""What decides whether operators are recorded: context managers that are decorators too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _C


class _Decorator:
    """A context manager whose calling decorates a function or a generator function with it."""

    def clone(self) -> _Decorator:
        return type(self)()

    def __call__(self, func: Callable) -> Callable:
        import inspect  # which takes milliseconds to load

        if inspect.isclass(func):
            func.__init__ = self(func.__init__)
            return func
        if inspect.isgeneratorfunction(func):

            @functools.wraps(func)
            def generator(*args: Any, **kwargs: Any) -> Any:
                source = func(*args, **kwargs)
                sent, thrown = None, None
                while True:
                    try:
                        with self.clone():
                            value = source.throw(thrown) if thrown is not None else source.send(sent)
                    except StopIteration as stop:
                        return stop.value
                    sent = thrown = None
                    try:
                        sent = yield value
                    except GeneratorExit:
                        source.close()
                        raise
                    except BaseException as error:  # handed to the generator, which may handle it
                        thrown = error

            return generator

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return func(*args, **kwargs)

        return wrapper

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError


class _MaybeBare(_Decorator):
    """Also usable as a decorator without parentheses: `@torch.no_grad`."""

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        if orig_func is None:
            return super().__new__(cls)
        return cls()(orig_func)


class no_grad(_MaybeBare):
    """Operators are not recorded within."""

    def __init__(self) -> None:
        self.previous: list[bool] = []

    def __enter__(self) -> None:
        self.previous.append(_C.is_grad_enabled())
        _C._set_grad_enabled(False)

    def __exit__(self, *exc: object) -> None:
        _C._set_grad_enabled(self.previous.pop())


class enable_grad(_MaybeBare):
    """Operators are recorded within, also inside of no_grad."""

    def __init__(self) -> None:
        self.previous: list[bool] = []

    def __enter__(self) -> None:
        self.previous.append(_C.is_grad_enabled())
        _C._set_grad_enabled(True)

    def __exit__(self, *exc: object) -> None:
        _C._set_grad_enabled(self.previous.pop())


class set_grad_enabled(_Decorator):
    """Recording on or off: at once when called, and until the end of a `with` block."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.previous = _C.is_grad_enabled()
        _C._set_grad_enabled(mode)

    def __call__(self, func: Callable) -> Callable:
        _C._set_grad_enabled(self.previous)
        return super().__call__(func)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self.mode)

    def __exit__(self, *exc: object) -> None:
        _C._set_grad_enabled(self.previous)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mode={self.mode})"


class inference_mode(_Decorator):
    """As no_grad, and results keep neither versions nor views: they can't be recorded later."""

    def __new__(cls, mode: Any = True) -> Any:
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self.previous: list[tuple[bool, bool]] = []

    def clone(self) -> inference_mode:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        self.previous.append((_C.is_grad_enabled(), _C.is_inference_mode_enabled()))
        _C._set_inference_mode(self.mode)
        if self.mode:
            _C._set_grad_enabled(False)
        elif self.previous[-1][1]:
            _C._set_grad_enabled(True)

    def __exit__(self, *exc: object) -> None:
        grad, inference = self.previous.pop()
        _C._set_inference_mode(inference)
        _C._set_grad_enabled(grad)
