"""A valid call of every operator of the registry: its arguments, made from its signature or from the table below.

`arguments(torch, op)` gives (args, kwargs) for an entry of the registry. Each is a function of the seed, the dtype and the
size alone; `torch` may be any module of PyTorch's interface, so that the same calls can be made of two of them.
"""

from __future__ import annotations

import re
from typing import Any

# What the names below stand for: sizes of a matrix (r, c), of a square one (n), a batch (b), a side of an image (s).
SMALL = {"r": 2, "c": 3, "n": 3, "b": 2, "s": 4}
LARGE = {"r": 300, "c": 500, "n": 40, "b": 16, "s": 24}

# Operators whose inputs are whole numbers, or complex ones.
INTEGERS = re.compile(r"bitwise_|gcd$|lcm$")
COMPLEX = re.compile(r"(view_as_real.*|imag|_conj_physical|_fft_c2c|_fft_c2r)$")
# Ranges of the numbers of tensors that the table does not write.
POSITIVE = re.compile(
    r"(log|log2|log10|log1p|sqrt|rsqrt|lgamma|digamma|igammac?|entr|poisson|_standard_gamma.*|.*bessel_[ky]\d)$"
)
UNIT = re.compile(r"(asin|acos|atanh|erfinv|_?logit|ndtri|bernoulli|_binary_cross_entropy|binary_cross_entropy)$")
ABOVE_ONE = re.compile(r"(acosh|zeta|mvlgamma)$")

# name[.overload]: arguments; x takes the operator's range, p positive numbers, u (0, 1), f floating-point whatever the
# dtype, i places below its first argument, perm a permutation, mask truth values, square a well-conditioned matrix, pd a positive definite one.
TABLE = """
_attention: x(b, 2, s, n), x(b, 2, s, n), x(b, 2, s, n), None, False, 0.5
scaled_dot_product_attention: x(b, 2, s, n), x(b, 2, s, n), x(b, 2, s, n)
convolution: x(b, 2, s), x(3, 2, 3), x(3), [1], [1], [1], False, [0], 1
convolution_backward: x(b, 3, s), x(b, 2, s), x(3, 2, 3), [3], [1], [1], [1], False, [0], 1, [True, True, True]
conv1d: x(b, 2, s), x(3, 2, 3), x(3)
conv1d.padding: x(b, 2, s), x(3, 2, 3), x(3), 1, "same"
conv2d: x(1, 2, s, s), x(2, 2, 2, 2), x(2)
conv2d.padding: x(1, 1, s, s), x(2, 1, 3, 3), x(2), 1, "same"
conv3d: x(1, 1, s - 1, s - 1, s - 1), x(2, 1, 2, 2, 2), x(2)
conv3d.padding: x(1, 1, s - 1, s - 1, s - 1), x(1, 1, 2, 2, 2), x(1), 1, "valid"
conv_transpose1d: x(b, 2, s), x(2, 3, 3), x(3)
conv_transpose2d: x(1, 2, s, s), x(2, 2, 2, 2), x(2)
conv_transpose3d: x(1, 1, s - 1, s - 1, s - 1), x(1, 1, 2, 2, 2), x(1)
to.dtype: x(r, c), dtype
to.device: x(r, c), "cpu"
fill: x(r, c), 2
empty_strided: [r, c], [c, 1], dtype=dtype
empty_permuted: [r, c], [1, 0], dtype=dtype
new_empty_strided: x(r, c), [r, c], [c, 1]
full: [r, c], 2, dtype=dtype
full_like: x(r, c), 2
new_full: x(r, c), [r, c], 2
arange: 5, dtype=dtype
arange.start_step: 1, 7, 2, dtype=dtype
range: 1, 7, dtype=dtype
linspace: 0, 4, 5, dtype=dtype
logspace: 0, 2, 3, dtype=dtype
eye: n, dtype=dtype
eye.m: n, 2, dtype=dtype
tril_indices: n, n
triu_indices: n, n
_ctc_loss_backward: p(b), x(s, b, n).log_softmax(2), i(n - 1, b, 2) + 1, [s] * b, [2] * b, 0, False
_ctc_loss_each: x(s, b, n).log_softmax(2), i(n - 1, b, 2) + 1, [s] * b, [2] * b, 0, False
ctc_loss: x(s, b, n).log_softmax(2), i(n - 1, b, 2) + 1, [s] * b, [2] * b
_fused_dropout: x(r, c), 0.5, True
native_dropout_backward: x(r, c), mask(r, c), 2.0
_dropout: x(r, c), x(r, c), mask(r, c), 2.0
dropout: x(r, c), 0.5, True
dropout_: x(r, c), 0.5, True
feature_dropout: x(b, n, s), 0.5, True
feature_dropout_: x(b, n, s), 0.5, True
alpha_dropout: x(r, c), 0.5, True
alpha_dropout_: x(r, c), 0.5, True
feature_alpha_dropout: x(b, n, s), 0.5, True
feature_alpha_dropout_: x(b, n, s), 0.5, True
native_dropout: x(r, c), 0.5, True
dropout1d: x(b, n, s)
dropout2d: x(b, n, s, s)
dropout3d: x(b, n, s, s, s)
embedding_dense_backward: x(r, c), i(n, r), n, -1, False
embedding: x(n, c), i(n, r)
nn::embedding: i(n, r), x(n, c)
_embedding_bag: x(n, c), i(n, 4), whole([0, 2]), None, False, False, -1, 2, False
_maximal_rows: x(n, c), i(n, 4), whole([0, 2]), -1, 2
embedding_bag: i(n, 4), x(n, c), whole([0, 2])
_fft_c2c: x(r, c), [1], 0, True
_fft_r2c: x(r, c), [1], 0, True
_fft_c2r: x(r, c), [1], 0, 2 * c - 2
im2col: x(1, 2, s, s), 2, 1, 0, 1
col2im: x(1, 4, (s - 1) * (s - 1)), [s, s], 2, 1, 0, 1
nn::unfold: x(1, 2, s, s), 2
nn::fold: x(1, 4, (s - 1) * (s - 1)), [s, s], 2
histc: x(r, c), 4, 0, 4
histogramdd.int_bins: x(r * c, 2), 3
histogramdd: x(r * c, 2), [2, 3]
histogramdd.TensorList_bins: x(r * c, 2), [edges(4), edges(3)]
histogram.bins_tensor: x(r, c), edges(4)
histogram.bin_ct: x(r, c), 4
bincount: i(n, r * c)
index.Tensor: x(r, c), [i(r, 4)]
index_put: x(r, c), [perm(r)], x(r, c)
masked_fill.Scalar: x(r, c), mask(r, c), 2
masked_fill.Tensor: x(r, c), mask(r, c), x()
masked_select: x(r, c), mask(r, c)
masked_scatter: x(r, c), mask(r, c), x(r, c)
nonzero.as_tuple: x(r, c), as_tuple=True
nonzero.out: x(r, c), as_tuple=False
nonzero_static: x(r, c), size=4
index_select: x(r, c), 1, i(c, 4)
take: x(r, c), i(r * c, 4)
put: x(r, c), perm(r * c)[:2], x(2)
index_add: x(r, c), 0, perm(r), x(r, c)
index_copy: x(r, c), 0, perm(r), x(r, c)
index_reduce: x(r, c), 0, i(r, 2 * r), x(2 * r, c), "amax"
index_fill: x(r, c), 0, i(r, 1), 2
gather: x(r, c), 1, i(c, r, c)
scatter.src: x(r, c), 1, perm(c).expand(r, c), x(r, c)
scatter.value: x(r, c), 1, perm(c).expand(r, c), 2
scatter.reduce: x(r, c), 1, i(c, r, c), x(r, c), reduce="add"
scatter.value_reduce: x(r, c), 1, i(c, r, c), 2, reduce="multiply"
scatter_add: x(r, c), 1, i(c, r, c), x(r, c)
scatter_reduce: x(r, c), 1, i(c, r, c), x(r, c), "prod"
take_along_dim: x(r, c), i(c, r, c), 1
_linalg_permutation: pivots(n), n, dtype
lu_unpack: square(n, n), pivots(n)
linalg::lu_solve: square(n, n), pivots(n), x(n, 2)
lu_solve: x(n, 2), square(n, n), pivots(n)
_linalg_solve: square(n, n), x(n, 2)
solve_ex: square(n, n), x(n, 2)
solve: square(n, n), x(n, 2)
_cdist_backward: x(r, n), x(r, c), x(n, c), 1.5, p(r, n)
_cdist_forward: x(r, c), x(n, c), 1.5
_euclidean_dist: x(r, c), x(n, c)
cdist: x(r, c), x(n, c)
pinv.atol_rtol_tensor: x(n, 2)
pinv: x(n, 2), 1e-15
pinverse: x(n, 2)
_linalg_pinv: x(n, 2), f(), f() * 1e-15, False
matrix_rank.atol_rtol_tensor: x(n, 2)
matrix_rank: x(n, 2), 1e-6
matrix_power: x(n, n), 3
tensorinv: square(4, 4).reshape(4, 2, 2), ind=1
tensorsolve: square(4, 4).reshape(2, 2, 4), x(2, 2)
cross: x(r, c, 3), x(r, c, 3), dim=2
vander: x(c)
_linalg_triangular: square(n, n).triu(), x(n, 2), True, False
solve_triangular: square(n, n), x(n, 2), upper=True
triangular_solve: x(n, 2), square(n, n)
_cholesky_solve_helper: x(n, 2), square(n, n), False
cholesky_solve: x(n, 2), square(n, n)
geqrf: x(n, n)
householder_product: x(n, n), x(n)
orgqr: x(n, n), x(n)
ormqr: x(n, n), x(n), x(n, 2)
ldl_solve: pd(n, n), pivots(n), x(n, 2)
linalg::svd: x(n, 2), False
svd: x(n, 2)
svdvals: x(n, 2)
eig: x(n, n)
eigvals: x(n, n)
_linalg_lstsq: x(n, 2), x(n, 2), -1.0, "gelsy"
lstsq: x(n, 2), x(n, 2)
_cross_entropy: x(r, c), i(c, r), 1, -100
_pick_class_backward: x(r, 1), x(r, c), i(c, r, 1), 1
_pick_class: x(r, c), i(c, r, 1), 1
nll_loss: x(r, c), i(c, r)
_nll_loss: x(r, c), i(c, r), None, 1, -100
_nll_loss_backward: x(), x(r, c), i(c, r), None, f() * 0 + r, 1, -100
pixel_shuffle: x(1, 4, s, s), 2
pixel_unshuffle: x(1, 1, s, s), 2
cross_entropy: x(r, c), i(c, r)
kl_div: x(r, c), u(r, c), reduction="batchmean"
mm: x(r, c), x(c, n)
bmm: x(b, n, s), x(b, s, n)
addmm: x(r, n), x(r, c), x(c, n)
baddbmm: x(b, n, n), x(b, n, s), x(b, s, n)
addbmm: x(n, n), x(b, n, s), x(b, s, n)
matmul: x(r, c), x(c, n)
einsum: "ij,jk->ik", [x(r, c), x(c, n)]
tensordot: x(r, c), x(c, n), 1
chain_matmul: [x(r, c), x(c, n), x(n, r)]
multi_dot: [x(r, c), x(c, n), x(n, r)]
linear: x(r, c), x(n, c), x(n)
bilinear: x(r, c), x(r, n), x(4, c, n), x(4)
dot: x(c), x(c)
vdot: x(c), x(c)
mv: x(r, c), x(c)
addmv: x(r), x(r, c), x(c)
outer: x(r), x(c)
inner: x(r, c), x(n, c)
addr: x(r, c), x(r), x(c)
native_layer_norm: x(r, c), [c], x(c), x(c), 1e-5
layer_norm: x(r, c), [c], x(c), x(c)
_fused_rms_norm: x(r, c), [c], x(c), 1e-5
rms_norm: x(r, c), [c], x(c)
native_batch_norm: x(b, n, s), x(n), x(n), None, None, True, 0.1, 1e-5
nn::batch_norm: x(b, n, s), None, None, x(n), x(n), True
batch_norm: x(b, n, s), x(n), x(n), None, None, True, 0.1, 1e-5, False
nn::instance_norm: x(b, n, s)
instance_norm: x(b, n, s), x(n), x(n), None, None, True, 0.1, 1e-5, False
_group_norm: x(b, 4, s), x(4), x(4), b, 4, s, 2, 1e-5
native_group_norm: x(b, 4, s), x(4), x(4), b, 4, s, 2, 1e-5
group_norm: x(b, 4, s), 2, x(4), x(4)
threshold_backward: x(r, c), x(r, c), 1
threshold: x(r, c), 1, 2
threshold_: x(r, c), 1, 2
leaky_relu_backward: x(r, c), x(r, c), 0.1
_leaky_relu: x(r, c), 0.1
elu_backward: x(r, c), x(r, c), 1.0, 1.0, 1.0
_elu: x(r, c), 1.0, 1.0, 1.0
softplus_backward: x(r, c), x(r, c), 1, 20
_softplus: x(r, c), 1, 20
_band_backward: x(r, c), x(r, c), -1, 1, 1
_hardtanh: x(r, c), -1, 1
_shrink_backward: x(r, c), x(r, c), 0.5
prelu: x(r, c), x(c)
glu: x(2 * r, c), 0
polynomial: x(r, c), 3
complex: x(r, c), x(r, c)
polar: x(r, c), x(r, c)
view_as_complex: x(r, c, 2)
view_as_complex_copy: x(r, c, 2)
sigmoid_backward: x(r, c), u(r, c)
tanh_backward: x(r, c), u(r, c)
xlogy: x(r, c), p(r, c)
xlog1py: x(r, c), p(r, c)
pow: p(r, c), x(r, c)
float_power: p(r, c), x(r, c)
_squared_error_backward: x(r, c), x(r, c), x(r, c), 2
_smooth_l1: x(r, c), x(r, c), 1.0
_huber: x(r, c), x(r, c), 1.0
_sigmoid_minus: x(r, c), u(r, c)
_mse_reduced: x(r, c), x(r, c), 1
binary_cross_entropy_with_logits: x(r, c), u(r, c)
_polygamma: p(r, c), 1
polygamma: 1, p(r, c)
polygamma.method: p(r, c), 1
mvlgamma: x(r, c), 2
_logit: x(r, c), 1e-6
clamp.Tensor: x(r, c), x(r, c)
clamp: x(r, c), -1, 1
_clamp: x(r, c), -1, 1
round.decimals: x(r, c), decimals=1
_nan_to_num: x(r, c), 0.0, 1.0, -1.0
where.self: mask(r, c), x(r, c), x(r, c)
where: mask(r, c)
div.Tensor_mode: x(r, c), x(r, c), rounding_mode="floor"
_max_pool_backward: x(1, 2, s // 2), x(1, 2, s), i(s, 1, 2, s // 2), 1
_pooled_maximum: x(1, 2, s), x(1, 2, s // 2), i(s, 1, 2, s // 2), 1
_max_pool: x(1, 2, s), [2], [2], [0], [1], False, True
_adaptive_max_pool: x(1, 2, s), [2]
_average_pool: x(1, 2, s), [2], [2], [0], False, True, 0
_average_pool_backward: x(1, 2, s // 2), x(1, 2, s), [2], [2], [0], False, True, 0
_adaptive_average_pool: x(1, 2, s), [2]
_adaptive_average_pool_backward: x(1, 2, 2), x(1, 2, s), 1
pool1d: x(b, 2, s), 2
pool2d: x(1, 2, s, s), 2
pool3d: x(1, 1, s, s, s), 2
rand: [r, c], dtype=dtype
randn: [r, c], dtype=dtype
randint: 5, [r, c], dtype=dtype
randint.low: 1, 5, [r, c], dtype=dtype
randperm: c, dtype=dtype
randint_like: x(r, c), 5
randint_like.Tensor: x(r, c), whole(5)
randint_like.low_dtype: x(r, c), 1, 5
random.to: x(r, c), 5
random.from: x(r, c), 1, 5
random_.to: x(r, c), 5
random_.from: x(r, c), 1, 5
geometric: x(r, c), 0.5
geometric_: x(r, c), 0.5
nn::bernoulli.Tensor: x(r, c), u(r, c)
nn::bernoulli.float: x(r, c), 0.5
bernoulli_.Tensor: x(r, c), u(r, c)
bernoulli_.float: x(r, c), 0.5
bernoulli.p: x(r, c), 0.5
nn::normal: x(r, c)
normal.Tensor_Tensor: x(r, c), p(r, c)
normal.Tensor_float: x(r, c)
normal.float_Tensor: 0.0, p(r, c)
normal.float_float: 0.0, 1.0, [r, c], dtype=dtype
binomial: f(r, c).abs().ceil().to(dtype), u(r, c)
multinomial: p(r, c), 2
_constant_in: x(r, c), [x(r, c)]
_prod_of_others: x(r, c), 1
matrix_norm.str_ord: x(n, n)
matrix_norm: x(n, n), 1
linalg::norm.ord_str: x(n, n), "nuc"
renorm: x(r, c), 2, 0, 1
sum_to_size: x(r, c), [1, c]
_interpolate: x(1, 2, s), 2, 2 * s, 1, False, 0.5
_interpolate_backward: x(1, 2, 2 * s), 2, s, 1, False, 0.5
interpolate: x(1, 1, s, s), scale_factor=2, mode="bilinear"
grid_sampler: x(1, 2, s, s), u(1, 3, 3, 2), 0, 0, False
grid_sampler_2d: x(1, 2, s, s), u(1, 3, 3, 2), 0, 0, False
grid_sampler_backward: x(1, 2, 3, 3), x(1, 2, s, s), u(1, 3, 3, 2), 0, 0, False, True
grid_sample: x(1, 2, s, s), u(1, 3, 3, 2), align_corners=False
_rnn_layer: x(s, b, n), x(b, n), None, x(n, n), x(n), 0, False
lstm.input: x(s, b, n), [x(1, b, 2), x(1, b, 2)], [x(8, n), x(8, 2), x(8), x(8)], True, 1, 0.0, False, False, False
lstm.data: x(5, n), whole([3, 2]), [x(1, 3, 2), x(1, 3, 2)], [x(8, n), x(8, 2), x(8), x(8)], True, 1, 0.0, False, False
gru.input: x(s, b, n), x(1, b, 2), [x(6, n), x(6, 2), x(6), x(6)], True, 1, 0.0, False, False, False
gru.data: x(5, n), whole([3, 2]), x(1, 3, 2), [x(6, n), x(6, 2), x(6), x(6)], True, 1, 0.0, False, False
rnn_tanh.input: x(s, b, n), x(1, b, 2), [x(2, n), x(2, 2), x(2), x(2)], True, 1, 0.0, False, False, False
rnn_tanh.data: x(5, n), whole([3, 2]), x(1, 3, 2), [x(2, n), x(2, 2), x(2), x(2)], True, 1, 0.0, False, False
rnn_relu.input: x(s, b, n), x(1, b, 2), [x(2, n), x(2, 2), x(2), x(2)], True, 1, 0.0, False, False, False
rnn_relu.data: x(5, n), whole([3, 2]), x(1, 3, 2), [x(2, n), x(2, 2), x(2), x(2)], True, 1, 0.0, False, False
gru_cell: x(b, n), x(b, 2), x(6, n), x(6, 2), x(6), x(6)
rnn_tanh_cell: x(b, n), x(b, 2), x(2, n), x(2, 2), x(2), x(2)
rnn_relu_cell: x(b, n), x(b, 2), x(2, n), x(2, 2), x(2), x(2)
lstm_cell: x(b, n), [x(b, 2), x(b, 2)], x(8, n), x(8, 2), x(8), x(8)
as_strided_copy: x(r, c), [2, 2], [1, 1]
expand_copy: x(1, c), [r, c]
narrow_copy: x(r, c), 1, 1, 2
select_copy: x(r, c), 0, 1
slice_copy: x(r, c), 1, 1
unfold_copy: x(r, c), 1, 2, 1
view_copy: x(r, c), [r * c]
view_copy.dtype: x(r, c), dtype
split_copy: x(r, c), 1
split_with_sizes_copy: x(r, c), [1, r - 1]
count_nonzero.dim_IntList: x(r, c), [0]
diagflat: x(r)
diag_embed: x(2, c)
diagonal_backward: x(r), [r, c], 0, 0, 1
select_scatter: x(r, c), x(c), 0, 1
diagonal_scatter: x(r, c), x(r)
as_strided_scatter: x(r, c), x(2, 2), [2, 2], [2, 1]
meshgrid: [x(r), x(c)], indexing="ij"
cartesian_prod: [x(r), x(c)]
combinations: x(c)
kron: x(r, 2), x(2, c)
constant_pad_nd: x(r, c), [1, 2]
_pad_edge: x(1, 2, s), [1, 1], "reflect"
_pad_edge_backward: x(1, 2, s + 2), x(1, 2, s), [1, 1], "reflect"
pad: x(r, c), [1, 1]
repeat: x(r, c), [2, 1]
tile: x(r, c), [2]
repeat_interleave.self_Tensor: x(r, c), i(3, r), 0
repeat_interleave.self_int: x(r, c), 2
repeat_interleave.Tensor: i(3, r)
roll: x(r, c), 1
one_hot: i(4, r, c)
split.Tensor: x(r, c), 1
split.sizes: x(r, c), [1, r - 1]
split.function: x(r, c), 1
split_with_sizes: x(r, c), [1, r - 1]
chunk: x(r, c), 2
unsafe_split: x(r, c), 1
unsafe_chunk: x(r, c), 2
unsafe_split_with_sizes: x(r, c), [1, r - 1]
tensor_split.tensor_indices_or_sections: x(r, c), whole(2)
tensor_split.sections: x(r, c), 2
tensor_split.indices: x(r, c), [1]
hsplit.int: x(r, 2 * c), 2
hsplit.array: x(r, c), [1]
vsplit.int: x(2 * r, c), 2
vsplit.array: x(r, c), [1]
dsplit.int: x(1, r, 2 * c), 2
dsplit.array: x(1, r, c), [1]
unflatten: x(r, c), 1, [1, c]
movedim.int: x(r, c), 0, 1
movedim.intlist: x(r, c), [0], [1]
narrow.Tensor: x(r, c), 1, whole(1), 2
unfold: x(r, c), 1, 2, 1
view.dtype: x(r, c), dtype
_softmax_backward_data: x(r, c), u(r, c), 1, dtype
_log_softmax_backward_data: x(r, c), x(r, c), 1, dtype
_softmax: x(r, c), 1, False
_log_softmax: x(r, c), 1, False
nn::softmax: x(r, c), 1
nn::log_softmax: x(r, c), 1
sort.stable: x(r, c), stable=True
topk: x(r, c), 2
kthvalue: x(r, c), 2
searchsorted.Tensor: edges(5), x(r, c)
searchsorted.Scalar: edges(5), 1
bucketize.Tensor: x(r, c), edges(5)
bucketize.Scalar: 1, edges(5)
isin.Tensor_Scalar: x(r, c), 1
isin.Scalar_Tensor: 1, x(r, c)
quantile: x(r, c), u(2)
quantile.scalar: x(r, c), 0.3
nanquantile: x(r, c), u(2)
nanquantile.scalar: x(r, c), 0.3
_coo_mm: whole([0, 1, 1]), whole([0, 1, 2]), x(3), x(3, 2), 2
_coo_dot: whole([0, 1]), whole([0, 1]), x(2, 3), x(3, 3)
_coo_group: whole([0, 0, 2])
_coo_join: whole([0, 2]), whole([0, 0, 2]), 3
view: x(r, c), [r * c]
reshape: x(r, c), [c, r]
_as_strided: x(r, c), [2, 2], [1, 1], 0, [r, c], [c, 1], 0
as_strided: x(r, c), [2, 2], [1, 1]
as_strided_: x(r, c), [2, 2], [1, 1]
expand: x(1, c), [r, c]
expand_as: x(1, c), x(r, c)
broadcast_to: x(1, c), [r, c]
t: x(r, c)
squeeze.dim: x(1, c), 0
squeeze.dims: x(1, c), [0]
squeeze_copy.dim: x(1, c), 0
squeeze_copy.dims: x(1, c), [0]
select.int: x(r, c), 0, 1
select_backward: x(c), [r, c], 0, 1
slice.Tensor: x(r, c), 1, 1
slice_backward: x(r, 2), [r, c], 1, 0, 2, 1
narrow: x(r, c), 1, 1, 2
gradient.scalarint: x(r, c), spacing=0.5
gradient.scalarrayarray: x(r, c), spacing=[2.0, 0.5]
gradient.tensorarray: x(r, 4), spacing=[torch.tensor([0.0, 1.0, 1.5, 4.0], dtype=torch.float64)], dim=1, edge_order=2
"""
SPECIAL = dict(line.split(": ", 1) for line in TABLE.strip().splitlines())
# The shapes of linear algebra's square matrices: by the name of the function.
SQUARE = re.compile(r"(lu.*|_lu_with_info|det|slogdet|logdet|inv|inv_ex|inverse|matrix_exp|cond|cholesky_inverse|qr)$")
DEFINITE = re.compile(r"(cholesky|cholesky_ex|ldl_factor.*|eigh|eigvalsh)$")
# Values of parameters without a default, by name and then by type.
BY_NAME = {"dim0": 0, "dim1": 1, "dims": [0, 1], "size": "sizes", "shape": "sizes", "s": 2}
BY_TYPE = {"int": 0, "Scalar": 2, "float": 0.5, "bool": True, "int[]": [0], "int[1]": [0], "ScalarType": "dtype"}


def name_of(op: dict) -> str:
    """ "linalg::norm.ord_str", as signatures write it."""
    return op["signature"].split("(")[0]


class Maker:
    """The functions that the table calls."""

    def __init__(self, torch: Any, name: str, dtype: Any, seed: int, sizes: dict[str, int]) -> None:
        self.torch, self.dtype, self.sizes = torch, dtype, sizes
        self.random = torch.Generator().manual_seed(seed)
        self.low, self.high = -2.0, 2.0
        short = re.split(r"::", name.split(".")[0])[-1]
        for pattern, low, high in ((POSITIVE, 0.5, 2.5), (UNIT, 0.1, 0.9), (ABOVE_ONE, 1.2, 3.0)):
            if pattern.match(short):
                self.low, self.high = low, high

    def between(self, low: float, high: float, *sizes: int) -> Any:
        torch, dtype = self.torch, self.dtype
        numbers = torch.rand(sizes, generator=self.random, dtype=torch.float64) * (high - low) + low
        if dtype.is_complex:
            imaginary = torch.rand(sizes, generator=self.random, dtype=torch.float64) * (high - low) + low
            return torch.complex(numbers, imaginary).to(dtype)
        if dtype is torch.bool:
            return numbers > (high + low) / 2
        if not dtype.is_floating_point:  # small, and no zero: these divide and count
            return torch.randint(1, 5, sizes, generator=self.random).to(dtype)
        return numbers.to(dtype)

    def x(self, *sizes: int) -> Any:
        return self.between(self.low, self.high, *sizes)

    def p(self, *sizes: int) -> Any:
        return self.between(0.5, 2.5, *sizes)

    def u(self, *sizes: int) -> Any:
        return self.between(0.1, 0.9, *sizes)

    def f(self, *sizes: int) -> Any:
        return self.torch.rand(sizes, generator=self.random, dtype=self.torch.float64)

    def i(self, high: int, *sizes: int) -> Any:
        return self.torch.randint(0, max(high, 1), sizes, generator=self.random)

    def perm(self, n: int) -> Any:
        return self.torch.randperm(n, generator=self.random)

    def mask(self, *sizes: int) -> Any:
        return self.torch.rand(sizes, generator=self.random) > 0.4

    def whole(self, values: Any) -> Any:
        return self.torch.tensor(values)

    def edges(self, n: int) -> Any:
        return self.torch.linspace(-2, 2, n, dtype=self.torch.float64).to(self.dtype)

    def square(self, n: int, _: int) -> Any:
        return self.x(n, n) + (self.torch.eye(n, dtype=self.torch.float64) * (2 * n)).to(self.dtype)

    def pd(self, n: int, _: int) -> Any:
        a = self.x(n, n)
        return a + a.mT.conj() + (self.torch.eye(n, dtype=self.torch.float64) * (5 * n)).to(self.dtype)

    def pivots(self, n: int) -> Any:
        return self.torch.arange(1, n + 1, dtype=self.torch.int32)

    def evaluate(self, text: str) -> tuple[tuple, dict]:
        names = {k: getattr(self, k) for k in "x p u f i perm mask whole edges square pd pivots dtype torch".split()}
        return eval(f"call({text})", {"call": lambda *a, **k: (a, k), **names, **self.sizes})

    def generated(self, op: dict) -> tuple[tuple, dict]:
        """Required parameters by their types: tensors are r x c, or square where linear algebra asks for that."""
        short = op["name"]
        make = self.square if SQUARE.match(short) else self.pd if DEFINITE.match(short) else self.x
        n = (
            (self.sizes["n"],) * 2
            if make != self.x or short in ("matrix_exp", "trace")
            else (self.sizes["r"], self.sizes["c"])
        )
        args, kwargs = [], {}
        for parameter in op["params"]:
            if parameter["has_default"]:
                if (
                    parameter["name"] == "dtype"
                    and op["category"] == "Factory"
                    and op["name"].count("_like") + op["name"].startswith("new_") == 0
                ):
                    kwargs["dtype"] = self.dtype
                continue
            base, name = parameter["type"].rstrip("?").replace("(a!)", ""), parameter["name"]
            if base in ("Tensor", "Operand"):
                value = make(*n)
            elif base == "Tensor[]":
                value = [make(*n), make(*n)]
            else:
                value = BY_NAME[name] if name in BY_NAME else BY_TYPE[base]
                value = list(n) if value == "sizes" else self.dtype if value == "dtype" else value
            if parameter["keyword_only"]:
                kwargs[name] = value
            else:
                args.append(value)
        return tuple(args), kwargs


def text_of(op: dict) -> str | None:
    """The table's line for an operator: of its overload, its name in its namespace, or its name alone."""
    full = name_of(op)
    plain = full.split(".")[0]
    short = plain.split("::")[-1]
    overload = "." + op["overload"] if op["overload"] else ""
    stem = short.rstrip("_")  # an in-place form of its own
    for key in (full, short + overload, plain, short, stem + overload, stem):
        if key in SPECIAL:
            return SPECIAL[key]
    if op["namespace"] in ("", "nn") and (found := re.search(r"pool[123]d", short)) and not short.startswith("_"):
        return SPECIAL[found.group()]
    return SPECIAL["polynomial"] if "_polynomial_" in short else None


def default_dtype(torch: Any, op: dict) -> Any:
    """float64, but for the operators of whole or complex numbers."""
    if INTEGERS.match(op["name"]):
        return torch.int64
    return torch.complex128 if COMPLEX.match(op["name"]) else torch.float64


def arguments(
    torch: Any, op: dict, dtype: Any = None, seed: int = 0, sizes: dict[str, int] = SMALL
) -> tuple[tuple, dict]:
    """Arguments of a valid call of an operator of the registry. Raises KeyError where there is no way to make them."""
    maker = Maker(torch, name_of(op), dtype or default_dtype(torch, op), seed, sizes)
    text = text_of(op)
    return maker.evaluate(text) if text is not None else maker.generated(op)
