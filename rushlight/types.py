"""Types for annotations."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from rushlight._C import Size, Tensor, device, dtype

Number = builtins.int | builtins.float | builtins.bool
Device = device | str | builtins.int | None
_size = Size | list[builtins.int] | tuple[builtins.int, ...]
_dtype, _device, _int, _float, _bool = dtype, device, builtins.int, builtins.float, builtins.bool
_TensorOrTensors = Tensor | Sequence[Tensor]
FileLike = object
