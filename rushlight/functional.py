"""Functions of the top namespace that are written in Python: facts about dtypes, settings, small compositions."""

from __future__ import annotations

import math
from typing import Any

from rushlight import _C
from rushlight._C import (
    Tensor,
    can_cast,
    dtype,
    get_default_dtype,
    get_num_threads,
    promote_types,
    result_type,
    set_default_dtype,
    set_num_threads,
)

__all__ = [
    "are_deterministic_algorithms_enabled", "broadcast_shapes", "can_cast", "finfo", "get_default_device", "get_default_dtype",
    "get_deterministic_debug_mode", "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "iinfo",
    "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled", "promote_types", "result_type", "set_default_device",
    "set_default_dtype", "set_default_tensor_type", "set_deterministic_debug_mode", "set_float32_matmul_precision",
    "set_flush_denormal", "set_num_interop_threads", "set_num_threads", "set_warn_always", "sym_float", "sym_int", "sym_max",
    "sym_min", "sym_not", "typename", "use_deterministic_algorithms",
]  # fmt: skip


class finfo:
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    _table = {  # bits, digits of the significand behind the point, largest exponent, resolution
        "float16": (16, 10, 15, 1e-3),
        "bfloat16": (16, 7, 127, 1e-2),
        "float32": (32, 23, 127, 1e-6),
        "float64": (64, 52, 1023, 1e-15),
        "float8_e5m2": (8, 2, 15, 1.0),
    }

    def __init__(self, type: dtype | None = None) -> None:
        kind = get_default_dtype() if type is None else type
        if kind.is_complex:
            kind = kind.to_real()
        name = str(kind).removeprefix("torch.")
        if not kind.is_floating_point:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{kind}'")
        self.dtype = name
        if name == "float8_e4m3fn":
            self.bits, self.eps, self.max, self.tiny, self.resolution = 8, 0.125, 448.0, 2.0**-6, 1.0
        else:
            self.bits, digits, exponent, self.resolution = self._table[name]
            self.eps, self.tiny = 2.0**-digits, 2.0 ** (1 - exponent)
            self.max = (2.0 - self.eps) * 2.0**exponent
        self.min, self.smallest_normal = -self.max, self.tiny

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, type: dtype) -> None:
        name = str(type).removeprefix("torch.")
        if type.is_floating_point or type.is_complex:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        if name == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self.dtype, self.bits = name, type.itemsize * 8
        self.max = 2 ** (self.bits - type.is_signed) - 1
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape to which tensors of these shapes broadcast. Raises RuntimeError where they don't."""
    from rushlight._C import Size

    result: list[int] = []
    for shape in shapes:
        sizes = [shape] if isinstance(shape, int) else list(shape)
        if any(s < 0 for s in sizes):
            raise RuntimeError(f"Trying to create tensor with negative dimension ({min(sizes)}): ({min(sizes)})")
        result = [1] * (len(sizes) - len(result)) + result
        for i in range(1, len(sizes) + 1):
            if sizes[-i] != 1 and sizes[-i] != result[-i]:
                if result[-i] != 1:
                    raise RuntimeError(f"Shape mismatch: objects cannot be broadcast to a single shape: {shapes}")
                result[-i] = sizes[-i]
    return Size(result)


_default_device: list[Any] = [None]


def set_default_device(device: Any) -> None:
    """The device of tensors made without a device argument; None for the CPU."""
    from rushlight import overrides

    if _default_device[0] is not None:
        overrides._pop_device()
    _default_device[0] = None
    if device is not None and str(_C.device(device)) != "cpu":
        _default_device[0] = _C.device(device)
        overrides._push_device(_default_device[0])


def get_default_device() -> Any:
    """The device of tensors made without a device argument."""
    return _default_device[0] or _C.device("cpu")


def set_default_tensor_type(t: Any) -> None:
    """The old way to set the default dtype: by a tensor type or its name."""
    name = t if isinstance(t, str) else getattr(t, "__name__", str(t))
    kinds = {
        "FloatTensor": _C.float32,
        "DoubleTensor": _C.float64,
        "HalfTensor": _C.float16,
        "BFloat16Tensor": _C.bfloat16,
    }
    short = name.rsplit(".", 1)[-1]
    if short not in kinds:
        raise TypeError(f"only floating-point types are supported as the default type, not {name}")
    set_default_dtype(kinds[short])


def typename(obj: Any) -> str:
    """`torch.FloatTensor` and the like."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "") or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


# Settings that programs write and read. Every operator is deterministic, and float32 products are computed in float32.
_settings: dict[str, Any] = {
    "deterministic": False,
    "warn_only": False,
    "precision": "highest",
    "warn_always": False,
    "interop": 1,
}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Recorded for programs that ask; every operator is deterministic in any case."""
    _settings["deterministic"], _settings["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was told."""
    return _settings["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms was told."""
    return _settings["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error"."""
    modes = {"default": 0, "warn": 1, "error": 2, 0: 0, 1: 1, 2: 2}
    if debug_mode not in modes:
        raise RuntimeError(
            f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
        )
    level = modes[debug_mode]
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as set_deterministic_debug_mode takes it."""
    return 0 if not _settings["deterministic"] else 1 if _settings["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """ "highest", "high" or "medium" are recorded; products of float32 are computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"float32_matmul_precision must be one of highest, high, medium, not {precision}")
    _settings["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was told."""
    return _settings["precision"]


def set_warn_always(b: bool) -> None:
    """Recorded; Python's warning filters decide how often a warning shows."""
    _settings["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What set_warn_always was told."""
    return _settings["warn_always"]


def set_num_interop_threads(n: int) -> None:
    """Recorded; operators run one after the other."""
    if n <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _settings["interop"] = n


def get_num_interop_threads() -> int:
    """What set_num_interop_threads was told."""
    return _settings["interop"]


def set_flush_denormal(mode: bool) -> bool:
    """False: flushing of denormal numbers is not supported, results keep them."""
    return False


def sym_int(a: Any) -> int:
    """int(a), truncating."""
    return math.trunc(a)


def sym_float(a: Any) -> float:
    """float(a)."""
    return float(a)


def sym_not(a: Any) -> bool:
    """not a."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers; a float where either is one."""
    return float(max(a, b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers; a float where either is one."""
    return float(min(a, b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)
