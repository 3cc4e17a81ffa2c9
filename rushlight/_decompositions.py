"""Decompositions that are compositions: LU with optional verdicts, low-rank approximations, names that have gone."""

from __future__ import annotations

from typing import Any

from rushlight import _C
from rushlight._C import Tensor

__all__ = ["eig", "lstsq", "lu", "matrix_rank", "nuclear_norm", "pca_lowrank", "solve", "svd_lowrank", "symeig"]


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """LU factors of A (..., m, n) in one matrix and the pivots; with `get_infos` also where a pivot is zero (int32).

    linalg.lu_factor and linalg.lu_factor_ex say the same in one way each.
    """
    count = 3 if get_infos else 2
    if out is not None and (not isinstance(out, (tuple, list)) or len(out) != count):
        raise TypeError(f"expected tuple of {count} elements but got {type(out).__name__} (out= of lu)")
    result = _C._functions._lu_with_info(A, pivot, False)
    if out is not None:
        return tuple(target.resize_as_(value).copy_(value) for target, value in zip(out, result, strict=False))
    return result if get_infos else result[:2]


def _range_basis(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """Orthonormal (..., m, q) whose span is nearly that of the first q left singular vectors of A - M.

    Source: Halko, Martinsson, Tropp, Finding structure with randomness, 2011, algorithm 4.4.
    """
    usual = A.dtype.is_complex or A.dtype in (_C.float16, _C.float32, _C.float64)
    start = _C._functions.randn(A.shape[-1], q, dtype=A.dtype if usual else _C.float32)

    def times(A: Tensor, M: Tensor | None, x: Tensor) -> Tensor:
        return A @ x if M is None else A @ x - M @ x

    adjoints = (A.mH, None if M is None else M.mH)
    basis = _C._linalg.qr(times(A, M, start)).Q
    for _ in range(niter):
        basis = _C._linalg.qr(times(*adjoints, basis)).Q
        basis = _C._linalg.qr(times(A, M, basis)).Q
    return basis


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """U (..., m, q), S (..., q) and V (..., n, q) with A - M nearly U diag(S) V^H, by `niter` steps of subspace iteration.

    M broadcasts to A (..., m, n). Draws random numbers. Source: Halko, Martinsson, Tropp, 2011, algorithm 5.1.
    """
    m, n = A.shape[-2:]
    if M is not None:
        M = M.broadcast_to(A.shape)
    wide = m < n
    if wide:
        A, M = A.mH, None if M is None else M.mH
    basis = _range_basis(A, 6 if q is None else q, 2 if niter is None else niter, M)
    small = basis.mH @ A if M is None else basis.mH @ A - basis.mH @ M
    U, S, Vh = _C._linalg.svd(small, full_matrices=False)
    U, V = basis @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of the rows of A (..., m, n): as svd_lowrank of A less its mean row, unless not to `center`.

    The columns of V (..., n, q) are the principal directions. Raises ValueError unless 0 <= q <= min(m, n).
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter=niter)


def nuclear_norm(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Sum of the singular values: `nuclear_norm(input, keepdim)` or `nuclear_norm(input, dim, keepdim)`.

    linalg.matrix_norm(input, "nuc", dim, keepdim) says the same.
    """
    if args and isinstance(args[0], bool):
        args = ((-2, -1), *args)
    return _C._linalg.matrix_norm(input, "nuc", *args, **kwargs)


def _removed(name: str, instead: str) -> Any:
    def gone(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"torch.{name} was deprecated in version 1.9 and is now removed. Use {instead}")

    gone.__name__, gone.__doc__ = name, f"Removed: use {instead}"
    return gone


eig = _removed("eig", "torch.linalg.eig, whose results are complex")
symeig = _removed("symeig", "torch.linalg.eigh or eigvalsh, which read the lower triangle unless told UPLO='U'")
solve = _removed("solve", "torch.linalg.solve(A, B): the order of the arguments has changed")
lstsq = _removed("lstsq", "torch.linalg.lstsq(A, B): the order of the arguments has changed")
matrix_rank = _removed("matrix_rank", "torch.linalg.matrix_rank, where symmetric is called hermitian")
for _gone in (eig, symeig, solve, lstsq):
    setattr(Tensor, _gone.__name__, _gone)


def _lu_method(self: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """See rushlight.lu."""
    return lu(self, pivot, get_infos)


_lu_method.__name__ = "lu"
Tensor.lu = _lu_method  # type: ignore[attr-defined]
