"""Fills a public module with the native operators of its namespace."""

from __future__ import annotations

from typing import Any

from rushlight import _C


def fill(module: dict[str, Any], namespace: str) -> None:
    """Puts the operators of a namespace of the registry into a module's globals, with `__all__`."""
    native = getattr(_C, "_" + namespace, None)
    names = [n for n in vars(native) if not n.startswith("__")] if native is not None else []
    module.update({n: getattr(native, n) for n in names})
    module["__all__"] = sorted({*module.get("__all__", ()), *names})
