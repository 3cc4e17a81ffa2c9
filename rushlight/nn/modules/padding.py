"""Padding of the last dimensions by a constant, zeros, reflection, replication or wrapping around."""

from collections.abc import Callable
from typing import Any

from rushlight import Tensor
from rushlight.nn import functional as F
from rushlight.nn._tuples import _ntuple, _pair, _quadruple
from rushlight.nn.common_types import _size_2_t, _size_4_t, _size_6_t
from rushlight.nn.modules.module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

_sextuple: Callable[[Any], tuple] = _ntuple(6, "_sextuple")


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]
    value: float
    padding: tuple[int, ...]

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ModePadNd(Module):
    """Padding whose values come from the input."""

    __constants__ = ["padding"]
    padding: tuple[int, ...]
    _mode: str

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_ModePadNd):
    _mode = "reflect"


class _ReplicationPadNd(_ModePadNd):
    _mode = "replicate"


class _CircularPadNd(_ModePadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        n = len(self.padding) // 2
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class ConstantPad1d(_ConstantPadNd):
    """Pads left and right by `value`."""

    padding: tuple[int, int]

    def __init__(self, padding: _size_2_t, value: float) -> None:
        super().__init__(value)
        self.padding = _pair(padding)


class ReflectionPad1d(_ReflectionPadNd):
    """Pads left and right by mirroring, the edge not repeated."""

    padding: tuple[int, int]

    def __init__(self, padding: _size_2_t) -> None:
        super().__init__()
        self.padding = _pair(padding)


class ReplicationPad1d(_ReplicationPadNd):
    """Pads left and right by repeating the edge."""

    padding: tuple[int, int]

    def __init__(self, padding: _size_2_t) -> None:
        super().__init__()
        self.padding = _pair(padding)


class CircularPad1d(_CircularPadNd):
    """Pads left and right by wrapping around."""

    padding: tuple[int, int]

    def __init__(self, padding: _size_2_t) -> None:
        super().__init__()
        self.padding = _pair(padding)


class ZeroPad1d(ConstantPad1d):
    """Pads left and right by zeros."""

    def __init__(self, padding: _size_2_t) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad2d(_ConstantPadNd):
    """Pads left, right, top and bottom by `value`."""

    padding: tuple[int, int, int, int]

    def __init__(self, padding: _size_4_t, value: float) -> None:
        super().__init__(value)
        self.padding = _quadruple(padding)


class ReflectionPad2d(_ReflectionPadNd):
    """Pads left, right, top and bottom by mirroring, the edge not repeated."""

    padding: tuple[int, int, int, int]

    def __init__(self, padding: _size_4_t) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class ReplicationPad2d(_ReplicationPadNd):
    """Pads left, right, top and bottom by repeating the edge."""

    padding: tuple[int, int, int, int]

    def __init__(self, padding: _size_4_t) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class CircularPad2d(_CircularPadNd):
    """Pads left, right, top and bottom by wrapping around."""

    padding: tuple[int, int, int, int]

    def __init__(self, padding: _size_4_t) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class ZeroPad2d(ConstantPad2d):
    """Pads left, right, top and bottom by zeros."""

    def __init__(self, padding: _size_4_t) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad3d(_ConstantPadNd):
    """Pads left, right, top, bottom, front and back by `value`."""

    padding: tuple[int, int, int, int, int, int]

    def __init__(self, padding: _size_6_t, value: float) -> None:
        super().__init__(value)
        self.padding = _sextuple(padding)


class ReflectionPad3d(_ReflectionPadNd):
    """Pads left, right, top, bottom, front and back by mirroring, the edge not repeated."""

    padding: tuple[int, int, int, int, int, int]

    def __init__(self, padding: _size_6_t) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class ReplicationPad3d(_ReplicationPadNd):
    """Pads left, right, top, bottom, front and back by repeating the edge."""

    padding: tuple[int, int, int, int, int, int]

    def __init__(self, padding: _size_6_t) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class CircularPad3d(_CircularPadNd):
    """Pads left, right, top, bottom, front and back by wrapping around."""

    padding: tuple[int, int, int, int, int, int]

    def __init__(self, padding: _size_6_t) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class ZeroPad3d(ConstantPad3d):
    """Pads left, right, top, bottom, front and back by zeros."""

    def __init__(self, padding: _size_6_t) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
