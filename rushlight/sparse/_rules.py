"""What operators do with sparse tensors: a table from an operator's name to its rule, and the pointwise rules.

A rule takes the operator's arguments as the caller wrote them. An in-place form runs the rule and puts the result in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.grad_mode import no_grad
from rushlight.functional import broadcast_shapes
from rushlight.sparse._core import (
    COO,
    CSR,
    LAYOUT_NAMES,
    Pattern,
    SparseTensor,
    add_groups,
    at_places,
    become,
    coalesced,
    linear,
    make,
    nothing,
    pack,
    to_dense,
    values_of,
)

_f = _C._functions
RULES: dict[str, Callable] = {}
_NUMBERS = (int, float, complex, bool)


def rule(*names: str) -> Callable:
    """Registers a rule under the operator's names: 'add', 'nn.linear', 'linalg.norm'."""

    def register(f: Callable) -> Callable:
        for name in names:
            RULES[name] = f
        return f

    return register


def operator_name(func: Any) -> str:
    """'add', or with its namespace 'nn.linear'."""
    module = (getattr(func, "__module__", None) or "torch").removeprefix("rushlight").removeprefix("torch").strip(".")
    space = {"": "", "_C": "", "nn.functional": "nn."}.get(module, module + ".")
    return space + func.__name__


def refuse(name: str, layout: Any) -> NotImplementedError:
    """The error of an operator without a rule."""
    return NotImplementedError(
        f"Could not run '{name}' with a tensor of layout {layout}: this operator is not written for sparse tensors. Use .to_dense() first"
    )


def call(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Runs the rule of func. Raises NotImplementedError naming operator and layout where there is none."""
    name = operator_name(func)
    for first in ("input", "self"):
        if first in kwargs:
            args = (kwargs.pop(first), *args)
    out = kwargs.pop("out", None)
    found = RULES.get(name)
    if found is None and name.endswith("_") and not name.endswith("__") and name[:-1] in RULES:
        return _in_place(name, RULES[name[:-1]], args, kwargs)
    given = next((v for v in _flat((*args, *kwargs.values())) if isinstance(v, SparseTensor)), None)
    if found is None or given is None:
        raise refuse(name, (given if given is not None else out).layout)
    result = _run(found, args, kwargs)
    return result if result is not NotImplemented else _no(name, given) if out is None else _no(name, out)


def _run(f: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The rule's result; NotImplemented where it does not know these arguments."""
    try:
        return f(*args, **kwargs)
    except TypeError:
        import inspect  # which takes milliseconds to load

        try:
            inspect.signature(f).bind(*args, **kwargs)
        except TypeError:
            return NotImplemented
        raise


def _no(name: str, given: Tensor) -> Any:
    raise refuse(name, given.layout)


def _flat(values: Any) -> Any:
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from v
        else:
            yield v


def _in_place(name: str, f: Callable, args: tuple, kwargs: dict[str, Any]) -> Tensor:
    self = args[0]
    if not isinstance(self, SparseTensor):
        raise refuse(name, next(v.layout for v in _flat(args[1:]) if isinstance(v, SparseTensor)))
    check_in_place(name, *args)
    result = _run(f, args, kwargs)
    if not isinstance(result, SparseTensor) or result.layout is not self.layout:
        raise refuse(name, self.layout)
    if not _C.can_cast(result.dtype, self.dtype):
        raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {self.dtype} ({name})")
    with no_grad():
        return become(self, result.to(self.dtype))


def check_in_place(name: str, *args: Any) -> None:
    """Raises where an in-place operator on a sparse tensor would have to be recorded."""
    if not _C.is_grad_enabled() or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        return
    if args[0].requires_grad and args[0].is_leaf:
        raise RuntimeError(
            f"a leaf Variable that requires grad is being used in an in-place operation. ({name}; use torch.no_grad() to change parameters)"
        )
    raise NotImplementedError(
        f"{name}: in-place operators on sparse tensors are not recorded; use the out-of-place form"
    )


def is_number(x: Any) -> bool:
    """A Python number or a dense tensor without dimensions."""
    return isinstance(x, _NUMBERS) or (isinstance(x, Tensor) and not isinstance(x, SparseTensor) and x.dim() == 0)


def exact(s: SparseTensor) -> tuple[Pattern, Tensor]:
    """values_of with a coalesced pattern, for what is not linear."""
    return coalesced(*values_of(s))


# ---------------------------------------------------------------- layouts
def compress(pattern: Pattern, values: Tensor, layout: Any) -> SparseTensor:
    """A coalesced matrix in coordinate form as CSR or CSC."""
    rows, columns = pattern.places
    if layout is not CSR:
        order = (columns * max(pattern.sizes[0], 1) + rows).argsort()
        rows, columns, values = columns[order], rows[order], values[order]
    counts = _f.bincount(rows, minlength=pattern.sizes[0 if layout is CSR else 1])
    starts = _f.cat([counts.new_zeros(1), counts.cumsum(0)])
    return pack(Pattern(layout, pattern.sizes, columns, starts, True), values)


def coordinates(s: SparseTensor) -> SparseTensor:
    """s with layout sparse_coo."""
    if s.layout is COO:
        return s
    pattern, values = values_of(s)
    return pack(pattern.renewed(pattern.coo, pattern.sizes, pattern.layout is CSR), values)


@rule("to_sparse", "to_sparse_coo")
def to_sparse(self: Tensor, *args: Any, layout: Any = None, sparse_dim: int | None = None) -> Tensor:
    """COO unless another layout is asked for."""
    if layout is None or layout is COO:
        return coordinates(self)
    return to_compressed(self, layout)


def to_compressed(s: SparseTensor, layout: Any) -> Tensor:
    """s as CSR or CSC."""
    if s.layout is layout:
        return s
    if s._pattern.sparse_dim != 2 or s.dim() != 2:
        raise RuntimeError(
            f"coo_to_sparse_csr: conversion from Sparse to {LAYOUT_NAMES[layout]} for input tensors with sparse_dim()!=2 is not supported"
        )
    return compress(*exact(coordinates(s)), layout)


# ---------------------------------------------------------------- sums
@rule("add")
def add(self: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Sparse + sparse is sparse, dense + sparse is dense; sparse + dense is refused as PyTorch does."""
    if isinstance(self, SparseTensor) and isinstance(other, SparseTensor):
        return _add_sparse(self, other, alpha)
    if isinstance(self, SparseTensor) and self.layout is not COO and isinstance(other, Tensor) and other.dim():
        return _add_to_dense(other if alpha == 1 else other * alpha, self, 1)
    if isinstance(self, SparseTensor) or not isinstance(self, Tensor):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    return _add_to_dense(self, other, alpha)


@rule("sub", "subtract")
def sub(self: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """add of the negative."""
    if all(isinstance(x, Tensor) and x.dtype is _C.bool for x in (self, other)):
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not supported.")
    return add(self, other, alpha=-alpha)


def _check_sizes(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise RuntimeError(
            f"{name}: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}"
        )


def _add_sparse(a: SparseTensor, b: SparseTensor, alpha: Any) -> Tensor:
    _check_sizes("add", a, b)
    kind = _C.result_type(a._entries, b._entries)
    (p, x), (q, y) = values_of(a), values_of(b)
    x, y = x.to(kind), y.to(kind) if alpha == 1 else (y * alpha).to(kind)
    if _same_places(p, q):
        return pack(p, x + y)
    if a.layout is not COO or b.layout is not COO:
        total = _add_sparse(coordinates(a), coordinates(b), alpha)
        return total if a.layout is COO else to_compressed(total, a.layout)
    if p.sparse_dim != q.sparse_dim:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same number of sparse dimensions, got {p.sparse_dim} and {q.sparse_dim}"
        )
    union = p.renewed(_f.cat([p.index, q.index], 1), p.sizes), _f.cat([x, y])
    # a sum that is formed again and again (momentum, accumulated gradients) must not grow without bound
    crowded = union[0].nnz > _f.empty(p.sizes[: p.sparse_dim], device="meta").numel()
    return pack(*(coalesced(*union) if crowded or (p.coalesced and q.coalesced) else union))


def _same_places(p: Pattern, q: Pattern) -> bool:
    if p is q:
        return True
    if p.layout is not q.layout or p.index.shape != q.index.shape or not _f.equal(p.index, q.index):
        return False
    return p.layout is COO or bool(_f.equal(p.compressed, q.compressed))


def _add_to_dense(dense: Tensor, s: SparseTensor, alpha: Any) -> Tensor:
    _check_sizes("add", dense, s)
    kind = _C.result_type(dense, s._entries)
    pattern, values = values_of(s)
    values = (values if alpha == 1 else values * alpha).to(kind)
    if kind is _C.bool or not pattern.sparse_dim:
        return dense + to_dense(pack(pattern, values))
    return dense.to(kind).index_put(pattern.places, values, accumulate=True)


@rule("add_")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """In place: into a dense tensor only the entries' places are touched."""
    if isinstance(self, SparseTensor):
        return _in_place("add_", add, (self, other), {"alpha": alpha})
    _check_sizes("add_", self, other)
    pattern, values = values_of(other)
    if not _C.can_cast(_C.result_type(self, values), self.dtype):
        raise RuntimeError(f"result type {values.dtype} can't be cast to the desired output type {self.dtype} (add_)")
    values = values.to(self.dtype)
    if self.dtype is _C.bool:
        return self.logical_or_(to_dense(pack(pattern, values)))
    if pattern.layout is COO and pattern.sparse_dim == 1:
        return self.index_add_(0, pattern.places[0], values, alpha=alpha)
    if not pattern.sparse_dim:
        return self.add_(values.sum(0, dtype=values.dtype), alpha=alpha)
    return self.index_put_(pattern.places, values if alpha == 1 else values * alpha, accumulate=True)


@rule("sub_", "subtract_")
def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """add_ of the negative."""
    return add_(self, other, alpha=-alpha)


# ---------------------------------------------------------------- products
@rule("mul", "multiply")
def mul(self: Any, other: Any) -> Tensor:
    """With a number, a dense tensor that broadcasts to the sparse one's shape, or a sparse one (places of both)."""
    if not isinstance(self, SparseTensor):
        self, other = other, self
    if is_number(other):
        pattern, values = values_of(self)
        return pack(pattern, values * other)
    if isinstance(other, SparseTensor):
        return _mul_sparse(self, other)
    if broadcast_shapes(self.shape, other.shape) != self.shape:
        raise NotImplementedError(
            f"mul: a sparse tensor of shape {list(self.shape)} can't be broadcast to that of a dense one, {list(other.shape)}. Use .to_dense() first"
        )
    pattern, values = values_of(self)
    return pack(pattern, values * other.expand(self.shape)[pattern.places])


def _mul_sparse(a: SparseTensor, b: SparseTensor) -> Tensor:
    if a.shape != b.shape:
        raise RuntimeError(
            f"mul(sparse, sparse): expected 'self' and 'other' to have same sizes, but {list(a.shape)} != {list(b.shape)}"
        )
    (p, x), (q, y) = values_of(a), exact(b)
    if p.sparse_dim != q.sparse_dim:
        raise RuntimeError(
            f"mul: expected 'self' and 'other' to have same number of sparse dimensions, got {p.sparse_dim} and {q.sparse_dim}"
        )
    if _same_places(p, q):
        return pack(p, x * y)
    got, found = at_places(y, q, p.keys)
    product = pack(p.renewed(p.coo[:, found], p.sizes, p.coalesced and p.layout is not _C.sparse_csc), (x * got)[found])
    return product if a.layout is COO else to_compressed(product, a.layout)


def _divided(name: str) -> None:
    @rule(*name.split())
    def divide(self: Any, other: Any, **options: Any) -> Tensor:
        if not isinstance(self, SparseTensor):
            return NotImplemented
        if not is_number(other):
            raise RuntimeError(
                f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {list(other.shape)} for divisor)"
            )
        rounds = options.get("rounding_mode") is not None or name.startswith("floor")
        pattern, values = (exact if rounds else values_of)(self)
        return pack(pattern, getattr(_f, name.split()[0])(values, other, **options))


for _name in ("div divide", "true_divide", "floor_divide"):
    _divided(_name)


@rule("pow")
def pow(self: Any, exponent: Any) -> Tensor:
    """A positive power."""
    if not isinstance(self, SparseTensor) or not is_number(exponent):
        return NotImplemented
    if not isinstance(exponent, complex) and exponent == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    if isinstance(exponent, complex) or exponent < 0:
        return NotImplemented
    pattern, values = exact(self)
    return pack(pattern, values**exponent)


# ---------------------------------------------------------------- functions of one number that keep zero
_LINEAR = "neg negative conj_physical real imag"
_KEEP_ZERO = (
    "abs absolute asin arcsin asinh arcsinh atan arctan atanh arctanh ceil erf erfinv expm1 floor frac log1p nan_to_num "
    "relu round sgn sign sin sinh sqrt square tan tanh trunc fix isnan isinf isneginf isposinf signbit angle deg2rad rad2deg"
)


def _unary(name: str, parts: Callable) -> None:
    function = getattr(_f, name)

    @rule(name)
    def apply(self: SparseTensor, *args: Any, **options: Any) -> Tensor:
        pattern, values = parts(self)
        return pack(pattern, function(values, *args, **options))


for _name in _LINEAR.split():
    _unary(_name, values_of)
for _name in _KEEP_ZERO.split():
    _unary(_name, exact)
for _name, _namespaced in (
    ("expm1", "special.expm1"),
    ("log1p", "special.log1p"),
    ("erf", "special.erf"),
    ("relu", "nn.relu"),
):
    RULES[_namespaced] = RULES[_name]


@rule("positive", "resolve_conj", "resolve_neg")
def same(self: SparseTensor) -> Tensor:
    """self: sparse tensors are never conjugated or negated lazily."""
    return self


@rule("conj")
def conj(self: SparseTensor) -> Tensor:
    """self, or its values conjugated."""
    return self.conj_physical() if self.is_complex() else self


# ---------------------------------------------------------------- reductions
@rule("norm", "linalg.norm", "linalg.vector_norm")
def norm(self: SparseTensor, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The p-norm of all elements."""
    if dim is not None or keepdim or p in ("nuc",) or (isinstance(p, (int, float)) and p <= 0):
        return NotImplemented
    values = exact(self)[1].reshape(-1)
    return _f.norm(values if dtype is None else values.to(dtype), 2 if p in ("fro", None) else p)


@rule("any")
def any_(self: SparseTensor) -> Tensor:
    """Whether an element is not zero."""
    return exact(self)[1].any()


def grouped(pattern: Pattern, kept: list[int]) -> tuple[Tensor, Tensor]:
    """The entries' different coordinates in the sparse dimensions kept, (len(kept), n), and for each entry which."""
    places = [pattern.places[d] for d in kept]
    first, group = _f._coo_group(linear(places, [pattern.sizes[d] for d in kept], pattern.nnz))
    return _f.stack([c[first] for c in places]), group


def sum_dims(s: SparseTensor, dims: list[int]) -> Tensor:
    """The sum over dims: a sparse tensor of the dimensions that remain; dense where none of the sparse ones do."""
    pattern, values = values_of(s)
    nd = pattern.sparse_dim
    dense = [d - nd + 1 for d in dims if d >= nd]
    if dense:
        values = values.sum(dense)
    kept = [d for d in range(nd) if d not in dims]
    if not kept:
        return values.sum(0)
    sizes = [n for d, n in enumerate(s.shape) if d not in dims]
    if len(kept) == nd:
        return pack(*coalesced(Pattern(COO, sizes, pattern.coo, None, pattern.coalesced), values))
    at, group = grouped(pattern, kept)
    return pack(Pattern(COO, sizes, at, None, True), add_groups(values, group, at.shape[1]))


# ---------------------------------------------------------------- copies and conversions
@rule("clone")
def clone(self: SparseTensor, *, memory_format: Any = None) -> Tensor:
    """A copy of the values."""
    pattern, values = values_of(self)
    return pack(pattern, values.clone())


@rule("detach")
def detached(self: SparseTensor) -> Tensor:
    """The same values without history."""
    return make(self._pattern, self._entries)


@rule("contiguous")
def contiguous(self: SparseTensor, *, memory_format: Any = None) -> Tensor:
    """Raises: sparse tensors have no order in memory."""
    raise RuntimeError("unsupported memory format option Contiguous")


@rule("to")
def to(self: SparseTensor, *args: Any, **options: Any) -> Tensor:
    """Another dtype; the device is the CPU."""
    if not isinstance(self, SparseTensor):  # dense.to(sparse)
        return self.to(args[0].dtype if args else options["other"].dtype)
    kind, copy = options.get("dtype"), bool(options.get("copy"))
    for a in args:
        if isinstance(a, _C.dtype):
            kind = a
        elif isinstance(a, Tensor):
            kind = a.dtype
    devices = [options.get("device"), *args]
    if any(not isinstance(d, (_C.dtype, Tensor, bool, type(None))) and _C.device(d).type != "cpu" for d in devices):
        return NotImplemented
    if kind is None or kind is self.dtype:
        return clone(self) if copy else self
    pattern, values = values_of(self)
    return pack(pattern, values.to(kind))


def _conversion(name: str, kind: Any) -> None:
    def convert(self: SparseTensor, *, memory_format: Any = None) -> Tensor:
        return to(self, kind)

    rule(name)(convert)


for _name, _kind in [
    ("float", _C.float32), ("double", _C.float64), ("half", _C.float16), ("bfloat16", _C.bfloat16), ("long", _C.int64), ("int", _C.int32),
    ("short", _C.int16), ("char", _C.int8), ("byte", _C.uint8), ("bool", _C.bool), ("cfloat", _C.complex64), ("cdouble", _C.complex128), ("cpu", None),
]:  # fmt: skip
    _conversion(_name, _kind)


@rule("type_as")
def type_as(self: SparseTensor, other: Tensor) -> Tensor:
    """self with the dtype of other."""
    return self.to(other.dtype)


@rule("copy_")
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Between sparse tensors of one layout and shape."""
    if not isinstance(self, SparseTensor) or not isinstance(src, SparseTensor):
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Use .to_dense() or .to_sparse() first"
        )
    check_in_place("copy_", self, src)
    if self.layout is not src.layout or self.shape != src.shape:
        raise RuntimeError(
            f"copy_: a tensor of layout {src.layout} and shape {list(src.shape)} can't be copied to one of layout {self.layout} and shape {list(self.shape)}"
        )
    return become(self, make(src._pattern, src._entries.to(self.dtype, copy=True)))


@rule("zero_")
def zero_(self: SparseTensor) -> Tensor:
    """No entries."""
    check_in_place("zero_", self)
    return become(self, nothing(self.layout, self.shape, self._pattern.sparse_dim, self.dtype))


@rule("zeros_like", "empty_like")
def zeros_like(self: SparseTensor, *, dtype: Any = None, requires_grad: bool = False, **options: Any) -> Tensor:
    """No entries."""
    if options.get("layout") is _C.strided:
        return _f.zeros(self.shape, dtype=dtype or self.dtype, requires_grad=requires_grad)
    empty = nothing(options.get("layout") or self.layout, self.shape, self._pattern.sparse_dim, dtype or self.dtype)
    return empty.requires_grad_(requires_grad)


@rule("is_nonzero", "item")
def item(self: SparseTensor) -> Any:
    """The only element as a number."""
    if self.numel() != 1:
        raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
    return to_dense(self).item()


@rule("nn.dropout", "dropout")
def dropout(input: SparseTensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Entries are dropped."""
    pattern, values = values_of(input)
    return pack(pattern, _C._nn.dropout(values, p, training))
