"""Writing scalars, histograms, images and texts as TensorBoard's event files."""

import io
import os
import socket
import time
from typing import Any

from rushlight import Tensor

__all__ = ["SummaryWriter"]


def _protos() -> tuple[Any, Any, Any]:
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
    except ImportError as error:
        raise ImportError("torch.utils.tensorboard needs the package tensorboard: pip install tensorboard") from error
    return event_pb2, summary_pb2, tensor_pb2


def _array(values: Any) -> Any:
    import numpy

    return values.detach().numpy() if isinstance(values, Tensor) else numpy.asarray(values)


class SummaryWriter:
    """Writes to a new file in `log_dir`, by default runs/<date>_<host><comment>. Use it in a `with` block, or close "
    "it."""

    def __init__(
        self,
        log_dir: str | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        _protos()
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if not log_dir:
            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir = str(log_dir)
        self.purge_step = purge_step
        self._writer = EventFileWriter(self.log_dir, max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _add(self, step: int | None, walltime: float | None, **value: Any) -> None:
        event_pb2, summary_pb2, _ = _protos()
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)])
        event = event_pb2.Event(summary=summary, wall_time=time.time() if walltime is None else walltime)
        if step is not None:
            event.step = int(step)
        self._writer.add_event(event)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Write a number."""
        self._add(global_step, walltime, tag=tag, simple_value=float(scalar_value))

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write several numbers under one name."""
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str | int = "auto",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Write how many values lie in each of some ranges."""
        import numpy

        _, summary_pb2, _ = _protos()
        flat = _array(values).reshape(-1).astype("float64")
        counts, edges = numpy.histogram(flat, bins=bins if max_bins is None else max_bins)
        histogram = summary_pb2.HistogramProto(
            min=flat.min(),
            max=flat.max(),
            num=len(flat),
            sum=flat.sum(),
            sum_squares=flat.dot(flat),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(global_step, walltime, tag=tag, histo=histogram)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Write an image: floats in [0, 1] or bytes; `dataformats` names its dimensions."""
        from PIL import Image

        _, summary_pb2, _ = _protos()
        array = _array(img_tensor)
        if array.dtype.kind == "f":
            array = (array * 255).clip(0, 255)
        order = [dataformats.upper().index(d) for d in "HWC" if d in dataformats.upper()]
        array = array.transpose(order).astype("uint8")
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, format="PNG")
        image = summary_pb2.Summary.Image(
            height=array.shape[0],
            width=array.shape[1],
            colorspace=array.shape[2] if array.ndim == 3 else 1,
            encoded_image_string=buffer.getvalue(),
        )
        self._add(global_step, walltime, tag=tag, image=image)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write a text."""
        _, summary_pb2, tensor_pb2 = _protos()
        data = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
        tensor = tensor_pb2.TensorProto(dtype="DT_STRING", string_val=[text_string.encode()])
        metadata = summary_pb2.SummaryMetadata(plugin_data=data)
        self._add(global_step, walltime, tag=tag + "/text_summary", metadata=metadata, tensor=tensor)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("add_"):
            raise NotImplementedError(
                f"SummaryWriter.{name} is not supported: Rushlight writes scalars, histograms, images and texts"
            )
        raise AttributeError(f"'SummaryWriter' object has no attribute '{name}'")

    def flush(self) -> None:
        """Write what is waiting."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._writer.close()

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
