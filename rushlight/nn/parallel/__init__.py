"""Data parallelism: without GPUs, the module itself."""

from rushlight.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]


def __getattr__(name: str) -> type:
    if name == "DistributedDataParallel":
        raise AttributeError(
            f"module 'torch.nn.parallel' has no attribute {name!r}: distributed training is not implemented"
        )
    raise AttributeError(f"module 'torch.nn.parallel' has no attribute {name!r}")
