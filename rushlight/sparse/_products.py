"""Matrix products of which one factor, or both, is sparse."""

from __future__ import annotations

from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd import Function
from rushlight.autograd.grad_mode import no_grad
from rushlight.sparse._core import COO, Pattern, SparseTensor, coalesced, pack, values_of
from rushlight.sparse._rules import coordinates, exact, rule, to_compressed

_f = _C._functions


def _check(name: str, a: Tensor, b: Tensor) -> None:
    for t in (a, b):
        if t.dim() != 2 or (isinstance(t, SparseTensor) and t._pattern.sparse_dim != 2):
            raise RuntimeError(
                f"{name}: matrices expected, got a tensor of shape {list(t.shape)} with {t.sparse_dim()} sparse dimensions"
            )
    if a.dtype is not b.dtype:
        raise RuntimeError(f"{name}: expected mat1 and mat2 to have the same dtype, but got: {a.dtype} != {b.dtype}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )


def _times_dense(s: SparseTensor, dense: Tensor) -> Tensor:
    pattern, values = values_of(s)
    rows, columns = pattern.places
    return _f._coo_mm(rows, columns, values, dense, s.shape[0])


def transposed(s: SparseTensor) -> SparseTensor:
    """A matrix with its dimensions exchanged; CSR becomes CSC and the other way round, over the same indices."""
    pattern, values = values_of(s)
    sizes = pattern.sizes[::-1]
    if pattern.layout is COO:
        return pack(pattern.renewed(pattern.index.flip(0), sizes, pattern.nnz < 2), values)
    layout = _C.sparse_csc if pattern.layout is _C.sparse_csr else _C.sparse_csr
    return pack(Pattern(layout, sizes, pattern.index, pattern.compressed, True), values)


class DenseGradMm(Function):
    """Sparse times dense whose gradient of the sparse factor is dense, as that of torch.mm is."""

    @staticmethod
    def forward(ctx: Any, s: SparseTensor, dense: Tensor) -> Tensor:
        ctx.s = s
        ctx.save_for_backward(dense)
        return _times_dense(s, dense)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (dense,) = ctx.saved_tensors
        of_sparse = g @ dense.conj().t() if ctx.needs_input_grad[0] else None
        of_dense = _times_dense(transposed(ctx.s).conj(), g) if ctx.needs_input_grad[1] else None
        return of_sparse, of_dense


def product(name: str, a: Tensor, b: Tensor, masked: bool) -> Tensor:
    """a @ b. masked: the gradient of a sparse factor has its pattern, else it is dense."""
    _check(name, a, b)
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        return _sparse_product(a, b)
    if not isinstance(a, SparseTensor):
        return product(name, transposed(b), a.t(), masked).t()
    if masked or not (_C.is_grad_enabled() and a.requires_grad):
        return _times_dense(a, b)
    return DenseGradMm.apply(a, b)


def _sparse_product(a: SparseTensor, b: SparseTensor) -> Tensor:
    """Every entry (i, p) of a meets every entry (p, j) of b; what falls on the same place is added up."""
    (p, x), (q, y) = values_of(coordinates(a)), exact(coordinates(b))
    if not q.coalesced or x.dim() > 1 or y.dim() > 1:
        raise RuntimeError("sparse_sparse_matmul: matrices of numbers are expected, without dense dimensions")
    left, right = _f._coo_join(p.places[1], q.places[0], b.shape[0])
    at = _f.stack([p.places[0][left], q.places[1][right]])
    total = pack(*coalesced(Pattern(COO, (a.shape[0], b.shape[1]), at, None, False), x[left] * y[right]))
    return total if a.layout is COO else to_compressed(total, a.layout)


@rule("mm")
def mm(self: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    return product("mm", self, mat2, masked=False)


@rule("bmm")
def bmm(self: Tensor, mat2: Tensor) -> Tensor:
    """Batches of a sparse and of a dense matrix, as one product with the sparse ones along a diagonal."""
    if isinstance(mat2, SparseTensor) or self.layout is not COO or self._pattern.sparse_dim != 3 or mat2.dim() != 3:
        return NotImplemented
    (n, rows, columns), (batch, inner, width) = self.shape, mat2.shape
    if (n, columns) != (batch, inner) or self.dtype is not mat2.dtype:
        raise RuntimeError(
            f"bmm: a batch of shape {list(self.shape)} and {self.dtype} can't be multiplied with one of {list(mat2.shape)} and {mat2.dtype}"
        )
    pattern, values = values_of(self)
    at, i, j = pattern.places
    flat = _f._coo_mm(at * rows + i, at * columns + j, values, mat2.reshape(batch * inner, width), n * rows)
    return flat.reshape(n, rows, width)


def smm(input: Tensor, mat: Tensor) -> Tensor:
    """input @ mat of a sparse and a dense matrix, as a sparse matrix."""
    return mm(input, mat).to_sparse()


def hspmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """mat1 @ mat2 of a sparse and a dense matrix, as a tensor of one sparse and one dense dimension."""
    return mm(mat1, mat2).to_sparse(1)


def sspaddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2 of a sparse input, a sparse mat1 and a dense mat2, as a sparse matrix."""
    return _plus(input, smm(mat1, mat2), beta, alpha)


@rule("mv")
def mv(self: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a dense vector."""
    if isinstance(vec, SparseTensor):
        return NotImplemented
    if vec.dim() != 1 or self.dim() != 2 or self.shape[1] != vec.shape[0]:
        raise RuntimeError(f"mv: size mismatch, got input {list(self.shape)}, vec {list(vec.shape)}")
    return mm(self, vec.unsqueeze(1)).squeeze(1)


@rule("matmul", "__matmul__")
def matmul(self: Tensor, other: Tensor) -> Tensor:
    """Matrices, or a matrix and a dense vector."""
    dims = (self.dim(), other.dim())
    if dims == (2, 2):
        return mm(self, other)
    if dims == (2, 1) and isinstance(self, SparseTensor):
        return mv(self, other)
    if dims == (1, 2) and isinstance(other, SparseTensor):
        return mv(transposed(other), self)
    return NotImplemented


def _plus(self: Any, total: Tensor, beta: Any, alpha: Any) -> Tensor:
    if total is NotImplemented:
        return total
    total = total if alpha == 1 else total * alpha
    if beta == 0:
        return total
    scaled = self if beta == 1 else self * beta
    return scaled + total


@rule("addmm")
def addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * self + alpha * mat1 @ mat2."""
    return _plus(self, mm(mat1, mat2), beta, alpha)


@rule("addmv")
def addmv(self: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * self + alpha * mat @ vec."""
    return _plus(self, mv(mat, vec), beta, alpha)


@rule("nn.linear")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.t() + bias for a matrix input."""
    if input.dim() != 2 or weight.dim() != 2:
        return NotImplemented
    y = mm(input, weight.t())  # one of the two is sparse, or bias is
    return y if bias is None else y + bias


def sampled_addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0, out: Tensor | None = None
) -> Tensor:
    """beta * input + alpha * mat1 @ mat2 at the places of a CSR matrix input (m, n); mat1 (m, k) and mat2 (k, n) dense."""
    if not isinstance(input, SparseTensor) or input.layout is COO:
        raise RuntimeError(f"sampled_addmm: expected self to be sparse with layout SparseCsr, got {input.layout}")
    if (
        mat1.dim() != 2
        or mat2.dim() != 2
        or (mat1.shape[0], mat2.shape[1]) != input.shape
        or mat1.shape[1] != mat2.shape[0]
    ):
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({list(mat1.shape)} and {list(mat2.shape)}) to a matrix of shape {list(input.shape)}"
        )
    pattern, values = values_of(input)
    total = _plus(values, _f._coo_dot(*pattern.places, mat1, mat2.t()), beta, alpha)
    result = pack(pattern, total)
    if out is None:
        return result
    with no_grad():
        return out.copy_(result)
