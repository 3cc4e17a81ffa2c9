"""What distributions share: broadcasting of parameters, probabilities and logits."""

from typing import Any

import rushlight
from rushlight import Tensor

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "vec_to_tril_matrix"]

euler_constant = 0.57721566490153286060


def is_number(value: Any) -> bool:
    """Whether a parameter is a Python number, which has no batch shape."""
    return isinstance(value, int | float)


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape."""
    if not all(isinstance(v, Tensor) or is_number(v) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = rushlight.get_default_dtype() if first is None else first.dtype
    tensors = [v if isinstance(v, Tensor) else rushlight.tensor(v, dtype=dtype) for v in values]
    return tuple(rushlight.broadcast_tensors(*tensors))


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept away from 0 and 1 by the dtype's precision."""
    eps = rushlight.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log odds, or of unnormalised logarithms along the last dimension."""
    return rushlight.sigmoid(logits) if is_binary else rushlight.softmax(logits, dim=-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds, or logarithms, of probabilities."""
    clamped = clamp_probs(probs)
    return rushlight.log(clamped) - rushlight.log1p(-clamped) if is_binary else rushlight.log(clamped)


class lazy_property:  # noqa: N801  (PyTorch's name)
    """A property that is computed once and then is an attribute."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with rushlight.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Lower triangular matrices of vectors of their entries, row by row."""
    n = round(-(1 + 2 * diag) / 2 + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5 / 2)
    rows, columns = rushlight.tril_indices(n, n, diag)
    matrix = vec.new_zeros((*vec.shape[:-1], n, n))
    matrix[..., rows, columns] = vec
    return matrix
