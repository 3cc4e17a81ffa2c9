"""Finding the operator whose gradient went wrong."""

from __future__ import annotations

from rushlight import _C


class set_detect_anomaly:
    """Remembers where operators were called, and raises where a gradient is NaN; at once or for a `with` block."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.previous = _C.is_anomaly_enabled()
        _C._set_anomaly(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _C._set_anomaly(self.previous)


class detect_anomaly:
    """set_detect_anomaly as a context manager."""

    def __init__(self, check_nan: bool = True) -> None:
        self.previous: list[bool] = []

    def __enter__(self) -> None:
        self.previous.append(_C.is_anomaly_enabled())
        _C._set_anomaly(True)

    def __exit__(self, *exc: object) -> None:
        _C._set_anomaly(self.previous.pop())
