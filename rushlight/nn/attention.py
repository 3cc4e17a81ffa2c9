"""Choice of the kernel of scaled dot product attention: there is one, which is both exact and in blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(IntEnum):
    """Names of PyTorch's kernels."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


_ON_CPU = {SDPBackend.MATH, SDPBackend.FLASH_ATTENTION}


@contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Allow only some kernels within the block: RuntimeError where none of them runs on a CPU.

    Both that do, MATH and FLASH_ATTENTION, are the same here.
    """
    chosen = list(backends) if isinstance(backends, Sequence) else [backends]
    for backend in chosen:
        if not isinstance(backend, SDPBackend):
            raise AssertionError(
                "Backend must be an instance of SDPBackend or a list of SDPBackend instances, "
                f"got {type(backend).__name__}"
            )
    if not _ON_CPU.intersection(chosen):
        raise RuntimeError(
            "No viable backend for scaled_dot_product_attention was found. This is likely due to turning off both the "
            "math kernel and the fused kernels."
        )
    yield
