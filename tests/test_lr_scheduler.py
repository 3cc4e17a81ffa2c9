"""Schedules of the learning rate, and averages of models."""

import copy
import json
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.optim import SGD, Adam, lr_scheduler, swa_utils

ROWS = json.loads((Path(__file__).parent / "recorded" / "schedules.json").read_text())


def sgd(lr=0.1):
    return SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)


def make(row, optimizer):
    module = swa_utils if row["schedule"] == "SWALR" else lr_scheduler
    return getattr(module, row["schedule"])(optimizer, **row["options"])


def go(optimizer, schedule, count):
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["schedule"])
def test_rates_are_pytorchs(row):
    optimizer = sgd()
    schedule = make(row, optimizer)
    group = optimizer.param_groups[0]
    for rate, momentum in row["values"]:
        assert group["lr"] == pytest.approx(rate, rel=1e-12, abs=1e-15)
        assert group["momentum"] == pytest.approx(momentum)
        assert schedule.get_last_lr() == [group["lr"]]
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["schedule"])
def test_state_dict_continues(row):
    optimizer = sgd()
    schedule = make(row, optimizer)
    go(optimizer, schedule, 4)
    other = sgd()
    resumed = make(row, other)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    resumed.load_state_dict(copy.deepcopy(schedule.state_dict()))
    assert go(optimizer, schedule, 6) == go(other, resumed, 6)


@pytest.mark.parametrize(
    "row",
    [r for r in ROWS if r["schedule"] in ("StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR")],
    ids=lambda r: r["schedule"],
)
def test_closed_form_is_the_recursion(row):
    optimizer = sgd()
    schedule = make(row, optimizer)
    optimizer.step()
    for epoch, (rate, _) in enumerate(row["values"][:6]):
        with pytest.warns(UserWarning, match="epoch parameter"):
            schedule.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-9)


def test_functions_of_the_epoch():
    optimizer = SGD(
        [
            {"params": [torch.zeros(1, requires_grad=True)], "lr": 1.0},
            {"params": [torch.zeros(1, requires_grad=True)], "lr": 2.0},
        ]
    )
    schedule = lr_scheduler.LambdaLR(optimizer, [lambda e: 0.5**e, lambda e: 1 + e])
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 4.0]
    other = sgd(1.0)
    assert go(other, lr_scheduler.MultiplicativeLR(other, lambda e: 0.5), 4) == [1.0, 0.5, 0.25, 0.125]


def test_callable_objects_are_saved():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    schedule = lr_scheduler.LambdaLR(sgd(), Decay(0.5))
    saved = copy.deepcopy(schedule.state_dict())
    assert saved["lr_lambdas"] == [{"rate": 0.5}]
    other = lr_scheduler.LambdaLR(sgd(), Decay(0.9))
    other.load_state_dict(saved)
    assert other.lr_lambdas[0].rate == 0.5


def test_plateau():
    optimizer = sgd()
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.02)
    rates = []
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9):
        schedule.step(loss)
        rates.append(schedule.get_last_lr()[0])
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.02, 0.02, 0.02, 0.02])
    rising = lr_scheduler.ReduceLROnPlateau(sgd(), mode="max", threshold=0.1, threshold_mode="abs")
    assert rising._is_better(1.2, 1.0) and not rising._is_better(1.05, 1.0)
    with pytest.raises(ValueError, match="Factor should be < 1.0"):
        lr_scheduler.ReduceLROnPlateau(sgd(), factor=1.0)
    with pytest.raises(ValueError, match="expected 1 min_lrs, got 2"):
        lr_scheduler.ReduceLROnPlateau(sgd(), min_lr=[0.1, 0.2])


def test_sequence_and_chain():
    optimizer = sgd()
    parts = [
        lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 3),
        lr_scheduler.CosineAnnealingLR(optimizer, 5),
        lr_scheduler.ExponentialLR(optimizer, 0.5),
    ]
    schedule = lr_scheduler.SequentialLR(optimizer, parts, [3, 8])
    expected = [0.01, 0.04, 0.07, 0.1, 0.090451, 0.065451, 0.034549, 0.009549, 0.1, 0.05, 0.025, 0.0125]  # PyTorch's
    assert go(optimizer, schedule, 12) == pytest.approx(expected, abs=1e-6)
    optimizer = sgd()
    chain = lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(optimizer, 0.1, 2), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    )
    assert go(optimizer, chain, 4) == pytest.approx([0.01, 0.009, 0.081, 0.0729])
    with pytest.raises(ValueError, match="same optimizer"):
        lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(sgd(), 1), lr_scheduler.StepLR(sgd(), 1)])


def test_cycles_move_adams_beta():
    optimizer = Adam([torch.zeros(1, requires_grad=True)])
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, 10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    go(optimizer, schedule, 9)
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        go(optimizer, schedule, 3)


def test_warnings():
    optimizer = sgd()
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()
    optimizer = sgd()
    schedule = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        schedule.step()


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: lr_scheduler.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda: lr_scheduler.StepLR(sgd(), 1, last_epoch=2), KeyError, "initial_lr"),
        (lambda: lr_scheduler.LinearLR(sgd(), 0), ValueError, "Starting multiplicative factor"),
        (lambda: lr_scheduler.ConstantLR(sgd(), 2), ValueError, "between 0 and 1"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 0), ValueError, "positive integer T_0"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1), ValueError, "total_steps OR"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1, 5, pct_start=2.0), ValueError, "pct_start"),
        (lambda: lr_scheduler.CyclicLR(sgd(), 0.1, [0.2, 0.3]), ValueError, "max_lr must have the same length"),
        (lambda: lr_scheduler.SequentialLR(sgd(), [], []), ValueError, "at least one scheduler"),
        (lambda: swa_utils.SWALR(sgd(), 0.1, anneal_strategy="x"), ValueError, "'cos' or 'linear'"),
    ],
)
def test_refusals(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_averaged_model():
    model = torch.nn.Linear(2, 1)
    average = swa_utils.AveragedModel(model)
    moving = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    weights = []
    for i in range(3):
        with torch.no_grad():
            model.weight.fill_(float(i))
        weights.append(float(i))
        average.update_parameters(model)
        moving.update_parameters(model)
    assert average.module.weight.tolist() == [[1.0, 1.0]]
    assert moving.module.weight.tolist() == [[1.25, 1.25]]  # 0, then (0 + 1) / 2, then (0.5 + 2) / 2
    assert int(average.n_averaged) == 3


def test_update_bn():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    batches = [torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[5.0, 0.0], [7.0, 0.0]])]
    swa_utils.update_bn(batches, model)
    assert model[0].running_mean.tolist() == pytest.approx([4.0, 2.0])
    assert model[0].momentum == 0.1
