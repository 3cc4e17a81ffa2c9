"""Apple's graphics processors: they are not used, so programs that ask go on on the CPU."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "current_allocated_memory", "device_count", "driver_allocated_memory", "empty_cache", "get_rng_state", "is_available",
    "manual_seed", "recommended_max_memory", "seed", "set_per_process_memory_fraction", "set_rng_state", "synchronize",
]  # fmt: skip


def _absent(name: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"Cannot execute {name}() without MPS backend.")

    function.__name__ = name
    function.__doc__ = f"`{name}` of the device. Raises RuntimeError: there is no such device."
    return function


current_allocated_memory = _absent("current_allocated_memory")
driver_allocated_memory = _absent("driver_allocated_memory")
empty_cache = _absent("empty_cache")
get_rng_state = _absent("get_rng_state")
recommended_max_memory = _absent("recommended_max_memory")
seed = _absent("seed")
set_per_process_memory_fraction = _absent("set_per_process_memory_fraction")
set_rng_state = _absent("set_rng_state")
synchronize = _absent("synchronize")


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to do without a device."""
