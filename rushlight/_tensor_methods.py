"""Methods of Tensor that are compositions and that few programs call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor

_f = _C._functions


def _method(function: Callable) -> Callable:
    function.__qualname__ = f"Tensor.{function.__name__}"
    setattr(Tensor, function.__name__, function)
    return function


@_method
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Fills the main diagonal; of a matrix with more rows than columns, with `wrap`, again below each square.

    Tensors of more than two dimensions must be cubes. Raises RuntimeError for one dimension.
    """
    if self.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.dim() > 2:
        if len(set(self.shape)) > 1:
            raise RuntimeError("all dimensions of input must be of equal length")
        self.as_strided((self.shape[0],), (sum(self.stride()),), self.storage_offset()).fill_(fill_value)
        return self
    rows, columns = self.shape
    for start in range(0, rows if wrap else 1, columns + 1):
        self[start:].diagonal().fill_(fill_value)
    return self


@_method
def resize(self: Tensor, *sizes: int) -> Tensor:
    """Deprecated: self with another shape of as many elements; `reshape` says the same."""
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    shape = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    count = 1
    for size in shape:
        count *= size
    if count != self.numel():
        wanted, present = "x".join(map(str, shape)), "x".join(map(str, self.shape))
        raise RuntimeError(
            f"requested resize to {wanted} ({count} elements in total), but the given tensor has a size of {present} "
            f"({self.numel()} elements). autograd's resize can only change the shape of a given tensor, while "
            "preserving the number of elements. "
        )
    return self.contiguous().view(shape)


@_method
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """Deprecated: self with the shape of tensor, which has as many elements."""
    return self.resize(*tensor.shape)


@_method
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable) -> Tensor:
    """Replaces each element a by callable(a, b, c) with b of x and c of y, in Python."""
    others = (t.expand(self.shape).reshape(-1).tolist() for t in (x, y))
    flat = [callable(*values) for values in zip(self.reshape(-1).tolist(), *others, strict=True)]
    return self.copy_(_C.tensor(flat, self.dtype, None, False).reshape(self.shape))


@_method
def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What a module takes for self when it loads other: self with other's values, or other itself with `assign`."""
    return other.detach() if assign else self.detach().copy_(other)


@_method
def storage_type(self: Tensor) -> type:
    """The class of typed storages for this dtype: FloatStorage and the like."""
    from rushlight import storage

    if self.dtype not in storage._CLASS_OF_DTYPE:
        raise RuntimeError(f"storage_type: {self.dtype} has no typed storage of its own")
    return storage._CLASS_OF_DTYPE[self.dtype]


@_method
def is_distributed(self: Tensor) -> bool:
    """False: a tensor lives in one process."""
    return False


@_method
def reinforce(self: Tensor, reward: Any) -> None:
    """Removed, as in PyTorch."""
    raise RuntimeError(
        "reinforce() was removed. Use torch.distributions instead: loss = -Categorical(probs).log_prob(action) * reward"
    )
