"""Linear algebra: norms, products, decompositions, solvers."""

from __future__ import annotations

from rushlight._C import _LinAlgError as LinAlgError
from rushlight._namespace import fill as _fill

__all__ = ["LinAlgError"]
_fill(globals(), "linalg")
