"""`RuleOptimizer`: an optimizer whose rule acts on one parameter, its gradient and its state.

A subclass writes its rule once, in tensor operators, as `_update`. Where all tensors of a group are dense, real and
float32 or float64, `_native` runs the same rule over all of them in one call; it changes nothing and answers False
where it cannot, and then `_update` does the step.
"""

from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.optim.optimizer import Closure, Optimizer


class RuleOptimizer(Optimizer):
    """Base of the optimizers that treat each parameter by itself."""

    _complex_as_real = True  # the rule acts on the real and the imaginary parts as if they were two parameters
    _capturable_tensors = "params and state_steps"  # what the refusal of `capturable` names
    _capturable_devices = "['cuda', 'xpu', 'hpu', 'privateuseone', 'xla']"

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Files written by other versions may lack options, and may hold the step counter as a number.
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)
        for param_state in self.state.values():
            if "step" in param_state and not isinstance(param_state["step"], Tensor):
                param_state["step"] = step_counter(float(param_state["step"]))

    def step(self, closure: Closure = None) -> Any:
        """Change the parameters once. `closure`, if given, computes the loss and its gradients and returns the loss."""
        loss = None
        if closure is not None:
            with rushlight.enable_grad():
                loss = closure()
        for group in self.param_groups:
            differentiable = group.get("differentiable", False)
            if differentiable or group.get("capturable"):
                self._check_modes(group)
            elif self._native(group):
                continue
            with rushlight.set_grad_enabled(differentiable):
                self._init_group(group)
                if differentiable or not self._native(group):
                    self._update_group(group)
        return loss

    def _check_modes(self, group: dict[str, Any]) -> None:
        if group.get("capturable"):
            raise AssertionError(
                f"If capturable=True, {self._capturable_tensors} must be on supported devices: "
                f"{self._capturable_devices}."
            )
        if group.get("foreach") and type(self).__name__ != "SGD":
            raise AssertionError("_foreach ops don't support autograd")

    def _init_group(self, group: dict[str, Any]) -> None:
        """Give every parameter that has a gradient its state."""
        for param in group["params"]:
            if param.grad is not None:
                if param.grad.is_sparse:
                    self._sparse_gradient()
                state = self.state[param]
                if not state:
                    self._init_state(state, param, group)

    def _update_group(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state.get(param, {})
            if self._complex_as_real and rushlight.is_complex(param):
                state = {k: rushlight.view_as_real(v) if rushlight.is_complex(v) else v for k, v in state.items()}
                grad, param = rushlight.view_as_real(grad), rushlight.view_as_real(param)
            self._update(param, -grad if group.get("maximize") else grad, state, group)

    def _sparse_gradient(self) -> None:
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def _native(self, group: dict[str, Any]) -> bool:
        """Step the whole group in one native call; False, with nothing changed, where its tensors need `_update`."""
        return False

    def _init_state(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The rule. `grad` is already negated for `maximize`; it may be `param.grad` itself and must not be changed."""
        raise NotImplementedError


def step_counter(value: float = 0.0) -> Tensor:
    """The `step` of a parameter's state: a float32 tensor, so that state dicts exchange with PyTorch's."""
    return rushlight.tensor(value, dtype=rushlight.float32)


def zeros_like(param: Tensor) -> Tensor:
    """A state tensor of zeros with the memory layout of the parameter."""
    return rushlight.zeros_like(param, memory_format=rushlight.preserve_format)


def number(value: Any, group: dict[str, Any]) -> Any:
    """An option as a number; where the step is differentiable, a tensor stays one so that gradients reach it."""
    if isinstance(value, Tensor) and not group.get("differentiable"):
        return value.item()
    return value


def snapshot(tensor: Tensor, group: dict[str, Any]) -> Tensor:
    """A state tensor as it is now, for a graph that outlives its next in-place change."""
    return tensor.clone() if group.get("differentiable") else tensor


def advance(state: dict[str, Any]) -> float:
    """Count a step and return its number, starting with 1."""
    state["step"] += 1
    return state["step"].item()


def check_lr(lr: Any, foreach: bool | None = None, capturable: bool = False, tensor_foreach: bool = True) -> None:
    """Refuse a negative learning rate and a tensor that is not one number."""
    if isinstance(lr, Tensor):
        if foreach and not capturable and not tensor_foreach:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        if lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_nonnegative(**options: Any) -> None:
    """Refuse a negative option: name=value."""
    names = {"eps": "epsilon"}
    for name, value in options.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {names.get(name, name)} value: {value}")


def check_betas(betas: tuple[Any, Any]) -> None:
    """Refuse decay rates outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_fused(optimizer: Optimizer, fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuse what PyTorch's fused form does not do."""
    if not fused:
        return
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
