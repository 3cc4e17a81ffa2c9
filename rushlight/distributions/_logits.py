"""Distributions given by a probability or by its log odds."""

from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property, logits_to_probs, probs_to_logits


class BinaryLogits(Distribution):
    """Base of distributions with one of `probs` and `logits`, and perhaps further parameters of one value each."""

    _parameters = ("probs", "logits")

    def _set_either(self, validate_args: bool | None, probs: Any, logits: Any, **others: Any) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name = "logits" if probs is None else "probs"
        self._set(validate_args, **others, **{name: logits if probs is None else probs})

    @property
    def _given(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @lazy_property
    def logits(self) -> Tensor:
        """The log odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> "rushlight.Size":
        """The shape of the parameter that was given."""
        return self._given.size()
