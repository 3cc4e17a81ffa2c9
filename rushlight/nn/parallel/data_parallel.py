"""`DataParallel` on a machine without GPUs: it calls its module."""

from collections.abc import Sequence
from typing import Any

from rushlight.nn.modules.module import Module


class DataParallel(Module):
    """Calls `module`: there is no GPU to divide the work among.

    Its parameters are the module's under the prefix "module.".
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[int] | None = None,
        output_device: int | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[int] | None = None,
    output_device: int | None = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call `module` on `inputs`, a tuple of arguments or one argument."""
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
