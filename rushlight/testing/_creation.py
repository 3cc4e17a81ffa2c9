"""`make_tensor`: random tensors for tests."""

from typing import Any

import rushlight
from rushlight import Tensor


def make_tensor(
    *shape: Any,
    dtype: "rushlight.dtype",
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of values uniform in [low, high): by default [-9, 9] (integers: [-9, 10), unsigned: [0, 10), bool: "
    "0, 1)."""
    if len(shape) == 1 and isinstance(shape[0], list | tuple):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError("The parameters `noncontiguous` and `memory_format` are mutually exclusive")
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for integral dtypes, but got {dtype=}")
    size = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else shape
    if dtype is rushlight.bool:
        result = rushlight.randint(0, 2, size, dtype=dtype)
    elif dtype.is_complex:
        part = rushlight.float64 if dtype is rushlight.complex128 else rushlight.float32
        result = rushlight.view_as_complex(_uniform((*size, 2), low, high, part)).to(dtype)
    elif dtype.is_floating_point:
        wide = dtype if dtype in (rushlight.float32, rushlight.float64) else rushlight.float32
        result = _uniform(size, low, high, wide).to(dtype)
    else:
        smallest = 0 if not dtype.is_signed else -9
        first, last = smallest if low is None else int(low), 10 if high is None else int(high)
        result = rushlight.randint(first, last, size, dtype=dtype)
    if noncontiguous and shape:
        result = result[..., ::2]
    if exclude_zero:
        result[result == 0] = 1
    result = result.to(device)
    if memory_format is not None:
        result = result.clone(memory_format=memory_format)
    return result.requires_grad_() if requires_grad else result


def _uniform(size: tuple, low: float | None, high: float | None, dtype: "rushlight.dtype") -> Tensor:
    return rushlight.empty(size, dtype=dtype).uniform_(-9.0 if low is None else low, 9.0 if high is None else high)
