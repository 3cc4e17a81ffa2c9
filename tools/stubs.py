"""Makes the type stubs from the registry: rushlight/_C.pyi (Tensor and the native types) and rushlight/__init__.pyi.

python tools/stubs.py            writes them
python tools/stubs.py --check    exits 1 where they are not up to date
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import pathlib
import sys
from collections import defaultdict
from collections.abc import Iterable

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "rushlight"
HEAD = '"""Made by tools/stubs.py from the registry of operators; do not edit."""\n\n'
TYPES = {
    "Tensor": "Tensor", "Operand": "Tensor | _Number", "Scalar": "_Number", "int": "_int", "float": "_float", "bool": "_bool",
    "ScalarType": "dtype", "Device": "device | str", "Layout": "layout", "MemoryFormat": "memory_format",
    "Generator": "Generator", "str": "_str", "Any": "Any",
}  # fmt: skip
COMMON = """import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_int, _float, _bool, _str = builtins.int, builtins.float, builtins.bool, builtins.str
_complex = builtins.complex
_Number = builtins.int | builtins.float | builtins.bool | builtins.complex
"""


def annotation(kind: str) -> str:
    """The Python type of a signature's type."""
    optional = kind.endswith("?")
    kind = kind.rstrip("?").replace("(a!)", "")
    if "[" in kind:
        base, size = kind[:-1].split("[")
        inner = {"Tensor": "Tensor", "Tensor?": "Tensor | None"}.get(base) or TYPES[base]
        text = f"Sequence[{inner}]" + (f" | {TYPES[base]}" if size and base != "Tensor" else "")
    else:
        text = TYPES[kind]
    return text + " | None" if optional else text


def result(op: dict) -> str:
    """The Python type of what an operator returns."""
    text = op["returns"]
    if text.startswith("("):
        items = [part.split()[0] for part in text[1:-1].split(",") if part.strip()]
        return f"tuple[{', '.join(annotation(i) for i in items)}]" if items else "None"
    if text.endswith("[]"):
        return f"tuple[{annotation(text[:-2])}, ...]"
    return annotation(text)


def default(param: dict) -> str:
    text = param["default"]
    return "..." if text in ("inf",) or text.startswith("[") else text.replace("'", '"')


def parameters(op: dict, method: bool) -> str:
    """The parameter list; a method's self is Tensor's."""
    parts = ["self"] if method else []
    star = False
    for p in op["params"]:
        if method and p["name"] == "self":
            continue
        if p["keyword_only"] and not star:
            parts.append("*")
            star = True
        name = "input" if p["name"] == "self" else p["name"]
        name += "_" if keyword.iskeyword(name) else ""
        kind = annotation(p["type"])
        if p["has_default"] and p["default"] == "None" and "None" not in kind:
            kind += " | None"
        parts.append(f"{name}: {kind}" + (f" = {default(p)}" if p["has_default"] else ""))
    if not method and "out=None" in op["signature"]:
        parts += ([] if star else ["*"]) + ["out: Any = None"]
    return ", ".join(parts)


def definitions(ops: Iterable[dict], method: bool, inplace: bool) -> list[str]:
    """`def` lines of a set of overloads under one name."""
    ops = list(ops)
    lines, seen = [], set()
    for op in ops:
        name = op["shown"] + ("_" if inplace else "")
        line = f"def {name}({parameters(op, method)}) -> {'Tensor' if inplace else result(op)}: ..."
        if line not in seen:
            seen.add(line)
            lines.append(line)
    if len(lines) > 1:
        lines = [x for line in lines for x in ("@overload", line)]
    return lines


def by_name(registry: list[dict], namespace: str) -> dict[str, list[dict]]:
    sets = defaultdict(list)
    for op in registry:
        if op["namespace"] == namespace:
            for name in (op["name"], *op["aliases"].split()):
                if not keyword.iskeyword(name):
                    sets[name].append({**op, "shown": name})
    return dict(sorted(sets.items()))


FUNCTION, METHOD, INPLACE = 1, 2, 4


def python_signature(f: object) -> str:
    """Parameters of a function written in Python or C, without annotations that a stub could not resolve."""
    try:
        parameters_ = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return "*args: Any, **kwargs: Any"
    parts, seen_star = [], False
    for p in parameters_:
        if p.kind is p.VAR_POSITIONAL:
            parts.append(f"*{p.name}: Any")
            seen_star = True
        elif p.kind is p.VAR_KEYWORD:
            parts.append(f"**{p.name}: Any")
        else:
            if p.kind is p.KEYWORD_ONLY and not seen_star:
                parts.append("*")
                seen_star = True
            parts.append(f"{p.name}: Any" + ("" if p.default is p.empty else " = ..."))
    return ", ".join(parts)


def core_stub(torch: object) -> str:
    """rushlight/_C.pyi"""
    registry = torch._C._registry()
    lines = [HEAD + COMMON.replace("from typing import Any", "from typing import Any, overload"), ""]
    for name in ("dtype", "device", "layout", "memory_format", "Generator", "UntypedStorage", "OpOverload", "Node"):
        lines += [
            f"class {name}:",
            "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...",
            "    def __getattr__(self, name: _str) -> Any: ...",
            "",
        ]
    lines += [
        "class Size(tuple[_int, ...]):",
        "    def numel(self) -> _int: ...",
        "",
        "class OutOfMemoryError(RuntimeError): ...",
        "",
    ]
    lines += [
        "class Tensor:",
        "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...",
        "    def __getattr__(self, name: _str) -> Any: ...",
    ]
    sets = by_name(registry, "")
    native = set()
    for name, ops in sets.items():
        if any(op["forms"] & METHOD for op in ops) and hasattr(torch.Tensor, name):
            native |= {name, name + "_"}
            lines += [
                "    " + x
                for x in definitions((op for op in ops if any(p["name"] == "self" for p in op["params"])), True, False)
            ]
            if hasattr(torch.Tensor, name + "_") and (name + "_") not in sets:
                lines += ["    " + x for x in definitions((op for op in ops if op["forms"] & INPLACE), True, True)]
    for name, value in sorted(vars(torch.Tensor).items()):
        if name in native or name in (
            "__new__",
            "__init__",
            "__doc__",
            "__module__",
            "__getattribute__",
            "__dict__",
            "__weakref__",
            "__hash__",
            "__class__",
        ):
            continue
        if name.startswith("__") and name in vars(object):
            continue
        if isinstance(value, property) or type(value).__name__ in ("getset_descriptor", "member_descriptor"):
            lines.append(f"    {name}: Any")
        elif callable(value) and name not in dir(builtins):
            lines.append(
                f"    def {name}({python_signature(value) if not type(value).__name__.startswith(('wrapper', 'method_d')) else 'self, *args: Any, **kwargs: Any'}) -> Any: ..."
            )
    lines += ["", "def __getattr__(name: _str) -> Any: ...", ""]
    return "\n".join(lines)


def package_stub(torch: object) -> str:
    """rushlight/__init__.pyi"""
    registry = torch._C._registry()
    lines = [HEAD + COMMON.replace("from typing import Any", "from typing import Any, overload"), ""]
    lines.append(
        "from rushlight._C import Generator, OutOfMemoryError, Size, Tensor, device, dtype, layout, memory_format\n"
    )
    lines += ["__version__: _str", "e: _float", "pi: _float", "inf: _float", "nan: _float", "newaxis: None"]
    for name in sorted(
        n for n in dir(torch._C) if isinstance(getattr(torch._C, n), (torch.dtype, torch.layout, torch.memory_format))
    ):
        lines.append(f"{name}: {type(getattr(torch._C, name)).__name__}")
    done = set()
    for name, ops in by_name(registry, "").items():
        if any(op["forms"] & FUNCTION for op in ops) and hasattr(torch, name):
            done.add(name)
            lines += definitions((op for op in ops if op["forms"] & FUNCTION), False, False)
    for name in sorted(vars(torch)):
        value = getattr(torch, name)
        if name.startswith("_") or name in done or f"{name}:" in "\n".join(lines[:60]) or inspect.ismodule(value):
            continue
        if inspect.isclass(value):
            if value.__name__ not in (
                "Tensor",
                "Size",
                "device",
                "dtype",
                "layout",
                "memory_format",
                "OutOfMemoryError",
                "Generator",
            ):
                lines += [
                    f"class {name}:",
                    "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...",
                    "    def __getattr__(self, name: _str) -> Any: ...",
                ]
        elif callable(value):
            lines.append(f"def {name}({python_signature(value)}) -> Any: ...")
    lines += ["def __getattr__(name: _str) -> Any: ...", ""]
    return "\n".join(lines)


def files(torch: object) -> dict[pathlib.Path, str]:
    """Path and text of every stub."""
    return {PACKAGE / "_C.pyi": core_stub(torch), PACKAGE / "__init__.pyi": package_stub(torch)}


def main() -> int:
    import rushlight as torch

    status = 0
    for path, text in files(torch).items():
        ast.parse(text)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
            print(f"{path}: {text.count('def ')} definitions")
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not up to date: run python tools/stubs.py")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
