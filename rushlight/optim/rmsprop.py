"""RMSprop."""

from typing import Any

from rushlight import _C, Tensor
from rushlight.optim._rule import (
    RuleOptimizer,
    advance,
    check_lr,
    check_nonnegative,
    number,
    snapshot,
    step_counter,
    zeros_like,
)
from rushlight.optim.optimizer import ParamsT

__all__ = ["RMSprop"]


class RMSprop(RuleOptimizer):
    """RMSprop (Hinton's lecture notes, 2012): the gradient over the root of the running mean of its square.

    `centered` subtracts the square of the running mean of the gradient first (Graves 2013).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = step_counter()
        state["square_avg"] = zeros_like(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = zeros_like(param)

    def _native(self, group: dict[str, Any]) -> bool:
        return _C._optim.rmsprop(
            group["params"],
            self.state,
            number(group["lr"], group),
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, alpha, momentum = number(group["lr"], group), group["alpha"], group["momentum"]
        advance(state)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        mean = state["square_avg"]
        mean.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        mean = snapshot(mean, group)
        if group["centered"]:
            grad_avg = state["grad_avg"]
            grad_avg.lerp_(grad, 1 - alpha)
            grad_avg = snapshot(grad_avg, group)
            mean = mean - grad_avg * grad_avg
        change = grad / (mean.sqrt() + group["eps"])
        if momentum > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(momentum).add_(change)
            change = snapshot(buffer, group)
        param.sub_(change * lr)
