"""The cases of bench/sweep.py: every one is evaluated once, and every public operator has one."""

import pathlib
import sys

import pytest

import rushlight as torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import sweep_cases

EXPRESSIONS = [text for text, registered in sweep_cases.cases(8) if registered is None]
REGISTERED = list(sweep_cases.registered(8))


@pytest.fixture(scope="module")
def names():
    return sweep_cases.inputs(torch, 8)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_is_evaluated(text, names):
    exec(text, dict(names))


@pytest.mark.parametrize("text, registered", REGISTERED, ids=[text for text, _ in REGISTERED])
def test_a_registered_operator_is_called(text, registered):
    exec(text, sweep_cases.sample_names(torch, **registered))


def test_every_public_operator_has_a_case():
    public = {op["name"] for op in torch._C._registry() if not op["name"].startswith("_") and op["forms"] & 19}
    assert public == {registered["op"]["name"] for _, registered in REGISTERED}


@pytest.mark.parametrize("count", [8, 4096])
def test_samples_grow_to_the_size_that_is_asked_for(count):
    op = next(op for op in torch._C._registry() if op["name"] == "conv1d" and not op["overload"])
    sizes = sweep_cases.sizes_of(torch, op, count)
    assert count / 2 < sweep_cases.largest(torch, sweep_cases.sample(torch, op, sizes)) <= max(count, 24)
