"""Record PyTorch's distributions: tests/recorded/distributions.json. Run with PyTorch 2.13."""

import json
from pathlib import Path
from typing import Any

import torch

# Parameters are lists, which both sides make tensors of; numbers stay numbers.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("Normal", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
    ("Normal", {"loc": 0.0, "scale": 1.0}),
    ("Uniform", {"low": [0.0, 1.0], "high": [1.0, 3.0]}),
    ("Bernoulli", {"probs": [0.2, 0.5, 0.7]}),
    ("Bernoulli", {"logits": [0.2, -0.5]}),
    ("Categorical", {"probs": [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]}),
    ("Categorical", {"logits": [0.1, 2.0, -1.0]}),
    ("OneHotCategorical", {"probs": [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]}),
    ("Exponential", {"rate": [0.5, 2.0]}),
    ("Laplace", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
    ("Cauchy", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
    ("Gamma", {"concentration": [0.5, 2.0], "rate": [1.0, 3.0]}),
    ("Chi2", {"df": [1.0, 3.0]}),
    ("Beta", {"concentration1": [0.5, 2.0], "concentration0": [1.0, 3.0]}),
    ("Dirichlet", {"concentration": [[0.5, 2.0, 1.0], [1.0, 1.0, 1.0]]}),
    ("Poisson", {"rate": [0.5, 4.0]}),
    ("Geometric", {"probs": [0.3, 0.6]}),
    ("Binomial", {"total_count": 5, "probs": [0.3, 0.6]}),
    ("Multinomial", {"total_count": 5, "probs": [0.3, 0.6, 0.1]}),
    ("MultivariateNormal", {"loc": [0.0, 1.0], "covariance_matrix": [[2.0, 0.5], [0.5, 1.0]]}),
    ("MultivariateNormal", {"loc": [0.0, 1.0], "precision_matrix": [[2.0, 0.5], [0.5, 1.0]]}),
    ("LogNormal", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}),
    ("HalfNormal", {"scale": [1.0, 2.0]}),
    ("Gumbel", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
    ("HalfCauchy", {"scale": [1.0, 2.0]}),
    ("Pareto", {"scale": [1.0, 2.0], "alpha": [3.0, 1.0]}),
    ("Weibull", {"scale": [1.0, 2.0], "concentration": [3.0, 1.5]}),
    ("Kumaraswamy", {"concentration1": [2.0, 2.0], "concentration0": [3.0, 1.5]}),
    ("InverseGamma", {"concentration": [3.0, 4.0], "rate": [3.0, 1.5]}),
    ("NegativeBinomial", {"total_count": [3.0, 2.0], "probs": [0.3, 0.5]}),
    ("FisherSnedecor", {"df1": [3.0, 6.0], "df2": [5.0, 7.0]}),
    ("StudentT", {"df": [3.0, 5.0], "loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
]


def value_of(function: Any) -> Any:
    """A tensor as lists, or None where PyTorch has no answer."""
    try:
        return function().tolist()
    except NotImplementedError:
        return None


def main() -> None:
    """Write the file."""
    rows = []
    for name, options in CASES:
        arguments = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
        distribution = getattr(torch.distributions, name)(**arguments)
        torch.manual_seed(0)
        sample = distribution.sample((4,))
        rows.append(
            {
                "distribution": name,
                "options": options,
                "sample": sample.tolist(),
                "log_prob": distribution.log_prob(sample).tolist(),
                "entropy": value_of(distribution.entropy),
                "cdf": value_of(lambda d=distribution, s=sample: d.cdf(s)),
                "mean": distribution.mean.tolist(),
                "variance": distribution.variance.tolist(),
                "repr": repr(distribution),
            }
        )
    path = Path(__file__).parent.parent / "tests" / "recorded" / "distributions.json"
    path.write_text(json.dumps(rows, separators=(",", ":")) + "\n")


main()
