"""Functions of the top namespace with ATen's signatures, where `nn.functional` has another: reductions are numbers there."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Any

from rushlight import _C
from rushlight._C import Tensor, dtype

__all__ = [
    "affine_grid_generator", "bilinear", "binary_cross_entropy_with_logits", "channel_shuffle", "conv_tbc",
    "cosine_embedding_loss", "cosine_similarity", "detach_", "embedding_bag", "embedding_renorm_", "from_file",
    "get_device_module", "grid_sampler_3d", "hinge_embedding_loss", "is_anomaly_enabled", "is_distributed", "kl_div",
    "margin_ranking_loss", "native_channel_shuffle", "norm_except_dim", "pairwise_distance", "pixel_shuffle",
    "pixel_unshuffle", "poisson_nll_loss", "rrelu", "rrelu_", "set_anomaly_enabled", "triplet_margin_loss",
]  # fmt: skip

_f, _nn = _C._functions, _C._nn
_REDUCTIONS = ("none", "mean", "sum")


def _functional() -> Any:
    from rushlight.nn import functional

    return functional


def _reduced(loss: Tensor, reduction: int) -> Tensor:
    return loss.mean() if reduction == 1 else loss.sum() if reduction == 2 else loss


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """As nn.functional.affine_grid."""
    return _functional().affine_grid(theta, size, align_corners)


bilinear = _nn.bilinear


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: int = 1
) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    loss = _nn.binary_cross_entropy_with_logits(input, target, weight, reduction="none", pos_weight=pos_weight)
    return _reduced(loss, reduction)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """As nn.functional.channel_shuffle."""
    return _functional().channel_shuffle(input, groups)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """As nn.functional.channel_shuffle."""
    return _functional().channel_shuffle(input, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """As nn.functional.conv_tbc."""
    return _functional().conv_tbc(input, weight, bias, pad)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """As nn.functional.cosine_similarity."""
    return _functional().cosine_similarity(x1, x2, dim, eps)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """As nn.functional.pairwise_distance."""
    return _functional().pairwise_distance(x1, x2, p, eps, keepdim)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """As nn.functional.pixel_shuffle."""
    return _functional().pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """As nn.functional.pixel_unshuffle."""
    return _functional().pixel_unshuffle(input, downscale_factor)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    return _functional().cosine_embedding_loss(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    return _functional().hinge_embedding_loss(input, target, margin, reduction=_REDUCTIONS[reduction])


def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean over all elements, 2 sum."""
    return _reduced(_nn.kl_div(input, target, reduction="none", log_target=log_target), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    return _functional().margin_ranking_loss(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    loss = _functional().poisson_nll_loss
    return loss(input, target, log_input, full, eps=eps, reduction=_REDUCTIONS[reduction])


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
    swap: bool = False, reduction: int = 1,
) -> Tensor:  # fmt: skip
    """As nn.functional's, with reduction 0 none, 1 mean, 2 sum."""
    loss = _functional().triplet_margin_loss
    return loss(anchor, positive, negative, margin, p, eps, swap, reduction=_REDUCTIONS[reduction])


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None
) -> Tensor:
    """As nn.functional.rrelu; the slopes are drawn from the generator."""
    from rushlight.nn._functional.activation import rrelu

    return rrelu(input, lower, upper, training, generator=generator)


def rrelu_(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None
) -> Tensor:
    """In-place `rrelu`."""
    from rushlight.nn._functional.activation import rrelu

    return rrelu(input, lower, upper, training, inplace=True, generator=generator)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """As grid_sampler, of volumes (N, C, D, H, W) alone."""
    if input.dim() != 5:
        raise RuntimeError(f"grid_sampler_3d(): expected 5D input, but got input with sizes {list(input.shape)}")
    return _f.grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0,
    sparse: bool = False, per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Sums (mode 0), means (1) or maxima (2) of bags of rows of weight, the bag of each index, sizes, places of maxima.

    indices (N,), offsets (B,) or (B + 1,) with include_last_offset; the first result (B, D). As PyTorch's, the second is
    empty for sums without padding. Raises RuntimeError as nn.functional.embedding_bag does.
    """
    pooled = _nn.embedding_bag(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, ("sum", "mean", "max")[mode], sparse,
        per_sample_weights, include_last_offset, padding_idx,
    )  # fmt: skip
    starts = offsets[:-1] if include_last_offset else offsets
    positions = _f.arange(indices.numel(), dtype=offsets.dtype)
    bags = _f.searchsorted(starts.contiguous(), positions, right=True).to(offsets.dtype) - 1
    counted = bags if padding_idx is None else bags[indices != padding_idx]
    counts = _f.bincount(counted, minlength=starts.numel()).to(offsets.dtype)
    if mode == 0:
        empty = padding_idx is None
        return pooled, bags[:0] if empty else bags, _f.zeros_like(offsets), _f.zeros_like(offsets)
    if mode == 1:
        return pooled, bags, counts, counts
    return pooled, bags, counts, _places_of_maxima(weight, indices, starts, padding_idx, pooled)


def _places_of_maxima(
    weight: Tensor, indices: Tensor, starts: Tensor, padding_idx: int | None, pooled: Tensor
) -> Tensor:
    """(B, D): the row of weight from which each maximum came; 0 where a bag is empty, as in PyTorch."""
    places = _f.zeros_like(pooled, dtype=indices.dtype)
    ends = [*starts.tolist()[1:], indices.numel()]
    for bag, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        rows = indices[start:end]
        rows = rows if padding_idx is None else rows[rows != padding_idx]
        if rows.numel():
            places[bag] = rows[weight.detach()[rows].argmax(0)]
    return places


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scales the rows of input (N, D) that indices name down to the norm max_norm, in place."""
    if indices.dtype not in (_C.int64, _C.int32):
        raise RuntimeError(
            "Expected tensor for argument #2 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{indices.type()} instead (while checking arguments for embedding_renorm_)"
        )
    rows = indices.reshape(-1).unique()
    norms = _f.norm(input.detach()[rows], norm_type, 1)
    large = norms > max_norm
    rows, norms = rows[large], norms[large]
    input[rows] = input[rows] * (max_norm / (norms + 1e-7)).unsqueeze(1).to(input.dtype)
    return input


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions but dim, which are kept with size 1; over all for -1, as a scalar."""
    if dim == -1:
        return v.norm(pow)
    return v.norm(pow, [d for d in range(v.dim()) if d != dim], keepdim=True) if v.dim() > 1 else v.abs()


def detach_(input: Tensor) -> Tensor:
    """As Tensor.detach_."""
    return input.detach_()


def is_distributed(input: Tensor) -> bool:
    """False: a tensor lives in one process."""
    return False


def from_file(
    filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: dtype | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 1-D tensor of size elements over a file that is mapped to memory; `shared` writes go to the file.

    A shared file is made, or made longer, where it is too short; else RuntimeError is raised.
    """
    kind = dtype or _C.get_default_dtype()
    nbytes = (size or 0) * kind.itemsize
    flags = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
    handle = os.open(filename, flags, 0o600)
    try:
        there = os.fstat(handle).st_size
        if there < nbytes:
            if not shared:
                raise RuntimeError(f"file <{filename}> has {there} bytes, fewer than the {nbytes} that are asked for")
            os.ftruncate(handle, nbytes)
        if nbytes == 0:
            return _f.empty(0, dtype=kind, requires_grad=requires_grad)
        view = mmap.mmap(handle, nbytes, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)
    finally:
        os.close(handle)
    return _C.frombuffer(view, dtype=kind).requires_grad_(requires_grad)


def get_device_module(device: Any = None) -> Any:
    """The module of functions for a kind of device: rushlight.cpu, rushlight.cuda."""
    import importlib

    kind = "cpu" if device is None else _C.device(device).type
    if kind not in ("cpu", "cuda", "xpu", "mps"):
        raise RuntimeError(f"Invalid device string: '{kind}'. Device modules are there for cpu, cuda, mps and xpu")
    return importlib.import_module("rushlight." + kind)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _C.is_anomaly_enabled()


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switches anomaly detection, as autograd.set_detect_anomaly."""
    if enabled and not check_nan:
        raise NotImplementedError("set_anomaly_enabled: anomaly detection without the search for NaN is not supported")
    _C._set_anomaly(enabled)
