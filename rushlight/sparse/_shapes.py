"""Rules of operators that move, join and choose entries, or that sum them."""

from __future__ import annotations

from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd import Function
from rushlight.sparse._core import COO, Pattern, SparseTensor, become, make, nothing, pack, values_of
from rushlight.sparse._products import transposed
from rushlight.sparse._rules import (
    RULES,
    check_in_place,
    coordinates,
    exact,
    grouped,
    rule,
    sum_dims,
    to_compressed,
)

_f = _C._functions


def wrap(dim: int, n: int) -> int:
    """A dimension in [0, n)."""
    if not -n <= dim < max(n, 1):
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % max(n, 1)


# ---------------------------------------------------------------- sums
class TotalSum(Function):
    """The sum of all elements, whose gradient is dense as that of Tensor.sum is."""

    @staticmethod
    def forward(ctx: Any, s: SparseTensor) -> Tensor:
        ctx.sizes = s.shape
        return s._entries.sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return (g.expand(ctx.sizes),)


@rule("sum")
def sum(self: SparseTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Over all dimensions (dense), or over some (sparse while a sparse dimension remains)."""
    dtype = dtype or (None if self.is_floating_point() or self.is_complex() else _C.int64)
    self = self if dtype is None else self.to(dtype)
    dims = (
        list(range(self.dim()))
        if dim is None
        else [wrap(d, self.dim()) for d in ([dim] if isinstance(dim, int) else dim)]
    )
    if not keepdim and (not dims or len(dims) == self.dim()):
        return TotalSum.apply(self)
    if self.layout is not COO and not keepdim:
        raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
    total = sum_dims(coordinates(self), dims)
    for d in sorted(dims) if keepdim else ():
        total = total.unsqueeze(d)
    return (
        total
        if self.layout is COO
        else to_compressed(coordinates(total if isinstance(total, SparseTensor) else total.to_sparse()), self.layout)
    )


# ---------------------------------------------------------------- order of dimensions
@rule("t")
def t(self: SparseTensor) -> Tensor:
    """A matrix transposed."""
    if self.dim() == 2 and self._pattern.sparse_dim == 2:
        return transposed(self)
    if self.dim() < 2 and self.dense_dim() == 0:
        return self
    raise RuntimeError(
        f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {self.sparse_dim()} sparse and {self.dense_dim()} dense dimensions"
    )


@rule("transpose", "swapaxes", "swapdims")
def transpose(self: SparseTensor, dim0: int, dim1: int) -> Tensor:
    """Two sparse dimensions exchanged."""
    a, b = wrap(dim0, self.dim()), wrap(dim1, self.dim())
    if a == b:
        return self
    if max(a, b) >= self.sparse_dim():
        raise RuntimeError(
            f"sparse transpose: transposed dimensions must be sparse Got sparse_dim: {self.sparse_dim()}, d0: {a}, d1: {b}"
        )
    order = list(range(self.dim()))
    order[a], order[b] = b, a
    return permute(self, order)


@rule("permute")
def permute(self: SparseTensor, *dims: Any) -> Tensor:
    """Sparse dimensions among themselves and dense ones among themselves in another order."""
    order = [wrap(d, self.dim()) for d in (dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)]
    if sorted(order) != list(range(self.dim())):
        raise RuntimeError(f"permute(sparse): {order} is not an order of the {self.dim()} dimensions")
    nd = self.sparse_dim()
    if self.layout is not COO:
        return transposed(self) if order == [1, 0] else self
    if sorted(order[:nd]) != list(range(nd)):
        raise RuntimeError("permute(sparse_coo): sparse and dense dimensions can't be exchanged")
    pattern, values = values_of(self)
    values = values.permute(0, *[d - nd + 1 for d in order[nd:]])
    kept = order[:nd] == list(range(nd))
    sizes = [self.shape[d] for d in order]
    return pack(
        pattern.renewed(pattern.index[order[:nd]], sizes, pattern.coalesced and (kept or pattern.nnz < 2)), values
    )


@rule("unsqueeze")
def unsqueeze(self: SparseTensor, dim: int) -> Tensor:
    """A dimension of size 1, sparse where it stands before the dense ones."""
    if self.layout is not COO:
        return NotImplemented
    d, nd = wrap(dim, self.dim() + 1), self.sparse_dim()
    pattern, values = values_of(self)
    sizes = [*self.shape[:d], 1, *self.shape[d:]]
    if d > nd:
        return pack(pattern.renewed(pattern.index, sizes, pattern.coalesced), values.unsqueeze(d - nd + 1))
    index = pattern.index
    index = _f.cat([index[:d], index.new_zeros((1, pattern.nnz)), index[d:]])
    return pack(pattern.renewed(index, sizes, pattern.coalesced), values)


# ---------------------------------------------------------------- joining
@rule("cat", "concat", "concatenate")
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """COO tensors one behind the other."""
    for i, s in enumerate(tensors):
        if not isinstance(s, SparseTensor):
            raise RuntimeError(f"Concatenating sparse tensors, but a dense tensor was found at position {i}.")
        if s.layout is not COO:
            return NotImplemented
    first = tensors[0]
    d, nd = wrap(dim, first.dim()), first.sparse_dim()
    for i, s in enumerate(tensors):
        if s.sparse_dim() != nd or any(
            a != b for k, (a, b) in enumerate(zip(s.shape, first.shape, strict=True)) if k != d
        ):
            raise RuntimeError(
                f"All tensors must have the same shape: {list(first.shape)} (except in the concatenating dimension), but found shape {list(s.shape)} at position {i}"
            )
    total = 0
    indices, values = [], []
    whole = [s.shape[d] for s in tensors]
    for s in tensors:
        pattern, entries = values_of(s)
        if d < nd:
            shift = pattern.index.new_zeros((nd, 1))
            shift[d] = total
            indices.append(pattern.index + shift)
        else:
            shape = list(entries.shape)
            before, behind = [
                [*shape[: d - nd + 1], n, *shape[d - nd + 2 :]] for n in (total, _total(whole) - total - s.shape[d])
            ]
            indices.append(pattern.index)
            entries = _f.cat([entries.new_zeros(before), entries, entries.new_zeros(behind)], d - nd + 1)
        values.append(entries)
        total += s.shape[d]
    sizes = [*first.shape[:d], total, *first.shape[d + 1 :]]
    return pack(Pattern(COO, sizes, _f.cat(indices, 1), None, False), _f.cat(values))


def _total(numbers: list[int]) -> int:
    total = 0
    for n in numbers:
        total += n
    return total


@rule("stack")
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """COO tensors along a new dimension."""
    if not all(isinstance(s, SparseTensor) and s.layout is COO for s in tensors):
        return NotImplemented
    return cat([s.unsqueeze(wrap(dim, s.dim() + 1)) for s in tensors], wrap(dim, tensors[0].dim() + 1))


# ---------------------------------------------------------------- choosing
def _chosen(pattern: Pattern, values: Tensor, entries: Tensor, sizes: Any, index: Tensor, ordered: bool) -> Tensor:
    return pack(Pattern(COO, sizes, index, None, ordered or entries.numel() < 2), values[entries])


@rule("index_select")
def index_select(self: SparseTensor, dim: int, index: Tensor) -> Tensor:
    """The slices at index, a dense vector of numbers, in its order."""
    if self.layout is not COO or isinstance(index, SparseTensor):
        return NotImplemented
    d, nd = wrap(dim, self.dim()), self.sparse_dim()
    pattern, values = values_of(self)
    sizes = [*self.shape[:d], index.numel(), *self.shape[d + 1 :]]
    if d >= nd:
        return pack(pattern.renewed(pattern.index, sizes, pattern.coalesced), values.index_select(d - nd + 1, index))
    wanted = index.reshape(-1).long()
    wanted = wanted + (wanted < 0) * self.shape[d]
    if wanted.numel() and (int(wanted.min()) < 0 or int(wanted.max()) >= self.shape[d]):
        raise IndexError(
            f"index_select(): index contains a number that is out of range for tensor of size {list(self.shape)} at dimension {d}"
        )
    left, entries = _f._coo_join(wanted, pattern.places[d], self.shape[d])
    moved = pattern.index[:, entries].clone()
    moved[d] = left.to(moved.dtype)
    return _chosen(pattern, values, entries, sizes, moved, False)


@rule("select")
def select(self: SparseTensor, dim: int, index: int) -> Tensor:
    """One slice: sparse while a sparse dimension remains, else dense."""
    self = coordinates(self)
    d, nd, index = wrap(dim, self.dim()), self.sparse_dim(), int(index)
    size = self.shape[d]
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(self.shape)} at dimension {d}")
    index %= size
    pattern, values = values_of(self)
    sizes = [*self.shape[:d], *self.shape[d + 1 :]]
    if d >= nd:
        return pack(pattern.renewed(pattern.index, sizes, pattern.coalesced), values.select(d - nd + 1, index))
    entries = (pattern.places[d] == index).nonzero().squeeze(1)
    if nd == 1:
        return values[entries].sum(0, dtype=values.dtype)
    kept = [k for k in range(nd) if k != d]
    return _chosen(pattern, values, entries, sizes, pattern.index[kept][:, entries], pattern.coalesced)


def narrow_entries(self: SparseTensor, dim: int, start: int, length: int) -> Tensor:
    """The slices from start on."""
    self = coordinates(self)
    d, nd = wrap(dim, self.dim()), self.sparse_dim()
    start = start + self.shape[d] if start < 0 else start
    if length < 0 or start < 0 or start + length > self.shape[d]:
        raise RuntimeError(
            f"Invalid range to narrow. range(start, start+length) must be a subset of range(0, {self.shape[d]})."
        )
    pattern, values = values_of(self)
    sizes = [*self.shape[:d], length, *self.shape[d + 1 :]]
    if d >= nd:
        return pack(pattern.renewed(pattern.index, sizes, pattern.coalesced), values.narrow(d - nd + 1, start, length))
    c = pattern.places[d]
    entries = ((c >= start) & (c < start + length)).nonzero().squeeze(1)
    moved = pattern.index[:, entries].clone()
    moved[d] -= start
    return _chosen(pattern, values, entries, sizes, moved, pattern.coalesced)


@rule("unbind")
def unbind(self: SparseTensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Every slice along dim."""
    return tuple(select(self, dim, i) for i in range(self.shape[wrap(dim, self.dim())]))


@rule("__getitem__")
def getitem(self: SparseTensor, key: Any) -> Tensor:
    """Numbers, None, `...` and `:`; others raise NotImplementedError."""
    items = key if isinstance(key, tuple) else (key,)
    used = len([k for k in items if k is not None and k is not Ellipsis])
    if used > self.dim():
        raise IndexError(f"too many indices for tensor of dimension {self.dim()}")
    result, d = self, 0
    for k in items:
        if k is None:
            result, d = result.unsqueeze(d), d + 1
        elif k is Ellipsis:
            d += self.dim() - used
        elif isinstance(k, slice) and k == slice(None):
            d += 1
        elif isinstance(k, int) and not isinstance(k, bool):
            if not -result.shape[d] <= k < result.shape[d]:
                raise IndexError(f"index {k} is out of bounds for dimension {d} with size {result.shape[d]}")
            result = result.select(d, k)
        else:
            return NotImplemented
    return result


# ---------------------------------------------------------------- sizes
def sparse_resize_(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int, clear: bool = False) -> Tensor:
    """Other sizes over the same entries, of which there must be none outside."""
    check_in_place("sparse_resize_", self)
    size = tuple(size)
    if self.layout is not COO:
        raise NotImplementedError(f"sparse_resize_: layout {self.layout} is not supported. Use .to_sparse_coo() first")
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {sparse_dim}, dense_dim = {dense_dim}"
        )
    if clear or not self._pattern.nnz:
        return become(self, nothing(COO, size, sparse_dim, self.dtype))
    old = list(self.shape)
    for kind, was, now, a, b in (
        ("sparse", self.sparse_dim(), sparse_dim, old[:sparse_dim], size[:sparse_dim]),
        ("dense", self.dense_dim(), dense_dim, old[sparse_dim:], size[sparse_dim:]),
    ):
        if was != now:
            raise RuntimeError(
                f"changing the number of {kind} dimensions (from {was} to {now}) on a non-empty sparse tensor is not supported."
            )
        if any(y < x for x, y in zip(a, b, strict=True)):
            raise RuntimeError(
                f"shrinking the size of {kind} dimensions (from {a} to {list(b)}) on a non-empty sparse tensor is not supported."
            )
    grown = self._entries.new_zeros((self._pattern.nnz, *size[sparse_dim:]))
    grown[tuple(slice(n) for n in self._entries.shape)] = self._entries
    values = grown if dense_dim else self._entries
    return become(self, make(self._pattern.renewed(self._pattern.index, size, self._pattern.coalesced), values))


RULES["__len__"] = lambda self: self.shape[0]


def softmax_of_entries(s: SparseTensor, dim: int, log: bool) -> Tensor:
    """softmax over the entries along dim: places without an entry count as -inf."""
    s = coordinates(s)
    d, nd = wrap(dim, s.dim()), s.sparse_dim()
    pattern, values = exact(s)
    if d >= nd:
        return pack(pattern, (_f.log_softmax if log else _f.softmax)(values, d - nd + 1))
    kept = [k for k in range(nd) if k != d]
    at, group = grouped(pattern, kept) if kept else (None, pattern.places[0] * 0)
    groups = at.shape[1] if kept else 1
    where = group.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    largest = values.detach().new_full((groups, *values.shape[1:]), float("-inf"))
    largest = largest.scatter_reduce(0, where, values.detach(), "amax")
    shifted = values - largest[group]
    total = shifted.exp().new_zeros((groups, *values.shape[1:])).index_add(0, group, shifted.exp())
    return pack(pattern, shifted - total.log()[group] if log else shifted.exp() / total[group])
