"""`assert_close`: are two values equal up to rounding?"""

import cmath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rushlight
from rushlight import Tensor

_PRECISIONS = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_PRECISIONS |= {"complex32": (1e-3, 1e-5), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Takes tensors, numbers, arrays, and sequences and mappings of them. The default tolerances depend on the dtype; of
    two dtypes the coarser one's are taken. `msg` replaces the message, or makes one of it.
    """
    if (rtol is None) != (atol is None):
        missing = "atol" if atol is None else "rtol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
    comparison = _Comparison(rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride)
    comparison.allow_subclasses = allow_subclasses
    try:
        comparison.compare(actual, expected, ())
    except _Different as error:
        text = str(error) + (f"\n\nThe failure occurred for item {error.where}" if error.where else "")
        raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The old form of `assert_close`, which compares neither dtypes nor devices."""
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=False,
        check_dtype=False,
        msg=msg or None,
    )


class _Different(Exception):
    def __init__(self, message: str, path: tuple) -> None:
        super().__init__(message)
        self.where = "".join(f"[{key!r}]" for key in path)


class _Comparison:
    def __init__(self, rtol: Any, atol: Any, equal_nan: bool, *checks: bool) -> None:
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.check_device, self.check_dtype, self.check_layout, self.check_stride = checks

    def compare(self, actual: Any, expected: Any, path: tuple) -> None:
        if isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, str | bytes):
            if len(actual) != len(expected):
                message = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
                raise _Different(message, path)
            for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
                self.compare(a, b, (*path, i))
        elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
            self.mappings(actual, expected, path)
        elif actual is None and expected is None:
            pass
        elif isinstance(actual, Tensor) and isinstance(expected, Tensor):
            if not self.allow_subclasses and type(actual) is not type(expected):
                raise self.unable(actual, expected)
            self.tensors(actual, expected, path)
        elif isinstance(actual, bool | int | float | complex) and isinstance(expected, bool | int | float | complex):
            self.scalars(actual, expected, path)
        elif type(actual).__module__ == "numpy" and type(expected).__module__ == "numpy":
            self.tensors(rushlight.as_tensor(actual), rushlight.as_tensor(expected), path)
        else:
            raise self.unable(actual, expected)

    def unable(self, actual: Any, expected: Any) -> TypeError:
        kinds = f"{type(actual)} and {type(expected)}"
        return TypeError(f"No comparison pair was able to handle inputs of type {kinds}.")

    def mappings(self, actual: Mapping, expected: Mapping, path: tuple) -> None:
        missing, extra = set(expected) - set(actual), set(actual) - set(expected)
        if missing or extra:
            raise _Different(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
                f"Additional keys in the actual mapping: {sorted(extra, key=str)}",
                path,
            )
        for key in sorted(actual, key=str):
            self.compare(actual[key], expected[key], (*path, key))

    def tolerances(self, *names: str) -> tuple[float, float]:
        if self.rtol is not None:
            return self.rtol, self.atol
        pairs = [_PRECISIONS.get(name, (0.0, 0.0)) for name in names]
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def scalars(self, actual: Any, expected: Any, path: tuple, dtypes: tuple[str, ...] = ()) -> None:
        if not dtypes:
            dtypes = tuple(_dtype_name(value) for value in (actual, expected))
            if self.check_dtype and type(actual) is not type(expected):
                raise _Different(f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
        rtol, atol = self.tolerances(*dtypes)
        difference = abs(actual - expected)
        if actual == expected or (self.equal_nan and cmath.isnan(actual) and cmath.isnan(expected)):
            return
        if cmath.isfinite(difference) and difference <= atol + rtol * abs(expected):
            return
        relative = difference / abs(expected) if expected != 0 else float("inf")
        exact = rtol == 0 and atol == 0
        raise _Different(
            f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got {actual}.\n"
            f"Absolute difference: {difference}{'' if exact else f' (up to {atol} allowed)'}\n"
            f"Relative difference: {relative}{'' if exact else f' (up to {rtol} allowed)'}",
            path,
        )

    def tensors(self, actual: Tensor, expected: Tensor, path: tuple) -> None:
        checks = [
            ("shape", True),
            ("layout", self.check_layout),
            ("device", self.check_device),
            ("dtype", self.check_dtype),
        ]
        for name, wanted in checks:
            a, b = getattr(actual, name), getattr(expected, name)
            if wanted and a != b:
                raise _Different(f"The values for attribute {name!r} do not match: {a} != {b}.", path)
        if actual.layout != expected.layout:
            actual, expected = actual.to_dense(), expected.to_dense()
        if actual.layout is not rushlight.strided:
            return self.entries(actual.detach(), expected.detach(), path)
        if self.check_stride and actual.stride() != expected.stride():
            strides = f"{actual.stride()} != {expected.stride()}"
            raise _Different(f"The values for attribute 'stride()' do not match: {strides}.", path)
        dtypes = tuple(str(t.dtype).removeprefix("torch.") for t in (actual, expected))
        if actual.is_meta or expected.is_meta:
            return
        rtol, atol = self.tolerances(*dtypes)
        with rushlight.no_grad():
            a, b = _widened(actual.detach(), expected.detach())
            close = rushlight.isclose(a, b, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
            if bool(close.all()):
                return
            if actual.dim() == 0:
                self.scalars(a.item(), b.item(), path, dtypes)
            raise _Different(_difference_message(a, b, close, rtol, atol), path)

    def entries(self, actual: Tensor, expected: Tensor, path: tuple) -> None:
        """Sparse tensors: as many entries, at the same places, of the same values."""
        names = {
            rushlight.sparse_coo: ("COO", "_indices", "_values"),
            rushlight.sparse_csr: ("CSR", "crow_indices", "col_indices", "values"),
            rushlight.sparse_csc: ("CSC", "ccol_indices", "row_indices", "values"),
        }
        layout, *parts = names[actual.layout]
        if actual._nnz() != expected._nnz():
            raise _Different(
                f"The number of specified values in sparse {layout} tensors does not match: {actual._nnz()} != {expected._nnz()}",
                path,
            )
        for part in parts:
            try:
                self.tensors(getattr(actual, part)(), getattr(expected, part)(), path)
            except _Different as error:
                what = part.lstrip("_").replace("_", " ")
                raise _Different(f"Sparse {layout} {what} are not close!\n\n{error}", path) from None


def _dtype_name(value: Any) -> str:
    return {bool: "bool", int: "int64", float: "float64", complex: "complex128"}[type(value)]


def _widened(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both in a dtype in which their difference can be computed."""
    dtype = rushlight.promote_types(a.dtype, b.dtype)
    if dtype in (rushlight.bool, rushlight.uint8, rushlight.int8, rushlight.int16, rushlight.int32):
        dtype = rushlight.int64
    elif dtype in (rushlight.float16, rushlight.bfloat16):
        dtype = rushlight.float32
    return a.to(dtype), b.to(dtype)


def _difference_message(a: Tensor, b: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    wrong = close.logical_not()
    count, total = int(wrong.sum()), close.numel()
    difference = (a - b).abs()
    # Where the values agree the difference does not count, so that NaN and infinity there do not hide the others.
    absolute = difference.masked_fill(close, 0)
    relative = (difference / b.abs()).masked_fill(close, 0)
    exact = rtol == 0 and atol == 0

    def worst(name: str, values: Tensor, allowed: float) -> str:
        index = int(values.argmax())
        value = values.reshape(-1)[index].item()
        where: tuple[int, ...] = ()
        for size in reversed(values.shape):
            index, along = divmod(index, size)
            where = (along, *where)
        return f"Greatest {name} difference: {value} at index {where}" + (
            "" if exact else f" (up to {allowed} allowed)"
        )

    return (
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
        f"Mismatched elements: {count} / {total} ({count / total:.1%})\n"
        f"{worst('absolute', absolute, atol)}\n{worst('relative', relative, rtol)}"
    )
