"""The machine room: life of tensors, memory, threads, forks, dtypes, devices."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn

pytestmark = pytest.mark.core


def test_a_tensor_is_one_object_with_attributes_and_weak_references():
    x = torch.ones(2)
    x.note = "kept"
    ref = weakref.ref(x)
    holder = [x]
    del x
    assert holder[0].note == "kept" and ref() is holder[0]
    holder.clear()
    gc.collect()
    assert ref() is None


def test_subclass_instances_live_and_die():
    class Mine(torch.Tensor):
        pass

    x = torch.ones(3).as_subclass(Mine)
    x.tag = [x]
    ref = weakref.ref(x)
    del x
    gc.collect()
    assert ref() is None


def test_promotion_table_matches_numpy_where_they_agree():
    numpy_names = ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64", "complex64", "complex128"]
    for a in numpy_names:
        for b in numpy_names:
            kinds = {
                getattr(torch, a).is_floating_point or getattr(torch, a).is_complex,
                getattr(torch, b).is_floating_point or getattr(torch, b).is_complex,
            }
            if kinds == {True, False}:
                continue  # NumPy widens floats for integers, PyTorch does not
            expected = np.promote_types(a, b).name
            assert str(torch.promote_types(getattr(torch, a), getattr(torch, b))) == f"torch.{expected}", (a, b)


def test_numbers_and_zero_dim_tensors_do_not_widen():
    x = torch.ones(2, dtype=torch.float16)
    assert (x + 1.5).dtype is torch.float16 and (x + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float16
    i = torch.ones(2, dtype=torch.int8)
    assert (i + 1).dtype is torch.int8 and (i + 1.5).dtype is torch.float32 and (i / 2).dtype is torch.float32
    assert (i + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float64
    assert (torch.ones(2) + 1j).dtype is torch.complex64


def test_small_floats_round_to_nearest_even():
    values = np.random.RandomState(0).randn(1000).astype(np.float32) * 10
    half = torch.from_numpy(values).half()
    assert np.array_equal(half.numpy(), values.astype(np.float16))
    back = torch.from_numpy(values).bfloat16().float().numpy()
    bits = values.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)
    assert np.array_equal(back, rounded)


def test_meta_tensors_have_shapes_and_no_memory():
    x = torch.empty(10**6, 10**6, device="meta")
    y = (x.t() * 2 + 1).sum(0)
    assert y.is_meta and y.shape == (10**6,) and y.dtype is torch.float32


def test_memory_statistics():
    torch.cpu.empty_cache()
    before = torch.cpu.memory_allocated()
    x = torch.empty(1 << 20)
    assert torch.cpu.memory_allocated() - before >= 4 << 20
    assert torch.cpu.max_memory_allocated() >= torch.cpu.memory_allocated()
    del x
    assert torch.cpu.memory_allocated() <= before + 4096


def test_training_keeps_memory_flat():
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(16, 10), torch.randn(16, 1)

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

    steps(100)
    before, objects = torch.cpu.memory_allocated(), len(gc.get_objects())
    steps(2000)
    assert torch.cpu.memory_allocated() <= before + 4096
    assert len(gc.get_objects()) <= objects + 50


def _compute():
    a = torch.randn(256, 256)
    nn.functional.conv2d(torch.randn(2, 3, 32, 32), torch.randn(8, 3, 3, 3))
    return float((a @ a).sum() + (a * 2 + 1).exp().sum())


def _child(queue):
    queue.put(_compute())


def test_a_forked_child_computes():
    _compute()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    value = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and np.isfinite(value)


def test_two_threads_train_two_models():
    results = {}

    def train(name, seed):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(64, 8, generator=generator)
        y = x.sum(1, keepdim=True)
        w = torch.zeros(8, 1, requires_grad=True)
        for _ in range(300):
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        results[name] = w.detach().clone()

    threads = [threading.Thread(target=train, args=(i, i)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for w in results.values():
        assert torch.allclose(w, torch.ones(8, 1), atol=1e-3)


def test_two_threads_share_a_tensor():
    x = torch.zeros(1000)

    def work():
        for _ in range(500):
            x.add_(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.tolist() == [1000.0] * 1000


def test_grad_mode_belongs_to_the_thread():
    seen = []
    with torch.no_grad():
        t = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


@pytest.mark.parametrize("n", [1, 2])
def test_results_do_not_depend_on_the_number_of_threads(n):
    before = torch.get_num_threads()
    x = torch.randn(300_000, generator=torch.Generator().manual_seed(0))
    try:
        torch.set_num_threads(1)
        one = (x.sum().item(), x.exp().sum().item(), x.reshape(300, 1000).sum(0).tolist())
        torch.set_num_threads(n)
        assert (x.sum().item(), x.exp().sum().item(), x.reshape(300, 1000).sum(0).tolist()) == one
    finally:
        torch.set_num_threads(before)


def test_a_lower_instruction_set_can_be_forced():
    code = "import rushlight as t; assert t._C._isa() == 'base'; print(t.ones(100).exp().sum().item())"
    out = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "RUSHLIGHT_ISA": "base"}, capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    assert abs(float(out.stdout) - 271.828) < 1e-2


def test_import_is_light():
    code = "import sys, rushlight; print([m for m in ('numpy', 'torch', 'scipy', 'matplotlib') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stdout + out.stderr


def test_sizes_that_overflow_are_refused():
    with pytest.raises(RuntimeError, match="overflow"):
        torch.empty(2**40, 2**40)
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        torch.ones(4).as_strided((5,), (1,))
    with pytest.raises((RuntimeError, MemoryError), match="memory"):
        torch.empty(2**46)
