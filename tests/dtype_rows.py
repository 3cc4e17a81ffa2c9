"""What an operator answers to its sample in each dtype, as a row of letters: for the recorder and for the test."""

from __future__ import annotations

from typing import Any

from samples import arguments, name_of

__all__ = ["DTYPES", "LETTERS", "name_of", "public", "row"]

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
# A capital or small letter for a dtype of the result; a digit for an exception.
LETTERS = {
    "bool": "b", "uint8": "u", "int8": "a", "int16": "s", "int32": "i", "int64": "l", "float16": "h", "bfloat16": "g",
    "float32": "f", "float64": "d", "complex64": "c", "complex128": "z", "complex32": "k", "-": "-", "RuntimeError": "1", "NotImplementedError": "2",
    "TypeError": "3", "ValueError": "4", "IndexError": "5", "sample": ".", "_LinAlgError": "6", "LinAlgError": "6", "ZeroDivisionError": "7",
}  # fmt: skip


FUNCTION, METHOD = 1, 2
SPREAD = (
    "chain_matmul",
    "block_diag",
    "cartesian_prod",
    "broadcast_tensors",
)  # their tensors are arguments, not a list


def public(torch: Any, op: dict) -> Any:
    """The public function of an operator's name in a module of PyTorch's interface, else the method; None without either."""
    space = {"": torch, "nn": torch.nn.functional, "linalg": torch.linalg, "special": torch.special}[op["namespace"]]
    found = getattr(space, op["name"], None) if op["forms"] & FUNCTION else None
    if found is None and op["forms"] & METHOD:
        found = getattr(torch.Tensor, op["name"], None)
    return (lambda tensors: found(*tensors)) if op["name"] in SPREAD else found


def letters_of(value: Any) -> str:
    """The dtypes of the tensors of a result; a dash where it is none."""
    if isinstance(value, (tuple, list)):
        parts = [letters_of(v) for v in value]
        return parts[0] if parts and len(set(parts)) == 1 and isinstance(value, list) else "".join(parts)
    return LETTERS[str(value.dtype).split(".")[-1]] if hasattr(value, "dtype") else "-"


def answer(torch: Any, op: dict, dtype: str) -> str:
    try:
        args, kwargs = arguments(torch, op, getattr(torch, dtype))
    except Exception:  # the sample is made by operators that refuse the dtype
        return LETTERS["sample"]
    torch.manual_seed(0)
    try:
        return letters_of(public(torch, op)(*args, **kwargs))
    except Exception as error:
        return LETTERS[type(error).__name__]


def row(torch: Any, op: dict) -> str:
    """The operator's answers to its sample in each of DTYPES."""
    return " ".join(answer(torch, op, dtype) for dtype in DTYPES)
