"""Makes docs/api/*.md, a page for each public namespace, from the registry and the docstrings.

python tools/docs.py            writes them
python tools/docs.py --check    exits 1 where they are not up to date, or where a public name has no text
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import sys
import types
from collections.abc import Iterator

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs" / "api"
NAMESPACES = (
    "", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations",
    "nn.utils.prune", "optim", "optim.lr_scheduler", "optim.swa_utils", "autograd", "autograd.functional", "autograd.graph",
    "func", "linalg", "fft", "special", "signal.windows", "masked", "sparse", "distributions", "random", "utils.data",
    "utils.checkpoint", "serialization", "overrides", "testing", "amp", "jit", "compiler", "hub", "multiprocessing", "cpu",
)  # fmt: skip
HEAD = "<!-- Made by tools/docs.py; do not edit. -->\n\n"


def public(namespace: str) -> Iterator[tuple[str, object]]:
    """Names that belong to a namespace: its `__all__`, or what does not begin with an underscore and is no module."""
    import rushlight

    if namespace == "Tensor":
        owner: object = rushlight.Tensor
        names = [n for n in dir(owner) if not n.startswith("_")]
    else:
        owner = importlib.import_module("rushlight" + ("." + namespace if namespace else ""))
        names = getattr(owner, "__all__", None) or [n for n in vars(owner) if not n.startswith("_")]
    for name in sorted(set(names)):
        value = inspect.getattr_static(owner, name) if namespace == "Tensor" else getattr(owner, name)
        home = getattr(value, "__module__", None) or "rushlight"
        ours = home.split(".")[0] in ("rushlight", "torch", "builtins")
        if ours and not name.startswith("_") and not isinstance(value, types.ModuleType):
            yield name, value


def entry(name: str, value: object) -> str:
    """A name's line: what it takes and what it is."""
    value = getattr(value, "__func__", value)
    text = (inspect.getdoc(value) or "").strip() if callable(value) or isinstance(value, property) or inspect.isdatadescriptor(value) else ""
    if type(value).__module__ == "builtins" and not callable(value) and not inspect.isdatadescriptor(value):
        return f"- `{name}` = `{value!r}`" if len(repr(value)) < 40 else f"- `{name}`"
    head = text.split("\n\n")[0]
    typed = " -> " in head or head.startswith(name + ": ")
    signatures, _, told = text.partition("\n\n") if typed else ("", "", text)
    if signatures:  # of a native function or attribute, one to a line
        shown = "".join(f"- `{line}`\n" for line in signatures.splitlines())
        return shown + "  " + " ".join(told.split())
    if not callable(value):
        return f"- `{name}`  \n  " + " ".join(text.split("\n\n")[0].split())
    try:
        signature = re.sub(r"<module '(\w+)' from [^>]*>| at 0x[0-9a-f]+", r"\1", str(inspect.signature(value))).replace("rushlight.", "").replace("'", "")
    except (TypeError, ValueError):
        signature = ""
    return f"- `{name}{signature}`  \n  " + " ".join(text.split("\n\n")[0].split())


def pages() -> dict[str, str]:
    """File name and text of every page."""
    found, index = {}, [HEAD + "# Public names\n"]
    for namespace in NAMESPACES:
        title = "rushlight" + ("." + namespace if namespace else "")
        entries = [entry(name, value) for name, value in public(namespace)]
        found[f"{title}.md"] = HEAD + f"# {title}\n\n" + "\n".join(entries) + "\n"
        index.append(f"- [{title}]({title}.md): {len(entries)} names")
    found["README.md"] = "\n".join(index) + "\n"
    return found


def undocumented() -> list[str]:
    """Public classes and functions without a text."""
    return [
        f"{namespace or 'rushlight'}.{name}"
        for namespace in NAMESPACES
        for name, value in public(namespace)
        if callable(value) and not (inspect.getdoc(value) or "").strip()
    ]


def main() -> int:
    made = pages()
    if "--check" not in sys.argv:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob("*.md"):
            old.unlink()
        for name, text in made.items():
            (FOLDER / name).write_text(text)
        print(f"{len(made)} pages written to {FOLDER}")
        return 0
    stale = [name for name, text in made.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
    silent = undocumented()
    if stale:
        print("not up to date (run tools/docs.py):", *stale)
    if silent:
        print("without a text:", *silent)
    return 1 if stale or silent else 0


if __name__ == "__main__":
    sys.exit(main())
