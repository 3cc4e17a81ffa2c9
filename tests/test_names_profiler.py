"""Dispatch modes that measure: the counter of operations and the profiler."""

import json

import pytest

import rushlight as torch
from rushlight.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule
from rushlight.utils.flop_counter import FlopCounterMode, register_flop_formula

aten = torch.ops.aten


def test_flops_of_both_passes_by_module():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 5))
    with FlopCounterMode(display=False) as counter:
        model(torch.rand(2, 3, 8, 8)).sum().backward()
    conv = {aten.convolution: 15552, aten.convolution_backward: 15552}
    linear = {aten.addmm: 2880, aten.mm: 5760}
    assert counter.get_flop_counts() == {
        "Global": conv | linear, "Sequential": conv | linear, "Sequential.0": conv, "Sequential.2": linear,
    }  # fmt: skip
    assert counter.get_total_flops() == 39744
    table = counter.get_table()
    assert "39.744K" in table and "Sequential.2" in table and "Sequential.2" not in counter.get_table(1)


def test_flops_of_products_and_attention(capsys):
    a, q = torch.rand(3, 4), torch.rand(2, 4, 8, 16)
    with FlopCounterMode() as counter:
        a @ a.mT
        torch.bmm(torch.rand(2, 3, 4), torch.rand(2, 4, 5))
        torch.nn.functional.scaled_dot_product_attention(q, q, q)
    counts = counter.get_flop_counts()["Global"]
    assert counts == {aten.mm: 2 * 3 * 4 * 3, aten.bmm: 2 * 2 * 3 * 4 * 5, aten._attention: 4 * 2 * 4 * 8 * 8 * 16}
    assert "aten.mm" in capsys.readouterr().out
    with FlopCounterMode(display=False, custom_mapping={aten.sin: lambda x, out_shape: 7 * x.numel()}) as counter:
        a.sin()
    assert counter.get_total_flops() == 84
    with pytest.raises(RuntimeError, match="duplicate"):
        register_flop_formula(aten.mm)(lambda *a, **k: 0)


def test_profile_times_operators(tmp_path):
    layer = torch.nn.Linear(30, 40)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True, with_flops=True) as prof:
        with record_function("block"):
            layer(torch.rand(20, 30)).sum().backward()
    events = prof.events()
    block = events[0]
    assert block.name == "block" and block.is_user_annotation and len(block.cpu_children) == len(events) - 1
    assert 0 < sum(c.cpu_time_total for c in block.cpu_children) <= block.cpu_time_total
    averages = {a.key: a for a in prof.key_averages()}
    assert averages["aten::linear"].count == 1 and averages["aten::linear"].flops == 2 * 20 * 30 * 40
    linear = next(e for e in events if e.name == "aten::linear")
    assert linear.input_shapes == [[20, 30], [40, 30], [40]] and linear.cpu_memory_usage >= 20 * 40 * 4
    table = prof.key_averages(group_by_input_shape=True).table(sort_by="cpu_time_total", row_limit=3)
    lines = table.splitlines()
    assert lines[3].split()[0] == "block" and "Self CPU Mem" in lines[1] and "Input Shapes" in lines[1]
    assert "100.00%" in lines[3] and "Self CPU time total" in lines[-1]
    with pytest.raises(AttributeError):
        prof.key_averages().table(sort_by="nothing")
    total = prof.key_averages().total_average()
    assert total.self_cpu_time_total == pytest.approx(block.cpu_time_total)
    prof.add_metadata("who", "me")
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["who"] == "me" and [e["name"] for e in trace["traceEvents"]] == [e.name for e in events]
    torch.ones(2)
    assert len(prof.events()) == len(events)


def test_profile_by_schedule(tmp_path):
    plan = schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    names = [plan(i).name for i in range(6)]
    assert names == ["NONE", "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE"]
    assert schedule(wait=0, warmup=0, active=1)(5) is ProfilerAction.RECORD_AND_SAVE
    with pytest.raises(AssertionError, match="wait=-1"):
        schedule(wait=-1, warmup=0, active=1)
    ready = []
    with profile(schedule=plan, on_trace_ready=lambda p: ready.append([e.name for e in p.events()])) as prof:
        for _ in range(8):
            torch.ones(2)
            prof.step()
    assert ready == [["ProfilerStep#3", "aten::ones", "ProfilerStep#4", "aten::ones"]]
    handler = torch.profiler.tensorboard_trace_handler(str(tmp_path / "log"))
    with profile(on_trace_ready=handler):
        torch.ones(2)
    assert len(list((tmp_path / "log").iterdir())) == 1
    with pytest.raises(AssertionError, match="initialized"):
        profile().key_averages()


def test_autograd_profile_and_labels():
    @record_function("labelled")
    def work():
        return torch.ones(3).exp()

    work()
    with torch.autograd.profiler.profile(with_stack=True) as prof:
        work()
    assert [e.name for e in prof.events()] == ["labelled", "aten::ones", "aten::exp"]
    assert prof.total_average().count == 3 and "aten::exp" in str(prof)
    assert any("test_names_profiler" in line for line in prof.events()[1].stack)
    assert len(prof.key_averages(group_by_stack_n=2)) == 3
    with pytest.raises(RuntimeError, match="not reentrant"):
        prof.__enter__()
    with torch.autograd.profiler.profile(enabled=False) as off:
        work()
    assert len(off.events()) == 0
