"""`autocast`: on the CPU operators choose the dtype to compute in (csrc/bind/autocast.cpp); for other devices it is off."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import _C

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_LOWER = (rushlight.bfloat16, rushlight.float16)


def _state() -> tuple[bool, "rushlight.dtype", bool]:
    """Whether casting is on, the dtype to cast to, and whether converted weights are kept."""
    return _C._set_autocast(None, None, None)


def _on_cpu(device_type: str) -> bool:
    return rushlight.device(device_type).type == "cpu"  # refuses an unknown kind


def is_autocast_available(device_type: str) -> bool:
    """Whether there is an `autocast` for this kind of device; for CUDA there is one, which stays off."""
    return rushlight.device(device_type).type in ("cpu", "cuda", "xpu", "mps")


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether operators now cast their inputs; without a kind of device, on CUDA: never."""
    return device_type is not None and _on_cpu(device_type) and _state()[0]


def is_autocast_cpu_enabled() -> bool:
    """Whether operators now cast their inputs on the CPU."""
    return _state()[0]


def set_autocast_enabled(*args: Any) -> None:
    """Switch casting for a kind of device (without one: CUDA), which can be on for the CPU only."""
    device_type, enabled = args if len(args) == 2 else ("cuda", *args)
    if _on_cpu(device_type):
        _C._set_autocast(enabled, None, None)


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Switch casting on the CPU."""
    _C._set_autocast(enabled, None, None)


def get_autocast_dtype(device_type: str) -> "rushlight.dtype":
    """The dtype to which `autocast` for this kind of device casts, or would."""
    if device_type == "cpu":
        return _state()[1]
    return rushlight.bfloat16 if device_type == "xpu" else rushlight.float16


def get_autocast_cpu_dtype() -> "rushlight.dtype":
    """The dtype to which `autocast` on the CPU casts."""
    return _state()[1]


def set_autocast_dtype(device_type: str, dtype: "rushlight.dtype") -> None:
    """Choose the dtype for a kind of device; for others than the CPU it has no effect."""
    if _on_cpu(device_type):
        _C._set_autocast(None, dtype, None)


def set_autocast_cpu_dtype(dtype: "rushlight.dtype") -> None:
    """Choose the dtype to which `autocast` on the CPU casts."""
    _C._set_autocast(None, dtype, None)


def is_autocast_cache_enabled() -> bool:
    """Whether `autocast` keeps converted weights until the outermost context is left."""
    return _state()[2]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Choose whether `autocast` keeps converted weights."""
    _C._set_autocast(None, None, enabled)


def autocast_increment_nesting() -> int:
    """Enter a context by hand; gives how many are entered."""
    return _C._nest_autocast(1)


def autocast_decrement_nesting() -> int:
    """Leave a context by hand; gives how many are still entered."""
    return _C._nest_autocast(-1)


def clear_autocast_cache() -> None:
    """Forget converted weights."""
    _C._clear_autocast_cache()


class autocast:  # noqa: N801  (PyTorch's name)
    """A context, or a decorator, in which operators choose the dtype to compute in.

    On the CPU matrix products, convolutions and the like compute in `dtype` (bfloat16 or float16; default: bfloat16), losses
    and decompositions in float32, all others as their inputs come; float64 stays. For other devices it is off, with
    PyTorch's warning.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        available = _on_cpu(device_type)
        self.device = device_type
        self.fast_dtype = dtype if dtype is not None else get_autocast_dtype(device_type)
        if device_type == "cuda" and enabled:
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif device_type == "cpu" and enabled and self.fast_dtype not in _LOWER:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled and available
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._before: list[tuple[bool, rushlight.dtype, bool]] = []

    def __enter__(self) -> "autocast":
        if self.device == "cpu":
            self._before.append(_C._set_autocast(self._enabled, self.fast_dtype, self._cache_enabled))
            _C._nest_autocast(1)
        return self

    def __exit__(self, *exc: Any) -> None:
        if self.device == "cpu":
            if _C._nest_autocast(-1) == 0:
                _C._clear_autocast_cache()
            _C._set_autocast(*self._before.pop())

    def __call__(self, func: Callable) -> Callable:
        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return run


def cast(value: Any, dtype: "rushlight.dtype") -> Any:
    """`value` with the real tensors in it converted, except those of float64."""
    if isinstance(value, rushlight.Tensor):
        return value.to(dtype) if value.is_floating_point() and value.dtype != rushlight.float64 else value
    if isinstance(value, dict):
        return {cast(k, dtype): cast(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [cast(v, dtype) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def full_precision(function: Callable) -> Callable:
    """A function made of several operators that computes in float32 within `autocast`."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not _state()[0]:
            return function(*args, **kwargs)
        with autocast("cpu", enabled=False):
            return function(*cast(args, rushlight.float32), **cast(kwargs, rushlight.float32))

    return run


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Mark the forward of an `autograd.Function`: with `cast_inputs` it runs without casting, on inputs of that dtype."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def run(*args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(device_type)
        args[0]._dtype = get_autocast_dtype(device_type)
        args[0]._fwd_used_autocast = on and cast_inputs is None
        if not on or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*cast(args, cast_inputs), **cast(kwargs, cast_inputs))

    return run


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Mark the backward of an `autograd.Function`: it casts as its forward did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def run(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return run
