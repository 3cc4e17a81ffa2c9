"""Sequences of different lengths: padded, and packed by time step."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import rushlight
from rushlight import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence_(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences by falling length, step by step: data (sum of lengths, *) and how many sequences each step has.

    `sorted_indices` is the order in which the caller's sequences were packed, `unsorted_indices` its inverse.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> "PackedSequence":
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _with_data(self, data: Tensor) -> "PackedSequence":
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """Convert or move the data; this object itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        move = {name: value for name, value in kwargs.items() if name not in ("device", "dtype")}
        sorted_indices, unsorted_indices = (
            None if index is None else index.to(data.device, **move)
            for index in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, sorted_indices, unsorted_indices)

    def pin_memory(self) -> "PackedSequence":
        """Data in pinned memory."""
        return self._with_data(self.data.pin_memory())

    def cuda(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """Move to a GPU: raises, since Rushlight computes on the CPU."""
        return self._with_data(self.data.cuda(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """Move to the CPU."""
        return self.to(*args, device="cpu", **kwargs)

    def double(self) -> "PackedSequence":
        """Data as float64."""
        return self.to(dtype=rushlight.double)

    def float(self) -> "PackedSequence":
        """Data as float32."""
        return self.to(dtype=rushlight.float)

    def half(self) -> "PackedSequence":
        """Data as float16."""
        return self.to(dtype=rushlight.half)

    def long(self) -> "PackedSequence":
        """Data as int64."""
        return self.to(dtype=rushlight.long)

    def int(self) -> "PackedSequence":
        """Data as int32."""
        return self.to(dtype=rushlight.int)

    def short(self) -> "PackedSequence":
        """Data as int16."""
        return self.to(dtype=rushlight.short)

    def char(self) -> "PackedSequence":
        """Data as int8."""
        return self.to(dtype=rushlight.int8)

    def byte(self) -> "PackedSequence":
        """Data as uint8."""
        return self.to(dtype=rushlight.uint8)

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation`."""
    if permutation is None:
        return None
    places = rushlight.arange(permutation.numel(), device=permutation.device)
    return rushlight.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (T, N, *), or (N, T, *) with `batch_first`, of the given lengths (N,).

    `enforce_sorted` says that the lengths fall; without it the sequences are sorted here.
    """
    lengths = rushlight.as_tensor(lengths, dtype=rushlight.int64, device="cpu")
    if lengths.dim() != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D cpu Long tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = rushlight.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    steps = input.transpose(0, 1) if batch_first else input
    sizes = lengths.tolist()
    if len(sizes) != steps.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={steps.size(1)})"
        )
    if min(sizes) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in zip(sizes, sizes[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if sizes[0] > steps.size(0):
        raise RuntimeError(
            f"Expected the longest length to be at most the number of steps, but got {sizes[0]} of {steps.size(0)}"
        )
    batch_sizes = (rushlight.arange(sizes[0]).unsqueeze(1) < lengths).sum(1)
    data = rushlight.cat([steps[t, :n] for t, n in enumerate(batch_sizes.tolist())])
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padded sequences (T, N, *), or (N, T, *), in the caller's order, and their lengths (N,)."""
    longest = sequence.batch_sizes.size(0)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    sizes = sequence.batch_sizes.tolist()
    steps = total_length or longest
    batch = sizes[0]
    valid = rushlight.zeros(steps, batch, dtype=rushlight.bool)
    valid[:longest] = rushlight.arange(batch) < sequence.batch_sizes.unsqueeze(1)
    data = sequence.data
    rows = valid.view(-1).nonzero().squeeze(1)
    padded = data.new_full((steps * batch, *data.shape[1:]), padding_value)
    padded = padded.index_copy(0, rows, data).view(steps, batch, *data.shape[1:])
    lengths = valid.sum(0)
    if batch_first:
        padded = padded.transpose(0, 1)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L_i, *) side by side, filled up to the longest: (T, N, *), or (N, T, *) with `batch_first`."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(s.size(0) for s in sequences)
    trailing = sequences[0].shape[1:]
    columns = []
    for s in sequences:
        if s.shape[1:] != trailing:
            raise RuntimeError(
                f"pad_sequence: all sequences must have the same trailing dimensions, but got {tuple(trailing)} and "
                f"{tuple(s.shape[1:])}"
            )
        missing = longest - s.size(0)
        if missing:
            filler = s.new_full((missing, *trailing), padding_value)
            s = rushlight.cat([s, filler] if padding_side == "right" else [filler, s])
        columns.append(s)
    return rushlight.stack(columns, dim=0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor (T, N, *), or (N, T, *), each of its length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[:n] for s, n in zip(padded_sequences.unbind(0), lengths.tolist(), strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, *), by falling length unless `enforce_sorted` is False."""
    lengths = rushlight.as_tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def bind(optional: Any, fn: Callable[[Any], Any]) -> Any:
    """`fn(optional)`, or None for None."""
    return None if optional is None else fn(optional)
