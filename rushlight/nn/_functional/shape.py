"""Rearrangements of pixels and channels, sampling grids, and the deprecated upsamplers."""

import warnings
from collections.abc import Sequence

import rushlight
from rushlight import Tensor
from rushlight._C import _nn

pixel_shuffle = _nn.pixel_shuffle
pixel_unshuffle = _nn.pixel_unshuffle


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave `groups` groups of channels: (N, C, ...) to the same shape.

    Source: Zhang et al., ShuffleNet, 2018.
    """
    if input.dim() <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    batch, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    return input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(input.shape)


native_channel_shuffle = channel_shuffle


def _grid_line(size: int, align_corners: bool, theta: Tensor) -> Tensor:
    """`size` coordinates from -1 to 1: of the corners, or of the pixels' centres."""
    if size <= 1:
        return rushlight.zeros(size, dtype=theta.dtype, device=theta.device)
    line = rushlight.linspace(-1, 1, size, dtype=theta.dtype, device=theta.device)
    return line if align_corners else line * ((size - 1) / size)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Sampling grid of affine maps, for `grid_sample`.

    theta (N, 2, 3) and size (N, C, H, W) give (N, H, W, 2); (N, 3, 4) and (N, C, D, H, W) give (N, D, H, W, 3).
    Source: Jaderberg et al., Spatial Transformer Networks, 2015.
    """
    size = list(size)
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=2,
        )
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    _check_affine(theta, size)
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    spatial = size[2:]
    lines = [_grid_line(n, align_corners, theta) for n in spatial]
    mesh = rushlight.meshgrid(*lines, indexing="ij")
    base = rushlight.stack([*reversed(mesh), rushlight.ones_like(mesh[0])], dim=-1)
    n = len(spatial)
    flat = base.reshape(1, -1, n + 1).expand(size[0], -1, -1)
    return flat.bmm(theta.transpose(1, 2)).reshape(size[0], *spatial, n)


def _check_affine(theta: Tensor, size: list[int]) -> None:
    rows = {4: 2, 5: 3}.get(len(size))
    if rows is None:
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    if theta.dim() != 3 or theta.shape[-2] != rows or theta.shape[-1] != rows + 1:
        raise ValueError(
            f"Expected a batch of {rows}D affine matrices of shape Nx{rows}x{rows + 1} for size {size}. "
            f"Got {theta.shape}."
        )


def _deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Deprecated name of `interpolate`."""
    _deprecated("upsample")
    return _nn.interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """Deprecated: `interpolate` with mode "nearest"."""
    _deprecated("upsample_nearest")
    return _nn.interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """Deprecated: `interpolate` with mode "bilinear" and aligned corners."""
    _deprecated("upsample_bilinear")
    return _nn.interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """1-D convolution over time first: input (T, B, C_in), weight (K, C_in, C_out), bias (C_out,) to (T', B, C_out)."""
    return _nn.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
