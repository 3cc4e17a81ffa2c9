"""The alias in processes that `multiprocessing` starts.

A forked process has it already. The others begin by unpickling a dict of preparations; an entry is added to it whose
unpickling installs the alias, before the program's main module is imported.
"""

import os
from multiprocessing import spawn
from typing import Any

import rushlight

_CHILD = (
    "import sys\n"
    "sys.path.append({path!r})\n"  # the child's own path is not set yet
    "from rushlight.torch import install\n"
    "install()\n"
    "sys.path.remove({path!r})\n"
)


class _Installation:
    """Installs the alias where it is unpickled."""

    def __reduce__(self) -> tuple:
        root = os.path.dirname(os.path.dirname(os.path.abspath(rushlight.__file__)))
        return exec, (_CHILD.format(path=root),)


def install_in_children() -> None:
    """Let processes started from now on have the alias."""
    prepare = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**prepare(name), "rushlight": _Installation()}

    spawn.get_preparation_data = get_preparation_data
