"""The types of results with names: `return_types.max` is the type of `max(x, dim)`, `max_out` that of its out= form."""

from __future__ import annotations

from rushlight import _C

all_return_types: list[type] = list(_C._return_types().values())
globals().update(_C._return_types())

__all__ = sorted([*_C._return_types(), "all_return_types", "pytree_register_structseq"])


def pytree_register_structseq(cls: type) -> None:
    """Lets `utils._pytree` see a struct sequence as a node whose children are its fields."""
    from rushlight.utils import _pytree

    _pytree.register_pytree_node(cls, lambda value: (list(value), None), lambda children, _: cls(children))
