"""Pooling by rows and by long windows, folding by rows, convolutions with few channels, and recurrent layers by gates: float32 has loops of its own, which
must give what the general ones give float64."""

import itertools

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional


def small_integers(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, shape).astype(np.float32)  # sums of them are exact in both
    x[rng.random(shape) < 0.05] = np.nan
    x[rng.random(shape) < 0.05] = -np.inf
    return x


def both(f, x: np.ndarray) -> None:
    """f gives the same of x in float32 and in float64, and so does its gradient."""
    results = []
    for dtype in (torch.float32, torch.float64):
        t = torch.from_numpy(x).to(dtype).requires_grad_()
        r = f(t)
        r = r if isinstance(r, tuple) else (r,)
        r[0].sum().backward()
        results.append([v.detach().numpy() for v in (*r, t.grad)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


SIZES = {1: (2, 3, 1300), 2: (2, 3, 7, 45), 3: (1, 2, 4, 5, 37)}


@pytest.mark.parametrize("dims,kernel,stride", list(itertools.product((1, 2, 3), (1, 2, 3), (1, 2, 3))))
def test_long_rows(dims, kernel, stride):
    x = small_integers(*SIZES[dims])
    maximum, mean = getattr(F, f"max_pool{dims}d"), getattr(F, f"avg_pool{dims}d")
    for padding, dilation, ceil_mode in ((0, 1, False), (kernel // 2, 1, True), (kernel // 2, 2, False)):
        options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        both(lambda t, o=options, d=dilation: maximum(t, dilation=d, return_indices=True, **o), x)
        t = torch.from_numpy(x)
        expected = maximum(t, dilation=dilation, return_indices=True, **options)[0]
        np.testing.assert_array_equal(maximum(t, dilation=dilation, **options).numpy(), expected.numpy())
        for include_pad in (False, True):
            both(lambda t, o=options, i=include_pad: mean(t, count_include_pad=i, **o), np.nan_to_num(x, neginf=7))


@pytest.mark.parametrize("shape,output", [((2, 3, 517), 3), ((1, 2, 6, 70), (4, 3)), ((2, 1, 3, 4, 50), (2, 3, 1))])
def test_long_adaptive_windows(shape, output):
    dims = len(shape) - 2
    x = small_integers(*shape)
    both(lambda t: getattr(F, f"adaptive_max_pool{dims}d")(t, output, return_indices=True), x)
    both(lambda t: getattr(F, f"adaptive_avg_pool{dims}d")(t, output), np.nan_to_num(x, neginf=7))


@pytest.mark.parametrize("stride,padding,dilation", list(itertools.product((1, 2), ((0, 0), (2, 5)), (1, 2))))
def test_columns(stride, padding, dilation):
    x = np.nan_to_num(small_integers(2, 2, 9, 21), neginf=5)
    options = {"kernel_size": (2, 3), "stride": stride, "padding": padding, "dilation": dilation}
    both(lambda t: F.unfold(t, **options), x)
    both(lambda t: F.fold(F.unfold(t, **options), (9, 21), **options), x)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("hidden", [1, 2, 7, 40])
def test_sequences_of_a_batch_do_not_meet(kind, hidden):
    torch.manual_seed(0)
    net = getattr(torch.nn, kind)(3, hidden, dtype=torch.float64)
    x = torch.randn(6, 35, 3, dtype=torch.float64, requires_grad=True)
    together, last = net(x)
    together.square().sum().backward()
    for row in (0, 17, 34):
        alone = x.detach()[:, row : row + 1].clone().requires_grad_()
        out, _ = net(alone)
        np.testing.assert_allclose(out[:, 0].detach().numpy(), together[:, row].detach().numpy(), rtol=1e-12, atol=1e-15)
        out.square().sum().backward()
        np.testing.assert_allclose(alone.grad[:, 0].numpy(), x.grad[:, row].numpy(), rtol=1e-10, atol=1e-14)


def by_taps(x: np.ndarray, w: np.ndarray, padding: int, dilation: int, groups: int) -> np.ndarray:
    """Cross-correlation of any number of dimensions, a sum over the kernel's elements."""
    n = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * n])
    out = [p - dilation * (k - 1) for p, k in zip(padded.shape[2:], w.shape[2:], strict=True)]
    parts = padded.reshape(x.shape[0], groups, -1, *padded.shape[2:])
    weights = w.reshape(groups, -1, *w.shape[1:])
    r = np.zeros((x.shape[0], groups, weights.shape[1], *out))
    for tap in np.ndindex(*w.shape[2:]):
        window = tuple(slice(t * dilation, t * dilation + size) for t, size in zip(tap, out, strict=True))
        r += np.einsum("bgi...,goi->bgo...", parts[(..., *window)], weights[(..., *tap)])
    return r.reshape(x.shape[0], -1, *out)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("size", [(150,), (5, 70), (9, 11), (3, 4, 65), (4, 5, 6)])
@pytest.mark.parametrize("padding,dilation,groups", [(0, 1, 1), (1, 1, 1), (2, 2, 2), (0, 2, 3)])
def test_few_channels(dtype, size, padding, dilation, groups):
    rng = np.random.default_rng(0)
    dims, kernel = len(size), (2, 3, 2)[-len(size) :]
    kernel = tuple(min(k, 1 + (s + 2 * padding - 1) // dilation) for k, s in zip(kernel, size, strict=True))
    # Whole numbers: exact in every dtype.
    x, w = (rng.integers(-2, 3, shape).astype(np.float64) for shape in ((2, 2 * groups, *size), (3 * groups, 2, *kernel)))
    a, b = (torch.from_numpy(v).to(getattr(torch, dtype)).requires_grad_() for v in (x, w))
    bias = torch.arange(3 * groups).to(a.dtype)
    y = getattr(F, f"conv{dims}d")(a, b, bias, padding=padding, dilation=dilation, groups=groups)
    linear = by_taps(x, w, padding, dilation, groups)
    column = bias.double().numpy().reshape(-1, *[1] * dims)
    np.testing.assert_array_equal(y.detach().double().numpy(), linear + column)
    g = rng.integers(-1, 2, y.shape).astype(np.float64)
    y.backward(torch.from_numpy(g).to(y.dtype))
    # Linear in each: the products of the gradients with x and w are that of g with the result.
    tolerance = {"rtol": 2e-2, "atol": 20} if dtype == "bfloat16" else {"rtol": 1e-6}
    np.testing.assert_allclose((a.grad.double().numpy() * x).sum(), (g * linear).sum(), **tolerance)
    np.testing.assert_allclose((b.grad.double().numpy() * w).sum(), (g * linear).sum(), **tolerance)
    t = getattr(F, f"conv_transpose{dims}d")(
        torch.from_numpy(g).to(y.dtype), b, torch.zeros(2 * groups, dtype=a.dtype), padding=padding, dilation=dilation, groups=groups
    )
    np.testing.assert_array_equal(t.detach().double().numpy(), a.grad.double().numpy())


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (5, 7), (33, 20)])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
def test_bilinear_corners(size, padding, align):
    rng = np.random.default_rng(0)
    x, grid = rng.standard_normal((2, 3, *size)).astype(np.float32), (rng.standard_normal((2, 9, 11, 2)) * 1.2).astype(np.float32)
    x[0, 0, 0, 0], x[1, 0, -1, -1] = np.inf, np.nan  # seen only where a point lies beside them
    grid[0, 0, 0], grid[0, 0, 1] = np.nan, np.inf
    one, two = (
        F.grid_sample(torch.from_numpy(x).to(t), torch.from_numpy(grid).to(t), padding_mode=padding, align_corners=align).numpy()
        for t in (torch.float32, torch.float64)
    )
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=2e-5)
