"""Parts of the data loader."""

from rushlight.utils.data._utils import collate, worker

__all__ = ["collate", "worker"]
