"""Activations that are compositions: softmin, tanhshrink, rrelu, gumbel_softmax."""

import warnings
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight._C import _nn


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: "rushlight.dtype | None" = None
) -> Tensor:
    """Softmax of the negated input along `dim`. Same shape as `input`."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return _nn.softmax(-input, dim, dtype=dtype)


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input), elementwise."""
    return input - input.tanh()


def _rrelu_slopes(input: Tensor, lower: float, upper: float, generator: Any) -> Tensor:
    """1 where the input is positive, elsewhere uniform draws; one float64 draw an element, in memory order."""
    slopes = rushlight.ones_like(input, requires_grad=False)
    negative = input.detach() <= 0
    count = int(negative.sum().item())
    draws = rushlight.empty(count, dtype=rushlight.float64).uniform_(lower, upper, generator=generator)
    slopes[negative] = draws.to(input.dtype)
    return slopes


def _check_rrelu(lower: float, upper: float) -> None:
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False,
    *, generator: Any = None,
) -> Tensor:  # fmt: skip
    """Leaky ReLU whose slope is drawn from [lower, upper) for each element in training, and their mean otherwise.

    Source: Xu et al., Empirical Evaluation of Rectified Activations, 2015.
    """
    _check_rrelu(lower, upper)
    if not training:
        return _nn.leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = _rrelu_slopes(input, lower, upper, generator)
    return input.mul_(slopes) if inplace else input * slopes


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place `rrelu`."""
    return rrelu(input, lower, upper, training, inplace=True)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Sample of the Gumbel-softmax distribution along `dim`; `hard` makes it one-hot with the soft gradient.

    Source: Jang et al., Categorical Reparameterization with Gumbel-Softmax, 2017.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    gumbels = -rushlight.empty_like(logits, memory_format=rushlight.contiguous_format).exponential_().log()
    soft = ((logits + gumbels) / tau).softmax(dim)
    if not hard:
        return soft
    chosen = soft.max(dim, keepdim=True)[1]
    one_hot = rushlight.zeros_like(logits, memory_format=rushlight.contiguous_format).scatter_(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft
