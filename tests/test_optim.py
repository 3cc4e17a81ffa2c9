"""Optimizers: PyTorch's steps, options, state dicts, hooks and refusals."""

import copy
import json
import math
import pickle
import warnings
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import optim

RECORDED = Path(__file__).parent / "recorded"
ROWS = json.loads((RECORDED / "optim.json").read_text())
RULES = [name for name in optim.__all__ if name[0].isupper() and name not in ("Optimizer", "LBFGS", "SparseAdam")]


def parameters(dtype=torch.float64):
    matrix = [[math.sin(3 * i + j) for j in range(5)] for i in range(4)]
    vector = [math.cos(i) for i in range(7)]
    return [torch.tensor(v, dtype=dtype).requires_grad_() for v in (matrix, vector)]


def loss_of(params):
    matrix, vector = params
    return ((matrix - 0.3) ** 2).sum() + 3 * ((vector + 0.2) ** 2).sum() + matrix.sum() * vector.sum() * 0.05


def matrices(name, dtype=torch.float64):
    """Parameters that the optimizer takes: Muon takes matrices only."""
    return [p for p in parameters(dtype) if name != "Muon" or p.dim() == 2]


def backward(params):
    loss = sum(((p - 0.3) ** 2 * (i + 1)).sum() for i, p in enumerate(params))
    loss.backward()
    return loss


def take_steps(optimizer, params, count):
    for _ in range(count):
        optimizer.zero_grad()
        backward(params)
        optimizer.step()
    return [p.detach().clone() for p in params]


def same(a, b, tolerance=1e-12):
    return all(float((x - y).abs().max()) <= tolerance for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["optimizer"] + str(sorted(row["options"])))
def test_steps_are_pytorchs(row):
    params = parameters()
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in row["options"].items()}
    optimizer = getattr(optim, row["optimizer"])(params, **options)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    for expected in row["steps"]:
        if row["optimizer"] == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        got = [float(p.sum()) for p in params] + [params[0][1, 2].item(), params[1][3].item()]
        assert got == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r["optimizer"] in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta")], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_native_step_is_the_formula(row, dtype, monkeypatch):
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in row["options"].items()}
    cls = getattr(optim, row["optimizer"])
    params = parameters(dtype)
    optimizer = cls(params, **options)
    params[0].grad, params[1].grad = torch.ones_like(params[0]), torch.ones_like(params[1])
    optimizer._init_group(optimizer.param_groups[0])
    assert optimizer._native(optimizer.param_groups[0])
    fast = take_steps(optimizer, params, 5)
    others = parameters(dtype)
    formula = cls(others, **options)
    monkeypatch.setattr(cls, "_native", lambda self, group: False)
    others[0].grad, others[1].grad = torch.ones_like(others[0]), torch.ones_like(others[1])
    formula.step()
    assert same(take_steps(formula, others, 5), fast, 2e-6 if dtype is torch.float32 else 1e-12)


@pytest.mark.parametrize("name", RULES)
def test_state_dict_continues(name):
    params = matrices(name)
    optimizer = getattr(optim, name)(params, lr=0.05)
    take_steps(optimizer, params, 3)
    copies = [p.detach().clone().requires_grad_() for p in params]
    other = getattr(optim, name)(copies)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert other.param_groups[0]["lr"] == 0.05
    # NAdam's product of momenta, a float32, gets the parameters' dtype when it is loaded, as PyTorch's does.
    assert same(take_steps(optimizer, params, 3), take_steps(other, copies, 3), 1e-6 if name == "NAdam" else 0)


@pytest.mark.parametrize("name", RULES)
def test_pickle_and_deepcopy_keep_state(name):
    params = matrices(name)
    optimizer = getattr(optim, name)(params)
    take_steps(optimizer, params, 2)
    for other in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        others = other.param_groups[0]["params"]
        before = [p.detach().clone() for p in others]
        assert same([p.detach() for p in params], before, 0)
        take_steps(other, others, 1)
        assert not same(before, [p.detach() for p in others], 0)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_minimises_in_other_dtypes(name, dtype):
    params = matrices(name, dtype)
    optimizer = getattr(optim, name)(params, lr=2.0 if name == "Adadelta" else 0.05)
    first = float(backward(params))
    for _ in range(12):
        optimizer.step()
        optimizer.zero_grad()
        loss = float(backward(params))
    assert loss < first
    assert all(p.dtype is dtype for p in params)


@pytest.mark.parametrize("name", [n for n in RULES if n not in ("Adafactor", "Muon")])
def test_complex_is_two_reals(name):
    start = torch.tensor([0.5 - 1j, 2 + 0.25j], dtype=torch.complex128)
    z, x = start.clone().requires_grad_(), torch.view_as_real(start).clone().requires_grad_()
    for param in (z, x):
        optimizer = getattr(optim, name)([param], lr=0.1)
        for step in range(4):
            grad = torch.tensor([[0.1 * step, 0.3], [-0.2, 0.05]], dtype=torch.float64)
            param.grad = torch.view_as_complex(grad) if param is z else grad
            optimizer.step()
    assert same([torch.view_as_real(z.detach())], [x.detach()])


@pytest.mark.parametrize("name", [n for n in RULES if n not in ("Adafactor", "Muon", "Adagrad")])
def test_maximize_is_the_negated_gradient(name):
    up, down = parameters(), parameters()
    a, b = getattr(optim, name)(up, maximize=True), getattr(optim, name)(down)
    for _ in range(3):
        for p, q in zip(up, down, strict=True):
            p.grad = torch.full_like(p, 0.5)
            q.grad = torch.full_like(q, -0.5)
        a.step()
        b.step()
    assert same([p.detach() for p in up], [q.detach() for q in down])


def test_differentiable_step_has_gradients():
    start = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    for make in (optim.SGD, optim.RMSprop):
        param = start.clone()
        param.retain_grad()
        optimizer = make([param], lr=rate, differentiable=True)
        param.grad = torch.tensor([0.5, 0.25], dtype=torch.float64)
        optimizer.step()
        (slope,) = torch.autograd.grad(param.sum(), rate)
        step = 1.0 if make is optim.SGD else None
        if step:
            assert slope.item() == pytest.approx(-0.75)
        else:
            assert slope.item() == pytest.approx(-20.0, rel=1e-5)  # g / sqrt(0.01 g^2) is 10 for each


def test_tensor_lr_is_changed_in_place_by_schedules():
    rate = torch.tensor(0.5)
    param = torch.zeros(2, requires_grad=True)
    optimizer = optim.SGD([param], lr=rate)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    param.grad = torch.ones(2)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert param.tolist() == [-0.5, -0.5]


def test_state_of_pytorch_loads_and_continues():
    checkpoint = torch.load(RECORDED / "checkpoint.pt")
    params = [
        torch.nn.Parameter(v.clone()) for k, v in checkpoint["model"].items() if k.split(".")[1] in ("weight", "bias")
    ]
    optimizer = optim.Adam(params)
    optimizer.load_state_dict(checkpoint["optimizer"])
    for param, grad in zip(params, checkpoint["grads"], strict=True):
        param.grad = grad
    optimizer.step()
    assert same([p.detach() for p in params], torch.load(RECORDED / "checkpoint_next.pt"), 1e-6)
    assert optimizer.state_dict()["state"].keys() == checkpoint["optimizer"]["state"].keys()
    assert optimizer.state[params[0]]["step"].item() == 2


def test_groups_have_options_of_their_own():
    a, b = parameters()
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5, "momentum": 0.9}], lr=0.1)
    optimizer.add_param_group({"params": torch.zeros(1, requires_grad=True)})
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0.9, 0]
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]
    a.grad = torch.ones_like(a)
    before = b.detach().clone()
    optimizer.step()  # b has no gradient
    assert same([b.detach()], [before], 0)
    assert optimizer.state_dict()["state"] == {}


def test_named_parameters():
    a, b = parameters()
    optimizer = optim.SGD([("a", a), ("b", b)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", a), b])


def test_zero_grad():
    params = parameters()
    optimizer = optim.SGD(params)
    backward(params)
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is kept and float(kept.abs().sum()) == 0
    optimizer.zero_grad()
    assert params[0].grad is None and params[1].grad is None


def test_closure_runs_with_gradients_and_its_loss_is_returned():
    params = parameters()
    optimizer = optim.SGD(params, lr=0.1)
    with torch.no_grad():
        loss = optimizer.step(lambda: backward(params))
    assert loss.requires_grad and params[0].grad is not None
    with pytest.raises(NotImplementedError):
        optim.Optimizer(params, {}).step()


def test_hooks():
    params, calls = parameters(), []
    optimizer = optim.SGD(params, lr=0.1)
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: calls.append("pre")),
        optimizer.register_step_post_hook(lambda o, a, k: calls.append("post")),
        optimizer.register_state_dict_pre_hook(lambda o: calls.append("state")),
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "extra": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, s: {k: v for k, v in s.items() if k != "extra"}),
        optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded")),
        optim.optimizer.register_optimizer_step_post_hook(lambda o, a, k: calls.append("global")),
    ]
    optimizer.step()
    state = optimizer.state_dict()
    assert state["extra"] == 1
    optimizer.load_state_dict(state)
    assert calls == ["pre", "post", "global", "state", "loaded"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 5
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_run_around_steps_of_user_classes():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(p.grad.sign() * group["lr"])

    param, seen = torch.tensor([1.0, -1.0], requires_grad=True), []
    optimizer = Sign([param], 0.25)
    optimizer.register_step_post_hook(lambda *a: seen.append(param.tolist()))
    param.grad = torch.tensor([3.0, -3.0])
    optimizer.step()
    assert seen == [[0.75, -0.75]]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD(p, lr=-1.0), ValueError, "Invalid learning rate: -1.0"),
        (lambda p: optim.SGD(p, momentum=-1.0), ValueError, "Invalid momentum value: -1.0"),
        (lambda p: optim.SGD(p, nesterov=True), ValueError, "Nesterov momentum requires"),
        (lambda p: optim.Adam(p, betas=(1.5, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.5"),
        (lambda p: optim.Adam(p, eps=-1.0), ValueError, "Invalid epsilon value: -1.0"),
        (lambda p: optim.Adam(p, lr=torch.ones(2)), ValueError, "Tensor lr must be 1-element"),
        (lambda p: optim.Adam(p, lr=torch.tensor(0.1), foreach=True), ValueError, "lr as a Tensor is not supported"),
        (lambda p: optim.Adam(p, fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
        (lambda p: optim.SGD(p, fused=True, differentiable=True), RuntimeError, "does not support `differentiable`"),
        (lambda p: optim.Adadelta(p, rho=2.0), ValueError, "Invalid rho value: 2.0"),
        (lambda p: optim.Rprop(p, etas=(1.5, 1.2)), ValueError, "Invalid eta values: 1.5, 1.2"),
        (lambda p: optim.Adafactor(p, d=0.5), ValueError, "Clipping threshold d should be >= 1"),
        (lambda p: optim.Muon(p), ValueError, "Muon only supports 2D parameters"),
        (lambda p: optim.SGD(p[0]), TypeError, "should be an iterable of Tensors or dicts"),
        (lambda p: optim.SGD([]), ValueError, "empty parameter list"),
        (lambda p: optim.SGD(["a"]), TypeError, "can only optimize Tensors"),
        (lambda p: optim.SGD([p[0] * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([{"params": set(p)}]), TypeError, "ordered collections"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), ValueError, "more than one parameter group"),
        (lambda p: optim.SGD(p).load_state_dict({"state": {}, "param_groups": []}), ValueError, "different number"),
        (
            lambda p: optim.SGD(p).load_state_dict({"state": {}, "param_groups": [{"params": [0]}]}),
            ValueError,
            "doesn't match the size",
        ),
    ],
)  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make(parameters())


def test_capturable_needs_a_device():
    params = parameters()
    optimizer = optim.Adam(params, capturable=True)
    backward(params)
    with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must be on supported devices"):
        optimizer.step()


def test_duplicate_parameters_warn():
    param = torch.zeros(1, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([param, param])


def test_repr():
    text = repr(optim.SGD(parameters(), lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n") and "    lr: 0.5\n" in text


def test_views_as_parameters_are_stepped():
    """Strided parameters: the native step takes equal dense layouts, the formula all others."""
    for param in (torch.arange(6.0).view(2, 3).t(), torch.arange(12.0)[::2]):
        param = param.detach().requires_grad_()
        expected = param.detach() - 0.5
        param.grad = torch.ones(param.shape)
        optim.SGD([param], lr=0.5).step()
        assert same([param.detach()], [expected], 0)


def test_step_bumps_versions():
    param = torch.ones(3, requires_grad=True)
    loss = (param * param).sum()
    param.grad = torch.ones(3)
    optim.SGD([param], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_no_warnings_in_training():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        params = parameters()
        take_steps(optim.AdamW(params), params, 2)
