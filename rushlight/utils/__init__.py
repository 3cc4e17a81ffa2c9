"""What surrounds training: data loading, checkpoints, hooks, exchange of arrays."""

import importlib
from typing import Any

__all__ = ["checkpoint", "data", "dlpack", "hooks"]

_SUBMODULES = {"_pytree", "_python_dispatch", "checkpoint", "data", "dlpack", "hooks", "tensorboard"}


def __getattr__(name: str) -> Any:
    """Submodules, loaded on first use."""
    if name in _SUBMODULES:
        return importlib.import_module(f"rushlight.utils.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}': Rushlight does not have this name (yet)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
