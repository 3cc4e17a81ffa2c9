"""Full backward hooks of a module: identity functions around its inputs and its outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.autograd import Function

Gradients = tuple[Tensor | None, ...]


class BackwardHookFunction(Function):
    """Its tensors unchanged; in backward `on_backward` is given their gradients, and may return others."""

    @staticmethod
    def forward(ctx: Any, on_backward: Callable[[Gradients], Gradients | None], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.on_backward = on_backward
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        replaced = ctx.on_backward(gradients)
        return None, *(gradients if replaced is None else replaced)


class BackwardHook:
    """Watches one call of a module: its outputs' gradients, then its inputs', pass through an identity function.

    `user_hooks(module, grad_input, grad_output)` run when the inputs' gradients are known, and may replace them;
    `user_pre_hooks(module, grad_output)` when the outputs' are.
    """

    def __init__(self, module: Any, user_hooks: Sequence[Callable], user_pre_hooks: Sequence[Callable]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Gradients | None = None
        self.n_inputs = self.n_outputs = -1
        self.input_index: list[int] | None = None
        self.output_index: list[int] | None = None

    def setup_input_hook(self, args: Any) -> Any:
        """`args` with its tensors led through the function that ends the module's backward."""
        args, self.input_index, self.n_inputs = _through_identity(args, self._on_input_gradients)
        return args

    def setup_output_hook(self, outputs: Any) -> Any:
        """`outputs` with its tensors led through the function that begins the module's backward."""
        single = not isinstance(outputs, tuple)
        outputs, self.output_index, self.n_outputs = _through_identity(
            (outputs,) if single else outputs, self._on_output_gradients
        )
        return outputs[0] if single else outputs

    def _on_output_gradients(self, gradients: Gradients) -> Gradients | None:
        self.grad_outputs = _spread(self.output_index, gradients, self.n_outputs)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, self.grad_outputs)
            if replaced is not None:
                self.grad_outputs = _checked(replaced, self.n_outputs, "Backward pre hook", "grad_output")
        kept = self.grad_outputs
        if self.input_index is None:  # no input needs a gradient: there will be no second function to run the hooks
            self._run_without_input_gradients()
        return tuple(kept[i] for i in self.output_index) if self.user_pre_hooks else None

    def _run_without_input_gradients(self) -> None:
        for hook in self.user_hooks:
            result = hook(self.module, (None,) * self.n_inputs, self.grad_outputs)
            if result is not None and not (isinstance(result, tuple) and all(g is None for g in result)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )
        self.grad_outputs = None

    def _on_input_gradients(self, gradients: Gradients) -> Gradients | None:
        if self.grad_outputs is None:
            raise RuntimeError(
                f"Module backward hook for grad_input is called before the grad_output one. This happens because the "
                f"gradient in your nn.Module flows to the Module's input without passing through the Module's output. "
                f"Make sure that the output depends on the input and that the loss is computed based on the output "
                f"({type(self.module).__name__})."
            )
        known = _spread(self.input_index, gradients, self.n_inputs)
        for hook in self.user_hooks:
            replaced = hook(self.module, known, self.grad_outputs)
            if replaced is not None:
                known = _checked(replaced, self.n_inputs, "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(known[i] for i in self.input_index)


def _checked(value: Any, count: int, what: str, which: str) -> Gradients:
    if isinstance(value, Tensor):
        value = (value,)
    if len(value) != count:
        raise RuntimeError(f"{what} returned an invalid number of {which}, got {len(value)}, but expected {count}")
    return tuple(value)


def _spread(index: Sequence[int], values: Sequence, count: int) -> tuple:
    """`values` at the places `index` of a tuple of `count`, None elsewhere."""
    result: list = [None] * count
    for i, value in zip(index, values, strict=True):
        result[i] = value
    return tuple(result)


def _through_identity(args: tuple, on_backward: Callable) -> tuple[tuple, list[int] | None, int]:
    """(`args` with its tensors behind one identity, the places of the tensors, the number of arguments).

    Where no tensor needs a gradient the arguments come back untouched, and None.
    """
    index = [i for i, value in enumerate(args) if isinstance(value, Tensor)]
    if not rushlight.is_grad_enabled() or not any(args[i].requires_grad for i in index):
        return args, None, len(args)
    through = BackwardHookFunction.apply(on_backward, *(args[i] for i in index))
    values = list(args)
    for i, tensor in zip(index, through, strict=True):
        values[i] = tensor
    return (tuple(values) if type(args) is tuple else type(args)(*values)), index, len(values)
