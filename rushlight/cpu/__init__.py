"""The CPU: memory of the allocator, and what programs for accelerators ask of a device."""

from __future__ import annotations

from typing import Any

from rushlight import _C


def memory_stats() -> dict[str, int]:
    """The allocator's counts in bytes: allocated, peak, reserved (including kept blocks), and numbers of blocks."""
    return _C._memory_stats()


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors hold."""
    return memory_stats()["allocated"]


def max_memory_allocated(device: Any = None) -> int:
    """Most bytes that tensors held since the start or reset_peak_memory_stats()."""
    return memory_stats()["peak"]


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts max_memory_allocated anew."""
    _C._reset_peak()


def empty_cache() -> None:
    """Gives kept blocks back to the system."""
    _C._empty_cache()


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """'cpu'."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Returns at once: operators have finished when they return."""
