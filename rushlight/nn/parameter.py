"""Tensors that a module owns: `Parameter`, `Buffer`, and their forms whose shape is not known yet."""

from collections import OrderedDict
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight._C import _disabled_torch_function_impl

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "UninitializedTensorMixin"]


class _ParameterMeta(type(Tensor)):
    """Counts as a Parameter any tensor that says so by `_is_param`: one of another Tensor subclass."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module registers as one of its parameters when it is assigned to an attribute.

    `data` of a Tensor subclass keeps its class. Integer data needs `requires_grad=False`.
    """

    __torch_function__ = _disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> "Parameter":
        if data is None:
            data = rushlight.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        result = data.detach().requires_grad_(requires_grad)
        if type(result) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() "
                f"returns an instance of the same type, but return type {type(result).__name__} was found instead. "
                "To use the type as a Parameter, please correct the detach() semantics defined by "
                "its __torch_dispatch__() implementation."
            )
        result._is_param = True
        return result

    def __deepcopy__(self, memo: dict) -> "Parameter":
        known = memo.get(id(self))
        if known is None:
            known = type(self)(self.data.clone(memory_format=rushlight.preserve_format), self.requires_grad)
            memo[id(self)] = known
        return known

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto: int) -> tuple:
        from rushlight import _utils

        hooks: OrderedDict = OrderedDict()  # hooks are never part of a file
        attributes = {name: value for name, value in self.__dict__.items() if name != "_is_param"}
        if not attributes:
            return _utils._rebuild_parameter, (self.data, self.requires_grad, hooks)
        return _utils._rebuild_parameter_with_state, (self.data, self.requires_grad, hooks, attributes)


class _BufferMeta(type(Tensor)):
    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False):
            return True
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a module registers as a buffer when it is assigned to an attribute.

    The result has the class of `data`; a buffer that is not `persistent` stays out of the `state_dict`.
    """

    __torch_function__ = _disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:
        if data is None:
            data = rushlight.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


_UNKNOWN_SHAPE = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` "
    "when trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the "
    "parameters before accessing their attributes."
)


class UninitializedTensorMixin:
    """A tensor of known dtype and device, whose shape the first `forward` of a lazy module decides."""

    cls_to_become: type

    # What may be asked of a tensor without a shape: where it is, what it holds, and to be moved or converted.
    _allowed_methods = [
        getattr(Tensor, name)
        for name in (
            "__hash__", "size", "copy_", "is_complex", "is_floating_point", "half", "float", "double", "char", "short",
            "int", "long", "cuda", "cpu", "to", "get_device", "_has_compatible_shallow_copy_type", "bfloat16", "type",
            "requires_grad_", "detach", "new_empty",
        )
        if hasattr(Tensor, name)
    ]  # fmt: skip

    def materialize(
        self,
        shape: tuple[int, ...],
        device: "rushlight.device | str | None" = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        """Give the tensor its shape (and, if said, another device or dtype); its values are not initialised."""
        if device is None:
            device = self.data.device
        if dtype is None:
            dtype = self.data.dtype
        self.data = rushlight.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> tuple:
        raise RuntimeError(_UNKNOWN_SHAPE)

    def share_memory_(self) -> None:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto: int) -> tuple:
        return type(self), (self.requires_grad,)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        # Attribute reads (dtype, device, grad) arrive as the `__get__` of a descriptor and are harmless.
        if func in cls._allowed_methods or type(func).__name__ == "method-wrapper":
            # Not Parameter's, which is disabled: the call would come here again.
            return Tensor.__torch_function__.__func__(cls, func, types, args, kwargs or {})
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. This error happens when you are using a "
            "`LazyModule` or explicitly manipulating `torch.nn.parameter.UninitializedParameter` objects. When using "
            "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling torch functions"
        )


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter of a lazy module before its first `forward`."""

    cls_to_become = Parameter

    def __new__(
        cls,
        requires_grad: bool = True,
        device: "rushlight.device | str | None" = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> "UninitializedParameter":
        return Tensor._make_subclass(cls, rushlight.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict) -> "UninitializedParameter":
        known = memo.get(id(self))
        if known is None:
            known = type(self)(self.requires_grad, self.data.device, self.data.dtype)
            memo[id(self)] = known
        return known


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer of a lazy module before its first `forward`."""

    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: "rushlight.device | str | None" = None,
        dtype: "rushlight.dtype | None" = None,
        persistent: bool = True,
    ) -> "UninitializedBuffer":
        buffer = Tensor._make_subclass(cls, rushlight.empty(0, device=device, dtype=dtype), requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer
