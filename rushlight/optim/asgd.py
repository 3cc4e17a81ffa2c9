"""Averaged stochastic gradient descent."""

from typing import Any

import rushlight
from rushlight import Tensor
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

__all__ = ["ASGD"]


class ASGD(RuleOptimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992).

    `state[param]["ax"]` is the average of the parameter since step `t0`.
    """

    _capturable_tensors = "params, mus, etas, and state_steps"

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for param_state in self.state.values():
            for name in ("eta", "mu"):
                if name in param_state and not isinstance(param_state[name], Tensor):
                    param_state[name] = step_counter(float(param_state[name]))

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = step_counter()
        state["eta"] = rushlight.as_tensor(group["lr"], dtype=rushlight.float32).clone().detach()
        state["mu"] = rushlight.ones((), dtype=rushlight.float32)
        state["ax"] = zeros_like(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, lambd = number(group["lr"], group), group["lambd"]
        step = advance(state)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        eta, mu, average = state["eta"].item(), state["mu"].item(), state["ax"]
        param.mul_(1 - lambd * eta)
        param.sub_(grad * eta)
        if mu == 1:
            average.copy_(param)
        else:
            average.add_((snapshot(param, group) - average) * mu)
        state["eta"].copy_(rushlight.as_tensor(lr / (1 + lambd * lr * step) ** group["alpha"]))
        state["mu"].fill_(1 / max(1, step - group["t0"]))
