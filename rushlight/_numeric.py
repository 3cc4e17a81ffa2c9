"""Functions of the top namespace that are compositions with a Python interface: gradient, unravel_index, hash_tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight._C import Size, Tensor, _functions

__all__ = ["gradient", "hash_tensor", "unravel_index"]


def gradient(
    input: Tensor,
    *,
    spacing: float | Tensor | Sequence[float | Tensor] | None = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The derivative of samples along each dim, by central differences (Fornberg 1988), one-sided at the edges.

    spacing: a distance for all dimensions or for each, or for each the coordinates, a vector.
    """
    if edge_order not in (1, 2):
        raise RuntimeError("rushlight.gradient only supports edge_order=1 and edge_order=2.")
    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [_checked_dim(d, input.dim()) for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError("dim 0 appears multiple times in the list of dims")
    each = isinstance(spacing, (list, tuple))
    steps: list[Any] = list(spacing) if each else [1 if spacing is None else spacing] * len(dims)  # type: ignore[arg-type]
    if len(steps) != len(dims):
        raise RuntimeError(
            f"rushlight.gradient expected spacing to be unspecified, a scalar, or a list of length equal to the number of "
            f"dimensions ({len(dims)}), but got a list of length {len(steps)}"
        )
    for d in dims:
        if input.shape[d] < edge_order + 1:
            raise RuntimeError(
                f"rushlight.gradient expected each dimension size to be at least edge_order+1, but dimension {d} has size "
                f"{input.shape[d]}"
            )
    return tuple(_along(input, step, d, edge_order) for step, d in zip(steps, dims, strict=True))


def _checked_dim(d: int, rank: int) -> int:
    if not -rank <= d < rank:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {d})")
    return d % rank


def _along(x: Tensor, step: Any, d: int, edge_order: int) -> Tensor:
    n = x.shape[d]

    def at(start: int, length: int) -> Tensor:
        return x.narrow(d, start, length)

    if isinstance(step, Tensor) and step.dim() == 1:
        if step.shape[0] != n:
            raise RuntimeError(
                f"rushlight.gradient expected each entry in spacing to have the same length as the corresponding dim, but "
                f"dimension {d} has size {n} and its coordinates {step.shape[0]}"
            )
        gaps = rushlight.diff(step)
        shape = [-1 if i == d else 1 for i in range(x.dim())]
        left, right = gaps[:-1].reshape(shape), gaps[1:].reshape(shape)
        a, b, c = -right / (left * (left + right)), (right - left) / (left * right), left / (right * (left + right))
        middle = a * at(0, n - 2) + b * at(1, n - 2) + c * at(2, n - 2)
        first, last = gaps[0], gaps[-1]
        if edge_order == 1:
            return rushlight.cat([(at(1, 1) - at(0, 1)) / first, middle, (at(n - 1, 1) - at(n - 2, 1)) / last], d)
        h, k = gaps[0], gaps[1]
        begin = -(2 * h + k) / (h * (h + k)) * at(0, 1) + (h + k) / (h * k) * at(1, 1) - h / (k * (h + k)) * at(2, 1)
        h, k = gaps[-2], gaps[-1]
        end = k / (h * (h + k)) * at(n - 3, 1) - (k + h) / (h * k) * at(n - 2, 1) + (2 * k + h) / (k * (h + k)) * at(n - 1, 1)
        return rushlight.cat([begin, middle, end], d)
    slope = _functions._gradient_along(x, d, edge_order)
    return slope if type(step) is int and step == 1 else slope / step


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
    dims = [_checked_dim(d, max(input.dim(), 1)) for d in dims] or list(range(input.dim()))
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
