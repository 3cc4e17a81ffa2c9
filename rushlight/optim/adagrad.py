"""Adagrad."""

from typing import Any

import rushlight
from rushlight import _C, Tensor
from rushlight.optim._rule import (
    RuleOptimizer,
    advance,
    check_fused,
    check_lr,
    check_nonnegative,
    number,
    snapshot,
    step_counter,
)
from rushlight.optim.optimizer import ParamsT

__all__ = ["Adagrad"]


class Adagrad(RuleOptimizer):
    """Adagrad (Duchi et al. 2011): the gradient over the root of the sum of all its squares so far."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(self, fused, foreach, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self._init_state(self.state[param], param, group)

    def share_memory(self) -> None:
        """Move the sums into shared memory, so that processes can train together."""
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"].share_memory_()

    def _sparse_gradient(self) -> None:
        pass  # see _update

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        start = group["initial_accumulator_value"]
        state["step"] = step_counter()
        if rushlight.is_complex(param):
            start = complex(start, start)
        state["sum"] = rushlight.full_like(param, start, memory_format=rushlight.preserve_format)

    def _native(self, group: dict[str, Any]) -> bool:
        return _C._optim.adagrad(
            group["params"],
            self.state,
            number(group["lr"], group),
            group["lr_decay"],
            group["weight_decay"],
            group["eps"],
            group["maximize"],
        )

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        step = advance(state)
        lr = number(group["lr"], group) / (1 + (step - 1) * group["lr_decay"])
        total = state["sum"]
        if group["weight_decay"] != 0:
            if grad.is_sparse:
                raise RuntimeError("weight_decay option is not compatible with sparse gradients")
            grad = grad.add(param, alpha=group["weight_decay"])
        if grad.is_sparse:
            grad = grad.coalesce()
            at = tuple(grad.indices())
            values = grad.values()
            total[at] = total[at] + values * values
            param[at] = param[at] - lr * values / (total[at].sqrt() + group["eps"])
            return
        total.addcmul_(grad, grad, value=1)
        param.sub_(grad / (snapshot(total, group).sqrt() + group["eps"]) * lr)
