"""Forward mode: derivatives along a direction that inputs carry with them.

A dual is an alias of its primal that the graph records; its tangent is kept by the level. `unpack_dual` finds the tangent
of a result from the graph, which therefore must be recorded, as the gradient of a vector-Jacobian product with respect to its vector, so every operator
that has a gradient of a gradient has a forward derivative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.grad_mode import enable_grad

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip

_f = _C._functions


class UnpackedDualTensor(NamedTuple):
    """The two parts of a dual: tangent is None where the tensor depends on no dual of the level."""

    primal: Tensor
    tangent: Tensor | None


class _Level:
    """The duals that were made at the level: (alias, tangent)."""

    def __init__(self) -> None:
        self.duals: list[tuple[Tensor, Tensor]] = []


_levels: list[_Level] = []


def enter_dual_level() -> int:
    """Begins a level and returns its number. Raises RuntimeError within another one."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_Level())
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: its duals have no tangents any more."""
    if not _levels:
        raise RuntimeError("Dual level must be a positive number.")
    if level is not None and level != len(_levels) - 1:
        raise RuntimeError(
            f"Trying to exit a forward AD level that was not the last one that was created: {level}, not {len(_levels) - 1}"
        )
    _levels.pop()


def _current(level: int | None, purpose: str) -> _Level:
    if not _levels or (level is not None and level < 0):
        raise RuntimeError(f"{purpose} but no level exists, make sure to enter_dual_level() first.")
    return _levels[-1 if level is None else level]


def _check_recording(name: str) -> None:
    if not _C.is_grad_enabled():
        raise NotImplementedError(
            f"{name}: forward mode is computed from the recorded graph, so it is not there inside no_grad or inference_mode"
        )


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor that shares tensor's memory and carries tangent, of the same shape, through the operators that use it.

    Raises RuntimeError outside a level and for other shapes, ValueError for integers.
    """
    found = _current(level, "Trying to create a dual Tensor for forward AD")
    _check_recording("make_dual")
    for what, value in (("primal", tensor), ("tangent", tangent)):
        if not (value.is_floating_point() or value.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {value.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    with enable_grad():
        dual = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_(True)
    found.duals.append((dual, tangent))
    return dual


def _along(result: Tensor, duals: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    """The derivative of result along the tangents, or None where it doesn't depend on the duals.

    The gradient g -> J^H g is linear in g: its own gradient with respect to g, at tangents t, is the sum of J t.
    """
    seed = _f.zeros_like(result.detach()).requires_grad_(True)
    aliases = tuple(dual for dual, _ in duals)
    with enable_grad():
        back = _C._run_backward((result,), (seed,), True, True, aliases, True, False)
        pairs = [(g, t) for g, (_, t) in zip(back, duals, strict=True) if g is not None]
        if not pairs:
            return None
        pairs = [(g, t.to(g.dtype)) for g, t in pairs if g.requires_grad]
        if not pairs:
            return _f.zeros_like(result.detach())
        keep = _is_tracked_besides(result, duals)
        (tangent,) = _C._run_backward(
            tuple(g for g, _ in pairs), tuple(t for _, t in pairs), True, keep, (seed,), True, False
        )
    if tangent is None:
        return _f.zeros_like(result.detach())
    return tangent if keep else tangent.detach()


def _is_tracked_besides(result: Tensor, duals: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether the graph of result reaches anything that requires a gradient besides the duals: weights, say."""
    if any(alias.grad_fn is not None or tangent.requires_grad for alias, tangent in duals):
        return True
    seen: set[Any] = set()
    pending = [result.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and all(variable is not alias for alias, _ in duals):
            return True
        pending.extend(following for following, _ in node.next_functions)
    return False


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of tensor at the level, which is computed now."""
    if not _levels and level is None:
        return UnpackedDualTensor(tensor, None)
    found = _current(level, "Trying to unpack a dual Tensor")
    _check_recording("unpack_dual")
    for dual, tangent in found.duals:
        if dual is tensor:
            return UnpackedDualTensor(_primal(tensor, found), tangent)
    tangent = _along(tensor, found.duals) if tensor.requires_grad and found.duals else None
    return UnpackedDualTensor(_primal(tensor, found) if tangent is not None else tensor, tangent)


def _primal(tensor: Tensor, level: _Level) -> Tensor:
    """tensor without its tangent: still recorded where its graph reaches more than duals."""
    return tensor.view_as(tensor) if _is_tracked_besides(tensor, level.duals) else tensor.detach()


class dual_level:  # noqa: N801  (PyTorch's name)
    """A level as a block or a decorator; duals live within it."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()

    def __call__(self, func: Any) -> Any:
        import functools

        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            with dual_level():
                return func(*args, **kwargs)

        return run


def _jacobian_columns(func: Any, inputs: tuple, which: int) -> list[list[Tensor]]:
    """For each real number of inputs[which] the derivatives of the results of func, by forward mode: gradcheck's part."""
    x = inputs[which].detach()
    columns = []
    for i in range(x.numel() * (2 if x.is_complex() else 1)):
        tangent = _f.zeros_like(x, memory_format=_C.contiguous_format)
        (_f.view_as_real(tangent) if x.is_complex() else tangent).reshape(-1)[i] = 1
        with dual_level():
            args = [a.detach() if isinstance(a, Tensor) else a for a in inputs]
            args[which] = make_dual(x, tangent)
            results = func(*args)
            results = results if isinstance(results, (tuple, list)) else (results,)
            results = [r for r in results if isinstance(r, Tensor) and (r.is_floating_point() or r.is_complex())]
            tangents = [unpack_dual(r).tangent for r in results]
            columns.append([_f.zeros_like(r) if t is None else t for r, t in zip(results, tangents, strict=True)])
    return columns
