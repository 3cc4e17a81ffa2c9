"""Seeds and the state of the random number generator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rushlight import _C
from rushlight._C import Tensor

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state", "thread_safe_generator",
]  # fmt: skip

Generator = _C.Generator
default_generator = _C.default_generator


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator and returns it. Raises ValueError for a seed outside of -2^63 .. 2^64-1."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the system's entropy and returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was given last."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, as uint8."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Restores what get_rng_state returned."""
    default_generator.set_state(new_state)


def thread_safe_generator() -> Any:
    """The generator of a data loader's worker; None in the calling process."""
    return None


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cpu",
) -> Iterator[None]:
    """Restores the generator's state at the end of the block."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
