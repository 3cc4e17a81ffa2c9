"""Calls of a module with other parameters and buffers than its own."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from rushlight import Tensor
from rushlight.nn.modules.module import Module

__all__ = ["functional_call"]


def _owner(module: Module, path: str) -> tuple[Module, str]:
    prefix, _, name = path.rpartition(".")
    return module.get_submodule(prefix), name


def _tied_names(module: Module) -> dict[str, list[str]]:
    """For every name the names of the same tensor, itself included."""
    groups: dict[int, list[str]] = {}
    members = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    for name, tensor in members:
        groups.setdefault(id(tensor), []).append(name)
    return {name: group for group in groups.values() for name in group}


def _with_tied(module: Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """`given` and the other names of the tensors that it replaces. ValueError where two disagree."""
    tied = _tied_names(module)
    result = dict(given)
    for name, tensor in given.items():
        for other in tied.get(name, ()):
            if other in given and given[other] is not tensor:
                names = sorted(n for n in tied[name] if n in given)
                raise ValueError(f"functional_call got multiple values for keys {names}, which are tied. Consider "
                                 "using tie_weights=False")  # fmt: skip
            result[other] = tensor
    return result


def _check_strict(module: Module, given: dict[str, Tensor]) -> None:
    known = {
        name
        for name, _ in [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    }
    problems = []
    for what, names in (("Unexpected", given.keys() - known), ("Missing", known - given.keys())):
        if names:
            problems.append(f"{what} key(s): {', '.join(map(repr, sorted(names)))}.")
    if problems:
        listed = "\n\t".join(problems)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{listed}")


@contextlib.contextmanager
def _reparametrize_module(
    module: Module, parameters_and_buffers: dict[str, Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    """Put other tensors in the place of parameters and buffers, and the old ones back at the end."""
    given = _with_tied(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        _check_strict(module, given)
    swapped: list[tuple[str, Module, str, Any]] = []
    try:
        for path, tensor in given.items():
            owner, name = _owner(module, path)
            swapped.append((path, owner, name, _swap(owner, name, tensor)))
        yield
    finally:
        for path, owner, name, original in reversed(swapped):
            current = _swap(owner, name, original)
            if path in parameters_and_buffers:  # what forward assigned anew, say a running mean, is the caller's
                parameters_and_buffers[path] = current


_MISSING = object()


def _swap(owner: Module, name: str, tensor: Any) -> Any:
    """Put `tensor` in the place of a member, and return what was there. The tables take it without the attribute's
    check that it be a Parameter."""
    for table in (owner._parameters, owner._buffers):
        if name in table:
            original, table[name] = table[name], tensor
            return original
    original = getattr(owner, name, _MISSING)
    if tensor is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, tensor)
    return original


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with the given tensors in the place of the parameters and buffers of those names.

    They are one dictionary or several without common keys. `tie_weights` replaces every name of a shared tensor;
    `strict` demands all names of the module and no other.
    """
    if not isinstance(parameters_and_buffers, dict):
        merged: dict[str, Tensor] = {}
        for part in parameters_and_buffers:
            repeated = merged.keys() & part.keys()
            if repeated:
                raise ValueError(f"{sorted(repeated)[0]} appeared in multiple dictionaries; behavior of functional "
                                 "call is ambiguous")  # fmt: skip
            merged.update(part)
        parameters_and_buffers = merged
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))
