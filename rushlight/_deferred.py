"""Submodules that load when they are first looked into.

A module with a `__getattr__` makes every name in it dearer: the interpreter remembers where it found a name, but not in such
a module, and looks it up again each time, which takes a third of the time of a small operator. So packages hold all their
submodules from the start. One that is not loaded is a `Deferred`, and the import that loads it fills this same object: a
program may have taken hold of it already.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from threading import get_ident
from types import ModuleType
from typing import Any

_deferred: dict[str, Deferred] = {}
_loading: dict[str, int] = {}  # which thread; others wait for it in the import, as always


class Deferred(ModuleType):
    """A submodule that is imported where anything is asked of it."""

    def _load(self, wanted: str) -> None:
        name = ModuleType.__getattribute__(self, "__dict__")["__name__"]
        # By its spec the import sees that another thread loads a module, and waits.
        if _loading.get(name) != get_ident() and not (wanted == "__spec__" and name in _loading):
            importlib.import_module(name)

    def __getattribute__(self, name: str) -> Any:
        if name != "__class__":  # which isinstance asks for
            Deferred._load(self, name)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        Deferred._load(self, name)
        ModuleType.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        Deferred._load(self, name)
        ModuleType.__delattr__(self, name)


class _Finder:
    """The entry in `sys.meta_path` that gives the import of a deferred module the object to fill."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        module = _deferred.get(fullname)
        spec = None if module is None else PathFinder.find_spec(fullname, path, target)
        if module is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def create_module(_: ModuleSpec) -> ModuleType:
            _loading[fullname] = get_ident()
            return module

        def exec_module(_: ModuleType) -> None:
            try:
                execute(module)
                del _deferred[fullname]
                module.__class__ = ModuleType  # type: ignore[assignment]
            finally:
                del _loading[fullname]

        spec.loader.create_module, spec.loader.exec_module = create_module, exec_module  # type: ignore[method-assign]
        return spec


def defer(package: dict[str, Any], names: Iterable[str]) -> None:
    """Put the submodules `names` into a package's globals, each to be loaded at its first use unless it is loaded already."""
    for name in names:
        full = f"{package['__name__']}.{name}"
        if full not in sys.modules:
            package[name] = _deferred[full] = Deferred(full)


sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
