"""Pooling that is composed: power-average, fractional max, and unpooling."""

from collections.abc import Sequence

import rushlight
from rushlight import Tensor
from rushlight._C import _nn
from rushlight.amp.autocast_mode import full_precision
from rushlight.nn._tuples import _pair, _single, _triple


def _root(mean_power: Tensor, count: int, norm_type: float) -> Tensor:
    # sign * relu(abs): the identity on what is positive, with gradient 0 instead of nan where it is 0.
    return (mean_power.sign() * mean_power.abs().relu() * count) ** (1.0 / norm_type)


def _volume(kernel: Sequence[int]) -> int:
    count = 1
    for size in kernel:
        count *= size
    return count


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x ** norm_type over a window) ** (1 / norm_type). (N, C, L) or (C, L)."""
    mean = _nn.avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(_single(kernel_size)), norm_type)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum of x ** norm_type over a window) ** (1 / norm_type). (N, C, H, W) or (C, H, W)."""
    mean = _nn.avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(_pair(kernel_size)), norm_type)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum of x ** norm_type over a window) ** (1 / norm_type). (N, C, D, H, W) or (C, D, H, W)."""
    mean = _nn.avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(_triple(kernel_size)), norm_type)


# ---------------------------------------------------------------- fractional max pooling


def _window_starts(samples: Tensor, size: int, output: int, kernel: int) -> Tensor:
    """First index of each of `output` windows, for each of the (N, C) draws: Graham, 2014, the "pseudorandom" rule."""
    samples = samples.double().unsqueeze(-1)
    steps = rushlight.arange(output, dtype=rushlight.float64)
    alpha = (size - kernel) / (output - 1) if output > 1 else 0.0
    starts = ((steps + samples) * alpha).long() - (samples * alpha).long()
    starts[..., -1] = size - kernel
    return starts


def _fractional_max_pool(
    name: str, n: int, input: Tensor, kernel: Sequence[int], output: Sequence[int], samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(input.shape)} with {input.dim()} "
            "dimensions"
        )
    batched = input.dim() == n + 2
    x = input if batched else input.unsqueeze(0)
    if samples is None:
        samples = rushlight.rand(x.size(0), x.size(1), n, dtype=input.dtype, device=input.device)
    size = list(x.shape[2:])
    for label, have, want, k in zip(("time", "height", "width")[3 - n :], size, output, kernel, strict=True):
        if want + k - 1 > have - (n == 3):  # PyTorch's 3-D form refuses the largest possible output as well
            raise RuntimeError(f"{name}(): pool {label} {k} too large relative to input {label} {have}")
    # The first draw is for the last dimension in 2-D, and for the first one in 3-D.
    order = (1, 0) if n == 2 else (0, 1, 2)
    samples = samples[: x.size(0)]
    values, where = x, rushlight.zeros(1, dtype=rushlight.int64)
    for d in range(n):
        starts = _window_starts(samples[:, :, order[d]], size[d], output[d], kernel[d])
        index = starts.unsqueeze(-1) + rushlight.arange(kernel[d])  # (N, C, output, kernel)
        shape = [1] * n
        shape[d] = output[d] * kernel[d]
        index = index.reshape(x.size(0), x.size(1), *shape)
        target = list(values.shape)
        target[2 + d] = index.shape[2 + d]
        values = values.gather(2 + d, index.expand(target))
        where = where * size[d] + index
    split = [m for o, k in zip(output, kernel, strict=True) for m in (o, k)]
    lead = list(x.shape[:2])
    turn = (0, 1, *range(2, 2 + 2 * n, 2), *range(3, 3 + 2 * n, 2))
    windows = values.reshape(*lead, *split).permute(turn).flatten(2 + n)
    places = where.expand(values.shape).reshape(*lead, *split).permute(turn).flatten(2 + n)
    best, chosen = windows.max(-1)
    indices = places.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return (best, indices) if batched else (best.squeeze(0), indices.squeeze(0))


def _fractional_output(
    name: str, n: int, input: Tensor, output_size: Sequence[int] | None, output_ratio: Sequence[float] | None
) -> Sequence[int]:
    if output_size is not None:
        return output_size
    if output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    return [int(input.size(d - n) * output_ratio[d]) for d in range(n)]


@full_precision
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Max over windows at random places that cover the input: (N, C, H, W) to (N, C, *output_size), and the indices.

    Source: Graham, Fractional Max-Pooling, 2014.
    """
    ratio = None if output_ratio is None else _pair(output_ratio)
    size = None if output_size is None else _pair(output_size)
    output = _fractional_output("fractional_max_pool2d", 2, input, size, ratio)
    return _fractional_max_pool("fractional_max_pool2d", 2, input, _pair(kernel_size), output, _random_samples)


@full_precision
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Like the 2-D form, on (N, C, D, H, W)."""
    ratio = None if output_ratio is None else _triple(output_ratio)
    size = None if output_size is None else _triple(output_size)
    output = _fractional_output("fractional_max_pool3d", 3, input, size, ratio)
    return _fractional_max_pool("fractional_max_pool3d", 3, input, _triple(kernel_size), output, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Max over windows at random places that cover the input: (N, C, H, W) to (N, C, *output_size)."""
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Max over windows at random places that cover the input: (N, C, D, H, W) to (N, C, *output_size)."""
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]


# ---------------------------------------------------------------- unpooling


def _unpool_output_size(
    input: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], given: Sequence[int] | None
) -> list[int]:
    n = len(kernel)
    spatial = input.shape[-n:]
    default = [(spatial[d] - 1) * stride[d] + kernel[d] - 2 * padding[d] for d in range(n)]
    if given is None:
        return default
    if len(given) == n + 2:
        given = given[2:]
    if len(given) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
            f"'{len(given)}'"
        )
    for d in range(n):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < given[d] < high:
            raise ValueError(f'invalid output_size "{given}" (dim {d} must be between {low} and {high})')
    return list(given)


def _max_unpool(n: int, input: Tensor, indices: Tensor, output: list[int]) -> Tensor:
    if indices.dtype is not rushlight.int64:
        name = {"float32": "Float", "float64": "Double", "int32": "Int"}.get(str(indices.dtype).split(".")[-1])
        raise RuntimeError(f"elements in indices should be type int64 but got: {name or indices.dtype}")
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a tensor with "
            f"{input.dim()} dimensions."
        )
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    lead = list(input.shape[:-n])
    volume = _volume(output)
    if indices.numel():
        for bad in (int(indices.min()), int(indices.max())):
            if not 0 <= bad < volume:
                shown = "x".join(map(str, output))
                raise RuntimeError(f"Found an invalid max index: {bad} (output volumes are of size {shown})")
    flat = rushlight.zeros(*lead, volume, dtype=input.dtype, device=input.device)
    return flat.scatter(-1, indices.flatten(-n), input.flatten(-n)).reshape(*lead, *output)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put the maxima of `max_pool1d` back to the places it found them at, zero elsewhere. (N, C, L) or (C, L)."""
    kernel, padding = _single(kernel_size), _single(padding)
    stride = kernel if stride is None else _single(stride)
    return _max_unpool(1, input, indices, _unpool_output_size(input, kernel, stride, padding, output_size))


@full_precision
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put the maxima of `max_pool2d` back to the places it found them at, zero elsewhere. (N, C, H, W) or (C, H, W)."""
    kernel, padding = _pair(kernel_size), _pair(padding)
    stride = kernel if stride is None else _pair(stride)
    return _max_unpool(2, input, indices, _unpool_output_size(input, kernel, stride, padding, output_size))


@full_precision
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put the maxima of `max_pool3d` back to the places it found them at, zero elsewhere. (N, C, D, H, W)."""
    kernel, padding = _triple(kernel_size), _triple(padding)
    stride = kernel if stride is None else _triple(stride)
    return _max_unpool(3, input, indices, _unpool_output_size(input, kernel, stride, padding, output_size))
