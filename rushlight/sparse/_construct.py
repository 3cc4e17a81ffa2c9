"""Making sparse tensors of indices and values, and the check that these fit together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.sparse._core import COO, CSC, CSR, Pattern, SparseTensor, make, nothing, pack

_f = _C._functions


class check_sparse_tensor_invariants:  # noqa: N801
    """Whether indices are checked when sparse tensors are made: enable(), disable(), a context manager, a decorator."""

    _on = False

    def __init__(self, enable: bool = True) -> None:
        self.state, self.before = enable, None

    @staticmethod
    def is_enabled() -> bool:
        """Whether indices are checked."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        """Check indices from now on."""
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        """Don't check indices from now on."""
        check_sparse_tensor_invariants._on = False

    def __enter__(self) -> None:
        if self.before is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance for context nesting."
            )
        self.before = check_sparse_tensor_invariants._on
        check_sparse_tensor_invariants._on = self.state

    def __exit__(self, *exc: object) -> None:
        check_sparse_tensor_invariants._on, self.before = bool(self.before), None

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def _checks(asked: bool | None) -> bool:
    return check_sparse_tensor_invariants._on if asked is None else asked


def _tensor(data: Any, dtype: Any = None) -> Tensor:
    if isinstance(data, SparseTensor):
        raise TypeError("indices and values of a sparse tensor must be dense tensors")
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return _C.tensor(data, dtype, None, False)


def _finish(pattern: Pattern, values: Tensor, requires_grad: bool) -> Tensor:
    if requires_grad:
        return make(pattern, values.detach()).requires_grad_(True)
    return pack(pattern, values)


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def _on_cpu(name: str, device: Any) -> None:
    if device is not None and _C.device(device).type != "cpu":
        raise NotImplementedError(f"{name}: sparse tensors are on the CPU only, not on {device}")


# ---------------------------------------------------------------- coordinates
def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A tensor with values (nnz, ...) at indices (sparse_dim, nnz) and zeros elsewhere; values at one place are added up.

    With a size alone it has no entries. Without a size the largest indices decide. Raises RuntimeError for shapes that do
    not fit, and with check_invariants for indices outside of size.
    """
    _on_cpu("sparse_coo_tensor", device)
    if values is None:
        size = size if size is not None else indices
        empty = nothing(COO, tuple(size), len(size), dtype or _C.get_default_dtype())
        return empty.requires_grad_(requires_grad)
    at, values = _tensor(indices).to(_C.int64), _tensor(values, dtype)
    if not at.numel() and at.dim() < 2:
        at = at.reshape(1, 0)
    _require(at.dim() == 2, f"indices must be sparse_dim x nnz, but got: {list(at.shape)}")
    _require(values.dim() > 0, f"values must have a dimension of entries, but got: {list(values.shape)}")
    nd, nnz = at.shape
    _require(
        values.shape[0] == nnz,
        f"indices and values must have same nnz, but got nnz from indices: {nnz}, nnz from values: {values.shape[0]}",
    )
    if size is None:
        size = [*((at.amax(1) + 1).tolist() if nnz else [0] * nd), *values.shape[1:]]
        _check_indices(at, size)
    size = tuple(int(n) for n in size)
    _require(
        len(size) == nd + values.dim() - 1,
        f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {nd}, dense_dim = {values.dim() - 1}",
    )
    expected = [nnz, *size[nd:]]
    _require(
        list(values.shape) == expected, f"values has incorrect size, expected {expected}, got {list(values.shape)}"
    )
    pattern = Pattern(COO, size, at.detach(), None, nnz < 2 if is_coalesced is None else is_coalesced)
    if _checks(check_invariants):
        _check_indices(at, size)
        if pattern.coalesced and nnz > 1 and not bool((pattern.keys[1:] > pattern.keys[:-1]).all()):
            raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")
    return _finish(pattern, values, requires_grad)


def _check_indices(at: Tensor, size: Any) -> None:
    if not at.shape[1]:
        return
    for d, (low, high) in enumerate(zip(at.amin(1).tolist(), at.amax(1).tolist(), strict=True)):
        _require(low >= 0, f"found negative index {low} for dim {d}")
        _require(
            high < size[d], f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {high}"
        )


# ---------------------------------------------------------------- compressed rows or columns
_NAMES = {
    CSR: ("crow_indices", "col_indices", "nrows", "ncols"),
    CSC: ("ccol_indices", "row_indices", "ncols", "nrows"),
}


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A matrix with layout sparse_csr or sparse_csc: row (or column) i has the entries from compressed_indices[i] to the next.

    Raises NotImplementedError for blocks, batches and dense dimensions; RuntimeError for lengths that don't fit, and with
    check_invariants for indices outside of size or out of order.
    """
    name = "sparse_compressed_tensor"
    _on_cpu(name, device)
    if layout not in (CSR, CSC):
        raise NotImplementedError(f"{name}: layout {layout} is not supported: use torch.sparse_csr or torch.sparse_csc")
    starts, plain, values = _tensor(compressed_indices), _tensor(plain_indices), _tensor(values, dtype)
    if starts.dim() != 1 or plain.dim() != 1 or values.dim() != 1:
        raise NotImplementedError(
            f"{name}: batches and dense dimensions are not supported (indices of shape {list(starts.shape)} and {list(plain.shape)}, values of shape {list(values.shape)})"
        )
    kind = _C.int32 if starts.dtype is _C.int32 and plain.dtype is _C.int32 else _C.int64
    starts, plain = starts.detach().to(kind), plain.detach().to(kind)
    outer, inner, _, _ = _NAMES[layout]
    if size is None:
        n = int(plain.max()) + 1 if plain.numel() else 0
        size = (starts.numel() - 1, n) if layout is CSR else (n, starts.numel() - 1)
    size = tuple(int(n) for n in size)
    _require(
        len(size) == 2,
        f"tensor dimensionality must be sum of batch, base, and dense dimensionalities (=2) but got {len(size)}",
    )
    rows = size[0 if layout is CSR else 1]
    _require(
        starts.numel() == rows + 1,
        f"{outer}.shape[-1] must be equal to the number of {'rows' if layout is CSR else 'columns'} + 1 (={rows + 1}), but got {starts.numel()}",
    )
    _require(
        plain.numel() == values.shape[0],
        f"number of {inner} ({plain.numel()}) must be that of values ({values.shape[0]})",
    )
    pattern = Pattern(layout, size, plain, starts, True)
    if _checks(check_invariants):
        _check_compressed(pattern)
    return _finish(pattern, values, requires_grad)


def _check_compressed(p: Pattern) -> None:
    outer, inner, rows, columns = _NAMES[p.layout]
    n = p.sizes[1 if p.layout is CSR else 0]
    _require(int(p.compressed[0]) == 0, f"`{outer}[..., 0] == 0` is not satisfied.")
    _require(int(p.compressed[-1]) == p.nnz, f"`{outer}[..., -1] == nnz` is not satisfied.")
    counts = p.compressed.diff()
    _require(
        not counts.numel() or (int(counts.min()) >= 0 and int(counts.max()) <= n),
        f"`0 <= {outer}[..., 1:] - {outer}[..., :-1] <= {columns}` is not satisfied.",
    )
    if not p.nnz:
        return
    _require(int(p.index.min()) >= 0 and int(p.index.max()) < n, f"`0 <= {inner} < {columns}` is not satisfied.")
    outer_of = _f.repeat_interleave(_f.arange(counts.numel()), counts.long())
    keys = outer_of * n + p.index
    _require(
        bool((keys[1:] > keys[:-1]).all()),
        f"`{inner}[..., {outer}[..., i - 1]:{outer}[..., i]] for all i = 1, ..., {rows} are sorted and distinct along the last dimension values` is not satisfied.",
    )


def sparse_csr_tensor(crow_indices: Any, col_indices: Any, values: Any, size: Any = None, **options: Any) -> Tensor:
    """sparse_compressed_tensor with layout sparse_csr."""
    return sparse_compressed_tensor(crow_indices, col_indices, values, size, layout=CSR, **_same_layout(options, CSR))


def sparse_csc_tensor(ccol_indices: Any, row_indices: Any, values: Any, size: Any = None, **options: Any) -> Tensor:
    """sparse_compressed_tensor with layout sparse_csc."""
    return sparse_compressed_tensor(ccol_indices, row_indices, values, size, layout=CSC, **_same_layout(options, CSC))


def _same_layout(options: dict[str, Any], layout: Any) -> dict[str, Any]:
    given = options.pop("layout", None)
    if given not in (None, layout):
        raise RuntimeError(f"layout {given} is not {layout}")
    return options


def sparse_bsr_tensor(*args: Any, **kwargs: Any) -> Tensor:
    """Raises NotImplementedError: matrices of blocks are not supported."""
    raise NotImplementedError("sparse_bsr_tensor: layout torch.sparse_bsr is not supported: use torch.sparse_csr")


def sparse_bsc_tensor(*args: Any, **kwargs: Any) -> Tensor:
    """Raises NotImplementedError: matrices of blocks are not supported."""
    raise NotImplementedError("sparse_bsc_tensor: layout torch.sparse_bsc is not supported: use torch.sparse_csc")


def spdiags(diagonals: Tensor, offsets: Tensor, shape: tuple[int, int], layout: Any = None) -> Tensor:
    """A matrix with the rows of diagonals (n, k) on the diagonals offsets (n), read from column max(0, offset) on."""
    if diagonals.dim() == 1:
        diagonals = diagonals.unsqueeze(0)
    numbers = offsets.reshape(-1).tolist()
    _require(diagonals.dim() == 2, "Diagonals must be vector or matrix")
    _require(len(shape) == 2, "Output shape must be 2d")
    _require(
        len(numbers) == diagonals.shape[0],
        f"Number of diagonals ({diagonals.shape[0]}) does not match the number of offsets ({len(numbers)})",
    )
    _require(len(set(numbers)) == len(numbers), "Offset tensor contains duplicate values")
    places, parts = [], []
    for row, k in zip(diagonals.unbind(0), numbers, strict=True):
        first, end = max(k, 0), min(shape[1], shape[0] + k, diagonals.shape[1])
        columns = _f.arange(first, max(first, end))
        places.append(_f.stack([columns - k, columns]))
        parts.append(row[first : max(first, end)])
    made = sparse_coo_tensor(_f.cat(places, 1), _f.cat(parts), shape)
    return made if layout in (None, COO) else made.to_sparse(layout=layout)
