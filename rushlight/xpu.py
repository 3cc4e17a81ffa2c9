"""Intel's accelerators: there is none, so programs that ask go on on the CPU."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_name", "get_device_properties", "get_rng_state",
    "get_rng_state_all", "init", "initial_seed", "is_available", "is_bf16_supported", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_reserved", "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state",
    "set_rng_state_all", "synchronize",
]  # fmt: skip


def _absent(name: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError(f"Torch not compiled with XPU enabled (torch.xpu.{name})")

    function.__name__ = name
    function.__doc__ = f"`{name}` of a device. Raises AssertionError: there is no such device."
    return function


current_device = _absent("current_device")
get_device_name = _absent("get_device_name")
get_device_properties = _absent("get_device_properties")
get_rng_state = _absent("get_rng_state")
init = _absent("init")
initial_seed = _absent("initial_seed")
mem_get_info = _absent("mem_get_info")
set_device = _absent("set_device")
set_rng_state = _absent("set_rng_state")
synchronize = _absent("synchronize")


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def empty_cache() -> None:
    """Nothing to do."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to do."""


def memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def manual_seed(seed: int) -> None:
    """Nothing to do: each device, of which there is none, is seeded when it is first used."""


manual_seed_all = manual_seed


def seed() -> None:
    """Nothing to do."""


seed_all = seed


def get_rng_state_all() -> list:
    """[]: the states of all devices."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Sets the state of each device, so takes an empty list only."""
    for state in new_states:
        set_rng_state(state)
