"""Operators with arguments that nobody would think of: no crash, no hang, and strides change no value (tools/fuzz.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch

FUZZ = Path(__file__).resolve().parent.parent / "tools" / "fuzz.py"


def test_random_calls_neither_end_the_process_nor_depend_on_strides():
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--calls", "40000", "--seed", "1"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


HUGE = 2**40


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.rand(HUGE),
        lambda: torch.arange(HUGE),
        lambda: torch.tril_indices(HUGE, HUGE),
        lambda: torch.linalg.vander(torch.ones(2), N=HUGE),
        lambda: torch.vander(torch.ones(2), HUGE),
        lambda: torch.tensor_split(torch.ones(2), HUGE),
        lambda: torch.mvlgamma(torch.ones(2), HUGE),
        lambda: torch.histogramdd(torch.ones(3, 1), HUGE),
        lambda: torch.ones(2).repeat(HUGE),
        lambda: torch.eye(HUGE),
    ],
)
def test_what_memory_cannot_hold_is_refused_at_once(call):
    with pytest.raises(RuntimeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ops.aten.slice_backward(torch.ones(5, 2), [2], -1, None, None, 2),
        lambda: torch.ops.aten.select_backward(torch.ones(4, 5), [2, 3], 0, 1),
        lambda: torch.ops.aten.embedding_dense_backward(torch.ones(7), torch.tensor([3, 0]), 9, -1, False),
        lambda: torch.ops.aten.im2col(torch.ones(4, 1, 1), [1, 1], [1, 1], [0, 3], [3, 3]),
        lambda: torch.nn.functional.embedding(torch.tensor([1, 0]), torch.ones(7), max_norm=1.0),
        lambda: torch.ones(2, 0).unflatten(1, [-1, 0, -1]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call):
    """Operators that only a backward pass calls check what they are given, too: they read and wrote beside their memory."""
    with pytest.raises(RuntimeError):
        call()


def test_a_mask_that_shares_memory_scales_every_element():
    g = torch.arange(6.0).reshape(2, 3)
    mask = torch.tensor([[True], [False]]).expand(2, 3)
    assert torch.ops.aten.native_dropout_backward(g, mask, 2.0).tolist() == [[0, 2, 4], [0, 0, 0]]


def test_means_of_infinite_numbers_do_not_depend_on_strides():
    x = torch.tensor([[1.0, float("inf")], [2.0, 3.0]])
    for t in (x, x.t().contiguous().t()):
        assert torch.std_mean(t, 1)[1].tolist() == [float("inf"), 2.5]
        assert torch.std_mean(t, 0)[1].tolist() == [1.5, float("inf")]


@pytest.mark.parametrize("shape", [(), (1,), (2, 1), (2, 3)])
@pytest.mark.parametrize("repeats", [1, 3])
def test_repeat_interleave_has_memory_of_its_own(shape, repeats):
    x = torch.zeros(shape)
    y = x.repeat_interleave(repeats)
    y[0] = 5
    assert x.sum() == 0 and y.sum() == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_histc_of_numbers_whose_range_overflows(dtype):
    largest = torch.finfo(dtype).max
    counts = torch.histc(torch.tensor([-largest / 4, 0, largest / 4], dtype=dtype), 100)
    assert counts.sum() == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.eye(HUGE, out=torch.ones(3)),
        lambda: torch.ones(1, 4).unflatten(-2, [2**63 - 1, 2**63 - 1]),
        lambda: torch.ones(1).expand(HUGE, HUGE),
    ],
)
@pytest.mark.filterwarnings("ignore:An output with one or more elements")
def test_sizes_whose_product_overflows_are_refused(call):
    with pytest.raises(RuntimeError, match="overflow"):
        call()


def test_normalization_of_no_channels_has_gradients():
    x = torch.zeros(4, 0, requires_grad=True)
    torch.nn.functional.batch_norm(x, torch.zeros(0), torch.ones(0)).sum().backward()
    assert x.grad.shape == (4, 0)
