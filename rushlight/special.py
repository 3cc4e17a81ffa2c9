"""Special functions."""

from __future__ import annotations

from rushlight._namespace import fill as _fill

_fill(globals(), "special")
