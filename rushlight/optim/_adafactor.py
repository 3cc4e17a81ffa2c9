"""Adafactor."""

from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.optim._rule import RuleOptimizer, advance, number, step_counter
from rushlight.optim.optimizer import ParamsT

__all__ = ["Adafactor"]


class Adafactor(RuleOptimizer):
    """Adafactor (Shazeer and Stern 2018): the squares' running mean is kept as a row and a column for each matrix."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        if rushlight.is_complex(param):
            raise RuntimeError("Adafactor does not support complex parameters")
        state["step"] = step_counter()
        grad = param.grad
        if grad.dim() > 1:
            state["row_var"] = grad.new_zeros((*grad.shape[:-1], 1))
            state["col_var"] = grad.new_zeros((*grad.shape[:-2], 1, grad.shape[-1]))
        else:
            state["variance"] = rushlight.zeros_like(grad)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (eps1, eps2) = number(group["lr"], group), group["eps"]
        if eps1 is None:
            eps1 = rushlight.finfo(param.dtype).eps
        step = advance(state)
        fresh = step ** group["beta2_decay"]
        scale = max(eps2, param.norm(2).item() / param.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            param.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_(grad.square().mean(-1, keepdim=True), fresh)
            columns.lerp_(grad.square().mean(-2, keepdim=True), fresh)
            variance = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=eps1)
        else:
            variance = state["variance"]
            variance.lerp_(grad.square(), fresh)
        update = variance.clamp(min=eps1 * eps1).rsqrt() * grad
        root_mean_square = update.norm(2).item() / update.numel() ** 0.5
        param.add_(update, alpha=-scale / max(1.0, root_mean_square / group["d"]))
