"""The names around the core: cuda, backends, jit, compile, amp, testing, checkpoints, trees."""

import collections
import warnings

import pytest

import rushlight as torch
from rushlight.utils import _pytree as pytree
from rushlight.utils.checkpoint import checkpoint, checkpoint_sequential


def test_cuda_is_absent():
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    torch.cuda.manual_seed_all(0)
    torch.cuda.empty_cache()
    for call in (torch.cuda.current_device, torch.cuda.synchronize, torch.cuda.get_device_name, torch.cuda.Stream):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            call()
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.ones(1).cuda()
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.ones(1, device="cuda")
    with pytest.raises(TypeError, match="torch.cuda.FloatTensor not available"):
        torch.cuda.FloatTensor(1)
    with torch.cuda.device(-1), torch.cuda.stream(None):
        pass


def test_backend_flags_can_be_set():
    backends = torch.backends
    backends.cudnn.benchmark = True
    backends.cuda.matmul.allow_tf32 = True
    assert backends.cudnn.benchmark and backends.cuda.matmul.allow_tf32
    with backends.cudnn.flags(enabled=False):
        assert not backends.cudnn.enabled
    assert backends.cudnn.enabled and not backends.cudnn.is_available() and backends.cudnn.version() is None
    assert not backends.mps.is_available() and backends.openmp.is_available()
    backends.cuda.enable_flash_sdp(False)
    assert not backends.cuda.flash_sdp_enabled()
    backends.cuda.enable_flash_sdp(True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        backends.cudnn.set_flags(nothing=True)


def test_jit_passes_through():
    def double(x):
        return x * 2

    with pytest.warns(DeprecationWarning, match="`torch.jit.script` is deprecated. Please switch to `torch.compile`"):
        assert torch.jit.script(double) is double
    with pytest.warns(DeprecationWarning, match="`torch.jit.trace` is deprecated"):
        assert torch.jit.trace(double, torch.ones(1)) is double
    assert torch.jit.ignore(double) is double and torch.jit.export(double) is double
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()
    with pytest.raises(NotImplementedError, match="TorchScript archives"):
        torch.jit.load("x")


def test_compile_says_once_that_it_is_eager():
    torch.compiler._said = False

    def double(x):
        return x * 2

    with pytest.warns(UserWarning, match="runs the program eagerly"):
        compiled = torch.compile(double)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = torch.compile(torch.nn.Linear(2, 2), fullgraph=True)
        decorated = torch.compile(mode="default")(double)
    assert compiled(torch.ones(2)).tolist() == decorated(torch.ones(2)).tolist() == [2, 2]
    assert compiled.__name__ == "double" and type(model) is torch.nn.Linear
    assert not torch.compiler.is_compiling()
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        torch.compile(double, mode="fastest")


def test_autocast():
    with pytest.warns(UserWarning, match="CUDA is not available"), torch.autocast("cuda"):
        assert not torch.is_autocast_enabled()
    with torch.autocast("cpu", enabled=False):
        pass
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        torch.autocast("cpu", dtype=torch.float64)


def test_grad_scaler():
    param = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([param], lr=0.1)
    with pytest.warns(UserWarning, match="Disabling"):
        scaler = torch.amp.GradScaler("cuda")
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    loss = scaler.scale((param * 2).sum())
    assert loss.item() == 8
    loss.backward()
    scaler.step(optimizer)
    scaler.update()
    assert param.item() == pytest.approx(0.8) and scaler.get_scale() == 8
    param.grad = torch.tensor([float("inf")])
    scaler.step(optimizer)
    scaler.update()
    assert param.item() == pytest.approx(0.8) and scaler.get_scale() == 4
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 4


T = torch.tensor


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: (T([1.0, 2, 3]), T([1.0, 2.5, 3])),
            "Tensor-likes are not close!\n\nMismatched elements: 1 / 3 (33.3%)\n"
            "Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)",
        ),
        (
            lambda: (1.0, 1.5),
            "Scalars are not close!\n\nExpected 1.5 but got 1.0.\nAbsolute difference: 0.5 (up to 1e-07 allowed)\n"
            "Relative difference: 0.3333333333333333 (up to 1e-07 allowed)",
        ),
        (lambda: (T([1, 2]), T([1, 3])), "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)"),
        (lambda: ([1, {"a": 2}], [1, {"a": 3}]), "The failure occurred for item [1]['a']"),
        (lambda: (T([1.0]), T([1.0], dtype=torch.float64)), "The values for attribute 'dtype' do not match"),
        (
            lambda: (T([1.0]), T([1.0, 2])),
            "The values for attribute 'shape' do not match: torch.Size([1]) != torch.Size([2]).",
        ),
        (
            lambda: ({"a": 1}, {"b": 1}),
            "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']",
        ),
        (lambda: ([1], [1, 2]), "The length of the sequences mismatch: 1 != 2"),
        (lambda: (T(float("nan")), T(float("nan"))), "Expected nan but got nan."),
    ],
)
def test_assert_close_says_what_differs(make, message):
    with pytest.raises(AssertionError) as caught:
        torch.testing.assert_close(*make())
    assert message in str(caught.value)


def test_assert_close_accepts():
    close = torch.testing.assert_close
    close(T([1.0]), T([1.000001]))
    close({"a": [T([1]), None]}, {"a": [T([1]), None]})
    close(T(float("nan")), T(float("nan")), equal_nan=True)
    close(T([1.0]), T([1]), check_dtype=False)
    close(T([1.0]), T([1.4]), rtol=0, atol=0.5)
    with pytest.raises(AssertionError, match="^mine$"):
        close(T([1.0]), T([2.0]), msg="mine")
    with pytest.raises(ValueError, match="but got no atol"):
        close(1.0, 1.0, rtol=0.1)
    with pytest.raises(TypeError, match="No comparison pair was able to handle"):
        close("a", "a")


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_gives_the_same_gradients(reentrant):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 2))
    x = torch.linspace(-1, 1, 12).view(3, 4).requires_grad_()
    grads = []
    for run in (
        lambda: model(x),
        lambda: checkpoint(model, x, use_reentrant=reentrant),
        lambda: checkpoint_sequential(model, 2, x, use_reentrant=reentrant),
    ):
        model.zero_grad()
        x.grad = None
        torch.manual_seed(0)
        run().square().sum().backward()
        grads.append([x.grad.clone(), *(p.grad.clone() for p in model.parameters())])
    for other in grads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(grads[0], other, strict=True))


def test_checkpoint_notices_another_second_run():
    calls = []

    def changing(x):
        calls.append(0)
        return x.sin() if len(calls) == 1 else x.sin().cos()

    y = checkpoint(changing, torch.ones(2, requires_grad=True), use_reentrant=False)
    with pytest.raises(RuntimeError, match="A different number of tensors was saved"):
        y.sum().backward()


def test_trees():
    pair = collections.namedtuple("pair", "a b")
    tree = {"b": [1, (2, 3)], "a": pair(4, [5]), "c": collections.OrderedDict(z=6), "d": collections.deque([7])}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == [1, 2, 3, 4, 5, 6, 7] and spec.num_leaves == 7
    assert pytree.tree_unflatten(leaves, spec) == tree
    assert pytree.tree_map(lambda x, y: x + y, tree, tree)["a"] == pair(8, [10])
    assert pytree.tree_map_only(int, str, [1, 2.0]) == ["1", 2.0]
    with pytest.raises(ValueError, match="holds 7 items"):
        pytree.tree_unflatten([1], spec)
    with pytest.raises(ValueError, match="Type mismatch"):
        pytree.tree_map(lambda x, y: x, [1], (1,))
