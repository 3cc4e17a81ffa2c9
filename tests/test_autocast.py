"""`autocast` on the CPU: what computes in which dtype, gradients, converted weights, and where it is off."""

from __future__ import annotations

import pytest

import rushlight as torch

F = torch.nn.functional
bfloat16, float32 = torch.bfloat16, torch.float32
pytestmark = pytest.mark.filterwarnings("ignore")


def inputs(dtype: torch.dtype) -> dict[str, object]:
    torch.manual_seed(0)
    return {
        "torch": torch, "F": F, "x": torch.randn(3, 4).to(dtype), "y": torch.randn(4, 5).to(dtype), "p": torch.rand(3, 4).to(dtype),
        "square": (torch.eye(3) * 3 + 1).to(dtype), "images": torch.randn(1, 2, 6, 6).to(dtype), "kernels": torch.randn(3, 2, 3, 3).to(dtype),
        "heads": torch.randn(1, 2, 4, 8).to(dtype), "labels": torch.tensor([0, 1, 2]), "one": torch.ones(3).to(dtype),
    }  # fmt: skip


LOWER = """x @ y|torch.mm(x, y)|torch.inner(x, x)|torch.addmm(torch.zeros(5), x, y)|F.linear(x, y.t())|torch.einsum("ij,jk->ik", x, y)
    F.conv2d(images, kernels)|F.conv_transpose2d(images, kernels.transpose(0, 1))|F.scaled_dot_product_attention(heads, heads, heads)
    torch.nn.Linear(4, 3)(x)|torch.nn.Conv2d(2, 3, 3)(images)|torch.nn.LSTM(4, 3)(x)[0]|torch.nn.MultiheadAttention(4, 2)(x, x, x)[0]"""
FULL = """F.mse_loss(x, x)|F.cross_entropy(x, labels)|F.nll_loss(x, labels)|F.binary_cross_entropy_with_logits(x, p)|torch.prod(x)
    F.margin_ranking_loss(one, one, one)|F.cosine_embedding_loss(x, x, one)|torch.linalg.inv(square)|torch.linalg.svdvals(square)
    torch.cdist(x, x)|F.pad(images, (1, 1, 1, 1), mode="reflect")|torch.fft.fft(x).real|torch.trace(square)|torch.quantile(x, 0.5)"""
AS_GIVEN = """F.relu(x)|torch.softmax(x, 1)|F.layer_norm(x, (4,))|x + x|torch.exp(x)|torch.sum(x)|torch.cat([x, x])|torch.dot(one, one)|torch.inner(one, one)
    F.batch_norm(images, None, None, training=True)|F.max_pool2d(images, 2)|F.pad(images, (1, 1, 1, 1))|F.gelu(x)"""


def expressions(text: str) -> list[str]:
    return [e for line in text.splitlines() for e in line.strip().split("|")]


@pytest.mark.parametrize("given", [float32, bfloat16])
@pytest.mark.parametrize(
    ("expression", "expected"),
    [(e, d) for text, d in ((LOWER, bfloat16), (FULL, float32), (AS_GIVEN, None)) for e in expressions(text)],
)
def test_dtype_of_the_result(expression: str, expected: torch.dtype | None, given: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=bfloat16):
        result = eval(expression, inputs(given))
    assert result.dtype == (expected or given)


def test_wider_of_two_dtypes() -> None:
    x = torch.randn(3, 4)
    with torch.autocast("cpu"):
        assert torch.cat([x, x.bfloat16()]).dtype == float32
        assert torch.index_copy(x, 0, torch.tensor([0, 1, 2]), x.bfloat16()).dtype == float32


def test_float64_and_out_stay() -> None:
    x = torch.randn(3, 3)
    with torch.autocast("cpu"):
        assert (x.double() @ x.double()).dtype == torch.float64
        assert torch.mm(x, x, out=torch.empty(3, 3)).dtype == float32
        assert x.clone().addmm_(x, x).dtype == float32


def test_values_are_those_of_converted_inputs() -> None:
    torch.manual_seed(1)
    x, y = torch.randn(8, 16), torch.randn(16, 8)
    with torch.autocast("cpu", dtype=bfloat16):
        assert torch.equal(x @ y, x.bfloat16() @ y.bfloat16())
        assert torch.equal(F.mse_loss(x.bfloat16(), x), F.mse_loss(x.bfloat16().float(), x))
    with torch.autocast("cpu", dtype=torch.float16):
        assert (x @ y).dtype == torch.float16


def test_parameters_keep_their_dtype_and_learn() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x, labels = torch.randn(64, 8), torch.randint(0, 3, (64,))
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=bfloat16):
            loss = F.cross_entropy(model(x), labels)
        loss.backward()
        assert loss.dtype == float32 and all(p.grad.dtype == p.dtype == float32 for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_weights_are_converted_once_for_a_context() -> None:
    weight = torch.randn(4, 4, requires_grad=True)
    x = torch.randn(2, 4)

    with torch.autocast("cpu"):
        with torch.autocast("cpu"):
            F.linear(x, weight)
        first = F.linear(x, weight)
        with torch.no_grad():
            weight.mul_(0)
        assert torch.equal(F.linear(x, weight), first)  # kept until the outermost context is left
        torch.clear_autocast_cache()
        assert not F.linear(x, weight).any()
    with torch.no_grad():
        weight.add_(1)
    with torch.autocast("cpu", cache_enabled=False):
        assert F.linear(x, weight).any()


def test_contexts_nest_and_end() -> None:
    x = torch.randn(2, 2)
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") and torch.is_autocast_cpu_enabled() and not torch.is_autocast_enabled()
        assert torch.get_autocast_dtype("cpu") == torch.get_autocast_cpu_dtype() == bfloat16
        with torch.autocast("cpu", enabled=False):
            assert (x @ x).dtype == float32
        with torch.autocast("cpu", dtype=torch.float16):
            assert (x @ x).dtype == torch.float16
        assert (x @ x).dtype == bfloat16
        with pytest.raises(RuntimeError):
            x @ torch.randn(3, 3)
    assert not torch.is_autocast_enabled("cpu") and (x @ x).dtype == float32

    @torch.autocast("cpu")
    def product() -> torch.Tensor:
        return x @ x

    assert product().dtype == bfloat16


def test_switches_by_hand() -> None:
    x = torch.randn(2, 2)
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    torch.set_autocast_cache_enabled(False)
    try:
        assert (x @ x).dtype == torch.float16 and not torch.is_autocast_cache_enabled()
        assert torch.autocast_increment_nesting() == 1 and torch.autocast_decrement_nesting() == 0
    finally:
        torch.set_autocast_cpu_enabled(False)
        torch.set_autocast_cpu_dtype(bfloat16)
        torch.set_autocast_cache_enabled(True)
    assert (x @ x).dtype == float32 and torch.amp.is_autocast_available("cpu")


def test_functions_of_ones_own() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu")
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            assert torch.is_autocast_enabled("cpu")
            return (g @ b.t()).float(), (a.t() @ g).float()

    class Full(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=float32)
        def forward(ctx, a):
            assert a.dtype == float32 and not torch.is_autocast_enabled("cpu")
            return a @ a

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            assert not torch.is_autocast_enabled("cpu")
            return g

    a = torch.randn(3, 3, requires_grad=True)
    with torch.autocast("cpu"):
        result = Product.apply(a, a)
        whole = Full.apply(a.bfloat16())
    assert result.dtype == bfloat16 and whole.dtype == float32
    (result.float().sum() + whole.sum()).backward()
    assert a.grad.dtype == float32
