"""Finding `torch` and its submodules, and its version, in Rushlight.

`torch.x` and `rushlight.x` are one module object under two names. Classes and functions get the module name `torch.x`,
which is what pickles name and what `type(x)` shows in programs written for PyTorch.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from typing import Any

import rushlight

_METADATA = f"Metadata-Version: 2.1\nName: torch\nVersion: {rushlight.__version__}\nSummary: Rushlight, as torch\n"


def _is_ours(name: str) -> bool:
    return name == "rushlight" or name.startswith("rushlight.")


def _as_torch(name: str) -> str:
    return "torch" + name[len("rushlight") :]


def _not_shared(name: str) -> bool:
    """Whether a module of Rushlight is not part of torch: the alias itself, and the extension, which has no classes."""
    return name == "rushlight.torch" or name.startswith("rushlight.torch.")


def _rename(module: types.ModuleType) -> None:
    """Enter a module as torch's, and give what it defines torch's name."""
    name = module.__name__
    if not _is_ours(name) or _not_shared(name):
        return
    sys.modules[_as_torch(name)] = module
    for value in list(vars(module).values()):
        if isinstance(value, type | types.FunctionType) and _is_ours(getattr(value, "__module__", None) or ""):
            if value.__module__ != name:
                continue  # defined elsewhere: renamed there
            try:
                value.__module__ = _as_torch(name)
            except (AttributeError, TypeError):  # a type of the core that cannot be changed
                pass


def rename_loaded() -> None:
    """Rename what was loaded before the alias was there."""
    for module in [m for name, m in list(sys.modules.items()) if _is_ours(name) and m is not None]:
        _rename(module)


class _AliasLoader(Loader):
    """Gives the module of Rushlight for a name of torch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(self.name)
        self.original = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self.original  # the import machinery replaced it; it must agree with __package__


class _TorchDistribution(Distribution):
    """What `importlib.metadata` says of torch."""

    def read_text(self, filename: str) -> str | None:
        return _METADATA if filename in ("METADATA", "PKG-INFO") else None

    def locate_file(self, path: Any) -> Path:
        return Path(rushlight.__file__).parent.parent / path


class Finder(DistributionFinder):
    """The entry in `sys.meta_path`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname == "torch" or fullname.startswith("torch."):
            return self._torch_spec(fullname)
        if _is_ours(fullname) and not _not_shared(fullname):
            return self._renaming_spec(fullname, path, target)
        return None

    def _torch_spec(self, fullname: str) -> ModuleSpec | None:
        name = "rushlight" + fullname[len("torch") :]
        try:
            found = None if _not_shared(name) else importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return None
        spec = ModuleSpec(fullname, _AliasLoader(name), origin=found.origin)
        spec.submodule_search_locations = found.submodule_search_locations
        spec.has_location = found.has_location
        return spec

    def _renaming_spec(self, fullname: str, path: Any, target: Any) -> ModuleSpec | None:
        """The spec that the other finders give, with a loader that renames what it loaded."""
        for finder in sys.meta_path:
            spec = (
                None if finder is self or not hasattr(finder, "find_spec") else finder.find_spec(fullname, path, target)
            )
            if spec is not None:
                break
        else:
            return None
        if spec.loader is not None and isinstance(getattr(spec.loader, "__dict__", None), dict):
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                _rename(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def find_distributions(self, context: DistributionFinder.Context = None) -> Iterable[Distribution]:  # type: ignore[assignment]
        name = None if context is None else context.name
        if name is None or name.lower().replace("_", "-") == "torch":
            yield _TorchDistribution()
