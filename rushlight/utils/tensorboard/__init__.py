"""`SummaryWriter` for TensorBoard, which needs the package `tensorboard`."""

from rushlight.utils.tensorboard.writer import SummaryWriter

__all__ = ["SummaryWriter"]
