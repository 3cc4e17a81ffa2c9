"""Storages: the memory behind tensors. `UntypedStorage` is bytes; `TypedStorage` and its named forms are old."""

import warnings
from typing import Any

import rushlight
from rushlight import _C, Tensor
from rushlight._C import UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]

_DEPRECATED = (
    "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage class. "
    "This should only matter to you if you are using storages directly.  To access UntypedStorage directly, use "
    "tensor.untyped_storage() instead of tensor.storage()"
)


class TypedStorage:
    """A storage whose elements have a dtype: of `wrap_storage`, of a length, or of values."""

    dtype: "rushlight.dtype"

    def __init__(self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None, _internal=False):
        if not _internal:
            warnings.warn(_DEPRECATED, UserWarning, stacklevel=2)
        if dtype is not None:
            self.dtype = dtype
        elif not hasattr(self, "dtype"):
            self.dtype = rushlight.get_default_dtype()
        if wrap_storage is not None:
            self._untyped = wrap_storage
        elif args and not isinstance(args[0], int):
            self._untyped = rushlight.tensor(args[0], dtype=self.dtype).untyped_storage()
        else:
            self._untyped = UntypedStorage((args[0] if args else 0) * self.dtype.itemsize)

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped

    _untyped_storage = property(untyped)

    @property
    def device(self) -> "rushlight.device":
        """Where the memory is."""
        return self._untyped.device

    def _tensor(self) -> Tensor:
        """A tensor over the whole memory."""
        return _C._rebuild_tensor(self._untyped, self.dtype, 0, (len(self),), (1,))

    def __len__(self) -> int:
        return self._untyped.nbytes() // self.dtype.itemsize

    def __getitem__(self, index: Any) -> Any:
        value = self._tensor()[index]
        return value.item() if value.dim() == 0 else type(self)._of(value.clone())

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor()[index] = value

    @staticmethod
    def _of(tensor: Tensor) -> "TypedStorage":
        return TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True)

    def size(self) -> int:
        """The number of elements."""
        return len(self)

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped.nbytes()

    def element_size(self) -> int:
        """The number of bytes of an element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address."""
        return self._untyped.data_ptr()

    def tolist(self) -> list:
        """The elements as a list."""
        return self._tensor().tolist()

    def clone(self) -> "TypedStorage":
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped.clone(), dtype=self.dtype, _internal=True)

    def copy_(self, source: "TypedStorage", non_blocking: bool | None = None) -> "TypedStorage":
        """Take the values of another storage of this length."""
        self._tensor().copy_(source._tensor())
        return self

    def fill_(self, value: Any) -> "TypedStorage":
        """Set every element."""
        self._tensor().fill_(value)
        return self

    def resize_(self, size: int) -> None:
        """Change the number of elements, keeping the common part."""
        self._untyped.resize_(size * self.dtype.itemsize)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{lines}[{kind} of size {len(self)}]"

    def __deepcopy__(self, memo: dict) -> "TypedStorage":
        return self.clone()

    def __reduce__(self) -> tuple:
        return _load_from_bytes, (rushlight.serialization._storage_to_bytes(self),)


class _LegacyStorage(TypedStorage):
    """A typed storage whose class says the dtype."""


def _named_storage(name: str, dtype: "rushlight.dtype") -> type:
    return type(name, (_LegacyStorage,), {"dtype": dtype, "__module__": "rushlight"})


# What files call the storages of each dtype. The dtypes that are not here are younger than these names.
_LEGACY_NAMES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}
_LEGACY_CLASSES = {name: _named_storage(name, getattr(rushlight, dtype)) for name, dtype in _LEGACY_NAMES.items()}
_CLASS_OF_DTYPE = {cls.dtype: cls for cls in _LEGACY_CLASSES.values()}
globals().update(_LEGACY_CLASSES)
Storage = TypedStorage


def _load_from_bytes(b: bytes) -> Any:
    """What a pickled storage calls: reads the file in the bytes. The pickle that holds them was trusted already."""
    import io

    return rushlight.serialization.load(io.BytesIO(b), weights_only=False)
