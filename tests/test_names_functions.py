"""Names of the top namespace and of Tensor that are compositions, with ATen's signatures."""

import pickle

import pytest

import rushlight as torch
from rushlight.nn import functional as F


@pytest.fixture
def pairs():
    torch.manual_seed(0)
    return torch.rand(4, 3), torch.rand(4, 3), torch.rand(4, 3), torch.tensor([1.0, -1, 1, -1])


@pytest.mark.parametrize("number, name", [(0, "none"), (1, "mean"), (2, "sum")])
def test_losses_by_number(pairs, number, name):
    a, b, c, sign = pairs
    signs = torch.sign(a - 0.5)
    cases = [
        (torch.binary_cross_entropy_with_logits(a, b, reduction=number), F.binary_cross_entropy_with_logits(a, b, reduction=name)),
        (torch.cosine_embedding_loss(a, b, sign, 0.3, number), F.cosine_embedding_loss(a, b, sign, 0.3, reduction=name)),
        (torch.hinge_embedding_loss(a, signs, 1.0, number), F.hinge_embedding_loss(a, signs, reduction=name)),
        (torch.margin_ranking_loss(a[:, 0], b[:, 0], sign, 0.2, number),
         F.margin_ranking_loss(a[:, 0], b[:, 0], sign, 0.2, reduction=name)),
        (torch.poisson_nll_loss(a, b, True, False, 1e-8, number), F.poisson_nll_loss(a, b, reduction=name)),
        (torch.triplet_margin_loss(a, b, c, swap=True, reduction=number), F.triplet_margin_loss(a, b, c, swap=True, reduction=name)),
    ]  # fmt: skip
    for found, expected in cases:
        torch.testing.assert_close(found, expected)
    kl = torch.kl_div(a.log(), b, number)
    each = b * (b.log() - a.log())
    torch.testing.assert_close(kl, each if number == 0 else each.mean() if number == 1 else each.sum())


def test_same_as_functional(pairs):
    a, b, *_ = pairs
    image = torch.rand(2, 4, 6, 6)
    theta, weight = torch.rand(2, 2, 3), torch.rand(2, 3, 3)
    torch.testing.assert_close(torch.bilinear(a, b, weight), torch.einsum("ni,oij,nj->no", a, weight, b))
    torch.testing.assert_close(torch.cosine_similarity(a, b), (a * b).sum(1) / (a.norm(2, 1) * b.norm(2, 1)))
    torch.testing.assert_close(torch.pairwise_distance(a, b, 1.0), (a - b + 1e-6).abs().sum(1))
    assert torch.equal(torch.pixel_unshuffle(torch.pixel_shuffle(image, 2), 2), image)
    assert torch.equal(torch.channel_shuffle(image, 2)[:, 1], image[:, 2])
    assert torch.equal(torch.native_channel_shuffle(image, 2)[:, 2], image[:, 1])
    assert torch.equal(torch.affine_grid_generator(theta, [2, 1, 3, 4], True), F.affine_grid(theta, [2, 1, 3, 4], True))
    volume, grid = torch.rand(1, 2, 3, 4, 5), torch.rand(1, 2, 2, 2, 3)
    assert torch.equal(torch.grid_sampler_3d(volume, grid, 0, 0, True), F.grid_sample(volume, grid, align_corners=True))
    sequence, kernel = torch.rand(5, 2, 3), torch.rand(3, 3, 4)
    expected = F.conv1d(sequence.permute(1, 2, 0), kernel.permute(2, 1, 0), torch.ones(4), padding=1).permute(2, 0, 1)
    torch.testing.assert_close(torch.conv_tbc(sequence, kernel, torch.ones(4), 1), expected)
    with pytest.raises(RuntimeError, match="expected 5D input"):
        torch.grid_sampler_3d(image, grid, 0, 0, True)


def test_rrelu_draws_from_the_generator():
    x = torch.linspace(-1, 1, 7)
    draw = lambda seed: torch.rrelu(x, 0.1, 0.3, True, torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    slopes = draw(1)[:3] / x[:3]
    assert ((slopes >= 0.1) & (slopes < 0.3)).all()
    y = x.clone()
    assert torch.rrelu_(y) is y
    torch.testing.assert_close(y, torch.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2))
    for name in ("celu_", "selu_"):
        y = x.clone()
        getattr(F, name)(y)
        torch.testing.assert_close(y, getattr(F, name[:-1])(x))


@pytest.mark.parametrize("padding", [None, 4])
def test_embedding_bag_says_bags_sizes_and_places(padding):
    weight = torch.tensor([[0.0, 9], [5, 1], [3, 4], [7, 7], [8, 8]])
    indices, offsets = torch.tensor([1, 2, 4, 0]), torch.tensor([0, 3])
    pooled, bags, sizes, places = torch.embedding_bag(weight, indices, offsets, mode=2, padding_idx=padding)
    kept = [1, 2] if padding == 4 else [1, 2, 4]
    assert torch.equal(pooled, torch.stack([weight[kept].amax(0), weight[0]]))
    assert bags.tolist() == [0, 0, 0, 1] and sizes.tolist() == [len(kept), 1]
    assert places.tolist() == ([[1, 2], [0, 0]] if padding == 4 else [[4, 4], [0, 0]])
    pooled, bags, _, _ = torch.embedding_bag(weight, indices, offsets, mode=0)
    assert torch.equal(pooled[0], weight[[1, 2, 4]].sum(0)) and bags.numel() == 0
    pooled, _, sizes, _ = torch.embedding_bag(weight, indices, offsets, mode=1)
    torch.testing.assert_close(pooled[0], weight[[1, 2, 4]].mean(0))
    assert sizes.tolist() == [3, 1]


def test_renorm_and_norms():
    weight = torch.tensor([[3.0, 4], [0.3, 0.4], [6, 8]])
    assert torch.embedding_renorm_(weight, torch.tensor([[0, 1]]), 1.0, 2.0) is weight
    torch.testing.assert_close(weight, torch.tensor([[0.6, 0.8], [0.3, 0.4], [6, 8]]))
    v = torch.rand(2, 3, 4)
    torch.testing.assert_close(torch.norm_except_dim(v, 2, 1), v.pow(2).sum((0, 2), keepdim=True).sqrt())
    torch.testing.assert_close(torch.norm_except_dim(v, 2, -1), v.norm())
    torch.testing.assert_close(torch.nuclear_norm(v[0]), torch.linalg.svdvals(v[0]).sum())


def test_from_file(tmp_path):
    path = str(tmp_path / "numbers")
    shared = torch.from_file(path, shared=True, size=4, dtype=torch.int32)
    shared.copy_(torch.arange(4))
    private = torch.from_file(path, size=3, dtype=torch.int32)
    private[0] = 7
    assert private.tolist() == [7, 1, 2]
    assert torch.from_file(path, size=4, dtype=torch.int32).tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="fewer than the 40"):
        torch.from_file(path, size=10)


def test_small_methods():
    x = torch.zeros(7, 3)
    assert x.fill_diagonal_(2, wrap=True) is x
    assert x.nonzero().tolist() == [[0, 0], [1, 1], [2, 2], [4, 0], [5, 1], [6, 2]]
    assert torch.zeros(3, 3, 3).fill_diagonal_(2).nonzero().tolist() == [[i] * 3 for i in range(3)]
    with pytest.raises(RuntimeError, match="larger than 1"):
        torch.zeros(3).fill_diagonal_(1)
    w = torch.ones(2, 2, requires_grad=True)
    (w * 1).fill_diagonal_(0).sum().backward()
    assert w.grad.tolist() == [[0, 1], [1, 0]]
    assert x.type_as(torch.tensor([1])).dtype is torch.int64 and x.type_as(x) is x
    with pytest.warns(UserWarning, match="deprecated"):
        assert torch.arange(6).resize(2, 3).shape == (2, 3)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="requested resize to 5"):
        torch.arange(6).resize_as(torch.zeros(5))
    assert torch.arange(3.0).map2_(torch.ones(3), torch.full((3,), 2.0), lambda a, b, c: a + b * c).tolist() == [2, 3, 4]
    p = torch.nn.Parameter(torch.zeros(2))
    assert p.module_load(torch.ones(2, dtype=torch.float64)).dtype is torch.float32 and p.tolist() == [1, 1]
    assert x.storage_type() is torch.FloatStorage
    assert not x.is_distributed() and not torch.is_distributed(x)
    with pytest.raises(RuntimeError, match="removed"):
        x.reinforce(1.0)
    y = torch.ones(2, requires_grad=True) * 1
    assert torch.detach_(y) is y and not y.requires_grad
    assert torch.tensordot(a=torch.ones(2, 3), b=torch.ones(3, 2), dims=1).tolist() == [[3, 3], [3, 3]]
    lu, pivots, info = torch.eye(3).lu(pivot=True, get_infos=True)
    assert torch.equal(lu, torch.eye(3)) and info.item() == 0 and pivots.tolist() == [1, 2, 3]


def test_foreach():
    lists = [torch.tensor([1.0, 4.0]), torch.tensor([[9.0]])]
    assert [x.tolist() for x in torch._foreach_sqrt(lists)] == [[1, 2], [[3]]]
    assert [x.tolist() for x in torch._foreach_add(lists, lists, alpha=2)] == [[3, 12], [[27]]]
    assert [x.tolist() for x in torch._foreach_mul(lists, [2.0, 3.0])] == [[2, 8], [[27]]]
    assert [x.tolist() for x in torch._foreach_lerp(lists, [x * 0 for x in lists], 0.5)] == [[0.5, 2], [[4.5]]]
    assert [x.tolist() for x in torch._foreach_addcdiv(lists, lists, lists, [1.0, 2.0])] == [[2, 5], [[11]]]
    assert [x.tolist() for x in torch._foreach_clamp_min(lists, 2.0)] == [[2, 4], [[9]]]
    assert [x.item() for x in torch._foreach_norm(lists, 1)] == [5, 9]
    assert [x.item() for x in torch._foreach_max(lists)] == [4, 9]
    assert torch._foreach_neg_(lists) is None and lists[0].tolist() == [-1, -4]
    torch._foreach_copy_(lists, [torch.ones(2), torch.ones(1, 1)])
    assert lists[1].tolist() == [[1]]
    torch._foreach_zero_(lists)
    assert lists[0].tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
        torch._foreach_add(lists, lists[:1])
    with pytest.raises(AttributeError):
        getattr(torch, "_foreach_nothing")  # noqa: B009  (the attribute is not there)


def test_return_types():
    x = torch.rand(3, 3)
    result = torch.max(x, 0)
    assert type(result) is torch.return_types.max and torch.return_types.max in torch.return_types.all_return_types
    assert type(x.sort()) is type(x.sort(stable=True)) is torch.return_types.sort
    out = torch.max(x, 0, out=(torch.empty(0), torch.empty(0, dtype=torch.long)))
    assert type(out) is torch.return_types.max_out
    assert repr(torch.tensor([1, 2]).max(0)) == "torch.return_types.max(\nvalues=tensor(2),\nindices=tensor(1))"
    assert torch.equal(pickle.loads(pickle.dumps(result)).values, result.values)
    assert type(torch.linalg.qr(x)).__name__ == "linalg_qr"
    from rushlight.utils._pytree import tree_leaves

    torch.return_types.pytree_register_structseq(torch.return_types.frexp)
    assert len(tree_leaves(torch.frexp(x))) == 2


def test_devices_that_are_not_there():
    assert not torch.xpu.is_available() and torch.xpu.device_count() == 0 and torch.xpu.memory_allocated() == 0
    torch.xpu.empty_cache()
    with pytest.raises(AssertionError, match="XPU"):
        torch.xpu.synchronize()
    assert not torch.mps.is_available() and torch.mps.device_count() == 0
    with pytest.raises(RuntimeError, match="without MPS"):
        torch.mps.current_allocated_memory()
    assert torch.get_device_module() is torch.cpu and torch.get_device_module("cuda") is torch.cuda
    assert torch.has_lapack and not torch.has_mkl and torch.has_openmp and torch.has_spectral


def test_anomaly_flags():
    assert not torch.is_anomaly_enabled()
    torch.set_anomaly_enabled(True)
    assert torch.is_anomaly_enabled()
    torch.set_anomaly_enabled(False)
    with pytest.raises(NotImplementedError, match="NaN"):
        torch.set_anomaly_enabled(True, check_nan=False)
