"""Accelerators: there is none, so programs that ask go on on the CPU."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def _none() -> Any:
    raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """Raises RuntimeError."""
    return _none()


def set_device_index(device: Any) -> None:
    """Raises RuntimeError."""
    _none()


def synchronize(device: Any = None) -> None:
    """Raises RuntimeError."""
    _none()
