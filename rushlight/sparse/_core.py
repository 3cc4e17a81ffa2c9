"""The sparse tensor: where its values stand, its values, and its place in the graph.

Note [ Two nodes for every rule ]
A rule (rushlight/sparse/_rules.py) works on the values, which are an ordinary tensor, with ordinary operators. Two nodes
lead from sparse tensors to values and back: Values, whose gradient is a sparse tensor of the same pattern, and Pack, whose
gradient is read at the places of the pattern. So everything between them is differentiated as usual, to any order, and
the gradient of a sparse tensor is a sparse tensor. A gradient is the gradient of the whole matrix, so where one reaches
an uncoalesced tensor each of the entries at a place has all of it.
"""

from __future__ import annotations

import functools
from typing import Any

from rushlight import _C
from rushlight._C import Size, Tensor
from rushlight.autograd import Function
from rushlight.autograd.grad_mode import no_grad

_f = _C._functions
COO, CSR, CSC = _C.sparse_coo, _C.sparse_csr, _C.sparse_csc
LAYOUT_NAMES = {COO: "Sparse", CSR: "SparseCsr", CSC: "SparseCsc", _C.strided: "Strided"}


class Pattern:
    """Where values stand. COO: indices (sparse_dim, nnz). CSR: crow (rows + 1) and columns (nnz); CSC: the same by columns.

    sizes are those of the whole tensor. Patterns don't change; an in-place operator gives its tensor another one.
    """

    def __init__(self, layout: Any, sizes: Any, index: Tensor, compressed: Tensor | None, coalesced: bool) -> None:
        self.layout, self.sizes, self.index, self.compressed = layout, Size(sizes), index, compressed
        self.coalesced = coalesced

    @property
    def nnz(self) -> int:
        return self.index.shape[-1]

    @property
    def sparse_dim(self) -> int:
        return self.index.shape[0] if self.layout is COO else 2

    @functools.cached_property
    def coo(self) -> Tensor:
        """Indices in coordinate form, (sparse_dim, nnz)."""
        if self.layout is COO:
            return self.index
        counts = self.compressed.diff()
        if counts.numel() and (bool((counts < 0).any()) or int(counts.sum()) != self.nnz):
            raise RuntimeError("the compressed indices of a sparse tensor must rise from 0 to nnz")
        outer = _f.repeat_interleave(_f.arange(counts.numel(), dtype=self.index.dtype), counts)
        return _f.stack([outer, self.index] if self.layout is CSR else [self.index, outer])

    @functools.cached_property
    def places(self) -> tuple[Tensor, ...]:
        """The coordinates as an index of a dense tensor; raises IndexError where one is outside."""
        coordinates = self.coo.long().unbind(0)
        for d, (c, size) in enumerate(zip(coordinates, self.sizes, strict=False)):
            if c.numel() and (int(c.min()) < 0 or int(c.max()) >= size):
                raise IndexError(f"an index of dimension {d} of a sparse tensor is outside [0, {size})")
        return coordinates

    @functools.cached_property
    def keys(self) -> Tensor:
        """One number for each entry, in the order of the dense tensor."""
        return linear(self.places, self.sizes[: self.sparse_dim], self.nnz)

    def renewed(self, indices: Tensor, sizes: Any, coalesced: bool = False) -> Pattern:
        """A COO pattern."""
        return Pattern(COO, sizes, indices, None, coalesced)


def linear(places: Any, sizes: Any, n: int) -> Tensor:
    """Coordinates as one number each, rising in row-major order."""
    key = _f.zeros(n, dtype=_C.int64)
    for c, size in zip(places, sizes, strict=True):
        key = key * size + c
    return key


# ---------------------------------------------------------------- adding up
def add_groups(values: Tensor, group: Tensor, n: int) -> Tensor:
    """Row g of the result is the sum of the rows of values with group g."""
    if values.dtype is _C.bool:
        return add_groups(values.to(_C.uint8), group, n) != 0
    return values.new_zeros((n, *values.shape[1:])).index_add(0, group, values)


def coalesced(pattern: Pattern, values: Tensor) -> tuple[Pattern, Tensor]:
    """Entries at the same place added up, in row-major order."""
    if pattern.coalesced or pattern.layout is not COO:
        return pattern, values
    if pattern.nnz < 2:
        return pattern.renewed(pattern.index, pattern.sizes, True), values
    first, group = _f._coo_group(pattern.keys)
    return pattern.renewed(pattern.index[:, first], pattern.sizes, True), add_groups(values, group, first.numel())


def at_places(values: Tensor, pattern: Pattern, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Values of a coalesced pattern at the keys wanted, 0 where there are none; and whether there are any."""
    keys = pattern.keys
    if not keys.numel():
        return values.new_zeros((wanted.numel(), *values.shape[1:])), _f.zeros(wanted.numel(), dtype=_C.bool)
    order = None if bool((keys[1:] >= keys[:-1]).all()) else keys.argsort()
    keys = keys if order is None else keys[order]
    at = _f.searchsorted(keys, wanted).clamp(max=keys.numel() - 1)
    found = keys[at] == wanted
    got = values[at if order is None else order[at]]
    return got * found.reshape(-1, *[1] * (values.dim() - 1)), found


# ---------------------------------------------------------------- the tensor
class SparseTensor(Tensor):
    """A tensor of layout sparse_coo, sparse_csr or sparse_csc. Made by the functions of rushlight.sparse."""

    __slots__ = ("_pattern", "_entries")  # the entries are the values without history

    @classmethod
    def __torch_function__(cls, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        from rushlight.sparse import _rules

        return _rules.call(func, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        from rushlight import _utils

        return _utils._rebuild_sparse_tensor, (self.layout, _parts(self))

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            return Tensor.__deepcopy__(self, memo)  # raises
        if id(self) not in memo:
            with no_grad():
                memo[id(self)] = make(self._pattern, self._entries.clone()).requires_grad_(self.requires_grad)
        return memo[id(self)]

    layout = property(lambda self: self._pattern.layout)
    is_sparse = property(lambda self: self._pattern.layout is COO)
    is_sparse_csr = property(lambda self: self._pattern.layout is CSR)

    @property
    def data(self) -> SparseTensor:
        return detach(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, SparseTensor):
            raise NotImplementedError(
                f"data of a tensor of layout {self.layout} can't be set to one of layout {value.layout}"
            )
        become(self, value)

    @property
    def nbytes(self) -> int:
        raise RuntimeError(
            "nbytes is not defined for sparse tensors. If you want the size of the constituent tensors, add the nbytes of the indices and values. "
            "If you want the size of the equivalent dense tensor, multiply numel() by element_size()"
        )


SparseTensor.__name__ = SparseTensor.__qualname__ = "Tensor"
SparseTensor.__module__ = Tensor.__module__


def _parts(s: SparseTensor) -> tuple:
    if s.layout is COO:
        return s._pattern.index, s._entries, s.shape, s._pattern.coalesced
    return s._pattern.compressed, s._pattern.index, s._entries, s.shape


def make(pattern: Pattern, values: Tensor) -> SparseTensor:
    """A sparse tensor over values without history."""
    s = _C._make_sparse(SparseTensor, values, pattern.sizes)
    s._pattern, s._entries = pattern, values
    return s


def become(s: SparseTensor, other: SparseTensor) -> SparseTensor:
    """In place: s takes another's pattern and values."""
    _C._become_sparse(s, other._entries, other._pattern.sizes)
    s._pattern, s._entries = other._pattern, other._entries
    return s


def nothing(layout: Any, sizes: Any, sparse_dim: int, dtype: Any) -> SparseTensor:
    """A sparse tensor of zeros."""
    if layout is COO:
        index = _f.empty((sparse_dim, 0), dtype=_C.int64)
        return make(Pattern(COO, sizes, index, None, True), _f.empty((0, *sizes[sparse_dim:]), dtype=dtype))
    starts = _f.zeros(sizes[0 if layout is CSR else 1] + 1, dtype=_C.int64)
    return make(Pattern(layout, sizes, _f.empty(0, dtype=_C.int64), starts, True), _f.empty(0, dtype=dtype))


def zeros(layout: Any, sizes: Any, dtype: Any, requires_grad: bool) -> SparseTensor:
    """What the factories zeros and empty make for a sparse layout: every dimension is sparse."""
    if layout is not COO and len(sizes) != 2:
        raise NotImplementedError(f"zeros: layout {layout} is for matrices, got size {list(sizes)}")
    return nothing(layout, sizes, len(sizes), dtype).requires_grad_(requires_grad)


class Values(Function):
    """The values of a coalesced pattern of a sparse tensor; their gradient is a sparse tensor."""

    @staticmethod
    def forward(ctx: Any, s: SparseTensor, pattern: Pattern, entries: Tensor) -> Tensor:
        ctx.pattern = pattern
        return entries.detach()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return pack(ctx.pattern, g), None, None


class Pack(Function):
    """A sparse tensor of values; their gradient is that of the tensor at their places."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, pattern: Pattern) -> Tensor:
        ctx.pattern = pattern
        return make(pattern, values.detach())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return read(g, ctx.pattern), None


def read(g: Tensor, pattern: Pattern) -> Tensor:
    """The elements of a dense or sparse tensor at a pattern's places."""
    if not isinstance(g, SparseTensor):
        return g[pattern.places] if pattern.sparse_dim else g.expand(pattern.nnz, *g.shape)
    if g._pattern is pattern and (pattern.coalesced or pattern.layout is not COO):
        return values_of(g)[1]
    own, values = coalesced(*values_of(g))
    return at_places(values, own, pattern.keys)[0]


def pack(pattern: Pattern, values: Tensor) -> SparseTensor:
    """A sparse tensor of values, recorded where they have a history."""
    if _C.is_grad_enabled() and values.requires_grad:
        return Pack.apply(values, pattern)
    return make(pattern, values.detach())


def values_of(s: SparseTensor) -> tuple[Pattern, Tensor]:
    """Pattern and values. Where a graph is recorded the pattern is coalesced (Note [ Two nodes for every rule ])."""
    if not (_C.is_grad_enabled() and s.requires_grad):
        # entries of truth values at one place are joined by `or`, which conversions don't know
        return coalesced(s._pattern, s._entries) if s.dtype is _C.bool else (s._pattern, s._entries)
    with no_grad():
        pattern, entries = coalesced(s._pattern, s._entries)
    return pattern, Values.apply(s, pattern, entries)


# ---------------------------------------------------------------- what the engine calls (csrc/core/sparse.h)
def detach(s: SparseTensor) -> SparseTensor:
    """s without history, over the same values."""
    return make(s._pattern, s._entries)


def to(s: SparseTensor, dtype: Any) -> SparseTensor:
    """s with another dtype."""
    pattern, values = values_of(s)
    return pack(pattern, values.to(dtype))


def to_dense(s: SparseTensor) -> Tensor:
    """s as a strided tensor."""
    pattern, values = values_of(s)
    if values.dtype is _C.bool:
        return to_dense(pack(pattern, values.to(_C.uint8))) != 0
    zeros = values.new_zeros(pattern.sizes)
    if not pattern.sparse_dim:
        return zeros + values.sum(0, dtype=values.dtype)
    return zeros.index_put_(pattern.places, values, accumulate=True)


def add(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two gradients of which one is sparse at least; dense where one is."""
    return a + b if not isinstance(a, SparseTensor) or isinstance(b, SparseTensor) else b + a


def accumulate(grad: Tensor, new: Tensor) -> Tensor:
    """`.grad` with a further gradient, in place where that's possible."""
    if (
        _C.is_grad_enabled()
        or grad.requires_grad
        or (isinstance(grad, SparseTensor) and not isinstance(new, SparseTensor))
    ):
        return add(grad, new)
    return grad.add_(new)


def first_gradient(g: SparseTensor) -> SparseTensor:
    """A gradient as `.grad` keeps it: values of its own."""
    return g.clone() if _C.is_grad_enabled() else make(g._pattern, g._entries.clone())


def row_gradient(g: Tensor, indices: Tensor, rows: int, padding: int) -> SparseTensor:
    """The gradient of a table of which rows at indices were read: rows of g; those of padding are left out."""
    at, values = indices.reshape(1, -1).long(), g.reshape(-1, g.shape[-1])
    if padding >= 0:
        kept = at[0] != padding
        at, values = at[:, kept], values[kept]
    return pack(Pattern(COO, (rows, g.shape[-1]), at, None, at.shape[1] < 2), values)


def gather_gradient(g: Tensor, dim: int, index: Tensor, sizes: tuple) -> SparseTensor:
    """The gradient of gather(dim, index) of a tensor of these sizes."""
    if not sizes:
        return pack(Pattern(COO, sizes, index.new_zeros((0, 1)), None, True), g.reshape(1))
    grid = _f.meshgrid(*[_f.arange(n) for n in index.shape], indexing="ij")
    at = [index if d == dim % len(sizes) else c for d, c in enumerate(grid)]
    return pack(Pattern(COO, sizes, _f.stack([c.reshape(-1) for c in at]), None, index.numel() < 2), g.reshape(-1))
