"""Calls operators of the registry with arguments that nobody would think of.

python tools/fuzz.py [--calls N] [--seed S] [--only REGEX] [--against torch]

Shapes, strides, dtypes and values are drawn at random: no elements, no dimensions, steps, offsets, expanded and overlapping
memory, conjugates, NaN and infinities, sizes and numbers that fit nothing. An operator is called as a function, in place,
with out= (which may lie in its inputs' memory), on meta, or differentiated. A call may return or raise a Python exception;
it must not end the process, it must give on contiguous copies of its inputs what it gave on the inputs, and on meta the
same shape and dtype. With --against, the real PyTorch (in the same interpreter) is called with the same numbers at the same
places in memory, and must give the same values, or an exception of the same type. A process of its own makes the calls;
when it dies the call that it made last is named, and the next process goes on behind it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys
import warnings
from typing import Any

# Operators that write files or change what later calls do, and those that only the library itself calls.
LEFT_OUT = re.compile(r"^(from_file|set_|record_stream|manual_seed|seed|_.*)$")
# Operators whose values nothing defines: new memory, or views of memory that the arguments' copies don't have.
UNDEFINED = re.compile(r"^(empty.*|new_empty.*|resize.*|as_strided.*|view.*|_.*)$")
DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()
FUNCTION, METHOD, INPLACE = 1, 2, 4  # the registry's forms
LARGE = 1 << 24  # elements of a result that is not looked at
MEMORY = 6 << 30  # what a process may map: sizes of gigabytes are refused, not tried

# Where the answers may differ: operator, what is found, why.
EXCUSED: list[tuple[str, str, str]] = []


class Source:
    """Random arguments."""

    def __init__(self, torch: Any, seed: int) -> None:
        self.torch = torch
        self.random = random.Random(seed)

    def sizes(self) -> list[int]:
        rank = self.random.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5))
        return [self.random.choice((0, 1, 2, 2, 3, 3, 4, 5, 7)) for _ in range(rank)]

    def tensor(self, sizes: list[int] | None = None, dtype: str | None = None) -> Any:
        draw, torch = self.random, self.torch
        sizes = self.sizes() if sizes is None else sizes
        kind = getattr(torch, dtype or draw.choice(DTYPES))
        values: list[Any] = [
            draw.choice((0, 1, -1, 2, 3, draw.uniform(-3, 3), draw.randint(-9, 9))) for _ in range(math.prod(sizes))
        ]
        inexact = kind.is_floating_point or kind.is_complex
        if values and draw.random() < 0.15:
            odd = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e38, 1e-40) if inexact else (127, -128, 255, 100)
            for _ in range(draw.choice((1, 1, 2, len(values)))):
                values[draw.randrange(len(values))] = draw.choice(odd)
        if kind.is_complex:
            values = [complex(v, draw.choice((0, 1, -2, 0.5))) for v in values]
        elif not inexact:
            low, high = (0, 255) if kind is torch.uint8 else (-128, 127)
            values = [min(max(int(v), low), high) for v in values]
        return self.disturbed(torch.tensor(values, dtype=kind).reshape(sizes))

    def disturbed(self, t: Any) -> Any:
        """The same shape by other strides, or other values over shared memory."""
        draw, torch, way = self.random, self.torch, self.random.random()
        if t.dim() and t.numel():
            d = draw.randrange(t.dim())
            if way < 0.1:  # dimensions in another order
                return t.transpose(d, -1).contiguous().transpose(d, -1)
            if way < 0.18:  # a step between elements, and an offset
                return torch.cat([t, t], d).narrow(d, 0, 2 * t.shape[d])[(slice(None),) * d + (slice(1, None, 2),)]
            if way < 0.26:  # one row for all
                return t.narrow(d, t.shape[d] - 1, 1).expand(t.shape)
            if way < 0.34:  # elements that overlap
                strides = [draw.choice((0, 1, 1, 2)) for _ in t.shape]
                if sum((n - 1) * s for n, s in zip(t.shape, strides, strict=True)) < t.numel():
                    return t.as_strided(t.shape, strides)
        if way > 0.9 and t.dtype.is_complex:
            return t.conj()
        return torch._neg_view(t) if way > 0.97 and t.dtype.is_floating_point else t

    def value(self, kind: str, like: list[Any]) -> Any:
        """An argument of a type of the registry's signatures; `like` holds the tensors so far."""
        draw, torch = self.random, self.torch
        base = kind.rstrip("?")
        if kind.endswith("?") and draw.random() < 0.5:
            return None
        if base in ("Tensor", "Operand", "Tensor(a!)"):
            if base == "Operand" and draw.random() < 0.3:
                return self.value("Scalar", like)
            if like and draw.random() < 0.7:
                sizes = list(like[0].shape)
                if sizes and draw.random() < 0.3:
                    sizes[draw.randrange(len(sizes))] = 1
                dtype = str(like[0].dtype).split(".")[-1]
                return self.tensor(sizes, dtype if draw.random() < 0.8 else draw.choice(("int64", "bool", "float32")))
            return self.tensor()
        if base.startswith("Tensor"):
            return [self.value("Tensor", like) for _ in range(draw.randrange(4))]
        if base == "int":
            return draw.choice((0, 1, -1, 2, 3, -2, 5, draw.randint(-4, 9)))
        if base.startswith(("int[", "bool[", "float[")):
            numbers = {"i": (0, 1, 1, 2, 3, -1), "b": (True, False), "f": (0.5, -1.5, 2.0, math.inf)}[base[0]]
            return [draw.choice(numbers) for _ in range(draw.randrange(4))]
        if base == "float":
            return draw.choice((0.0, 0.5, 1.0, -1.0, math.nan, math.inf, draw.uniform(-3, 3)))
        if base == "Scalar":
            return draw.choice((0, 1, -2, 0.5, -1.5, True, math.nan, math.inf, 1j, draw.uniform(-3, 3)))
        if base == "bool":
            return draw.random() < 0.5
        if base == "ScalarType":
            return getattr(torch, draw.choice(DTYPES))
        if base == "str":
            return draw.choice(("mean", "sum", "none", "floor", "trunc", "ij", "L", "U", "fro", "linear", ""))
        if base == "Any":
            return draw.choice((2, "fro", None, 0.5, [0]))
        return None  # Layout, Device, MemoryFormat, Generator

    def call(self, op: dict) -> tuple[list[Any], dict[str, Any]]:
        """Arguments for an operator; sometimes one too few, or one that makes no sense."""
        args, kwargs, tensors = [], {}, []
        for p in op["params"]:
            if p["has_default"] and self.random.random() < 0.5:
                if not p["keyword_only"]:
                    break
                continue
            value = self.value(p["type"], tensors)
            if isinstance(value, self.torch.Tensor):
                tensors.append(value)
            if self.random.random() < 0.01:
                # a polynomial takes as many steps as its degree, here and in PyTorch: no one waits for 2**40
                huge = 2**10 if "_polynomial_" in op["name"] else self.random.choice((2**31, 2**40, 2**63 - 1, 2**70))
                value = self.random.choice((None, "x", object(), [], -1, huge, -huge, [huge, huge], math.nan, math.inf))
            if p["keyword_only"]:
                kwargs[p["name"]] = value
            else:
                args.append(value)
        return args, kwargs

    def out(self, args: list[Any]) -> Any:
        """A tensor for a result: of any shape and dtype, or an input, or what lies across an input's memory."""
        inputs, way = [a for a in args if isinstance(a, self.torch.Tensor)], self.random.random()
        if not inputs or way < 0.2:
            return self.tensor()
        t = self.random.choice(inputs)
        if way < 0.6:
            return self.tensor(list(t.shape), str(t.dtype).split(".")[-1])
        if way < 0.8 or t.numel() < 2:
            return t
        return t.reshape(-1)[1:] if way < 0.9 else t.transpose(0, -1)


def function(torch: Any, op: dict, way: str = "") -> Any:
    """The public function, or the method, of an operator, or how its backward pass calls it; None where there is none."""
    if way == "inplace":
        return getattr(torch.Tensor, op["name"] + "_", None)
    space = {"": torch, "nn": torch.nn.functional, "linalg": torch.linalg, "special": torch.special}.get(op["namespace"])
    private = getattr(torch._C, "_nn", None) if op["namespace"] == "nn" else getattr(torch._C, "_functions", None)
    for where in (space, torch.Tensor if op["namespace"] == "" else None, private):
        if callable(found := getattr(where, op["name"], None)):
            return found
    return None


def flat(torch: Any, value: Any) -> list[Any]:
    """The tensors in a result or an argument."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value for t in flat(torch, v)] if isinstance(value, (list, tuple)) else []


def changed(torch: Any, value: Any, f: Any) -> Any:
    """An argument with f of each tensor in it."""
    if isinstance(value, torch.Tensor):
        return f(value)
    if isinstance(value, dict):
        return {k: changed(torch, v, f) for k, v in value.items()}
    return [changed(torch, v, f) for v in value] if isinstance(value, list) else value


def plain(torch: Any, value: Any) -> Any:
    """Contiguous copies."""
    copy = {"memory_format": torch.contiguous_format}
    return changed(torch, value, lambda t: t.detach().clone(**copy).resolve_conj().resolve_neg())


def twins(torch: Any, peer: Any, value: Any) -> Any:
    """The same numbers at the same places of the other library's memory; tensors that share memory still do."""
    memory: dict[int, Any] = {}

    def one(t: Any) -> Any:
        t, n = t.detach(), t.untyped_storage().nbytes() // t.element_size()
        if (key := t.untyped_storage().data_ptr()) not in memory or not n:
            whole = (t.conj() if t.is_conj() else torch._neg_view(t) if t.is_neg() else t).as_strided([n], [1], 0)
            half = whole.dtype is torch.bfloat16
            memory[key] = peer.from_numpy((whole.float() if half else whole).numpy().copy())
            memory[key] = memory[key].bfloat16() if half else memory[key]
        twin = memory[key].as_strided(t.shape, t.stride(), t.storage_offset())
        return twin.conj() if t.is_conj() else peer._neg_view(twin) if t.is_neg() else twin

    def others(v: Any) -> Any:
        if isinstance(v, torch.dtype):
            return getattr(peer, str(v).split(".")[-1])
        if isinstance(v, dict):
            return {k: others(x) for k, x in v.items()}
        return [others(x) for x in v] if isinstance(v, list) else one(v) if isinstance(v, torch.Tensor) else v

    return others(value)


def run(f: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A result, or the exception; SystemError and what isn't an error of calls go on, and end the process."""
    try:
        return f(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, MemoryError, ArithmeticError, AssertionError) as error:  # fmt: skip
        return error


def gradients(torch: Any, f: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The result, and the gradients of a weighted sum of what can be differentiated in it."""
    args = changed(torch, args, lambda t: t.detach())
    leaves = [t for t in flat(torch, args) if t.dtype.is_floating_point or t.dtype.is_complex]
    for t in leaves:
        t.requires_grad_()
    result = f(*args, **kwargs)
    results = [t for t in flat(torch, result) if t.requires_grad]
    if not results:
        return result
    sums = []
    for t in results:
        real = (torch.view_as_real(t.resolve_conj()) if t.dtype.is_complex else t).flatten()
        weights = torch.tensor([math.cos(i) + 1.5 for i in range(real.numel())], dtype=torch.float64)
        sums.append((real * weights.to(real.dtype)).sum().to(torch.float64))
    grads = torch.autograd.grad(sum(sums), leaves, allow_unused=True)
    return [result, [torch.zeros_like(t) if g is None else g for g, t in zip(grads, leaves, strict=True)]]


def close(torch: Any, a: Any, b: Any, dtype: str) -> bool:
    """The same shape, and the same values by a dtype's precision against the largest (sums may go any way round)."""
    if tuple(a.shape) != tuple(b.shape):
        return False
    wide = torch.complex128 if a.dtype.is_complex else torch.float64
    a, b = (t.detach().resolve_conj().resolve_neg().to(wide) for t in (a, b))
    loose = {"float16": 2e-2, "bfloat16": 8e-2, "float32": 2e-3, "complex64": 2e-3, "float64": 1e-6, "complex128": 1e-6}
    size = b.abs()
    size = float(size[torch.isfinite(size)].max()) if bool(torch.isfinite(size).any()) else 0.0
    tolerance = loose.get(dtype, 0.0)
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * min(max(size, 1.0), 1e6), equal_nan=True)


def difference(torch: Any, first: Any, second: Any, values: bool = True) -> str | None:
    """What differs in shape, dtype or (where they are defined) values between two results of a library."""
    first, second = flat(torch, first), flat(torch, second)
    if len(first) != len(second):
        return f"{len(first)} tensors and {len(second)}"
    for a, b in zip(first, second, strict=True):
        if tuple(a.shape) != tuple(b.shape) or a.dtype != b.dtype:
            return f"{tuple(a.shape)} {a.dtype} and {tuple(b.shape)} {b.dtype}"
        if values and not a.is_meta and not close(torch, a, b, str(a.dtype).split(".")[-1]):
            return f"values {a.tolist()} and {b.tolist()}"
    return None


class Calls:
    """The calls of a process, and what they find."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.seed, self.torch = args.seed, importlib.import_module("rushlight")
        self.peer = importlib.import_module(args.against) if args.against else None
        self.registry = [
            op for op in self.torch._C._registry()
            if not LEFT_OUT.match(op["name"]) and re.search(args.only, op["name"]) and function(self.torch, op)
        ]  # fmt: skip

    def make(self, number: int) -> None:
        """Draws the call of a number and makes it in each way that says something about it."""
        torch, source = self.torch, Source(self.torch, number * 104729 + self.seed)
        op = random.Random(number * 7919 + self.seed).choice(self.registry)
        way = source.random.choice(("", "", "", "grad", "grad", "out", "inplace", "meta"))
        if way == "out" and "out=None" not in op["signature"] or way == "inplace" and not op["forms"] & INPLACE:
            way = ""
        sys.stderr.write(f"{number} {op['name']} {way}\n")
        args, kwargs = source.call(op)
        if way == "out":
            many = op["returns"].count("Tensor ") + op["returns"].count("Tensor,")
            kwargs["out"] = source.out(args) if many < 2 else [source.out(args) for _ in range(many)]
        text = shown(torch, [*args, kwargs])
        both = [args, kwargs]
        copies, twin = plain(torch, both), twins(torch, self.peer, both) if self.peer else None
        f = function(torch, op, way)
        result = self.call(torch, f, way, args, kwargs, number)
        if sum(t.numel() for t in flat(torch, result) if not t.is_meta) > LARGE:  # took long enough to make
            return
        undefined = op["random"] or bool(UNDEFINED.match(op["name"]))
        found = None
        if way == "meta" and not isinstance(result, Exception):
            on_meta = run(f, *changed(torch, copies, lambda t: t.to("meta")))
            if not isinstance(on_meta, Exception) and any(t.is_meta for t in flat(torch, on_meta)):
                found = difference(torch, on_meta, result, values=False)
        elif way in ("", "grad") and not isinstance(result, Exception) and not undefined and op["name"][-1] != "_":
            again = self.call(torch, f, way, *copies, number)
            found = repr(again) if isinstance(again, Exception) else difference(torch, result, again)
        if found:
            self.say(number, op, way, "not the same on copies: " + found, text)
        elif self.peer and op["name"][0] != "_" and way != "meta" and (g := function(self.peer, op, way)):
            found = self.against(result, self.call(self.peer, g, way, *twin, number), undefined)
            if found and not any(re.search(o, op["name"]) and re.search(w, found) for o, w, _ in EXCUSED):
                self.say(number, op, way, found, text)

    def call(self, library: Any, f: Any, way: str, args: list[Any], kwargs: dict[str, Any], number: int) -> Any:
        library.manual_seed(number)
        return run(gradients, [library, f, args, kwargs], {}) if way == "grad" else run(f, args, kwargs)

    def against(self, ours: Any, theirs: Any, undefined: bool) -> str | None:
        if isinstance(ours, Exception) or isinstance(theirs, Exception):
            names = [type(r).__name__ if isinstance(r, Exception) else "a result" for r in (ours, theirs)]
            text = [str(r).split("\n")[0][:120] if isinstance(r, Exception) else "" for r in (ours, theirs)]
            return None if names[0] == names[1] else f"{names[0]}, PyTorch {names[1]}: {text[0]} | {text[1]}"
        mine = [twins(self.torch, self.peer, self.torch.clone(t.detach())) for t in flat(self.torch, ours)]
        return difference(self.peer, mine, theirs, values=not undefined)

    def say(self, number: int, op: dict, way: str, what: str, text: str) -> None:
        line = {"call": number, "op": op["name"], "way": way, "what": what[:400], "args": text}
        print(json.dumps(line), flush=True)


def shown(torch: Any, value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{value.dtype}{list(value.shape)}/{value.stride()}={value.tolist()}"[:160]
    if isinstance(value, dict):
        return ", ".join(f"{k}={shown(torch, v)}" for k, v in value.items())
    return f"[{', '.join(shown(torch, v) for v in value)}]" if isinstance(value, list) else repr(value)


def child(args: argparse.Namespace) -> None:
    """Makes the calls; before each its number is printed, so that the parent knows the last one."""
    warnings.simplefilter("ignore")
    calls = Calls(args)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(args.first, args.first + args.calls):
        signal.alarm(20)  # a call that takes longer hangs: the signal ends the process
        calls.make(number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--against", default="")
    parser.add_argument("--child", action="store_true")
    args = parser.parse_args()
    if args.child:
        child(args)
        return 0
    first, end, crashes, findings = args.first, args.first + args.calls, 0, 0
    while first < end:
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--child", "--first", str(first)]
        command += ["--calls", str(end - first), "--seed", str(args.seed), "--only", args.only, "--against", args.against]
        done = subprocess.run(command, capture_output=True, text=True)
        print(done.stdout, end="", flush=True)
        findings += done.stdout.count("\n")
        if done.returncode == 0:
            break
        last = [line for line in done.stderr.splitlines() if re.match(r"^\d+ \w", line)]
        rest = done.stderr.splitlines()[-3:]
        if not last:
            print(*rest, sep="\n")
            return 1
        crashes += 1
        print(f"the process ended with {done.returncode} in call {last[-1]} {rest if done.returncode > 0 else ''}", flush=True)
        first = int(last[-1].split()[0]) + 1
    print(f"{args.calls} calls: {crashes} ended the process, {findings} other findings")
    return 1 if crashes or findings else 0


if __name__ == "__main__":
    sys.exit(main())
