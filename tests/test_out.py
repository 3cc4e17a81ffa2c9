"""out= is written where it lies, and gives the same where it shares memory with the inputs."""

import pytest

import rushlight as torch

CASES = {
    "cat": lambda a, b, out: torch.cat([a, b], out=out),
    "stack": lambda a, b, out: torch.stack([a, b], out=out),
    "index_select": lambda a, b, out: torch.index_select(a, 0, torch.tensor([2, 0, 0]), out=out),
    "take": lambda a, b, out: torch.take(a, torch.tensor([[5, 1], [0, 8]]), out=out),
    "tril": lambda a, b, out: torch.tril(a, out=out),
    "triu": lambda a, b, out: torch.triu(a, 1, out=out),
    "clamp": lambda a, b, out: torch.clamp(a, -0.5, 0.5, out=out),
    "clamp_tensors": lambda a, b, out: torch.clamp(a, b, b + 1, out=out),
    "clamp_min": lambda a, b, out: torch.clamp(a, min=0.1, out=out),
    "pow": lambda a, b, out: torch.pow(a, 2, out=out),
    "square": lambda a, b, out: torch.square(a, out=out),
    "logit": lambda a, b, out: torch.special.logit(a.sigmoid(), 0.2, out=out),
}


@pytest.mark.parametrize("name", CASES)
def test_the_given_memory_is_written(name):
    torch.manual_seed(0)
    a, b = torch.randn(3, 3), torch.randn(3, 3)
    expected = CASES[name](a, b, None)
    out = torch.full(expected.shape, 7.0)
    place, version = out.data_ptr(), out._version
    assert CASES[name](a, b, out) is out
    assert torch.equal(out, expected) and out.data_ptr() == place and out._version > version
    wrong = torch.zeros(0)
    assert torch.equal(CASES[name](a, b, wrong), expected) and wrong.shape == expected.shape
    strided = torch.zeros(*expected.shape[:-1], 2 * expected.shape[-1])[..., ::2]
    assert torch.equal(CASES[name](a, b, strided), expected) and strided.stride(-1) == 2


@pytest.mark.parametrize("name", CASES)
def test_an_input_may_be_the_result(name):
    torch.manual_seed(1)
    a, b = torch.randn(3, 3), torch.randn(3, 3)
    expected = CASES[name](a, b, None)
    memory = torch.zeros(max(expected.numel(), 9))
    same = memory[:9].view(3, 3).copy_(a)
    out = memory[: expected.numel()].view(expected.shape)
    assert torch.equal(CASES[name](same, b, out), expected)


@pytest.mark.parametrize("name", ["tril", "triu", "clamp", "pow", "square"])
def test_the_transposed_input_as_the_result(name):
    a = torch.randn(3, 3)
    expected, turned = CASES[name](a, a, None), torch.zeros(3, 3).copy_(a.t())
    if name in ("tril", "triu"):
        assert torch.equal(CASES[name](turned.t(), a, turned), expected)
    else:  # PyTorch's rule for pointwise operators
        with pytest.raises(RuntimeError, match="single memory location"):
            CASES[name](turned.t(), a, turned)


def test_a_refused_call_says_why_and_another_dtype_is_cast():
    x = torch.randn(4)
    with pytest.raises(IndexError, match="out of range"):
        torch.index_select(x, 0, torch.tensor([9]), out=torch.zeros(1))
    wide = torch.zeros(8, dtype=torch.float64)
    assert torch.equal(torch.cat([x, x], out=wide), torch.cat([x, x]).double())
    with pytest.raises(RuntimeError, match="dtype"):
        torch.index_select(x, 0, torch.tensor([0]), out=torch.zeros(1, dtype=torch.int64))
