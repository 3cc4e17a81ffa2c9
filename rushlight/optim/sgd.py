"""Stochastic gradient descent."""

from typing import Any

from rushlight import _C, Tensor
from rushlight.optim._rule import RuleOptimizer, check_fused, check_lr, check_nonnegative, number
from rushlight.optim.optimizer import ParamsT

__all__ = ["SGD"]


class SGD(RuleOptimizer):
    """Stochastic gradient descent, optionally with momentum (Sutskever et al. 2013).

    buffer = momentum * buffer + (1 - dampening) * gradient; parameter -= lr * buffer. The first buffer is the gradient.
    """

    _complex_as_real = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(self, fused, foreach, differentiable)

    def _sparse_gradient(self) -> None:
        pass  # the rule holds for sparse gradients as it is written

    def _init_group(self, group: dict[str, Any]) -> None:
        if group["momentum"] != 0:  # else there is no state at all
            super()._init_group(group)

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        pass  # the momentum buffer starts as the first gradient: see _update

    def _native(self, group: dict[str, Any]) -> bool:
        return _C._optim.sgd(
            group["params"],
            self.state,
            number(group["lr"], group),
            group["momentum"],
            group["dampening"],
            number(group["weight_decay"], group),
            group["nesterov"],
            group["maximize"],
        )

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        momentum, weight_decay = group["momentum"], number(group["weight_decay"], group)
        if isinstance(weight_decay, Tensor) or weight_decay != 0:
            grad = grad + param * weight_decay
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone().detach()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        lr = number(group["lr"], group)
        if isinstance(lr, Tensor):
            param.sub_(grad * lr)
        else:
            param.add_(grad, alpha=-lr)
