"""A few extreme eigenpairs of a symmetric problem A x = lambda B x, by locally optimal block preconditioned descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight._C import Tensor
from rushlight.autograd import Function

__all__ = ["lobpcg"]


class LOBPCG:
    """State of one run, which a tracker sees after each step.

    A (m, m), B (m, m) or None for the identity, iK the preconditioner (m, m) or None, X (m, n) the vectors, E (n,) the
    values, R (m, n) the residuals, S the basis [X, P, W] of the search, ivars, fvars, tvars the figures of the step.
    """

    def __init__(
        self,
        A: Tensor,
        B: Tensor | None,
        X: Tensor,
        iK: Tensor | None,
        iparams: dict,
        fparams: dict,
        bparams: dict,
        method: str,
        tracker: Callable | None,
    ) -> None:
        self.A, self.B, self.X, self.iK = A, B, X, iK
        self.iparams, self.fparams, self.bparams, self.method, self.tracker = iparams, fparams, bparams, method, tracker
        self.E, self.R, self.S = X.new_zeros(X.shape[-1]), X, X
        self.P: Tensor | None = None
        self.ivars = {"istep": 0, "iterations_left": iparams["niter"], "converged_count": 0, "converged_end": 0}
        self.fvars: dict[str, float] = {}
        self.bvars: dict[str, bool] = {}
        self.tvars: dict[str, Tensor] = {}

    def times_b(self, x: Tensor) -> Tensor:
        return x if self.B is None else self.B @ x

    def run(self) -> None:
        norm = self.X.norm().item()
        self.fvars["X_norm"] = norm
        self.fvars["A_norm"] = (self.A @ self.X).norm().item() / norm
        self.fvars["B_norm"] = self.times_b(self.X).norm().item() / norm
        self.search(None)
        while not self.converged() and self.ivars["istep"] < self.iparams["niter"]:
            W = self.R if self.iK is None else self.iK @ self.R
            self.search(W)
            self.ivars["istep"] += 1
            self.ivars["iterations_left"] -= 1
            if self.tracker is not None:
                self.tracker(self)

    def converged(self) -> bool:
        """Finds the residuals, and how many pairs in order are as good as asked."""
        self.R = self.A @ self.X - self.times_b(self.X) * self.E
        scale = self.X.norm(dim=0) * (self.fvars["A_norm"] + self.E.abs() * self.fvars["B_norm"])
        error = self.R.norm(dim=0) / scale
        good = (error < self.fparams["tol"]).tolist()
        count = good.index(False) if False in good else len(good)
        self.tvars["rerr"] = error
        self.ivars["converged_count"], self.ivars["converged_end"] = count, len(good)
        return count >= self.iparams["k"]

    def search(self, W: Tensor | None) -> None:
        """Rayleigh and Ritz's best vectors in the span of X, the last direction P and the new one W."""
        n = self.iparams["n"]
        parts = [t for t in (self.X, self.P) if t is not None]
        if self.method == "ortho" and W is not None:
            parts.append(self.orthogonal(W, rushlight.cat(parts, -1)))
        elif W is not None:
            parts.append(W)
        self.S = S = rushlight.cat(parts, -1)
        basis = S if self.method == "ortho" and W is not None else S @ self.whitening(S)
        E, Z = rushlight.linalg.eigh(basis.mT @ (self.A @ basis))
        if self.bparams["largest"]:
            E, Z = E.flip(-1), Z.flip(-1)
        X = basis @ Z[:, :n]
        # What the step added to X: the direction to keep.
        P = X - self.X @ (self.X.mT @ self.times_b(X)) if W is not None else None
        if P is not None and self.method == "ortho":
            P = self.orthogonal(P, X)
        self.E, self.X, self.P = E[:n], X, P

    def whitening(self, S: Tensor, drop: float | None = None) -> Tensor:
        """T with T^T S^T B S T the identity; directions of almost no length are left out.

        Source: Stathopoulos and Wu, A block orthogonalization procedure with constant synchronization requirements, 2002.
        """
        gram = S.mT @ self.times_b(S)
        scale = gram.diagonal().clamp_min(rushlight.finfo(S.dtype).tiny).rsqrt()
        values, vectors = rushlight.linalg.eigh(gram * scale * scale.unsqueeze(-1))
        least = (self.fparams["ortho_tol_drop"] if drop is None else drop) * values[-1]
        keep = values > least
        return (scale.unsqueeze(-1) * vectors)[:, keep] * values[keep].rsqrt()

    def orthogonal(self, W: Tensor, V: Tensor) -> Tensor:
        """An orthonormal basis, by the product with B, of what W has beyond the orthonormal V."""
        eps = rushlight.finfo(W.dtype).eps
        for i in range(self.iparams["ortho_i_max"]):
            for j in range(self.iparams["ortho_j_max"]):
                W = W - V @ (V.mT @ self.times_b(W))
                if W.shape[-1] == 0:
                    return W
                drop = self.fparams["ortho_tol_drop"] if self.bparams["ortho_use_drop"] else eps
                W = W @ self.whitening(W, drop)
                beside = (V.mT @ self.times_b(W)).norm().item()
                self.ivars["ortho_i"], self.ivars["ortho_j"] = i, j
                if beside < self.fparams["ortho_tol"]:
                    break
            within = W.mT @ self.times_b(W)
            if (within - rushlight.eye(within.shape[-1], dtype=W.dtype)).norm().item() < self.fparams["ortho_tol"]:
                break
        return W


class _Eigenpairs(Function):
    """Gives the found pairs the derivatives that eigenpairs of a symmetric matrix have."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, E: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(A, E, X)
        return E.clone(), X.clone()

    @staticmethod
    def backward(ctx: Any, gE: Tensor | None, gX: Tensor | None) -> tuple[Tensor, None, None]:
        A, E, X = ctx.saved_tensors
        inner = rushlight.zeros(E.shape[-1], E.shape[-1], dtype=A.dtype) if gE is None else gE.diag()
        outside = rushlight.zeros_like(X)
        if gX is not None:
            eye = rushlight.eye(E.shape[-1], dtype=A.dtype)
            gaps = E - E.unsqueeze(-1) + eye
            inside = X.mT @ gX
            inner = inner + (1 - eye) * (inside - inside.mT) / (2 * gaps)
            # The change of x_i outside of the span solves (lambda_i - A) z = dA x_i there; within it the shift makes
            # the system regular.
            rest = gX - X @ inside
            shift = 1 + 2 * E.abs().max() + 2 * A.abs().sum(-1).max()
            systems = E.view(-1, 1, 1) * rushlight.eye(A.shape[-1], dtype=A.dtype) - A + shift * (X @ X.mT)
            outside = rushlight.linalg.solve(systems, rest.mT.unsqueeze(-1)).squeeze(-1).mT
            outside = outside - X @ (X.mT @ outside)
        gradient = X @ inner @ X.mT + outside @ X.mT
        return (gradient + gradient.mT) / 2, None, None


def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Callable[[LOBPCG], None] | None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) eigenvalues (..., k) of symmetric A (..., m, m) and their vectors (..., m, k).

    With B (positive definite) of A x = lambda B x. X (..., m, n) is where the search starts, else random numbers; iK is
    nearly the inverse of A; `method` "basic" or "ortho", which keeps the basis orthonormal. m must be at least 3 n.
    Source: Knyazev, Toward the optimal preconditioned eigensolver, 2001; Duersch et al., A robust and efficient
    implementation of LOBPCG, 2018.
    """
    if A.dim() < 2 or A.shape[-1] != A.shape[-2]:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    if B is not None and A.shape != B.shape:
        raise AssertionError(f"A and B must have the same shape, got A.shape={A.shape}, B.shape={B.shape}")
    if A.dtype not in (rushlight.float32, rushlight.float64):
        raise RuntimeError(f"lobpcg: expected a matrix of float32 or float64, got {A.dtype}")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg: method must be 'basic' or 'ortho', got {method!r}")
    m = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if X is None else X.shape[-1]) if n is None else n
    if m < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than "
            f"3 x the number of requested eigenpairs (={n})"
        )
    if not 1 <= k <= n:
        raise ValueError(f"lobpcg: k must be between 1 and n (={n}), got {k}")
    root = rushlight.finfo(A.dtype).eps ** 0.5
    fparams = {
        "tol": root if tol is None else tol,
        "ortho_tol": root,
        "ortho_tol_drop": root,
        "ortho_tol_replace": root,
    }
    iparams = {"m": m, "n": n, "k": k, "niter": 1000 if niter is None else niter, "ortho_i_max": 3, "ortho_j_max": 3}
    bparams = {"largest": largest is None or largest, "ortho_use_drop": False}
    for given, params in ((ortho_iparams, iparams), (ortho_fparams, fparams), (ortho_bparams, bparams)):
        params.update({"ortho_" + name: value for name, value in (given or {}).items()})
    if X is None:
        X = rushlight.randn(*A.shape[:-1], n, dtype=A.dtype)
    if X.shape[-2:] != (m, n):
        raise ValueError(f"lobpcg: X must be of shape (..., {m}, {n}), got {tuple(X.shape)}")

    def one(A: Tensor, B: Tensor | None, X: Tensor, iK: Tensor | None) -> tuple[Tensor, Tensor]:
        with rushlight.no_grad():
            detached = [t if t is None else t.detach() for t in (A, B, X, iK)]
            worker = LOBPCG(*detached, iparams, fparams, bparams, method or "ortho", tracker)  # type: ignore[arg-type]
            worker.run()
        E, V = worker.E[:k], worker.X[:, :k]
        if not rushlight.is_grad_enabled() or not (A.requires_grad or (B is not None and B.requires_grad)):
            return E, V
        if B is not None:
            raise ValueError(
                "lobpcg: no derivatives with B other than the identity; use linalg.eigh for a dense problem"
            )
        return _Eigenpairs.apply(A, E, V)

    if A.dim() == 2:
        return one(A, B, X, iK)
    batch = A.shape[:-2]
    X = X.expand(*batch, m, n).reshape(-1, m, n)
    flat = [None if t is None else t.expand(*batch, m, m).reshape(-1, m, m) for t in (A, B, iK)]
    pairs = [one(*(None if t is None else t[i] for t in (*flat[:2], X, flat[2]))) for i in range(X.shape[0])]  # type: ignore[arg-type, misc]
    return rushlight.stack([e for e, _ in pairs]).view(*batch, k), rushlight.stack([v for _, v in pairs]).view(
        *batch, m, k
    )
