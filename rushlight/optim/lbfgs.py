"""L-BFGS."""

from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight
from rushlight import Tensor
from rushlight.optim._rule import check_lr
from rushlight.optim.optimizer import Optimizer, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS (Nocedal and Wright 2006, algorithm 7.5), over all parameters as one vector.

    A step takes up to `max_iter` iterations. `line_search_fn`: None steps by `lr`, "strong_wolfe" searches.
    There is one parameter group only.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    @rushlight.no_grad()
    def step(self, closure: Callable[[], float | Tensor]) -> float | Tensor:  # type: ignore[override]
        """Minimise from here. `closure` clears the gradients, computes loss and gradients and returns the loss."""
        evaluate = rushlight.enable_grad()(closure)
        group, state = self.param_groups[0], self.state[self._params[0]]
        lr = group["lr"].item() if isinstance(group["lr"], Tensor) else group["lr"]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = evaluate()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        grad = self._gather_flat_grad()
        if grad.abs().max() <= group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, grad, group["history_size"])
            previous_loss, state["prev_loss"] = loss, loss
            t = min(1.0, 1.0 / grad.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            slope = grad.dot(direction).item()
            state["t"] = t
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = _Point(0.0, loss, grad, slope)
                point, used = _strong_wolfe(self._along(evaluate, direction), start, t, direction)
                t, loss, grad, _ = point
                state["t"] = t
                self._move(t, direction)
            else:
                self._move(t, direction)
                if iteration != group["max_iter"]:
                    loss = float(evaluate())
                    grad = self._gather_flat_grad()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (
                evaluations >= group["max_eval"]
                or grad.abs().max() <= group["tolerance_grad"]
                or direction.mul(t).abs().max() <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], grad: Tensor, history_size: int) -> Tensor:
        """-H grad, where H approximates the inverse of the Hessian from the latest steps: the two-loop recursion."""
        if state["n_iter"] == 1:
            state.update(d=-grad, old_dirs=[], old_stps=[], ro=[], H_diag=1, prev_flat_grad=grad.clone())
            return state["d"]
        change = grad - state["prev_flat_grad"]
        step = state["d"] * state["t"]
        curvature = change.dot(step)
        changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
        if curvature > 1e-10:
            if len(changes) == history_size:
                for history in (changes, steps, inverse):
                    history.pop(0)
            changes.append(change)
            steps.append(step)
            inverse.append(1.0 / curvature)
            state["H_diag"] = curvature / change.dot(change)
        state.setdefault("al", [None] * history_size)
        weights = state["al"]
        q = -grad
        for i in reversed(range(len(changes))):
            weights[i] = steps[i].dot(q) * inverse[i]
            q.sub_(changes[i] * weights[i])
        d = q * state["H_diag"]
        for i in range(len(changes)):
            d.add_(steps[i] * (weights[i] - changes[i].dot(d) * inverse[i]))
        state["d"] = d
        state["prev_flat_grad"].copy_(grad)
        return d

    def _gather_flat_grad(self) -> Tensor:
        """All gradients as one real vector."""
        parts = []
        for param in self._params:
            grad = param.grad
            if grad is None:
                grad = rushlight.zeros_like(param)
            elif grad.is_sparse:
                grad = grad.to_dense()
            if rushlight.is_complex(grad):
                grad = rushlight.view_as_real(grad)
            parts.append(grad.reshape(-1))
        return rushlight.cat(parts, 0)

    def _move(self, t: float, direction: Tensor) -> None:
        offset = 0
        for param in self._params:
            if rushlight.is_complex(param):
                param = rushlight.view_as_real(param)
            count = param.numel()
            param.add_(direction[offset : offset + count].view_as(param), alpha=t)
            offset += count

    def _along(self, evaluate: Callable, direction: Tensor) -> Callable[[float], "_Point"]:
        """The loss along the direction, as a function of the step; the parameters are put back after each look."""
        origin = [param.clone() for param in self._params]

        def look(t: float) -> _Point:
            self._move(t, direction)
            loss = float(evaluate())
            grad = self._gather_flat_grad()
            for param, value in zip(self._params, origin, strict=True):
                param.copy_(value)
            return _Point(t, loss, grad, grad.dot(direction).item())

        return look


class _Point(NamedTuple):
    """A look at the loss along the search direction."""

    t: float
    loss: float
    grad: Tensor
    slope: float


def _cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two points and their slopes (Nocedal and Wright 2006, equation 3.59)."""
    low, high = bounds if bounds is not None else sorted((a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, low), high)


def _strong_wolfe(
    look: Callable[[float], _Point], start: _Point, t: float, direction: Tensor, c1: float = 1e-4, c2: float = 0.9
) -> tuple[_Point, int]:
    """A point that meets the strong Wolfe conditions, and the looks used (Nocedal and Wright 2006, 3.5 and 3.6)."""
    most, tolerance = 25, 1e-9

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    previous, point, count = start, look(t), 0
    bracket = None
    while count < most:  # go outward until the interval holds a good point
        if too_high(point) or (count > 1 and point.loss >= previous.loss) or (not flat(point) and point.slope >= 0):
            bracket = [previous, point]
            break
        if flat(point):
            return point, count + 1
        bounds = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        t = _cubic_minimum(previous, point, bounds)
        previous, point = point, look(t)
        count += 1
    if bracket is None:
        bracket = [start, point]
    size = direction.abs().max().item()
    stalled = False
    bracket.sort(key=lambda p: p.loss)  # the best point first
    while count < most:  # shrink the interval around it
        low, high = sorted((bracket[0].t, bracket[1].t))
        if (high - low) * size < tolerance:
            break
        t = _cubic_minimum(bracket[0], bracket[1])
        margin = 0.1 * (high - low)
        if min(high - t, t - low) < margin:
            if stalled or t >= high or t <= low:  # twice too near an end: move inward
                t = high - margin if abs(t - high) < abs(t - low) else low + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        point = look(t)
        count += 1
        if too_high(point) or point.loss >= bracket[0].loss:
            bracket[1] = point
            bracket.sort(key=lambda p: p.loss)
            continue
        if flat(point):
            return point, count + 1
        if point.slope * (bracket[1].t - bracket[0].t) >= 0:
            bracket[1] = bracket[0]
        bracket[0] = point
    return bracket[0], count + 1
