"""RAdam."""

from typing import Any

from rushlight import Tensor
from rushlight.optim._rule import (
    RuleOptimizer,
    advance,
    check_betas,
    check_lr,
    check_nonnegative,
    number,
    snapshot,
    step_counter,
    zeros_like,
)
from rushlight.optim.optimizer import ParamsT

__all__ = ["RAdam"]


class RAdam(RuleOptimizer):
    """Rectified Adam (Liu et al. 2019): plain momentum until the variance of the adaptive rate can be estimated."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = step_counter()
        state["exp_avg"] = zeros_like(param)
        state["exp_avg_sq"] = zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2), weight_decay = number(group["lr"], group), group["betas"], group["weight_decay"]
        step = advance(state)
        if weight_decay != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad.add(param, alpha=weight_decay)
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        exp_avg.lerp_(grad, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction2 = 1 - beta2**step
        change = snapshot(exp_avg, group) / (1 - beta1**step) * lr
        longest = 2 / (1 - beta2) - 1  # length of the moving average, in the limit and now
        length = longest - 2 * step * beta2**step / correction2
        if length > 5.0:
            rectifier = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            change = change * (correction2 * rectifier) ** 0.5 / (snapshot(exp_avg_sq, group).sqrt() + group["eps"])
        param.sub_(change)
