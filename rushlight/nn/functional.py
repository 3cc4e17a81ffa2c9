"""Functions of neural networks: every layer's computation without its state.

The operators that training loops spend their time in are native, and are re-exported as they are; the rest are
compositions.
"""

from types import FunctionType
from typing import Any, NoReturn

from rushlight import Tensor
from rushlight._C import _functions, _nn
from rushlight._numeric import pdist
from rushlight.nn import _reduction as _Reduction  # noqa: F401
from rushlight.nn import grad  # noqa: F401
from rushlight.nn._functional.activation import gumbel_softmax, rrelu, rrelu_, softmin, tanhshrink
from rushlight.nn._functional.attention import (
    _canonical_mask,
    _in_projection,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
    multi_head_attention_forward,
)
from rushlight.nn._functional.distance import (
    cosine_similarity,
    local_response_norm,
    normalize,
    pairwise_distance,
)
from rushlight.nn._functional.loss import (
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    linear_cross_entropy,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from rushlight.nn._functional.pool import (
    _unpool_output_size,
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from rushlight.nn._functional.shape import (
    affine_grid,
    channel_shuffle,
    conv_tbc,
    native_channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from rushlight.nn._tuples import _list_with_default, _pair, _single, _triple
from rushlight.overrides import (  # noqa: F401
    handle_torch_function,
    has_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
)

# The operators of this module that are native.
_NATIVE = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "alpha_dropout", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu",
    "celu_", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cross_entropy", "ctc_loss", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_", "embedding",
    "embedding_bag", "feature_alpha_dropout", "fold", "gelu", "glu", "grid_sample", "group_norm", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "huber_loss", "instance_norm", "interpolate", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_", "linear", "log_softmax", "logsigmoid", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "mish", "mse_loss", "nll_loss", "one_hot", "pad", "prelu", "relu", "relu6", "relu_", "rms_norm",
    "scaled_dot_product_attention", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus",
    "softshrink", "softsign", "tanh", "threshold", "threshold_", "unfold",
)  # fmt: skip
globals().update({name: getattr(_nn, name) for name in _NATIVE})
celu_, selu_ = _functions.celu_, _functions.selu_


def _absent(name: str, reason: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{name}: {reason}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raises NotImplementedError: {reason}."
    return function


scaled_mm = _absent("scaled_mm", "products of 8-bit floats with scales need hardware that Rushlight does not use")
scaled_grouped_mm = _absent("scaled_grouped_mm", "products of 8-bit floats with scales need hardware that Rushlight does not use")
grouped_mm = _absent("grouped_mm", "use a loop of `mm`, or `bmm` for groups of one size")

__all__ = [
    *_NATIVE, "affine_grid", "channel_shuffle", "conv_tbc", "cosine_embedding_loss", "cosine_similarity",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "gaussian_nll_loss", "gumbel_softmax", "hinge_embedding_loss",
    "linear_cross_entropy", "local_response_norm", "lp_pool1d", "lp_pool2d", "lp_pool3d", "margin_ranking_loss",
    "max_unpool1d", "max_unpool2d", "max_unpool3d", "multi_head_attention_forward", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "native_channel_shuffle", "normalize",
    "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "rrelu", "rrelu_",
    "soft_margin_loss", "softmin", "tanhshrink", "triplet_margin_loss", "triplet_margin_with_distance_loss",
    "upsample", "upsample_bilinear", "upsample_nearest", "_canonical_mask", "_in_projection",
    "_in_projection_packed", "_list_with_default", "_mha_shape_check", "_none_or_dtype", "_pair", "_single",
    "_triple", "_unpool_output_size", "Tensor",
]  # fmt: skip
__all__ = [name for name in __all__ if name in globals() and not name.startswith("_")]


def _give_home(functions: dict[str, Any]) -> None:
    """Let the compositions say that they live here: pickles name them by this module, as PyTorch's do."""
    for name in __all__:
        if isinstance(functions[name], FunctionType):
            functions[name].__module__ = __name__


_give_home(globals())
