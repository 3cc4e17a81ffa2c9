"""Training over several machines, which Rushlight does not do: `is_available()` is False."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def __getattr__(name: str) -> object:
    raise AttributeError(f"module 'torch.distributed' has no attribute '{name}': Rushlight trains in one process")
