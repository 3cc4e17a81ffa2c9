"""The alias: after `install()`, `import torch` means Rushlight, here and in processes that `multiprocessing` starts.

python -m rushlight.torch script.py args…      runs a script that says `import torch`
import rushlight.torch; rushlight.torch.install()
%load_ext rushlight.torch                      in IPython and Jupyter
"""

import sys
from typing import Any

from rushlight.torch._finder import Finder, rename_loaded
from rushlight.torch._processes import install_in_children

__all__ = ["install", "is_installed", "load_ipython_extension"]

_finder: Finder | None = None


def is_installed() -> bool:
    """Whether `import torch` means Rushlight in this process."""
    return _finder is not None


def install() -> None:
    """Make `import torch`, and `import torch.anything`, mean Rushlight.

    Raises ImportError if another torch was imported before.
    """
    global _finder
    if _finder is not None:
        return
    present = sys.modules.get("torch")
    if present is not None:
        raise ImportError(
            f"the real torch is already imported, from {getattr(present, '__file__', None)}. Rushlight can take its "
            "name only before the first `import torch`: call rushlight.torch.install() at the start of the program, "
            "or run it as `python -m rushlight.torch script.py`",
            name="torch",
        )
    _finder = Finder()
    sys.meta_path.insert(0, _finder)
    rename_loaded()
    install_in_children()


def load_ipython_extension(ipython: Any) -> None:
    """What `%load_ext rushlight.torch` calls."""
    install()
