"""The old name of Tensor."""

from __future__ import annotations

from typing import Any

from rushlight._C import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(x)` is x, a Tensor."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
        result = data.detach()
        if requires_grad:
            result.requires_grad_(True)
        return result
