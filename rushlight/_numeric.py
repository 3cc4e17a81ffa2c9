"""Functions of the top namespace that are compositions with a Python interface: unravel_index, hash_tensor, pdist."""

from __future__ import annotations

from collections.abc import Sequence

import rushlight
from rushlight._C import Size, Tensor

__all__ = ["hash_tensor", "pdist", "unravel_index"]


def unravel_index(indices: Tensor, shape: int | Sequence[int] | Size) -> tuple[Tensor, ...]:
    """The coordinates in a tensor of the given shape of places in its flattened form: a tensor for each dimension."""
    if not isinstance(indices, Tensor):
        raise TypeError(f"unravel_index(): argument 'indices' must be Tensor, not {type(indices).__name__}")
    if indices.is_floating_point() or indices.is_complex() or indices.dtype is rushlight.bool:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if not all(isinstance(size, int) for size in sizes):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {shape}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    found, rest = [], indices.long()
    for size in reversed(sizes):
        found.append(rest % size)
        rest = rushlight.div(rest, size, rounding_mode="floor")
    return tuple(reversed(found))


def hash_tensor(
    input: Tensor, dim: int | Sequence[int] = (), *, keepdim: bool = False, mode: int = 0, out: Tensor | None = None
) -> Tensor:
    """Exclusive or, over dim (default: all), of the bits of the elements: floats as float64, integers as int64."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    dims = [dim] if isinstance(dim, int) else list(dim)
    rank = max(input.dim(), 1)
    for d in dims:
        if not -rank <= d < rank:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {d})")
    dims = [d % rank for d in dims] or list(range(input.dim()))
    if input.is_complex():
        raise NotImplementedError(f"\"hash_tensor\" not implemented for '{input.dtype}'")
    bits = input.detach().double().view(rushlight.int64) if input.is_floating_point() else input.long()
    if input.dim() == 0:
        bits, dims, keepdim = bits.reshape(1), [0], False
    kept = [d for d in range(bits.dim()) if d not in dims]
    rows = bits.permute(*kept, *dims).reshape([bits.shape[d] for d in kept] + [-1])
    if rows.shape[-1] == 0:
        raise RuntimeError("hash_tensor: the reduction has no elements, and no identity is defined for it")
    while (n := rows.shape[-1]) > 1:
        half = n // 2
        folded = rows[..., :half] ^ rows[..., half : 2 * half]
        rows = rushlight.cat([folded, rows[..., 2 * half :]], -1)
    result = rows.squeeze(-1).view(rushlight.uint64)
    if keepdim:
        result = result.reshape([1 if d in dims else bits.shape[d] for d in range(bits.dim())])
    if out is None:
        return result
    if out.dtype is not rushlight.uint64:
        raise RuntimeError(f"hash_tensor(): expected out to have dtype torch.uint64, but got {out.dtype}")
    return (out if out.shape == result.shape else out.resize_(result.shape)).copy_(result)


Tensor.hash_tensor = hash_tensor  # type: ignore[attr-defined]


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """p-norm distances of all pairs i < j of rows: (N, M) to (N * (N - 1) / 2,)."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    i, j = rushlight.triu_indices(input.size(0), input.size(0), 1)
    one, other = input.index_select(0, i).unsqueeze(1), input.index_select(0, j).unsqueeze(1)
    return rushlight.cdist(one, other, p, "donot_use_mm_for_euclid_dist").reshape(-1)
