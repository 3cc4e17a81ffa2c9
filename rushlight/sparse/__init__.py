"""Sparse tensors: coordinates (COO) and compressed rows or columns (CSR, CSC), and the functions of torch.sparse."""

from __future__ import annotations

from typing import Any

from rushlight._C import Tensor
from rushlight.sparse import _methods, _products, _rules, _shapes
from rushlight.sparse._construct import (
    check_sparse_tensor_invariants,
    sparse_bsc_tensor,
    sparse_bsr_tensor,
    sparse_compressed_tensor,
    sparse_coo_tensor,
    sparse_csc_tensor,
    sparse_csr_tensor,
    spdiags,
)
from rushlight.sparse._core import COO, SparseTensor
from rushlight.sparse._products import hspmm, sampled_addmm, smm, sspaddmm

__all__ = [
    "addmm", "as_sparse_gradcheck", "check_sparse_tensor_invariants", "hspmm", "log_softmax", "mm", "sampled_addmm", "smm", "softmax", "sspaddmm",
    "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csc_tensor",
    "sparse_csr_tensor", "spdiags", "sum",
]  # fmt: skip


def mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Tensor:
    """mat1 @ mat2, of which one at least is sparse; the gradient of a sparse factor has its pattern."""
    if reduce not in (None, "sum"):
        raise NotImplementedError(f"torch.sparse.mm: reduce='{reduce}' is not supported")
    if not isinstance(mat1, SparseTensor) and not isinstance(mat2, SparseTensor):
        return mat1.mm(mat2)
    return _products.product("torch.sparse.mm", mat1, mat2, masked=True)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Tensor:
    """beta * mat + alpha * mat1 @ mat2 with a sparse mat1, whose gradient has its pattern."""
    return _products._plus(mat, mm(mat1, mat2), beta, alpha)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of a COO tensor over all dimensions, or over some: sparse while a sparse dimension remains."""
    if dtype is not None:
        input = input.to(dtype)
    if dim is None:
        return input.coalesce().values().sum()
    if not isinstance(input, SparseTensor) or input.layout is not COO:
        raise _rules.refuse("torch.sparse.sum", input.layout)
    dims = [_shapes.wrap(d, input.dim()) for d in ([dim] if isinstance(dim, int) else dim)]
    if len(set(dims)) != len(dims):
        raise RuntimeError("torch.sparse.sum: a dimension appears multiple times in the list of dims")
    return _rules.sum_dims(input, dims)


def _softmax(name: str, input: Tensor, dim: int, dtype: Any, log: bool) -> Tensor:
    if not isinstance(input, SparseTensor) or input.layout is not COO:
        raise _rules.refuse(name, input.layout)
    return _shapes.softmax_of_entries(input if dtype is None else input.to(dtype), dim, log)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """softmax along dim over the entries of a COO tensor; a place without an entry counts as -inf."""
    return _softmax("torch.sparse.softmax", input, dim, dtype, False)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax."""
    return _softmax("torch.sparse.log_softmax", input, dim, dtype, True)


def as_sparse_gradcheck(gradcheck: Any) -> Any:
    """A gradcheck for functions of sparse tensors: their entries are what is varied."""

    def check(func: Any, inputs: Any, **options: Any) -> bool:
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        masked = options.pop("masked", False)
        patterns = [
            _rules.coalesced(t._pattern, t._entries)[0] if isinstance(t, SparseTensor) else None for t in inputs
        ]
        for t in inputs:
            if isinstance(t, SparseTensor) and not masked and t._nnz() < t.numel():
                raise NotImplementedError("gradcheck of sparse tensors varies their entries only: use masked=True")

        def dense(*values: Any) -> Any:
            made = [v if p is None else _rules.pack(p, v) for p, v in zip(patterns, values, strict=True)]
            results = func(*made)
            single = isinstance(results, Tensor)
            listed = tuple(
                r.to_dense() if isinstance(r, SparseTensor) else r for r in ((results,) if single else results)
            )
            return listed[0] if single else listed

        leaves = []
        for t in inputs:
            if isinstance(t, SparseTensor):
                t = _rules.coalesced(t._pattern, t._entries)[1].detach().clone().requires_grad_(t.requires_grad)
            leaves.append(t)
        return gradcheck(dense, tuple(leaves), **options)

    return check


_ = _methods  # attaches the methods of sparse tensors
