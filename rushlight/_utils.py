"""What files call to make tensors again. The names, and the order of the arguments, are those of PyTorch's files."""

import copyreg
from collections import OrderedDict
from typing import Any

import rushlight
from rushlight import _C, Tensor

__all__: list[str] = []


def _rebuild_tensor(storage: Any, storage_offset: int, size: tuple, stride: tuple) -> Tensor:
    return _C._rebuild_tensor(storage.untyped(), storage.dtype, storage_offset, tuple(size), tuple(stride))


def _with_bits(tensor: Tensor, metadata: dict | None) -> Tensor:
    """Set the lazy conjugation and negation that a file records."""
    if metadata and metadata.get("conj"):
        tensor = tensor.conj()
    if metadata and metadata.get("neg"):
        tensor = tensor._neg_view()
    return tensor


def _rebuild_tensor_v2(
    storage: Any,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: dict | None = None,
) -> Tensor:
    tensor = _with_bits(_rebuild_tensor(storage, storage_offset, size, stride), metadata)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_tensor_v3(
    storage: Any,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: "rushlight.dtype",
    metadata: dict | None = None,
) -> Tensor:
    tensor = _C._rebuild_tensor(storage.untyped(), dtype, storage_offset, tuple(size), tuple(stride))
    tensor = _with_bits(tensor, metadata)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Tensor:
    return rushlight.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Tensor:
    parameter = rushlight.nn.Parameter(data, requires_grad)
    return _set_obj_state(parameter, state)


def _rebuild_meta_tensor_no_storage(
    dtype: "rushlight.dtype", size: tuple, stride: tuple, requires_grad: bool
) -> Tensor:
    return rushlight.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def _rebuild_sparse_tensor(layout: Any, data: tuple) -> Tensor:
    if layout is rushlight.sparse_coo:
        indices, values, size, *coalesced = data
        return rushlight.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced[0] if coalesced else None)
    if layout in (rushlight.sparse_csr, rushlight.sparse_csc):
        return rushlight.sparse_compressed_tensor(*data, layout=layout)
    raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")


def _rebuild_from_type_v2(func: Any, new_type: type, args: tuple, state: Any) -> Tensor:
    """Make a tensor by `func`, give it its class and its attributes."""
    result = func(*args)
    if type(result) is not new_type:
        result = result.as_subclass(new_type)
    if getattr(type(result), "__setstate__", Tensor.__setstate__) is not Tensor.__setstate__:
        result.__setstate__(state)
        return result
    return _set_obj_state(result, state)


def _set_obj_state(obj: Any, state: Any) -> Any:
    """Set attributes: from a dict, or from a (dict, slots) pair. A file cannot reach properties or special names."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    obj.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        if not name.startswith("__"):
            setattr(obj, name, value)
    return obj


def _tensor_parts(tensor: Tensor) -> tuple[Any, tuple]:
    """The function and the arguments that make a tensor again: without its class, attributes and history."""
    size, stride = tuple(tensor.size()), tuple(tensor.stride())
    if tensor.device.type == "meta":
        return _rebuild_meta_tensor_no_storage, (tensor.dtype, size, stride, tensor.requires_grad)
    metadata = {name: True for name, on in (("conj", tensor.is_conj()), ("neg", tensor.is_neg())) if on}
    storages = rushlight.storage
    typed = tensor.dtype in storages._CLASS_OF_DTYPE
    storage = tensor.untyped_storage()
    if typed:
        storage = storages.TypedStorage(wrap_storage=storage, dtype=tensor.dtype, _internal=True)
    args: tuple = (storage, tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
    if not typed:
        args += (tensor.dtype,)
    if metadata:
        args += (metadata,)
    return (_rebuild_tensor_v2 if typed else _rebuild_tensor_v3), args


def _reduce_tensor(tensor: Tensor) -> tuple[Any, tuple]:
    """What `Tensor.__reduce_ex__` returns."""
    from rushlight.utils.hooks import warn_if_has_hooks

    warn_if_has_hooks(tensor)
    func, args = _tensor_parts(tensor)
    state = tensor.__dict__
    if type(tensor) is Tensor and not state:
        return func, args
    return _rebuild_from_type_v2, (func, type(tensor), args, state or None)


def _named(name: str) -> Any:
    """A dtype, a layout or a memory format by its name."""
    return getattr(rushlight, name)


def _reduce_named(obj: Any) -> tuple:
    return _named, (str(obj).removeprefix("torch."),)


def _reduce_device(device: "rushlight.device") -> tuple:
    return rushlight.device, ((device.type,) if device.index is None else (device.type, device.index))


def _reduce_storage(storage: Any) -> tuple:
    return rushlight.storage._load_from_bytes, (rushlight.serialization._storage_to_bytes(storage),)


for _type in (rushlight.dtype, rushlight.layout, rushlight.memory_format):
    copyreg.pickle(_type, _reduce_named)
copyreg.pickle(_C.UntypedStorage, _reduce_storage)
