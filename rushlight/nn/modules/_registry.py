"""The tables behind a module's parameters, buffers and submodules."""

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import ref

import rushlight

_set = object.__setattr__
_delete = object.__delattr__


def typename(value: Any) -> str:
    """Name of a value's type as messages give it: `torch.FloatTensor` for a float tensor, `int` for 3."""
    return rushlight.typename(value)


def _addindent(text: str, spaces: int) -> str:
    """`text` with every line but the first moved to the right."""
    return text.replace("\n", "\n" + " " * spaces)


class Registry(dict):
    """Table of one kind of a module's members; each entry is an ordinary attribute of the module as well.

    Note [ Members are attributes ]
    Python finds `module.weight` in the instance in a few nanoseconds, and by `__getattr__` in five hundred. So every
    write to a table, also a direct one such as `module._parameters["weight"] = p`, is repeated on the module. The table
    decides: the attribute is only its reflection. It is left out where the class has an attribute of that name (a
    property of a parametrized weight, say), which Python would find first anyhow, and it is left out of pickles.
    """

    __slots__ = ("_owner",)

    @staticmethod
    def of(owner: ref, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> "Registry":
        """A table of the module that `owner` refers to."""
        table = Registry()
        table._owner = owner
        if entries:
            table.update(entries)
        return table

    def detach(self) -> None:
        """Stop reflecting: the module gets another table."""
        for name in self:
            self._hide(name)
        self._owner = lambda: None

    def _hide(self, name: str) -> None:
        owner = self._owner()
        if owner is not None and not hasattr(type(owner), name):
            try:
                _delete(owner, name)
            except AttributeError:  # hidden already by whoever took the module's __dict__ apart
                pass

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        owner = self._owner()
        if owner is not None and not hasattr(type(owner), name):
            _set(owner, name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._hide(name)

    def pop(self, name: str, *default: Any) -> Any:
        known = name in self
        value = super().pop(name, *default)
        if known:
            self._hide(name)
        return value

    def popitem(self) -> tuple[str, Any]:
        name, value = super().popitem()
        self._hide(name)
        return name, value

    def clear(self) -> None:
        for name in list(self):
            del self[name]

    def update(self, *entries: Any, **more: Any) -> None:
        for name, value in dict(*entries, **more).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, entries: Any) -> "Registry":
        self.update(entries)
        return self

    def copy(self) -> dict:
        return dict(self)

    def __reduce_ex__(self, protocol: int) -> tuple:
        return dict, (), None, None, iter(self.items())
