"""What bench/sweep.py times: expressions in torch's names, and every operator of the registry with its sample.

A case is an expression over names that both frameworks make alike for a size: those of `inputs`, or, for an operator of
the registry, the arguments that tests/samples.py gives it.
"""

from __future__ import annotations

import math
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from dtype_rows import FUNCTION, METHOD, SPREAD  # noqa: E402
from samples import COMPLEX, INTEGERS, arguments, name_of, text_of  # noqa: E402

# Names of functions of one float tensor, by the range of their argument.
UNARY = """abs absolute neg negative sign sgn signbit positive ceil floor round trunc fix frac square exp exp2 expm1 sin cos
    tan asin_ acos_ atan sinh cosh tanh asinh sigmoid erf erfc sinc deg2rad rad2deg reciprocal isnan isinf isfinite isposinf
    isneginf isreal logical_not nan_to_num relu celu selu angle real conj conj_physical clone zeros_like ones_like
    empty_like rand_like randn_like bernoulli_u cumsum_0 sum mean prod std var amax amin max min argmax argmin aminmax norm
    all any count_nonzero nansum nanmean median nanmedian std_mean var_mean nonzero flatten ravel t_ numel
    special.erfcx special.ndtr special.i0 special.i0e special.i1 special.i1e special.bessel_j0 special.bessel_j1
    special.bessel_y0 special.bessel_y1 special.modified_bessel_i0 special.modified_bessel_k0 special.expit special.sinc
    special.round special.log_ndtr special.exp2 special.expm1""".split()
POSITIVE = """log log2 log10 log1p sqrt rsqrt lgamma digamma special.gammaln special.digamma special.entr special.psi
    acosh_ special.log1p""".split()
UNIT = "asin acos atanh erfinv special.ndtri special.erfinv bernoulli".split()
BINARY = """add sub mul div true_divide floor_divide remainder fmod pow_ atan2 arctan2 maximum minimum fmax fmin hypot
    copysign nextafter logaddexp logaddexp2 eq ne lt le gt ge greater less isclose dist heaviside xlogy_ float_power_
    logical_and logical_or logical_xor special.xlog1py_ special.zeta_ rsub subtract multiply divide""".split()
POSITIVE2 = "pow float_power xlogy special.xlog1py special.zeta special.gammainc special.gammaincc igamma".split()
INTEGER = "bitwise_and bitwise_or bitwise_xor bitwise_left_shift_ gcd lcm add sub mul floor_divide remainder eq lt maximum".split()
ACTIVATIONS = """elu hardtanh hardswish hardsigmoid leaky_relu relu6 softplus softsign tanhshrink hardshrink softshrink
    logsigmoid gelu silu mish threshold_ rrelu dropout alpha_dropout feature_dropout_""".split()

# Expressions, a line each; before `|` the sizes that make sense where not all do: s small, m middle, l large.
OTHERS = """
torch.add(x, 1)
torch.mul(x, 2.5)
x + y * 2
x.add_(y)
x.mul_(1.0)
x.clamp_(-1, 1)
x.zero_()
x.fill_(0.5)
x.copy_(y)
torch.clamp(x, -1, 1)
torch.clamp(x, y, z)
torch.clip(x, -1, 1)
torch.addcmul(x, y, z)
torch.addcdiv(x, y, p)
torch.lerp(x, y, 0.3)
torch.lerp(x, y, z)
torch.where(b, x, y)
torch.where(b, x, 0.0)
torch.masked_fill(x, b, 1.0)
torch.masked_select(x, b)
torch.ldexp(x, k)
torch.frexp(x)
torch.polar(p, x)
torch.complex(x, y)
torch.bitwise_not(k)
torch.logical_not(b)
torch.zeros(n)
torch.ones(n)
torch.full((n,), 2.0)
torch.empty(n)
torch.arange(n)
torch.linspace(0, 1, n)
torch.logspace(0, 1, n)
torch.rand(n)
torch.randn(n)
torch.randint(0, 10, (n,))
torch.randperm(n)
torch.eye(c)
x.float()
x.double()
x.to(torch.bfloat16)
x.half()
x.int()
x.long()
x.bool()
k.float()
x.view(r, c)
x.reshape(r, c)
x.unsqueeze(0)
m.t()
m.transpose(0, 1)
m.permute(1, 0)
m.t().contiguous()
m.expand(2, r, c)
m.repeat(2, 1)
torch.tile(m, (2, 1))
m.flip(0)
m.flip(1)
torch.fliplr(m)
torch.flipud(m)
torch.rot90(m)
torch.roll(m, 1, 1)
torch.cat([m, m])
torch.cat([m, m], 1)
torch.stack([m, m])
torch.hstack([m, m])
torch.vstack([m, m])
torch.split(m, 2)
torch.chunk(m, 2)
torch.unbind(m)
torch.narrow(m, 0, 0, 1)
m[0]
m[:, 1]
m[1:]
m[:, ::2].contiguous()
m[rows]
m[rows, columns]
m[b2]
torch.index_select(m, 0, rows)
torch.index_select(m, 1, columns)
torch.gather(m, 1, places)
torch.take_along_dim(m, places, 1)
torch.take(x, rows)
torch.scatter(m, 1, places, m)
torch.scatter_add(m, 1, places, m)
torch.scatter_reduce(m, 1, places, m, "amax")
torch.index_add(m, 0, rows, m)
torch.index_copy(m, 0, rows, m)
torch.index_fill(m, 0, rows, 1.0)
torch.masked_scatter(x, b, y)
torch.tril(m)
torch.triu(m)
torch.diag(m)
torch.diagonal(m)
torch.diag_embed(x[:64])
torch.trace(m)
torch.nn.functional.pad(m, (1, 1, 1, 1))
torch.nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")
torch.nn.functional.one_hot(classes, 16)
m.sum(0)
m.sum(1)
m.mean(0)
m.mean(1)
m.amax(1)
m.amax(0)
m.max(1)
m.max(0)
m.min(1)
m.argmax(1)
m.argmax(0)
m.prod(1)
m.std(1)
m.var(0)
m.norm(dim=1)
m.logsumexp(1)
m.all(1)
m.any(0)
m.median(1)
m.cumsum(0)
m.cumsum(1)
m.cumprod(1)
m.cummax(1)
m.cummin(1)
m.logcumsumexp(1)
torch.diff(m)
torch.trapezoid(m)
torch.gradient(x)
m.topk(2)
m.kthvalue(2)
m.mode(1)
m.sort(1)
m.argsort(1)
m.quantile(0.5, dim=1)
m.nanquantile(0.5, dim=1)
k.sort()
k.unique()
k.unique_consecutive()
k.bincount()
x.histc(16)
torch.histogram(x, 16)
torch.bucketize(x, edges)
torch.searchsorted(edges, x)
torch.isin(k, k[:8])
torch.softmax(m, 1)
torch.softmax(m, 0)
torch.log_softmax(m, 1)
torch.nn.functional.softmin(m, 1)
torch.nn.functional.gumbel_softmax(m)
torch.nn.functional.glu(m)
torch.nn.functional.prelu(m, w)
torch.nn.functional.layer_norm(m, (c,))
torch.nn.functional.rms_norm(m, (c,))
torch.nn.functional.batch_norm(images, None, None, training=True)
torch.nn.functional.group_norm(images, 1)
torch.nn.functional.instance_norm(images)
torch.nn.functional.local_response_norm(images, 2)
torch.nn.functional.mse_loss(x, y)
torch.nn.functional.l1_loss(x, y)
torch.nn.functional.smooth_l1_loss(x, y)
torch.nn.functional.huber_loss(x, y)
torch.nn.functional.cross_entropy(m, labels)
torch.nn.functional.nll_loss(m, labels)
torch.nn.functional.binary_cross_entropy(u, u)
torch.nn.functional.binary_cross_entropy_with_logits(x, u)
torch.nn.functional.kl_div(m, m, reduction="batchmean")
torch.nn.functional.poisson_nll_loss(x, p)
torch.nn.functional.soft_margin_loss(x, x)
torch.nn.functional.normalize(m)
torch.nn.functional.cosine_similarity(m, m)
torch.nn.functional.pairwise_distance(m, m)
torch.nn.functional.embedding(classes, table)
torch.nn.functional.max_pool2d(images, 2)
torch.nn.functional.avg_pool2d(images, 2)
torch.nn.functional.adaptive_avg_pool2d(images, 1)
torch.nn.functional.adaptive_max_pool2d(images, 1)
torch.nn.functional.interpolate(images, scale_factor=2)
torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
torch.nn.functional.conv2d(images, kernels, padding=1)
torch.nn.functional.conv1d(images[:, :, 0], kernels[:, :, 0], padding=1)
torch.nn.functional.conv_transpose2d(images, kernels)
torch.nn.functional.unfold(images, 2)
torch.nn.functional.pixel_unshuffle(images, 2)
torch.nn.functional.linear(m, square)
torch.nn.functional.scaled_dot_product_attention(m[None], m[None], m[None])
torch.mm(m, square)
torch.matmul(m, square)
torch.mv(m, v)
torch.dot(x, y)
torch.vdot(x, y)
torch.inner(x, y)
torch.outer(v, v)
torch.addmm(m, m, square)
torch.baddbmm(m[None], m[None], square[None])
torch.bmm(m[None], square[None])
torch.einsum("ij,jk->ik", m, square)
torch.einsum("ij,ij->i", m, m)
torch.tensordot(m, square, 1)
torch.kron(v[:64], v[:64])
sm|torch.cdist(m, m)
sm|torch.linalg.inv(spd)
sm|torch.linalg.det(spd)
sm|torch.linalg.solve(spd, spd)
sm|torch.linalg.cholesky(spd)
sm|torch.linalg.qr(spd)
sm|torch.linalg.svd(spd)
sm|torch.linalg.eigh(spd)
torch.meshgrid(v, v, indexing="ij")
torch.cartesian_prod(v[:64], v[:64])
torch.combinations(v[:64])
torch.cross(m[:, :3], m[:, :3], dim=1)
torch.multinomial(u, 4)
torch.bernoulli(u)
torch.normal(x, p)
torch.poisson(p)
torch.equal(x, x)
torch.allclose(x, x)
torch.repeat_interleave(x, 2)
torch.broadcast_to(v, (r, c)).contiguous()
torch.view_as_complex(x.view(-1, 2))
torch.abs(z64)
torch.mul(z64, z64)
torch.exp(z64)
torch.angle(z64)
h + h
torch.exp(h)
torch.sum(h)
torch.mm(h.view(r, c), h.view(r, c).t())
d + d
torch.exp(d)
torch.sum(d)
torch.sum(k)
torch.sum(b)
torch.fft.fft(x)
torch.fft.rfft(x)
torch.fft.fft2(m)
x.tolist()
x.numpy()
x.clone()
x.item() if n == 1 else x[0].item()
(gx * 2).sum().backward()
gx.exp().sum().backward()
(gx * gx + gx).mean().backward()
torch.softmax(gm, 1).sum().backward()
torch.nn.functional.layer_norm(gm, (c,)).sum().backward()
torch.mm(gm, square).sum().backward()
gm[rows].sum().backward()
gm.max(1)[0].sum().backward()
gm.t().contiguous().sum().backward()
torch.nn.functional.cross_entropy(gm, labels).backward()
torch.nn.functional.conv2d(gimages, kernels, padding=1).sum().backward()
torch.nn.functional.max_pool2d(gimages, 2).sum().backward()
torch.cat([gm, gm]).sum().backward()
"""


def functions(names: list[str], arguments: str, where: str = "torch") -> Iterator[tuple[str, str]]:
    for name in names:
        if not name.endswith("_") and not re.search(r"_[0u]$", name):
            yield "sml", f"{where}.{name}({arguments})"


def expressions() -> list[tuple[str, str]]:
    """(sizes, expression) of every expression over `inputs`."""
    found = [*functions(UNARY, "x"), *functions(POSITIVE, "p"), *functions(UNIT, "u"), *functions(BINARY, "x, y")]
    found += [*functions(POSITIVE2, "p, p"), *functions(INTEGER, "k, k"), *functions(["bitwise_left_shift"], "k, one")]
    found += functions(ACTIVATIONS, "x", "torch.nn.functional")
    for line in OTHERS.strip().splitlines():
        sizes, bar, text = line.partition("|")
        found.append((sizes, text) if bar else ("sml", line))
    return found


def inputs(torch: Any, n: int) -> dict[str, Any]:
    """The inputs of a size: vectors of n elements, matrices and images of about n."""
    torch.manual_seed(0)
    r = 1 << int(math.log2(n)) // 2
    c = n // r
    x = torch.randn(n)
    m = torch.randn(r, c)
    side = max(2, r // 8)
    channels = max(1, min(16, n // (side * side)))
    images = torch.randn(max(1, n // (channels * side * side)), channels, side, side)
    spd = torch.randn(min(c, 128), min(c, 128))
    return {
        "torch": torch, "n": n, "r": r, "c": c, "x": x, "y": torch.randn(n), "z": torch.rand(n) + 1, "p": torch.rand(n) + 0.5,
        "u": torch.rand(n) * 0.98 + 0.01, "k": torch.randint(1, 50, (n,)), "one": torch.ones(n, dtype=torch.int64),
        "b": torch.rand(n) > 0.5, "m": m, "b2": m > 0, "v": torch.randn(c), "w": torch.rand(1),
        "square": torch.randn(c, c), "spd": spd @ spd.t() + torch.eye(spd.shape[0]), "rows": torch.randint(0, r, (r,)),
        "columns": torch.randint(0, c, (r,)), "places": torch.randint(0, c, (r, c)), "labels": torch.randint(0, c, (r,)),
        "classes": torch.randint(0, 16, (n,)), "table": torch.randn(16, 16), "edges": torch.linspace(-3, 3, 17),
        "images": images, "kernels": torch.randn(channels, channels, 3, 3), "z64": torch.complex(x, x),
        "h": x.to(torch.bfloat16), "d": x.double(), "gx": torch.randn(n, requires_grad=True),
        "gm": torch.randn(r, c, requires_grad=True), "gimages": images.clone().requires_grad_(),
    }  # fmt: skip


SPACES = {
    "": "torch",
    "nn": "torch.nn.functional",
    "linalg": "torch.linalg",
    "special": "torch.special",
    "fft": "torch.fft",
}
PROPERTY = 16  # of an operator's forms
# Decompositions take the third power of the side, and have no more to show at a thousand than at this many.
LARGEST_SQUARE = 256


def cases(n: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(expression, None) over the inputs of a size, then (call, what `sample_names` takes) of each operator."""
    letter = "s" if n < 100 else "m" if n < 100_000 else "l"
    yield from ((text, None) for sizes, text in expressions() if letter in sizes)
    yield from registered(n)


def registered(n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(call, {"op", "sizes"}) of every public operator of Rushlight's registry for a size."""
    import rushlight as torch  # PyTorch's process has no need of it

    for op in torch._C._registry():
        if op["name"].startswith("_") or not op["forms"] & (FUNCTION | METHOD | PROPERTY):
            continue
        sizes = sizes_of(torch, op, n)
        args, kwargs = sample(torch, op, sizes)
        names = [*(f"a{i}" for i in range(len(args))), *(f"{name}={name}" for name in kwargs)]
        if op["forms"] & FUNCTION:
            called = f"{SPACES[op['namespace']]}.{op['name']}({', '.join(names)})"
        else:
            called = f"a0.{op['name']}" + (f"({', '.join(names[1:])})" if op["forms"] & METHOD else "")
        yield f"{called}  # {name_of(op)}", {"op": op, "sizes": sizes}


def sample(torch: Any, op: dict[str, Any], sizes: dict[str, int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An operator's arguments in its most used dtype."""
    dtype = (
        torch.int64 if INTEGERS.match(op["name"]) else torch.complex64 if COMPLEX.match(op["name"]) else torch.float32
    )
    args, kwargs = arguments(torch, op, dtype, sizes=sizes)
    return (tuple(args[0]) if op["name"] in SPREAD and isinstance(args[0], list) else args), kwargs


def sample_names(torch: Any, op: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    """The names that an expression of `registered` uses."""
    args, kwargs = sample(torch, op, sizes)
    return {"torch": torch, **{f"a{i}": value for i, value in enumerate(args)}, **kwargs}


def sizes_of(torch: Any, op: dict[str, Any], n: int) -> dict[str, int]:
    """What the letters of tests/samples.py stand for so that the operator's largest tensor has about n elements."""
    r = 1 << int(math.log2(n)) // 2
    sizes = {"r": r, "c": n // r, "n": max(2, min(64, r // 4)), "b": max(2, min(8, r // 4)), "s": 4}
    text = text_of(op)
    letters = set(re.findall(r"\b[rcnbs]\b", text)) if text is not None else set()
    if text is None:
        sizes["n"] = min(r, LARGEST_SQUARE)
    elif letters & {"r", "c"}:
        return sizes
    grown = "s" if "s" in letters else "n" if "n" in letters else ""
    while grown and (grown == "s" or sizes["n"] < min(r, LARGEST_SQUARE)):
        larger = {**sizes, grown: sizes[grown] * 5 // 4 // 2 * 2 if sizes[grown] > 8 else sizes[grown] + 2}
        if largest(torch, sample(torch, op, larger)) > n:
            break
        sizes = larger
    return sizes


def largest(torch: Any, value: Any) -> int:
    """Elements of the largest tensor in a nest of arguments."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return max((largest(torch, part) for part in parts), default=0)
