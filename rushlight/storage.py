"""The memory behind tensors, as Python sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rushlight import _C
from rushlight._C import Tensor, UntypedStorage, dtype

__all__ = ["TypedStorage", "UntypedStorage"]


class TypedStorage:
    """A storage together with a dtype, as older programs and files use it."""

    dtype: dtype

    def __init__(self, *args: Any, wrap_storage: UntypedStorage | None = None, dtype: dtype | None = None, device: Any = None, _internal: bool = False) -> None:
        self.dtype = dtype or getattr(type(self), "dtype", None) or _C.get_default_dtype()
        if wrap_storage is not None:
            self._untyped_storage = wrap_storage
        elif len(args) == 1 and not isinstance(args[0], int):
            self._untyped_storage = _C.tensor(list(args[0]), self.dtype, None, False).untyped_storage()
        else:
            self._untyped_storage = _C.UntypedStorage((args[0] if args else 0) * self.dtype.itemsize)

    def untyped(self) -> UntypedStorage:
        """The memory without a dtype."""
        return self._untyped_storage

    def _tensor(self) -> Tensor:
        n = self.size()
        return _C._rebuild_tensor(self._untyped_storage, self.dtype, 0, (n,), (1,))

    def size(self) -> int:
        """Number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._untyped_storage.data_ptr()

    def tolist(self) -> list:
        """The elements."""
        return self._tensor().tolist()

    def __getitem__(self, i: Any) -> Any:
        found = self._tensor()[i]
        return found.item() if isinstance(i, int) else found.tolist()

    def __setitem__(self, i: Any, value: Any) -> None:
        self._tensor()[i] = value

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def copy_(self, source: Any, non_blocking: bool | None = None) -> TypedStorage:
        """Takes over the elements of another storage of this size."""
        self._tensor().copy_(source._tensor())
        return self

    def fill_(self, value: Any) -> TypedStorage:
        """Sets every element."""
        self._tensor().fill_(value)
        return self

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._tensor().clone().untyped_storage(), dtype=self.dtype)

    @property
    def device(self) -> Any:
        """Where the memory is: the CPU."""
        return _C.device("cpu")

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def __repr__(self) -> str:
        lines = "\n".join(f" {v}" for v in self.tolist())
        return f"{lines}\n[{type(self).__name__}(dtype={self.dtype}, device=cpu) of size {self.size()}]"


class _LegacyStorageMeta(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return type.__instancecheck__(cls, other) or (isinstance(other, TypedStorage) and other.dtype is cls.dtype)


def _legacy(name: str, kind: dtype) -> type:
    return _LegacyStorageMeta(name, (TypedStorage,), {"dtype": kind, "__module__": "torch", "__doc__": f"A storage of {kind}."})


FloatStorage = _legacy("FloatStorage", _C.float32)
DoubleStorage = _legacy("DoubleStorage", _C.float64)
HalfStorage = _legacy("HalfStorage", _C.float16)
BFloat16Storage = _legacy("BFloat16Storage", _C.bfloat16)
LongStorage = _legacy("LongStorage", _C.int64)
IntStorage = _legacy("IntStorage", _C.int32)
ShortStorage = _legacy("ShortStorage", _C.int16)
CharStorage = _legacy("CharStorage", _C.int8)
ByteStorage = _legacy("ByteStorage", _C.uint8)
BoolStorage = _legacy("BoolStorage", _C.bool)
ComplexFloatStorage = _legacy("ComplexFloatStorage", _C.complex64)
ComplexDoubleStorage = _legacy("ComplexDoubleStorage", _C.complex128)
Storage = FloatStorage
