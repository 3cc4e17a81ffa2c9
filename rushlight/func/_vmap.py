"""vmap: a function of examples made a function of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor

_f = _C._functions
_POINTWISE = {"Unary", "Binary", "Ternary", "Compare", "Test"}
_levels: list[_Level] = []


class _Level:
    """One vmap in force: an interpreter that runs each operator on the batch inside of the tensors of its level."""

    def __init__(self, size: int, randomness: str) -> None:
        self.size, self.randomness, self.number = size, randomness, len(_levels) + 1

    def __enter__(self) -> _Level:
        _levels.append(self)
        _C._push_interpreter(self, self.number)
        return self

    def __exit__(self, *exc: object) -> None:
        _C._pop_interpreter()
        _levels.pop()

    def unwrap(self, x: Any) -> tuple[Any, int | None]:
        """(what is inside, the batch's dimension); the dimension is None for what is the same for every example."""
        found = _C._unwrap(x) if isinstance(x, Tensor) else None
        if found is None or found[2] != self.number:
            return x, None
        return found[0], None if found[1] < 0 else found[1]

    def _interpret(self, op: Any, args: tuple, inplace: bool) -> Any:
        """Called by the core for every operator below the recording of this level."""
        _levels.pop()
        try:
            return self.run(op, args, inplace)
        finally:
            _levels.append(self)

    def run(self, op: Any, args: tuple, inplace: bool) -> Any:
        plain, dims = [], []
        for a in args:
            if isinstance(a, (list, tuple)) and any(isinstance(v, Tensor) for v in a):
                pairs = [self.unwrap(v) for v in a]
                plain.append([p for p, _ in pairs])
                dims.append([d for _, d in pairs])
            else:
                p, d = self.unwrap(a)
                plain.append(p)
                dims.append(d)
        batched = any(d is not None if not isinstance(d, list) else any(v is not None for v in d) for d in dims)
        if inplace and batched and dims[0] is None:
            raise RuntimeError(
                f"vmap: {op}(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has more elements than `self`. self is not batched: use the out-of-place form"
            )
        if not batched:
            return self.wrap(_call(op, plain), None)
        if op._category in _POINTWISE:
            return self.wrap(_call(op, _align(plain, dims)), 0)
        return self.loop(op, plain, dims, inplace)

    def loop(self, op: Any, plain: list, dims: list, inplace: bool) -> Any:
        """Without a rule of its own an operator is called once for each example."""
        results = []
        for i in range(self.size):
            one = []
            for p, d in zip(plain, dims, strict=True):
                if isinstance(d, list):
                    one.append([v if k is None else v.select(k, i) for v, k in zip(p, d, strict=True)])
                else:
                    one.append(p if d is None else p.select(d, i))
            results.append(_call(op, one))
        if inplace:
            return plain[0]
        first = results[0]
        if isinstance(first, Tensor):
            return self.wrap(_f.stack(results), 0)
        if isinstance(first, tuple):
            return tuple(
                self.wrap(_f.stack([r[k] for r in results]), 0) if isinstance(v, Tensor) else v
                for k, v in enumerate(first)
            )
        return first

    def wrap(self, value: Any, dim: int | None) -> Any:
        if isinstance(value, Tensor):
            return _C._wrap(value, -1 if dim is None else dim, self.number)
        if isinstance(value, (list, tuple)):
            return tuple(self.wrap(v, dim) for v in value)
        return value


def _call(op: Any, args: list) -> Any:
    """Calls an overload with arguments in the order of its signature."""
    positional, keywords = [], {}
    for value, (name, _, keyword_only, _default) in zip(args, op._params, strict=True):
        if keyword_only:
            keywords[name] = value
        else:
            positional.append(value)
    return op(*positional, **{k: v for k, v in keywords.items() if v is not None})


def _align(plain: list, dims: list) -> list:
    """Batches to the front, examples padded with dimensions of size 1 to the same rank."""
    rank = max(
        (p.dim() - (d is not None) for p, d in zip(plain, dims, strict=True) if isinstance(p, Tensor)), default=0
    )
    aligned = []
    for p, d in zip(plain, dims, strict=True):
        if d is None:
            aligned.append(p)
            continue
        moved = p.movedim(d, 0) if d else p
        missing = rank - (moved.dim() - 1)
        aligned.append(moved.reshape((moved.shape[0],) + (1,) * missing + tuple(moved.shape[1:])) if missing else moved)
    return aligned


def _flatten(tree: Any, dims: Any, out: list) -> Any:
    """Collects (tensor, dim) of tree; dims is one number or has tree's structure. Returns a function that rebuilds it."""
    if isinstance(tree, Tensor):
        out.append((tree, dims))
        return lambda it: next(it)
    if isinstance(tree, dict):
        subs = {k: _flatten(v, dims[k] if isinstance(dims, dict) else dims, out) for k, v in tree.items()}
        return lambda it: {k: s(it) for k, s in subs.items()}
    if isinstance(tree, (list, tuple)):
        if isinstance(dims, (list, tuple)) and len(dims) != len(tree):
            raise ValueError(f"vmap: in_dims or out_dims {dims} is not compatible with the structure of the values")
        items = [_flatten(v, dims[i] if isinstance(dims, (list, tuple)) else dims, out) for i, v in enumerate(tree)]
        kind = type(tree)
        if hasattr(tree, "_fields"):
            return lambda it: kind(*[s(it) for s in items])
        return lambda it: kind(s(it) for s in items)
    return lambda it: tree


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """A function that applies func to each example of a batch and stacks the results.

    in_dims: for each argument the dimension of the batch, or None; out_dims: where it goes in the results.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found: list[tuple[Tensor, Any]] = []
        rebuild = _flatten(list(args), list(in_dims) if isinstance(in_dims, tuple) else in_dims, found)
        sizes = {t.size(d) for t, d in found if d is not None}
        if not sizes:
            raise ValueError(
                "vmap: no argument is batched: every in_dims is None, or there is no Tensor among the inputs"
            )
        if len(sizes) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)} for the mapped dimension"
            )
        size = sizes.pop()
        with _Level(size, randomness) as level:
            values = [t if d is None else _C._wrap(t, d % t.dim(), level.number) for t, d in found]
            outputs = func(*rebuild(iter(values)), **kwargs)
            results: list[tuple[Tensor, Any]] = []
            rebuild_out = _flatten(outputs, out_dims, results)
            parts = [(*level.unwrap(t), d) for t, d in results]
        final = []
        for inner, dim, target in parts:
            if target is None:
                final.append(inner)
                continue
            whole = inner.unsqueeze(0).expand((size, *inner.shape)) if dim is None else inner.movedim(dim, 0)
            final.append(whole.movedim(0, target))
        return rebuild_out(iter(final))

    return wrapper
