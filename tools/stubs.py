"""Makes the type stubs from the registry: rushlight/_C.pyi (Tensor and the native types), rushlight/__init__.pyi and those
of the modules that native operators are put into.

python tools/stubs.py            writes them
python tools/stubs.py --check    exits 1 where they are not up to date
"""

from __future__ import annotations

import ast
import importlib
import inspect
import keyword
import pathlib
import re
import sys
import types
from collections import defaultdict
from collections.abc import Iterable

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "rushlight"
HEAD = '"""Made by tools/stubs.py from the registry of operators; do not edit."""\n\n'
TYPES = {
    "Tensor": "Tensor", "Operand": "Tensor | _Number", "Scalar": "_Number", "int": "_int", "float": "_float", "bool": "_bool",
    "ScalarType": "_dtype", "Device": "_device | _str", "Layout": "_layout", "MemoryFormat": "memory_format",
    "Generator": "Generator", "str": "_str", "Any": "Any",
}  # fmt: skip
COMMON = """import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, overload

_int: TypeAlias = builtins.int
_float: TypeAlias = builtins.float
_bool: TypeAlias = builtins.bool
_str: TypeAlias = builtins.str
_complex: TypeAlias = builtins.complex
_Number: TypeAlias = builtins.int | builtins.float | builtins.bool | builtins.complex
_dtype: TypeAlias = dtype
_device: TypeAlias = device
_layout: TypeAlias = layout
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
            parts += [] if p.get("after_spread") else ["*"]
            star = True
        name = "input" if p["name"] == "self" else p["name"]
        name += "_" if keyword.iskeyword(name) else ""
        kind = annotation(p["type"])
        if p["has_default"] and p["default"] == "None" and "None" not in kind:
            kind += " | None"
        parts.append(f"{name}: {kind}" + (f" = {default(p)}" if p["has_default"] else ""))
    if not method and "out=None" in op["signature"]:
        parts += ([] if star or any(part.startswith("*") for part in parts) else ["*"]) + ["out: Any = None"]
    return ", ".join(parts)


SPREAD_TENSORS = {"einsum", "meshgrid", "block_diag", "cartesian_prod", "broadcast_tensors"}


def spread(op: dict, method: bool) -> dict | None:
    """The overload that takes a list as arguments of their own: of integers, where it is the only positional parameter."""
    positional = [p for p in op["params"] if not p["keyword_only"] and not (method and p["name"] == "self")]
    integers = len(positional) == 1 and positional[0]["type"].startswith("int[")
    if not positional or not (integers or op["name"] in SPREAD_TENSORS):
        return None
    single = {**positional[-1], "name": "*" + positional[-1]["name"], "type": "int" if integers else "Tensor", "has_default": False}
    return {**op, "params": [single if p is positional[-1] else {**p, "after_spread": True} for p in op["params"]]}


def definitions(ops: Iterable[dict], method: bool, inplace: bool) -> list[str]:
    """`def` lines of a set of overloads under one name."""
    ops = [form for op in ops for form in (op, spread(op, method)) if form]
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


FUNCTION, METHOD, INPLACE, PROPERTY = 1, 2, 4, 16
MODULES = {"nn.functional": "nn", "linalg": "linalg", "special": "special", "fft": "fft"}
NATIVE = ("Generator", "OutOfMemoryError", "Size", "Tensor", "device", "dtype", "layout", "memory_format")


OWN = {"int": "_int", "float": "_float", "bool": "_bool", "str": "_str", "complex": "_complex", "dtype": "_dtype", "device": "_device", "layout": "_layout"}  # fmt: skip
KNOWN = {"Tensor", "UntypedStorage", "Any", "Sequence", "Callable", "Iterator", "None", "tuple", "list", "dict", "memory_format", "Size", "Generator", *OWN}  # fmt: skip


def python_annotation(text: object) -> str:
    """An annotation in the source as the stubs write it: Any, where it names what they don't know."""
    names = re.findall(r"[A-Za-z_][\w.]*", text) if isinstance(text, str) else []
    if not names or "'" in text or any(name.removeprefix("rushlight.") not in KNOWN for name in names):
        return "Any"
    return re.sub(r"[A-Za-z_][\w.]*", lambda m: OWN.get(m[0].removeprefix("rushlight."), m[0].removeprefix("rushlight.")), text)


# Methods of numbers and sequences, which CPython describes without types.
PROTOCOL = {"(self) -> Tensor": "abs invert neg pos", "(self) -> _int": "int index len", "(self) -> _bool": "bool", "(self) -> _float": "float"} | {
    "(self, other: Any) -> Tensor": "add and eq floordiv ge getitem gt iadd iand ifloordiv ilshift imod imul ior ipow irshift isub itruediv ixor le lshift lt "
    "matmul mod mul ne or pow radd rand rfloordiv rlshift rmatmul rmod rmul ror rpow rrshift rshift rsub rtruediv rxor sub truediv xor",
    "(self, index: Any, value: Any) -> None": "setitem",
    "(self, index: Any) -> None": "delitem",
}  # fmt: skip
PROTOCOL = {f"__{name}__": signature for signature, names in PROTOCOL.items() for name in names.split()}


def own_types(text: str) -> str:
    """A signature or a type in a native docstring, in the stubs' names."""
    return re.sub(r"\b(\w+)\b(?!:)", lambda m: OWN.get(m[0], m[0]), text)


def native_signatures(name: str, value: object, method: bool) -> list[str]:
    """The signatures that the docstring of a function written in C begins with."""
    ours = isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType))  # an operator's docstring has its registry signature
    lines = (value.__doc__ or "").split("\n\n")[0].split("\n") if ours else []
    found = [own_types(line.removeprefix(name)) for line in lines if re.match(re.escape(name) + r"\(.*\) -> ", line)]
    return [("(self, " if s[1] != ")" else "(self") + s[1:] for s in found] if method else found


def native_definitions(name: str, value: object, method: bool) -> list[str]:
    """The definitions of a function written in C."""
    signatures = native_signatures(name, value, method) or ([PROTOCOL[name]] if method and name in PROTOCOL else [])
    ignored = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    if not signatures:
        return [f"def {name}{python_signature(value)}: ..."]
    overloaded = ["@overload"] if len(signatures) > 1 else []
    return [line for s in signatures for line in (*overloaded, f"def {name}{s}: ...{ignored}")]


def python_signature(f: object) -> str:
    """Parameters and result of a function written in Python or C."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return "(*args: Any, **kwargs: Any) -> Any"
    parts, seen_star = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not seen_star:
            parts.append("*")
        seen_star = seen_star or p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY)
        stars = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        kind = "" if p.name == "self" else ": " + python_annotation(p.annotation)
        parts.append(f"{stars}{p.name}{kind}" + ("" if p.default is p.empty else " = ..."))
        if p.kind is p.POSITIONAL_ONLY and not any(q.kind is p.POSITIONAL_ONLY for q in list(signature.parameters.values())[len(parts) :]):
            parts.append("/")
    return f"({', '.join(parts)}) -> {python_annotation(signature.return_annotation)}"


def core_stub(torch: object) -> str:
    """rushlight/_C.pyi"""
    registry = torch._C._registry()
    lines = [HEAD + COMMON, ""]
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
        if any(op["forms"] & PROPERTY for op in ops):
            native.add(name)
            lines.append(f"    {name}: Tensor")
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
        if name.startswith("__") and name in vars(object) and name not in PROTOCOL:
            continue
        if isinstance(value, property) or type(value).__name__ in ("getset_descriptor", "member_descriptor"):
            found = re.match(rf"{name}: (.*)", value.__doc__ or "")
            lines.append(f"    {name}: {own_types(found[1]) if found else 'Any'}")
        elif callable(value):
            lines += ["    " + line for line in native_definitions(name, value, True)]
    lines += ["", "def __getattr__(name: _str) -> Any: ...", ""]
    return "\n".join(lines)


def module_lines(torch: object, module: object, namespace: str, given: set[str]) -> list[str]:
    """Definitions of a module's public names but for those that are given already."""
    done, lines = set(given), []
    for name, ops in by_name(torch._C._registry(), namespace).items():
        if any(op["forms"] & FUNCTION for op in ops) and hasattr(module, name):
            done.add(name)
            lines += definitions((op for op in ops if op["forms"] & FUNCTION), False, False)
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or name in done or inspect.ismodule(value) or (getattr(value, "__module__", None) or "").startswith(("typing", "collections")):
            continue
        if inspect.isclass(value):
            lines += [
                f"class {name}:",
                "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...",
                "    def __getattr__(self, name: _str) -> Any: ...",
            ]
        elif callable(value):
            lines += native_definitions(name, value, False)
    return [*lines, "def __getattr__(name: _str) -> Any: ...", ""]


def package_stub(torch: object) -> str:
    """rushlight/__init__.pyi"""
    imports = ", ".join(f"{name} as {name}" for name in NATIVE)
    lines = [HEAD + COMMON.replace("\n_int", f"\nfrom rushlight import nn as nn, optim as optim\nfrom rushlight._C import {imports}\n\n_int", 1), ""]
    lines += ["__version__: _str", "e: _float", "pi: _float", "inf: _float", "nan: _float", "newaxis: None"]
    constants = [n for n in dir(torch._C) if isinstance(getattr(torch._C, n), (torch.dtype, torch.layout, torch.memory_format))]
    kinds = {"dtype": "_dtype", "layout": "_layout"}
    for name in constants:
        kind = type(getattr(torch._C, name)).__name__
        lines.append(f"{name}: {kinds.get(kind, kind)}")
    return "\n".join(lines + module_lines(torch, torch, "", {*NATIVE, *constants}))


def namespace_stub(torch: object, module: str, namespace: str) -> str:
    """A module that native operators of a namespace are put into."""
    found = importlib.import_module(f"rushlight.{module}")
    head = HEAD + COMMON.replace("\n_int", f"\nfrom rushlight._C import {', '.join(NATIVE)}\n\n_int", 1)
    return "\n".join([head, *module_lines(torch, found, namespace, set(NATIVE))])


def files(torch: object) -> dict[pathlib.Path, str]:
    """Path and text of every stub."""
    made = {PACKAGE / "_C.pyi": core_stub(torch), PACKAGE / "__init__.pyi": package_stub(torch)}
    for module, namespace in MODULES.items():
        made[PACKAGE / (module.replace(".", "/") + ".pyi")] = namespace_stub(torch, module, namespace)
    return made


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
