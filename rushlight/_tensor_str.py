"""How tensors print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rushlight import _C
from rushlight._C import Tensor


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets what is given; profile is "default", "short" or "full"."""
    if profile is not None:
        values = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}[profile]
        PRINT_OPTS.precision, PRINT_OPTS.threshold, PRINT_OPTS.edgeitems, PRINT_OPTS.linewidth = values
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


class _Formatter:
    """Writes every element of a tensor in the same width and style."""

    def __init__(self, values: list[Any], floating: bool) -> None:
        self.floating, self.integers, self.scientific, self.width = floating, True, False, 1
        if not floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        p = PRINT_OPTS.precision
        finite = [abs(v) for v in values if math.isfinite(v) and v != 0]
        if finite:
            low, high = min(finite), max(finite)
            self.integers = all(v == math.ceil(v) for v in values if math.isfinite(v))
            if self.integers:
                self.scientific = high / low > 1000.0 or high > 1.0e8
            else:
                self.scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
                self.integers = False
            if PRINT_OPTS.sci_mode is not None:
                self.scientific = PRINT_OPTS.sci_mode
            if self.integers and not (high / low > 1000.0 or high > 1.0e8) and PRINT_OPTS.sci_mode is not True:
                self.scientific = False
        elif PRINT_OPTS.sci_mode is not None:
            self.scientific = PRINT_OPTS.sci_mode
        self.precision = p
        self.width = max([1, *(len(self._text(v)) for v in values if finite)]) if finite else 1

    def _text(self, v: Any) -> str:
        if not self.floating:
            return str(v)
        if self.scientific:
            return f"{v:.{PRINT_OPTS.precision}e}"
        if self.integers:
            return f"{v:.0f}" + ("." if math.isfinite(v) else "")
        return f"{v:.{PRINT_OPTS.precision}f}"

    def format(self, v: Any) -> str:
        return self._text(v).rjust(self.width)


class _ComplexFormatter:
    def __init__(self, values: list[complex]) -> None:
        self.real = _Formatter([v.real for v in values], True)
        self.imag = _Formatter([v.imag for v in values], True)
        self.width = self.real.width + self.imag.width + 1

    def format(self, v: complex) -> str:
        re, im = self.real.format(v.real), self.imag.format(v.imag).lstrip()
        return f"{re}{im}j" if im.startswith("-") else f"{re}+{im}j"


def _summarized(x: Tensor) -> Tensor:
    """The elements that are shown of a large tensor: the edges of each dimension."""
    edge = PRINT_OPTS.edgeitems
    if x.dim() == 0:
        return x
    if x.dim() == 1:
        return _C._functions.cat((x[:edge], x[-edge:])) if x.size(0) > 2 * edge else x
    rows = (
        [x[i] for i in range(edge)] + [x[i] for i in range(len(x) - edge, len(x))] if x.size(0) > 2 * edge else list(x)
    )
    return _C._functions.stack([_summarized(r) for r in rows])


def _vector(items: list[Any], indent: int, formatter: Any) -> str:
    per_line = max(1, int(math.floor((PRINT_OPTS.linewidth - indent) / (formatter.width + 2))))
    texts = [v if v == " ..." else formatter.format(v) for v in items]
    lines = [texts[i : i + per_line] for i in range(0, len(texts), per_line)]
    return "[" + ("," + "\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"


def _nested(x: Tensor, indent: int, summarize: bool, formatter: Any) -> str:
    edge = PRINT_OPTS.edgeitems
    if x.dim() == 0:
        return formatter.format(x.item())
    if x.dim() == 1:
        if summarize and not PRINT_OPTS.edgeitems:
            return "[...]"
        items = [*x[:edge].tolist(), " ...", *x[-edge:].tolist()] if summarize and x.size(0) > 2 * edge else x.tolist()
        return _vector(items, indent, formatter)
    if summarize and x.size(0) > 2 * edge:
        parts = [_nested(x[i], indent + 1, True, formatter) for i in range(edge)] + ["..."]
        parts += [_nested(x[i], indent + 1, True, formatter) for i in range(len(x) - edge, len(x))]
    else:
        parts = [_nested(x[i], indent + 1, summarize, formatter) for i in range(x.size(0))]
    return "[" + ("," + "\n" * (x.dim() - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(x: Tensor, indent: int) -> str:
    summarize = x.numel() > PRINT_OPTS.threshold
    shown = _summarized(x) if summarize else x
    values = shown.reshape(-1).tolist()
    if x.is_complex():
        formatter: Any = _ComplexFormatter(values)
    else:
        formatter = _Formatter(values, x.is_floating_point())
    return _nested(x, indent, summarize, formatter)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Appends `, dtype=...` and so on, on a new line where the last one is full."""
    result = [text]
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > PRINT_OPTS.linewidth:
            result.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            result.append(", " + suffix)
            last += len(suffix) + 2
    return "".join([*result, ")"])


def _str(x: Tensor, *, tensor_contents: str | None = None) -> str:
    """The repr of a tensor."""
    unwrapped = _C._unwrap(x)
    if unwrapped is not None:
        inner, dim, level = unwrapped
        return f"BatchedTensor(lvl={level}, bdim={dim}, value=\n    {inner}\n)"
    if x.layout is not _C.strided:
        return _sparse_str(x)
    prefix = "tensor(" if type(x) in (Tensor,) or type(x).__name__ == "Parameter" else f"{type(x).__name__}("
    indent, suffixes = len(prefix), []
    plain = x.detach()
    if type(plain) is not Tensor:
        plain = _C._as_subclass(Tensor, plain)
    default = (_C.get_default_dtype(), _C.int64, _C.bool)
    show_dtype = x.dtype not in default and not (x.is_complex() and x.dtype is _C.get_default_dtype().to_complex())
    if x.is_meta:
        suffixes.append("device='meta'")
        suffixes.append(f"size={tuple(x.shape)}")
        if x.dtype is not _C.get_default_dtype():
            suffixes.append(f"dtype={x.dtype}")
        text = "..."
    elif x.numel() == 0:
        if x.dim() != 1:
            suffixes.append(f"size={tuple(x.shape)}")
        if x.dtype is not _C.get_default_dtype():
            suffixes.append(f"dtype={x.dtype}")
        text = "[]"
    else:
        if show_dtype:
            suffixes.append(f"dtype={x.dtype}")
        text = _contents(plain, indent) if tensor_contents is None else tensor_contents
    return _with_suffixes(prefix + text, suffixes + _history(x), indent)


def _history(x: Tensor) -> list[str]:
    if x.grad_fn is not None:
        return [f"grad_fn=<{x.grad_fn.name()}>"]
    return ["requires_grad=True"] if x.requires_grad else []


def _sparse_str(x: Tensor) -> str:
    """The repr of a sparse tensor: its indices, its values, then what a dense one shows."""
    x_detached, indent = x.detach(), len("tensor(")
    names = {
        _C.sparse_coo: ("_indices", "_values"), _C.sparse_csr: ("crow_indices", "col_indices", "values"),
        _C.sparse_csc: ("ccol_indices", "row_indices", "values"),
    }[x.layout]  # fmt: skip
    parts = []
    for name in names:
        part, start = getattr(x_detached, name)(), f"{name.lstrip('_')}=tensor("
        empty = f"[], size={tuple(part.shape)}"
        parts.append(start + (_contents(part, indent + len(start)) if part.numel() else empty) + ")")
    text = "tensor(" + (",\n" + " " * indent).join(parts)
    suffixes = [f"size={tuple(x.shape)}", f"nnz={x._nnz()}"]
    if x.dtype not in (_C.get_default_dtype(), _C.int64, _C.bool, _C.get_default_dtype().to_complex()):
        suffixes.append(f"dtype={x.dtype}")
    suffixes += [f"layout={x.layout}", *_history(x)]
    if x.layout is _C.sparse_coo:
        text, suffixes = text + ",\n" + " " * indent + suffixes[0], suffixes[1:]
    return _with_suffixes(text, suffixes, indent)
