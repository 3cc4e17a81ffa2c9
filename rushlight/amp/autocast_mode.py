"""`autocast`, as far as it is off: for other devices than the CPU, and with `enabled=False`."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import rushlight

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_NOT_YET = (
    "autocast on the CPU is not supported: Rushlight has no mixed-precision mode yet. Use enabled=False, or convert "
    "the model and its inputs with .to(torch.bfloat16)"
)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` for this kind of device can be on."""
    rushlight.device(device_type)  # refuses an unknown kind
    return False


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether operators now cast their inputs: never."""
    return False


def is_autocast_cpu_enabled() -> bool:
    """Whether operators now cast their inputs on the CPU: never."""
    return False


def set_autocast_enabled(*args: Any) -> None:
    """Switch casting for a kind of device, which can only be off."""
    if args[-1]:
        raise NotImplementedError(_NOT_YET)


def get_autocast_dtype(device_type: str) -> "rushlight.dtype":
    """The dtype to which `autocast` for this kind of device would cast."""
    return rushlight.bfloat16 if device_type in ("cpu", "xpu") else rushlight.float16


class autocast:  # noqa: N801  (PyTorch's name)
    """A context, or a decorator, in which operators choose the dtype to compute in.

    For other devices than the CPU it is off, with PyTorch's warning; on the CPU, on, it raises NotImplementedError.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        rushlight.device(device_type)  # refuses an unknown kind
        self.device = device_type
        self.fast_dtype = dtype if dtype is not None else get_autocast_dtype(device_type)
        if device_type == "cuda" and enabled:
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif device_type == "cpu" and enabled and self.fast_dtype not in (rushlight.bfloat16, rushlight.float16):
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = True if cache_enabled is None else cache_enabled

    def __enter__(self) -> "autocast":
        if self._enabled:
            raise NotImplementedError(_NOT_YET)
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def __call__(self, func: Callable) -> Callable:
        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return run


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Mark the forward of an `autograd.Function` for `autocast`. With casting off there is nothing to do."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def run(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = get_autocast_dtype(device_type)
        args[0]._fwd_used_autocast = False
        return fwd(*args, **kwargs)

    return run


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Mark the backward of an `autograd.Function` for `autocast`. With casting off there is nothing to do."""
    return functools.partial(custom_bwd, device_type=device_type) if bwd is None else bwd
