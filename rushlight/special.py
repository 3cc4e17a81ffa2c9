"""Special functions."""

from __future__ import annotations

from rushlight._namespace import fill

fill(globals(), "special")
