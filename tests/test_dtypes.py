"""Every operator in every dtype: accepted where PyTorch accepts it, with its result's dtype, else refused with its exception.

tests/recorded/dtypes.json was made by tools/record_dtypes.py from PyTorch itself.
"""

import json
import re
import warnings
from pathlib import Path

import dtype_rows
import pytest

import rushlight as torch

RECORDED = json.loads((Path(__file__).parent / "recorded" / "dtypes.json").read_text())
OPERATORS = {dtype_rows.name_of(op): op for op in torch._C._registry()}

# Where the answer differs from PyTorch's, and why.
HALVES, COMPLEX = ("float16", "bfloat16"), ("complex64", "complex128")
WHOLE = ("uint8", "int8", "int16", "int32", "int64")
KNOWN = {
    # taken in more dtypes than by PyTorch
    "convolution": COMPLEX,  # as by conv1d
    "xlogy.Tensor": COMPLEX,
    "linalg::vander": HALVES,
    "binomial": HALVES,
    "nn::avg_pool3d": HALVES,
    "nn::max_pool1d": WHOLE,
    "max_pool1d": WHOLE,
    "gru_cell": WHOLE,  # promoted, as by the layers' own products
    "lstm_cell": WHOLE,
    # drawn by a kernel for floating-point numbers
    "native_dropout": COMPLEX,
    # the statistics stay in float32, in which they are computed
    "native_layer_norm": HALVES,
    "native_batch_norm": HALVES,
    # refused by the exception of the operator of which it is composed
    "linalg::norm.ord_str": HALVES,
    "nn::relu6": ("bool",),
    "polar": ("bfloat16",),
    "signbit": COMPLEX,
    "searchsorted.Scalar": ("bool",),
    "bucketize.Scalar": ("bool",),
}
# Special functions that PyTorch has for float32 and float64 only.
IN_HALVES = r"special::(erfcx|ndtri|log_ndtr|zeta|airy_ai|.*bessel_[jkiy]\d|.*_polynomial_\w+)$"
KNOWN |= {name: HALVES for name in OPERATORS if re.match(IN_HALVES, name)}


def test_the_letters_mean_what_they_meant_when_recorded():
    assert RECORDED["letters"] == dtype_rows.LETTERS and RECORDED["dtypes"] == list(dtype_rows.DTYPES)


def test_no_recorded_operator_is_gone():
    assert set(RECORDED["rows"]) <= set(OPERATORS)


@pytest.mark.parametrize("name", RECORDED["rows"])
def test_dtypes_are_accepted_and_refused_as_by_pytorch(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = dtype_rows.row(torch, OPERATORS[name]).split(), RECORDED["rows"][name].split()
    known = KNOWN.get(name, ())
    differences = {d: (a, b) for d, a, b in zip(dtype_rows.DTYPES, ours, theirs, strict=True) if a != b}
    assert {d: v for d, v in differences.items() if d not in known} == {}
    assert set(known) <= set(differences), "a difference is gone: take it off the list"


@pytest.mark.parametrize("name", RECORDED["return_types"])
def test_return_types_have_pytorchs_names(name):
    assert list(getattr(torch.return_types, name).__match_args__) == RECORDED["return_types"][name]
