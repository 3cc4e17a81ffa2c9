"""Linear algebra: identities that define each factorization, NumPy's values, gradients by finite differences."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

L = torch.linalg
RNG = np.random.default_rng(2)
DTYPES = ["float32", "float64", "complex64", "complex128"]


def rand(*shape, dtype="float64", grad=False):
    x = RNG.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * RNG.standard_normal(shape)
    return torch.from_numpy(x.astype(dtype)).requires_grad_(grad)


def close(a, b, dtype="float64"):
    loose = dtype in ("float32", "complex64")
    np.testing.assert_allclose(a.resolve_conj().numpy(), b.resolve_conj().numpy() if isinstance(b, torch.Tensor) else b, rtol=2e-3 if loose else 1e-8, atol=1e-3 if loose else 1e-9)


def definite(n, dtype="float64", batch=()):
    a = rand(*batch, n, n, dtype=dtype)
    return a @ a.mH + n * torch.eye(n, dtype=a.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)])
def test_square_matrices(dtype, batch):
    a, b = rand(*batch, 4, 4, dtype=dtype), rand(*batch, 4, 3, dtype=dtype)
    close(a @ L.solve(a, b), b, dtype)
    close(L.solve(a, b.mT, left=False) @ a, b.mT, dtype)
    close(a @ L.inv(a), np.broadcast_to(np.eye(4), (*batch, 4, 4)), dtype)
    close(L.det(a), np.linalg.det(a.numpy()), dtype)
    sign, size = L.slogdet(a)
    close(sign * size.exp(), L.det(a), dtype)
    p, lower, upper = L.lu(a)
    close(p @ lower @ upper, a, dtype)
    values, vectors = L.eig(a)
    close(a.to(vectors.dtype) @ vectors, vectors * values.unsqueeze(-2), dtype)
    close(L.matrix_power(a, 3), a @ a @ a, dtype)
    lu, pivots = L.lu_factor(a)
    close(a @ L.lu_solve(lu, pivots, b), b, dtype)
    close(a.mH @ L.lu_solve(lu, pivots, b, adjoint=True), b, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 5, 3), (0, 3), (3, 0)])
def test_any_matrices(dtype, shape):
    a = rand(*shape, dtype=dtype)
    m, n, k = shape[-2], shape[-1], min(shape[-2:])
    for mode in ("reduced", "complete"):
        q, r = L.qr(a, mode)
        close(q @ r, a, dtype)
        close(q.mH @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], q.shape[-1], q.shape[-1])), dtype)
    for full in (True, False):
        u, s, vh = L.svd(a, full_matrices=full)
        assert u.shape[-1] == (m if full else k) and vh.shape[-2] == (n if full else k)
        close((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :], a, dtype)
    if a.numel():
        close(L.svdvals(a), np.linalg.svd(a.numpy(), compute_uv=False), dtype)
        close(L.pinv(a), np.linalg.pinv(a.numpy()), dtype)
        assert (L.matrix_rank(a) == k).all()
        p, lower, upper = L.lu(a)
        close(p @ lower @ upper, a, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_hermitian_matrices(dtype):
    a = definite(4, dtype, (2,))
    lower = L.cholesky(a)
    close(lower @ lower.mH, a, dtype)
    close(L.cholesky(a, upper=True), lower.mH, dtype)
    b = rand(2, 4, 2, dtype=dtype)
    close(a @ torch.cholesky_solve(b, lower), b, dtype)
    close(torch.cholesky_inverse(lower) @ a, np.broadcast_to(np.eye(4), (2, 4, 4)), dtype)
    values, vectors = L.eigh(a)
    close(vectors @ (values.unsqueeze(-1).to(vectors.dtype) * vectors.mH), a, dtype)
    close(L.eigvalsh(a), values, dtype)
    close(lower @ L.solve_triangular(lower, b, upper=False), b, dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients(dtype):
    def of(f, *inputs, second=True):
        inputs = tuple(x.detach().requires_grad_() for x in inputs)
        assert gradcheck(f, inputs)
        if second:
            assert gradgradcheck(f, inputs)

    a, b = rand(3, 3, dtype=dtype) + 3 * torch.eye(3), rand(3, 2, dtype=dtype)
    of(L.det, a)
    of(L.inv, a)
    of(L.solve, a, b)
    of(lambda x: L.slogdet(x)[1], a)
    of(lambda x: L.lu_factor(x)[0], a)
    of(lambda x: L.lu_factor(x)[0], rand(2, 3, dtype=dtype))
    of(lambda x: L.lu_factor(x)[0], rand(3, 2, dtype=dtype))
    of(lambda x: L.cholesky(x @ x.mH + 3 * torch.eye(3)), a)
    of(lambda x, y: L.solve_triangular(x, y, upper=True), a, b)
    of(L.qr, rand(4, 2, dtype=dtype) + 2 * torch.eye(4, 2))
    of(L.qr, rand(2, 4, dtype=dtype) + 2 * torch.eye(2, 4))
    of(L.svdvals, rand(3, 2, dtype=dtype))
    of(lambda x: L.eigvalsh(x + x.mH), a)
    of(lambda x: L.eigh(x + x.mH)[1].abs(), a)
    of(L.pinv, rand(3, 2, dtype=dtype))
    of(lambda x, y: L.lstsq(x, y)[0], rand(4, 2, dtype=dtype), rand(4, 2, dtype=dtype))
    of(L.matrix_exp, a / 3)
    of(lambda x: L.matrix_power(x, 3), a)
    of(lambda x: L.eigvals(x).abs(), a, second=False)


def test_singular_values_of_a_product():
    x = rand(3, 2, grad=True)

    def rebuilt(x):
        u, s, vh = L.svd(x, full_matrices=False)
        return (u * s**2) @ vh

    assert gradcheck(rebuilt, (x,)) and gradgradcheck(rebuilt, (x,))


def test_det_of_a_singular_matrix_has_a_gradient():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    L.det(a).backward()
    close(a.grad, np.array([[4.0, -2.0], [-2.0, 1.0]]))


def test_matrix_exp_against_scipy():
    scipy_linalg = pytest.importorskip("scipy.linalg")
    for scale in (1e-3, 1.0, 30.0):
        a = rand(5, 5) * scale
        np.testing.assert_allclose(L.matrix_exp(a).numpy(), scipy_linalg.expm(a.numpy()), rtol=1e-6)


def test_least_squares():
    for m, n in ((5, 3), (3, 5)):
        a, b = rand(m, n), rand(m, 2)
        for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
            close(L.lstsq(a, b, driver=driver).solution, np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)[0])


def test_tensor_equations_and_condition():
    a = rand(2, 3, 6)
    x = L.tensorsolve(a, rand(2, 3))
    assert x.shape == (6,)
    np.testing.assert_allclose(L.tensorinv(a).numpy(), np.linalg.tensorinv(a.numpy()))
    m = rand(3, 3)
    for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro"):
        np.testing.assert_allclose(L.cond(m, p).item(), np.linalg.cond(m.numpy(), p))


@pytest.mark.parametrize("p", [0, 1, 1.5, 2, 3, float("inf")])
def test_cdist(p):
    x, y = rand(2, 3, 4), rand(2, 5, 4)
    expected = np.linalg.norm(x.numpy()[:, :, None] - y.numpy()[:, None], ord=p, axis=-1)
    np.testing.assert_allclose(torch.cdist(x, y, p).numpy(), expected)
    if p >= 1:
        assert gradcheck(lambda x, y: torch.cdist(x, y, p), (rand(3, 2, grad=True), rand(2, 2, grad=True)))
    many, others = rand(40, 3), rand(30, 3)
    np.testing.assert_allclose(torch.cdist(many, others).numpy(), np.linalg.norm(many.numpy()[:, None] - others.numpy()[None], axis=-1), atol=1e-7)


def test_errors_are_those_of_linear_algebra():
    singular = torch.zeros(3, 3)
    for call in (lambda: L.inv(singular), lambda: L.solve(singular, torch.ones(3)), lambda: L.cholesky(-torch.eye(3))):
        with pytest.raises(L.LinAlgError):
            call()
    assert L.inv_ex(singular).info.item() == 1 and L.cholesky_ex(-torch.eye(3)).info.item() == 1
    for call in (lambda: L.inv(torch.ones(2, 3)), lambda: L.inv(torch.ones(3)), lambda: L.det(torch.ones(2, 2, dtype=torch.int64)), lambda: L.solve(torch.eye(3), torch.ones(4, 2)), lambda: L.qr(torch.ones(2, 2), "x")):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(L.LinAlgError, match="non-finite"):
        L.svd(torch.full((2, 2), float("nan")))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hermitian", [False, True])
def test_ldl(dtype, hermitian):
    a = rand(2, 5, 5, dtype=dtype)
    a = a + (a.mH if hermitian else a.mT)
    b = rand(2, 5, 3, dtype=dtype)
    ld, pivots, info = L.ldl_factor_ex(a, hermitian=hermitian)
    assert pivots.dtype == torch.int32 and (info == 0).all()
    close(a @ L.ldl_solve(ld, pivots, b, hermitian=hermitian), b, dtype)
    assert L.ldl_factor_ex(torch.zeros(3, 3)).info.item() == 1
    with pytest.raises(RuntimeError):
        L.ldl_factor(torch.zeros(3, 3))
    with pytest.raises(RuntimeError, match="pivots"):  # would be followed out of memory
        L.ldl_solve(ld, torch.full((2, 5), 99, dtype=torch.int32), b)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_of_factors(dtype):
    def of(f, *inputs):
        inputs = tuple(x.detach().requires_grad_() for x in inputs)
        assert gradcheck(f, inputs) and gradgradcheck(f, inputs)

    lower, b = L.cholesky(definite(3, dtype)), rand(3, 2, dtype=dtype)
    for upper in (False, True):
        half = torch.triu if upper else torch.tril
        factor = lower.mH if upper else lower
        of(lambda x, y, half=half, upper=upper: torch.cholesky_solve(y, half(x), upper), factor, b)
        # LAPACK reads only the real part of the diagonal of a factor, so it must come from one.
        of(lambda x, upper=upper: torch.cholesky_inverse(L.cholesky(x @ x.mH + 3 * torch.eye(3), upper=upper), upper), rand(3, 3, dtype=dtype))
    v, tau = torch.geqrf(rand(4, 2, dtype=dtype))
    of(L.householder_product, v, tau)
    of(L.householder_product, rand(4, 3, dtype=dtype), rand(2, dtype=dtype))
    for left in (True, False):
        for transpose in (True, False):
            c = rand(4, 3, dtype=dtype) if left else rand(3, 4, dtype=dtype)
            of(lambda v, t, c, left=left, transpose=transpose: torch.ormqr(v, t, c, left, transpose), v, tau, c)
    h = rand(3, 3, dtype=dtype)
    of(lambda x: L.pinv(x + x.mH, hermitian=True), h)
    of(lambda x: (L.eigvalsh(x + x.mH) ** 3).sum(), h)


def test_ormqr_is_a_product_with_q():
    a = rand(5, 3)
    v, tau = torch.geqrf(a)
    q = L.qr(a, mode="complete").Q
    c = rand(5, 2)
    close(torch.ormqr(v, tau, c), q @ c)
    close(torch.ormqr(v, tau, c, transpose=True), q.mT @ c)
    close(torch.ormqr(v, tau, c.mT, left=False), c.mT @ q)


def test_losses_that_depend_on_a_free_phase_are_refused():
    h = rand(3, 3, dtype="complex128")
    h = (h + h.mH).requires_grad_()
    for vectors in (L.eigh(h).eigenvectors, L.svd(h).U, L.eig(h).eigenvectors):
        with pytest.raises(RuntimeError, match="phi"):
            torch.autograd.grad(vectors.real.sum(), h)


@pytest.mark.parametrize("shape", [(12, 7), (7, 12), (2, 9, 6)])
def test_low_rank(shape):
    a = rand(*shape[:-1], 3) @ rand(*shape[:-2], 3, shape[-1])
    for given, m in ((a, None), (a + 1, torch.ones(shape[-1], dtype=a.dtype))):
        u, s, v = torch.svd_lowrank(given, q=3, M=m)
        close((u * s.unsqueeze(-2)) @ v.mH, a)
        close(s, L.svdvals(a)[..., :3])
    u, s, v = torch.pca_lowrank(a, q=3)
    close((u * s.unsqueeze(-2)) @ v.mH, a - a.mean(-2, keepdim=True))
    with pytest.raises(ValueError, match="non-negative integer"):
        torch.pca_lowrank(a, q=99)


def test_lu():
    a = rand(3, 3)
    lu, pivots = torch.lu(a)
    p, lower, upper = torch.lu_unpack(lu, pivots)
    close(p @ lower @ upper, a)
    assert torch.lu(torch.zeros(2, 2), get_infos=True)[2].item() == 1 and len(a.lu()) == 2


def test_vectors_of_the_null_space_of_a_wide_matrix():
    a = rand(2, 3, 7)
    v = L.svd(a).Vh
    close(v @ v.mH, np.broadcast_to(np.eye(7), (2, 7, 7)))
    close(a @ v[:, 3:].mH, np.zeros((2, 3, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 24, 25, 50])
def test_small_and_large_orders_agree_with_numpy(dtype, n):
    a, b = rand(3, n, n, dtype=dtype), rand(3, n, 10, dtype=dtype)
    s = definite(n, dtype, (3,))
    loose = {"rtol": 2e-2, "atol": 2e-2} if dtype in ("float32", "complex64") else {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(L.solve(s, b).numpy(), np.linalg.solve(s.numpy(), b.numpy()), **loose)
    np.testing.assert_allclose(L.inv(s).numpy(), np.linalg.inv(s.numpy()), **loose)
    np.testing.assert_allclose(L.cholesky(s).numpy(), np.linalg.cholesky(s.numpy()), **loose)
    np.testing.assert_allclose(L.cholesky(s, upper=True).resolve_conj().numpy(), np.linalg.cholesky(s.numpy()).conj().swapaxes(1, 2), **loose)
    for one, other in zip(L.qr(a), np.linalg.qr(a.numpy()), strict=True):
        np.testing.assert_allclose(one.numpy(), other, **loose)
    p, lower, upper = L.lu(a)
    np.testing.assert_allclose((p @ lower @ upper).numpy(), a.numpy(), **loose)
    assert lower.abs().max() < 1.5  # pivots were the largest (of a complex column by |re| + |im|)


def test_qr_of_huge_and_tiny_numbers():
    for scale in (1e200, 1e-200, 1e-310):
        a = rand(6, 4) * scale
        q, r = L.qr(a)
        np.testing.assert_allclose((q.mT @ q).numpy(), np.eye(4), atol=1e-9)
        np.testing.assert_allclose((q @ r).numpy(), a.numpy(), rtol=1e-7, atol=scale * 1e-6)


@pytest.mark.parametrize("n", [3, 24, 40])
def test_nan_is_not_lost(n):
    a = definite(n)
    a[0, 0] = float("nan")
    assert L.inv(a).isnan().all() and L.solve(a, rand(n, 2)).isnan().all() and L.det(a).isnan()
    assert L.cholesky_ex(a).info.item() == 1
    with pytest.raises(L.LinAlgError):
        L.cholesky(a)
    b = definite(n)
    b[-1, -1] = float("nan")
    assert L.cholesky_ex(b).info.item() == n and L.inv(b).isnan().any()


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
def test_least_squares_of_infinities_come_back(driver):
    for value in (float("inf"), float("nan")):
        a = torch.eye(3)
        a[0, 0] = value
        with pytest.raises(L.LinAlgError, match="non-finite"):
            L.lstsq(a, torch.ones(3, 1), driver=driver)


def test_a_batch_of_sides_has_one_verdict_for_one_matrix():
    result, info = L.solve_ex(rand(3, 3), rand(2, 3, 2))
    assert result.shape == (2, 3, 2) and info.shape == ()
    a, b = rand(2, 1, 3, 3), rand(4, 3, 2)
    result, info = L.solve_ex(a, b)
    assert info.shape == (2, 1)
    close(a @ result, np.broadcast_to(b.numpy(), (2, 4, 3, 2)))
    x = rand(3, 3, grad=True)
    y = rand(2, 3, 2, grad=True)
    assert gradcheck(L.solve, (x, y)) and gradgradcheck(L.solve, (x, y))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64"])
def test_dtypes_without_a_kernel_are_refused(dtype):
    a = torch.eye(3, dtype=getattr(torch, dtype))
    for f in (L.inv, L.det, L.cholesky, L.qr, L.svd, L.eigh, L.eig, L.lu_factor, L.ldl_factor, L.pinv, torch.geqrf, torch.cholesky):
        with pytest.raises(RuntimeError):
            f(a)


def test_one_thread_and_two_give_the_same_bits():
    before = torch.get_num_threads()
    try:
        for n in (4, 20, 60):
            a, b = rand(400, n, n, dtype="float32"), rand(400, n, 3, dtype="float32")
            results = []
            for count in (1, 2):
                torch.set_num_threads(count)
                results.append([L.inv(a), L.solve(a, b), L.det(a), *L.qr(a), *L.eigh(a), L.cholesky(a @ a.mT + n * torch.eye(n))])
            assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("method", ["basic", "ortho"])
@pytest.mark.parametrize("largest", [True, False])
def test_lobpcg(method, largest):
    torch.manual_seed(0)
    a, b = rand(24, 24), definite(24)
    a = a + a.mT
    expected = np.linalg.eigvalsh(a.numpy())
    for k, n in ((1, None), (3, None), (2, 4)):
        values, vectors = torch.lobpcg(a, k=k, n=n, largest=largest, method=method)
        np.testing.assert_allclose(values.numpy(), expected[::-1][:k] if largest else expected[:k], rtol=1e-6)
        np.testing.assert_allclose((a @ vectors).numpy(), (vectors * values).numpy(), atol=1e-4)
    values, vectors = torch.lobpcg(a, k=2, B=b, largest=largest, method=method)
    np.testing.assert_allclose((a @ vectors).numpy(), (b @ vectors * values).numpy(), atol=1e-4)
    np.testing.assert_allclose((vectors.mT @ b @ vectors).numpy(), np.eye(2), atol=1e-6)
    batch, _ = torch.lobpcg(torch.stack([a, 2 * a]), k=1, largest=largest, method=method)
    np.testing.assert_allclose(batch[1].numpy(), 2 * batch[0].numpy(), rtol=1e-6)


def test_lobpcg_preconditioner_tracker_and_gradient():
    torch.manual_seed(0)
    steps = {"with": 0, "without": 0}
    a = torch.arange(1.0, 31.0, dtype=torch.float64).pow(3).diag()

    def count(name):
        return lambda worker: steps.__setitem__(name, worker.ivars["istep"])

    torch.lobpcg(a, k=2, largest=False, tracker=count("without"))
    torch.lobpcg(a, k=2, largest=False, iK=L.inv(a), tracker=count("with"))
    assert 0 < steps["with"] < 20 < steps["without"]
    m = rand(12, 12)
    m = m + m.mT
    grads = []
    for pairs in (lambda x: torch.lobpcg(x, k=2, tol=1e-10), lambda x: tuple(t[..., -2:] for t in L.eigh(x))):
        x = m.clone().requires_grad_()
        values, vectors = pairs(x)
        (values.sum() + (vectors**4).sum()).backward()
        grads.append(x.grad)
    np.testing.assert_allclose(grads[0].numpy(), grads[1].numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="not applicable"):
        torch.lobpcg(torch.eye(3), k=2)


def test_names_that_were_removed_say_so():
    for name in ("eig", "symeig", "solve", "matrix_rank"):
        with pytest.raises(RuntimeError, match="removed"):
            getattr(torch, name)(torch.eye(2))
    a = rand(2, 4, 3)
    close(torch.nuclear_norm(a, (1, 2)), np.linalg.svd(a.numpy(), compute_uv=False).sum(-1))
    close(torch.nuclear_norm(a[0]), np.linalg.svd(a[0].numpy(), compute_uv=False).sum())


def test_factors_under_vmap_and_strided_pivots():
    from rushlight.func import grad, vmap

    a, b = rand(4, 3, 3), rand(4, 3, 2)
    functions = [
        lambda x, y: L.lu(x)[2].sum(),
        lambda x, y: L.lu_factor(x)[0].sum(),
        lambda x, y: L.lu_solve(*L.lu_factor(x), y).sum(),
        lambda x, y: L.solve(x, y).sum(),
        lambda x, y: torch.lu_unpack(*L.lu_factor(x))[1].sum(),
    ]
    for f in functions:
        close(vmap(f)(a, b), torch.stack([f(a[i], b[i]) for i in range(4)]))
        close(vmap(grad(f))(a, b), torch.stack([grad(f)(a[i], b[i]) for i in range(4)]))
    lu, pivots = L.lu_factor(a)
    p, lower, upper = torch.lu_unpack(lu, pivots.T.contiguous().T)
    close(p @ lower @ upper, a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 12, 13, 40, 41])
def test_spectra_of_ordinary_and_odd_matrices(dtype, n):
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    plain = RNG.standard_normal((2, n, n))
    thin = RNG.standard_normal((2, n, 1))
    cases = {
        "plain": plain,
        "zero": plain * 0,
        "identity": np.broadcast_to(np.eye(n), (2, n, n)),
        "rank one": thin @ thin.swapaxes(1, 2),
        "huge": plain * 1e18,
        "tiny": plain * 1e-30,
        "graded": plain * np.logspace(0, -12, n),
    }
    for name, a in cases.items():
        a = np.ascontiguousarray(a.astype(dtype))
        scale = np.abs(a).max() or 1
        u, s, vh = (t.numpy() for t in L.svd(torch.from_numpy(a)))
        assert np.abs(u * s[:, None] @ vh - a).max() <= tolerance * scale * n, name
        assert np.abs(u.swapaxes(1, 2) @ u - np.eye(n)).max() < tolerance * 10, name
        assert np.abs(vh @ vh.swapaxes(1, 2) - np.eye(n)).max() < tolerance * 10, name
        assert (np.diff(s) <= 0).all() and np.abs(L.svdvals(torch.from_numpy(a)).numpy() - s).max() <= tolerance * scale * n
        h = a + a.swapaxes(1, 2)
        for side, half in (("L", np.tril(h)), ("U", np.triu(h))):
            w, v = (t.numpy() for t in L.eigh(torch.from_numpy(half), UPLO=side))
            assert np.abs(h @ v - v * w[:, None]).max() <= tolerance * scale * n, name
            assert np.abs(v.swapaxes(1, 2) @ v - np.eye(n)).max() < tolerance * 10, name
            assert (np.diff(w) >= 0).all()
            assert np.abs(L.eigvalsh(torch.from_numpy(half), UPLO=side).numpy() - w).max() <= tolerance * scale * n


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_one_large_matrix_is_factored_in_blocks(dtype):
    n = 421
    a, b = rand(n, n, dtype=dtype), rand(n, 200, dtype=dtype)
    s = definite(n, dtype)
    tall = a[:, :390]
    before, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            lower = L.cholesky(s)
            results.append([*L.lu(a), lower, L.cholesky(s, upper=True), *L.qr(a), *L.qr(tall, "complete"), L.solve(s, b), torch.cholesky_solve(b, lower)])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one.resolve_conj().numpy(), two.resolve_conj().numpy())
    p, lower, upper, l_factor, u_factor, q, r, q_all, r_all, x, y = results[0]
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    eye = torch.eye(n, dtype=a.dtype)
    for one, other in (
        (p @ lower @ upper, a),
        (l_factor @ l_factor.mH, s),
        (u_factor.mH @ u_factor, s),
        (q @ r, a),
        (q.mH @ q, eye),
        (q_all @ r_all, tall),
        (q_all.mH @ q_all, eye),
        (s @ x, b),
        (s @ y, b),
    ):
        assert ((one - other).abs().max() / other.abs().max()).item() < tolerance
    broken = s.clone()
    broken[400, 400] = -1
    assert L.cholesky_ex(broken).info.item() == 401
    a[:, 410] = 0
    assert L.lu_factor_ex(a).info.item() == 411
