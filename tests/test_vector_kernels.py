"""The kernels behind copies, conversions and arithmetic, at lengths around the width of a vector."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

LENGTHS = (1, 7, 15, 16, 17, 31, 33, 64, 100, 1025, 5000)
PLAIN = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def dtype(name: str) -> torch.dtype:
    return getattr(torch, name)


@pytest.mark.parametrize("source", PLAIN)
@pytest.mark.parametrize("target", PLAIN)
@pytest.mark.parametrize("step", [1, 2, 3, -1])
def test_conversion_is_numpys(source: str, target: str, step: int) -> None:
    for n in LENGTHS:
        values = np.random.default_rng(n).integers(0, 100, n).astype(source)
        given = torch.from_numpy(values)
        got = (given.flip(0) if step == -1 else given[::step]).to(dtype(target))
        assert np.array_equal(got.numpy(), values[::step].astype(target))


@pytest.mark.parametrize("n", LENGTHS)
def test_numbers_out_of_range_become_the_smallest(n: int) -> None:
    x = torch.tensor([3e9, -3e9, float("nan"), float("inf"), 300.7, -1.5, 70000.2] * n)
    assert x.int().tolist() == [-(2**31)] * 4 + [300, -1, 70000] + x.int()[7:].tolist()
    assert x.short()[:7].tolist() == [0, 0, 0, 0, 300, -1, 4464]
    assert x.long()[2:4].tolist() == [-(2**63)] * 2
    assert [v.int().item() for v in x[:7]] == x.int()[:7].tolist()


@pytest.mark.parametrize("small", ["float16", "bfloat16"])
def test_small_floats_convert_through_float32(small: str) -> None:
    for n in LENGTHS:
        x = torch.arange(n).remainder(200).to(dtype(small))
        assert x.long().tolist() == [i % 200 for i in range(n)]
        assert x.double()[::2].to(dtype(small)).tolist() == x[::2].tolist()
        assert x.bool().tolist() == [i % 200 != 0 for i in range(n)]


@pytest.mark.parametrize("name", ["uint8", "int16", "float32", "float64", "complex128"])
def test_fill_flip_and_strides(name: str) -> None:
    for n in LENGTHS:
        x = torch.arange(n).to(dtype(name))
        assert torch.full((n,), 3, dtype=dtype(name)).tolist() == [3] * n
        assert x.flip(0).tolist() == x.tolist()[::-1]
        for step in (2, 3):
            assert x[::step].contiguous().tolist() == x.tolist()[::step]


@pytest.mark.parametrize("name", ["complex64", "complex128"])
@pytest.mark.parametrize("n", LENGTHS)
def test_complex_arithmetic_is_numpys(name: str, n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = (rng.normal(size=n) + 1j * rng.normal(size=n) for _ in range(2))
    a, b = a.astype(name), b.astype(name)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    near = {"rtol": 2e-6 if name == "complex64" else 1e-14, "atol": 1e-6 if name == "complex64" else 1e-15}
    cases = [(x + y, a + b), (x - y, a - b), (x * y, a * b), (x * (2 - 1j), a * (2 - 1j)), (torch.add(x, y, alpha=3j), a + 3j * b)]
    cases += [(x.exp(), np.exp(a)), (x.abs(), np.abs(a)), (x.angle(), np.angle(a)), (-x, -a), (x.square(), a * a)]
    cases += [(torch.complex(x.real.contiguous(), y.imag.contiguous()), a.real + 1j * b.imag), (x.conj_physical(), a.conj())]
    for got, wanted in cases:
        np.testing.assert_allclose(got.numpy(), wanted, **near)


def test_exp_of_extreme_complex_numbers_is_the_librarys() -> None:
    inf, nan = float("inf"), float("nan")
    z = np.array([complex(re, im) for re in (-inf, -1e3, 0.0, 1e3, inf, nan) for im in (0.0, 1.0, inf, nan)] * 3)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(torch.exp(torch.from_numpy(z)).numpy(), np.exp(z), rtol=1e-15)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_nextafter_is_numpys(name: str) -> None:
    largest = float(np.finfo(name).max)
    with np.errstate(all="ignore"):
        special = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, -1e-45, largest, -largest, 1 / 3], dtype=name)
        a, b = np.meshgrid(special, special)
        wanted = np.nextafter(a, b)
    got = torch.nextafter(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_array_equal(got, wanted)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[known], np.signbit(wanted)[known])


def test_conj_physical_of_a_real_tensor_is_itself() -> None:
    x = torch.ones(3)
    assert x.conj_physical() is x


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_frexp_is_numpys(name: str) -> None:
    x = np.array([0, -0.0, 1, -3.7, 1e-42, np.inf, -np.inf, np.nan, 1e30, 0.5, 2.0**-130] * 3, dtype=name)
    mantissa, exponent = torch.frexp(torch.from_numpy(x))
    finite = np.isfinite(x)
    np.testing.assert_array_equal(mantissa.numpy(), np.frexp(x)[0])
    np.testing.assert_array_equal(exponent.numpy()[finite], np.frexp(x)[1][finite])


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_special_functions_are_scipys(name: str) -> None:
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(0)
    near = {"rtol": 3e-6 if name == "float32" else 1e-12, "atol": 1e-6 if name == "float32" else 1e-13}
    unit, wide, positive = rng.uniform(0, 1, 999) ** 8, rng.normal(size=999) * 8, rng.exponential(size=999) * 9
    cases = {
        "ndtri": unit, "erfinv": unit, "log_ndtr": wide, "bessel_j0": wide, "bessel_j1": wide, "bessel_y0": positive,
        "bessel_y1": positive, "modified_bessel_k0": positive, "modified_bessel_k1": positive,
        "scaled_modified_bessel_k0": positive, "scaled_modified_bessel_k1": positive,
    }  # fmt: skip
    names = {"modified_bessel_k0": "k0", "modified_bessel_k1": "k1", "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e"}
    for function, values in cases.items():
        x = values.astype(name)
        wanted = getattr(special, names.get(function, function.replace("bessel_", "")))(x.astype("float64"))
        np.testing.assert_allclose(getattr(torch.special, function)(torch.from_numpy(x)).numpy(), wanted, err_msg=function, **near)
    a, x = positive.astype(name), positive[::-1].astype(name)
    for function in ("gammainc", "gammaincc"):
        got = getattr(torch.special, function)(torch.from_numpy(a), torch.from_numpy(x.copy())).numpy()
        np.testing.assert_allclose(got, getattr(special, function)(a.astype("float64"), x.astype("float64")), **near)


def test_sums_without_nan() -> None:
    x = np.random.default_rng(0).normal(size=(37, 300)).astype("float32")
    x[x > 1.5] = np.nan
    for dim in (None, 0, 1):
        t = torch.from_numpy(x)
        np.testing.assert_allclose(torch.nansum(t, dim).numpy(), np.nansum(x, axis=dim), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(torch.nanmean(t, dim).numpy(), np.nanmean(x, axis=dim), rtol=1e-4, atol=1e-5)
    t = torch.from_numpy(x).requires_grad_()
    torch.nansum(t, 1).sum().backward()
    assert np.array_equal(t.grad.numpy(), (~np.isnan(x)).astype("float32"))


@pytest.mark.parametrize("rows", [1, 15, 16, 19, 300])
@pytest.mark.parametrize("columns", [1, 64, 130, 1500])
def test_reductions_over_rows(rows: int, columns: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, columns)).astype("float32")
    t = torch.from_numpy(x)
    np.testing.assert_allclose(t.sum(0).numpy(), x.sum(0), rtol=1e-4, atol=1e-4)
    assert np.array_equal((t > 2).any(0).numpy(), (x > 2).any(0))
    assert np.array_equal((t > -2).float().all(0).numpy(), (x > -2).all(0))
    assert torch.from_numpy(x.astype("int64")).sum().item() == x.astype("int64").sum()


@pytest.mark.parametrize("mode", ["constant", "reflect", "wrap", "edge"])
def test_padding_is_numpys(mode: str) -> None:
    ours = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    for shape, pad in (((2, 3, 9), (2, 3)), ((2, 3, 6, 7), (1, 0, 2, 3)), ((1, 2, 4, 5, 6), (3, 1, 0, 2, 1, 1))):
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        widths = [(0, 0)] * (len(shape) - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
        got = torch.nn.functional.pad(torch.from_numpy(x), pad, mode=ours)
        assert np.array_equal(got.numpy(), np.pad(x, widths, mode=mode))
    if mode == "constant":
        assert torch.nn.functional.pad(torch.arange(6).view(2, 3), (-1, 2, 1, -1), value=9).tolist() == [[9] * 4, [1, 2, 9, 9]]


@pytest.mark.parametrize("length", [255, 1024, 1025, 1999, 4096, 8192, 8200])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.complex128])
def test_rows_of_any_alignment_are_copied(length: int, dtype: type) -> None:
    values = np.random.default_rng(length).integers(0, 200, (5, length + 3)).astype(dtype)
    tensor = torch.from_numpy(values)
    for shift in (1, 2, 3):
        assert np.array_equal(torch.roll(tensor, shift, 1).numpy(), np.roll(values, shift, 1))
        assert np.array_equal(tensor[:, shift:].contiguous().numpy(), values[:, shift:])
        assert np.array_equal(torch.cat([tensor[:, shift:], tensor], 1).numpy(), np.hstack([values[:, shift:], values]))
        assert np.array_equal(tensor[:, shift:][torch.tensor([4, 0, 4])].numpy(), values[[4, 0, 4], shift:])
    assert np.array_equal(tensor.flip(1).numpy(), values[:, ::-1])
    assert np.array_equal(tensor[2].expand(3, -1).contiguous().numpy(), values[[2, 2, 2]])
    target = torch.zeros(5, length + 4, dtype=tensor.dtype)
    target[:, 1:] = tensor
    assert np.array_equal(target.numpy()[:, 1:], values) and not target.numpy()[:, 0].any()


def test_short_rows_are_copied_in_place() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2100, 5)).astype("float32")
    t = torch.from_numpy(x)
    assert np.array_equal(t.repeat_interleave(2, 2).numpy(), x.repeat(2, 2))
    assert np.array_equal(t.permute(1, 0, 2).contiguous().numpy(), x.transpose(1, 0, 2))
    assert np.array_equal(t[:, ::2, 1:4].double().numpy(), x[:, ::2, 1:4].astype("float64"))


@pytest.mark.parametrize("name", ["int32", "int64"])
def test_integer_division_is_numpys(name: str) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(-50, 50, 5000)
    large = rng.integers(-(2**31) + 1, 2**31, 5000) if name == "int32" else rng.integers(-(2**63) + 1, 2**63 - 1, 5000)
    whole = np.concatenate([small, large, small * 7]).astype(name)
    by = np.concatenate([rng.permutation(whole[:5000]), rng.permutation(whole[5000:10000]), whole[:5000]])
    by[by == 0] = 3
    x, y = torch.from_numpy(whole), torch.from_numpy(by)
    assert np.array_equal((x // y).numpy(), whole // by)
    assert np.array_equal((x % y).numpy(), whole % by)
    for number in (7, -7):
        assert np.array_equal((x // number).numpy(), whole // number)
        assert np.array_equal((x % number).numpy(), whole % number)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x // torch.zeros_like(x)


def test_clamp_in_place_keeps_its_tensor_and_its_gradient() -> None:
    x = torch.arange(-5.0, 6.0)
    assert x.clamp_(-2, 3) is x and x.tolist() == [-2.0] * 4 + [-1.0, 0.0, 1.0, 2.0] + [3.0] * 3
    assert x.clip_(max=torch.tensor(0.5)).max().item() == 0.5
    leaf = torch.arange(-5.0, 6.0).requires_grad_()
    (leaf * 1).clamp_(min=-2.0).sum().backward()
    assert leaf.grad.tolist() == [0.0] * 3 + [1.0] * 8
    with pytest.raises(RuntimeError, match="At least one of 'min' or 'max' must not be None"):
        x.clamp_()


def test_gelu_is_the_normal_distribution() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-12, 12, 4001), [1e30, -1e30, np.inf]]).astype("float32")
    got = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, x * special.ndtr(x.astype("float64")), rtol=1e-6, atol=1e-6)


def test_nll_loss_in_one_pass_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 5)), rng.integers(0, 5, 9)
    y[3] = -100
    kept = y != -100
    for view in (torch.from_numpy(x), torch.from_numpy(x.T.copy()).t()):
        t = view.clone().requires_grad_()
        loss = torch.nn.functional.nll_loss(t, torch.from_numpy(y))
        np.testing.assert_allclose(loss.item(), -x[np.arange(9)[kept], y[kept]].mean())
        loss.backward()
        wanted = np.zeros((9, 5))
        wanted[np.arange(9)[kept], y[kept]] = -1 / kept.sum()
        np.testing.assert_allclose(t.grad.numpy(), wanted)
    assert torch.nn.functional.nll_loss(torch.from_numpy(x[0]), torch.tensor(2), reduction="sum").item() == -x[0, 2]
    with pytest.raises(IndexError):
        torch.nn.functional.nll_loss(torch.from_numpy(x), torch.full((9,), 5))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_sampling_of_floats_is_that_of_doubles(mode, padding, align):
    """Floats go by vectors, doubles one by one; points are such that both find the same pixels."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 5)
    grid = torch.randint(-24, 25, (2, 11, 13, 2)) / 16.0
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e12, -1e12, 1e9, 3e37])
    grid[0, 0, :7, 0], grid[1, 2, :7, 1], grid[1, 3, :7] = odd, odd, odd[:, None]

    def run(dtype):
        a, at = x.to(dtype).clone().requires_grad_(), grid.to(dtype).clone().requires_grad_()
        r = torch.nn.functional.grid_sample(a, at, mode=mode, padding_mode=padding, align_corners=align)
        r.nan_to_num(0.0, 0.0, 0.0).sum().backward()
        return r, a.grad, at.grad

    usual = torch.isfinite(grid).all(-1) & (grid.abs() < 100).all(-1)
    for mine, wide in zip(run(torch.float32), run(torch.float64), strict=True):
        wide = wide.float()
        if padding == "reflection":  # of what is far away the doubles keep more digits
            if mine.shape == x.shape:
                continue
            keep = usual[:, None].expand_as(mine) if mine.dim() == 4 and mine.shape[1] == 3 else usual[..., None].expand_as(mine)
            mine, wide = mine[keep], wide[keep]
        torch.testing.assert_close(mine, wide, rtol=2e-5, atol=2e-4, equal_nan=True)
