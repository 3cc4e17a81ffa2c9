"""Trading time for memory: parts of a network whose inner results are computed again in the backward pass."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import rushlight
from rushlight import Tensor

__all__ = ["checkpoint", "checkpoint_sequential", "get_device_states", "set_device_states"]


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The states of the generators of the devices of some tensors: none but the CPU's, which is not listed."""
    return [], []


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Take what `get_device_states` returned."""


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable = lambda: (nullcontext(), nullcontext()),
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Return `function(*args, **kwargs)`, whose inner results are not kept but computed again for the backward pass.

    With `preserve_rng_state` (the default) both runs draw the same random numbers. Gradients reach the arguments, also
    those in containers, and whatever the function uses besides.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
            "recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True.",
            stacklevel=2,
        )
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not rushlight.is_grad_enabled():
        return function(*args, **kwargs)
    forward_context, recompute_context = context_fn()
    run = _Recomputation(function, args, kwargs, preserve, recompute_context, determinism_check)
    with forward_context, rushlight.autograd.graph.saved_tensors_hooks(run.pack, run.unpack):
        return function(*args, **kwargs)


class _Recomputation:
    """Numbers the tensors that the forward pass would keep, and makes them again when the first one is asked for."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, preserve: bool, context: Any, check: str) -> None:
        self.call = lambda: function(*args, **kwargs)
        self.state = rushlight.get_rng_state() if preserve else None
        self.context = context
        self.check = check
        self.count = 0
        self.shapes: list[Any] = []
        self.made: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> int:
        self.shapes.append((tensor.shape, tensor.dtype))
        self.count += 1
        return self.count - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.made:
            self.recompute()
        return self.made.pop(number)

    def recompute(self) -> None:
        made: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            made.append(tensor.detach())
            return tensor

        now = rushlight.get_rng_state()
        if self.state is not None:
            rushlight.set_rng_state(self.state)
        try:
            with self.context, rushlight.enable_grad():
                with rushlight.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                    self.call()
        finally:
            if self.state is not None:
                rushlight.set_rng_state(now)
        if len(made) != self.count:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {self.count}\n"
                f"Number of tensors saved during recomputation: {len(made)}."
            )
        for i, (tensor, description) in enumerate(zip(made, self.shapes, strict=True)):
            if self.check != "none" and (tensor.shape, tensor.dtype) != description:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                    f"during the forward pass.\ntensor at position {i}:\nsaved metadata: {description}\n"
                    f"recomputed metadata: {(tensor.shape, tensor.dtype)}"
                )
        self.made = dict(enumerate(made))


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function was not like the first."""


def checkpoint_sequential(
    functions: Any, segments: int, input: Tensor, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a Sequential, or a list of functions, as `segments` checkpointed parts; the last part keeps its results."""
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended, but if you need to preserve the current default behavior, you can "
            "pass use_reentrant=True.",
            stacklevel=2,
        )
        use_reentrant = True
    parts = list(functions.children()) if isinstance(functions, rushlight.nn.Sequential) else list(functions)
    size = len(parts) // segments

    def run(chosen: Iterable[Callable]) -> Callable:
        def forward(value: Any) -> Any:
            for function in chosen:
                value = function(value)
            return value

        return forward

    last = size * (segments - 1)
    for start in range(0, last, size):
        part = run(parts[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return run(parts[last:])(input)
