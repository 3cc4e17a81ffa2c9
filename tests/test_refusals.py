"""Calls that PyTorch refuses although there would be an answer: the same exception type, nothing stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rushlight as torch

F = torch.nn.functional
reals = torch.tensor([1.0, 2.0, 3.0])
whole = torch.tensor([1, 2, 3])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: torch.lerp(whole, whole, 0.5), NotImplementedError, '"lerp_kernel_scalar" not implemented for \'Long\''),
        (lambda: torch.lerp(whole, whole, whole), NotImplementedError, '"lerp_kernel_tensor" not implemented for \'Long\''),
        (lambda: torch.isneginf(reals, out=torch.empty(3)), RuntimeError, "isneginf does not support non-boolean outputs"),
        (lambda: torch.isposinf(reals, out=torch.empty(3)), RuntimeError, "isposinf does not support non-boolean outputs"),
        (lambda: torch.signbit(reals, out=whole.clone()), RuntimeError, "signbit does not support non-boolean outputs"),
        (lambda: torch.complex(reals, reals).abs_(), RuntimeError, "In-place abs is not supported for complex tensors"),
        (lambda: reals.clone().float_power_(2), RuntimeError, "float_power_.*float64.*float32"),
        (lambda: torch.float_power(reals, 2, out=torch.empty(3)), RuntimeError, "dtype float64, but got float32"),
        (lambda: torch.trapezoid(reals, dx=1j), RuntimeError, "dx as a real number"),
        (lambda: torch.cumulative_trapezoid(reals, dx=1j), RuntimeError, "dx as a real number"),
        (lambda: torch.cumulative_trapezoid(torch.ones(0, 3, 7), torch.ones(2, 3, 3, 5), dim=0), RuntimeError, "must match"),
        (lambda: torch.trapezoid(torch.tensor(1.0), torch.tensor(2.0)), IndexError, "tensor has no dimensions"),
        (lambda: torch.cumulative_trapezoid(torch.tensor(1.0)), IndexError, "tensor has no dimensions"),
        (lambda: F.cosine_similarity(reals, reals, dim=0, eps=-1.0), RuntimeError, "eps must be non-negative, got: -1"),
        (lambda: torch.triu_indices(3, 3, dtype=torch.int16), NotImplementedError, '"triu_indices" not implemented for \'Short\''),
        (lambda: torch.tril_indices(3, 3, dtype=torch.float32), NotImplementedError, '"tril_indices" not implemented for'),
        (lambda: torch.empty((2, -1), out=torch.empty(3)), RuntimeError, "negative dimension -1"),
        (
            lambda: F.binary_cross_entropy_with_logits(reals, reals * 0, weight=torch.ones(3, requires_grad=True)),
            RuntimeError,
            "not differentiable with respect to argument 'weight'",
        ),
    ],
)
def test_refused(call: Callable[[], object], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_running_sums_and_products_are_computed_in_the_dtype_of_out() -> None:
    values = torch.tensor([1.9, 2.9, 3.9])
    out = torch.empty(3, dtype=torch.int32)
    assert torch.cumprod(values, 0, out=out).tolist() == [1, 2, 6]
    assert torch.cumsum(values, 0, out=out).tolist() == [1, 3, 6]
    assert torch.cumsum(whole, 0, out=torch.empty(3)).tolist() == [1.0, 3.0, 6.0]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_beyond_what_a_size_can_be(mode):
    most = 2**63 - 1
    for pad in ([most, most], [most, -most], [-most - 1, most], [3, most], [2**62, 2**62], [-most - 1, -most - 1]):
        with pytest.raises(RuntimeError, match="[Pp]ad"):
            torch.nn.functional.pad(torch.ones(1, 5, 5), pad, mode=mode)
