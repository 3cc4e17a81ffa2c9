"""Sparse tensors against dense computations and scipy.sparse."""

import copy
import io
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import gradcheck

LAYOUTS = [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc]


def matrix(m=5, n=7, nnz=9, seed=0, dtype=torch.float64, requires_grad=False):
    """An uncoalesced matrix: places are drawn with repetition."""
    g = torch.Generator().manual_seed(seed)
    at = torch.stack([torch.randint(m, (nnz,), generator=g), torch.randint(n, (nnz,), generator=g)])
    values = torch.randn(nnz, generator=g, dtype=torch.float64).to(dtype)
    return torch.sparse_coo_tensor(at, values, (m, n), requires_grad=requires_grad)


def hybrid(requires_grad=False):
    g = torch.Generator().manual_seed(3)
    values = torch.randn(4, 3, generator=g, dtype=torch.float64)
    return torch.sparse_coo_tensor([[0, 2, 0, 1]], values, (4, 3), requires_grad=requires_grad)


def same(a, b):
    a = a.to_dense() if a.layout is not torch.strided else a
    b = b.to_dense() if b.layout is not torch.strided else b
    torch.testing.assert_close(a, b)


def scipy_of(s):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    c = s.coalesce() if s.layout is torch.sparse_coo else s.to_sparse_coo().coalesce()
    return scipy_sparse.coo_array((c.values().numpy(), tuple(c.indices().numpy())), shape=tuple(s.shape))


# ---------------------------------------------------------------- making and asking
def test_attributes():
    s = matrix()
    assert isinstance(s, torch.Tensor) and s.is_sparse and not s.is_sparse_csr and s.layout is torch.sparse_coo
    assert s.shape == (5, 7) and s._nnz() == 9 and s.sparse_dim() == 2 and s.dense_dim() == 0 and s.numel() == 35
    assert not s.is_coalesced() and s.coalesce().is_coalesced() and s.is_leaf and s.grad_fn is None
    assert hybrid().sparse_dim() == 1 and hybrid().dense_dim() == 1
    r = s.to_sparse_csr()
    assert r.is_sparse_csr and not r.is_sparse and r.layout is torch.sparse_csr and r.crow_indices().shape == (6,)
    with pytest.raises(RuntimeError, match="uncoalesced tensor, please call .coalesce"):
        s.values()
    with pytest.raises(RuntimeError, match="crow_indices expected sparse row compressed tensor layout but got Sparse"):
        s.crow_indices()


def test_coalesce_adds_up_in_order():
    s = torch.sparse_coo_tensor([[1, 0, 1], [2, 1, 2]], [3.0, 4.0, 5.0], (2, 3))
    c = s.coalesce()
    assert c.indices().tolist() == [[0, 1], [1, 2]] and c.values().tolist() == [4.0, 8.0]
    assert s.to_dense().tolist() == [[0, 4, 0], [0, 0, 8]]
    whole = matrix(40, 50, 3000).coalesce()
    np.testing.assert_allclose(whole.to_dense().numpy(), scipy_of(matrix(40, 50, 3000)).toarray())
    assert whole._nnz() == len(set(zip(*matrix(40, 50, 3000)._indices().tolist(), strict=True)))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_layouts_hold_the_same_matrix(layout):
    s = matrix()
    r = s.to_sparse(layout=layout)
    assert r.layout is layout
    same(r, s)
    same(s.to_dense().to_sparse(layout=layout), s)
    same(r.to_sparse_coo(), s)
    same(r.t(), s.to_dense().t())
    if layout is not torch.sparse_coo:
        theirs = scipy_of(s).tocsr() if layout is torch.sparse_csr else scipy_of(s).tocsc()
        starts = r.crow_indices() if layout is torch.sparse_csr else r.ccol_indices()
        plain = r.col_indices() if layout is torch.sparse_csr else r.row_indices()
        assert starts.tolist() == theirs.indptr.tolist() and plain.tolist() == theirs.indices.tolist()
        np.testing.assert_allclose(r.values().numpy(), theirs.data)


def test_values_share_memory():
    v = torch.tensor([1.0, 2.0])
    s = torch.sparse_coo_tensor([[0, 1]], v, (3,), is_coalesced=True)
    v[0] = 5
    s.values()[1] = 7
    assert s.to_dense().tolist() == [5, 7, 0]


@pytest.mark.parametrize(
    ("indices", "values", "size", "message"),
    [
        ([[0, 1]], [1.0], (3,), "must have same nnz, but got nnz from indices: 2, nnz from values: 1"),
        ([[0, 1]], [1.0, 2.0], (3, 2), "len.size. == sparse_dim"),
        ([[0, 3]], [1.0, 2.0], (3,), "size is inconsistent with indices: for dim 0, size is 3 but found index 3"),
        ([[0, -1]], [1.0, 2.0], (3,), "found negative index -1 for dim 0"),
    ],
)
def test_bad_coordinates(indices, values, size, message):
    with pytest.raises(RuntimeError, match=message):
        torch.sparse_coo_tensor(indices, values, size, check_invariants=True)


def test_invariants_are_checked_on_demand_and_memory_is_safe_without():
    check = torch.sparse.check_sparse_tensor_invariants
    assert not check.is_enabled()
    bad = torch.sparse_csr_tensor([0, 1, 4], [2, 0, 2], [1.0, 2.0, 3.0], (2, 3))
    with pytest.raises(RuntimeError, match="must rise from 0 to nnz"):
        bad.to_dense()
    with check(), pytest.raises(RuntimeError, match=r"`crow_indices\[..., -1\] == nnz` is not satisfied"):
        torch.sparse_csr_tensor([0, 1, 4], [2, 0, 2], [1.0, 2.0, 3.0], (2, 3))
    assert not check.is_enabled()
    outside = torch.sparse_coo_tensor([[0, 9], [0, 0]], [1.0, 2.0], (2, 3))
    for use in (
        outside.to_dense,
        lambda: outside @ torch.ones(3, 2),
        lambda: torch.ones(2, 3).add_(outside),
        outside.coalesce,
    ):
        with pytest.raises(IndexError, match=r"dimension 0 of a sparse tensor is outside \[0, 2\)"):
            use()


def test_repr():
    s = torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3), dtype=torch.float64, requires_grad=True)
    assert repr(s) == (
        "tensor(indices=tensor([[0, 1],\n                       [2, 0]]),\n       values=tensor([3., 4.]),\n"
        "       size=(2, 3), nnz=2, dtype=torch.float64, layout=torch.sparse_coo,\n       requires_grad=True)"
    )
    assert repr(s.detach().float().to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 2]),\n       col_indices=tensor([2, 0]),\n       values=tensor([3., 4.]), size=(2, 3), nnz=2, layout=torch.sparse_csr)"
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_copies_and_files(layout):
    s = matrix().to_sparse(layout=layout)
    file = io.BytesIO()
    torch.save({"s": s}, file)
    file.seek(0)
    for other in (pickle.loads(pickle.dumps(s)), torch.load(file)["s"], copy.deepcopy(s), s.clone(), s.detach()):
        assert other.layout is layout
        torch.testing.assert_close(other, s)
    assert s.to(torch.float32).dtype is torch.float32 and s.float().double().dtype is torch.float64 and s.to("cpu") is s


# ---------------------------------------------------------------- operators
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_arithmetic(layout):
    a, b, d = (
        matrix(seed=1).to_sparse(layout=layout),
        matrix(seed=2).to_sparse(layout=layout),
        torch.randn(5, 7, dtype=torch.float64),
    )
    x, y = a.to_dense(), b.to_dense()
    same(a + b, x + y)
    same(a.sub(b, alpha=2), x - 2 * y)
    same(a * b, x * y)
    same(a * d, x * d)
    same(d * a, x * d)
    same(a * 3, x * 3)
    same(a / 4, x / 4)
    same(-a, -x)
    same(d + a, d + x)
    same(d - a, d - x)
    same(a * torch.tensor(2.0), x * 2)
    same(a.pow(2), x.pow(2))
    assert (a + b).layout is layout and (a * b).layout is layout
    assert (a.float() + b).dtype is torch.float64 and (a.int() * 1.5).dtype is torch.float32


def test_hybrid_arithmetic():
    h = hybrid()
    same(h + h * 2, h.to_dense() * 3)
    same(h.sin(), h.to_dense().sin())
    same(torch.ones(4, 3, dtype=torch.float64) + h, h.to_dense() + 1)
    same(h * torch.arange(3.0, dtype=torch.float64), h.to_dense() * torch.arange(3.0))


def test_in_place():
    s, c = matrix(seed=1), matrix(seed=2)
    x, y = s.to_dense(), c.to_dense()
    kept = s
    s += c
    s *= 2
    assert s is kept
    same(s, (x + y) * 2)
    d = torch.ones(5, 7, dtype=torch.float64)
    d.add_(c, alpha=-0.5)
    same(d, 1 - 0.5 * y)
    s.zero_()
    assert s._nnz() == 0 and s.shape == (5, 7)
    s.copy_(c)
    same(s, y)
    with pytest.raises(RuntimeError, match=r"add\(sparse, dense\) is not supported. Use add\(dense, sparse\) instead"):
        s.add_(d)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        matrix(requires_grad=True).mul_(2)


def test_a_sum_formed_many_times_stays_small():
    total = hybrid()
    for seed in range(50):
        total = total + torch.sparse_coo_tensor([[seed % 4, 1]], torch.ones(2, 3, dtype=torch.float64), (4, 3))
    assert total._nnz() <= 8


UNARY = "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac log1p neg rad2deg relu round sgn sign sin sinh sqrt square tan tanh trunc"


@pytest.mark.parametrize("name", UNARY.split())
def test_functions_that_keep_zero(name):
    s = matrix() * 0.1
    s = s.abs() if name in ("sqrt", "log1p") else s
    f = getattr(torch, name)
    same(f(s), f(s.to_dense()))
    same(f(s.to_sparse_csr()), f(s.to_dense()))
    assert f(s).is_sparse


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.complex128, torch.int64, torch.bfloat16], ids=str
)
def test_matrix_products(layout, dtype):
    s = matrix().mul(3).to(dtype)
    s = s.to_sparse(layout=layout)
    d = torch.randn(7, 4, dtype=torch.float64).mul(3).to(dtype)
    x = s.to_dense()
    tolerance = {"rtol": 2e-2, "atol": 0.2} if dtype is torch.bfloat16 else {}
    torch.testing.assert_close(s @ d, x @ d, **tolerance)
    torch.testing.assert_close(torch.sparse.mm(s, d), x @ d, **tolerance)
    torch.testing.assert_close(d.t() @ s.t(), d.t() @ x.t(), **tolerance)
    torch.testing.assert_close(s @ d[:, 0], x @ d[:, 0], **tolerance)
    torch.testing.assert_close(torch.addmm(d[:5], s, d, beta=2, alpha=3), 2 * d[:5] + 3 * (x @ d), **tolerance)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_sparse_products_against_scipy(layout):
    a, b = matrix(30, 40, 200, 1), matrix(40, 20, 150, 2)
    product = torch.sparse.mm(a.to_sparse(layout=layout), b.to_sparse(layout=layout))
    assert product.layout is layout
    np.testing.assert_allclose(product.to_dense().numpy(), (scipy_of(a) @ scipy_of(b)).toarray())


def test_batches_of_matrices_and_linear():
    s = torch.stack([matrix(seed=1), matrix(seed=2)])
    d = torch.randn(2, 7, 3, dtype=torch.float64)
    same(torch.bmm(s, d), torch.bmm(s.to_dense(), d))
    layer = nn.Linear(7, 3, dtype=torch.float64)
    same(layer(matrix()), layer(matrix().to_dense()))


def test_sums():
    s, h = matrix(), hybrid()
    x, y = s.to_dense(), h.to_dense()
    for dim in (0, 1, [0, 1], -1):
        same(torch.sparse.sum(s, dim), x.sum(dim))
        same(torch.sparse.sum(h, dim), y.sum(dim))
    same(s.sum(), x.sum())
    same(s.sum(0, keepdim=True), x.sum(0, keepdim=True))
    same(s.to_sparse_csr().sum(1, keepdim=True), x.sum(1, keepdim=True))
    same(s.norm(), x.norm())
    assert torch.sparse.sum(s, 0).is_sparse and torch.sparse.sum(h, 0).layout is torch.strided


@pytest.mark.parametrize("log", [False, True])
def test_softmax_over_entries(log):
    f, g = (torch.sparse.log_softmax, torch.log_softmax) if log else (torch.sparse.softmax, torch.softmax)
    for s in (matrix(), hybrid()):
        x, some = s.to_dense(), torch.zeros_like(s.to_dense()) != 0
        some[tuple(s._indices())] = True
        for dim in (0, 1):
            expected = g(x.masked_fill(~some, -torch.inf), dim).masked_fill(~some, 0)
            same(f(s, dim), expected)


def test_shapes():
    s, h = matrix(), hybrid()
    x, y = s.to_dense(), h.to_dense()
    index = torch.tensor([3, 0, 3])
    same(torch.cat([s, s * 2]), torch.cat([x, x * 2]))
    same(torch.cat([s, s * 2], 1), torch.cat([x, x * 2], 1))
    same(torch.cat([h, h], 1), torch.cat([y, y], 1))
    same(torch.stack([s, s]), torch.stack([x, x]))
    same(s.index_select(0, index), x.index_select(0, index))
    same(s.index_select(1, index), x.index_select(1, index))
    same(h.index_select(1, torch.tensor([2, 0])), y.index_select(1, torch.tensor([2, 0])))
    same(s[2], x[2])
    same(s[:, 3], x[:, 3])
    same(s[2, 3], x[2, 3])
    same(h[0], y[0])
    same(s[None], x[None])
    same(s.narrow_copy(1, 2, 3), x[:, 2:5])
    same(s.transpose(0, 1), x.t())
    same(h.unsqueeze(2), y.unsqueeze(2))
    same(torch.stack([row.to_dense() for row in s]), x)
    same((x + 1).sparse_mask(s.coalesce()), (x + 1) * (x != 0))
    assert s.clone().sparse_resize_((8, 9), 2, 0).to_dense()[:5, :7].equal(x)
    with pytest.raises(RuntimeError, match="shrinking the size of sparse dimensions"):
        s.sparse_resize_((2, 2), 2, 0)
    with pytest.raises(IndexError, match="index 9 is out of bounds for dimension 0 with size 5"):
        s[9]


def test_what_is_not_there_is_refused_by_name():
    s, d = matrix(), torch.ones(5, 7)
    for name, use in {
        "exp": s.exp, "cumsum": lambda: torch.cumsum(s, 0), "view": lambda: s.view(7, 5), "max": lambda: s.max(0), "eq": lambda: s == s,
        "fill_": lambda: s.fill_(1), "where": lambda: torch.where(d > 0, s, d), "data_ptr": s.data_ptr, "tolist": s.tolist,
        "linalg.svd": lambda: torch.linalg.svd(s), "nn.mse_loss": lambda: nn.functional.mse_loss(s, s), "untyped_storage": s.untyped_storage,
        "nn.conv2d": lambda: nn.functional.conv2d(s, s), "__getitem__": lambda: s[1:3], "__setitem__": lambda: s.__setitem__(0, 1),
        "topk": lambda: s.topk(1), "set_": lambda: s.set_(d), "squeeze": s.squeeze, "__dlpack__": s.__dlpack__,
    }.items():  # fmt: skip
        with pytest.raises(NotImplementedError, match=rf"'{name}'.*layout torch.sparse_coo.*to_dense"):
            use()
    for use in (
        lambda: d.set_(s),
        lambda: setattr(d, "data", s),
        lambda: setattr(s, "data", d),
        lambda: d.__setitem__(slice(None), s),
    ):
        with pytest.raises(NotImplementedError, match="sparse|layout"):
            use()
    with pytest.raises(TypeError, match="can't convert Sparse layout tensor to numpy"):
        s.numpy()


def test_every_operator_refuses_or_computes():
    """No operator of the registry may crash or read memory that is not there when handed a sparse matrix."""
    s, refused = matrix(3, 3, 4), 0
    for op in torch._C._registry():
        if (
            op["namespace"] not in ("", "nn", "linalg", "special")
            or not op["params"]
            or "Tensor" not in op["params"][0]["type"]
        ):
            continue
        space = torch._C._functions if not op["namespace"] else getattr(torch._C, "_" + op["namespace"])
        function = getattr(space, op["name"], None) or getattr(torch.Tensor, op["name"], None)
        if function is None:
            continue
        needed = [p for p in op["params"] if not p["has_default"]]
        stand_in = {
            "Tensor": s,
            "Operand": s,
            "int": 0,
            "float": 0.5,
            "Scalar": 2,
            "bool": True,
            "int[]": [0],
            "Tensor[]": [s, s],
            "str": "mean",
        }
        try:
            function(*[stand_in.get(p["type"].split("[2]")[0], s) for p in needed])
        except NotImplementedError as error:
            refused += "sparse" in str(error) or "layout" in str(error)
        except (RuntimeError, TypeError, ValueError, IndexError, AssertionError, AttributeError):
            pass
    assert refused > 300


# ---------------------------------------------------------------- gradients
@pytest.mark.parametrize(
    "f",
    [
        lambda s: s.to_dense(), lambda s: s.coalesce().values(), lambda s: s * 2, lambda s: s * s, lambda s: s.t(), lambda s: s.sin(), lambda s: s + s.pow(2),
        lambda s: torch.sparse.sum(s), lambda s: torch.sparse.sum(s, 0), lambda s: torch.sparse.sum(s, 1), lambda s: torch.sparse.softmax(s, 1),
        lambda s: torch.sparse.log_softmax(s, 0), lambda s: torch.cat([s, s]), lambda s: s[1], lambda s: s.index_select(0, torch.tensor([1, 1])),
        lambda s: torch.sparse.mm(s, s.t()), lambda s: s.to_sparse_csr() * 3, lambda s: s.sum(), lambda s: s / 3, lambda s: s.clone().neg(),
    ],
)  # fmt: skip
def test_gradients_of_entries(f):
    assert gradcheck(f, matrix(requires_grad=True), masked=True)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_gradients_of_products(layout):
    s = matrix().to_sparse(layout=layout).requires_grad_()
    d = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(torch.sparse.mm, (s, d), masked=True)
    assert gradcheck(lambda a, b: b.t() @ a.t(), (s, d), masked=True)
    assert gradcheck(lambda a, b: a * b, (s, torch.randn(5, 7, dtype=torch.float64, requires_grad=True)), masked=True)
    assert gradcheck(lambda a, b: b + a, (s, torch.randn(5, 7, dtype=torch.float64, requires_grad=True)), masked=True)


def test_gradients_of_dense_tensors_through_sparse_ones():
    d = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    mask = matrix(4, 5, 6)
    assert gradcheck(lambda x: x.to_sparse() * 2, (d,)) and gradcheck(lambda x: x.to_sparse_csr().values(), (d,))
    assert gradcheck(lambda x: x.sparse_mask(mask), (d,)) and gradcheck(lambda x: x.to_sparse(1), (d,))
    assert gradcheck(
        lambda v: torch.sparse_coo_tensor(mask._indices(), v, (4, 5)).sin(), (mask._values().requires_grad_(),)
    )
    r = mask.to_sparse_csr()
    pattern = (r.crow_indices(), r.col_indices())
    assert gradcheck(
        lambda v: torch.sparse_csr_tensor(*pattern, v, (4, 5)) @ torch.ones(5, 2, dtype=torch.float64),
        (r.values().requires_grad_(),),
    )
    assert gradcheck(
        lambda a, b: torch.sparse.sampled_addmm(r, a, b, beta=0.5),
        (d[:, :2].detach().requires_grad_(), d[:2].detach().requires_grad_()),
    )


def test_layouts_of_gradients():
    s, d = matrix(requires_grad=True), torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    torch.sparse.mm(s, d).pow(2).sum().backward()
    whole = 2 * (s.detach().to_dense() @ d.detach()) @ d.detach().t()
    assert s.grad.is_sparse and d.grad.layout is torch.strided
    same(s.grad, whole.sparse_mask(s.detach().coalesce()))
    s.grad = None
    torch.mm(s, d).pow(2).sum().backward()
    assert s.grad.layout is torch.strided
    same(s.grad, whole)
    r = matrix().to_sparse_csr().requires_grad_()
    r.to_dense().sum().backward()
    assert r.grad.layout is torch.sparse_csr and r.grad.values().eq(1).all()


def test_second_order():
    s = matrix(requires_grad=True)
    (g,) = torch.autograd.grad(s.coalesce().values().pow(3).sum(), s, create_graph=True)
    (h,) = torch.autograd.grad(torch.sparse.sum(g), s)
    same(h.coalesce().values(), 6 * s.detach().coalesce().values())


def test_hooks_see_sparse_gradients():
    s, seen = matrix(requires_grad=True), []
    s.register_hook(lambda g: seen.append(g.layout) or g * 2)
    s.to_dense().sum().backward()
    assert seen == [torch.sparse_coo] and s.grad.coalesce().values().eq(2).all()


# ---------------------------------------------------------------- embeddings and optimizers
def table(sparse, kind="embedding", **options):
    torch.manual_seed(0)
    return (
        nn.Embedding(6, 3, sparse=sparse, **options)
        if kind == "embedding"
        else nn.EmbeddingBag(6, 3, sparse=sparse, mode=kind, **options)
    )


@pytest.mark.parametrize("kind", ["embedding", "sum", "mean"])
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_embedding_gradients_are_those_of_the_dense_one(kind, padding_idx):
    at, grads = torch.tensor([[1, 3, 1], [0, 5, 3]]), []
    for sparse in (True, False):
        e = table(sparse, kind, padding_idx=padding_idx)
        e(at).pow(2).sum().backward()
        assert e.weight.grad.is_sparse is sparse
        grads.append(e.weight.grad)
    same(*grads)


def test_accumulation_of_sparse_and_dense_gradients():
    e, d = table(True), table(False)
    steps = [lambda t: t(torch.tensor([1, 2])).sum(), lambda t: t(torch.tensor([2, 2])).pow(2).sum()]
    for step in steps:
        step(e).backward()
        step(d).backward()
        assert e.weight.grad.is_sparse
    same(e.weight.grad, d.weight.grad)
    for t in (e, d):
        (t.weight.pow(2).sum() + steps[0](t)).backward()
        steps[1](t).backward()
    assert not e.weight.grad.is_sparse
    same(e.weight.grad, d.weight.grad)


def test_a_sparse_gradient_passes_through_dense_operators():
    w = torch.ones(6, 3, requires_grad=True)
    nn.functional.embedding(torch.tensor([1, 4, 1]), (w * 2).t().t(), sparse=True).sum().backward()
    assert w.grad.to_dense().sum(1).tolist() == [0, 12, 0, 0, 6, 0]


@pytest.mark.parametrize("dim", [0, 1])
def test_gather_with_sparse_grad(dim):
    at, grads = torch.tensor([[0, 1], [1, 1]]), []
    for sparse in (True, False):
        x = torch.arange(6.0).reshape(2, 3).requires_grad_()
        x.gather(dim, at, sparse_grad=sparse).pow(2).sum().backward()
        grads.append(x.grad)
    assert grads[0].is_sparse
    same(*grads)


def run(make, sparse, steps=4):
    e = table(sparse)
    o = make(e.parameters())
    for step in range(steps):
        o.zero_grad()
        e(torch.tensor([1, (step * 2) % 6, 4])).pow(2).sum().backward()
        o.step()
    return e.weight.detach()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda p: torch.optim.Adagrad(p, 0.1),
        lambda p: torch.optim.SGD(p, 0.1, maximize=True), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ],
)  # fmt: skip
def test_optimizers_with_sparse_gradients_step_as_with_dense_ones(make):
    torch.testing.assert_close(run(make, True), run(make, False))


def test_sparse_adam_is_adam_on_the_rows_that_were_read():
    e, d = table(True), table(False)
    a, b = torch.optim.SparseAdam(e.parameters(), lr=0.1), torch.optim.Adam(d.parameters(), lr=0.1)
    for _ in range(5):
        for t, o in ((e, a), (d, b)):
            o.zero_grad()
            t(torch.tensor([1, 4, 1])).pow(2).sum().backward()
            o.step()
    torch.testing.assert_close(e.weight, d.weight)
    assert e.weight[0].equal(table(True).weight[0])


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"])
def test_other_optimizers_refuse_sparse_gradients(name):
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        run(getattr(torch.optim, name), True)


def test_grad_scaler_unscales_entries():
    e = table(True)
    o, scaler = torch.optim.SGD(e.parameters(), 0.1), torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(e(torch.tensor([1, 1])).sum()).backward()
    assert e.weight.grad.to_dense()[1].tolist() == [16, 16, 16]
    scaler.unscale_(o)
    assert e.weight.grad.is_sparse and e.weight.grad.to_dense()[1].tolist() == [2, 2, 2]


def test_threads_of_python_and_functional_transforms():
    from concurrent.futures import ThreadPoolExecutor

    s, d = matrix(60, 50, 500), torch.randn(50, 4, dtype=torch.float64)
    with ThreadPoolExecutor(4) as pool:
        for product in pool.map(lambda _: s @ d, range(16)):
            torch.testing.assert_close(product, s.to_dense() @ d)
    same(torch.func.grad(lambda x: torch.sparse.mm(s, x).sum())(d), torch.ones(60, 4, dtype=torch.float64).t().mm(s.to_dense()).t())
    batch = torch.randn(3, 50, 2, dtype=torch.float64)
    same(torch.vmap(lambda x: torch.sparse.mm(s, x))(batch), s.to_dense() @ batch)


def test_factories_of_layouts():
    for layout in LAYOUTS:
        z = torch.zeros(2, 3, layout=layout, dtype=torch.float64, requires_grad=True)
        assert z.layout is layout and z.shape == (2, 3) and z._nnz() == 0 and z.requires_grad and z.dtype is torch.float64
        assert torch.zeros_like(z).layout is layout and torch.empty(2, 3, layout=layout).layout is layout
    with pytest.raises(NotImplementedError, match="layout torch.sparse_coo is not supported"):
        torch.ones(2, 3, layout=torch.sparse_coo)


@pytest.mark.parametrize("copy", [lambda w: w.clone(), lambda w: w.double()])
def test_copies_hand_sparse_gradients_on(copy):
    w = torch.ones(6, 3, requires_grad=True)
    nn.functional.embedding(torch.tensor([1, 4, 1]), copy(w), sparse=True).sum().backward()
    assert w.grad.is_sparse and w.grad.dtype is torch.float32
    assert w.grad.to_dense().sum(1).tolist() == [0, 6, 0, 0, 3, 0]
