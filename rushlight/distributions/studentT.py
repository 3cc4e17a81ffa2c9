"""Student's t distribution."""

import math
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.distribution import Distribution

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, moved by `loc` and stretched by `scale`."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self._set(validate_args, df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "StudentT":
        new = self._get_checked_instance(StudentT, _instance)
        for name in ("df", "loc", "scale"):
            setattr(new, name, getattr(self, name).expand(batch_shape))
        new._chi2 = self._chi2.expand(batch_shape)
        Distribution.__init__(new, batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        return self.loc.masked_fill(self.df <= 1, rushlight.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        return finite.masked_fill(self.df <= 2, rushlight.inf).masked_fill(self.df <= 1, rushlight.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        zeros, ones = rushlight.zeros(shape, dtype=self.df.dtype), rushlight.ones(shape, dtype=self.df.dtype)
        noise = rushlight.normal(zeros, ones)
        return self.loc + self.scale * noise * rushlight.rsqrt(self._chi2.rsample(sample_shape) / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        y, n = (value - self.loc) / self.scale, self.df
        gammas = rushlight.lgamma(0.5 * n) - rushlight.lgamma(0.5 * (n + 1.0))
        normaliser = self.scale.log() + 0.5 * n.log() + 0.5 * math.log(math.pi) + gammas
        return -0.5 * (n + 1.0) * rushlight.log1p(y**2.0 / n) - normaliser

    def entropy(self) -> Tensor:
        n = self.df
        log_beta = rushlight.lgamma(0.5 * n) + math.lgamma(0.5) - rushlight.lgamma(0.5 * (n + 1))
        gap = rushlight.digamma(0.5 * (n + 1)) - rushlight.digamma(0.5 * n)
        return self.scale.log() + 0.5 * (n + 1) * gap + 0.5 * n.log() + log_beta
