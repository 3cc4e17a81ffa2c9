"""Measures the accuracy of special and elementary functions against mpmath, in units in the last place.

    python tools/ulps.py            writes docs/accuracy.md
    python tools/ulps.py NAME ...   prints the rows of these functions

An error is |ours - true| over the distance of neighbouring floats at the true value. Arguments are drawn with a seed from the
ranges that a row names, and are exact in the type that is measured. Beside a zero of a function that crosses it, the error
in ulps has no bound for any method with a fixed precision, so the absolute error stands beside it.
"""

from __future__ import annotations

import math
import pathlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np

import rushlight as torch

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
POINTS = 300  # of each function
mp = mpmath.mp.clone()
mp.dps = 40


class Row(NamedTuple):
    name: str  # after torch.
    true: Callable[..., Any]  # of mpmath numbers
    ranges: tuple[tuple[float, float], ...]  # of each argument; a range from a to b with 0 < a << b is drawn by logarithm
    before: tuple[Any, ...] = ()  # arguments that are no tensors


def _erfcx(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


def _ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _ndtri(p: Any) -> Any:
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


def _upper(a: Any, x: Any) -> Any:
    return mp.gammainc(a, x, mp.inf, regularized=True)


def _lower(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


_REAL, _WIDE, _UNIT, _POSITIVE = (-5.0, 5.0), (-30.0, 30.0), (0.001, 0.999), (1e-3, 1e3)
ROWS = [
    Row("exp", mp.exp, (_WIDE,)),
    Row("exp2", lambda x: mp.power(2, x), (_WIDE,)),
    Row("expm1", mp.expm1, (_WIDE,)),
    Row("log", mp.log, (_POSITIVE,)),
    Row("log2", lambda x: mp.log(x, 2), (_POSITIVE,)),
    Row("log10", mp.log10, (_POSITIVE,)),
    Row("log1p", mp.log1p, ((-0.9, 30.0),)),
    Row("sin", mp.sin, (_WIDE,)),
    Row("cos", mp.cos, (_WIDE,)),
    Row("tan", mp.tan, (_WIDE,)),
    Row("asin", mp.asin, ((-0.999, 0.999),)),
    Row("acos", mp.acos, ((-0.999, 0.999),)),
    Row("atan", mp.atan, (_WIDE,)),
    Row("sinh", mp.sinh, (_WIDE,)),
    Row("cosh", mp.cosh, (_WIDE,)),
    Row("tanh", mp.tanh, (_WIDE,)),
    Row("asinh", mp.asinh, (_WIDE,)),
    Row("acosh", mp.acosh, ((1.001, 1e3),)),
    Row("atanh", mp.atanh, ((-0.999, 0.999),)),
    Row("sigmoid", lambda x: 1 / (1 + mp.exp(-x)), (_WIDE,)),
    Row("pow", mp.power, (_POSITIVE, _REAL)),
    Row("atan2", mp.atan2, (_REAL, _REAL)),
    Row("hypot", mp.hypot, (_REAL, _REAL)),
    Row("special.airy_ai", mp.airyai, ((-10.0, 10.0),)),
    Row("special.bessel_j0", lambda x: mp.besselj(0, x), (_WIDE,)),
    Row("special.bessel_j1", lambda x: mp.besselj(1, x), (_WIDE,)),
    Row("special.bessel_y0", lambda x: mp.bessely(0, x), ((0.01, 30.0),)),
    Row("special.bessel_y1", lambda x: mp.bessely(1, x), ((0.01, 30.0),)),
    Row("special.modified_bessel_i0", lambda x: mp.besseli(0, x), (_WIDE,)),
    Row("special.modified_bessel_i1", lambda x: mp.besseli(1, x), (_WIDE,)),
    Row("special.modified_bessel_k0", lambda x: mp.besselk(0, x), ((0.01, 30.0),)),
    Row("special.modified_bessel_k1", lambda x: mp.besselk(1, x), ((0.01, 30.0),)),
    Row("special.scaled_modified_bessel_k0", lambda x: mp.exp(x) * mp.besselk(0, x), ((0.01, 30.0),)),
    Row("special.scaled_modified_bessel_k1", lambda x: mp.exp(x) * mp.besselk(1, x), ((0.01, 30.0),)),
    Row("special.i0", lambda x: mp.besseli(0, x), (_WIDE,)),
    Row("special.i0e", lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), (_WIDE,)),
    Row("special.i1", lambda x: mp.besseli(1, x), (_WIDE,)),
    Row("special.i1e", lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), (_WIDE,)),
    Row("special.spherical_bessel_j0", lambda x: mp.sin(x) / x, ((0.01, 30.0),)),
    Row("special.chebyshev_polynomial_t", lambda x: mp.chebyt(7, x), ((-1.0, 1.0),), (7,)),
    Row("special.chebyshev_polynomial_u", lambda x: mp.chebyu(7, x), ((-1.0, 1.0),), (7,)),
    Row("special.hermite_polynomial_h", lambda x: mp.hermite(7, x), (_REAL,), (7,)),
    Row("special.laguerre_polynomial_l", lambda x: mp.laguerre(7, 0, x), ((0.0, 5.0),), (7,)),
    Row("special.legendre_polynomial_p", lambda x: mp.legendre(7, x), ((-1.0, 1.0),), (7,)),
    Row("special.digamma", mp.digamma, ((0.01, 100.0),)),
    Row("special.polygamma", lambda x: mp.polygamma(2, x), ((0.01, 100.0),), (2,)),
    Row("special.gammaln", lambda x: mp.log(abs(mp.gamma(x))), ((0.01, 100.0),)),
    Row("special.multigammaln", lambda x: mp.log(mp.pi) / 2 + mp.loggamma(x) + mp.loggamma(x - 0.5), ((1.0, 50.0),), (2,)),
    Row("special.gammainc", _lower, ((0.1, 30.0), (0.1, 30.0))),
    Row("special.gammaincc", _upper, ((0.1, 30.0), (0.1, 30.0))),
    Row("special.zeta", lambda s, q: mp.zeta(s, q), ((1.1, 20.0), (0.1, 20.0))),
    Row("special.erf", mp.erf, (_REAL,)),
    Row("special.erfc", mp.erfc, (_REAL,)),
    Row("special.erfcx", _erfcx, ((-3.0, 30.0),)),
    Row("special.erfinv", mp.erfinv, ((-0.999, 0.999),)),
    Row("special.ndtr", _ndtr, (_REAL,)),
    Row("special.ndtri", _ndtri, (_UNIT,)),
    Row("special.log_ndtr", lambda x: mp.log(_ndtr(x)), ((-20.0, 5.0),)),
    Row("special.entr", lambda x: -x * mp.log(x), (_POSITIVE,)),
    Row("special.logit", lambda x: mp.log(x / (1 - x)), (_UNIT,)),
    Row("special.sinc", mp.sincpi, (_REAL,)),
    Row("special.xlogy", lambda x, y: x * mp.log(y), (_REAL, _POSITIVE)),
    Row("special.xlog1py", lambda x, y: x * mp.log1p(y), (_REAL, (1e-3, 30.0))),
]


def arguments(row: Row, dtype: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    drawn = []
    for low, high in row.ranges:
        by_logarithm = low > 0 and high / low > 100
        x = np.exp(rng.uniform(math.log(low), math.log(high), POINTS)) if by_logarithm else rng.uniform(low, high, POINTS)
        drawn.append(x.astype(dtype))
    return drawn


def measure(row: Row, dtype: Any, points: int = POINTS) -> tuple[float, float]:
    """The worst error in ulps and the worst absolute error among the first points."""
    inputs = [x[:points] for x in arguments(row, dtype)]
    function = torch
    for part in row.name.split("."):
        function = getattr(function, part)
    tensors = [torch.from_numpy(x) for x in inputs]
    # the order of a polygamma comes first, a polynomial's degree and a dimension last
    given = [*row.before, *tensors] if row.name.endswith("polygamma") else [*tensors, *row.before]
    ours = function(*given).numpy()
    assert ours.dtype == dtype, (row.name, ours.dtype)
    ulps = absolute = 0.0
    smallest = float(np.finfo(dtype).tiny)
    for i in range(points):
        true = row.true(*[mp.mpf(float(x[i])) for x in inputs])
        if abs(true) < smallest or abs(true) > float(np.finfo(dtype).max):
            continue
        error = abs(mp.mpf(float(ours[i])) - true)
        ulps = max(ulps, float(error / mp.mpf(float(np.spacing(np.abs(dtype(float(true))))))))
        absolute = max(absolute, float(error))
    return ulps, absolute


def line(row: Row) -> str:
    cells = [f"{ulps:.1f} | {absolute:.1e}" for ulps, absolute in (measure(row, np.float32), measure(row, np.float64))]
    span = ", ".join(f"{low:g} to {high:g}" for low, high in row.ranges)
    extra = f" ({', '.join(map(str, row.before))})" if row.before else ""
    return f"| `{row.name}`{extra} | {span} | {cells[0]} | {cells[1]} |"


def page() -> str:
    head = (
        "<!-- Made by tools/ulps.py; do not edit. -->\n\n# Accuracy\n\n"
        f"The worst error of {POINTS} arguments for each function, against mpmath with {mp.dps} digits, in units in the last place\n"
        "(ulp) and absolutely. Where a function crosses zero its error in ulps has no bound near the crossing.\n\n"
        "| function | arguments | float32 ulp | absolute | float64 ulp | absolute |\n| --- | --- | ---: | ---: | ---: | ---: |\n"
    )
    return head + "\n".join(map(line, ROWS)) + "\n"


def main() -> None:
    if sys.argv[1:]:
        for row in ROWS:
            if row.name.split(".")[-1] in sys.argv[1:] or row.name in sys.argv[1:]:
                print(line(row))
        return
    PAGE.write_text(page())
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
