"""CUDA, which Rushlight does not have: the questions are answered, everything else says so as a PyTorch without it "
"does."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.cuda import amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "set_device",
    "synchronize",
]

_MESSAGE = "Torch not compiled with CUDA enabled"
has_half = True
default_generators: tuple = ()


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def empty_cache() -> None:
    """Nothing to do."""


def manual_seed(seed: int) -> None:
    """Nothing to seed: there is no CUDA device."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed: there is no CUDA device."""


def seed() -> None:
    """Nothing to seed: there is no CUDA device."""


def seed_all() -> None:
    """Nothing to seed: there is no CUDA device."""


def get_rng_state_all() -> list:
    """The states of the generators of no device."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Take the states of the generators of no device."""
    if len(list(new_states)):
        raise AssertionError(_MESSAGE)


def memory_stats(device: Any = None) -> OrderedDict:
    """Nothing is counted."""
    return OrderedDict()


def _zero(name: str) -> Callable:
    def function(device: Any = None) -> int:
        return 0

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "0: there is no memory on a device."
    return function


def _absent(name: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(_MESSAGE)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises AssertionError: there is no CUDA."
    return function


_ZERO = (
    "memory_allocated",
    "max_memory_allocated",
    "memory_reserved",
    "max_memory_reserved",
    "memory_cached",
    "max_memory_cached",
)
_ABSENT = (
    "init",
    "current_device",
    "set_device",
    "synchronize",
    "get_device_name",
    "get_device_capability",
    "get_device_properties",
    "current_stream",
    "default_stream",
    "set_stream",
    "initial_seed",
    "get_rng_state",
    "set_rng_state",
    "ipc_collect",
    "mem_get_info",
    "memory_summary",
    "memory_snapshot",
    "reset_peak_memory_stats",
    "reset_max_memory_allocated",
    "set_per_process_memory_fraction",
    "utilization",
)
globals().update({name: _zero(name) for name in _ZERO})
globals().update({name: _absent(name) for name in _ABSENT})


class _Absent:
    """A class whose objects would need a CUDA device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError(_MESSAGE)


class Stream(_Absent):
    """A queue of a CUDA device."""


class Event(_Absent):
    """A mark in a queue of a CUDA device."""


class CUDAGraph(_Absent):
    """Recorded work of a CUDA device."""


class device:  # noqa: N801  (PyTorch's name)
    """The CUDA device in a `with` block; none, which is allowed, is a negative index or None."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else rushlight.device(device).index if isinstance(device, str) else device

    def __enter__(self) -> None:
        if not isinstance(self.idx, int) or self.idx >= 0:
            raise AssertionError(_MESSAGE)

    def __exit__(self, *exc: Any) -> None:
        pass


class stream:  # noqa: N801  (PyTorch's name)
    """The queue in a `with` block; None is allowed and does nothing."""

    def __init__(self, stream: Any) -> None:
        if stream is not None:
            raise AssertionError(_MESSAGE)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass


def _tensor_type(name: str) -> type:
    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"type torch.cuda.{name} not available. {_MESSAGE}.")

    return type(name, (), {"__new__": new, "__doc__": "A tensor on a CUDA device."})


for _kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"):
    globals()[_kind + "Tensor"] = _tensor_type(_kind + "Tensor")
