"""Transforms of functions: grad, vmap, vjp, jacrev and others, which nest in any order.

`grad` differentiates by recording at its own place in the graph; `vmap` puts a level on the stack of interpreters, where
each operator is called once on the whole batch by its category's rule, or by a loop over the batch where it has none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.func._tools import (
    debug_unwrap,
    functional_call,
    functionalize,
    linearize,
    replace_all_batch_norm_modules_,
)
from rushlight.func._vmap import vmap

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

_f = _C._functions


def _map(f: Callable, tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return f(tree)
    if isinstance(tree, dict):
        return {k: _map(f, v) for k, v in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_map(f, v) for v in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map(f, v) for v in tree)
    return tree


def _leaves(tree: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _map(lambda t: found.append(t) or t, tree)
    return found


def _track(x: Tensor) -> Tensor:
    """x as a variable of this transform, still connected to the transforms around it."""
    level = _C._vmap_level()
    unwrapped = _C._unwrap(x)
    if level and (unwrapped is None or unwrapped[2] != level):
        return _C._wrap(x, -1, level).requires_grad_(True)
    if level:
        inner, dim, _ = unwrapped
        if x.requires_grad:
            return x.view_as(x)
        return _C._wrap(inner, dim, level).requires_grad_(True)
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_(True)


def _recording() -> Any:
    from rushlight.autograd.grad_mode import enable_grad

    return enable_grad()


def _outer_needs(trees: Any) -> bool:
    return any(t.requires_grad for t in _leaves(trees))


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns (gradient, value) of func, whose result is a single real number."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        recorded = _C.is_grad_enabled()
        with _recording():
            tracked = list(args)
            for n in numbers:
                tracked[n] = _map(_track, args[n])
            result = func(*tracked, **kwargs)
            value, aux = result if has_aux else (result, None)
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a single tensor, got {type(value).__name__}"
                )
            if value.dim() != 0:
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with {value.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            variables = [t for n in numbers for t in _leaves(tracked[n])]
            if value.requires_grad:
                grads = _C._run_backward(
                    (value,), (_f.ones_like(value),), True, recorded, tuple(variables), True, False
                )
            else:
                grads = (None,) * len(variables)
            found = iter([_f.zeros_like(x) if g is None else g for g, x in zip(grads, variables, strict=True)])
            packed = tuple(_map(lambda _: next(found), tracked[n]) for n in numbers)
        answer = packed[0] if isinstance(argnums, int) else packed
        settle = _settler(args, recorded)
        return (settle(answer), (settle(value), settle(aux))) if has_aux else (settle(answer), settle(value))

    return wrapper


def _settler(args: Any, recorded: bool) -> Callable:
    """Results stay in the graph only where something around this transform differentiates."""
    if recorded and (_outer_needs(args) or _C._interpreters()):
        return lambda tree: tree
    return lambda tree: _map(lambda t: t.detach(), tree)


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of func with respect to the arguments numbered argnums."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = both(*args, **kwargs)
        return (result[0], result[1][1]) if has_aux else result[0]

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), a function from the outputs' gradients to the inputs')."""
    with _recording():
        tracked = _map(_track, primals)
        result = func(*tracked)
        outputs, aux = result if has_aux else (result, None)
        outs, variables = _leaves(outputs), _leaves(tracked)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple:
        pairs = [(o, g) for o, g in zip(outs, _leaves(cotangents), strict=True) if o.requires_grad]
        grads: tuple = (None,) * len(variables)
        if pairs:
            grads = _C._run_backward(
                tuple(o for o, _ in pairs),
                tuple(g for _, g in pairs),
                True,
                _C.is_grad_enabled(),
                tuple(variables),
                True,
                False,
            )
        found = iter([_f.zeros_like(x) if g is None else g for g, x in zip(grads, variables, strict=True)])
        return _map(lambda _: next(found), tracked)

    return (outputs, pull, aux) if has_aux else (outputs, pull)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(func(*primals), the derivative along tangents), by differentiating the vjp with respect to its vector."""
    result = vjp(func, *primals, has_aux=has_aux)
    outputs, pull = result[0], result[1]
    with _recording():
        seeds = _map(lambda t: _track(_f.zeros_like(t)), outputs)
        back = _leaves(pull(seeds))
        pairs = [(b, t) for b, t in zip(back, _leaves(tangents), strict=True) if b.requires_grad]
        variables = _leaves(seeds)
        grads: tuple = (None,) * len(variables)
        if pairs:
            grads = _C._run_backward(
                tuple(b for b, _ in pairs), tuple(t for _, t in pairs), True, True, tuple(variables), True, False
            )
        found = iter([_f.zeros_like(x) if g is None else g for g, x in zip(grads, variables, strict=True)])
        along = _map(lambda _: next(found), seeds)
    return (outputs, along, result[2]) if has_aux else (outputs, along)


def jacrev(
    func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable:
    """A function that returns the Jacobian of func: for each output and argument a tensor of shape output.shape + argument.shape."""

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

        def part(*chosen: Any) -> Any:
            full = list(args)
            for n, value in zip(numbers, chosen, strict=True):
                full[n] = value
            return func(*full)

        made = vjp(part, *(args[n] for n in numbers), has_aux=has_aux)
        outputs, pull = made[0], made[1]

        def rows(target: Tensor) -> Any:
            per_arg: list[list[Tensor]] = [[] for _ in numbers]
            for j in range(target.numel()):
                seed = _f.zeros_like(target).reshape(-1)
                seed = _f.index_fill(seed, 0, _C.tensor([j], _C.int64, None, False), 1).reshape(target.shape)
                grads = pull(_map(lambda t, seed=seed: seed if t is target else _f.zeros_like(t), outputs))
                for store, g in zip(per_arg, grads, strict=True):
                    store.append(g)
            shaped = tuple(
                _f.stack(store).reshape((*target.shape, *args[n].shape))
                for store, n in zip(per_arg, numbers, strict=True)
            )
            return shaped[0] if isinstance(argnums, int) else shaped

        jacobian = _map(rows, outputs)
        settle = _settler(args, _C.is_grad_enabled())
        return (settle(jacobian), settle(made[2])) if has_aux else settle(jacobian)

    return wrapper


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:
    """The Jacobian, as jacrev gives it."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that returns the Hessian of func."""
    return jacrev(jacrev(func, argnums), argnums)


def stack_module_state(models: list[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one architecture, stacked, for vmap over functional_call."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({type(m) for m in models}) != 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {
        k: _f.stack([dict(m.named_parameters())[k].detach() for m in models]).requires_grad_(True)
        for k, _ in models[0].named_parameters()
    }
    buffers = {k: _f.stack([dict(m.named_buffers())[k] for m in models]) for k, _ in models[0].named_buffers()}
    return params, buffers
