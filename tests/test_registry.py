"""Every operator of the registry, by the calls of samples.py: meta, forms, threads, gradients, odd sizes, names."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import samples

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

REGISTRY = torch._C._registry()
INPLACE, OUT = 4, 8
POINTWISE = ("Unary", "Binary", "Ternary", "Compare", "Test")
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)

each = pytest.mark.parametrize("op", REGISTRY, ids=samples.name_of)


def of(condition):
    """Parametrised over the operators for which the condition holds."""
    chosen = [op for op in REGISTRY if condition(op)]
    return pytest.mark.parametrize("op", chosen, ids=samples.name_of)


def function(op):
    return torch._C._overload(op["namespace"], op["name"], op["overload"])


def tensors(value):
    """The tensors in a result or in arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return tensors(list(value.values()))
    return [t for v in value for t in tensors(v)] if isinstance(value, (list, tuple)) else []


def each_tensor(f, value):
    """value with f of every tensor in it."""
    if isinstance(value, torch.Tensor):
        return f(value)
    if isinstance(value, dict):
        return {k: each_tensor(f, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(each_tensor(f, v) for v in value)
    return value


def called(f, args, kwargs):
    torch.manual_seed(1)
    return f(*args, **kwargs)


def copied(args, kwargs):
    return each_tensor(lambda t: t.clone(), args), each_tensor(lambda t: t.clone(), kwargs)


def is_uninitialised(op):
    return op["name"].startswith(("empty", "new_empty"))


def bits(t):
    return t.detach().resolve_conj().resolve_neg().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


def assert_same(a, b, exact=False):
    """Equal tensors (a NaN equals a NaN), or results of the same structure."""
    left, right = tensors(a), tensors(b)
    assert len(left) == len(right)
    for x, y in zip(left, right, strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype
        if exact:
            assert bits(x) == bits(y)
        else:
            torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12, equal_nan=True)


@each
def test_has_a_sample(op):
    args, kwargs = samples.arguments(torch, op)
    before = copied(args, kwargs)
    result = called(function(op), *copied(args, kwargs))
    assert isinstance(result, (torch.Tensor, tuple, list, bool))
    again = called(function(op), *copied(*before))
    if not is_uninitialised(op):
        assert_same(result, again)


# ---- meta

# The result's shape, or the result, is made of the data: these raise.
OF_DATA = re.compile(
    r"(nonzero|argwhere|masked_select|_?unique.*|bincount|where$|repeat_interleave\.(Tensor|self_Tensor)|allclose|equal$|_coo_group|_coo_join"
    r"|histogram|nn::one_hot|tensor_split\.tensor|narrow\.Tensor|lstm\.data|gru\.data|rnn_\w+\.data)"
)


# LAPACK's results come in columns, which the meta device does not show: so it is in PyTorch.
OWN_STRIDES = re.compile(r"(linalg::svd|svd|linalg::eig)$")


def test_a_meta_tensor_has_no_values_to_bring_to_the_cpu():
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        torch.empty(3, device="meta").cpu()


@pytest.mark.parametrize("name", ["half", "bfloat16", "float", "double", "cfloat", "cdouble"])
def test_the_gradient_of_a_conversion_has_the_dtype_of_the_input(name):
    x = torch.tensor([1.5, -2.0], dtype=torch.float32, requires_grad=True)
    y = getattr(x, name)()
    weights = torch.tensor([0.5, 2.0]).to(y.dtype)
    (y * weights).sum().abs().backward()
    sign = -1.0  # 0.75 - 4
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == [0.5 * sign, 2.0 * sign]


def on_meta(t):
    return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")


@of(lambda op: op["name"] != "cpu")
def test_meta_gives_the_shape_strides_and_dtype_and_touches_no_memory(op):
    args, kwargs = samples.arguments(torch, op, sizes=samples.LARGE)
    expected = called(function(op), *copied(args, kwargs))
    args, kwargs = each_tensor(on_meta, args), each_tensor(on_meta, kwargs)
    if op["category"] == "Factory" or samples.name_of(op) == "to.device":
        args = tuple("meta" if a == "cpu" else a for a in args)
        kwargs |= {"device": "meta"} if op["category"] == "Factory" else {}
    if OF_DATA.match(samples.name_of(op)) and samples.name_of(op) != "nonzero_static":
        with pytest.raises((NotImplementedError, RuntimeError)):
            function(op)(*args, **kwargs)
        return
    torch._C._reset_peak()
    before = torch._C._memory_stats()["peak"]
    result = called(function(op), args, kwargs)
    assert torch._C._memory_stats()["peak"] - before < 1 << 16  # heads of storages, but no elements
    left, right = tensors(result), tensors(expected)
    assert len(left) == len(right)
    for r, e in zip(left, right, strict=True):
        assert (r.shape, r.dtype, r.device.type) == (e.shape, e.dtype, "meta")
        assert r.stride() == e.stride() or OWN_STRIDES.match(samples.name_of(op))


# ---- forms


@of(lambda op: op["forms"] & INPLACE and hasattr(torch.Tensor, op["name"] + "_"))
def test_in_place_form_gives_the_plain_values(op):
    args, kwargs = samples.arguments(torch, op)
    expected = called(function(op), *copied(args, kwargs))
    method = getattr(torch.Tensor, op["name"] + "_")
    target, *rest = copied(args, kwargs)[0]
    if op["category"] == "View":  # the form changes the tensor's own shape
        assert_same(called(method, (target, *rest), kwargs), expected)
        assert target.shape == expected.shape
    elif expected.shape != target.shape or not torch.can_cast(expected.dtype, target.dtype):
        with pytest.raises(RuntimeError):
            called(method, (target, *rest), kwargs)
    else:
        result = called(method, (target, *rest), kwargs)
        assert result is target
        assert_same(result, expected.to(target.dtype))


# The dtype of out= is that of the computation.
COMPUTED_IN_OUT = re.compile(r"(sum|cumsum|cumprod|bernoulli)$")


def another_dtype(t):
    """A dtype to which t's can't be cast, None where there is none."""
    for dtype in (torch.bool, torch.int32, torch.float32):
        if not torch.can_cast(t.dtype, dtype):
            return dtype
    return None


@of(lambda op: op["forms"] & OUT and not is_uninitialised(op))
def test_out_form_resizes_checks_the_dtype_and_refuses_overlap(op):
    args, kwargs = samples.arguments(torch, op)
    expected = called(function(op), *copied(args, kwargs))

    def write(make):
        out = each_tensor(make, tuple(expected) if not isinstance(expected, torch.Tensor) else expected)
        return out, called(function(op), copied(args, {})[0], kwargs | {"out": out})

    out, result = write(lambda t: torch.empty(0, dtype=t.dtype))
    assert_same(result, expected)
    assert_same(out, expected)
    assert all(a is b for a, b in zip(tensors(out), tensors(result), strict=True))
    out, result = write(
        lambda t: (
            torch.full(t.shape, 1, dtype=t.dtype).mT
            if t.dim() == 2 and t.shape[0] == t.shape[1]
            else torch.ones_like(t)
        )
    )
    assert_same(out, expected)
    if (
        any(another_dtype(t) for t in tensors(expected))
        and op["category"] != "Factory"
        and not COMPUTED_IN_OUT.match(op["name"])
    ):
        with pytest.raises((RuntimeError, TypeError)):
            write(lambda t: torch.empty(t.shape, dtype=another_dtype(t) or t.dtype))
    if all(t.numel() > 1 for t in tensors(expected)):
        with pytest.raises(RuntimeError):
            write(lambda t: torch.empty((1,) * t.dim(), dtype=t.dtype).expand(t.shape))


# where copies such inputs, and gives the right values.
@of(lambda op: op["forms"] & OUT and op["category"] in POINTWISE and op["name"] != "where")
def test_out_that_overlaps_an_input_in_part_is_refused(op):
    args, kwargs = samples.arguments(torch, op)
    expected = function(op)(*args, **kwargs)
    first = next((i for i, a in enumerate(args) if isinstance(a, torch.Tensor) and a.dtype == expected.dtype), None)
    if first is None:
        pytest.skip("the result has another dtype than the inputs")
    shape = args[first].shape
    memory = torch.ones(shape.numel() + 1, dtype=expected.dtype)
    changed = (*args[:first], memory[:-1].view(shape), *args[first + 1 :])
    with pytest.raises(RuntimeError):
        function(op)(*changed, **kwargs, out=memory[1:].view(shape))


# ---- threads


@of(lambda op: not is_uninitialised(op))
def test_one_and_two_threads_give_the_same_bits(op):
    dtype = torch.float32 if samples.default_dtype(torch, op) is torch.float64 else None
    args, kwargs = samples.arguments(torch, op, dtype, sizes=samples.LARGE)
    threads, results = torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(called(function(op), *copied(args, kwargs)))
    finally:
        torch.set_num_threads(threads)
    assert_same(*results, exact=True)


# ---- gradients

# Functions of a part of a matrix: of A + A^H, whose parts agree, or of the lower triangle of their argument of this number.
HERMITIAN = re.compile(r"(linalg::)?(cholesky|cholesky_ex|eigh|eigvalsh)$")
TRIANGULAR = {"cholesky_inverse": 0, "cholesky_solve": 1, "_cholesky_solve_helper": 1}
# Results that are known but for a phase.
PHASES = re.compile(r"(linalg::)?(svd|eigh|eig)$")
# The gradient is that of logarithms of probabilities that add up to 1 (as PyTorch's): the number of that argument.
OF_LOG_SOFTMAX = {"ctc_loss": 0, "_ctc_loss_each": 0, "_ctc_loss_backward": 1}
# Later results are for the backward formula alone.
FIRST_ALONE = re.compile(r"(native_(layer|batch|group)_norm|_group_norm|_fused_rms_norm|_attention|_cross_entropy)$")
# Known for the second argument only (as in PyTorch): the other raises.
SECOND_ALONE = re.compile(r"(igammac?|special::zeta)$")
# Constants to differentiation, as in PyTorch (where the gradient of some raises).
CONSTANT = re.compile(r"(detach|detach_copy|view\.dtype|view_copy\.dtype|unique.*)$")
# Their arguments belong together (a result, what it was made of): the public operators that call them are checked.
TOGETHER = re.compile(r"(_dropout|_pooled_maximum|_constant_in|_nll_loss_backward)$")


def wants_gradient(t):
    return t.requires_grad_() if t.is_floating_point() or t.is_complex() else t


def differentiable_call(op, dtype):
    """A function of tensors alone that calls an operator, and tensors for it."""
    args, kwargs = samples.arguments(torch, op, dtype)
    inputs = [wants_gradient(t.clone()) for t in tensors((args, kwargs))]
    name = samples.name_of(op)
    if SECOND_ALONE.match(name):
        inputs[0].requires_grad_(False)

    def f(*given):
        rest = iter(given)
        filled, named = each_tensor(lambda _: next(rest), args), each_tensor(lambda _: next(rest), kwargs)
        filled = list(filled)
        if HERMITIAN.match(name):
            filled[0] = filled[0] + filled[0].mH
        elif op["name"] in TRIANGULAR:
            factor = filled[TRIANGULAR[op["name"]]]
            filled[TRIANGULAR[op["name"]]] = factor.tril(-1) + factor.diagonal().real.diag_embed()
        elif op["name"] in OF_LOG_SOFTMAX:
            filled[OF_LOG_SOFTMAX[op["name"]]] = filled[OF_LOG_SOFTMAX[op["name"]]].log_softmax(2)
        elif op["name"].endswith("_"):
            filled[0] = filled[0] * 1
        result = called(function(op), filled, named)
        if PHASES.match(name):
            result = [t.abs() if t.dim() > 1 else t for t in result]
        result = tensors(result)[:1] if FIRST_ALONE.match(name) else tensors(result)
        return tuple(t for t in result if t.is_floating_point() or t.is_complex())

    return f, tuple(inputs)


def is_repeatable(op):
    return not is_uninitialised(op) and (not op["random"] or "dropout" in op["name"])


def gradient_cases():
    """(operator, dtype) where a function of floating-point numbers, or of complex ones if it takes them, gives such numbers."""
    for op in REGISTRY:
        default = samples.default_dtype(torch, op)
        if not (op["differentiable"] or op["composite"]) or not is_repeatable(op) or default is torch.int64:
            continue
        if TOGETHER.match(op["name"]) or CONSTANT.match(samples.name_of(op)):
            continue
        dtypes = [torch.complex128] if default.is_complex else [torch.float64]
        if not default.is_complex and not op["name"].startswith(
            "_"
        ):  # those are behind a public one, which refuses or accepts
            dtypes.append(torch.complex128)
        for dtype in dtypes:
            try:
                f, inputs = differentiable_call(op, dtype)
                with torch.no_grad():
                    outputs = f(*inputs)
            except REFUSALS:
                if dtype is default:
                    raise
                continue
            rounded = any(torch.finfo(t.dtype).eps > torch.finfo(dtype).eps for t in outputs)  # differences would be of roundings
            if outputs and not rounded and any(t.requires_grad for t in inputs):
                yield pytest.param(op, dtype, id=f"{samples.name_of(op)}-{str(dtype).split('.')[1]}")


@pytest.mark.parametrize("op, dtype", list(gradient_cases()))
def test_gradients(op, dtype):
    f, inputs = differentiable_call(op, dtype)
    assert gradcheck(f, inputs)
    if any(t.requires_grad for t in f(*inputs)):
        assert gradgradcheck(f, inputs)


@of(
    lambda op: (
        (not (op["differentiable"] or op["composite"]) or CONSTANT.match(samples.name_of(op))) and is_repeatable(op)
    )
)
def test_an_operator_without_gradient_raises_by_name_or_gives_constants(op):
    f, inputs = differentiable_call(op, samples.default_dtype(torch, op))
    for t in f(*inputs):
        if t.requires_grad:
            with pytest.raises(NotImplementedError, match=re.escape(f"derivative for {op['name']} is not implemented")):
                t.sum().backward()


@of(lambda op: SECOND_ALONE.match(samples.name_of(op)))
def test_a_gradient_that_is_not_known_raises_by_name(op):
    first, second = samples.arguments(torch, op)[0]
    with pytest.raises(NotImplementedError, match=op["name"]):
        function(op)(first.requires_grad_(), second).sum().backward()


# ---- sizes

SIZES = r"""
import faulthandler, sys
faulthandler.enable()
sys.path.insert(0, sys.argv[1])
import rushlight as torch, samples, warnings
from test_registry import REGISTRY, REFUSALS, called, copied, each_tensor, function
warnings.simplefilter("ignore")
changes = {
    "no rows": lambda t: t[:0] if t.dim() else t,
    "no columns": lambda t: t[..., :0] if t.dim() else t,
    "no dimensions": lambda t: t.reshape(-1)[0],
    "one more dimension": lambda t: t.unsqueeze(0),
    "expanded": lambda t: t.reshape(-1)[:1].expand(t.numel()).expand(3, t.numel()),
    "overlapping": lambda t: t.reshape(-1).as_strided((2, 2), (1, 1)) if t.numel() > 2 else t,
    "negative": lambda t: -t if t.dtype not in (torch.bool,) else t,
}
for op in REGISTRY:
    args, kwargs = samples.arguments(torch, op)
    for what, change in changes.items():
        for only_first in (True, False):
            sys.stderr.write(f"{samples.name_of(op)}: {what}\n")
            left = [1 if only_first else 1 << 30]
            def turn(t):
                left[0] -= 1
                return change(t) if left[0] >= 0 else t
            given, named = copied(args, kwargs)
            try:
                result = called(function(op), each_tensor(turn, given), each_tensor(turn, named))
                each_tensor(lambda t: t.sum() if t.layout is torch.strided else t, result)
            except (*REFUSALS, OverflowError, ZeroDivisionError, torch.linalg.LinAlgError):
                pass
            except MemoryError:  # an operator behind a public one looks at less
                assert op["name"].startswith("_")
"""


def test_odd_sizes_give_a_result_or_an_exception():
    done = subprocess.run([sys.executable, "-c", SIZES, str(Path(__file__).parent)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@of(lambda op: op["category"] in POINTWISE)
def test_pointwise_operators_of_no_elements_and_of_no_dimensions(op):
    args, kwargs = samples.arguments(torch, op)
    expected = function(op)(*args, **kwargs)
    none = function(op)(*each_tensor(lambda t: t[:0], args), **kwargs)
    assert none.shape == (0, *expected.shape[1:]) and none.dtype == expected.dtype
    one = function(op)(*each_tensor(lambda t: t[0, 0], args), **kwargs)
    assert one.shape == ()
    assert_same(one, expected[0, 0])


HUGE = 2**31 + 11


@of(lambda op: op["category"] in POINTWISE)
def test_pointwise_operators_of_more_than_two_to_the_31_elements_on_meta(op):
    args, kwargs = samples.arguments(torch, op)
    expected = function(op)(*args, **kwargs)
    result = function(op)(*each_tensor(lambda t: torch.empty(HUGE, 3, dtype=t.dtype, device="meta"), args), **kwargs)
    assert result.shape == (HUGE, 3) and result.stride() == (3, 1) and result.dtype == expected.dtype


def huge():
    """One element, shown 2**31 + 11 times."""
    return torch.tensor([3.0]).expand(HUGE)


@pytest.mark.parametrize(
    "call, shape, value",
    [
        (lambda x: x[HUGE - 2 :], (2,), 3),
        (lambda x: x.select(0, HUGE - 1), (), 3),
        (lambda x: x.narrow(0, HUGE - 5, 5), (5,), 3),
        (lambda x: x.unfold(0, 2**31, 5)[:, 0], (3,), 3),
        (lambda x: x.view(1, HUGE).t()[-1], (1,), 3),
        (lambda x: x.split(2**31)[1], (11,), 3),
        (lambda x: x.chunk(2)[1][:4], (4,), 3),
        (lambda x: x.as_strided((HUGE - 1, 2), (0, 0))[-1], (2,), 3),
        (lambda x: x.index_select(0, torch.tensor([HUGE - 1, 0])), (2,), 3),
        (lambda x: x.take(torch.tensor([HUGE - 1, 1])), (2,), 3),
        (lambda x: x.gather(0, torch.tensor([HUGE - 1])), (1,), 3),
        (lambda x: x[torch.tensor([HUGE - 1, -1])], (2,), 3),
        (lambda x: x.unsqueeze(0).expand(4, HUGE).diagonal(2**30), (4,), 3),
        (lambda x: x[:: 2**30], (3,), 3),
    ],
)
def test_views_of_more_than_two_to_the_31_elements(call, shape, value):
    result = call(huge())
    assert result.shape == shape
    assert bool((result == value).all())


# ---- names


def test_names_of_structs_are_unique_over_the_operators_files():
    """They share a namespace over all files: two of one name would be one type to the linker."""
    folder = Path(__file__).parent.parent / "csrc" / "ops"
    if not folder.is_dir():
        pytest.skip("the sources are not there")
    where = defaultdict(list)
    for path in sorted(folder.glob("*.cpp")):
        anonymous = False
        for line in path.read_text().splitlines():
            if re.match(r"namespace \{", line):
                anonymous = True
            elif anonymous and re.match(r"\}", line) and not re.match(r"\};", line) and "namespace" in line:
                anonymous = False
            found = re.match(r"(?:template <[^>]*> )?(?:struct|class) (\w+)\b(?! *<)[^;]*\{", line)
            if found and not anonymous:
                where[found[1]].append(path.name)
    assert len(where) > 400
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_overloads_and_signatures_are_unique():
    counts = Counter((op["namespace"], op["name"], op["overload"]) for op in REGISTRY)
    assert [name for name, n in counts.items() if n > 1] == []


@of(lambda op: re.match(r"\(\w+ \w+", op["returns"]) is not None)
def test_named_results_are_of_a_type_of_return_types(op):
    names = tuple(part.split()[1] for part in op["returns"].strip("()").split(", "))
    args, kwargs = samples.arguments(torch, op)
    result = function(op)(*args, **kwargs)
    assert isinstance(result, tuple) and tuple(type(result).__match_args__) == names
    assert all(getattr(result, name) is value for name, value in zip(names, result, strict=True))
    if type(result).__name__ in torch.return_types.__all__:
        assert getattr(torch.return_types, type(result).__name__) is type(result)
    else:
        assert op["name"].startswith("_") or op["namespace"] != ""
