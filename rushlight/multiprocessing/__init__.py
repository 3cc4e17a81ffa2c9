"""Python's `multiprocessing`. Tensors that are sent between processes are copied."""

from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _names
from typing import Any

__all__ = [*_names, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn"]

_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` set."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Take the name of a way to share memory. Tensors are copied in either case."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")
    _strategy = new_strategy


class ProcessRaisedException(Exception):
    """A process that `spawn` started raised."""


def spawn(
    fn: Any, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method: str = "spawn"
) -> Any:
    """Start `nprocs` processes that call `fn(i, *args)`; with `join` wait for them, and raise if one failed."""
    import multiprocessing

    context = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in processes:
        process.start()
    if not join:
        return processes
    for i, process in enumerate(processes):
        process.join()
        if process.exitcode != 0:
            for other in processes:
                other.terminate()
            raise ProcessRaisedException(f"process {i} terminated with exit code {process.exitcode}")
    return None
