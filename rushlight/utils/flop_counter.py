"""Counting floating-point operations: of products, convolutions and attention, in both passes, by module."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from rushlight.utils._python_dispatch import TorchDispatchMode
from rushlight.utils._pytree import tree_leaves, tree_map

__all__ = ["FlopCounterMode", "register_flop_formula"]

aten = rushlight.ops.aten
flop_registry: dict[Any, Callable[..., int]] = {}


def _of_shapes(formula: Callable) -> Callable:
    """formula with shapes in the place of tensors."""
    if getattr(formula, "_get_raw", False):
        return formula

    @functools.wraps(formula)
    def counted(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        args, kwargs, shape = tree_map(lambda v: v.shape if isinstance(v, Tensor) else v, (args, kwargs, out_val))
        return formula(*args, out_shape=shape, **kwargs)

    return counted


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable:
    """Decorates the formula of some operators, `torch.ops.aten.mm` say: a function of the arguments' shapes and out_shape.

    With get_raw the formula gets the tensors themselves and out_val. Raises RuntimeError where an operator has a formula.
    """

    def register(formula: Callable) -> Callable:
        formula._get_raw = get_raw  # type: ignore[attr-defined]
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            if target in flop_registry:
                raise RuntimeError(f"duplicate registrations for {target}")
            flop_registry[target] = _of_shapes(formula)
        return formula

    return register


@register_flop_formula([aten.mm, aten.bmm])
def mm_flop(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """2 m n k, for each matrix of the batch."""
    return 2 * prod(a) * b[-1]


@register_flop_formula([aten.addmm, aten.baddbmm])
def addmm_flop(self: Any, a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """As the product alone: PyTorch's count leaves the sum out."""
    return 2 * prod(a) * b[-1]


@register_flop_formula(aten.linear)
def linear_flop(input: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """2 n in out."""
    return 2 * prod(input) * (weight[0] if len(weight) == 2 else 1)


def _convolution_flop(input: Any, weight: Any, out: Any, transposed: bool) -> int:
    """2 per weight and place: places of the result, of the input where it is transposed."""
    places = input[2:] if transposed else out[2:]
    return 2 * input[0] * prod(places) * prod(weight)


@register_flop_formula(aten.convolution)
def conv_flop(
    x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *_: Any, out_shape: Any = None
) -> int:
    """2 batch places weights."""
    return _convolution_flop(x, w, out_shape, transposed)


@register_flop_formula(aten.convolution_backward)
def conv_backward_flop(
    grad: Any, x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int, output_mask: Any, out_shape: Any = None, **_: Any,
) -> int:  # fmt: skip
    """As much as the forward pass for each of the gradients of input and weight that is asked for."""
    return _convolution_flop(x, w, grad, transposed) * (bool(output_mask[0]) + bool(output_mask[1]))


@register_flop_formula(aten._attention)
def attention_flop(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Two batched products: query by key, weights by value."""
    return 2 * prod(query) * key[-2] + 2 * prod(query[:-1]) * key[-2] * value[-1]


class _Places:
    """Names of the modules in which the program is: in their forward pass, or between the gradients of their outputs
    and of their inputs."""

    def __init__(self) -> None:
        self.forward: list[str] = []
        self.backward: dict[str, None] = {}
        self.names: dict[Any, str] = {}
        self.handles: list[Any] = []

    def current(self) -> list[str]:
        return list(dict.fromkeys(self.forward)) if self.forward else list(self.backward)

    def start(self) -> None:
        self.handles = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []

    def _enter(self, module: Any, inputs: Any) -> None:
        if not self.forward:
            self.backward.clear()
            root = self.names.get(module, type(module).__name__)
            for path, part in module.named_modules():
                self.names[part] = f"{root}.{path}" if path else root
        name = self.names.setdefault(module, type(module).__name__)
        self.forward.append(name)
        for value in tree_leaves(inputs):
            if isinstance(value, Tensor) and value.requires_grad and not value.is_leaf:
                self.handles.append(value.register_hook(lambda _, name=name: self.backward.pop(name, None)))

    def _leave(self, module: Any, inputs: Any, output: Any) -> None:
        name = self.forward.pop()
        for value in tree_leaves(output):
            if isinstance(value, Tensor) and value.requires_grad and not value.is_leaf:
                self.handles.append(value.register_hook(lambda _, name=name: self.backward.update({name: None})))


class _Counter(TorchDispatchMode):
    def __init__(self, owner: FlopCounterMode) -> None:
        self.owner = owner

    def __torch_dispatch__(
        self, func: Any, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.owner._count(func, args, kwargs or {}, out)
        return out


class FlopCounterMode:
    """Within the block floating-point operations are counted: `get_total_flops()`, `get_flop_counts()` by module.

    At the end a table is printed, unless display is False; modules deeper than depth are left out of it.
    custom_mapping: formulas of further operators, as register_flop_formula takes them.
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict[Any, Any] | None = None
    ) -> None:
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        self.flop_registry = {**flop_registry, **{k: _of_shapes(f) for k, f in (custom_mapping or {}).items()}}
        self._places = _Places()
        self._mode = _Counter(self)

    def _count(self, func: Any, args: tuple, kwargs: dict[str, Any], out: Any) -> None:
        packet = getattr(aten, func._opname)
        formula = self.flop_registry.get(packet)
        if formula is None:
            return
        if func._opname == "linear":  # PyTorch counts it as what it is composed of
            packet = aten.addmm if len(args) > 2 and args[2] is not None else aten.mm
        count = formula(*args, **kwargs, out_val=out)
        for place in ["Global", *self._places.current()]:
            self.flop_counts[place][packet] += count

    def get_total_flops(self) -> int:
        """The number of all operations."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """For each module, by its path, and "Global": the number of each operator."""
        return {place: dict(counts) for place, counts in self.flop_counts.items() if counts}

    def get_table(self, depth: int | None = None) -> str:
        """The counts as text, modules down to depth."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        rows = [("Module", "FLOP", "% Total")]
        for place in sorted(self.flop_counts, key=lambda name: (name != "Global", name)):
            level = 0 if place == "Global" else place.count(".") + 1
            if level > depth or not self.flop_counts[place]:
                continue
            own = sum(self.flop_counts[place].values())
            rows.append((" " * level + place, _readable(own), f"{100 * own / total:.2f}%"))
            for packet, n in self.flop_counts[place].items():
                rows.append((" " * level + f" - aten.{packet._name}", _readable(n), f"{100 * n / total:.2f}%"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._places.start()
        self._mode.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._mode.__exit__(*exc)
        self._places.stop()
        if self.display:
            print(self.get_table())


def _readable(count: int) -> str:
    for factor, suffix in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= factor:
            return f"{count / factor:.3f}{suffix}"
    return str(count)
