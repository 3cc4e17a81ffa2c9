"""Elementwise operators: values against NumPy and SciPy, promotion, broadcasting, results in place, gradients."""

import itertools
import math

import numpy as np
import pytest

import rushlight as torch

scipy_special = pytest.importorskip("scipy.special")

pytestmark = pytest.mark.core

RNG = np.random.default_rng(0)
REAL = RNG.uniform(-3, 3, 37)
UNIT = RNG.uniform(-0.95, 0.95, 37)
POSITIVE = RNG.uniform(0.1, 4, 37)
PROBABILITY = RNG.uniform(0.02, 0.98, 37)

# name: (NumPy or SciPy function, arguments it is tried on)
UNARY = {
    "neg": (np.negative, REAL), "abs": (np.abs, REAL), "sign": (np.sign, REAL), "square": (np.square, REAL),
    "reciprocal": (np.reciprocal, REAL), "sqrt": (np.sqrt, POSITIVE), "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "floor": (np.floor, REAL), "ceil": (np.ceil, REAL), "trunc": (np.trunc, REAL), "round": (np.round, REAL),
    "frac": (lambda x: x - np.trunc(x), REAL), "exp": (np.exp, REAL), "exp2": (np.exp2, REAL),
    "expm1": (np.expm1, REAL), "log": (np.log, POSITIVE), "log2": (np.log2, POSITIVE), "log10": (np.log10, POSITIVE),
    "log1p": (np.log1p, POSITIVE), "sin": (np.sin, REAL), "cos": (np.cos, REAL), "tan": (np.tan, REAL),
    "asin": (np.arcsin, UNIT), "acos": (np.arccos, UNIT), "atan": (np.arctan, REAL), "sinh": (np.sinh, REAL),
    "cosh": (np.cosh, REAL), "tanh": (np.tanh, REAL), "asinh": (np.arcsinh, REAL),
    "acosh": (np.arccosh, POSITIVE + 1), "atanh": (np.arctanh, UNIT), "erf": (scipy_special.erf, REAL),
    "erfc": (scipy_special.erfc, REAL), "erfinv": (scipy_special.erfinv, UNIT), "sigmoid": (scipy_special.expit, REAL),
    "lgamma": (scipy_special.gammaln, POSITIVE), "digamma": (scipy_special.digamma, POSITIVE), "sinc": (np.sinc, REAL),
    "i0": (scipy_special.i0, REAL), "deg2rad": (np.deg2rad, REAL), "rad2deg": (np.rad2deg, REAL),
    "logit": (scipy_special.logit, PROBABILITY),
}  # fmt: skip
SPECIAL = {
    "i0e": (scipy_special.i0e, REAL), "i1": (scipy_special.i1, REAL), "i1e": (scipy_special.i1e, REAL),
    "erfcx": (scipy_special.erfcx, REAL), "ndtr": (scipy_special.ndtr, REAL),
    "ndtri": (scipy_special.ndtri, PROBABILITY),
    "log_ndtr": (scipy_special.log_ndtr, REAL), "entr": (scipy_special.entr, POSITIVE),
    "bessel_j0": (scipy_special.j0, REAL), "bessel_j1": (scipy_special.j1, REAL),
    "bessel_y0": (scipy_special.y0, POSITIVE), "bessel_y1": (scipy_special.y1, POSITIVE),
    "modified_bessel_k0": (scipy_special.k0, POSITIVE), "modified_bessel_k1": (scipy_special.k1, POSITIVE),
    "scaled_modified_bessel_k0": (scipy_special.k0e, POSITIVE * 60),
    "scaled_modified_bessel_k1": (scipy_special.k1e, POSITIVE * 60),
    "airy_ai": (lambda x: scipy_special.airy(x)[0], REAL),
    "spherical_bessel_j0": (lambda x: scipy_special.spherical_jn(0, x), POSITIVE),
}  # fmt: skip
NO_GRADIENT = ("bessel", "airy")


def tensor_of(a):
    return torch.from_numpy(a.copy()).requires_grad_()


def close(got, expected, rtol=1e-12):
    np.testing.assert_allclose(got.numpy(), expected, rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name):
    reference, x = UNARY[name]
    close(getattr(torch, name)(torch.from_numpy(x)), reference(x), 1e-11)
    single = x.astype(np.float32)
    close(getattr(torch, name)(torch.from_numpy(single)), reference(single.astype(np.float64)), 2e-4)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(name):
    reference, x = SPECIAL[name]
    close(getattr(torch.special, name)(torch.from_numpy(x)), reference(x), 1e-8)


@pytest.mark.parametrize("name", [n for n in [*UNARY, *SPECIAL] if not any(part in n for part in NO_GRADIENT)])
def test_gradients_and_second_gradients(name):
    _, x = {**UNARY, **SPECIAL}[name]
    x = torch.from_numpy(x[:5].copy()).requires_grad_()
    f = getattr(torch, name) if name in UNARY else getattr(torch.special, name)
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


BINARY = {
    "add": (np.add, REAL, UNIT), "sub": (np.subtract, REAL, UNIT), "mul": (np.multiply, REAL, UNIT),
    "div": (np.divide, REAL, POSITIVE), "pow": (np.power, POSITIVE, REAL), "fmod": (np.fmod, REAL, POSITIVE),
    "remainder": (np.remainder, REAL, POSITIVE), "atan2": (np.arctan2, REAL, UNIT), "hypot": (np.hypot, REAL, UNIT),
    "maximum": (np.maximum, REAL, UNIT), "minimum": (np.minimum, REAL, UNIT), "fmax": (np.fmax, REAL, UNIT),
    "fmin": (np.fmin, REAL, UNIT), "logaddexp": (np.logaddexp, REAL, UNIT), "logaddexp2": (np.logaddexp2, REAL, UNIT),
    "copysign": (np.copysign, REAL, UNIT), "xlogy": (scipy_special.xlogy, REAL, POSITIVE),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name):
    reference, a, b = BINARY[name]
    f = getattr(torch, name)
    x, y = torch.from_numpy(a.copy()).requires_grad_(), torch.from_numpy(b.copy()).requires_grad_()
    close(f(x, y).detach(), reference(a, b), 1e-11)
    close(f(x[:36].reshape(6, 6), y[:6]).detach(), reference(a[:36].reshape(6, 6), b[:6]), 1e-11)
    small = (x[:4].detach().reshape(2, 2).requires_grad_(), y[:2].detach().requires_grad_())
    assert torch.autograd.gradcheck(f, small)
    assert torch.autograd.gradgradcheck(f, small)


def test_three_operands():
    a, b, c = (torch.from_numpy(v[:4].copy()).requires_grad_() for v in (REAL, UNIT, POSITIVE))
    close(torch.addcmul(a, b, c, value=2).detach(), REAL[:4] + 2 * UNIT[:4] * POSITIVE[:4])
    close(torch.addcdiv(a, b, c, value=2).detach(), REAL[:4] + 2 * UNIT[:4] / POSITIVE[:4])
    close(torch.lerp(a, b, c).detach(), REAL[:4] + POSITIVE[:4] * (UNIT[:4] - REAL[:4]))
    for f in (torch.addcmul, torch.addcdiv, torch.lerp):
        assert torch.autograd.gradcheck(f, (a, b, c))
    with pytest.raises(RuntimeError, match="Integer division with addcdiv"):
        torch.addcdiv(torch.ones(2), torch.ones(2).long(), torch.ones(2).long())


# ---------------------------------------------------------------- types
def test_promotion_of_tensors_zero_dim_tensors_and_numbers():
    half, single, double = (torch.ones(2, dtype=t) for t in (torch.float16, torch.float32, torch.float64))
    whole, truth = torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.bool)
    scalar64 = torch.tensor(1.0, dtype=torch.float64)
    cases = [
        (single + double, torch.float64), (half + single, torch.float32), (single + scalar64, torch.float32),
        (whole + 1, torch.int32), (whole + 1.0, torch.float32), (whole + scalar64, torch.float64),
        (truth + 1, torch.int64), (truth + truth, torch.bool), (whole / whole, torch.float32),
        (whole // whole, torch.int32), (single * 1j, torch.complex64), (half * 2.5, torch.float16),
        (torch.exp(whole), torch.float32), (whole > 0.5, torch.bool), (torch.square(truth), torch.int64),
        (torch.where(truth, 1, 2), torch.int64), (torch.where(truth, single, 1), torch.float32),
    ]  # fmt: skip
    for result, dtype in cases:
        assert result.dtype == dtype


def test_numbers_on_the_left():
    x = torch.tensor([1.0, 2.0, 4.0])
    assert (1 - x).tolist() == [0, -1, -3] and (2 / x).tolist() == [2, 1, 0.5]
    assert (2**x).tolist() == [2, 4, 16] and (3 % x).tolist() == [0, 1, 3] and (5 // x).tolist() == [5, 2, 1]


def test_integers():
    a, b = torch.tensor([7, -7, 7, -7]), torch.tensor([2, 2, -2, -2])
    assert (a // b).tolist() == [3, -4, -4, 3] and (a % b).tolist() == [1, 1, -1, -1]
    assert torch.fmod(a, b).tolist() == [1, -1, 1, -1]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert torch.gcd(torch.tensor([12, 0]), torch.tensor([18, 5])).tolist() == [6, 5]
    assert torch.lcm(torch.tensor([4, 0]), torch.tensor([6, 5])).tolist() == [12, 0]
    assert (a << 2).tolist() == [28, -28, 28, -28] and (a >> 1).tolist() == [3, -4, 3, -4]
    assert (~torch.tensor([True, False])).tolist() == [False, True] and (~torch.tensor([0, 5])).tolist() == [-1, -6]
    for divide in (torch.floor_divide, torch.remainder, torch.fmod):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            divide(a, 0)
    with pytest.raises(RuntimeError, match="negative integer powers"):
        a**-1


def test_rules_of_bools():
    t = torch.tensor([True, False])
    for call in (lambda: t - t, lambda: 1 - t, lambda: -t):
        with pytest.raises(RuntimeError, match="bool tensor"):
            call()
    assert (t & True).tolist() == [True, False] and (t ^ t).tolist() == [False, False]


def test_complex_numbers():
    z = RNG.normal(size=9) + 1j * RNG.normal(size=9)
    t = torch.from_numpy(z).requires_grad_()
    for name in ("exp", "log", "sqrt", "sin", "tanh", "reciprocal", "square", "abs", "angle"):
        close(getattr(torch, name)(t).detach(), getattr(np, name)(z), 1e-11)
        assert torch.autograd.gradcheck(getattr(torch, name), (t,))
    assert torch.autograd.gradcheck(lambda a: (a * a.conj() + a.real * a.imag / 2), (t,))
    parts = tensor_of(POSITIVE[:3]), tensor_of(REAL[:3])
    assert torch.autograd.gradcheck(torch.polar, parts) and torch.autograd.gradcheck(torch.complex, parts)
    conjugate = t.detach().conj()
    assert conjugate.is_conj() and conjugate.data_ptr() == t.data_ptr()
    close(conjugate.resolve_conj(), z.conj())
    close(conjugate.imag.resolve_neg(), -z.imag)
    assert torch.equal(torch.view_as_complex(torch.view_as_real(t.detach())), t.detach())


# ---------------------------------------------------------------- where results go
def test_inplace_and_out():
    x = torch.ones(3)
    assert x.add_(1) is x and x.tolist() == [2, 2, 2]
    x.mul_(torch.tensor([1.0, 2.0, 3.0])).clamp_(max=5).neg_()
    assert x.tolist() == [-2, -4, -5]
    out = torch.empty(0)
    assert torch.mul(x, 2, out=out) is out and out.tolist() == [-4, -8, -10]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.ones(2, dtype=torch.int64).add_(0.5)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(3).add_(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.ones(1).expand(3).add_(1)


def test_overlapping_memory():
    x = torch.arange(10.0)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        x[1:].add_(x[:-1])
    y = torch.arange(9.0).reshape(3, 3)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        y.add_(y.t())
    x[:5].add_(x[::2])  # not dense: read before it is written
    assert x.tolist() == [0, 3, 6, 9, 12, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (3, 70), (2, 3, 4), (130, 7)])
def test_any_strides(shape):
    a = RNG.normal(size=shape).astype(np.float32)
    x = torch.from_numpy(a)
    for dims in itertools.permutations(range(len(shape))):
        y = torch.from_numpy(a.transpose(dims).copy()).permute(*np.argsort(dims)) if shape else torch.from_numpy(a)
        close(x + y, a + a, 1e-6)
        close(torch.exp(y), np.exp(a), 1e-6)
        close((y > 0).float(), a > 0)
    if shape and shape[-1] > 2:
        close(x[..., ::2] * 3, a[..., ::2] * 3, 1e-6)


def test_results_keep_the_order_of_dense_operands():
    x = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert (x + 1).stride() == x.stride() and (x + x).stride() == x.stride() and torch.exp(x).stride() == x.stride()


def test_sixteen_bits_round_once():
    a = RNG.normal(size=3000)
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.from_numpy(a).to(dtype)
        assert torch.equal(torch.exp(x), torch.exp(x.float()).to(dtype))
        assert torch.equal(x * x, (x.float() * x.float()).to(dtype))


def test_meta_tensors_have_shape_and_dtype_only():
    x = torch.empty(3, 1, device="meta")
    y = x * torch.empty(4, dtype=torch.float64, device="meta")
    assert y.shape == (3, 4) and y.dtype == torch.float64 and y.is_meta


# ---------------------------------------------------------------- comparison and choice
def test_nan_and_infinity():
    x = torch.tensor([1.0, math.nan, math.inf, -math.inf])
    assert torch.isnan(x).tolist() == [False, True, False, False]
    assert torch.isinf(x).tolist() == [False, False, True, True]
    assert torch.isfinite(x).tolist() == [True, False, False, False]
    assert torch.isposinf(x).tolist() == [False, False, True, False] and torch.signbit(x).tolist()[3]
    assert torch.nan_to_num(x, nan=5, posinf=6, neginf=7).tolist() == [1, 5, 6, 7]
    assert math.isnan(torch.maximum(x, torch.zeros(4))[1]) and torch.fmax(x, torch.zeros(4))[1] == 0
    assert math.isnan(x.clamp(0, 1)[1]) and (x != x).tolist() == torch.isnan(x).tolist()


def test_equal_and_close():
    x = torch.tensor([1.0, math.nan])
    assert not torch.equal(x, x) and torch.equal(x[:1], x[:1]) and not torch.equal(x, x[:1])
    assert torch.allclose(x, x, equal_nan=True) and not torch.allclose(x, x)
    assert torch.isclose(torch.tensor([1.0, 1.1]), torch.tensor([1.000001, 1.0])).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="rtol must be greater"):
        torch.isclose(x, x, rtol=-1)


def test_where():
    condition = torch.tensor([[True, False], [False, True]])
    a, b = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[3.0], [4.0]], requires_grad=True)
    r = torch.where(condition, a, b)
    assert r.tolist() == [[1, 3], [4, 2]]
    r.sum().backward()
    assert a.grad.tolist() == [1, 1] and b.grad.tolist() == [[1], [1]]
    assert [t.tolist() for t in torch.where(condition)] == [[0, 1], [0, 1]]
    for dtype in (torch.bool, torch.int8, torch.bfloat16, torch.int64, torch.complex128):
        x = torch.arange(100).remainder(7).to(dtype)
        mask = torch.arange(100) % 3 == 0
        assert torch.where(mask, x, 0).tolist() == [v if i % 3 == 0 else 0 for i, v in enumerate(x.tolist())]
    with pytest.raises(RuntimeError, match="boolean tensor"):
        torch.where(torch.ones(2), 1, 2)


def test_clamp():
    x = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    assert x.clamp(-1, 1).tolist() == [-1, 0.5, 1] and x.clamp(min=0).tolist() == [0, 0.5, 3]
    assert torch.clamp(x, torch.zeros(3), torch.tensor([1.0, 0.2, 4.0])).tolist() == pytest.approx([0, 0.2, 3])
    x.clamp(-1, 1).sum().backward()
    assert x.grad.tolist() == [0, 1, 0]
    with pytest.raises(RuntimeError, match="At least one of"):
        x.clamp()


def test_frexp_and_ldexp():
    x = torch.tensor([1.0, 2.5, -3.0, 0.0])
    mantissa, exponent = torch.frexp(x)
    assert exponent.dtype == torch.int32 and torch.equal(torch.ldexp(mantissa, exponent), x)


POLYNOMIALS = {
    "chebyshev_polynomial_t": "eval_chebyt", "legendre_polynomial_p": "eval_legendre",
    "hermite_polynomial_h": "eval_hermite", "laguerre_polynomial_l": "eval_laguerre",
}  # fmt: skip


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name):
    reference = getattr(scipy_special, POLYNOMIALS[name])
    for n in range(6):
        close(getattr(torch.special, name)(torch.from_numpy(UNIT), n), reference(n, UNIT), 1e-9)


def test_wrong_arguments():
    x = torch.ones(3)
    with pytest.raises(TypeError, match="eq"):
        torch.eq(2, x)
    with pytest.raises(TypeError, match="pow"):
        torch.pow(2, 3)
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        x + torch.ones(2)
    with pytest.raises(RuntimeError, match="not implemented for"):
        torch.bitwise_and(x, x)
    with pytest.raises(RuntimeError, match="alpha must not be"):
        torch.add(torch.ones(2, dtype=torch.int64), 1, alpha=0.5)


# ---------------------------------------------------------------- 16-bit operands, dtypes of out=
def test_numbers_are_rounded_to_a_16_bit_tensors_type():
    x = torch.tensor([0.1, 3.0], dtype=torch.bfloat16)
    assert (x == 0.1).tolist() == [True, False]
    assert (8.396163642458497 - x)[1].item() == 5.375  # 8.375 - 3: the number's nearest bfloat16
    assert (torch.tensor([1000.0], dtype=torch.bfloat16) == torch.tensor([1001])).item()
    # A factor or divisor keeps its bits.
    y = torch.tensor([3.0], dtype=torch.bfloat16)
    assert (y * 1.001953125 * 256).item() == torch.tensor(3 * 1.001953125, dtype=torch.bfloat16).item() * 256


def test_a_16_bit_quotient_is_rounded_before_it_is_truncated():
    a, b = torch.tensor([17.0], dtype=torch.bfloat16), torch.tensor([0.945], dtype=torch.bfloat16)
    assert a.div(b).item() == 18 and a.div(b, rounding_mode="trunc").item() == 18
    assert a.float().div(b.float(), rounding_mode="trunc").item() == 17


@pytest.mark.parametrize("name", ["floor", "abs", "neg", "sign", "triu", "msort", "view_copy"])
def test_out_of_another_dtype_is_refused_where_nothing_is_promoted(name):
    x = torch.randn(3, 3)
    arguments = (x, (9,)) if name == "view_copy" else (x,)
    with pytest.raises(RuntimeError, match="(?i)dtype.*double|dtype.*float64"):
        getattr(torch, name)(*arguments, out=torch.empty(0, dtype=torch.float64))


@pytest.mark.parametrize("name", ["exp", "square", "mean", "logsumexp", "cat", "stack", "cumsum"])
def test_out_of_a_wider_dtype_is_taken_where_types_are_promoted(name):
    x = torch.rand(3, 3)
    arguments = {"cat": ([x, x],), "stack": ([x, x],), "mean": (x, 0), "logsumexp": (x, 0), "cumsum": (x, 0)}.get(name, (x,))
    out = torch.empty(0, dtype=torch.float64)
    assert getattr(torch, name)(*arguments, out=out) is out
    assert out.dtype is torch.float64 and torch.allclose(out, getattr(torch, name)(*arguments).double())


def test_out_that_overlaps_itself_is_refused():
    x = torch.arange(18.0).reshape(3, 6)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.index_select(x, 1, torch.tensor([0, 1]), out=torch.zeros(1, 6).expand(2, 6))


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 32769, 100001])
def test_equal_finds_any_difference(count):
    x = torch.arange(count, dtype=torch.float32)
    assert torch.equal(x, x.clone())
    for place in {0, count // 2, count - 1} if count else ():
        other = x.clone()
        other[place] += 1
        assert not torch.equal(x, other)


@pytest.mark.parametrize("count", [1, 17, 1025])
@pytest.mark.parametrize("to, part", [(torch.complex64, torch.float32), (torch.complex128, torch.float64), (torch.complex32, torch.float16)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_real_numbers_become_complex(dtype, to, part, count):
    for x in ((torch.arange(2 * count) % 100).to(dtype), (torch.arange(2 * count) % 100).to(dtype)[::2]):
        parts = torch.view_as_real(x.to(to))
        assert torch.equal(parts[..., 0], x.to(part)) and not parts[..., 1].any()


@pytest.mark.parametrize("inner", [2, 3, 7])
def test_rows_of_few_elements_are_met_by_a_row(inner):
    x, row = torch.arange(200.0 * 9).reshape(200, 9)[:, 1 : 1 + inner], torch.arange(1.0, 1 + inner)
    np.testing.assert_array_equal((x * row).numpy(), x.numpy() * row.numpy())
    np.testing.assert_array_equal((x.double() - row).numpy(), x.double().numpy() - row.numpy())
    np.testing.assert_array_equal(x.clone(memory_format=torch.contiguous_format).numpy(), x.numpy())
    out = torch.zeros(200, 9)
    out[:, 2 : 2 + inner] = x + row
    np.testing.assert_array_equal(out[:, 2 : 2 + inner].numpy(), x.numpy() + row.numpy())
