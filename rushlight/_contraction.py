"""Contractions that take any number of operands: einsum and chain_matmul."""

from __future__ import annotations

from typing import Any

from rushlight._C import Tensor, _functions

__all__ = ["chain_matmul", "einsum"]


def _letter(subscript: Any) -> str:
    if subscript is Ellipsis:
        return "..."
    if not isinstance(subscript, int):
        raise TypeError(f"einsum(): a subscript list holds ints and Ellipsis, not {type(subscript).__name__}")
    if not 0 <= subscript < 52:
        raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return chr(ord("A") + subscript) if subscript < 26 else chr(ord("a") + subscript - 26)


def einsum(*args: Any) -> Tensor:
    """Sums of products in Einstein's notation: `einsum("ij,jk->ik", a, b)` or `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    A subscript that the output lacks is summed over; "..." stands for dimensions that broadcast. Without an output the
    subscripts that occur once, in alphabetical order. Raises RuntimeError where sizes or subscripts don't fit.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
    else:
        inputs = ["".join(map(_letter, subscripts)) for subscripts in args[1::2]]
        equation, operands = ",".join(inputs), args[:-1:2]
        if len(args) % 2:
            equation += "->" + "".join(map(_letter, args[-1]))
    return _functions.einsum(equation, operands)


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices (a, b), (b, c), ... in the order that needs the fewest multiplications."""
    return _functions.chain_matmul(list(matrices), out=out)
