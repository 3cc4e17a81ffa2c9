"""Arguments of `Module.to`, and when a converted tensor may take its predecessor's place."""

from typing import Any

import rushlight
from rushlight import Tensor, __future__
from rushlight.nn.parameter import Parameter


def keeps_identity(old: Tensor, new: Tensor) -> bool:
    """Whether `old.data = new` will do; else the tensor has to be replaced, as when it moves to another device."""
    if __future__.get_overwrite_module_params_on_conversion():
        return False
    return type(new) in (Tensor, Parameter, type(old)) and old.device.type == new.device.type


def parse_to(
    *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False, copy: bool = False, **kwargs: Any
) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of the several forms of `to`. TypeError for anything else."""
    memory_format = kwargs.pop("memory_format", None)
    tensor = kwargs.pop("tensor", None)
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        tensor = rest.pop(0)
    elif rest and isinstance(rest[0], rushlight.dtype):
        dtype = rest.pop(0)
    elif rest:
        device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], rushlight.dtype)):
            dtype = rest.pop(0)
    if rest:
        non_blocking = rest.pop(0)
    if rest:
        copy = rest.pop(0)
    if rest or kwargs or not (device is None or isinstance(device, (str, int, rushlight.device))):
        got = ", ".join([*(type(a).__name__ for a in args), *(f"{k}={type(v).__name__}" for k, v in kwargs.items())])
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, *, "
            "torch.memory_format memory_format = None)\n"
            " * (torch.dtype dtype, bool non_blocking = False, *, torch.memory_format memory_format = None)\n"
            " * (Tensor tensor, bool non_blocking = False, *, torch.memory_format memory_format = None)"
        )
    if copy:
        raise RuntimeError(".to() does not accept copy argument")
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if device is not None:
        device = rushlight.device(device)
        if device.type == "cuda":
            raise AssertionError("Torch not compiled with CUDA enabled")
    return device, dtype, non_blocking, memory_format
