"""`_foreach_add` and its like: an operator over each tensor of a list. Programs call them in optimisers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor

_f = _C._functions
_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round "
    "rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
_BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "pow", "clamp_min", "clamp_max", "lerp")
_TERNARY = ("addcdiv", "addcmul")


def _check_lists(*lists: Any) -> None:
    if not lists[0]:
        raise RuntimeError("Tensor list must have at least one tensor.")
    for other in lists[1:]:
        if len(other) != len(lists[0]):
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {len(lists[0])} and {len(other)}"
            )


def _spread(value: Any, count: int) -> Any:
    """One value for each tensor: value's items where it is a list, value itself for all elsewhere."""
    return value if isinstance(value, (list, tuple)) else [value] * count


def _unary(name: str) -> Callable:
    operator = getattr(_f, name)

    def each(self: list[Tensor]) -> list[Tensor]:
        _check_lists(self)
        return [operator(x) for x in self]

    return each


def _binary(name: str) -> Callable:
    operator = getattr(_f, {"clamp_min": "maximum", "clamp_max": "minimum"}.get(name, name))
    bound = {"clamp_min": "min", "maximum": "min", "clamp_max": "max", "minimum": "max"}.get(name)

    def one(x: Any, y: Any, options: dict[str, Any]) -> Tensor:
        if bound and not isinstance(y, Tensor):
            return _f.clamp(x, **{bound: y})
        return operator(x, y, **options)

    def each(self: Any, other: Any, weight: Any = None, **options: Any) -> list[Tensor]:
        if not isinstance(self, (list, tuple)):  # pow(number, list)
            return [operator(self, y) for y in other]
        if name == "lerp":
            other, options = list(zip(_spread(other, len(self)), _spread(weight, len(self)), strict=True)), {}
            _check_lists(self, other)
            return [_f.lerp(x, *y) for x, y in zip(self, other, strict=True)]
        if weight is not None:
            raise TypeError(f"_foreach_{name}() takes 2 positional arguments but 3 were given")
        others = _spread(other, len(self))
        _check_lists(self, others)
        return [one(x, y, options) for x, y in zip(self, others, strict=True)]

    return each


def _ternary(name: str) -> Callable:
    operator = getattr(_f, name)

    def each(self: list[Tensor], tensor1: Any, tensor2: Any, value: Any = 1, *, scalars: Any = None) -> list[Tensor]:
        factors = value if scalars is None else scalars
        factors = factors.tolist() if isinstance(factors, Tensor) and factors.dim() else factors
        factors = _spread(factors, len(self))
        _check_lists(self, tensor1, tensor2, factors)
        return [operator(x, a, b, value=v) for x, a, b, v in zip(self, tensor1, tensor2, factors, strict=True)]

    return each


def _in_place(function: Callable) -> Callable:
    def each(self: list[Tensor], *args: Any, **kwargs: Any) -> None:
        for x, result in zip(self, function(self, *args, **kwargs), strict=True):
            x.copy_(result)

    return each


def _foreach_copy_(self: list[Tensor], src: list[Tensor], non_blocking: bool = False) -> None:
    """Copies each tensor of src into the one of self at its place."""
    _check_lists(self, src)
    for x, y in zip(self, src, strict=True):
        x.copy_(y)


def _foreach_zero_(self: list[Tensor]) -> None:
    """Fills each tensor with zeros."""
    _check_lists(self)
    for x in self:
        x.zero_()


def _foreach_norm(self: list[Tensor], ord: Any = 2, dtype: Any = None) -> list[Tensor]:
    """The vector norm of each tensor."""
    _check_lists(self)
    return [_C._linalg.vector_norm(x, ord, dtype=dtype) for x in self]


def _foreach_max(self: list[Tensor]) -> list[Tensor]:
    """The largest element of each tensor."""
    _check_lists(self)
    return [x.max() for x in self]


def _make() -> dict[str, Callable]:
    made = {}
    for names, maker in ((_UNARY, _unary), (_BINARY, _binary), (_TERNARY, _ternary)):
        for name in names:
            plain = maker(name)
            for function, suffix in ((plain, ""), (_in_place(plain), "_")):
                function.__name__ = function.__qualname__ = f"_foreach_{name}{suffix}"
                function.__doc__ = f"`{name}` of each tensor of a list" + (", in place." if suffix else ".")
                made[function.__name__] = function
    return made


globals().update(_make())
__all__ = [*_make(), "_foreach_copy_", "_foreach_max", "_foreach_norm", "_foreach_zero_"]
