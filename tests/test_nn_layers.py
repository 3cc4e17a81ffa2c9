"""Every layer: its parameters after a seed, repr, output and gradients, against results recorded from PyTorch.

A row is an expression and its inputs. `python tests/test_nn_layers.py` run where PyTorch is installed writes
nn_layers_reference.json again. A recorded tensor is its shape and two weighted sums: enough to see a wrong element, a
wrong order or a wrong scale.
"""

import copy
import json
import pathlib
import warnings

import pytest

REFERENCE = pathlib.Path(__file__).with_name("nn_layers_reference.json")

if __name__ == "__main__":
    import torch
    from torch import nn
else:
    import rushlight as torch
    from rushlight import nn

SEED = 3


def wave(*shape, shift=0.5):
    """Numbers between -1 and 1 that no two neighbours share."""
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(n, dtype=torch.float64) * 0.37 + shift).sin().reshape(shape)


def positive(*shape):
    return wave(*shape) * 0.4 + 0.5


def classes(*shape, n=3):
    size = 1
    for s in shape:
        size *= s
    return (torch.arange(size) * 7 % n).reshape(shape)


def signs(*shape):
    return classes(*shape, n=2).double() * 2 - 1


def F(*shape):  # a float input that wants a gradient
    return lambda: wave(*shape).requires_grad_(True)


def P(*shape):
    return lambda: positive(*shape)


def C(*shape, n=3):
    return lambda: classes(*shape, n=n)


def S(*shape):
    return lambda: signs(*shape)


IMAGE, SERIES, VOLUME = F(2, 4, 6, 5), F(2, 4, 7), F(1, 2, 4, 5, 4)

LINEAR = {
    "nn.Linear(4, 3)": [F(2, 4)],
    "nn.Linear(4, 3, bias=False)": [F(2, 5, 4)],
    "nn.Bilinear(4, 3, 2)": [F(5, 4), F(5, 3)],
    "nn.Identity(7)": [F(2, 3)],
    "nn.Flatten()": [F(2, 3, 4)],
    "nn.Flatten(0, 1)": [F(2, 3, 4)],
    "nn.Unflatten(1, (2, 3))": [F(2, 6)],
    "nn.Embedding(5, 3, padding_idx=1)": [C(2, 4, n=5)],
    "nn.EmbeddingBag(5, 3, mode='sum')": [C(2, 4, n=5)],
    "nn.EmbeddingBag(5, 3)": [C(2, 4, n=5)],
    "nn.EmbeddingBag(5, 3, mode='max')": [C(2, 4, n=5)],
}

CONVOLUTIONS = {
    "nn.Conv1d(4, 6, 3, stride=2, padding=1)": [SERIES],
    "nn.Conv1d(4, 4, 3, padding='same', dilation=2, groups=2)": [SERIES],
    "nn.Conv2d(4, 6, 3)": [IMAGE],
    "nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)": [IMAGE],
    "nn.Conv2d(4, 4, 3, padding=1, padding_mode='reflect', bias=False)": [IMAGE],
    "nn.Conv2d(4, 4, 3, padding=2, padding_mode='circular')": [IMAGE],
    "nn.Conv3d(2, 3, 2)": [VOLUME],
    "nn.ConvTranspose1d(4, 3, 3, stride=2)": [SERIES],
    "nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)": [IMAGE],
    "nn.ConvTranspose3d(2, 3, 2)": [VOLUME],
    "nn.Fold((4, 5), 2)": [F(1, 8, 12)],
    "nn.Unfold(2, dilation=2, stride=2)": [IMAGE],
}

POOLING = {
    "nn.MaxPool1d(2)": [SERIES],
    "nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)": [IMAGE],
    "nn.MaxPool2d(2, return_indices=True)": [IMAGE],
    "nn.MaxPool3d(2)": [VOLUME],
    "nn.AvgPool1d(3, stride=2)": [SERIES],
    "nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)": [IMAGE],
    "nn.AvgPool3d(2)": [VOLUME],
    "nn.AdaptiveAvgPool1d(3)": [SERIES],
    "nn.AdaptiveAvgPool2d((None, 2))": [IMAGE],
    "nn.AdaptiveAvgPool3d(2)": [VOLUME],
    "nn.AdaptiveMaxPool1d(3)": [SERIES],
    "nn.AdaptiveMaxPool2d(2)": [IMAGE],
    "nn.AdaptiveMaxPool3d(2)": [VOLUME],
    "nn.LPPool1d(2, 3)": [SERIES],
    "nn.LPPool2d(2, 2)": [IMAGE],
    "nn.LPPool3d(2, 2)": [VOLUME],
    "nn.FractionalMaxPool2d(2, output_size=3)": [IMAGE],
    "nn.FractionalMaxPool3d(2, output_size=2)": [VOLUME],
    "nn.MaxUnpool2d(2)": [F(1, 1, 2, 2), lambda: torch.tensor([[[[0, 3], [9, 14]]]])],
    "nn.Upsample(scale_factor=2)": [IMAGE],
    "nn.Upsample(size=(9, 4), mode='bilinear', align_corners=True)": [IMAGE],
    "nn.UpsamplingNearest2d(scale_factor=2)": [IMAGE],
    "nn.UpsamplingBilinear2d(scale_factor=2)": [IMAGE],
    "nn.PixelShuffle(2)": [IMAGE],
    "nn.PixelUnshuffle(2)": [F(1, 2, 4, 6)],
    "nn.ChannelShuffle(2)": [IMAGE],
    "nn.ReflectionPad1d(2)": [SERIES],
    "nn.ReflectionPad2d((1, 2, 0, 1))": [IMAGE],
    "nn.ReplicationPad2d(2)": [IMAGE],
    "nn.ReplicationPad3d(1)": [VOLUME],
    "nn.ZeroPad2d((1, 0, 2, -1))": [IMAGE],
    "nn.ConstantPad1d(2, 3.5)": [SERIES],
    "nn.CircularPad2d(2)": [IMAGE],
}

NORMS = {
    "nn.BatchNorm1d(4)": [F(5, 4)],
    "nn.BatchNorm1d(4, momentum=None)": [SERIES],
    "nn.BatchNorm2d(4, affine=False)": [IMAGE],
    "nn.BatchNorm2d(4, track_running_stats=False)": [IMAGE],
    "nn.BatchNorm3d(2)": [VOLUME],
    "nn.InstanceNorm1d(4, affine=True)": [SERIES],
    "nn.InstanceNorm2d(4, track_running_stats=True)": [IMAGE],
    "nn.InstanceNorm3d(2)": [VOLUME],
    "nn.LayerNorm(5)": [IMAGE],
    "nn.LayerNorm((6, 5), bias=False)": [IMAGE],
    "nn.GroupNorm(2, 4)": [IMAGE],
    "nn.RMSNorm(5)": [IMAGE],
    "nn.LocalResponseNorm(3)": [IMAGE],
    "nn.PairwiseDistance()": [F(3, 4), P(3, 4)],
    "nn.CosineSimilarity()": [F(3, 4), P(3, 4)],
}

ACTIVATIONS = [
    "nn.ReLU()", "nn.ReLU6()", "nn.RReLU()", "nn.LeakyReLU(0.2)", "nn.PReLU()", "nn.PReLU(4)", "nn.ELU(2.0)",
    "nn.CELU(0.7)", "nn.SELU()", "nn.GELU()", "nn.GELU('tanh')", "nn.SiLU()", "nn.Mish()", "nn.Sigmoid()", "nn.Tanh()",
    "nn.LogSigmoid()", "nn.Softplus(2.0, 1.0)", "nn.Softsign()", "nn.Tanhshrink()", "nn.Hardtanh(-0.5, 0.6)",
    "nn.Hardsigmoid()", "nn.Hardswish()", "nn.Hardshrink(0.3)", "nn.Softshrink(0.3)", "nn.Threshold(0.1, 2.0)",
    "nn.GLU(1)", "nn.Softmax(1)", "nn.Softmin(1)", "nn.LogSoftmax(1)", "nn.Softmax2d()", "nn.Dropout(0.3)",
    "nn.Dropout2d(0.3)", "nn.AlphaDropout(0.3)", "nn.FeatureAlphaDropout(0.3)",
]  # fmt: skip

LOSSES = {
    "nn.MSELoss()": [F(3, 4), P(3, 4)],
    "nn.MSELoss(reduction='sum')": [F(3, 4), P(3, 4)],
    "nn.L1Loss(reduction='none')": [F(3, 4), P(3, 4)],
    "nn.SmoothL1Loss(beta=0.5)": [F(3, 4), P(3, 4)],
    "nn.HuberLoss(delta=0.3)": [F(3, 4), P(3, 4)],
    "nn.CrossEntropyLoss()": [F(4, 3), C(4)],
    "nn.CrossEntropyLoss(weight=positive(3), ignore_index=1, label_smoothing=0.1)": [F(4, 3), C(4)],
    "nn.CrossEntropyLoss(reduction='none')": [F(2, 3, 4), C(2, 4)],
    "nn.CrossEntropyLoss(label_smoothing=0.2)": [F(4, 3), P(4, 3)],
    "nn.NLLLoss(weight=positive(3))": [F(4, 3), C(4)],
    "nn.BCELoss()": [lambda: positive(3, 2).requires_grad_(True), P(3, 2)],
    "nn.BCEWithLogitsLoss(pos_weight=positive(2))": [F(3, 2), P(3, 2)],
    "nn.KLDivLoss(reduction='batchmean')": [F(3, 4), P(3, 4)],
    "nn.KLDivLoss(log_target=True)": [F(3, 4), P(3, 4)],
    "nn.PoissonNLLLoss(full=True)": [F(3, 4), lambda: positive(3, 4) * 4],
    "nn.GaussianNLLLoss(full=True)": [F(3, 4), P(3, 4), P(3, 1)],
    "nn.HingeEmbeddingLoss(0.7)": [F(3, 4), S(3, 4)],
    "nn.MarginRankingLoss(0.2)": [F(5), P(5), S(5)],
    "nn.CosineEmbeddingLoss(0.1)": [F(4, 3), P(4, 3), S(4)],
    "nn.SoftMarginLoss()": [F(3, 4), S(3, 4)],
    "nn.MultiMarginLoss(p=2, weight=positive(3))": [F(4, 3), C(4)],
    "nn.MultiLabelMarginLoss()": [F(2, 4), lambda: torch.tensor([[3, 0, -1, 1], [2, -1, 0, 3]])],
    "nn.MultiLabelSoftMarginLoss()": [F(3, 4), lambda: classes(3, 4, n=2).double()],
    "nn.TripletMarginLoss(swap=True)": [F(3, 4), P(3, 4), lambda: wave(3, 4, shift=2.0)],
    "nn.TripletMarginWithDistanceLoss()": [F(3, 4), P(3, 4), lambda: wave(3, 4, shift=2.0)],
    "nn.CTCLoss()": [
        lambda: wave(6, 2, 4).log_softmax(2).detach().requires_grad_(True),
        lambda: torch.tensor([[1, 2, 3], [2, 2, 1]]),
        lambda: torch.tensor([6, 5]),
        lambda: torch.tensor([3, 2]),
    ],
    "nn.LinearCrossEntropyLoss(4, 3, bias=True)": [F(5, 4), C(5)],
    "nn.AdaptiveLogSoftmaxWithLoss(6, 9, [3, 6], div_value=2.0)": [F(8, 6), C(8, n=9)],
}

SEQUENCES = {
    "nn.RNN(3, 4)": [F(5, 2, 3)],
    "nn.RNN(3, 4, nonlinearity='relu', bias=False)": [F(5, 2, 3)],
    "nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)": [F(2, 5, 3)],
    "nn.LSTM(3, 4, proj_size=2)": [F(5, 3)],
    "nn.GRU(3, 4, num_layers=2, dropout=0.2)": [F(5, 2, 3)],
    "nn.RNNCell(3, 4)": [F(2, 3)],
    "nn.LSTMCell(3, 4)": [F(2, 3)],
    "nn.GRUCell(3, 4)": [F(2, 3), F(2, 4)],
    "nn.MultiheadAttention(4, 2)": [F(5, 2, 4), F(6, 2, 4), F(6, 2, 4)],
    "nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True)": [
        F(5, 2, 4), F(6, 2, 3), F(6, 2, 5)
    ],
    "nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)": [F(2, 5, 4)],
    "nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, activation='gelu', norm_first=True)": [F(5, 2, 4), F(6, 2, 4)],
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), 2, nn.LayerNorm(4))": [F(5, 2, 4)],
    "nn.Transformer(4, 2, 1, 1, 8, dropout=0.0)": [F(5, 2, 4), F(3, 2, 4)],
}  # fmt: skip

LAZY = {
    "nn.LazyLinear(3)": [F(2, 4)],
    "nn.LazyConv1d(3, 2)": [SERIES],
    "nn.LazyConv2d(3, 2, bias=False)": [IMAGE],
    "nn.LazyConvTranspose2d(3, 2)": [IMAGE],
    "nn.LazyBatchNorm2d()": [IMAGE],
    "nn.LazyInstanceNorm1d(affine=True)": [SERIES],
}

ROWS = {
    **LINEAR, **CONVOLUTIONS, **POOLING, **NORMS, **{name: [IMAGE] for name in ACTIVATIONS}, **LOSSES, **SEQUENCES,
    **LAZY, "nn.Dropout1d(0.3)": [SERIES],
}  # fmt: skip
CORE = [*LINEAR, *list(CONVOLUTIONS)[:6], *ACTIVATIONS[:12], *list(LOSSES)[:10]]


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for item in value if item is not None for leaf in leaves(item)]


def summary(tensor):
    """[shape, two weighted sums]."""
    flat = tensor.detach().reshape(-1).double()
    i = torch.arange(flat.numel(), dtype=torch.float64)
    return [list(tensor.shape), (flat * (i * 0.7).cos()).sum().item(), (flat * (i * 1.3 + 1).sin()).sum().item()]


def run(expression, inputs):
    """What is recorded of a row."""
    torch.manual_seed(SEED)
    module = eval(expression)
    lazy = "Lazy" in expression
    text = repr(module)
    state = [] if lazy else [[name, summary(value)] for name, value in module.state_dict().items()]
    module.double()
    values = [make() for make in inputs]
    torch.manual_seed(SEED + 1)
    outputs = leaves(module(*values))
    result = {"repr": text, "state": state, "output": [summary(output) for output in outputs]}
    loss = sum(((output * wave(*output.shape)).sum() for output in outputs if output.requires_grad), torch.zeros(()))
    if loss.requires_grad:
        loss.backward()
    wanted = [*values, *module.parameters()]
    result["gradient"] = [None if v.grad is None else summary(v.grad) for v in wanted if v.requires_grad]
    result["after"] = [] if lazy else [[name, summary(value)] for name, value in module.named_buffers()]
    module.eval()
    torch.manual_seed(SEED + 1)
    with torch.no_grad():
        result["eval"] = [summary(output) for output in leaves(module(*values))]
    return result


def assert_same(got, expected, where):
    if isinstance(expected, list):
        assert isinstance(got, list) and len(got) == len(expected), where
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            assert_same(g, e, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-6), where
    else:
        assert got == expected, where


_reference = {}


def reference():
    if not _reference:
        _reference.update(json.loads(REFERENCE.read_text()))
    return _reference


@pytest.mark.parametrize("expression", [pytest.param(e, marks=pytest.mark.core) if e in CORE else e for e in ROWS])
def test_layer(expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = reference()[expression], run(expression, ROWS[expression])
    for part in expected:
        assert_same(got[part], expected[part], f"{expression}: {part}")


@pytest.mark.parametrize("expression", [e for e in ROWS if "Lazy" not in e])
def test_layer_survives_copying_and_its_state_loads(expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = eval(expression).double().eval()
        values = [make() for make in ROWS[expression]]
        twin = copy.deepcopy(module)
        twin.load_state_dict(module.state_dict())
        torch.manual_seed(0)
        first = leaves(module(*values))
        torch.manual_seed(0)
        second = leaves(twin(*values))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda: nn.Conv2d(2, 4, 3, padding="x"), ValueError, "Invalid padding string"),
        (lambda: nn.Conv2d(2, 4, 3, stride=2, padding="same"), ValueError, "not supported for strided"),
        (lambda: nn.Conv2d(2, 4, 3, padding_mode="x"), ValueError, "padding_mode must be one of"),
        (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "must be divisible by num_groups"),
        (lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
        (lambda: nn.BatchNorm1d(3)(torch.ones(3)), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
        (lambda: nn.Embedding(3, 2, padding_idx=5), AssertionError, "Padding_idx must be within num_embeddings"),
        (lambda: nn.Hardtanh(1, 0), AssertionError, "max_val must be larger than min_val"),
        (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller than hidden_size"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
        (lambda: nn.LSTM(3, 4)(torch.ones(5, 2, 7)), RuntimeError, "Expected 3, got 7"),
        (lambda: nn.LSTM(3, 4)(torch.ones(3)), ValueError, "LSTM: Expected input to be 2D or 3D, got 1D"),
        (lambda: nn.GRU(3, 4)(torch.ones(5, 2, 3), torch.ones(2, 2, 4)), RuntimeError, "Expected hidden size"),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError, "embed_dim must be divisible by num_heads"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported"),
        (lambda: nn.TripletMarginLoss(margin=0), ValueError, "expected margin to be greater than 0"),
        (lambda: nn.Unflatten(0, 3), TypeError, "unflattened_size must be a tuple of ints"),
        (lambda: nn.FractionalMaxPool2d(2), ValueError, "requires specifying either an output size"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 3]), ValueError, "cutoffs should be a sequence of unique"),
        (lambda: nn.PixelShuffle(2)(torch.ones(1, 3, 2, 2)), RuntimeError, "not divisible by 4"),
        (lambda: nn.functional.scaled_mm(1, 2), NotImplementedError, "8-bit floats"),
    ],
)
def test_errors(action, error, message):
    with pytest.raises(error, match=message):
        action()


def test_padded_positions_are_zero_in_inference_of_an_encoder():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    padding = torch.tensor([[False, False, True], [False, False, False]])
    x = wave(2, 3, 4).float()
    with torch.no_grad():
        quick = encoder(x, src_key_padding_mask=padding)
    plain = encoder(x, src_key_padding_mask=padding)
    assert quick[0, 2].abs().sum() == 0 and plain[0, 2].abs().sum() > 0
    assert torch.allclose(quick[~padding], plain[~padding].detach(), atol=1e-6)


def test_causal_mask_hides_the_future():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    x = wave(1, 3, 4).float()
    _, weights = attention(x, x, x, attn_mask=mask)
    assert torch.equal(weights[0].triu(1), torch.zeros(3, 3))
    assert torch.allclose(weights.sum(-1), torch.ones(1, 3))


def test_packed_sequences_give_what_single_sequences_give():
    from rushlight.nn.utils.rnn import pack_sequence, unpack_sequence

    torch.manual_seed(0)
    for module in (nn.LSTM(2, 3, 2, bidirectional=True), nn.GRU(2, 3), nn.RNN(2, 3, bidirectional=True)):
        sequences = [wave(n, 2, shift=n).float() for n in (2, 4, 1)]
        packed, states = module(pack_sequence(sequences, enforce_sorted=False))
        last = states[0] if isinstance(states, tuple) else states
        for i, (sequence, output) in enumerate(zip(sequences, unpack_sequence(packed), strict=True)):
            alone, state = module(sequence)
            assert torch.allclose(output, alone, atol=1e-6)
            state = state[0] if isinstance(state, tuple) else state
            assert torch.allclose(last[:, i], state, atol=1e-6)


def test_batch_norm_statistics_and_modes():
    norm = nn.BatchNorm1d(2, momentum=0.5)
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert torch.allclose(norm(x).mean(0), torch.zeros(2), atol=1e-6)
    assert torch.allclose(norm.running_mean, torch.tensor([1.0, 2.0]))
    assert torch.allclose(norm.running_var, torch.tensor([1.5, 4.5]))
    assert norm.num_batches_tracked == 1
    norm.eval()
    expected = (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    assert torch.allclose(norm(x), expected, atol=1e-6)


def test_lazy_modules_become_their_class_and_load_states():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lazy, other = nn.LazyLinear(3), nn.LazyLinear(3)
    assert lazy.has_uninitialized_params()
    lazy(torch.ones(2, 5))
    assert type(lazy) is nn.Linear and lazy.in_features == 5 and lazy.weight.shape == (3, 5)
    other.load_state_dict(lazy.state_dict())
    assert torch.equal(other.weight, lazy.weight)
    assert other(torch.ones(1, 5)).shape == (1, 3) and type(other) is nn.Linear


@pytest.mark.parametrize(("size", "sums"), [(2, [1, 2, 2, 2]), (3, [2, 3, 4, 3]), (5, [3, 4, 4, 4])])
def test_cross_map_lrn(size, sums):
    x = torch.ones(1, 4, 1, 1)
    result = nn.CrossMapLRN2d(size, alpha=float(size), beta=-1.0, k=0)(x)
    assert result.flatten().tolist() == sums


def test_embedding_from_pretrained_is_frozen():
    table = nn.Embedding.from_pretrained(torch.ones(3, 2))
    assert not table.weight.requires_grad and table(torch.tensor([2, 0])).shape == (2, 2)


if __name__ == "__main__":
    table = {expression: run(expression, inputs) for expression, inputs in ROWS.items()}
    REFERENCE.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in table.items()) + "\n}\n")
