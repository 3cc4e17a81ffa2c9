"""The graph itself: nodes, hooks over several tensors, what happens to saved tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rushlight import _C
from rushlight._C import Node, Tensor

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A node and the number of its result."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where gradients of tensor go."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    if tensor.grad_fn is not None:
        return GradientEdge(tensor.grad_fn, tensor.output_nr)
    return GradientEdge(tensor.view_as(tensor).grad_fn.next_functions[0][0], 0)


class saved_tensors_hooks:
    """Within the block a tensor that an operator saves is replaced by pack(tensor), and by unpack(that) for backward."""

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc: object) -> None:
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Saved tensors are copied; on this device that only costs memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.detach().clone(), lambda t: t)


class _MultiHandle:
    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Takes the hook off every tensor."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> _MultiHandle:
    """Calls fn with the gradients of all tensors once all are there (mode "all"), or with the first (mode "any")."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    grads: list[Any] = [None] * len(tensors)
    seen: set[int] = set()

    def make(i: int) -> Callable:
        def hook(grad: Tensor) -> None:
            if mode == "any":
                if not seen:
                    seen.add(i)
                    fn(grad)
                return
            grads[i] = grad
            seen.add(i)
            if len(seen) == len(tensors):
                values = list(grads)
                seen.clear()
                grads[:] = [None] * len(tensors)
                fn(values)

        return hook

    return _MultiHandle([t.register_hook(make(i)) for i, t in enumerate(tensors)])


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Tells the graph that tensor's memory was written by something that it doesn't know."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _C._bump_version(t)


class disable_saved_tensors_hooks:
    """Within the block using saved_tensors_hooks raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.message = error_message

    def _refuse(self, *args: Any) -> Any:
        raise RuntimeError(self.message)

    def __enter__(self) -> None:
        self.original = saved_tensors_hooks.__enter__
        saved_tensors_hooks.__enter__ = self._refuse  # type: ignore[method-assign]

    def __exit__(self, *exc: object) -> None:
        saved_tensors_hooks.__enter__ = self.original  # type: ignore[method-assign]


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Within the block saved tensors are copied, so that changing them in place does no harm."""

    def __init__(self) -> None:
        super().__init__(
            lambda t: t.detach().clone().requires_grad_(False) if not t.requires_grad else t.clone(), lambda t: t
        )
