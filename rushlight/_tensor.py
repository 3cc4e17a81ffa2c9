"""Methods of Tensor that are written in Python, and the functions that make tensors from other data.

They are attached to the native type: a Python subclass would make every result 45 ns dearer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from rushlight import _C
from rushlight._C import Tensor, dtype

_f = _C._functions


# ---------------------------------------------------------------- kinds
def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether obj is a storage."""
    from rushlight import storage

    return isinstance(obj, (storage.UntypedStorage, storage.TypedStorage))


# torch.FloatTensor and its like: classes to construct from sizes or data, and to ask isinstance
class _LegacyMeta(type):
    dtype: dtype

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor) and other.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return _legacy(cls.dtype, args)


def _legacy(kind: dtype, args: tuple) -> Tensor:
    if not args:
        return _f.empty(0, dtype=kind)
    first = args[0]
    if all(isinstance(a, int) and not isinstance(a, bool) for a in args):
        return _f.empty(*args, dtype=kind)
    if len(args) == 1 and isinstance(first, _C.Size):
        return _f.empty(first, dtype=kind)
    if len(args) == 1 and isinstance(first, Tensor):
        if first.dtype is not kind:
            raise TypeError(f"expected {kind} (got {first.dtype})")
        return first.detach()
    if len(args) == 1 and not isinstance(first, (float, complex, bool)):
        return _C.tensor(first, kind, None, False)
    raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")


def _legacy_new(cls: type, *args: Any, **kwargs: Any) -> Tensor:
    """torch.Tensor(2, 3), torch.Tensor([1, 2]): of the default dtype."""
    kwargs.pop("device", None)
    if "data" in kwargs:
        args = (kwargs.pop("data"), *args)
    if kwargs:
        raise TypeError(f"new() received an unexpected keyword argument '{next(iter(kwargs))}'")
    if len(args) == 1 and isinstance(args[0], Tensor):
        plain = args[0].detach()
    else:
        plain = _legacy(_C.get_default_dtype(), args)
    return plain if cls is Tensor else _C._make_subclass(cls, plain)


def _legacy_class(name: str, kind: dtype) -> type:
    return _LegacyMeta(name, (), {"dtype": kind, "__module__": "torch", "__doc__": f"Tensors of {kind}."})


FloatTensor = _legacy_class("FloatTensor", _C.float32)
DoubleTensor = _legacy_class("DoubleTensor", _C.float64)
HalfTensor = _legacy_class("HalfTensor", _C.float16)
BFloat16Tensor = _legacy_class("BFloat16Tensor", _C.bfloat16)
LongTensor = _legacy_class("LongTensor", _C.int64)
IntTensor = _legacy_class("IntTensor", _C.int32)
ShortTensor = _legacy_class("ShortTensor", _C.int16)
CharTensor = _legacy_class("CharTensor", _C.int8)
ByteTensor = _legacy_class("ByteTensor", _C.uint8)
BoolTensor = _legacy_class("BoolTensor", _C.bool)


# ---------------------------------------------------------------- methods
def _method(f: Callable) -> Callable:
    setattr(Tensor, f.__name__, f)
    return f


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    # Tensor.backward with arguments, or where modes or subclasses have a say.
    from rushlight import autograd, overrides

    if overrides.has_torch_function_unary(self):
        options = {"gradient": gradient, "retain_graph": retain_graph, "create_graph": create_graph, "inputs": inputs}
        return overrides.handle_torch_function(Tensor.backward, (self,), self, **options)
    return autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def _add_hook(hooks: dict, hook: Callable) -> Any:
    from rushlight.utils.hooks import RemovableHandle

    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


@_method
def register_hook(self: Tensor, hook: Callable) -> Any:
    """Calls hook(grad) whenever the gradient of self is computed; a tensor that it returns replaces the gradient."""
    return _add_hook(_C._tensor_hooks(self), hook)


@_method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> Any:
    """Calls hook(self) after a gradient was added to the leaf's `.grad`."""
    return _add_hook(_C._post_accumulate_hooks(self), hook)


@_method
def __rdiv__(self: Tensor, other: Any) -> Tensor:
    """other / self under its old name."""
    return self.reciprocal() * other


def _register_node_hook(self: _C.Node, fn: Callable) -> Any:
    """Calls fn(grad_inputs, grad_outputs) after the node; a tuple that it returns replaces grad_inputs."""
    return _add_hook(self._hooks("post"), fn)


def _register_node_prehook(self: _C.Node, fn: Callable) -> Any:
    """Calls fn(grad_outputs) before the node; a tuple that it returns replaces grad_outputs."""
    return _add_hook(self._hooks("pre"), fn)


_C.Node.register_hook, _C.Node.register_prehook = _register_node_hook, _register_node_prehook


@_method
def retain_grad(self: Tensor) -> None:
    """Keeps the gradient of this result in `.grad` too."""
    _C._retain_grad(self)


@_method
def detach_(self: Tensor) -> Tensor:
    """Cuts self off from its history, in place."""
    if self._base is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, it is not supported."
        )
    self._forget_history()
    return self


@_method
def as_subclass(self: Tensor, cls: type) -> Tensor:
    """self as an instance of a subclass, over the same memory and in the same graph."""
    return _C._as_subclass(cls, self)


Tensor._make_subclass = staticmethod(_C._make_subclass)  # type: ignore[attr-defined]


@_method
def __repr__(self: Tensor, *, tensor_contents: Any = None) -> str:
    from rushlight import _tensor_str

    return _tensor_str._str(self, tensor_contents=tensor_contents)


@_method
def __format__(self: Tensor, spec: str) -> str:
    if self.dim() == 0 and not self.is_meta and type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@_method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if self.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@_method
def __contains__(self: Tensor, element: Any) -> bool:
    if isinstance(element, (Tensor, int, float, complex, bool)):
        return bool((element == self).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


@_method
def __reversed__(self: Tensor) -> Tensor:
    return self if self.dim() == 0 else self.flip(0)


@_method
def __complex__(self: Tensor) -> complex:
    return complex(self.item())


@_method
def __deepcopy__(self: Tensor, memo: dict) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. If you were attempting to deepcopy a module, "
            "this may be because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(self) in memo:
        return memo[id(self)]
    storage = copy.deepcopy(self.untyped_storage(), memo) if not self.is_meta else None
    if storage is None:
        new = _f.empty_strided(self.size(), self.stride(), dtype=self.dtype, device="meta")
    else:
        new = _C._rebuild_tensor(storage, self.dtype, self.storage_offset(), self.size(), self.stride())
        if self.is_conj():
            new = new.conj()
        if self.is_neg():
            new = new._neg_view()
    if type(self) is not Tensor:
        new = _C._make_subclass(type(self), new)
    memo[id(self)] = new
    if self.requires_grad:
        new.requires_grad_(True)
    if self.grad is not None:
        new.grad = copy.deepcopy(self.grad, memo)
    if self.__dict__:
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return new


@_method
def __reduce_ex__(self: Tensor, protocol: Any) -> Any:
    from rushlight import _utils

    return _utils._reduce_tensor(self)


@_method
def __setstate__(self: Tensor, state: Any) -> None:
    if isinstance(state, dict):
        self.__dict__.update(state)
        return
    raise RuntimeError("__setstate__ of a Tensor takes its attributes; tensors are rebuilt by torch._utils")


@_method
def __array_wrap__(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
    if array.dtype == bool:
        array = array.astype("uint8")
    return _C.from_numpy(array) if array.ndim else _C.tensor(array.item(), None, None, False)


Tensor.__array_priority__ = 1000  # type: ignore[attr-defined]


@_method
def __dir__(self: Tensor) -> list[str]:
    return sorted(set(dir(type(self))) | set(self.__dict__))


@_method
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = _C.preserve_format
) -> Tensor:
    """Raises AssertionError: there is no CUDA."""
    raise AssertionError("Torch not compiled with CUDA enabled")


@_method
def new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A tensor of self's dtype from sizes or data."""
    return _legacy(self.dtype, args)


@_method
def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of data, of self's dtype unless told otherwise."""
    return _C.tensor(data, dtype or self.dtype, device, requires_grad)


@_method
def share_memory_(self: Tensor) -> Tensor:
    """Raises NotImplementedError: memory is not shared between processes."""
    raise NotImplementedError(
        "share_memory_() is not there: send tensors to other processes by pickling, which copies them"
    )


@_method
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Raises RuntimeError: there is no accelerator to pin memory for."""
    raise RuntimeError("Cannot access accelerator device when none is available. (pin_memory)")


@_method
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: memory is never pinned."""
    return False


@_method
def storage(self: Tensor) -> Any:
    """The storage with its dtype, as older programs use it."""
    from rushlight.storage import TypedStorage

    return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype, _internal=True)


@_method
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool = True) -> Tensor:
    """self, which is dense."""
    return self if dtype is None else self.to(dtype)


@_method
def apply_(self: Tensor, callable: Callable) -> Tensor:
    """Replaces each element by callable(element), in Python."""
    if self.requires_grad:
        raise TypeError("apply_ is only implemented on CPU tensors without gradients")
    flat = [callable(v) for v in self.reshape(-1).tolist()]
    self.copy_(_C.tensor(flat, self.dtype, None, False).reshape(self.shape))
    return self


@_method
def map_(self: Tensor, other: Tensor, callable: Callable) -> Tensor:
    """Replaces each element a by callable(a, b) with b of other, in Python."""
    others = other.expand(self.shape).reshape(-1).tolist()
    flat = [callable(a, b) for a, b in zip(self.reshape(-1).tolist(), others, strict=True)]
    self.copy_(_C.tensor(flat, self.dtype, None, False).reshape(self.shape))
    return self


@_method
def __torch_dispatch__(self: Tensor, *args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        "subclasses with __torch_dispatch__ are not supported: use utils._python_dispatch.TorchDispatchMode, or __torch_function__"
    )


def _torch_function(cls: type, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
    from rushlight import overrides

    return overrides._default_torch_function(cls, func, types, args, kwargs)


Tensor.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]


@property  # type: ignore[misc]
def _names(self: Tensor) -> tuple:
    return (None,) * self.dim()


def _layout_method(name: str) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        from rushlight.sparse import _methods

        return getattr(_methods, name)(self, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = "See rushlight.sparse: concerns tensors with a sparse layout."
    setattr(Tensor, name, method)


for _name in (
    "to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "coalesce", "is_coalesced", "indices", "values", "_indices", "_values",
    "_nnz", "sparse_dim", "crow_indices", "col_indices", "ccol_indices", "row_indices", "sparse_mask", "sparse_resize_", "sparse_resize_and_clear_", "narrow_copy",
):  # fmt: skip
    _layout_method(_name)
Tensor.names = _names  # type: ignore[attr-defined]
Tensor.__pos__ = lambda self: self  # type: ignore[attr-defined]


# ---------------------------------------------------------------- operators that are written like attributes
def _view_property(name: str) -> None:
    def get(self: Tensor) -> Tensor:
        return getattr(_f, name)(self)

    def set_part(self: Tensor, value: Any) -> None:
        getattr(_f, name)(self).copy_(value if isinstance(value, Tensor) else _C.tensor(value, None, None, False))

    setattr(Tensor, name, property(get, set_part, doc=f"torch.{name} of self; assigning writes into self."))


_view_property("real")
_view_property("imag")


def set_printoptions(*args: Any, **kwargs: Any) -> None:
    """How tensors print: precision, threshold, edgeitems, linewidth, profile, sci_mode."""
    from rushlight import _tensor_str

    _tensor_str.set_printoptions(*args, **kwargs)
