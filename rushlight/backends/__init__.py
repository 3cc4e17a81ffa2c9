"""Flags of PyTorch's back ends. They can be set and read; what they steer is not part of Rushlight."""

import importlib.machinery
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["cpu", "cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum", "quantized"]


class _Backend(types.ModuleType):
    """A module of flags."""

    def __init__(self, name: str, available: bool, flags: dict[str, Any], **functions: Any) -> None:
        super().__init__(f"rushlight.backends.{name}", f"Flags of {name}, which have no effect.")
        self.__dict__.update(flags)
        self.__dict__.update(functions)
        self._names = tuple(flags)
        self.__spec__ = importlib.machinery.ModuleSpec(self.__name__, None)  # `import torch.backends.cudnn` asks for it
        self.is_available = lambda: available
        sys.modules[self.__name__] = self

    def set_flags(self, *values: Any, **named: Any) -> tuple:
        """Set flags by their order or by name, and return what they were."""
        before = tuple(getattr(self, name) for name in self._names)
        for name, value in (*zip(self._names, values, strict=False), *named.items()):
            name = name.removeprefix("_")
            if name not in self._names:
                raise TypeError(f"set_flags() got an unexpected keyword argument '{name}'")
            if value is not None:
                setattr(self, name, value)
        return before

    @contextmanager
    def flags(self, *values: Any, **named: Any) -> Iterator[None]:
        """Flags in a `with` block."""
        before = self.set_flags(*values, **named)
        try:
            yield
        finally:
            self.set_flags(*before)


class _Flags:
    """A group of flags."""

    def __init__(self, **flags: Any) -> None:
        self.__dict__.update(flags)


def _switch(name: str) -> dict[str, Any]:
    """The pair of functions that set and ask one switch of attention's kernels."""
    state = {"on": True}

    def enable(enabled: bool) -> None:
        state["on"] = enabled

    return {f"enable_{name}": enable, f"{name}_enabled": lambda: state["on"]}


cudnn = _Backend(
    "cudnn",
    False,
    {
        "enabled": True,
        "benchmark": False,
        "benchmark_limit": 10,
        "deterministic": False,
        "allow_tf32": True,
        "fp32_precision": "none",
    },
    version=lambda: None,
    is_acceptable=lambda tensor: False,
    conv=_Flags(fp32_precision="none"),
    rnn=_Flags(fp32_precision="none"),
)
cuda = _Backend(
    "cuda",
    False,
    {},
    is_built=lambda: False,
    matmul=_Flags(
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
        allow_fp16_accumulation=False,
        fp32_precision="none",
    ),
    cufft_plan_cache=_Flags(size=0, max_size=0),
    preferred_linalg_library=lambda backend=None: "default",
    **_switch("flash_sdp"),
    **_switch("mem_efficient_sdp"),
    **_switch("math_sdp"),
    **_switch("cudnn_sdp"),
)
mps = _Backend("mps", False, {}, is_built=lambda: False)
mkldnn = _Backend(
    "mkldnn",
    True,
    {"enabled": True, "deterministic": False, "allow_tf32": True, "fp32_precision": "none"},
    matmul=_Flags(fp32_precision="none"),
    conv=_Flags(fp32_precision="none"),
)
mkl = _Backend("mkl", False, {}, VERBOSE_OFF=0, VERBOSE_ON=1)
openmp = _Backend("openmp", True, {})
opt_einsum = _Backend("opt_einsum", False, {"enabled": False, "strategy": None})
quantized = _Backend("quantized", False, {"engine": "none"}, supported_engines=["none"])
nnpack = _Backend("nnpack", False, {"enabled": False})
cusparselt = _Backend("cusparselt", False, {}, version=lambda: None)
_fastpath = _Flags(on=True)
mha = _Backend(
    "mha",
    True,
    {},
    get_fastpath_enabled=lambda: _fastpath.on,
    set_fastpath_enabled=lambda value: setattr(_fastpath, "on", value),
)


def _cpu_capability() -> str:
    from rushlight import _C

    level = getattr(_C, "_isa_level", lambda: "")()
    return {"v4": "AVX512", "v3": "AVX2"}.get(str(level), "DEFAULT")


cpu = _Backend("cpu", True, {}, get_cpu_capability=_cpu_capability)
fp32_precision = "none"
disable_global_flags = lambda: None  # noqa: E731  (a name of PyTorch that switches a guard which is not here)
