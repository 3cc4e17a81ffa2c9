"""A reader of pickles that executes nothing: `weights_only` loading.

It is an interpreter of the pickle machine's codes in which the only things that can be named are those of a fixed
list (and what the user added to it), and the only things that can be called are the rebuilding functions and plain
containers of that list. It never imports a module.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import rushlight
from rushlight import Tensor, _utils, storage

_MARK = object()
# Modules whose names in a file can only mean an attack: worth another message.
_BLOCKED = {"sys", "os", "posix", "nt", "subprocess"}


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes: as text to be encoded."""
    if encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"bytes encoded as {encoding!r} are not expected")
    return text.encode("latin1")


def _layout(name: str) -> Any:
    return getattr(rushlight, name.removeprefix("torch."))


def _default_globals() -> dict[str, Any]:
    """What a file may name, by the name that PyTorch gives it."""
    from rushlight.nn.parameter import Parameter

    names: dict[str, Any] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.set": set,
        "builtins.complex": complex,
        "builtins.bytearray": bytearray,
        "__builtin__.set": set,
        "__builtin__.complex": complex,
        "__builtin__.bytearray": bytearray,
        "_codecs.encode": _encode,
        "torch.Size": rushlight.Size,
        "torch.Tensor": Tensor,
        "torch.device": rushlight.device,
        "torch.nn.parameter.Parameter": Parameter,
        "torch.serialization._get_layout": _layout,
        "torch.storage.UntypedStorage": storage.UntypedStorage,
        "torch.storage.TypedStorage": storage.TypedStorage,
        "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    }
    for function in (
        _utils._rebuild_tensor,
        _utils._rebuild_tensor_v2,
        _utils._rebuild_tensor_v3,
        _utils._rebuild_parameter,
        _utils._rebuild_parameter_with_state,
        _utils._rebuild_meta_tensor_no_storage,
        _utils._rebuild_sparse_tensor,
    ):
        names["torch._utils." + function.__name__] = function
    for name, cls in storage._LEGACY_CLASSES.items():
        names["torch." + name] = cls
    for name in dir(rushlight):
        value = vars(rushlight).get(name)
        if isinstance(value, rushlight.dtype):
            names["torch." + name] = value
    return names


def _full_name(obj: Any) -> str:
    module = getattr(obj, "__module__", None) or type(obj).__module__
    if module == "rushlight" or module.startswith("rushlight."):
        module = "torch" + module[len("rushlight") :]
    return f"{module}.{getattr(obj, '__qualname__', None) or type(obj).__qualname__}"


class WeightsUnpickler:
    """Reads one pickle from `file`. `safe` are further globals that may be named: objects or (object, name) pairs."""

    def __init__(self, file: BinaryIO, persistent_load: Callable[[Any], Any], safe: list[Any]) -> None:
        self.file = file
        self.persistent_load = persistent_load
        self.user = {(entry[1] if isinstance(entry, tuple) else _full_name(entry)): entry for entry in safe}
        self.user = {name: entry[0] if isinstance(entry, tuple) else entry for name, entry in self.user.items()}
        self.names = _default_globals()
        self.callables = {id(value) for value in self.names.values() if callable(value)}
        self.callables |= {id(value) for value in self.user.values()}
        self.memo: dict[int, Any] = {}
        self.stack: list[Any] = []

    def load(self) -> Any:
        """Return the object, or raise UnpicklingError."""
        start = self.file.read(1)
        if not start:
            raise EOFError("Ran out of input")
        code = start
        try:
            while code != b".":
                action = _ACTIONS.get(code)
                if action is None:
                    raise UnpicklingError(f"Unsupported operand {code[0] if code else 'at the end of the data'}")
                action(self)
                code = self.file.read(1)
            return self.stack.pop()
        except UnpicklingError:
            raise
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error, OverflowError) as error:
            raise UnpicklingError(f"the data is damaged: {type(error).__name__}: {error}") from error

    # ---- helpers
    def exactly(self, n: int) -> bytes:
        data = self.file.read(n)
        if len(data) != n:
            raise UnpicklingError("the data ends too early")
        return data

    def line(self) -> str:
        text = self.file.readline()
        if not text.endswith(b"\n"):
            raise UnpicklingError("the data ends too early")
        return text[:-1].decode("utf-8")

    def to_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise UnpicklingError("a mark is missing")

    def find(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        for key in (full, name if module in ("builtins", "__builtin__") else full):
            if key in self.user:
                return self.stack.append(self.user[key])
        if full in self.names:
            return self.stack.append(self.names[full])
        if module.partition(".")[0] in _BLOCKED:
            raise UnpicklingError(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
        shown = name if module in ("builtins", "__builtin__") else full
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {shown} was not an allowed global by default. "
            f"Please use `torch.serialization.add_safe_globals([{shown}])` or the "
            f"`torch.serialization.safe_globals([{shown}])` context manager to allowlist this global if you trust this "
            "class/function."
        )

    def call(self, function: Any, args: Any) -> None:
        if id(function) not in self.callables or isinstance(function, rushlight.dtype):
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {function}")
        if not isinstance(args, tuple):
            raise UnpicklingError(f"the arguments of {function} are no tuple")
        if function is _utils._rebuild_from_type_v2 and id(args[0]) not in self.callables:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {args[0]}")
        self.stack.append(function(*args))

    def build(self) -> None:
        state = self.stack.pop()
        instance = self.stack[-1]
        kind = type(instance)
        if kind is OrderedDict:
            instance.__dict__.update(state)
        elif isinstance(instance, Tensor):
            _utils._set_obj_state(instance, state)
        elif _full_name(kind) in self.user or any(kind is value for value in self.user.values()):
            if hasattr(instance, "__setstate__"):
                instance.__setstate__(state)
            else:
                _utils._set_obj_state(instance, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {kind}"
            )

    def new_object(self) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        if cls is Tensor or not isinstance(cls, type) or id(cls) not in self.callables:
            raise UnpicklingError(f"Trying to create new object for unrecognized class {cls}")
        self.stack.append(cls.__new__(cls, *args))

    def memoize(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise UnpicklingError(f"items for a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise UnpicklingError(f"Can only add items to sets, but got {type(target)}")
        target.update(items)

    def last(self, n: int) -> tuple:
        if len(self.stack) < n:
            raise UnpicklingError("the stack is empty")
        items = tuple(self.stack[-n:])
        del self.stack[-n:]
        return items


def _push(value: Callable[[WeightsUnpickler], Any]) -> Callable[[WeightsUnpickler], None]:
    return lambda u: u.stack.append(value(u))


def _number(form: str) -> Callable[[WeightsUnpickler], int]:
    size = struct.calcsize(form)
    return lambda u: struct.unpack(form, u.exactly(size))[0]


_u8, _u16, _i32, _u32, _u64 = (_number(form) for form in ("<B", "<H", "<i", "<I", "<Q"))
_ACTIONS: dict[bytes, Callable[[WeightsUnpickler], Any]] = {
    b"\x80": lambda u: u.exactly(1),  # protocol
    b"\x95": lambda u: u.exactly(8),  # frame
    b"(": _push(lambda u: _MARK),
    b"0": lambda u: u.stack.pop(),
    b"N": _push(lambda u: None),
    b"\x88": _push(lambda u: True),
    b"\x89": _push(lambda u: False),
    b"K": _push(_u8),
    b"M": _push(_u16),
    b"J": _push(_i32),
    b"\x8a": _push(lambda u: int.from_bytes(u.exactly(_u8(u)), "little", signed=True)),
    b"G": _push(_number(">d")),
    b"X": _push(lambda u: u.exactly(_u32(u)).decode("utf-8", "surrogatepass")),
    b"\x8c": _push(lambda u: u.exactly(_u8(u)).decode("utf-8", "surrogatepass")),
    b"\x8d": _push(lambda u: u.exactly(_u64(u)).decode("utf-8", "surrogatepass")),
    b"U": _push(lambda u: u.exactly(_u8(u)).decode("latin1")),
    b"C": _push(lambda u: u.exactly(_u8(u))),
    b"B": _push(lambda u: u.exactly(_u32(u))),
    b"\x8e": _push(lambda u: u.exactly(_u64(u))),
    b"\x96": _push(lambda u: bytearray(u.exactly(_u64(u)))),
    b"}": _push(lambda u: {}),
    b"]": _push(lambda u: []),
    b")": _push(lambda u: ()),
    b"\x8f": _push(lambda u: set()),
    b"t": _push(lambda u: tuple(u.to_mark())),
    b"\x85": _push(lambda u: u.last(1)),
    b"\x86": _push(lambda u: u.last(2)),
    b"\x87": _push(lambda u: u.last(3)),
    b"a": lambda u: (lambda item: u.extend([item]))(u.stack.pop()),
    b"e": lambda u: u.extend(u.to_mark()),
    b"\x90": lambda u: u.add_items(u.to_mark()),
    b"s": lambda u: u.set_items(list(u.last(2))),
    b"u": lambda u: u.set_items(u.to_mark()),
    b"q": lambda u: u.memoize(_u8(u)),
    b"r": lambda u: u.memoize(_u32(u)),
    b"\x94": lambda u: u.memoize(len(u.memo)),
    b"h": _push(lambda u: u.memo[_u8(u)]),
    b"j": _push(lambda u: u.memo[_u32(u)]),
    b"Q": _push(lambda u: u.persistent_load(u.stack.pop())),
    b"c": lambda u: u.find(u.line(), u.line()),
    b"\x93": lambda u: u.find(*u.last(2)),
    b"R": lambda u: u.call(*u.last(2)),
    b"b": lambda u: u.build(),
    b"\x81": lambda u: u.new_object(),
}


def unsafe_globals(data: bytes, safe: list[Any]) -> list[str]:
    """The names in a pickle that `WeightsUnpickler` would refuse."""
    import pickletools

    known = _default_globals().keys() | {entry[1] if isinstance(entry, tuple) else _full_name(entry) for entry in safe}
    found, texts = [], []
    for code, argument, _ in pickletools.genops(data):
        if isinstance(argument, str) and code.name != "GLOBAL":
            texts.append(argument)
        if code.name == "GLOBAL":
            full = argument.replace(" ", ".")
        elif code.name == "STACK_GLOBAL":
            full = ".".join(texts[-2:])
        else:
            continue
        if full not in known:
            found.append(full)
    return found
