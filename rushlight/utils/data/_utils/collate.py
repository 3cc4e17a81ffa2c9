"""Making a batch of a list of examples."""

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import rushlight
from rushlight import Tensor

_MESSAGE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _is_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy"


def _is_text(array: Any) -> bool:
    return array.dtype.kind in "SUO"


def default_convert(data: Any) -> Any:
    """Make tensors of the NumPy arrays in an example; containers keep their type, everything else stays."""
    if isinstance(data, Tensor):
        return data
    if _is_numpy(data):
        return data if _is_text(data) else rushlight.as_tensor(data)
    if isinstance(data, Mapping):
        converted = {key: default_convert(value) for key, value in data.items()}
        return _like_mapping(data, converted)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def _like_mapping(example: Mapping, values: dict) -> Any:
    """The values in a container of the example's type, or in a dict where that cannot be made."""
    try:
        if isinstance(example, MutableMapping):  # a copy keeps what the type has besides its items
            clone = copy.copy(example)
            clone.update(values)
            return clone
        return type(example)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _like_sequence(example: Sequence, values: list) -> Any:
    """The values in a container of the example's type, or in a list where that cannot be made."""
    try:
        if isinstance(example, MutableSequence):
            clone = copy.copy(example)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(example)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Make a batch of examples: `collate_fn_map` says how for types; containers are gone into."""
    example = batch[0]
    kind = type(example)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(example, known):
                return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(example, Mapping):
        columns = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in example}
        return _like_mapping(example, columns)
    if isinstance(example, tuple) and hasattr(example, "_fields"):
        parts = zip(*batch, strict=False)
        return kind(*(collate(part, collate_fn_map=collate_fn_map) for part in parts))
    if isinstance(example, Sequence):
        if any(len(other) != len(example) for other in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        values = [collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)]
        return values if isinstance(example, tuple) else _like_sequence(example, values)
    raise TypeError(_MESSAGE.format(kind))


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """Stack tensors along a new first dimension."""
    return rushlight.stack(list(batch), 0)


def _collate_float(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return rushlight.tensor(batch, dtype=rushlight.float64)


def _collate_int(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return rushlight.tensor(batch)


def _collate_as_is(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


def _collate_numpy(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    example = batch[0]
    if _is_text(example):
        raise TypeError(_MESSAGE.format(example.dtype))
    return rushlight.stack([rushlight.as_tensor(value) for value in batch], 0)


class _NumpyValue(type):
    """Counts as its instance whatever NumPy defines, without importing NumPy."""

    def __instancecheck__(cls, value: Any) -> bool:
        return _is_numpy(value) and hasattr(value, "dtype")


class _Numpy(metaclass=_NumpyValue):
    pass


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    _Numpy: _collate_numpy,  # before float, of which numpy.float64 is a subclass
    float: _collate_float,
    int: _collate_int,
    str: _collate_as_is,
    bytes: _collate_as_is,
}


def default_collate(batch: Any) -> Any:
    """Make a batch of examples: tensors, NumPy arrays and numbers are stacked, containers are gone into."""
    return collate(batch, collate_fn_map=default_collate_fn_map)
