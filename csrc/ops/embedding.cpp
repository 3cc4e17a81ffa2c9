// Lookup of rows: embedding, embedding_bag, and the gradient that adds rows up where they came from.
#include <cmath>

#include "core/sparse.h"
#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/matmul.h"

namespace rl {

namespace {
void check_indices(const char* op, const Tensor& indices) {
    check(indices.dtype() == DType::Int64 || indices.dtype() == DType::Int32, "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.", title(indices.dtype()), "Tensor instead (while checking arguments for ", op, ")");
}

// The indices as contiguous int64, each known to be a row.
Tensor rows_of(const Tensor& indices, int64_t rows) {
    Tensor r = cast_raw(indices, DType::Int64);
    const int64_t* p = r.data<int64_t>();
    bool ok = true;
    for (int64_t i = 0, n = r.numel(); i < n; i++) ok &= uint64_t(p[i]) < uint64_t(rows);
    check(ok, Err::Index, "index out of range in self (embedding: an index is outside [0, ", rows, "))");
    return r;
}

[[noreturn]] void assertion(const std::string& text) {
    PyErr_SetString(PyExc_AssertionError, text.c_str());
    raise_python();
}

int64_t wrapped_padding(const OptInt& padding, int64_t rows) {
    if (!padding) return -1;
    if (*padding >= rows || *padding < -rows) assertion(cat("Padding_idx must be within num_embeddings (got ", *padding, " for ", rows, " embeddings)"));
    return *padding < 0 ? *padding + rows : *padding;
}

// Rows whose norm is larger than max_norm are scaled down to it, in place.
void renormalize(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
    check(weight.dim() == 2, "Expected 2-dimensional tensor, but got ", weight.dim(), "-dimensional tensor for argument #1 'self' (while checking arguments for embedding_renorm_)");
    check(!tls.modes && !weight->wrapper, Err::NotImplemented, "embedding: max_norm changes the weight in place, which a function transform can't follow");
    Tensor at = rows_of(indices, weight.sizes()[0]), values = cast_raw(weight, DType::Float64);
    int64_t d = weight.sizes()[1];
    std::vector<char> seen(size_t(weight.sizes()[0]));
    bool changed = false;
    for (int64_t i = 0; i < at.numel(); i++) {
        int64_t row = at.data<int64_t>()[i];
        if (std::exchange(seen[size_t(row)], 1)) continue;
        double* x = values.data<double>() + row * d;
        double norm = 0;
        for (int64_t j = 0; j < d; j++) norm = std::isinf(norm_type) ? std::max(norm, std::abs(x[j])) : norm + std::pow(std::abs(x[j]), norm_type);
        if (!std::isinf(norm_type)) norm = std::pow(norm, 1 / norm_type);
        if (norm <= max_norm) continue;
        if (!changed && values.is(weight)) values = clone_raw(weight), x = values.data<double>() + row * d;
        changed = true;
        for (int64_t j = 0; j < d; j++) x[j] *= max_norm / (norm + 1e-7);
    }
    if (!changed) return;
    NoGrad guard;
    copy_raw(weight, values);
    weight.bump_version();
}
}  // namespace

// The gradient as a sparse tensor whose entries are rows: those of g, but for padding.
static Tensor sparse_rows(const Tensor& g, const Tensor& indices, int64_t rows, int64_t padding, bool by_frequency) {
    check(!by_frequency, "embedding_backward: scale_grad_by_freq not supported with sparse gradients");
    return call_sparse("row_gradient", Py_BuildValue("(OOLL)", g.py(), indices.py(), (long long)rows, (long long)padding));
}

// ---------------------------------------------------------------- gradient
// Row indices[i] of the result is the sum of the rows i of grad_output.
struct EmbeddingBackward : Op<EmbeddingBackward> {
    SIG("embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor");
    DOC("Gradient of embedding: rows of grad_output added up at their indices; those of padding_idx are left out.");
    FORMS(FUNCTION);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& g, const Tensor& indices, int64_t num_weights, int64_t padding, bool by_frequency) {
        check_indices("embedding_backward", indices);
        check(g.dim() >= 1 && num_weights >= 0, "embedding_dense_backward: grad_output must have a last dimension, and num_weights not be negative");
        int64_t d = g.size(-1);
        check(g.numel() == indices.numel() * d, "embedding_dense_backward: grad_output of shape ", g.sizes(), " does not have a row for each of indices of shape ", indices.sizes());
        Dims sizes{num_weights, d};
        if (g.is_meta()) return empty(sizes, g.dtype(), Device::Meta);
        Tensor at = rows_of(indices, num_weights), y = contiguous(g);
        Tensor scale = by_frequency ? shares(at, num_weights) : Tensor();
        auto run = [&](auto tag, const Tensor& rows) {
            using T = typename decltype(tag)::type;
            Tensor r = zeros(sizes, rows.dtype());
            add_rows<T>(r.data<T>(), rows.data<T>(), at.data<int64_t>(), at.numel(), num_weights, d, padding, scale ? scale.data<double>() : nullptr);
            return r;
        };
        switch (g.dtype()) {
            case DType::Float32: return run(Tag<float>{}, y);
            case DType::Float64: return run(Tag<double>{}, y);
            case DType::Complex64: return run(Tag<c64>{}, y);
            case DType::Complex128: return run(Tag<c128>{}, y);
            case DType::Float16:
            case DType::BFloat16: return cast_raw(run(Tag<float>{}, cast_raw(y, DType::Float32)), g.dtype());
            default: raise(Err::NotImplemented, "\"embedding_backward\" not implemented for '", title(g.dtype()), "'");
        }
    }
    // For each row 1 / the number of its occurrences.
    static Tensor shares(const Tensor& at, int64_t rows) {
        Tensor r = zeros(Dims{rows}, DType::Float64);
        double* p = r.data<double>();
        for (int64_t i = 0; i < at.numel(); i++) p[at.data<int64_t>()[i]]++;
        for (int64_t i = 0; i < rows; i++) p[i] = p[i] ? 1 / p[i] : 0;
        return r;
    }
    // Each thread owns a range of rows, so that the order of additions does not depend on the number of threads.
    template <class T> static void add_rows(T* r, const T* y, const int64_t* at, int64_t n, int64_t rows, int64_t d, int64_t padding, const double* scale) {
        cpu::parallel_for(rows, n * d < kGrain ? rows + 1 : 2, [&](int64_t begin, int64_t end) {
            for (int64_t i = 0; i < n; i++) {
                int64_t row = at[i];
                if (row < begin || row >= end || row == padding) continue;
                T* to = r + row * d;
                const T* from = y + i * d;
                if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
                    if (scale) cpu::kernels().reduce<T>().axpy(to, T(scale[row]), from, d);
                    else cpu::kernels().reduce<T>().acc_sum(to, from, d);
                } else {
                    auto s = typename T::value_type(scale ? scale[row] : 1);
                    for (int64_t j = 0; j < d; j++) to[j] += from[j] * s;
                }
            }
        });
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor at = c.in<1>(), flat = reshape(at, {-1});
        int64_t padding = c.arg<3>();
        Tensor r = index_select(g, 0, flat);
        if (c.arg<4>()) {
            Tensor share = shares(rows_of(at, c.arg<2>()), c.arg<2>());
            r = mul(r, unsqueeze(to(index_select(share, 0, flat), g.dtype()), 1));
        }
        if (padding >= 0) r = masked_fill(r, unsqueeze(eq(flat, Scalar(padding)), 1), Scalar(0));
        Dims sizes = at.sizes();
        sizes.push_back(g.size(-1));
        return {reshape(r, sizes)};
    }
};
OP(EmbeddingBackward);

// ---------------------------------------------------------------- embedding
struct Embedding : Op<Embedding> {
    SIG("embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor");
    DOC("Rows of weight at indices: (rows, d) and indices of any shape to (.., d).");
    FORMS(FUNCTION);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& weight, const Tensor& indices, int64_t, bool, bool) {
        check(weight.dim() == 2, "'weight' must be 2-D (embedding: weight of ", weight.sizes(), ")");
        check_indices("embedding", indices);
        int64_t d = weight.sizes()[1];
        Dims sizes = indices.sizes();
        sizes.push_back(d);
        Tensor r = empty(sizes, weight.dtype(), common_device(weight, indices));
        if (r.is_meta()) return r;
        Tensor at = rows_of(indices, weight.sizes()[0]), w = contiguous(weight);
        int64_t bytes = d * itemsize(w.dtype());
        const char* from = w.raw();
        char* to = r.raw();
        cpu::parallel_for(at.numel(), std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(bytes, 1)), [&](int64_t begin, int64_t end) {
            cpu::kernels().gather_rows(to + begin * bytes, from, at.data<int64_t>() + begin, bytes, bytes, end - begin);
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        if (c.arg<4>()) return {sparse_rows(g, c.in<1>(), c.sizes<0>()[0], c.arg<2>(), c.arg<3>())};
        return {call<EmbeddingBackward>(g, c.in<1>(), c.sizes<0>()[0], c.arg<2>(), c.arg<3>())};
    }
};
OP(Embedding);

struct NnEmbedding : Composite<NnEmbedding> {
    SIG("nn::embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float norm_type=2.0, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor");
    DOC("Rows of weight at the indices input. Rows longer than max_norm are first scaled down in place.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& weight, const OptInt& padding_idx, const OptFloat& max_norm, double norm_type, bool by_frequency, bool sparse) {
        int64_t padding = wrapped_padding(padding_idx, weight.dim() ? weight.sizes()[0] : 0);
        if (max_norm && !input.is_meta()) {
            check_indices("embedding", input);
            renormalize(weight, input, *max_norm, norm_type);
        }
        return call<Embedding>(weight, input, padding, by_frequency, sparse);
    }
};
OP(NnEmbedding);

// ---------------------------------------------------------------- embedding_bag
enum BagMode : int64_t { kSum, kMean, kMax };

namespace {
// For each index the bag that it is in.
Tensor bags_of(const Tensor& offsets, int64_t bags, int64_t n) {
    Tensor o = cast_raw(offsets, DType::Int64), r = empty(Dims{n}, DType::Int64);
    for (int64_t b = 0; b < bags; b++) {
        int64_t end = b + 1 < o.numel() ? o.data<int64_t>()[b + 1] : n;
        for (int64_t i = o.data<int64_t>()[b]; i < end; i++) r.data<int64_t>()[i] = b;
    }
    return r;
}
// For each index its share in the bag: 0 for padding, 1 or in the mean 1 / the number of others.
Tensor bag_shares(const Tensor& at, const Tensor& bag, int64_t bags, bool mean, int64_t padding, DType t) {
    Tensor count = zeros(Dims{bags}, DType::Float64), r = empty(Dims{at.numel()}, DType::Float64);
    for (int64_t i = 0; i < at.numel(); i++) count.data<double>()[bag.data<int64_t>()[i]] += at.data<int64_t>()[i] != padding;
    for (int64_t i = 0; i < at.numel(); i++) r.data<double>()[i] = at.data<int64_t>()[i] == padding ? 0 : mean ? 1 / count.data<double>()[bag.data<int64_t>()[i]] : 1;
    return cast_raw(r, t);
}
}  // namespace

static void check_bags(const Tensor& weight, const Tensor& indices, const Tensor& offsets, int64_t bags) {
    check(weight.dim() == 2 && indices.dim() == 1 && offsets.dim() == 1 && bags >= 0 && offsets.numel() >= bags, "embedding_bag: ", bags, " bags of weight ", weight.sizes(), ", indices ", indices.sizes(), ", offsets ", offsets.sizes());
}

// Sums and means. A maximum is what gather finds where MaximalRows says.
struct EmbeddingBag : Op<EmbeddingBag> {
    SIG("_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, Tensor? per_sample_weights, bool mean, bool scale_grad_by_freq, int padding_idx, int bags, bool sparse) -> Tensor");
    DOC("Sum or mean of the rows of each bag.");
    FORMS(FUNCTION);
    using Saves = Save<In<0, 3>, In<1>, In<2>, In<3>>;
    static Tensor forward(const Tensor& weight, const Tensor& indices, const Tensor& offsets, const Tensor& samples, bool mean, bool, int64_t padding, int64_t bags, bool) {
        check(is_floating(weight.dtype()), "expected scalar type Float, Double, Half or BFloat16 but found ", title(weight.dtype()), " (embedding_bag: weight)");
        check_bags(weight, indices, offsets, bags);
        Dims sizes{bags, weight.sizes()[1]};
        Device device = common_device(weight, indices);
        if (device == Device::Meta) return empty(sizes, weight.dtype(), device);
        Tensor at = rows_of(indices, weight.sizes()[0]), bag = bags_of(offsets, bags, at.numel());
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            DType t = dtype_of<T>();
            Tensor w = cast_raw(weight, t), sum = zeros(sizes, t), share = bag_shares(at, bag, bags, mean, padding, t), given = samples ? cast_raw(samples, t) : Tensor();
            for (int64_t i = 0, d = sizes[1]; i < at.numel(); i++)
                cpu::kernels().reduce<T>().axpy(sum.data<T>() + bag.data<int64_t>()[i] * d, share.data<T>()[i] * (given ? given.data<T>()[i] : T(1)), w.data<T>() + at.data<int64_t>()[i] * d, d);
            return cast_raw(sum, weight.dtype());
        };
        return weight.dtype() == DType::Float64 ? run(Tag<double>{}) : run(Tag<float>{});
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(4);
        int64_t padding = c.arg<6>(), bags = c.arg<7>(), rows = c.sizes<0>()[0];
        Tensor at = rows_of(c.in<1>(), rows), bag = bags_of(c.in<2>(), bags, at.numel());
        Tensor share = bag_shares(at, bag, bags, c.arg<4>(), padding, g.dtype());
        Tensor each = mul(index_select(g, 0, bag), unsqueeze(share, 1));
        if (c.needs<0>()) {
            Tensor y = c.given<3>() ? mul(each, unsqueeze(c.in<3>(), 1)) : each;
            r[0] = c.arg<8>() ? sparse_rows(y, at, rows, padding, c.arg<5>()) : call<EmbeddingBackward>(y, at, rows, padding, c.arg<5>());
        }
        if (c.needs<3>()) r[3] = sum(mul(each, index_select(c.in<0>(), 0, at)), {1});
        return r;
    }
};
OP(EmbeddingBag);

struct MaximalRows : Op<MaximalRows> {
    SIG("_maximal_rows(Tensor weight, Tensor indices, Tensor offsets, int padding_idx, int bags) -> Tensor");
    DOC("For each bag and column the row of weight that holds the largest element; -1 in an empty bag.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Tensor& weight, const Tensor& indices, const Tensor& offsets, int64_t padding, int64_t bags) {
        check_bags(weight, indices, offsets, bags);
        int64_t d = weight.sizes()[1];
        Tensor where = empty(Dims{bags, d}, DType::Int64, common_device(weight, indices));
        if (where.is_meta()) return where;
        fill_raw(where, -1);
        Tensor at = rows_of(indices, weight.sizes()[0]), bag = bags_of(offsets, bags, at.numel()), w = cast_raw(weight, DType::Float64);
        const double* values = w.data<double>();
        for (int64_t i = 0; i < at.numel(); i++) {
            int64_t row = at.data<int64_t>()[i], *best = where.data<int64_t>() + bag.data<int64_t>()[i] * d;
            for (int64_t j = 0; j < d && row != padding; j++)
                if (best[j] < 0 || values[row * d + j] > values[best[j] * d + j]) best[j] = row;
        }
        return where;
    }
};
OP(MaximalRows);

struct NnEmbeddingBag : Composite<NnEmbeddingBag> {
    SIG("nn::embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, str mode='mean', bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None) -> Tensor");
    DOC("Sum, mean or maximum of the rows of each bag: input (bags, n), or (n) with offsets (bags) where each bag begins.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& offsets, const OptFloat& max_norm, double norm_type, bool by_frequency, const std::string& mode, bool sparse, const Tensor& samples, bool include_last, const OptInt& padding_idx) {
        check(weight.dim() == 2, "'weight' must be 2-D (embedding_bag: weight of ", weight.sizes(), ")");
        check_indices("embedding_bag", input);
        check(!samples || same(samples.sizes(), input.sizes()), Err::Value, "embedding_bag: If per_sample_weights (", samples ? samples.sizes() : Dims(), ") is not None, then it must have the same shape as the input (", input.sizes(), ")");
        int64_t kind = mode == "sum" ? kSum : mode == "mean" ? kMean : kMax;
        check(kind != kMax || mode == "max", Err::Value, "mode has to be one of sum, mean or max");
        check(kind != kMax || !by_frequency, Err::Value, "max mode does not support scaling the gradient by the frequency");
        check(kind != kMax || !sparse, Err::Value, "max mode does not support sparse weights");
        check(!samples || kind == kSum, Err::NotImplemented, "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='", mode, "').");
        check(!samples || samples.dtype() == weight.dtype(), "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; but type torch.", title(weight.dtype()), "Tensor does not equal torch.", samples ? title(samples.dtype()) : "", "Tensor (while checking arguments for embedding_bag)");
        Tensor starts = offsets_of(input, offsets);
        int64_t n = input.numel(), bags = starts.numel() - (include_last && offsets ? 1 : 0);
        check(bags >= 0, "include_last_offset: number of offsets should be at least 1 (embedding_bag)");
        check_offsets(starts, n);
        Tensor flat = reshape(input, {n});
        check_values(flat, weight.sizes()[0]);
        int64_t padding = wrapped_padding(padding_idx, weight.sizes()[0]);
        if (max_norm && !input.is_meta()) renormalize(weight, input, *max_norm, norm_type);
        if (kind == kMax) {
            Tensor where = call<MaximalRows>(weight, flat, starts, padding, bags);
            return masked_fill(gather(weight, 0, clamp(where, OptScalar(Scalar(0)), {})), lt(where, Scalar(0)), Scalar(0));
        }
        return call<EmbeddingBag>(weight, flat, starts, samples ? reshape(samples, {n}) : samples, kind == kMean, by_frequency, padding, bags, sparse);
    }
    static Tensor offsets_of(const Tensor& input, const Tensor& offsets) {
        if (input.dim() == 2) {
            check(!offsets, Err::Value, "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, found offsets of type <class 'torch.Tensor'>");
            int64_t bags = input.sizes()[0], each = input.sizes()[1];
            Tensor r = empty(Dims{bags}, DType::Int64);
            for (int64_t b = 0; b < bags; b++) r.data<int64_t>()[b] = b * each;
            return r;
        }
        check(input.dim() == 1, Err::Value, "input has to be 1D or 2D Tensor, but got Tensor of dimension ", input.dim());
        check(bool(offsets), Err::Value, "offsets has to be a 1D Tensor but got None");
        check(offsets.dim() == 1, Err::Value, "offsets has to be a 1D Tensor");
        check_indices("embedding_bag", offsets);
        return offsets;
    }
    static void check_offsets(const Tensor& offsets, int64_t n) {
        if (offsets.is_meta() || offsets.numel() == 0) return;
        Tensor o = cast_raw(offsets, DType::Int64);
        const int64_t* p = o.data<int64_t>();
        check(p[0] == 0, "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got ", p[0]);
        check(p[o.numel() - 1] <= n, "offsets[-1] can not be greater than input's length ", n, " but got offsets[-1] of ", p[o.numel() - 1]);
        for (int64_t i = 1; i < o.numel(); i++) check(p[i] >= p[i - 1], "embedding_bag: offsets must not decrease, but offsets[", i, "] = ", p[i], " follows ", p[i - 1]);
    }
    static void check_values(const Tensor& flat, int64_t rows) {
        if (flat.is_meta()) return;
        Tensor at = cast_raw(flat, DType::Int64);
        for (int64_t i = 0; i < at.numel(); i++) {
            int64_t v = at.data<int64_t>()[i];
            check(v >= 0 && v < rows, "Index ", i, " of input takes value ", v, " which is not in the valid range [0, ", rows, ")");
        }
    }
};
OP(NnEmbeddingBag);

}  // namespace rl
