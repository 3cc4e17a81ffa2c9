"""Around the transforms: linearisation, calls with other parameters, batch norms without state, looking inside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _C, nn
from rushlight._C import Tensor
from rushlight.utils import _pytree

_f = _C._functions


def functional_call(
    module: nn.Module, parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]], args: Any = None,
    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """module(*args, **kwargs) with other parameters and buffers, by name, in one dict or several.

    Raises ValueError where two dicts have the same name, and for other things than dicts.
    """
    given = parameter_and_buffer_dicts
    if not isinstance(given, (dict, Sequence)):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    if not isinstance(given, dict) and not all(isinstance(part, dict) for part in given):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    return nn.utils.stateless.functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """(func(*primals), a function from tangents to the derivative along them), which does not run func again.

    Tangents have the structure and the shapes of the primals; RuntimeError where they don't.
    """
    from rushlight.func import _map, _recording, _track, vjp

    outputs, pull = vjp(func, *primals)
    with _recording():
        seeds = _map(lambda t: _track(_f.zeros_like(t)), outputs)
        back, _ = _pytree.tree_flatten(pull(seeds))
    variables, _ = _pytree.tree_flatten(seeds)
    leaves, structure = _pytree.tree_flatten(primals)

    def along(*tangents: Any) -> Any:
        given, found = _pytree.tree_flatten(tangents)
        if found != structure:
            raise RuntimeError(
                f"Expected the tangents {found} to have the same argspec as the primals {structure}: linearize"
            )
        for i, (tangent, primal) in enumerate(zip(given, leaves, strict=True)):
            if tangent.shape != primal.shape:
                raise RuntimeError(
                    f"tangent:{i} with shape {tangent.shape} in flattened pytree doesn't match the shape "
                    f"{primal.shape} of the corresponding primal."
                )
        pairs = [(b, t) for b, t in zip(back, given, strict=True) if b.requires_grad]
        grads: tuple = (None,) * len(variables)
        if pairs:
            recorded = _C.is_grad_enabled() and any(t.requires_grad for t in (*given, *leaves))
            grads = _C._run_backward(
                tuple(b for b, _ in pairs), tuple(t for _, t in pairs), True, recorded, tuple(variables), True, False
            )
        values = [_f.zeros_like(v) if g is None else g for g, v in zip(grads, variables, strict=True)]
        return _pytree.tree_unflatten(values, _pytree.tree_flatten(outputs)[1])

    return _map(lambda t: t if any(p.requires_grad for p in leaves) else t.detach(), outputs), along


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """A function that does what func does, arguments that func changes included.

    What it removes are in-place operators and views from a traced program; run at once, as here, there is no difference
    to see. Raises RuntimeError unless remove is "mutations" or "mutations_and_views".
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are "
            "'mutations' and 'mutations_and_views'"
        )

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return run


def replace_all_batch_norm_modules_(root: nn.Module) -> nn.Module:
    """Takes running statistics from all batch norms of root, in place: they then use those of each batch, under vmap too."""
    for module in root.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor holds inside vmap: the whole batch, of the outermost level or, with recurse False, of the innermost."""
    inner = _C._unwrap(tensor)
    if inner is None:
        return tensor
    return debug_unwrap(inner[0]) if recurse else inner[0]
