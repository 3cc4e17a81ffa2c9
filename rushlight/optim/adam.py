"""Adam."""

from math import sqrt
from typing import Any

import rushlight
from rushlight import _C, Tensor
from rushlight.optim._rule import (
    RuleOptimizer,
    advance,
    check_betas,
    check_fused,
    check_lr,
    check_nonnegative,
    number,
    snapshot,
    step_counter,
    zeros_like,
)
from rushlight.optim.optimizer import ParamsT

__all__ = ["Adam"]


class Adam(RuleOptimizer):
    """Adam (Kingma and Ba 2014): steps along the mean of the gradients over the root of the mean of their squares.

    `amsgrad` divides by the largest such root so far (Reddi et al. 2018); `decoupled_weight_decay` makes it AdamW.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr, foreach, capturable, tensor_foreach=False)
        check_nonnegative(eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(self, fused, foreach, differentiable)

    def _sparse_gradient(self) -> None:
        raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = step_counter()
        state["exp_avg"] = zeros_like(param)
        state["exp_avg_sq"] = zeros_like(param)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(param)

    def _native(self, group: dict[str, Any]) -> bool:
        beta1, beta2 = group["betas"]
        return _C._optim.adam(
            group["params"],
            self.state,
            number(group["lr"], group),
            number(beta1, group),
            number(beta2, group),
            group["eps"],
            group["weight_decay"],
            group["amsgrad"],
            group["decoupled_weight_decay"],
            group["maximize"],
        )

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, weight_decay = number(group["lr"], group), group["weight_decay"]
        beta1, beta2 = (number(beta, group) for beta in group["betas"])
        step = advance(state)
        if weight_decay != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad.add(param, alpha=weight_decay)
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        exp_avg.lerp_(grad, 1 - beta1)
        exp_avg_sq.mul_(beta2).add_(grad * grad * (1 - beta2))
        if group["amsgrad"]:
            state["max_exp_avg_sq"].copy_(rushlight.maximum(state["max_exp_avg_sq"], exp_avg_sq))
            exp_avg_sq = state["max_exp_avg_sq"]
        correction2 = 1 - beta2**step
        root = correction2**0.5 if isinstance(correction2, Tensor) else sqrt(correction2)
        denominator = snapshot(exp_avg_sq, group).sqrt() / root + group["eps"]
        param.sub_(snapshot(exp_avg, group) / denominator * (lr / (1 - beta1**step)))
