"""Calls operators of the registry with arguments that nobody would think of.

python tools/fuzz.py [--calls N] [--seed S] [--only REGEX] [--against torch]

Shapes, strides, dtypes and values are drawn at random: no elements, no dimensions, expanded and overlapping memory, steps,
conjugates, NaN and infinities, sizes and numbers that fit nothing. A call may return or raise a Python exception; it must
not end the process, and it must give on contiguous copies of its inputs what it gave on the inputs. With --against, the
real PyTorch (in the same interpreter) must give the same values, or an exception as well. A process of its own makes the
calls; when it dies the call that it made last is named, and the next process goes on behind it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import pathlib
import random
import re
import signal
import subprocess
import sys
import warnings
from typing import Any

# Operators that wait, write files, or answer differently each time.
LEFT_OUT = re.compile(r"^(from_file|_.*|set_|set|resize_|resize_as_|record_stream|empty.*|new_empty.*|manual_seed|seed)$")
FLOATS = ("float32", "float64", "float16", "bfloat16")
DTYPES = (*FLOATS, "float32", "float64", "int64", "int32", "uint8", "bool", "complex64", "complex128", "int8", "int16")


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
        count = math.prod(sizes)
        values: list[Any] = [draw.choice((0, 1, -1, 2, 3, draw.uniform(-3, 3), draw.randint(-9, 9))) for _ in range(count)]
        if kind.is_floating_point and count and draw.random() < 0.15:
            values[draw.randrange(count)] = draw.choice((math.nan, math.inf, -math.inf, 0.0, 1e38))
        if not (kind.is_floating_point or kind.is_complex):
            values = [int(v) for v in values]
        if kind is torch.uint8:
            values = [abs(v) for v in values]
        t = torch.tensor(values, dtype=kind).reshape(sizes)
        return self.disturbed(t)

    def disturbed(self, t: Any) -> Any:
        """The same shape by other strides, or other values over shared memory."""
        draw, way = self.random, self.random.random()
        if t.dim() and way < 0.12:
            return t.flip(0).transpose(0, -1).contiguous().transpose(0, -1)
        if t.dim() and way < 0.2:
            return t.repeat_interleave(2, dim=draw.randrange(t.dim())).narrow(0, 0, t.shape[0]).expand(-1) if t.dim() == 1 else t
        if t.dim() and way < 0.3:
            d = draw.randrange(t.dim())
            return t.narrow(d, 0, 1).expand(t.shape) if t.shape[d] else t
        if t.dim() and way < 0.36 and t.numel():
            return t.as_strided(t.shape, [1] * t.dim()) if sum(n - 1 for n in t.shape) < t.numel() else t
        if t.dtype.is_complex and way < 0.6:
            return t.conj()
        return t

    def value(self, kind: str, like: list[Any]) -> Any:
        """An argument of a type of the registry's signatures; `like` holds the tensors so far."""
        draw, torch = self.random, self.torch
        base = kind.rstrip("?")
        if kind.endswith("?") and draw.random() < 0.5:
            return None
        if base == "Tensor" or base == "Operand":
            if base == "Operand" and draw.random() < 0.3:
                return self.value("Scalar", like)
            if like and draw.random() < 0.7:
                sizes = list(like[0].shape)
                if sizes and draw.random() < 0.3:
                    sizes[draw.randrange(len(sizes))] = 1
                dtype = str(like[0].dtype).split(".")[-1] if draw.random() < 0.8 else draw.choice(("int64", "bool", "float32"))
                return self.tensor(sizes, dtype)
            return self.tensor()
        if base.startswith("Tensor["):
            return [self.value("Tensor", like) for _ in range(draw.randrange(4))]
        if base == "int":
            return draw.choice((0, 1, -1, 2, 3, -2, 5, draw.randint(-4, 9)))
        if base.startswith("int["):
            return [draw.choice((0, 1, 1, 2, 3, -1)) for _ in range(draw.randrange(4))]
        if base.startswith("float["):
            return [draw.uniform(-2, 2) for _ in range(draw.randrange(4))]
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
                break
            value = self.value(p["type"], tensors)
            if isinstance(value, self.torch.Tensor):
                tensors.append(value)
            if self.random.random() < 0.01:
                # a polynomial takes as many steps as its degree, here and in PyTorch: no one waits for 2**40
                huge = 2**10 if "_polynomial_" in op["name"] else 2**40
                value = self.random.choice((None, "x", object(), [], -1, huge))
            if p["keyword_only"]:
                kwargs[p["name"]] = value
            else:
                args.append(value)
        return args, kwargs


def function(torch: Any, op: dict) -> Any:
    """The public function, or the method, of an operator; None where there is neither."""
    space = {"": torch, "nn": torch.nn.functional, "linalg": torch.linalg, "special": torch.special}.get(op["namespace"])
    found = getattr(space, op["name"], None) if space is not None else None
    return found if callable(found) else getattr(torch.Tensor, op["name"], None) if op["namespace"] == "" else None


def plain(torch: Any, value: Any) -> Any:
    """Contiguous copies of the tensors in an argument."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone(memory_format=torch.contiguous_format).resolve_conj()
    return [plain(torch, v) for v in value] if isinstance(value, list) else value


def flat(torch: Any, value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in flat(torch, v)]
    return []


def run(f: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return f(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, AttributeError, MemoryError, OverflowError, AssertionError, KeyError, ZeroDivisionError) as error:  # fmt: skip
        return error


def same(a: Any, b: Any, torch: Any) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.is_floating_point or a.dtype.is_complex:
        loose = {"torch.float16": 1e-2, "torch.bfloat16": 6e-2, "torch.float32": 2e-3, "torch.complex64": 2e-3}.get(str(a.dtype), 1e-6)
        wide = torch.complex128 if a.dtype.is_complex else torch.float64
        return torch.allclose(a.detach().to(wide), b.detach().to(wide), rtol=loose, atol=loose, equal_nan=True)
    return torch.equal(a, b)


def child(args: argparse.Namespace) -> None:
    """Makes the calls; before each its number is printed, so that the parent knows the last one."""
    torch = importlib.import_module("rushlight")
    warnings.simplefilter("ignore")
    registry = [
        op for op in torch._C._registry()
        if not LEFT_OUT.match(op["name"]) and re.search(args.only, op["name"]) and function(torch, op) is not None
    ]  # fmt: skip
    peer = importlib.import_module(args.against) if args.against else None
    for number in range(args.first, args.first + args.calls):
        op = random.Random(number * 7919 + args.seed).choice(registry)
        source = Source(torch, number * 104729 + args.seed)
        sys.stderr.write(f"{number} {op['name']}\n")
        signal.alarm(20)  # a call that takes longer hangs: the signal ends the process
        call, kwargs = source.call(op)
        once, kept = plain(torch, call), plain(torch, call)
        torch.manual_seed(number)
        result = run(function(torch, op), call, kwargs)
        if isinstance(result, Exception) or op["random"] or op["name"].endswith("_") or re.match("as_strided|view", op["name"]):
            continue
        torch.manual_seed(number)
        again = run(function(torch, op), once, {k: plain(torch, v) for k, v in kwargs.items()})
        first, second = flat(torch, result), [] if isinstance(again, Exception) else flat(torch, again)
        if isinstance(again, Exception) or len(first) != len(second) or not all(same(a, b, torch) for a, b in zip(first, second, strict=True)):
            print(json.dumps({"call": number, "op": op["name"], "what": "not the same on contiguous copies", "args": shown(torch, call), "kwargs": repr(kwargs)}), flush=True)
        if peer is not None and function(peer, op) is not None:
            against(torch, peer, op, number, kept, kwargs, result, shared(first_result(again), flat(torch, once)))


def first_result(value: Any) -> Any:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value


def shared(result: Any, tensors: list[Any]) -> bool:
    """Does a result lie in the memory of one of the arguments?"""
    if not hasattr(result, "untyped_storage") or not result.numel():
        return False
    place = result.untyped_storage().data_ptr()
    return any(t.numel() and t.untyped_storage().data_ptr() == place for t in tensors)


def against(
    torch: Any, peer: Any, op: dict, number: int, call: list[Any], kwargs: dict[str, Any], result: Any, is_shared: bool
) -> None:
    def theirs(v: Any) -> Any:
        if isinstance(v, torch.Tensor):
            if v.dtype is torch.bfloat16:
                return peer.from_numpy(v.float().numpy()).to(peer.bfloat16)
            return peer.from_numpy(v.numpy().copy())
        if isinstance(v, torch.dtype):
            return getattr(peer, str(v).split(".")[-1])
        return [theirs(x) for x in v] if isinstance(v, list) else v

    given = [theirs(v) for v in call]
    answer = run(function(peer, op), given, {k: theirs(plain(torch, v)) for k, v in kwargs.items()})
    what = None
    if isinstance(answer, Exception):
        what = f"PyTorch refuses: {type(answer).__name__}: {str(answer)[:150]}"
    else:
        for a, b in zip(flat(torch, result), flat(peer, answer), strict=False):
            if tuple(a.shape) != tuple(b.shape) or str(a.dtype) != str(b.dtype):
                what = f"{tuple(a.shape)} {a.dtype}, PyTorch's {tuple(b.shape)} {b.dtype}"
            elif not same(peer.from_numpy(a.detach().to(torch.complex128 if a.dtype.is_complex else torch.float64).resolve_conj().resolve_neg().numpy()), b.detach().to(peer.complex128 if b.dtype.is_complex else peer.float64), peer):
                loose = a.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.complex64)
                ours = peer.from_numpy(a.detach().to(torch.complex128 if a.dtype.is_complex else torch.float64).resolve_conj().resolve_neg().numpy())
                if not loose or not peer.allclose(ours, b.detach().to(ours.dtype), rtol=0.06, atol=0.02, equal_nan=True):
                    what = f"values {a.tolist()}, PyTorch's {b.tolist()}"
        if what is None and shared(first_result(answer), flat(peer, given)) != is_shared:
            what = f"{'lies' if is_shared else 'does not lie'} in the memory of an argument, unlike PyTorch's"
    if what:
        print(json.dumps({"call": number, "op": op["name"], "what": what[:300], "args": shown(torch, call), "kwargs": repr(kwargs)}), flush=True)


def shown(torch: Any, values: list[Any]) -> str:
    def one(v: Any) -> str:
        if isinstance(v, torch.Tensor):
            return f"{v.dtype}{list(v.shape)}/{v.stride()}={v.tolist()}"[:160]
        return f"[{', '.join(map(one, v))}]" if isinstance(v, list) else repr(v)

    return "; ".join(map(one, values))


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
        print(done.stdout, end="")
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
