"""What surrounds training: data loading, checkpoints, hooks, exchange of arrays."""

from rushlight._deferred import defer

__all__ = ["checkpoint", "data", "dlpack", "hooks"]

defer(globals(), ["_pytree", "_python_dispatch", "checkpoint", "data", "dlpack", "hooks", "model_zoo", "tensorboard"])
