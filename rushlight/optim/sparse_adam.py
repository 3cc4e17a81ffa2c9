"""Adam for sparse gradients."""

from math import sqrt
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.optim._rule import RuleOptimizer, check_betas, check_lr, number, zeros_like
from rushlight.optim.optimizer import Optimizer, ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(RuleOptimizer):
    """Adam (Kingma and Ba 2014) that moves only the rows, and the state of the rows, for which there is a gradient."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for kind, test in (("Sparse", lambda p: p.is_sparse), ("Complex", rushlight.is_complex)):
            found = [[i, j] for i, g in enumerate(self.param_groups) for j, p in enumerate(g["params"]) if test(p)]
            if found and kind == "Sparse":
                raise ValueError(f"Sparse params at indices {found}: SparseAdam requires dense parameter tensors")
            if found:
                raise ValueError(f"Complex params at indices {found}: SparseAdam does not support complex parameters")

    def __setstate__(self, state: dict[str, Any]) -> None:
        Optimizer.__setstate__(self, state)  # here the step counter is a number

    def _init_group(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            if param.grad is not None:
                if not param.grad.is_sparse:
                    raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
                if not self.state[param]:
                    self.state[param].update(step=0, exp_avg=zeros_like(param), exp_avg_sq=zeros_like(param))

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (beta1, beta2), lr = group["betas"], number(group["lr"], group)
        state["step"] += 1
        grad = grad.coalesce()
        if grad.values().numel() == 0:
            return
        at, values = tuple(grad.indices()), grad.values()
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        mean = exp_avg[at].lerp(values, 1 - beta1)
        square = exp_avg_sq[at].lerp(values * values, 1 - beta2)
        exp_avg[at] = mean
        exp_avg_sq[at] = square
        rate = lr * sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        param[at] = param[at] - mean / (square.sqrt() + group["eps"]) * rate
