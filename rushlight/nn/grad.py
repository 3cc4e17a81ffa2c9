"""Gradients of convolutions with respect to their input and to their weight."""

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight._C import _nn


def _gradient(
    forward: Callable[..., Tensor], input: Tensor, weight: Tensor, of: int, grad_output: Tensor, *options: Any
) -> Tensor:
    """Gradient of sum(grad_output * forward(input, weight)) by the argument number `of`."""
    with rushlight.enable_grad():
        args = [input.detach(), weight.detach()]
        args[of].requires_grad_(True)
        output = forward(args[0], args[1], None, *options)
    return rushlight.autograd.grad(output, args[of], grad_output)[0]


def _by_input(name: str) -> Callable[..., Tensor]:
    def conv_input(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Tensor:
        input = grad_output.new_zeros(tuple(input_size))
        return _gradient(getattr(_nn, name), input, weight, 0, grad_output, stride, padding, dilation, groups)

    conv_input.__name__ = conv_input.__qualname__ = f"{name}_input"
    conv_input.__doc__ = f"Gradient of {name} with respect to its input, of shape `input_size`."
    return conv_input


def _by_weight(name: str) -> Callable[..., Tensor]:
    def conv_weight(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Tensor:
        weight = grad_output.new_zeros(tuple(weight_size))
        return _gradient(getattr(_nn, name), input, weight, 1, grad_output, stride, padding, dilation, groups)

    conv_weight.__name__ = conv_weight.__qualname__ = f"{name}_weight"
    conv_weight.__doc__ = f"Gradient of {name} with respect to its weight, of shape `weight_size`."
    return conv_weight


conv1d_input, conv2d_input, conv3d_input = (_by_input(f"conv{n}d") for n in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_by_weight(f"conv{n}d") for n in (1, 2, 3))
