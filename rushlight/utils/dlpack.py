"""DLPack: sharing memory with other array libraries."""

from enum import IntEnum
from typing import Any

import rushlight
from rushlight import Tensor

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(IntEnum):
    """The kinds of devices that the protocol knows."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLExtDev = 12
    kDLOneAPI = 14


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule that shares the tensor's memory and can be used once."""
    return tensor.__dlpack__()


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares memory with an array that has `__dlpack__`, or with a capsule."""
    if device is None and copy is None:
        return rushlight.from_dlpack(ext_tensor)
    tensor = rushlight.from_dlpack(ext_tensor)
    if device is not None:
        tensor = tensor.to(device)
    return tensor.clone() if copy else tensor
