"""Checks of gradients against finite differences, to first and second order, for real and complex functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.grad_mode import no_grad


class GradcheckError(RuntimeError):
    """A gradient differs from the finite difference."""


def _as_tuple(value: Any) -> tuple:
    return (value,) if isinstance(value, Tensor) else tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _is_inexact(x: Any) -> bool:
    return isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())


def _outputs(func: Callable, inputs: tuple) -> tuple[Tensor, ...]:
    found = (o for o in _as_tuple(func(*inputs)) if _is_inexact(o))
    return tuple(o if o.layout is _C.strided else o.to_dense() for o in found)


def _differentiable_outputs(func: Callable, inputs: tuple) -> tuple[Tensor, ...]:
    return tuple(o for o in _outputs(func, inputs) if o.requires_grad)


def _flat(x: Tensor) -> Tensor:
    """Real numbers of x in a row: a complex element counts as two."""
    plain = x.detach().resolve_conj().resolve_neg().contiguous()
    return _C._functions.view_as_real(plain).reshape(-1) if x.is_complex() else plain.reshape(-1)


def _numerical(func: Callable, inputs: tuple, which: int, eps: float) -> list[list[Tensor]]:
    """For each real number of inputs[which], the derivatives of the outputs' real numbers, by central differences."""
    x = inputs[which]
    base = x.detach().clone()
    count = base.numel() * (2 if base.is_complex() else 1)
    rows = []
    with no_grad():
        for i in range(count):
            sides = []
            for sign in (1, -1):
                moved = base.contiguous().clone()
                flat = (_C._functions.view_as_real(moved) if moved.is_complex() else moved).reshape(-1)
                flat[i] += sign * eps
                moved = moved.as_subclass(Tensor).requires_grad_(x.requires_grad)
                args = tuple(moved if j == which else a for j, a in enumerate(inputs))
                sides.append([_flat(o).clone() for o in _outputs(func, args)])
            rows.append([(a - b) / (2 * eps) for a, b in zip(*sides, strict=True)])
    return rows


def _analytical(outputs: tuple[Tensor, ...], x: Tensor, k: int) -> list[Tensor]:
    """For each real number of outputs[k], the gradient with respect to x's real numbers."""
    out, rows = outputs[k], []
    count = out.numel() * (2 if out.is_complex() else 1)
    for i in range(count):
        seed = _C._functions.zeros_like(out.detach(), memory_format=_C.contiguous_format)
        (_C._functions.view_as_real(seed) if seed.is_complex() else seed).reshape(-1)[i] = 1
        (g,) = _C._run_backward((out,), (seed,), True, False, (x,), True, False)
        rows.append(_flat(_C._functions.zeros_like(x.detach()) if g is None else g))
    return rows


def _forward_agrees(
    func: Callable, inputs: tuple, which: int, numeric: list[list[Tensor]], rtol: float, atol: float
) -> bool:
    """Whether forward mode gives the central differences with respect to inputs[which]."""
    from rushlight.autograd.forward_ad import _jacobian_columns

    return all(
        _C._functions.allclose(_flat(tangent).double(), difference.double(), rtol=rtol, atol=atol, equal_nan=True)
        for tangents, row in zip(_jacobian_columns(func, inputs, which), numeric, strict=True)
        for tangent, difference in zip(tangents, row, strict=True)
    )


def _fail(message: str, raise_exception: bool) -> bool:
    if raise_exception:
        raise GradcheckError(message)
    return False


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of func agree with central differences at inputs, which should be float64 or complex128.

    A complex number counts as two real ones; the gradient of a real L is dL/d(re) + i dL/d(im). Raises GradcheckError with
    the place of the first difference, or returns False where raise_exception is False.
    """
    if check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: check_batched_grad and check_batched_forward_grad are not there")
    inputs = _as_tuple(inputs)
    if any(isinstance(x, Tensor) and x.layout is not _C.strided for x in inputs):
        from rushlight.sparse import as_sparse_gradcheck

        options = {"eps": eps, "atol": atol, "rtol": rtol, "raise_exception": raise_exception, "nondet_tol": nondet_tol}
        return as_sparse_gradcheck(gradcheck)(
            func, inputs, masked=masked, check_grad_dtypes=check_grad_dtypes, **options
        )
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    all_outputs = _outputs(func, inputs)
    outputs = tuple(o for o in all_outputs if o.requires_grad)
    if not outputs:
        for i in wanted:
            if any(bool((d.abs() > atol).any()) for row in _numerical(func, inputs, i, eps) for d in row):
                return _fail(
                    "Numerical gradient for function expected to be zero: no output requires grad", raise_exception
                )
        return True
    for i in wanted:
        numeric = _numerical(func, inputs, i, eps)
        if check_forward_ad and not _forward_agrees(func, inputs, i, numeric, rtol, atol):
            return _fail(f"Jacobian computed with forward mode mismatch with respect to input {i}", raise_exception)
        if not check_backward_ad:
            continue
        positions = [k for k, o in enumerate(all_outputs) if o.requires_grad]
        for k, position in enumerate(positions):
            analytic = _analytical(outputs, inputs[i], k)
            again = _analytical(outputs, inputs[i], k)
            if not all(bool(((a - b).abs() <= nondet_tol).all()) for a, b in zip(analytic, again, strict=True)):
                return _fail(f"Backward is not reentrant: output {k}, input {i}", raise_exception)
            if check_grad_dtypes and outputs[k].dtype != inputs[i].dtype:
                return _fail(f"gradient of input {i} has another dtype than the input", raise_exception)
            if not analytic or not numeric:
                continue
            a = _C._functions.stack(analytic)
            n = _C._functions.stack([row[position] for row in numeric]).transpose(0, 1)
            if not _C._functions.allclose(a.double(), n.double(), rtol=rtol, atol=atol, equal_nan=True):
                worst = float((a - n).abs().max())
                return _fail(
                    f"Jacobian mismatch for output {k} with respect to input {i}, largest difference {worst:g},\nnumerical:{n}\nanalytical:{a}\n",
                    raise_exception,
                )
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of the gradient: second derivatives against central differences of the first ones."""
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck: check_fwd_over_rev is not there")
    inputs = _as_tuple(inputs)
    outputs = _differentiable_outputs(func, inputs)
    if grad_outputs is None:
        seeds = tuple(_C._functions.rand_like(o.detach()).requires_grad_(True) for o in outputs)
        if gen_non_contig_grad_outputs:
            seeds = tuple(_C._functions.stack([s.detach(), s.detach()], -1)[..., 0].requires_grad_(True) for s in seeds)
    else:
        seeds = _as_tuple(grad_outputs)
    n = len(inputs)

    def first_gradient(*args: Any) -> tuple:
        ins, gs = args[:n], args[n:]
        targets = tuple(x for x in ins if isinstance(x, Tensor) and x.requires_grad)
        was = _C.is_grad_enabled()
        _C._set_grad_enabled(True)
        try:
            outs = _differentiable_outputs(func, ins)
            result = _C._run_backward(outs, gs, True, True, targets, True, False)
        finally:
            _C._set_grad_enabled(was)
        return tuple(g for g in result if g is not None)

    return gradcheck(
        first_gradient,
        (*inputs, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )
