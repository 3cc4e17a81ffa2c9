"""Linear algebra: norms, products, decompositions, solvers."""

from __future__ import annotations

from rushlight._C import _LinAlgError as LinAlgError
from rushlight._namespace import fill

__all__ = ["LinAlgError"]
fill(globals(), "linalg")
