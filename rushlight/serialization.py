"""Saving and loading in PyTorch's files: zip archives, and the older stream of pickles for reading.

An archive `name/` holds `data.pkl`, a pickle in which storages are named by numbers, and each storage's bytes as
`data/<number>`, uncompressed and at multiples of 64 bytes. Pickles name the classes `torch.…`, so that files exchange.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import IO, Any, TypeAlias

import rushlight
from rushlight import _archive, _utils, storage  # _archive loads when it is used
from rushlight._weights_unpickler import WeightsUnpickler, unsafe_globals
from rushlight.storage import TypedStorage, UntypedStorage

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "get_default_load_endianness",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
    "set_default_load_endianness",
]

FILE_LIKE: TypeAlias = str | os.PathLike[str] | IO[bytes]
MAP_LOCATION: TypeAlias = Callable[[Any, str], Any] | str | dict[str, str] | Any | None
DEFAULT_PROTOCOL = 2
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_DOCUMENTATION = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with weights_only "
    "https://pytorch.org/docs/stable/generated/torch.load.html."
)
_CONSEQUENCE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from `False` to "
    "`True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in "
    "arbitrary code execution. Do it only if you got the file from a trusted source."
)


class SourceChangeWarning(Warning):
    """The source of a loaded class is not what it was when it was saved."""


class LoadEndianness(Enum):
    """In which byte order a file without the record of it is read."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_load_endianness: LoadEndianness | None = None
_safe_globals: list[Any] = []


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order in which a file that does not say it is read; None is little."""
    return _load_endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order in which a file that does not say it is read."""
    global _load_endianness
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _load_endianness = endianness


# ---- what weights_only loading may name
def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let `load` with `weights_only` name and call these functions and classes, or (function, "module.name") pairs."""
    _safe_globals.extend(entry for entry in safe_globals if entry not in _safe_globals)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` added."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` added."""
    _safe_globals.clear()


class safe_globals:  # noqa: N801  (PyTorch's name)
    """`add_safe_globals` for a `with` block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.added = safe_globals

    def __enter__(self) -> None:
        self.before = list(_safe_globals)
        add_safe_globals(self.added)

    def __exit__(self, *exc: Any) -> None:
        _safe_globals[:] = self.before


def get_unsafe_globals_in_checkpoint(f: FILE_LIKE) -> list[str]:
    """The names in a file that `load` with `weights_only` would refuse."""
    with _opened(f, "rb") as file:
        if not _is_zip(file):
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            )
        with _archive.Archive(file) as archive:
            return unsafe_globals(archive.read("data.pkl"), _safe_globals)


# ---- names
def _public_module(module: str) -> str:
    """The module that PyTorch's files name for one of ours."""
    return "torch" + module[len("rushlight") :] if module == "rushlight" or module.startswith("rushlight.") else module


_PLACES = {  # functions that PyTorch keeps elsewhere
    _utils._rebuild_from_type_v2: "torch._tensor",
}


def _find_global(module: str, name: str) -> Any:
    """Our object for a name in a file."""
    if module == "torch" and name in storage._LEGACY_CLASSES:
        return storage._LEGACY_CLASSES[name]
    if module == "torch._tensor" and name == "_rebuild_from_type_v2":
        return _utils._rebuild_from_type_v2
    if module == "torch.serialization" and name == "_get_layout":
        return _get_layout
    if module == "torch" or module.startswith("torch."):
        module = "rushlight" + module[len("torch") :]
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _get_layout(name: str) -> Any:
    return getattr(rushlight, name.removeprefix("torch."))


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]  # the Python one: it lets names be changed
    """Writes PyTorch's names, and storages as numbers in the order in which they come."""

    def __init__(self, file: IO[bytes], protocol: int, legacy: bool = False) -> None:
        super().__init__(file, protocol)
        self.legacy = legacy
        self.storages: dict[int, Any] = {}  # by address of the core's object
        self.keys: dict[int, str] = {}

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a class or a function by its name."""
        name = name or getattr(obj, "__qualname__", None) or obj.__name__
        module = _PLACES.get(obj) if callable(obj) and obj.__hash__ else None
        module = module or _public_module(pickle.whichmodule(obj, name))
        if not (module == "torch" or module.startswith("torch.")):
            super().save_global(obj, name)
            return
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def reducer_override(self, obj: Any) -> Any:
        """Our types and functions by their names (see `save_global`), and values of the core as PyTorch writes them."""
        if isinstance(obj, type | types.FunctionType) and _public_module(obj.__module__ or "").startswith("torch"):
            return obj.__qualname__
        if isinstance(obj, rushlight.dtype | rushlight.memory_format):
            return str(obj).removeprefix("torch.")
        if isinstance(obj, rushlight.layout):
            return _get_layout, (str(obj),)
        if isinstance(obj, rushlight.device):
            return _utils._reduce_device(obj)
        return NotImplemented

    def persistent_id(self, obj: Any) -> Any:
        """The description of a storage; None for everything else."""
        if isinstance(obj, TypedStorage):
            untyped = obj.untyped()
            kind = storage._CLASS_OF_DTYPE.get(obj.dtype, UntypedStorage)
            count = len(obj)
        elif isinstance(obj, UntypedStorage):
            untyped, kind, count = obj, UntypedStorage, obj.nbytes()
        else:
            return None
        identity = untyped._cdata
        if identity not in self.keys:
            self.keys[identity] = str(identity if self.legacy else len(self.keys))
            self.storages[identity] = (untyped, kind)
        key = ("storage", kind, self.keys[identity], str(untyped.device), count)
        return (*key, None) if self.legacy else key


# ---- saving
def save(
    obj: object,
    f: FILE_LIKE,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object, with the tensors in it, to a file. Tensors that share memory share it after loading, too."""
    if pickle_module is not pickle:
        raise NotImplementedError(
            "save() with another pickle_module is not supported: Rushlight writes its own pickles"
        )
    if not isinstance(f, str | os.PathLike) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    name = "archive"
    if isinstance(f, str | os.PathLike):
        parent = os.path.dirname(os.path.realpath(f))
        name = os.path.splitext(os.path.basename(f))[0]
        if not os.path.isdir(parent):
            raise RuntimeError(f"Parent directory {parent} does not exist.")
    buffer = io.BytesIO()
    if not _use_new_zipfile_serialization:
        _write_legacy(obj, buffer, pickle_protocol)
        with _opened(f, "wb") as file:
            file.write(buffer.getvalue())
        return
    pickler = _Pickler(buffer, pickle_protocol)
    pickler.dump(obj)
    with _opened(f, "wb") as file:
        target = file if hasattr(file, "flush") else io.BytesIO()  # zipfile flushes what it writes to
        _write_archive(target, name, buffer.getvalue(), pickler, not _disable_byteorder_record)
        if target is not file:
            file.write(target.getvalue())
        else:
            file.flush()


@contextmanager
def _opened(f: FILE_LIKE, mode: str) -> Iterator[Any]:
    if isinstance(f, str | os.PathLike):
        with open(f, mode) as file:
            yield file
    else:
        yield f


def _write_archive(file: IO[bytes], name: str, data: bytes, pickler: _Pickler, byteorder: bool) -> None:
    records: list[tuple[str, Any]] = [("data.pkl", data), (".format_version", b"1")]
    records.append((".storage_alignment", str(_archive.ALIGNMENT).encode()))
    if byteorder:
        records.append(("byteorder", sys.byteorder.encode()))
    for identity, (untyped, _) in pickler.storages.items():
        content = memoryview(untyped).cast("B") if untyped.nbytes() else b""
        records.append((f"data/{pickler.keys[identity]}", content))
    records.append(("version", b"3\n"))
    _archive.write(file, name, records)


def _system_info() -> dict[str, Any]:
    return {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }


def _write_legacy(obj: object, file: IO[bytes], protocol: int) -> None:
    """The stream of pickles: magic number, version, system, object, list of storages; then each storage."""
    for part in (MAGIC_NUMBER, PROTOCOL_VERSION, _system_info()):
        pickle.dump(part, file, protocol=protocol)
    pickler = _Pickler(file, protocol, legacy=True)
    pickler.dump(obj)
    pickle.dump(sorted(pickler.keys.values()), file, protocol=protocol)
    for _, (untyped, kind) in sorted(pickler.storages.items(), key=lambda item: pickler.keys[item[0]]):
        itemsize = 1 if kind is UntypedStorage else kind.dtype.itemsize
        file.write(struct.pack("<q", untyped.nbytes() // itemsize))
        if untyped.nbytes():
            file.write(memoryview(untyped).cast("B"))


def _storage_to_bytes(obj: Any) -> bytes:
    """A storage as a file: what a plain pickle of a tensor holds."""
    buffer = io.BytesIO()
    _write_legacy(obj, buffer, DEFAULT_PROTOCOL)
    return buffer.getvalue()


# ---- loading
def load(
    f: FILE_LIKE,
    map_location: MAP_LOCATION = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save`, or PyTorch, wrote.

    With `weights_only`, the default, only tensors, plain containers and what `add_safe_globals` allows are made, and
    nothing in the file is executed; else the file can make Python run anything. `mmap` maps the file, whose parts are
    read when they are used, instead of reading it. `map_location` says where storages go.
    """
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only is None:
        weights_only = pickle_module is None and os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD") != "1"
    if not isinstance(f, str | os.PathLike) and not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(
            f"{type(f).__name__!r} object has no attribute 'seek'. You can only torch.load from a file that is "
            "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
        )
    if mmap and not isinstance(f, str | os.PathLike):
        raise ValueError("f must be a string filename in order to use mmap argument")
    unpickle = _unpickler_of(weights_only, pickle_load_args)
    with _opened(f, "rb") as file:
        if _is_zip(file):
            with _archive.Archive(file, map_path=f if mmap else None) as archive:  # type: ignore[arg-type]
                return _load_archive(archive, map_location, unpickle, weights_only)
        if mmap:
            raise RuntimeError(
                "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True), "
                "please torch.save your checkpoint with this option in order to use mmap."
            )
        return _load_legacy(file, map_location, unpickle)


def _unpickler_of(weights_only: bool, load_args: dict[str, Any]) -> Callable[[IO[bytes], Callable], Any]:
    """The function that reads one pickle from a file, given what to do with storages."""

    def careful(file: IO[bytes], persistent_load: Callable) -> Any:
        try:
            return WeightsUnpickler(file, persistent_load, _safe_globals).load()
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(_refusal(str(error))) from None

    def trusting(file: IO[bytes], persistent_load: Callable) -> Any:
        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                return _find_global(*_renamed(module, name))

        Unpickler.persistent_load = staticmethod(persistent_load)  # type: ignore[assignment,method-assign]
        return Unpickler(file, **load_args).load()

    return careful if weights_only else trusting


def _renamed(module: str, name: str) -> tuple[str, str]:
    """Names of Python 2, which protocol 2 writes, as they are today."""
    import _compat_pickle

    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _refusal(reason: str) -> str:
    if "is blocked" in reason:
        return f"Weights only load failed. {_CONSEQUENCE}\n\n\n{reason}{_DOCUMENTATION}"
    return (
        "Weights only load failed. This file can still be loaded, to do so you have two options, "
        "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. "
        f"\n\t(1) {_CONSEQUENCE}"
        "\n\t(2) Alternatively, to load with `weights_only=True` please check the recommended steps in the following "
        f"error message.\n\tWeightsUnpickler error: {reason}{_DOCUMENTATION}"
    )


def _is_zip(file: IO[bytes]) -> bool:
    at = file.tell()
    start = file.read(4)
    file.seek(at)
    return start == b"PK\x03\x04"


def _load_archive(archive: _archive.Archive, map_location: MAP_LOCATION, unpickle: Callable, weights_only: bool) -> Any:
    if archive.has("constants.pkl"):
        raise NotImplementedError(
            "this file is a TorchScript archive, which Rushlight cannot run; save the model's state_dict() in PyTorch "
            "and load that"
        )
    swap = _needs_swap(archive)
    restore = _restorer(map_location)
    loaded: dict[str, Any] = {}

    def persistent_load(description: Any) -> TypedStorage:
        dtype, key, location, nbytes = _described(description)
        if key not in loaded:
            untyped = archive.storage(f"data/{key}", nbytes)
            if swap:
                _swap_bytes(untyped, dtype)
            loaded[key] = restore(untyped, location)
        return TypedStorage(wrap_storage=loaded[key], dtype=dtype, _internal=True)

    return unpickle(io.BytesIO(archive.read("data.pkl")), persistent_load)


def _described(description: Any) -> tuple[Any, str, str, int]:
    """dtype, key, location and bytes of a storage, from its persistent id."""
    if not isinstance(description, tuple) or len(description) < 5 or description[0] != "storage":
        raise pickle.UnpicklingError(
            f"Unknown typename for persistent_load, expected 'storage' but got {description!r}"
        )
    _, kind, key, location, count = description[:5]
    dtype = rushlight.uint8 if kind is UntypedStorage else getattr(kind, "dtype", None)
    if not isinstance(dtype, rushlight.dtype) or not isinstance(count, int) or count < 0:
        raise pickle.UnpicklingError(f"the description of a storage is damaged: {description!r}")
    return dtype, str(key), str(location), count * dtype.itemsize


def _needs_swap(archive: _archive.Archive) -> bool:
    if archive.has("byteorder"):
        order = archive.read("byteorder").decode()
        if order not in ("little", "big"):
            raise ValueError("Unknown endianness type: " + order)
    else:
        default = _load_endianness or LoadEndianness.LITTLE
        order = sys.byteorder if default is LoadEndianness.NATIVE else default.name.lower()
    return order != sys.byteorder


def _swap_bytes(untyped: UntypedStorage, dtype: Any) -> None:
    import numpy

    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    if width > 1 and untyped.nbytes():
        numpy.frombuffer(memoryview(untyped), dtype=f"u{width}").byteswap(inplace=True)


def _restorer(map_location: MAP_LOCATION) -> Callable[[UntypedStorage, str], Any]:
    """The function from a storage and the location in the file to the storage where it belongs."""
    if map_location is None:
        return _place
    if isinstance(map_location, dict):
        return lambda untyped, location: _place(untyped, map_location.get(location, location))
    if isinstance(map_location, str | bytes):
        where = map_location if isinstance(map_location, str) else map_location.decode()
        return lambda untyped, location: _place(untyped, where)
    if isinstance(map_location, rushlight.device):
        return lambda untyped, location: _place(untyped, str(map_location))

    def by_function(untyped: UntypedStorage, location: str) -> Any:
        result = map_location(untyped, location)
        return _place(untyped, location) if result is None else result

    return by_function


def _place(untyped: UntypedStorage, location: str) -> UntypedStorage:
    if location.split(":")[0] == "cpu":
        return untyped
    if location == "meta":
        return UntypedStorage(untyped.nbytes(), device="meta")
    if location.startswith("cuda"):
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        )
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
    )


def _load_legacy(file: IO[bytes], map_location: MAP_LOCATION, unpickle: Callable) -> Any:
    restore = _restorer(map_location)
    loaded: dict[str, Any] = {}
    dtypes: dict[str, Any] = {}

    def no_storages(_: Any) -> Any:
        raise pickle.UnpicklingError("a storage is not expected here")

    def persistent_load(description: Any) -> Any:
        if isinstance(description, tuple) and description and description[0] == "module":
            return description[1]  # a class with its source beside it
        dtype, key, location, nbytes = _described(description)
        if key not in loaded:
            _check_room(file, nbytes)
            loaded[key] = restore(UntypedStorage(nbytes), location)
            dtypes[key] = dtype
        if len(description) > 5 and description[5] is not None:
            _, offset, count = description[5]
            part = loaded[key][offset * dtype.itemsize : (offset + count) * dtype.itemsize]
            return TypedStorage(wrap_storage=part, dtype=dtype, _internal=True)
        return TypedStorage(wrap_storage=loaded[key], dtype=dtype, _internal=True)

    if unpickle(file, no_storages) != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = unpickle(file, no_storages)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    unpickle(file, no_storages)  # the system that wrote it
    result = unpickle(file, persistent_load)
    for key in unpickle(file, no_storages):
        if key not in loaded:
            raise RuntimeError(f"the file lists a storage {key} that nothing in it uses")
        file.read(8)  # the number of elements, which the description gave
        untyped = loaded[key]
        if untyped.nbytes() and untyped.device.type == "cpu":
            data = file.read(untyped.nbytes())
            if len(data) != untyped.nbytes():
                raise RuntimeError(f"the file ends within the storage {key}")
            memoryview(untyped).cast("B")[:] = data
    return result


def _check_room(file: IO[bytes], nbytes: int) -> None:
    """A damaged file must not make us ask for more memory than it could fill."""
    at = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(at)
    if nbytes > end:
        raise RuntimeError(f"the file has {end} bytes, but a storage in it needs {nbytes}")
