"""Convolution, pooling, folding, resizing, sampling, embedding, attention, recurrent layers, CTC."""

import itertools
import math

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

F = torch.nn.functional
RNG = np.random.default_rng(1)


def rand(*shape, dtype="float64", grad=False):
    x = RNG.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * RNG.standard_normal(shape)
    return torch.from_numpy(x.astype(dtype)).requires_grad_(grad)


def direct_conv2d(x, w, b, stride, padding, dilation, groups):
    """The definition, one product at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    n, _, height, width = x.shape
    out, each, kh, kw = w.shape
    oh = (height - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out, oh, ow), dtype=np.result_type(x, w))
    for o in range(out):
        channels = slice(o // (out // groups) * each, o // (out // groups) * each + each)
        for i, j in itertools.product(range(oh), range(ow)):
            top, left = i * stride[0], j * stride[1]
            window = x[:, channels, top : top + dilation[0] * (kh - 1) + 1 : dilation[0], left : left + dilation[1] * (kw - 1) + 1 : dilation[1]]
            y[:, o, i, j] = (window * w[o]).sum((1, 2, 3))
    return y if b is None else y + b[:, None, None]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
@pytest.mark.parametrize(
    "stride,padding,dilation,groups", [((1, 1), (0, 0), (1, 1), 1), ((2, 1), (1, 2), (1, 1), 1), ((1, 1), (2, 1), (2, 1), 2), ((3, 2), (0, 1), (1, 2), 4)]
)
def test_conv2d_by_definition(dtype, stride, padding, dilation, groups):
    x, w, b = (RNG.standard_normal(s) * 3 for s in ((2, 4, 9, 8), (8, 4 // groups, 3, 2), (8,)))
    x, w, b = (v.astype(dtype) for v in (x, w, b))
    got = F.conv2d(torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(b), stride, padding, dilation, groups)
    np.testing.assert_allclose(got.numpy(), direct_conv2d(x, w, b, stride, padding, dilation, groups), rtol=1e-4, atol=1e-4)


def test_channels_last_images_give_channels_last_results():
    x, w = rand(2, 3, 8, 8, dtype="float32"), rand(4, 3, 3, 3, dtype="float32")
    planar = F.conv2d(x, w)
    last = F.conv2d(x.contiguous(memory_format=torch.channels_last), w)
    assert last.is_contiguous(memory_format=torch.channels_last) and planar.is_contiguous()
    np.testing.assert_allclose(planar.numpy(), last.numpy(), rtol=1e-4, atol=1e-5)
    pooled = F.max_pool2d(last, 2)
    assert pooled.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(pooled.numpy(), F.max_pool2d(planar, 2).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_transposed_convolution_is_the_adjoint(n):
    conv, transposed = getattr(F, f"conv{n}d"), getattr(F, f"conv_transpose{n}d")
    x, w = rand(2, 4, *(7, 6, 5)[:n]), rand(6, 2, *(3, 2, 2)[:n])
    y = conv(x, w, stride=2, padding=1, groups=2)
    g = rand(*y.shape)
    back = transposed(g, w, stride=2, padding=1, groups=2, output_padding=[(s - 2 * (o - 1) + 2 - k) for s, o, k in zip(x.shape[2:], y.shape[2:], w.shape[2:], strict=True)])
    np.testing.assert_allclose((y * g).sum().item(), (x * back).sum().item())


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_convolution_gradients(dtype):
    x, w, b = rand(2, 2, 4, 4, dtype=dtype, grad=True), rand(2, 1, 2, 3, dtype=dtype, grad=True), rand(2, dtype=dtype, grad=True)
    f = lambda x, w, b: F.conv2d(x, w, b, stride=(1, 2), padding=1, groups=2)  # noqa: E731
    assert gradcheck(f, (x, w, b)) and gradgradcheck(f, (x, w, b))
    v = rand(2, 2, 2, dtype=dtype, grad=True)
    g = lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1)  # noqa: E731
    y = rand(1, 2, 4, dtype=dtype, grad=True)
    assert gradcheck(g, (y, v)) and gradgradcheck(g, (y, v))


def test_padding_in_words_and_single_images():
    x, w = rand(2, 3, 8, 9), rand(4, 3, 4, 3)
    assert F.conv2d(x, w, padding="same").shape == (2, 4, 8, 9) and F.conv2d(x, w, padding="valid").shape == (2, 4, 5, 7)
    # one more row of padding below than above
    np.testing.assert_allclose(F.conv2d(x, w, padding="same").numpy(), direct_conv2d(np.pad(x.numpy(), ((0, 0), (0, 0), (1, 2), (1, 1))), w.numpy(), None, (1, 1), (0, 0), (1, 1), 1))
    np.testing.assert_allclose(F.conv2d(x[0], w).numpy(), F.conv2d(x, w)[0].numpy())
    for wrong in (dict(padding="same", stride=2), dict(padding="else"), dict(groups=2), dict(stride=0), dict(padding=-1), dict(dilation=0)):
        with pytest.raises(RuntimeError):
            F.conv2d(x, w, **wrong)
    with pytest.raises(RuntimeError, match="channels"):
        F.conv2d(x, rand(4, 2, 3, 3))
    assert F.conv2d(torch.empty(2, 3, 8, 8, device="meta"), torch.empty(4, 3, 3, 3, device="meta")).shape == (2, 4, 6, 6)


# ---------------------------------------------------------------- pooling
def windows(x, kernel, stride):
    """(N, C, oh, ow, kernel * kernel) of an unpadded image."""
    n, c, h, w = x.shape
    oh, ow = (h - kernel) // stride + 1, (w - kernel) // stride + 1
    return np.stack([x[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride][:, :, :oh, :ow] for i in range(kernel) for j in range(kernel)], -1)


@pytest.mark.parametrize("kernel,stride", [(2, 2), (3, 1), (3, 2)])
def test_pooling_by_definition(kernel, stride):
    x = rand(2, 3, 8, 9)
    w = windows(x.numpy(), kernel, stride)
    np.testing.assert_allclose(F.max_pool2d(x, kernel, stride).numpy(), w.max(-1))
    np.testing.assert_allclose(F.avg_pool2d(x, kernel, stride).numpy(), w.mean(-1))
    values, indices = F.max_pool2d(x, kernel, stride, return_indices=True)
    np.testing.assert_array_equal(x.flatten(2).gather(2, indices.flatten(2)).reshape(values.shape).numpy(), values.numpy())


def test_adaptive_pooling_divides_evenly():
    x = rand(2, 3, 7, 5)
    got = F.adaptive_avg_pool2d(x, (3, None)).numpy()
    for i in range(3):
        rows = slice(i * 7 // 3, -(-(i + 1) * 7 // 3))
        np.testing.assert_allclose(got[:, :, i], x.numpy()[:, :, rows].mean(2))
    assert F.adaptive_max_pool2d(x, 1).shape == (2, 3, 1, 1)
    np.testing.assert_allclose(F.adaptive_avg_pool2d(x, 1).flatten().numpy(), x.numpy().mean((2, 3)).ravel())


def test_pooling_gradients():
    x = rand(1, 2, 5, 5, grad=True)
    for f in (
        lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), lambda x: F.adaptive_avg_pool2d(x, 2),
        lambda x: F.adaptive_max_pool2d(x, 2), lambda x: F.max_pool1d(x[0], 2, dilation=2), lambda x: F.avg_pool3d(x, 2, ceil_mode=True),
    ):  # fmt: skip
        assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


def test_pooling_errors():
    x = torch.ones(1, 1, 4, 4)
    for wrong in (dict(kernel_size=5), dict(kernel_size=2, padding=2), dict(kernel_size=2, stride=0)):
        with pytest.raises(RuntimeError):
            F.max_pool2d(x, **wrong)
    with pytest.raises(RuntimeError, match="divisor"):
        F.avg_pool2d(x, 2, divisor_override=0)


# ---------------------------------------------------------------- folding, resizing, sampling
def test_fold_is_the_adjoint_of_unfold():
    x = rand(2, 3, 7, 6)
    columns = F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=(2, 1))
    g = rand(*columns.shape)
    back = F.fold(g, (7, 6), (3, 2), dilation=(1, 2), padding=1, stride=(2, 1))
    np.testing.assert_allclose((columns * g).sum().item(), (x * back).sum().item())
    w = rand(4, 3, 3, 2)
    by_product = (w.flatten(1) @ F.unfold(x, (3, 2))).reshape(2, 4, 5, 5)
    np.testing.assert_allclose(by_product.numpy(), F.conv2d(x, w).numpy())


@pytest.mark.parametrize(
    "mode,shape,size", [("nearest", (1, 2, 5), 8), ("linear", (1, 2, 5), 8), ("bilinear", (1, 2, 4, 5), (7, 3)), ("bicubic", (1, 2, 4, 5), (7, 3)),
                        ("trilinear", (1, 1, 3, 4, 2), (2, 6, 3)), ("area", (1, 2, 5, 4), (3, 2)), ("nearest-exact", (1, 2, 5, 4), (3, 2))]
)  # fmt: skip
def test_interpolate_keeps_constants_and_has_gradients(mode, shape, size):
    np.testing.assert_allclose(F.interpolate(torch.ones(shape), size, mode=mode).numpy(), 1, rtol=1e-6)
    x = rand(*shape, grad=True)
    f = lambda x: F.interpolate(x, size, mode=mode)  # noqa: E731
    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


def test_interpolate_linear_ramps():
    ramp = torch.arange(5, dtype=torch.float64).reshape(1, 1, 5)
    np.testing.assert_allclose(F.interpolate(ramp, 9, mode="linear", align_corners=True).flatten().numpy(), np.linspace(0, 4, 9))
    np.testing.assert_array_equal(F.interpolate(ramp, scale_factor=2.0).flatten().numpy(), np.repeat(np.arange(5.0), 2))
    for wrong in (dict(size=3, scale_factor=2), dict(), dict(size=3, align_corners=True), dict(size=(3, 3))):
        with pytest.raises(ValueError):
            F.interpolate(ramp, **wrong)


def test_grid_sample_at_pixel_centres_is_the_identity():
    x = rand(1, 2, 4, 5)
    ys, xs = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 5), indexing="ij")
    grid = torch.from_numpy(np.stack([xs, ys], -1)[None])
    for mode in ("bilinear", "nearest", "bicubic"):
        np.testing.assert_allclose(F.grid_sample(x, grid, mode=mode, align_corners=True).numpy(), x.numpy(), atol=1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_gradients(mode, padding):
    x, grid = rand(1, 2, 4, 5, grad=True), torch.from_numpy(RNG.uniform(-1.3, 1.3, (1, 2, 3, 2))).requires_grad_()
    f = lambda x, g: F.grid_sample(x, g, mode=mode, padding_mode=padding, align_corners=False)  # noqa: E731
    assert gradcheck(f, (x, grid)) and gradgradcheck(f, (x, grid))


# ---------------------------------------------------------------- embedding
def test_embedding_gradient_adds_up_and_skips_padding():
    w, index = rand(5, 3, grad=True), torch.tensor([[1, 1, 4], [0, 2, 1]])
    y = F.embedding(index, w, padding_idx=2)
    np.testing.assert_array_equal(y.detach().numpy(), w.detach().numpy()[index.numpy()])
    y.sum().backward()
    np.testing.assert_array_equal(w.grad[:, 0].numpy(), [1, 3, 0, 0, 1])
    assert gradgradcheck(lambda w: F.embedding(index, w) ** 2, (rand(5, 3, grad=True),))
    with pytest.raises(IndexError, match="out of range"):
        F.embedding(torch.tensor([5]), w)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag_against_a_loop(mode):
    w, index, offsets = rand(6, 3), torch.tensor([1, 2, 2, 5, 0]), torch.tensor([0, 3, 3])
    rows = [w.numpy()[[1, 2, 2]], np.zeros((0, 3)), w.numpy()[[5, 0]]]
    expected = [getattr(np, mode)(r, 0) if len(r) else np.zeros(3) for r in rows]
    np.testing.assert_allclose(F.embedding_bag(index, w, offsets, mode=mode).numpy(), expected)
    assert gradcheck(lambda w: F.embedding_bag(index, w, offsets, mode=mode), (rand(6, 3, grad=True),))


# ---------------------------------------------------------------- attention
def plain_attention(q, k, v, mask=None, causal=False):
    scores = q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:])) > 0, scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize("length,keys", [(5, 7), (130, 600)])
@pytest.mark.parametrize("kind", ["plain", "causal", "bool", "float"])
def test_attention_by_definition(length, keys, kind):
    q, k, v = rand(2, 3, length, 8), rand(2, 3, keys, 8), rand(2, 3, keys, 4)
    mask = {"bool": RNG.random((length, keys)) > 0.3, "float": RNG.standard_normal((1, 1, length, keys))}.get(kind)
    given = None if mask is None else torch.from_numpy(mask)
    got = F.scaled_dot_product_attention(q, k, v, attn_mask=given, is_causal=kind == "causal")
    np.testing.assert_allclose(got.numpy(), plain_attention(q.numpy(), k.numpy(), v.numpy(), mask, kind == "causal"), atol=1e-10)


def test_attention_gradients_and_rows_without_keys():
    q, k, v = rand(1, 2, 3, 4, grad=True), rand(1, 2, 5, 4, grad=True), rand(1, 2, 5, 2, grad=True)
    for f in (F.scaled_dot_product_attention, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)):
        assert gradcheck(f, (q, k, v)) and gradgradcheck(f, (q, k, v))
    masked = F.scaled_dot_product_attention(q, k, v, attn_mask=torch.zeros(3, 5, dtype=torch.bool))
    assert (masked == 0).all()
    many, few = rand(1, 4, 3, 4), rand(1, 2, 3, 4)
    grouped = F.scaled_dot_product_attention(many, few, few, enable_gqa=True)
    repeated = F.scaled_dot_product_attention(many, few.repeat_interleave(2, 1), few.repeat_interleave(2, 1))
    np.testing.assert_allclose(grouped.numpy(), repeated.numpy())


def dropped_by_definition(q, k, v, rate, causal=False):
    """Probabilities times what F.dropout draws for their matrix."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -math.inf)
    return F.dropout(scores.softmax(-1), rate) @ v


@pytest.mark.parametrize("shape,causal", [((2, 3, 150, 8), False), ((2, 130, 8), True), ((300, 4), False), ((2, 2, 20, 8), False)])
def test_attention_draws_for_dropout_what_the_matrix_of_probabilities_would(shape, causal):
    torch.manual_seed(0)
    q, k, v = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(3))
    results = []
    for f in (lambda *qkv: F.scaled_dot_product_attention(*qkv, dropout_p=0.3, is_causal=causal), lambda *qkv: dropped_by_definition(*qkv, 0.3, causal)):
        torch.manual_seed(3)
        out = f(q, k, v)
        following = torch.rand(2)  # both leave the generator at the same place
        results.append([out, following, *torch.autograd.grad((out * out).sum(), (q, k, v))])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_attention_with_dropout_has_gradients_of_gradients():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 1, 110, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def second(f):
        torch.manual_seed(3)
        first = torch.autograd.grad(f(q, k, v).pow(2).sum(), (q, k, v), create_graph=True)
        return torch.autograd.grad(sum(g.pow(2).sum() for g in first), (q, k, v))

    ours, expected = second(lambda *qkv: F.scaled_dot_product_attention(*qkv, dropout_p=0.5)), second(lambda *qkv: dropped_by_definition(*qkv, 0.5))
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_attention_with_dropout_takes_memory_linear_in_the_length():
    q = torch.randn(1, 1, 4096, 16, requires_grad=True)  # a matrix of probabilities would have 64 MiB
    torch.cpu.reset_peak_memory_stats()
    before = torch.cpu.memory_stats()["allocated"]
    F.scaled_dot_product_attention(q, q, q, dropout_p=0.1).sum().backward()
    assert torch.cpu.memory_stats()["peak"] - before < 8 << 20


# ---------------------------------------------------------------- recurrent layers
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_lstm_by_definition():
    x, h, c = RNG.standard_normal((4, 2, 3)), RNG.standard_normal((1, 2, 5)), RNG.standard_normal((1, 2, 5))
    w, u, b, d = (RNG.standard_normal(s) for s in ((20, 3), (20, 5), (20,), (20,)))
    args = [torch.from_numpy(v) for v in (w, u, b, d)]
    out, hn, cn = torch.lstm(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)), args, True, 1, 0.0, False, False, False)
    state, cell = h[0], c[0]
    for t in range(4):
        i, f, g, o = np.split(x[t] @ w.T + b + state @ u.T + d, 4, 1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(cell)
        np.testing.assert_allclose(out[t].numpy(), state)
    np.testing.assert_allclose(hn[0].numpy(), state)
    np.testing.assert_allclose(cn[0].numpy(), cell)


@pytest.mark.parametrize("name,gates", [("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_gradients(name, gates, bidirectional):
    def run(x, h, c, *params):
        hx = (h, c) if name == "lstm" else h
        return getattr(torch, name)(x, hx, params, True, 1, 0.0, False, bidirectional, False)

    n = 2 if bidirectional else 1
    inputs = [rand(3, 2, 2, grad=True), rand(n, 2, 2, grad=True), rand(n, 2, 2, grad=True)]
    for _ in range(n):
        inputs += [rand(gates * 2, 2, grad=True), rand(gates * 2, 2, grad=True), rand(gates * 2, grad=True), rand(gates * 2, grad=True)]
    if name != "lstm":
        inputs[2].requires_grad_(False)
    assert gradcheck(run, tuple(inputs))
    assert gradgradcheck(lambda x: run(x, *inputs[1:])[0], (inputs[0],))


# ---------------------------------------------------------------- CTC
def test_ctc_sums_over_all_paths():
    log_probs = torch.log_softmax(rand(4, 1, 3), 2)
    p = log_probs.exp().numpy()[:, 0]
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        label = [k for i, k in enumerate(path) if k and (i == 0 or path[i - 1] != k)]
        if label == [1, 2]:
            total += math.prod(p[t, k] for t, k in enumerate(path))
    loss = F.ctc_loss(log_probs, torch.tensor([[1, 2]]), [4], [2], reduction="none")
    np.testing.assert_allclose(loss.item(), -math.log(total))
    logits = rand(4, 2, 3, grad=True)
    assert gradcheck(lambda x: F.ctc_loss(x.log_softmax(2), torch.tensor([[1, 2], [2, 2]]), [4, 3], [2, 1]), (logits,))
    assert F.ctc_loss(log_probs, torch.tensor([[1, 1]]), [1], [2], reduction="none", zero_infinity=True).item() == 0


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_can_be_differentiated_twice(reduction):
    """Repeated labels, no labels, no steps, fewer steps than the batch has, and a target that cannot be reached."""
    logits = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    targets, times, lengths = torch.tensor([[1, 1], [2, 1], [1, 0], [0, 0], [1, 1]]), [4, 3, 3, 0, 2], [2, 2, 1, 0, 2]

    def loss(x):
        return F.ctc_loss(x.log_softmax(2), targets, times, lengths, reduction=reduction, zero_infinity=True)

    assert gradcheck(loss, (logits,)) and gradgradcheck(loss, (logits,))
    (g,) = torch.autograd.grad(loss(logits).sum(), logits, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), logits, create_graph=True)
    assert torch.autograd.grad(h.sum(), logits)[0].isfinite().all()


# Recorded from PyTorch 2.13: each pass in fixed point, rounded to bytes.
BYTES = {
    ("bilinear", (3, 7), False): [[31, 52, 66, 62, 88, 115, 136], [150, 171, 161, 96, 122, 94, 42], [55, 76, 103, 129, 155, 164, 160]],
    ("bilinear", (2, 3), True): [[112, 84, 97], [110, 139, 127]],
    ("bicubic", (3, 7), False): [[27, 50, 66, 61, 83, 118, 142], [170, 207, 183, 96, 131, 88, 15], [49, 70, 102, 130, 160, 169, 165]],
    ("bicubic", (2, 3), True): [[114, 79, 93], [108, 149, 129]],
}  # fmt: skip


@pytest.mark.parametrize(("mode", "size", "antialias"), BYTES)
def test_images_of_bytes_are_resized_as_pytorch_does(mode, size, antialias):
    x = torch.tensor([i * 37 % 256 for i in range(20)], dtype=torch.uint8).reshape(1, 1, 4, 5)
    r = F.interpolate(x, size, mode=mode, antialias=antialias)
    assert r.dtype is torch.uint8 and r[0, 0].tolist() == BYTES[mode, size, antialias]


def test_grid_sample_finds_pixels_in_the_arithmetic_of_the_grid():
    x = torch.arange(16, dtype=torch.bfloat16).reshape(1, 1, 4, 4)
    point = torch.tensor([0.3671875, 0.50390625], dtype=torch.bfloat16).reshape(1, 1, 1, 2)
    assert F.grid_sample(x, point, mode="nearest", align_corners=False).item() == 10
    assert F.grid_sample(x.float(), point.float(), mode="nearest", align_corners=False).item() == 14


def test_attention_with_dropout_computes_16_bit_numbers_in_float32():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 8).mul(4).bfloat16() for _ in range(3))
    torch.manual_seed(1)
    narrow = F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    torch.manual_seed(1)
    wide = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), dropout_p=0.5)
    assert narrow.dtype is torch.bfloat16 and torch.equal(narrow, wide.bfloat16())


def test_nearest_samples_have_gradients_with_a_graph():
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    grid = (torch.rand(1, 2, 2, 2, dtype=torch.float64) * 1.5 - 0.75).requires_grad_()
    gx, gg = torch.autograd.grad(F.grid_sample(x, grid, mode="nearest", align_corners=False).sum(), (x, grid), create_graph=True)
    assert gx.requires_grad and gg.requires_grad and gg.abs().sum() == 0 and gx.sum() == 4
    assert torch.autograd.grad(gx.sum(), x, allow_unused=True)[0] is None


def test_max_pool_halves_choose_as_the_general_window_does():
    """Windows of 2 x 2 side by side have a kernel of their own; ties and NaN choose the same position in both."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (3, 2, 10, 14)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    values, indices = F.max_pool2d(torch.from_numpy(x), 2, return_indices=True)
    for n, c, i, j in np.ndindex(values.shape):
        best, at = -np.inf, None
        for p in (28 * i + 2 * j, 28 * i + 2 * j + 1, 28 * i + 2 * j + 14, 28 * i + 2 * j + 15):
            v = x[n, c].flat[p]
            if v > best or np.isnan(v):
                best, at = v, p
        assert indices[n, c, i, j] == at
        np.testing.assert_equal(values[n, c, i, j].item(), best)


@pytest.mark.parametrize("shape,size", [((2, 5, 7), 2), ((2, 5, 3, 4), 3), ((1, 4, 2, 3, 2), 5)])
def test_local_response_norm_by_definition(shape, size):
    x = rand(*shape, grad=True)
    squares, expected = x.detach().numpy() ** 2, np.empty(shape)
    for c in range(shape[1]):
        window = squares[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1].sum(1) / size
        expected[:, c] = x.detach().numpy()[:, c] / (2.0 + 0.1 * window) ** 0.75
    f = lambda x: F.local_response_norm(x, size, alpha=0.1, k=2.0)  # noqa: E731
    np.testing.assert_allclose(f(x).detach().numpy(), expected, rtol=1e-12)
    assert gradcheck(f, (x,))


def by_definition(x, w, padding, dilation):
    """Each channel convolved by itself, tap by tap."""
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out = [n - d * (k - 1) for n, k, d in zip(padded.shape[2:], w.shape[2:], dilation, strict=True)]
    r = np.zeros((*x.shape[:2], *out))
    for tap in np.ndindex(*w.shape[2:]):
        part = padded[(..., *(slice(t * d, t * d + n) for t, d, n in zip(tap, dilation, out, strict=True)))]
        r += part * w[(slice(None), 0, *tap)].reshape(1, -1, *[1] * len(out))
    return r


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "size,kernel,padding,dilation",
    [((200,), (31,), (15,), (1,)), ((70,), (3,), (0,), (2,)), ((28, 30), (3, 3), (1, 1), (1, 1)), ((9, 40), (2, 5), (0, 3), (1, 2)), ((20, 20), (7, 7), (3, 3), (1, 1)), ((17, 5), (4, 1), (3, 0), (1, 1))],
)  # fmt: skip
def test_depthwise_convolution(dtype, size, kernel, padding, dilation):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, *size)).astype(dtype), rng.standard_normal((6, 1, *kernel)).astype(dtype)
    conv = F.conv1d if len(size) == 1 else F.conv2d
    a, b, bias = (torch.from_numpy(t).requires_grad_() for t in (x, w, rng.standard_normal(6).astype(dtype)))
    y = conv(a, b, bias, padding=padding, dilation=dilation, groups=6)
    tolerance = {"rtol": 1e-3, "atol": 1e-3} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-10}
    expected = by_definition(x, w, padding, dilation)
    np.testing.assert_allclose(y.detach().numpy(), expected + bias.detach().numpy().reshape(1, -1, *[1] * len(size)), **tolerance)
    g = rng.standard_normal(y.shape).astype(dtype)
    y.backward(torch.from_numpy(g))
    # linear in each of the two: <g, conv(x', w)> = <gradient of x, x'>
    x2, w2 = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    np.testing.assert_allclose((g * by_definition(x2, w, padding, dilation)).sum(), (a.grad.numpy() * x2).sum(), rtol=1e-3)
    np.testing.assert_allclose((g * by_definition(x, w2, padding, dilation)).sum(), (b.grad.numpy() * w2).sum(), rtol=1e-3)
    np.testing.assert_allclose(bias.grad.numpy(), g.sum((0, *range(2, g.ndim))), rtol=1e-3, atol=1e-3)
