"""Methods of tensors that have to do with layouts: of dense tensors, which load this file when first asked, and of sparse ones."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd import Function
from rushlight.sparse import _core
from rushlight.sparse._core import (
    COO,
    CSC,
    CSR,
    LAYOUT_NAMES,
    Pattern,
    SparseTensor,
    coalesced,
    nothing,
    pack,
    read,
    values_of,
)
from rushlight.sparse._rules import RULES, compress, coordinates, refuse, to_compressed
from rushlight.sparse._shapes import narrow_entries, sparse_resize_

__all__ = [
    "to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "coalesce", "is_coalesced", "indices", "values",
    "_indices", "_values", "_nnz", "sparse_dim", "dense_dim", "crow_indices", "col_indices", "ccol_indices", "row_indices",
    "sparse_mask", "sparse_resize_", "sparse_resize_and_clear_", "_coalesced_", "_to_sparse", "narrow_copy",
]  # fmt: skip
_f = _C._functions


def _expect(s: Tensor, name: str, layouts: tuple, kind: str) -> None:
    if s.layout not in layouts:
        raise RuntimeError(
            f"{name} expected sparse {kind} tensor layout but got {LAYOUT_NAMES[s.layout]}".replace("  ", " ")
        )


# ---------------------------------------------------------------- conversions
def to_sparse(self: Tensor, *args: Any, layout: Any = None, sparse_dim: int | None = None, **options: Any) -> Tensor:
    """self with a sparse layout: COO with sparse_dim sparse dimensions (all of them), or the layout asked for."""
    if options.get("blocksize") is not None or layout in (_C.sparse_bsr, _C.sparse_bsc):
        raise NotImplementedError(f"to_sparse: layout {layout} and blocks are not supported; use torch.sparse_csr")
    if layout not in (None, COO):
        return _to_compressed(self, layout)
    if isinstance(self, SparseTensor):
        return coordinates(self)
    nd = args[0] if args else sparse_dim
    nd = self.dim() if nd is None else nd
    if not 0 <= nd <= self.dim():
        raise RuntimeError(f"dense_to_sparse: sparse_dim argument must be in [0,{self.dim()}] range, but {nd} is given")
    if nd == 0 and self.dim():
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    some = self.detach() != 0
    at = (some.flatten(nd).any(-1) if nd < self.dim() else some).nonzero().t().contiguous()
    pattern = Pattern(COO, self.shape, at, None, True)
    return pack(pattern, read(self, pattern))


def to_sparse_coo(self: Tensor) -> Tensor:
    """self with layout sparse_coo."""
    return to_sparse(self)


def _to_compressed(self: Tensor, layout: Any) -> Tensor:
    if layout not in (CSR, CSC):
        return self if layout is self.layout else to_sparse(self)
    if isinstance(self, SparseTensor):
        return to_compressed(self, layout)
    if self.dim() != 2:
        raise NotImplementedError(
            f"to_sparse({layout}): matrices are expected, batches are not supported; got shape {list(self.shape)}"
        )
    return compress(*values_of(to_sparse(self)), layout)


def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix with layout sparse_csr."""
    _no_dense_dim("to_sparse_csr", dense_dim)
    return _to_compressed(self, CSR)


def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix with layout sparse_csc."""
    _no_dense_dim("to_sparse_csc", dense_dim)
    return _to_compressed(self, CSC)


def _no_dense_dim(name: str, dense_dim: int | None) -> None:
    if dense_dim:
        raise NotImplementedError(f"{name}: dense_dim={dense_dim} is not supported")


_to_sparse = to_sparse


class WholeGradient(Function):
    """to_dense whose gradient is not cut to the pattern."""

    @staticmethod
    def forward(ctx: Any, s: SparseTensor) -> Tensor:
        ctx.layout = s.layout
        return _core.to_dense(s)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return (g.to_sparse(layout=ctx.layout),)


def _to_dense(self: SparseTensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """self as a strided tensor. With masked_grad=False the gradient is that of all elements, not of the entries."""
    if dtype is not None:
        raise RuntimeError("dtype argument is not supported by sparse_to_dense")
    if masked_grad is False and self.requires_grad and _C.is_grad_enabled():
        return WholeGradient.apply(self)
    return _core.to_dense(self)


def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """The elements of self at the places of a sparse tensor mask, as a sparse tensor."""
    if not isinstance(mask, SparseTensor):
        raise RuntimeError(f"sparse_mask: expected mask to be sparse, but got layout {mask.layout}")
    if self.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} but mask has size {list(mask.shape)}"
        )
    return pack(mask._pattern, read(self, mask._pattern))


# ---------------------------------------------------------------- parts
def coalesce(self: Tensor) -> Tensor:
    """Each place once, in row-major order."""
    _expect(self, "coalesce", (COO,), "coordinate")
    return self if self._pattern.coalesced else pack(*coalesced(*values_of(self)))


def is_coalesced(self: Tensor) -> bool:
    """Whether each place has one entry and they are in order."""
    _expect(self, "is_coalesced", (COO,), "coordinate")
    return self._pattern.coalesced


def _coalesced_(self: Tensor, coalesced: bool) -> Tensor:
    """Declares that the entries are, or are not, in order and apart."""
    _expect(self, "_coalesced_", (COO,), "coordinate")
    p = self._pattern
    self._pattern = Pattern(COO, p.sizes, p.index, None, coalesced)
    return self


def _apart(self: Tensor, what: str) -> None:
    if not self._pattern.coalesced:
        raise RuntimeError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first")


def indices(self: Tensor) -> Tensor:
    """Coordinates of the entries of a coalesced tensor, (sparse_dim, nnz)."""
    _expect(self, "indices", (COO,), "coordinate")
    _apart(self, "indices")
    return self._pattern.index.detach()


def values(self: Tensor) -> Tensor:
    """Values of the entries, (nnz, ...); those of a COO tensor must be coalesced."""
    _expect(self, "values", (COO, CSR, CSC), "")
    _apart(self, "values")
    found = values_of(self)[1]
    return found.detach() if found is self._entries else found


def _part(name: str, layouts: tuple, kind: str, get: Callable) -> Callable:
    def part(self: Tensor) -> Tensor:
        _expect(self, name, layouts, kind)
        return get(self._pattern).detach()

    part.__name__, part.__doc__ = name, f"The {name} of a sparse matrix."
    return part


crow_indices = _part("crow_indices", (CSR,), "row compressed", lambda p: p.compressed)
col_indices = _part("col_indices", (CSR,), "row compressed", lambda p: p.index)
ccol_indices = _part("ccol_indices", (CSC,), "column compressed", lambda p: p.compressed)
row_indices = _part("row_indices", (CSC,), "column compressed", lambda p: p.index)


def _of_coo(self: Tensor, name: str) -> None:
    if self.layout is not COO:
        raise NotImplementedError(
            f"Could not run '{name}' with a tensor of layout {self.layout}: it is for torch.sparse_coo"
        )


def _indices(self: Tensor) -> Tensor:
    """Coordinates of all entries."""
    _of_coo(self, "_indices")
    return self._pattern.index.detach()


def _values(self: Tensor) -> Tensor:
    """Values of all entries, without history."""
    _of_coo(self, "_values")
    return self._entries.detach()


def _nnz(self: Tensor) -> int:
    """Number of entries."""
    if not isinstance(self, SparseTensor):
        raise NotImplementedError(
            f"Could not run '_nnz' with a tensor of layout {self.layout}: it is for sparse tensors"
        )
    return self._pattern.nnz


def sparse_dim(self: Tensor) -> int:
    """Number of sparse dimensions; 0 for a dense tensor."""
    return self._pattern.sparse_dim if isinstance(self, SparseTensor) else 0


def dense_dim(self: Tensor) -> int:
    """Number of dense dimensions."""
    return self.dim() - sparse_dim(self)


def narrow_copy(self: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of narrow(dim, start, length)."""
    if isinstance(self, SparseTensor):
        return narrow_entries(self, dim, start, length)
    return self.narrow(dim, start, length).clone()


def sparse_resize_and_clear_(self: Tensor, size: Any, sparse_dim: int, dense_dim: int) -> Tensor:
    """Other sizes and no entries."""
    return sparse_resize_(self, size, sparse_dim, dense_dim, clear=True)


# ---------------------------------------------------------------- what the class of sparse tensors has of its own
def _stride(self: SparseTensor, dim: int | None = None) -> Any:
    if self.layout is not COO:
        raise RuntimeError("Sparse CSR tensors do not have strides")
    return (0,) * self.dim() if dim is None else 0


def _is_contiguous(self: SparseTensor, **options: Any) -> bool:
    raise RuntimeError(
        "unsupported memory format option Contiguous"
        if self.layout is COO
        else "Sparse CSR tensors do not have is_contiguous"
    )


def _numpy(self: SparseTensor, *, force: bool = False) -> Any:
    raise TypeError(f"can't convert {LAYOUT_NAMES[self.layout]} layout tensor to numpy. Use Tensor.to_dense() first.")


def _type(self: SparseTensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    if dtype is not None:
        return self.to(getattr(dtype, "dtype", dtype))
    return _f.empty(0, dtype=self.dtype).type().replace("torch.", "torch.sparse.")


def _resize_as(self: SparseTensor, other: Tensor) -> Tensor:
    if not isinstance(other, SparseTensor):
        raise refuse("resize_as_", self.layout)
    return (
        sparse_resize_(self, other.shape, other.sparse_dim(), other.dense_dim()) if self.shape != other.shape else self
    )


def _new(kind: str) -> Callable:
    def new(self: SparseTensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:

        size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return nothing(self.layout, tuple(size), len(size), dtype or self.dtype)

    new.__name__ = kind
    return new


# Methods in C that look at nothing but sizes, dtype and history.
_HARMLESS = set(
    "numel nelement dim ndimension element_size is_floating_point is_complex is_signed is_inference is_conj is_neg get_device "
    "size is_same_size is_pinned storage_offset requires_grad_ _is_view _backward_simple _forget_history".split()
)


def _refused(name: str) -> Callable:
    def method(self: SparseTensor, *args: Any, **kwargs: Any) -> Any:
        raise refuse(name, self.layout)

    method.__name__ = name
    return method


for _name in dir(Tensor):
    if isinstance(Tensor.__dict__.get(_name), types.MethodDescriptorType) and _name not in _HARMLESS:
        setattr(SparseTensor, _name, _refused(_name))
for _name in __all__:
    setattr(SparseTensor, _name, globals()[_name])
for _name in ("item", "is_nonzero"):
    setattr(SparseTensor, _name, RULES["item"])
for _name, _method in {
    "to_dense": _to_dense, "stride": _stride, "is_contiguous": _is_contiguous, "numpy": _numpy, "type": _type,
    "resize_as_": _resize_as, "resize_as_sparse_": _resize_as, "new_zeros": _new("new_zeros"), "new_empty": _new("new_empty"),
}.items():  # fmt: skip
    setattr(SparseTensor, _name, _method)
