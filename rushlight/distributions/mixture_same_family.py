"""Mixtures of distributions of one family."""

from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A value of one of the components, the last batch dimension of a distribution, drawn by a Categorical."""

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution need to be an instance of torch.distributions.Distribution")
        batch = component_distribution.batch_shape
        rushlight.broadcast_shapes(mixture_distribution.batch_shape, batch[:-1])
        self._num_component = mixture_distribution.logits.shape[-1]
        if self._num_component != batch[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({self._num_component}) does not equal `component_distribution."
                f"batch_shape[-1]` ({batch[-1]})"
            )
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "MixtureSameFamily":
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        batch = tuple(batch_shape)
        new._component_distribution = self._component_distribution.expand((*batch, self._num_component))
        new._mixture_distribution = self._mixture_distribution.expand(batch)
        new._num_component = self._num_component
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mixture_distribution(self) -> Categorical:
        """The weights."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    @constraints.dependent_property
    def support(self) -> Any:
        return self._component_distribution.support

    def _after(self, weights: Tensor) -> Tensor:
        """Weights with the event dimensions behind them."""
        return weights.reshape(tuple(weights.shape) + (1,) * len(self._event_shape))

    def _along(self) -> int:
        return -1 - len(self._event_shape)

    @property
    def mean(self) -> Tensor:
        return (self._after(self._mixture_distribution.probs) * self._component_distribution.mean).sum(self._along())

    @property
    def variance(self) -> Tensor:
        probs = self._after(self._mixture_distribution.probs)
        inner = (probs * self._component_distribution.variance).sum(self._along())
        gap = self._component_distribution.mean - self.mean.unsqueeze(self._along())
        return inner + (probs * gap.pow(2)).sum(self._along())

    def cdf(self, value: Tensor) -> Tensor:
        value = value.unsqueeze(self._along())
        return (self._component_distribution.cdf(value) * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        inner = self._component_distribution.log_prob(value.unsqueeze(self._along()))
        return rushlight.logsumexp(inner + self._mixture_distribution.logits, dim=-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with rushlight.no_grad():
            chosen = self._after(self._mixture_distribution.sample(sample_shape).unsqueeze(-1))
            values = self._component_distribution.sample(sample_shape)
            chosen = chosen.expand(
                tuple(chosen.shape[: values.dim() + self._along()]) + (1,) + tuple(self._event_shape)
            )
            return values.gather(self._along(), chosen).squeeze(self._along())

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
