"""Resilient backpropagation."""

from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.optim._rule import RuleOptimizer, advance, check_lr, number, snapshot, step_counter, zeros_like
from rushlight.optim.optimizer import ParamsT

__all__ = ["Rprop"]


class Rprop(RuleOptimizer):
    """Rprop (Riedmiller and Braun 1993): each weight has a step size, changed by whether its gradient kept its sign."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        lr = float(number(group["lr"], {}))
        state["step"] = step_counter()
        state["prev"] = zeros_like(param)
        state["step_size"] = rushlight.full_like(param, complex(lr, lr) if rushlight.is_complex(param) else lr)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        advance(state)
        previous, step_size = state["prev"], state["step_size"]
        agreement = grad * snapshot(previous, group)
        factor = rushlight.ones_like(agreement).masked_fill(agreement > 0, grow).masked_fill(agreement < 0, shrink)
        step_size.mul_(factor).clamp_(smallest, largest)
        # Where the sign changed the step is skipped, and the next comparison starts afresh.
        grad = grad.masked_fill(agreement < 0, 0)
        param.sub_(grad.sign() * snapshot(step_size, group))
        previous.copy_(grad)
