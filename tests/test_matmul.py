"""Products of matrices and vectors, linear layers, einsum: values against NumPy, gradients by finite differences."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)


def rand(*shape, dtype="float64", grad=False):
    x = RNG.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * RNG.standard_normal(shape)
    return torch.from_numpy(x.astype(dtype)).requires_grad_(grad)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int32", "int64", "uint8"])
@pytest.mark.parametrize("m,n,k", [(1, 1, 1), (3, 4, 5), (100, 5, 10), (65, 70, 129), (0, 3, 2), (3, 0, 2), (3, 2, 0)]
    + [(m, n, k) for m in (0, 1, 2, 3, 4, 5) for n, k in ((130, 37), (9, 64), (0, 40), (20, 0))])  # fmt: skip
def test_mm_in_every_layout(dtype, m, n, k):
    a = (RNG.standard_normal((m, k)) * 4).astype(dtype)
    b = (RNG.standard_normal((k, n)) * 4).astype(dtype)
    layouts = [
        lambda x: torch.from_numpy(x.copy()),
        lambda x: torch.from_numpy(np.ascontiguousarray(x.T)).t(),
        lambda x: torch.from_numpy(np.repeat(np.repeat(x, 2, 0), 3, 1))[::2, ::3],
    ]
    for left in layouts:
        for right in layouts:
            got = torch.mm(left(a), right(b)).numpy()
            np.testing.assert_allclose(got, (a @ b).astype(dtype), rtol=2e-4 if "32" in dtype or "64" == dtype[-2:] else 1e-9, atol=1e-4)


def test_bfloat16_is_added_up_in_single_precision():
    a, b = rand(40, 300, dtype="float32").bfloat16(), rand(300, 20, dtype="float32").bfloat16()
    exact = a.float().numpy().astype("float64") @ b.float().numpy().astype("float64")
    np.testing.assert_allclose((a @ b).float().numpy(), exact, rtol=1e-2, atol=5e-2)


@pytest.mark.parametrize(
    "left,right",
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
     ((5, 1, 2, 3), (4, 3, 2)), ((1, 2, 3), (6, 3, 2)), ((0, 2, 3), (3, 2)), ((2, 0), (0, 3))],
)  # fmt: skip
def test_matmul_broadcasts_as_numpy(left, right):
    a, b = rand(*left), rand(*right)
    np.testing.assert_allclose(torch.matmul(a, b).numpy(), np.matmul(a.numpy(), b.numpy()))
    a.requires_grad_(), b.requires_grad_()
    assert gradcheck(torch.matmul, (a, b))


def test_sums_with_products():
    c, a, b = rand(3, 4), rand(3, 5), rand(5, 4)
    np.testing.assert_allclose(torch.addmm(c, a, b, beta=0.5, alpha=2).numpy(), 0.5 * c.numpy() + 2 * (a.numpy() @ b.numpy()))
    np.testing.assert_allclose(torch.addmm(c[0], a, b).numpy(), c[0].numpy() + a.numpy() @ b.numpy())
    expected = c.numpy() + a.numpy() @ b.numpy()
    pointer = c.data_ptr()
    c.addmm_(a, b)
    assert c.data_ptr() == pointer
    np.testing.assert_allclose(c.numpy(), expected)
    nan = torch.full((3, 4), float("nan"), dtype=torch.float64)
    assert not torch.addmm(nan, a, b, beta=0).isnan().any()
    x, y = rand(2, 3, 4), rand(2, 4, 5)
    np.testing.assert_allclose(torch.baddbmm(rand(5) * 0, x, y).numpy(), x.numpy() @ y.numpy())
    np.testing.assert_allclose(torch.addbmm(rand(3, 5) * 0, x, y).numpy(), (x.numpy() @ y.numpy()).sum(0))


def test_out_is_resized_and_may_overlap():
    a, b = rand(3, 3), rand(3, 3)
    expected = a.numpy() @ b.numpy()
    out = torch.empty(0, dtype=torch.float64)
    assert torch.mm(a, b, out=out) is out and out.shape == (3, 3)
    torch.mm(a, b, out=a)
    np.testing.assert_allclose(a.numpy(), expected)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.mm(a, b, out=torch.empty(3, 3))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_of_first_and_second_order(dtype):
    def of(f, *shapes):
        inputs = tuple(rand(*s, dtype=dtype, grad=True) for s in shapes)
        assert gradcheck(f, inputs) and gradgradcheck(f, inputs)

    of(torch.mm, (2, 3), (3, 4))
    of(torch.bmm, (2, 2, 3), (2, 3, 2))
    of(torch.mv, (2, 3), (3,))
    of(torch.dot, (3,), (3,))
    of(torch.vdot, (3,), (3,))
    of(lambda c, a, b: torch.addmm(c, a, b, beta=2, alpha=3), (4,), (2, 3), (3, 4))
    of(lambda c, a, b: torch.addmv(c, a, b, beta=2, alpha=3), (2,), (2, 3), (3,))
    of(torch.nn.functional.linear, (2, 2, 3), (4, 3), (4,))
    of(torch.nn.functional.bilinear, (2, 3), (2, 2), (4, 3, 2), (4,))


def test_linear_gradient_without_graph_is_the_recorded_one():
    x, w, b = rand(2, 5, 3, grad=True), rand(4, 3, grad=True), rand(4, grad=True)
    y = torch.nn.functional.linear(x, w, b)
    g = rand(2, 5, 4)
    plain = torch.autograd.grad(y, (x, w, b), g, retain_graph=True)
    recorded = torch.autograd.grad(y, (x, w, b), g, create_graph=True)
    for p, r in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(p.numpy(), r.detach().numpy())


@pytest.mark.parametrize(
    "equation,shapes",
    [("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk", [(2, 3, 4), (2, 4, 5)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("...i,...i->...", [(2, 3), (3,)]),
     ("ij,kj,lk->il", [(2, 3), (4, 3), (5, 4)]), ("i,j->ij", [(2,), (3,)]), ("a...->...a", [(2, 3, 4)]), ("ij,ij->", [(2, 3), (2, 3)]),
     ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]), ("ij,j->ij", [(2, 3), (1,)])],
)  # fmt: skip
def test_einsum_against_numpy(equation, shapes):
    xs = [rand(*s) for s in shapes]
    explicit = equation
    values = [x.numpy() for x in xs]
    if equation == "ij,j->ij":
        values[1] = np.broadcast_to(values[1], (3,))
    np.testing.assert_allclose(torch.einsum(equation, *xs).numpy(), np.einsum(explicit, *values), atol=1e-12)


def test_einsum_sublists_and_errors():
    a, b = rand(2, 3), rand(3, 4)
    np.testing.assert_allclose(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]).numpy(), a.numpy() @ b.numpy())
    for equation, operands in [("ij,jk", (a,)), ("ij", (a, b)), ("ij->ik", (a,)), ("ij->ii", (a,)), ("i.j", (a,)), ("ij,jk", (a, rand(5, 4)))]:
        with pytest.raises(RuntimeError, match="einsum"):
            torch.einsum(equation, *operands)


def test_chains():
    a, b, c = rand(2, 30), rand(30, 3), rand(3, 4)
    expected = a.numpy() @ b.numpy() @ c.numpy()
    np.testing.assert_allclose(torch.linalg.multi_dot([a, b, c]).numpy(), expected)
    np.testing.assert_allclose(torch.chain_matmul(a, b, c).numpy(), expected)
    np.testing.assert_allclose(torch.tensordot(rand(2, 3, 4), rand(4, 3, 2), dims=([1, 2], [1, 0])).shape, (2, 2))


@pytest.mark.parametrize(
    "call,message",
    [(lambda: torch.mm(torch.ones(2, 3), torch.ones(2, 3)), "shapes cannot be multiplied"), (lambda: torch.mm(torch.ones(2), torch.ones(2, 3)), "must be a matrix"),
     (lambda: torch.ones(2, 3) @ torch.ones(3, 3).double(), "same dtype"), (lambda: torch.dot(torch.ones(2), torch.ones(3)), "inconsistent tensor size"),
     (lambda: torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 5)), "cannot be multiplied"), (lambda: torch.ones(2, 3, 4).bmm(torch.ones(2, 3, 4)), "first two dimensions")],
)  # fmt: skip
def test_errors_name_the_shapes(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()
    with pytest.raises(NotImplementedError, match="Bool"):
        torch.ones(2, 2, dtype=torch.bool) @ torch.ones(2, 2, dtype=torch.bool)


def test_meta_computes_shapes_only():
    a, b = torch.empty(2, 3, device="meta"), torch.empty(3, 4, device="meta")
    assert (a @ b).shape == (2, 4) and (a @ b).device.type == "meta"
    assert torch.nn.functional.linear(a, torch.empty(5, 3, device="meta")).shape == (2, 5)
