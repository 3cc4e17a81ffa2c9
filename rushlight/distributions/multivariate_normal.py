"""The multivariate normal distribution."""

import math
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mahalanobis(factor: Tensor, difference: Tensor) -> Tensor:
    """The square of the length of factor^-1 difference, for lower triangular factors."""
    shape = rushlight.broadcast_shapes(factor.shape[:-1], difference.shape)
    solved = rushlight.linalg.solve_triangular(
        factor.expand(tuple(shape) + (factor.shape[-1],)), difference.expand(shape).unsqueeze(-1), upper=False
    )
    return solved.squeeze(-1).pow(2).sum(-1)


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc` and one of `covariance_matrix`, its inverse, or its Cholesky factor "
    "`scale_tril`."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "scale_tril": scale_tril,
            "precision_matrix": precision_matrix,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:  # type: ignore[union-attr]
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = rushlight.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])  # type: ignore[union-attr]
        setattr(self, name, matrix.expand(tuple(batch) + (-1, -1)))  # type: ignore[union-attr]
        self.loc = loc.expand(tuple(batch) + (-1,))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, matrix)  # type: ignore[arg-type]

    def expand(self, batch_shape: Any, _instance: Any = None) -> "MultivariateNormal":
        new = self._get_checked_instance(MultivariateNormal, _instance)
        batch, n = tuple(batch_shape), tuple(self.event_shape)
        new.loc = self.loc.expand(batch + n)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand(batch + n + n))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _matrix_shape(self) -> tuple:
        return tuple(self._batch_shape) + tuple(self._event_shape) + tuple(self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance matrix."""
        return self._unbroadcasted_scale_tril.expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance matrix."""
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance matrix."""
        return rushlight.cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._matrix_shape())

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(tuple(self._batch_shape) + tuple(self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        zeros, ones = rushlight.zeros(shape, dtype=self.loc.dtype), rushlight.ones(shape, dtype=self.loc.dtype)
        noise = rushlight.normal(zeros, ones)
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        half_log_det = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det

    def entropy(self) -> Tensor:
        half_log_det = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det
        return entropy.expand(self._batch_shape)


def _factor(name: str, matrix: Tensor) -> Tensor:
    """The Cholesky factor of the covariance matrix, from what was given."""
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return rushlight.linalg.cholesky(matrix)
    # precision = U^T U with U upper triangular in reversed order; its inverse transposed is the factor
    reversed_factor = rushlight.linalg.cholesky(rushlight.flip(matrix, (-2, -1)))
    upper = rushlight.flip(reversed_factor, (-2, -1)).mT
    identity = rushlight.eye(matrix.shape[-1], dtype=matrix.dtype)
    return rushlight.linalg.solve_triangular(upper, identity.expand(matrix.shape), upper=False)
