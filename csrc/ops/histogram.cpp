// Counts in bins: histc, histogram, histogramdd, bincount.
#include <cmath>

#include "cpu/clones.h"
#include "cpu/kernels.h"
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- bins
// The edges of one dimension's bins. Even ones are found by division, then corrected by the edges themselves.
struct Edges {
    std::vector<double> at;
    bool even;
    int64_t bins() const { return int64_t(at.size()) - 1; }
    // The bin of v, or -1 outside. The last bin includes its right edge.
    int64_t find(double v) const {
        if (!(v >= at.front() && v <= at.back())) return -1;
        int64_t n = bins(), i;
        if (even) {
            double place = (v - at.front()) / (at.back() - at.front()) * double(n);  // NaN where the range overflows
            i = place < double(n) ? int64_t(place) : n - 1;
            if (i > 0 && v < at[size_t(i)]) i--;
            else if (i + 1 < n && v >= at[size_t(i) + 1]) i++;
        } else i = std::min<int64_t>(n - 1, std::upper_bound(at.begin(), at.end(), v) - at.begin() - 1);
        return i;
    }
};
// n equal bins from low to high with the rounding of element type t.
static Edges even_edges(double low, double high, int64_t n, DType t) {
    empty(Dims{n + 1}, DType::Float64);  // refuses what memory can't hold
    Edges e{{}, true};
    double step = (high - low) / double(n);
    for (int64_t i = 0; i <= n; i++) {
        double v = i < (n + 1) / 2 ? low + step * double(i) : high - step * double(n - i);
        e.at.push_back(t == DType::Float32 ? double(float(v)) : v);
    }
    return e;
}
// The data's own range where none is given; one that is empty is widened.
static void data_range(const Tensor& values, double& low, double& high) {
    const auto& k = cpu::kernels().reduce<double>();
    low = high = 0;
    if (int64_t n = values.numel()) low = k.min(values.data<double>(), n), high = k.max(values.data<double>(), n);
}
static constexpr int64_t kSpread = 4;  // tables of counts that take turns: an addition needn't wait for the one before
static constexpr int64_t kNarrow = 4096;  // bins of which so many tables are cheap

// ---------------------------------------------------------------- histc
// A number as a tensor of type t would hold it: places are found in the arithmetic of the elements.
static double (*rounding_of(DType t))(double) {
    if (t == DType::BFloat16) return [](double v) { return double(float(BFloat16(float(v)))); };
    if (t == DType::Float16) return [](double v) { return double(float(Half(float(v)))); };
    if (t == DType::Float32) return [](double v) { return double(float(v)); };
    return [](double v) { return v; };
}
template <class T> RL_CLONES static void place_run(const T* x, int64_t n, T low, T high, T width, T bins, int32_t last, int32_t* places) {
    for (int64_t i = 0; i < n; i++) {
        bool inside = (x[i] >= low) & (x[i] <= high);
        T v = inside ? x[i] : low;
        T at = (v - low) * bins / width;
        int32_t place = int32_t(at < T(last) ? at : T(last - 1));  // the product may be infinite
        place = place < last ? place : last - 1;
        places[i] = inside ? place : last;
    }
}
struct Histc : Op<Histc> {
    SIG("histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0, *, Tensor? out=None) -> Tensor");
    DOC("How many elements fall into each of bins equal parts of [min, max], by default the range of the data.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t bins, const Scalar& min, const Scalar& max) {
        check(self.is_floating(), Err::NotImplemented, "\"histogram_cpu\" not implemented for '", title(self.dtype()), "'");
        check(bins > 0, "torch.histogram(): bins must be > 0, but got ", bins, " for dimension 0");
        check(bins < int64_t(1) << 30, "torch.histc: ", bins, " bins are more than can be counted");
        if (self.is_meta()) return empty(Dims{bins}, self.dtype(), self.device());
        double low = min.real(), high = max.real();
        if (self.dtype() == DType::Float32) return count_raw<float>(self, bins, low, high);
        if (self.dtype() == DType::Float64) return count_raw<double>(self, bins, low, high);
        Tensor x = cast_raw(self, DType::Float64), r = zeros(Dims{bins}, DType::Float64);
        auto rounded = rounding_of(self.dtype());
        if (low == high && x.numel() > 0) data_range(x, low, high);
        check_limits(low, high);
        const double* p = x.data<double>();
        low = rounded(low), high = rounded(high);
        double *counts = r.data<double>(), width = rounded(high - low), n_bins = rounded(double(bins));
        for (int64_t i = 0, n = x.numel(); i < n; i++) {
            if (!(p[i] >= low && p[i] <= high)) continue;
            double place = rounded(rounded(rounded(p[i] - low) * n_bins) / width);
            counts[place < double(bins) ? int64_t(place) : bins - 1]++;
        }
        return cast_raw(r, self.dtype());
    }
    static void check_limits(double& low, double& high) {
        check(std::isfinite(low) && std::isfinite(high), "torch.histc: range of [", low, ", ", high, "] is not finite");
        check(low <= high, "torch.histc: max must be larger than min");
        if (low == high) low -= 1, high += 1;
    }
    template <class T> static Tensor count_raw(const Tensor& self, int64_t bins, double low, double high) {
        Tensor x = contiguous(self), r = empty(Dims{bins}, self.dtype());
        const T* p = x.data<T>();
        int64_t n = x.numel();
        if (low == high && n > 0) low = double(cpu::kernels().reduce<T>().min(p, n)), high = double(cpu::kernels().reduce<T>().max(p, n));
        check_limits(low, high);
        constexpr int64_t kBlock = 1024;
        std::vector<int64_t> counts(size_t(bins + 1) * kSpread);  // the last bin: outside
        int32_t places[kBlock];
        for (int64_t begin = 0; begin < n; begin += kBlock) {
            int64_t m = std::min(kBlock, n - begin);
            place_run(p + begin, m, T(low), T(high), T(high - low), T(bins), int32_t(bins), places);
            for (int64_t i = 0; i < m; i++) counts[size_t(i % kSpread * (bins + 1) + places[i])]++;
        }
        for (int64_t i = 0; i < bins; i++) {
            int64_t total = 0;
            for (int64_t s = 0; s < kSpread; s++) total += counts[size_t(s * (bins + 1) + i)];
            r.data<T>()[i] = T(total);
        }
        return r;
    }
};
OP(Histc);

// ---------------------------------------------------------------- histogramdd
// Points are the rows of a matrix with one column for each dimension of the histogram.
struct Points {
    Tensor values;  // double, (count, dims)
    int64_t count, dims;
    DType dtype;
};
static Points points_of(const Tensor& self, const Tensor& weight, bool given_edges) {
    check(self.dim() >= 2, "torch.histogramdd: input tensor should have at least 2 dimensions, but got ", self.dim());
    bool known = self.dtype() == DType::Float32 || self.dtype() == DType::Float64 || (given_edges && is_floating(self.dtype()));
    check(known, Err::NotImplemented, "\"histogramdd\" not implemented for '", title(self.dtype()), "'");
    Dims rows = self.sizes();
    rows.resize(rows.size() - 1);
    if (weight) {
        check(weight.dtype() == self.dtype(), "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but got input(", name(self.dtype()), "), and weight(", name(weight.dtype()), ")");
        check(same(weight.sizes(), rows), "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension, but got input with shape ",
              self.sizes(), " and weight with shape ", weight.sizes());
    }
    check(!self.is_meta(), Err::NotImplemented, "torch.histogramdd: meta tensors have no data to count");
    return {cast_raw(self, DType::Float64), product(rows), self.sizes().back(), self.dtype()};
}
static Edges edges_from_tensor(const Tensor& bins, DType t, int64_t d) {
    check(bins.dim() == 1, "torch.histogramdd: bins tensor should have one dimension, but got ", bins.dim(), " dimensions in the bins tensor for dimension ", d);
    check(bins.dtype() == t, "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype ", name(t), " and bins for dimension ", d, " with dtype ", name(bins.dtype()));
    check(bins.numel() > 0, "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for dimension ", d);
    Tensor c = cast_raw(bins, DType::Float64);
    return {std::vector<double>(c.data<double>(), c.data<double>() + c.numel()), false};
}
static std::vector<Edges> edges_from_counts(const Points& p, const Dims& bins, const std::optional<Floats>& range) {
    check(int64_t(bins.size()) == p.dims, "histogramdd: The size of bins must be equal to the innermost dimension of the input.");
    check(!range || int64_t(range->size()) == 2 * p.dims, "torch.histogramdd: for a ", p.dims, "-dimensional histogram range should have ", 2 * p.dims, " elements, but got ", range ? range->size() : 0);
    std::vector<Edges> edges;
    for (int64_t d = 0; d < p.dims; d++) {
        check(bins[d] > 0, "torch.histogram(): bins must be > 0, but got ", bins[d], " for dimension ", d);
        double low = 0, high = 1;
        if (range) low = (*range)[size_t(2 * d)], high = (*range)[size_t(2 * d) + 1];
        else if (p.count > 0) {
            Tensor column = contiguous(alias(p.values, Dims{p.count}, Dims{p.dims}, p.values->offset + d));
            data_range(column, low, high);
        }
        check(std::isfinite(low) && std::isfinite(high), "torch.histogramdd: dimension ", d, "'s range [", low, ", ", high, "] is not finite");
        check(low <= high, "torch.histogramdd: min should not exceed max, but got min ", low, " max ", high, " for dimension ", d);
        if (low == high) low -= 0.5, high += 0.5;
        edges.push_back(even_edges(low, high, bins[d], p.dtype));
    }
    return edges;
}

using Histogram = std::tuple<Tensor, Tensors>;
static Histogram count_points(const Points& p, const std::vector<Edges>& edges, const Tensor& weight, bool density) {
    Dims sizes;
    for (auto& e : edges) sizes.push_back(e.bins());
    Tensor hist = zeros(sizes, DType::Float64), w = weight ? cast_raw(weight, DType::Float64) : weight;
    const double *points = p.values.data<double>(), *weights = w ? w.data<double>() : nullptr;
    double* counts = hist.data<double>();
    for (int64_t i = 0; i < p.count; i++) {
        int64_t at = 0;
        for (int64_t d = 0; d < p.dims && at >= 0; d++) {
            int64_t bin = edges[size_t(d)].bins() ? edges[size_t(d)].find(points[i * p.dims + d]) : -1;
            at = bin < 0 ? -1 : at * sizes[size_t(d)] + bin;
        }
        if (at >= 0) counts[at] += weights ? weights[i] : 1;
    }
    if (density) {
        double total = 0;
        for (int64_t i = 0; i < hist.numel(); i++) total += hist.data<double>()[i];
        for (int64_t i = 0; i < hist.numel(); i++) {
            double volume = 1;
            for (int64_t d = p.dims, rest = i; d-- > 0; rest /= sizes[d]) {
                auto& e = edges[size_t(d)].at;
                volume *= e[size_t(rest % sizes[d]) + 1] - e[size_t(rest % sizes[d])];
            }
            hist.data<double>()[i] /= total * volume;
        }
    }
    Tensors list;
    for (auto& e : edges) {
        Tensor t = empty(Dims{int64_t(e.at.size())}, DType::Float64);
        std::copy(e.at.begin(), e.at.end(), t.data<double>());
        list.push_back(cast_raw(t, p.dtype));
    }
    return {cast_raw(hist, p.dtype), list};
}
static Histogram histogram_tensors(const Tensor& self, const Tensors& bins, const Tensor& weight, bool density) {
    Points p = points_of(self, weight, true);
    check(int64_t(bins.size()) == p.dims, "histogramdd: The size of bins must be equal to the innermost dimension of the input.");
    std::vector<Edges> edges;
    for (int64_t d = 0; d < p.dims; d++) edges.push_back(edges_from_tensor(bins[size_t(d)], p.dtype, d));
    return count_points(p, edges, weight, density);
}
static Histogram histogram_counts(const Tensor& self, const Dims& bins, const std::optional<Floats>& range, const Tensor& weight, bool density) {
    Points p = points_of(self, weight, false);
    return count_points(p, edges_from_counts(p, bins, range), weight, density);
}

struct HistogramddList : Op<HistogramddList> {
    SIG("histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)");
    DOC("How many points (rows of self) fall into each cell between the given edges of each dimension.");
    NO_GRADIENT;
    static Histogram forward(const Tensor& self, const Tensors& bins, const std::optional<Floats>&, const Tensor& weight, bool density) { return histogram_tensors(self, bins, weight, density); }
};
struct HistogramddCounts : Op<HistogramddCounts> {
    SIG("histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)");
    DOC("How many points (rows of self) fall into each cell of a grid with bins[d] equal parts in dimension d.");
    NO_GRADIENT;
    static Histogram forward(const Tensor& self, const Dims& bins, const std::optional<Floats>& range, const Tensor& weight, bool density) { return histogram_counts(self, bins, range, weight, density); }
};
struct HistogramddInt : Op<HistogramddInt> {
    SIG("histogramdd.int_bins(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)");
    DOC("histogramdd with the same number of bins in every dimension.");
    NO_GRADIENT;
    static Histogram forward(const Tensor& self, int64_t bins, const std::optional<Floats>& range, const Tensor& weight, bool density) {
        return histogram_counts(self, Dims(size_t(self.dim() ? self.sizes().back() : 0), bins), range, weight, density);
    }
};
OP(HistogramddInt);
OP(HistogramddCounts);
OP(HistogramddList);

// A vector is points of one dimension.
static Tensor as_points(const Tensor& t) { return t ? reshape(detach(t), {t.numel(), 1}) : t; }
static Tensor as_vector(const Tensor& t, const Tensor& self) { return t && same(t.sizes(), self.sizes()) ? reshape(detach(t), {t.numel()}) : t; }
static std::tuple<Tensor, Tensor> first_of(const Histogram& h) { return {std::get<0>(h), std::get<1>(h)[0]}; }
struct HistogramTensor : Op<HistogramTensor> {
    SIG("histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False, Tensor[]? out=None) -> (Tensor hist, Tensor bin_edges)");
    DOC("How many elements fall between each two of the given edges; the last bin includes its right edge.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, const Tensor& bins, const Tensor& weight, bool density) {
        return first_of(histogram_tensors(as_points(self), {bins}, as_vector(weight, self), density));
    }
};
struct HistogramCount : Op<HistogramCount> {
    SIG("histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False, Tensor[]? out=None) -> (Tensor hist, Tensor bin_edges)");
    DOC("How many elements fall into each of bins equal parts of range, by default the data's.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, int64_t bins, const std::optional<Floats>& range, const Tensor& weight, bool density) {
        return first_of(histogram_counts(as_points(self), {bins}, range, as_vector(weight, self), density));
    }
};
OP(HistogramTensor);
OP(HistogramCount);

// ---------------------------------------------------------------- bincount
RL_CLONES static void limits(const int64_t* p, int64_t n, int64_t& lowest, int64_t& highest) {
    int64_t low = lowest, high = highest;
    for (int64_t i = 0; i < n; i++) low = p[i] < low ? p[i] : low, high = p[i] > high ? p[i] : high;
    lowest = low, highest = high;
}
struct Bincount : Op<Bincount> {
    SIG("bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor");
    DOC("How often each integer from 0 on occurs, or the sum of its weights; at least minlength of them.");
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const Tensor& weights, int64_t minlength) {
        check(is_integral(self.dtype()), Err::NotImplemented, "\"bincount_cpu\" not implemented for '", title(self.dtype()), "'");
        check(minlength >= 0, "minlength should be >= 0");
        check(!self.is_meta(), Err::NotImplemented, "bincount: the shape of the result depends on data, which a meta tensor does not have");
        check(self.dim() == 1, "bincount only supports 1-d non-negative integral inputs.");
        check(!weights || same(weights.sizes(), self.sizes()), "weights should be 1-d and have the same length as input");
        Tensor x = cast_raw(self, DType::Int64);
        const int64_t* p = x.data<int64_t>();
        int64_t lowest = 0, highest = -1;
        limits(p, x.numel(), lowest, highest);
        check(lowest >= 0, "bincount only supports 1-d non-negative integral inputs.");
        int64_t n = std::max(minlength, highest + 1);
        if (!weights || x.numel() == 0) return count<int64_t>(x, {}, n);
        if (weights.dtype() == DType::Float32) return count<float>(x, contiguous(weights), n);
        return count<double>(x, cast_raw(weights, DType::Float64), n);
    }
    template <class T> static Tensor count(const Tensor& x, const Tensor& weights, int64_t n) {
        Tensor r = zeros(Dims{n}, dtype_of<T>());
        const int64_t* p = x.data<int64_t>();
        int64_t m = x.numel();
        T* counts = r.data<T>();
        if (weights) {
            const T* w = weights.data<T>();
            for (int64_t i = 0; i < m; i++) counts[p[i]] += w[i];
        } else if (n <= kNarrow && m >= n) {
            std::vector<T> more(size_t(n * kSpread));
            for (int64_t i = 0; i < m; i++) more[size_t(i % kSpread * n + p[i])]++;
            for (int64_t i = 0; i < n * kSpread; i++) counts[i % n] += more[size_t(i)];
        } else
            for (int64_t i = 0; i < m; i++) counts[p[i]]++;
        return r;
    }
};
OP(Bincount);

}  // namespace rl
