"""Record what PyTorch's optimizers, schedules and samplers do: tests/recorded/{optim,schedules,samplers}.json.

Run with PyTorch 2.13: python tools/record_optim.py. The tests read the files, so that they need no PyTorch.
"""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent.parent / "tests" / "recorded"

OPTIMIZERS: list[tuple[str, list[dict[str, Any]]]] = [
    ("SGD", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}]),
    ("SGD", [{"momentum": 0.8, "dampening": 0.3, "maximize": True}]),
    ("Adam", [{}, {"weight_decay": 0.1, "amsgrad": True}, {"betas": (0.5, 0.7), "eps": 1e-3, "maximize": True}]),
    ("AdamW", [{}, {"weight_decay": 0.3, "amsgrad": True}]),
    ("RMSprop", [{}, {"momentum": 0.9, "centered": True, "weight_decay": 0.1}, {"alpha": 0.5, "maximize": True}]),
    ("Adagrad", [{}, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}]),
    ("Adadelta", [{}, {"rho": 0.5, "weight_decay": 0.1, "maximize": True}]),
    ("NAdam", [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"momentum_decay": 0.1}]),
    ("RAdam", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}]),
    ("Adamax", [{}, {"weight_decay": 0.1, "maximize": True}]),
    ("ASGD", [{}, {"lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1}]),
    ("Rprop", [{}, {"etas": (0.3, 2.0), "step_sizes": (0.01, 0.5)}]),
    ("Adafactor", [{}, {"weight_decay": 0.1, "beta2_decay": -0.5, "d": 2.0}]),
    ("LBFGS", [{}, {"line_search_fn": "strong_wolfe", "max_iter": 5}, {"lr": 0.5, "history_size": 2}]),
]


def parameters() -> list[torch.Tensor]:
    """The start: a matrix and a vector, without random numbers."""
    matrix = [[math.sin(3 * i + j) for j in range(5)] for i in range(4)]
    vector = [math.cos(i) for i in range(7)]
    return [torch.tensor(v, dtype=torch.float64).requires_grad_() for v in (matrix, vector)]


def loss_of(params: list[torch.Tensor]) -> torch.Tensor:
    """A sum of squares that differ in size, and a coupling."""
    matrix, vector = params
    return ((matrix - 0.3) ** 2).sum() + 3 * ((vector + 0.2) ** 2).sum() + matrix.sum() * vector.sum() * 0.05


def optimizer_rows() -> list[dict[str, Any]]:
    """The parameters after each of six steps."""
    rows = []
    for name, variants in OPTIMIZERS:
        for options in variants:
            params = parameters()
            optimizer = getattr(torch.optim, name)(params, **options)

            def closure(optimizer: Any = optimizer, params: list = params) -> torch.Tensor:
                optimizer.zero_grad()
                loss = loss_of(params)
                loss.backward()
                return loss

            steps = []
            for _ in range(6):
                if name == "LBFGS":
                    optimizer.step(closure)
                else:
                    closure()
                    optimizer.step()
                steps.append(
                    [round(float(p.sum()), 12) for p in params] + [params[0][1, 2].item(), params[1][3].item()]
                )
            rows.append({"optimizer": name, "options": options, "steps": steps})
    return rows


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.1}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.2, "total_iters": 5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "step_size_down": 2}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 2, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 2, "mode": "triangular2", "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": 15}),
    (
        "OneCycleLR",
        {"max_lr": 0.4, "epochs": 4, "steps_per_epoch": 4, "anneal_strategy": "linear", "three_phase": True},
    ),
    ("SWALR", {"swa_lr": 0.02, "anneal_epochs": 4}),
    ("SWALR", {"swa_lr": 0.02, "anneal_epochs": 4, "anneal_strategy": "linear"}),
]


def schedule_rows() -> list[dict[str, Any]]:
    """The rate and the momentum over fourteen epochs."""
    rows = []
    for name, options in SCHEDULES:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
        module = torch.optim.swa_utils if name == "SWALR" else torch.optim.lr_scheduler
        schedule = getattr(module, name)(optimizer, **options)
        group, values = optimizer.param_groups[0], []
        for _ in range(14):
            values.append([group["lr"], group["momentum"]])
            optimizer.step()
            schedule.step()
        rows.append({"schedule": name, "options": options, "values": values})
    return rows


def sampler_rows() -> dict[str, Any]:
    """What samplers and loaders draw after manual_seed(7), one after the other."""
    from torch.utils import data

    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(3)
    numbers = data.TensorDataset(torch.arange(11))
    rows: dict[str, Any] = {
        "random": list(data.RandomSampler(range(9))),
        "replacement": list(data.RandomSampler(range(9), replacement=True, num_samples=40)),
        "more": list(data.RandomSampler(range(9), num_samples=20)),
        "subset": list(data.SubsetRandomSampler([5, 6, 7, 8])),
        "weighted": list(data.WeightedRandomSampler([0.1, 0.2, 0.7], 9)),
        "weighted_once": list(data.WeightedRandomSampler([0.1, 0.2, 0.7], 3, replacement=False)),
        "generator": list(data.RandomSampler(range(9), generator=generator)),
        "split": [list(part.indices) for part in data.random_split(range(10), [0.55, 0.45])],
        "loader": [batch[0].tolist() for batch in data.DataLoader(numbers, 4, shuffle=True)],
        "loader_generator": [b[0].tolist() for b in data.DataLoader(numbers, 4, shuffle=True, generator=generator)],
        "in_order": [batch[0].tolist() for batch in data.DataLoader(numbers, 4, drop_last=True)],
        "distributed": [list(data.DistributedSampler(numbers, 3, rank)) for rank in range(3)],
    }
    rows["after"] = torch.rand(1).item()
    rows["generator_after"] = torch.rand(1, generator=generator).item()
    return rows


def main() -> None:
    """Write the three files."""
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    for name, rows in (("optim", optimizer_rows()), ("schedules", schedule_rows()), ("samplers", sampler_rows())):
        (FOLDER / f"{name}.json").write_text(json.dumps(rows, indent=None, separators=(",", ":")) + "\n")


main()
