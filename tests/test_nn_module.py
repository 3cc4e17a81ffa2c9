"""Module: registration, attributes, hooks, state dictionaries, conversion, walking, copying."""

import copy
import gc
import pickle
import warnings
import weakref
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.modules import module as module_module

pytestmark = pytest.mark.core


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(4, 2)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("hidden", torch.zeros(2), persistent=False)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x))) * self.scale


# ---------------------------------------------------------------- members are attributes


def test_parameters_are_in_the_table_and_in_the_instance():
    layer = nn.Linear(2, 3)
    assert layer.weight is layer._parameters["weight"]
    assert layer.__dict__["weight"] is layer.weight
    assert list(layer._parameters) == ["weight", "bias"]


def test_direct_writes_to_the_tables_are_seen():
    layer = nn.Linear(2, 2)
    del layer._parameters["weight"]
    assert not hasattr(layer, "weight")
    layer._parameters["weight"] = nn.Parameter(torch.ones(2, 2))
    assert layer.weight is layer._parameters["weight"]
    layer._parameters.update(extra=nn.Parameter(torch.zeros(1)))
    assert layer.extra.shape == (1,)
    assert layer._parameters.pop("extra").shape == (1,)
    assert not hasattr(layer, "extra")
    layer._parameters.setdefault("other", None)
    assert layer.other is None
    layer._parameters.clear()
    assert not hasattr(layer, "bias") and not layer._parameters


def test_a_new_table_replaces_the_old_one():
    layer = nn.Linear(2, 2)
    layer._parameters = {"z": nn.Parameter(torch.ones(3))}
    assert [name for name, _ in layer.named_parameters()] == ["z"]
    assert layer.z.shape == (3,) and not hasattr(layer, "weight")
    layer._parameters["y"] = None
    assert layer.y is None


def test_assignment_moves_a_name_between_the_kinds():
    net = nn.Module()
    net.x = nn.ReLU()
    net.x = nn.Parameter(torch.ones(1))
    assert "x" in net._parameters and "x" not in net._modules
    net.x = nn.Tanh()
    assert "x" in net._modules and "x" not in net._parameters
    del net.x
    net.x = 5
    assert net.x == 5 and "x" not in net._modules


def test_none_keeps_the_name():
    layer = nn.Linear(2, 2)
    layer.bias = None
    assert layer.bias is None and "bias" in layer._parameters
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(torch.ones(1, 2)).shape == (1, 2)


def test_buffers_are_replaced_in_their_table():
    net = Net()
    net.scale = torch.zeros(1)
    assert net._buffers["scale"] is net.scale
    net.extra = nn.Buffer(torch.ones(2), persistent=False)
    assert "extra" in net._buffers and "extra" in net._non_persistent_buffers_set
    del net.extra
    assert "extra" not in net._non_persistent_buffers_set


def test_a_property_hides_the_table_entry():
    class Hidden(nn.Module):
        @property
        def weight(self):
            return "property"

    module = Hidden()
    module._parameters["weight"] = nn.Parameter(torch.ones(1))
    assert module.weight == "property" and "weight" not in module.__dict__


def test_getattr_may_be_called_by_name_and_by_super():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 3)

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

    wrapper = Wrapper()
    assert wrapper.out_features == 3 and wrapper.weight is wrapper.inner.weight
    assert wrapper.inner.__getattr__("weight") is wrapper.weight
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        wrapper.nothing  # noqa: B018


def test_an_error_in_a_property_keeps_its_message():
    class Broken(nn.Module):
        @property
        def value(self):
            return self.nothing

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        Broken().value  # noqa: B018
    assert not hasattr(Broken(), "value")


def test_modules_are_freed_without_the_garbage_collector():
    gc.disable()
    try:
        net = Net()
        net.register_forward_hook(lambda *args: None)
        net.register_load_state_dict_pre_hook(lambda *args: None)
        alive = weakref.ref(net)
        del net
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda m: setattr(m, "weight", 3), TypeError, "cannot assign 'int' as parameter 'weight'"),
        (lambda m: setattr(m, "weight", torch.ones(2)), TypeError, "as parameter 'weight'"),
        (lambda m: m.register_parameter("a.b", None), KeyError, "t contain"),
        (lambda m: m.register_parameter("", None), KeyError, "t be empty string"),
        (lambda m: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter("q", torch.ones(1)), TypeError, "object to parameter 'q'"),
        (lambda m: m.register_buffer("q", 3), TypeError, "cannot assign 'int' object to buffer 'q'"),
        (lambda m: m.register_buffer("a.b", None), KeyError, "t contain"),
        (lambda m: m.add_module("q", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.add_module("a.b", nn.ReLU()), KeyError, "got: a.b"),
        (lambda m: m.get_submodule("z"), AttributeError, "Linear has no attribute `z`"),
        (lambda m: m.get_submodule("weight"), AttributeError, "`weight` is not an nn.Module"),
        (lambda m: m.get_parameter("in_features"), AttributeError, "is not an nn.Parameter"),
        (lambda m: m.get_buffer("weight"), AttributeError, "`weight` is not a buffer"),
        (lambda m: m.set_submodule("", nn.ReLU()), ValueError, "without a target name"),
        (lambda m: m.to(torch.int32), TypeError, "only accepts floating point or complex"),
        (lambda m: m.to("cuda"), AssertionError, "not compiled with CUDA"),
        (lambda m: m.train(3), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.load_state_dict([1]), TypeError, "Expected state_dict to be dict-like"),
        (lambda m: delattr(m, "nothing"), AttributeError, "nothing"),
    ],
)
def test_errors(action, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        action(nn.Linear(2, 3))


def test_errors_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.x = value

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early(nn.ReLU())
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early(nn.Parameter(torch.ones(1)))
    assert Early(3).x == 3
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(1)
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_a_parameter_must_be_a_leaf():
    source = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'q'"):
        nn.Linear(2, 2).register_parameter("q", (source * 2).as_subclass(nn.Parameter))


# ---------------------------------------------------------------- parameters and buffers themselves


def test_parameter():
    p = nn.Parameter(torch.ones(2))
    assert p.requires_grad and p.is_leaf and isinstance(p, torch.Tensor) and isinstance(p, nn.Parameter)
    assert not isinstance(torch.ones(1), nn.Parameter)
    assert repr(p).startswith("Parameter containing:\ntensor([1., 1.]")
    assert not nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False).requires_grad
    assert type(p + 1) is torch.Tensor
    other = copy.deepcopy(p)
    assert type(other) is nn.Parameter and other is not p and other.requires_grad
    with torch.no_grad():
        other.add_(1)
    assert p.tolist() == [1, 1] and other.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(torch.ones(2, dtype=torch.int64))


def test_deepcopy_keeps_shared_parameters_shared():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[1].weight is twin[0].weight and twin[0].weight is not net[0].weight


def test_uninitialized_parameter():
    p = nn.UninitializedParameter()
    assert repr(p) == "<UninitializedParameter>" and p.dtype == torch.float32
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        p.shape  # noqa: B018
    with pytest.raises(ValueError, match="uninitialized parameter"):
        p + 1
    p.materialize((2, 3))
    assert type(p) is nn.Parameter and p.shape == (2, 3)


# ---------------------------------------------------------------- state dictionaries


def test_state_dict_keys_metadata_and_sharing():
    net = Net()
    state = net.state_dict()
    assert list(state) == ["scale", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert isinstance(state, OrderedDict) and state._metadata["fc1"] == {"version": 1}
    assert not state["fc1.weight"].requires_grad
    assert state["fc1.weight"].data_ptr() == net.fc1.weight.data_ptr()
    assert net.state_dict(keep_vars=True)["fc1.weight"] is net.fc1.weight
    assert list(net.state_dict(prefix="x."))[0] == "x.scale"


def test_load_state_dict_copies_and_reports():
    a, b = Net(), Net()
    report = b.load_state_dict(a.state_dict())
    assert str(report) == "<All keys matched successfully>"
    assert torch.equal(a.fc1.weight, b.fc1.weight) and a.fc1.weight is not b.fc1.weight
    report = b.load_state_dict({"fc1.weight": torch.zeros(4, 3), "x": torch.ones(1)}, strict=False)
    assert report.missing_keys == ["scale", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert report.unexpected_keys == ["x"]
    assert b.fc1.weight.abs().sum() == 0


def test_load_state_dict_messages():
    layer = nn.Linear(2, 3)
    with pytest.raises(RuntimeError) as error:
        layer.load_state_dict({"weight": torch.zeros(2, 2), "x": torch.ones(1)})
    assert str(error.value) == (
        'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". \n\t'
        'Unexpected key(s) in state_dict: "x". \n\t'
        "size mismatch for weight: copying a param with shape torch.Size([2, 2]) from checkpoint, "
        "the shape in current model is torch.Size([3, 2])."
    )
    with pytest.raises(RuntimeError, match='named "bias", expected torch.Tensor or Tensor-like object'):
        layer.load_state_dict({"weight": torch.zeros(3, 2), "bias": [1, 2, 3]})


def test_load_state_dict_assign():
    layer = nn.Linear(2, 3)
    weight = torch.ones(3, 2, dtype=torch.float64)
    layer.load_state_dict({"weight": weight, "bias": torch.zeros(3)}, assign=True)
    assert layer.weight.dtype == torch.float64 and isinstance(layer.weight, nn.Parameter)
    assert layer.weight.data_ptr() == weight.data_ptr() and layer.weight.requires_grad
    assert layer.__dict__["weight"] is layer._parameters["weight"]


def test_extra_state():
    class Counter(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = Counter(), Counter()
    a.count = 7
    assert dict(a.state_dict()) == {"_extra_state": {"count": 7}}
    b.load_state_dict(a.state_dict())
    assert b.count == 7
    with pytest.raises(RuntimeError, match='Missing key.*"_extra_state"'):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.*"_extra_state"'):
        nn.ReLU().load_state_dict(a.state_dict())


def test_state_dict_hooks():
    log = []
    layer = nn.Linear(1, 1)
    layer.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", prefix, keep)))
    layer.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=torch.ones(1)))
    layer.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: log.append(("load", prefix)))
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.unexpected_keys.clear())
    net = nn.Sequential(layer)
    state = net.state_dict()
    assert log == [("pre", "0.", False)] and "more" in state
    net.load_state_dict(state, strict=False)
    assert log[-1] == ("load", "0.")
    bad = layer.register_state_dict_post_hook(lambda *args: {})
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        net.state_dict()
    bad.remove()


# ---------------------------------------------------------------- hooks


def test_forward_hooks_order_replacement_and_removal():
    log = []
    layer = nn.Linear(2, 2)

    def before(module, args):
        log.append("before")
        return (args[0] * 0,)

    def before_kwargs(module, args, kwargs):
        log.append(("first", kwargs))

    def after(module, args, output):
        log.append("after")
        return output + 1

    handles = [
        layer.register_forward_pre_hook(before),
        layer.register_forward_pre_hook(before_kwargs, with_kwargs=True, prepend=True),
        layer.register_forward_hook(after),
        layer.register_forward_hook(lambda m, a, k, o: log.append("kwargs"), with_kwargs=True, prepend=True),
    ]
    result = layer(torch.ones(1, 2))
    assert torch.allclose(result, layer.bias + 1)
    assert log == [("first", {}), "before", "kwargs", "after"]
    for handle in handles:
        handle.remove()
    log.clear()
    plain = layer(torch.zeros(1, 2))
    assert torch.allclose(plain, layer.bias) and log == [] and not layer._hooked


def test_pre_hook_must_return_a_pair_with_kwargs():
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda m, a, k: 5, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        layer(torch.ones(1))


def test_hook_tables_may_be_emptied_and_replaced():
    layer, log = nn.ReLU(), []
    layer.register_forward_hook(lambda *args: log.append(1))
    layer._forward_hooks.clear()
    layer(torch.ones(1))
    assert log == []
    layer._forward_hooks = OrderedDict([(1, lambda *args: log.append(2))])
    layer(torch.ones(1))
    assert log == [2]


def test_always_call_hooks_run_after_an_exception():
    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError("boom")

    log, bad = [], Bad()
    bad.register_forward_hook(lambda m, a, o: log.append(("always", o)), always_call=True)
    bad.register_forward_hook(lambda m, a, o: log.append("never"))
    with pytest.raises(ValueError, match="boom"):
        bad(1)
    assert log == [("always", None)]


def test_full_backward_hooks():
    log = []
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net[0].register_full_backward_hook(lambda m, gi, go: log.append(("first", gi[0] is None, go[0].shape)))
    net[1].register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    net[2].register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    x = torch.ones(2, 3)
    net(x).sum().backward()
    hooked = [p.grad.clone() for p in net.parameters()]
    assert log == [("first", True, torch.Size([2, 4]))]
    for module in net:
        module._backward_hooks.clear()
        module._backward_pre_hooks.clear()
    net.zero_grad()
    net(x).sum().backward()
    for got, plain, factor in zip(hooked, [p.grad for p in net.parameters()], (6, 6, 2, 2), strict=True):
        assert torch.allclose(got, plain * factor)


def test_full_backward_hook_sees_input_gradients():
    seen = []
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0], go[0])))
    x = torch.ones(2, 3, requires_grad=True)
    layer(x).sum().backward()
    assert torch.allclose(seen[0][0], x.grad) and torch.equal(seen[0][1], torch.ones(2, 2))


def test_the_two_kinds_of_backward_hooks_do_not_mix():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(lambda *args: None)


def test_global_hooks():
    log = []
    handles = [
        module_module.register_module_forward_pre_hook(lambda m, a: log.append(("pre", type(m).__name__))),
        module_module.register_module_forward_hook(lambda m, a, o: log.append(("post", type(m).__name__))),
        module_module.register_module_parameter_registration_hook(lambda m, n, p: log.append(("param", n))),
        module_module.register_module_module_registration_hook(lambda m, n, c: log.append(("module", n))),
        module_module.register_module_buffer_registration_hook(lambda m, n, b: log.append(("buffer", n))),
    ]
    try:
        nn.ReLU()(torch.ones(1))
        norm = nn.BatchNorm1d(2)
        norm.child = nn.ReLU()
    finally:
        for handle in handles:
            handle.remove()
    assert log[:2] == [("pre", "ReLU"), ("post", "ReLU")]
    assert [name for kind, name in log[2:] if kind == "param"] == ["weight", "bias"]
    assert ("buffer", "running_mean") in log and log[-1] == ("module", "child")
    log.clear()
    nn.ReLU()(torch.ones(1))
    assert log == [] and not module_module._hooks.any_global


# ---------------------------------------------------------------- conversion and modes


def test_to_keeps_the_parameter_objects():
    net = Net()
    weight = net.fc1.weight
    net(torch.ones(1, 3)).sum().backward()
    assert net.double() is net
    assert net.fc1.weight is weight and weight.dtype == torch.float64 and weight.grad.dtype == torch.float64
    assert net.scale.dtype == torch.float64 and net.__dict__["scale"] is net._buffers["scale"]
    net.to(torch.float16)
    assert weight.dtype == torch.float16
    net.to("cpu", torch.float32)
    assert weight.dtype == torch.float32
    net.register_buffer("count", torch.tensor(3))
    assert net.half().count.dtype == torch.int64


def test_meta_and_to_empty():
    layer = nn.Linear(2, 3, device="meta")
    assert layer.weight.is_meta
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        layer.to("cpu")
    layer.to_empty(device="cpu")
    assert not layer.weight.is_meta and layer.weight.shape == (3, 2) and isinstance(layer.weight, nn.Parameter)
    layer.to("meta")
    assert layer.weight.is_meta and layer.__dict__["weight"] is layer._parameters["weight"]


def test_train_eval_apply_and_requires_grad():
    net, seen = Net(), []
    assert net.eval() is net and not net.fc1.training
    net.train()
    assert net.fc2.training
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Net"]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad():
    net = Net()
    net(torch.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# ---------------------------------------------------------------- walking, printing, copying


def test_walking():
    net = Net()
    net.again = net.fc1
    assert [n for n, _ in net.named_modules()] == ["", "fc1", "act", "fc2"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "fc1", "act", "fc2", "again"]
    assert [n for n, _ in net.named_children()] == ["fc1", "act", "fc2"]
    assert [n for n, _ in net.named_parameters()] == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 6
    assert [n for n, _ in net.named_buffers(prefix="p")] == ["p.scale", "p.hidden"]
    assert list(net.parameters(recurse=False)) == []
    assert net.get_submodule("fc1") is net.fc1 and net.get_parameter("fc1.bias") is net.fc1.bias
    net.set_submodule("act", nn.Tanh())
    assert isinstance(net.act, nn.Tanh)
    assert {"weight", "forward", "in_features"} <= set(dir(net.fc1))


def test_repr():
    net = nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU()))
    assert repr(net) == (
        "Sequential(\n  (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (1): Sequential(\n    (0): ReLU()\n  )\n)"
    )
    assert repr(Net().act) == "ReLU()"


def test_pickle_and_copy():
    net = Net()
    net.register_forward_hook(_module_level_hook)
    again = pickle.loads(pickle.dumps(net))
    assert torch.equal(again.fc1.weight, net.fc1.weight) and again.fc1.weight.requires_grad
    assert again.fc1.__dict__["weight"] is again.fc1._parameters["weight"]
    assert again._hooked and torch.allclose(again(torch.ones(1, 3)), net(torch.ones(1, 3)))
    state = net.__getstate__()
    assert "fc1" not in state and type(state["_modules"]) is dict
    shallow = copy.copy(net)
    shallow.more = nn.ReLU()
    assert not hasattr(net, "more") and shallow.fc1 is net.fc1


def _module_level_hook(module, args, output):
    return output * 2


def test_old_pickles_get_what_they_lack():
    layer = nn.Linear(2, 2)
    state = layer.__getstate__()
    for name in ("_load_state_dict_post_hooks", "_non_persistent_buffers_set", "_backward_pre_hooks"):
        del state[name]
    again = nn.Linear.__new__(nn.Linear)
    again.__setstate__(state)
    assert again(torch.ones(1, 2)).shape == (1, 2)


def test_a_subclass_may_have_its_own_getstate():
    class Own(nn.Linear):
        def __getstate__(self):
            return self.__dict__.copy()

    layer = Own(2, 2)
    twin = copy.deepcopy(layer)
    twin.bias = None
    assert layer.bias is not None and twin.weight is twin._parameters["weight"]


def test_compile_keeps_the_meaning():
    net = nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.compile()
    assert net(torch.ones(1, 2)).shape == (1, 2)
    assert "_compiled_call_impl" not in net.__getstate__()
