"""nn.utils: clipping, vectors, weight norm, spectral norm, parametrizations, pruning, sequences, functional calls."""

import copy
import pickle
import warnings

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import utils
from rushlight.nn.utils import parametrizations, parametrize, prune, rnn, stateless

# ---------------------------------------------------------------- clipping and vectors


def with_gradients(*values):
    parameters = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(parameters, values, strict=True):
        p.grad = torch.tensor(v)
    return parameters


@pytest.mark.core
def test_clip_grad_norm():
    a, b = with_gradients([3.0, 0.0], [4.0])
    total = utils.clip_grad_norm_([a, b], 1.0)
    assert total.item() == pytest.approx(5.0)
    assert a.grad.tolist() == pytest.approx([0.6, 0.0], abs=1e-6) and b.grad.tolist() == pytest.approx([0.8], abs=1e-6)
    assert utils.clip_grad_norm_((p for p in [a, b]), 10.0).item() == pytest.approx(1.0, abs=1e-5)
    assert a.grad.tolist() == pytest.approx([0.6, 0.0], abs=1e-6)


@pytest.mark.core
@pytest.mark.parametrize(("order", "norm"), [(1, 7.0), (3, 91 ** (1 / 3)), (float("inf"), 4.0), (0, 2.0)])
def test_total_norm_of_other_orders(order, norm):
    parameters = with_gradients([3.0], [-4.0])
    assert utils.get_total_norm([p.grad for p in parameters], order).item() == pytest.approx(norm)
    assert utils.clip_grad_norm_(parameters, 1.0, norm_type=order).item() == pytest.approx(norm)


def test_clip_grad_norm_of_nothing_and_of_nan():
    assert utils.clip_grad_norm_([], 1.0).item() == 0 and utils.clip_grad_norm_(nn.Parameter(torch.ones(1)), 1.0) == 0
    (bad,) = with_gradients([float("nan")])
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        utils.clip_grad_norm_([bad], 1.0, error_if_nonfinite=True)
    with pytest.warns(FutureWarning, match="clip_grad_norm"):
        utils.clip_grad_norm(with_gradients([1.0]), 1.0)


def test_clip_grad_value():
    (a,) = with_gradients([3.0, -0.05, -2.0])
    utils.clip_grad_value_(a, 0.1)
    assert a.grad.tolist() == pytest.approx([0.1, -0.05, -0.1])


def test_parameters_to_vector_and_back():
    layer = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,) and vector.grad_fn is not None
    utils.vector_to_parameters(torch.arange(9.0), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and layer.bias.tolist() == [6, 7, 8]
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: int"):
        utils.vector_to_parameters(3, layer.parameters())


# ---------------------------------------------------------------- weight norm, spectral norm


def largest_singular_value(weight):
    v = torch.ones(weight.shape[1])
    for _ in range(200):
        v = weight.T @ (weight @ v)
        v = v / v.norm()
    return (weight @ v).norm().item()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_norm_by_hooks():
    layer = nn.Linear(3, 2)
    weight, x = layer.weight.detach().clone(), torch.ones(1, 3)
    before = layer(x)
    utils.weight_norm(layer)
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"] and layer.weight_g.shape == (2, 1)
    assert torch.allclose(layer(x), before, atol=1e-6)
    with torch.no_grad():
        layer.weight_g.mul_(2)
    assert torch.allclose(layer(x) - layer.bias, 2 * (before - layer.bias), atol=1e-6)
    layer(x).sum().backward()
    assert layer.weight_g.grad is not None and layer.weight_v.grad is not None
    with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks"):
        utils.weight_norm(layer)
    utils.remove_weight_norm(layer)
    assert isinstance(layer.weight, nn.Parameter) and torch.allclose(layer.weight, 2 * weight, atol=1e-6)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        utils.remove_weight_norm(layer)


def test_spectral_norm_by_hooks():
    torch.manual_seed(0)
    layer = utils.spectral_norm(nn.Linear(3, 2), n_power_iterations=30)
    layer(torch.ones(1, 3))
    assert largest_singular_value(layer.weight.detach()) == pytest.approx(1.0, abs=1e-4)
    state = layer.state_dict()
    assert list(state) == ["bias", "weight_orig", "weight_u", "weight_v"]
    assert state._metadata[""]["spectral_norm"] == {"weight.version": 1}
    utils.spectral_norm(nn.Linear(3, 2)).load_state_dict(state)
    utils.remove_spectral_norm(layer)
    assert isinstance(layer.weight, nn.Parameter) and list(layer.state_dict()) == ["bias", "weight"]


def test_parametrized_weight_norm_takes_old_files():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = utils.weight_norm(nn.Linear(3, 2))
    new = parametrizations.weight_norm(nn.Linear(3, 2))
    new.load_state_dict(old.state_dict())
    assert torch.allclose(new(torch.ones(1, 3)), old(torch.ones(1, 3)), atol=1e-6)
    assert list(new.state_dict())[1:] == ["parametrizations.weight.original0", "parametrizations.weight.original1"]


def test_parametrized_spectral_norm():
    torch.manual_seed(0)
    layer = parametrizations.spectral_norm(nn.Linear(4, 3), n_power_iterations=20)
    layer(torch.ones(1, 4))
    assert largest_singular_value(layer.weight.detach()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
def test_orthogonal(kind, shape):
    torch.manual_seed(0)
    layer = parametrizations.orthogonal(nn.Linear(*shape), orthogonal_map=kind)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.ones(1, shape[0])).pow(2).sum().backward()
        optimizer.step()
    w = layer.weight.detach()
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert torch.allclose(product, torch.eye(product.shape[0]), atol=1e-4)


# ---------------------------------------------------------------- parametrizations


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, x):
        return x.triu()


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


def test_register_and_remove_parametrization():
    layer = nn.Linear(3, 3)
    original = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert torch.equal(layer.weight, layer.weight.T) and parametrize.is_parametrized(layer, "weight")
    assert layer.parametrizations.weight.original is original and "weight" not in layer.__dict__
    assert [name for name, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    layer.weight = torch.full((3, 3), 2.0)
    assert torch.equal(layer.weight, torch.full((3, 3), 2.0))
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert torch.equal(layer.weight, torch.full((3, 3), 4.0))
    with pytest.raises(RuntimeError, match="parametrization Doubled does not implement right_inverse"):
        layer.weight = torch.ones(3, 3)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.weight, layer.weight) and twin.parametrizations.weight.original is not original
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight is original and layer.weight.tolist()[0] == [4, 4, 4]
    assert layer.__dict__["weight"] is layer._parameters["weight"]


def test_cached_parametrization_is_computed_once():
    layer, calls = nn.Linear(2, 2), []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x

    parametrize.register_parametrization(layer, "weight", Counting())
    calls.clear()
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert len(calls) == 1
    assert layer.weight is not None and len(calls) == 2


def test_parametrization_errors():
    class First(nn.Module):
        def forward(self, x):
            return x[0]

    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", First())
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        parametrize.register_parametrization(nn.Linear(2, 2), "foo", First())
    with pytest.raises(ValueError, match="does not have a parametrization on bias"):
        parametrize.remove_parametrizations(nn.Linear(2, 2), "bias")


# ---------------------------------------------------------------- pruning


def test_l1_pruning_and_removal():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -6, 3], [-2, 5, 4]]))
    prune.l1_unstructured(layer, "weight", 2)
    assert layer.weight.tolist() == [[0, -6, 3], [0, 5, 4]] and prune.is_pruned(layer)
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    prune.l1_unstructured(layer, "weight", 0.5)
    assert (layer.weight == 0).sum() == 4 and isinstance(
        next(iter(layer._forward_pre_hooks.values())), prune.PruningContainer
    )
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight_orig.grad[0, 0] == 0 and layer.weight_orig.grad[0, 1] == 1
    prune.remove(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and not prune.is_pruned(layer)
    assert (layer.weight == 0).sum() == 4


def test_structured_and_global_pruning():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    prune.ln_structured(layer, "weight", 2, n=2, dim=0)
    assert ((layer.weight != 0).sum(1) == 0).sum() == 2
    other = prune.random_structured(nn.Linear(4, 4), "weight", 0.25, dim=1)
    assert ((other.weight != 0).sum(0) == 0).sum() == 1
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=3)
    assert ((a.weight == 0).sum() + (b.weight == 0).sum()).item() == 3
    assert (prune.random_unstructured(nn.Linear(4, 4), "weight", 5).weight == 0).sum() == 5
    assert (prune.identity(nn.Linear(2, 2), "weight").weight_mask == 1).all()


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", 99), ValueError, "amount=99 should be smaller than"),
        (lambda m: prune.l1_unstructured(m, "weight", -1.0), ValueError, "amount=-1.0 should either be"),
        (lambda m: prune.l1_unstructured(m, "weight", "a"), TypeError, "Invalid type for amount: a"),
        (lambda m: prune.ln_structured(m, "bias", 0.5, 2, 0), ValueError, "only be applied to multidimensional"),
        (lambda m: prune.ln_structured(m, "weight", 0.5, 2, 5), IndexError, "Invalid index 5"),
        (lambda m: prune.remove(m, "weight"), ValueError, "has to be pruned before pruning can be removed"),
    ],
)
def test_pruning_errors_leave_the_module_as_it_was(action, error, message):
    layer = nn.Linear(3, 2)
    with pytest.raises(error, match=message):
        action(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"] and layer(torch.ones(1, 3)).shape == (1, 2)


# ---------------------------------------------------------------- sequences


def test_pack_and_pad():
    x = torch.arange(24.0).reshape(3, 4, 2)
    packed = rnn.pack_padded_sequence(x, [1, 3, 2, 2], enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 1] and packed.sorted_indices[0] == 1 and packed.data.shape == (8, 2)
    padded, lengths = rnn.pad_packed_sequence(packed, padding_value=-1.0, total_length=4)
    assert lengths.tolist() == [1, 3, 2, 2] and padded.shape == (4, 4, 2)
    assert torch.equal(padded[:3, 1], x[:, 1]) and padded[1, 0].tolist() == [-1, -1]
    assert [s.shape[0] for s in rnn.unpack_sequence(packed)] == [1, 3, 2, 2]
    assert packed.to(torch.float64).data.dtype == torch.float64 and packed.to("cpu") is packed
    assert packed._replace(data=packed.data * 2).data[0, 0] == packed.data[0, 0] * 2


def test_pad_sequence():
    sequences = [torch.ones(2), torch.ones(3)]
    assert rnn.pad_sequence(sequences).tolist() == [[1, 1], [1, 1], [0, 1]]
    left = rnn.pad_sequence(sequences, batch_first=True, padding_value=5.0, padding_side="left")
    assert left.tolist() == [[5, 1, 1], [1, 1, 1]]
    assert [s.tolist() for s in rnn.unpad_sequence(left, torch.tensor([2, 3]), True)] == [[5, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "must be sorted in decreasing order"),
        ([2], "Expected `len\\(lengths\\)` to be equal to batch_size"),
        ([2, 0], "has to be greater than 0"),
        ([5, 1], "longest length"),
    ],
)
def test_pack_errors(lengths, message):
    with pytest.raises(RuntimeError, match=message):
        rnn.pack_padded_sequence(torch.ones(3, 2, 1), lengths)


# ---------------------------------------------------------------- calls with other parameters, fusion, skip_init


def test_functional_call():
    layer = nn.Linear(2, 2)
    weight = torch.zeros(2, 2, requires_grad=True)
    result = stateless.functional_call(layer, {"weight": weight}, (torch.ones(1, 2),))
    assert torch.allclose(result, layer.bias) and isinstance(layer.weight, nn.Parameter)
    result.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [1, 1]] and layer.weight.grad is None
    with pytest.raises(RuntimeError, match="Unexpected key"):
        stateless.functional_call(layer, {"foo": weight}, torch.ones(1, 2), strict=True)


def test_functional_call_gives_buffers_back_and_ties_weights():
    norm = nn.BatchNorm1d(2, momentum=1.0)
    state = {"running_mean": torch.zeros(2), "running_var": torch.ones(2)}
    stateless.functional_call(norm, state, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert state["running_mean"].tolist() == [2, 3] and norm.running_mean.tolist() == [0, 0]
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    result = stateless.functional_call(tied, {"0.weight": torch.eye(2) * 2}, torch.ones(1, 2))
    assert result.tolist() == [[4, 4]]


def test_fusion():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    norm(conv(torch.randn(4, 2, 6, 6)))
    with pytest.raises(AssertionError, match="Fusion only for eval!"):
        utils.fuse_conv_bn_eval(conv, norm)
    conv.eval(), norm.eval()
    x = torch.randn(1, 2, 5, 5)
    assert torch.allclose(utils.fuse_conv_bn_eval(conv, norm)(x), norm(conv(x)), atol=1e-5)
    linear, norm = nn.Linear(2, 3).eval(), nn.BatchNorm1d(3).eval()
    norm.running_mean.fill_(0.5)
    x = torch.randn(4, 2)
    assert torch.allclose(utils.fuse_linear_bn_eval(linear, norm)(x), norm(linear(x)), atol=1e-5)


def test_skip_init_draws_nothing():
    torch.manual_seed(0)
    layer = utils.skip_init(nn.Linear, 3, 2)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1)) and layer.weight.shape == (2, 3) and not layer.weight.is_meta
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(int)


def test_consume_prefix():
    from rushlight.nn.modules.utils import consume_prefix_in_state_dict_if_present

    state = nn.DataParallel(nn.Linear(1, 1)).state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["weight", "bias"]
    nn.Linear(1, 1).load_state_dict(state)
