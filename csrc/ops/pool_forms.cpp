// The pooling functions that users call.
#include "ops/pool.h"

namespace rl {

// A result that is a tensor, or with return_indices=True a pair.
struct MaybePair {
    Tensor values, indices;
    bool pair;
};
template <> struct To<MaybePair> {
    static PyObject* box(MaybePair r) {
        if (!r.pair) return r.values.release();
        return Py_BuildValue("(NN)", r.values.release(), r.indices.release());
    }
};

namespace {
MaybePair maybe(std::pair<Tensor, Tensor> r, bool pair) { return {r.first, r.second, pair}; }

// An adaptive output size: one int for all dimensions, or one each; None keeps the input's size.
Dims adaptive_sizes(PyObject* o, const Tensor& input, size_t n, const char* op) {
    auto read = [&](PyObject* v, size_t d) -> int64_t {
        if (v == Py_None) return input.size(int64_t(d) - int64_t(n));
        check(PyIndex_Check(v), Err::Type, op, "(): argument 'output_size' must be int, None or a tuple of them, not ", Py_TYPE(v)->tp_name);
        PyObject* index = PyNumber_Index(v);
        if (!index) raise_python();
        int64_t i = PyLong_AsLongLong(index);
        Py_DECREF(index);
        return i;
    };
    Dims r(n);
    bool list = PyTuple_Check(o) || PyList_Check(o);
    size_t given = list ? size_t(PySequence_Fast_GET_SIZE(o)) : 1;
    check(!list || input.dim() > int64_t(given), Err::Value, "Input dimension should be at least ", given + 1, " (", op, ")");
    check(given == n || given == 1, op, ": output_size must be ", n, " (got ", given, " sizes)");
    check(input.dim() >= int64_t(n) + 1, "Expected ", n + 1, " to ", n + 2, " dimensions, but got ", input.dim(), "-dimensional tensor for argument #1 'self' (while checking arguments for ", op, ")");
    for (size_t d = 0; d < n; d++) r[d] = read(list ? PySequence_Fast_GET_ITEM(o, Py_ssize_t(given == 1 ? 0 : d)) : o, d);
    return r;
}
}  // namespace

#define RL_MAX_POOL_ARGUMENTS const Tensor &input, const Dims &kernel, const OptDims &stride, const Dims &padding, const Dims &dilation, bool ceil_mode
#define RL_MAX_POOL_OPTIONS(N, D) {N, "max_pool" D "d", kernel, stride, padding, ceil_mode}, dilation
#define RL_MAX_POOL_TEXT(SELF, D) "(Tensor " SELF ", int[" D "] kernel_size, int[" D "]? stride=None, int[" D "] padding=0, int[" D "] dilation=1, bool ceil_mode=False"

#define RL_POOL_FORMS(N, D)                                                                                                                                                        \
    struct NnMaxPool##N : Composite<NnMaxPool##N> {                                                                                                                                \
        SIG("nn::max_pool" D "d" RL_MAX_POOL_TEXT("input", D) ", bool return_indices=False) -> Tensor");                                                                           \
        DOC("Largest element of each window; with return_indices also its index in the input's plane.");                                                                           \
        FORMS(FUNCTION);                                                                                                                                                           \
        static MaybePair forward(RL_MAX_POOL_ARGUMENTS, bool return_indices) { return maybe(max_pool(input, RL_MAX_POOL_OPTIONS(N, D), return_indices), return_indices); }          \
    };                                                                                                                                                                             \
    OP(NnMaxPool##N);                                                                                                                                                              \
    struct NnMaxPoolIndices##N : Composite<NnMaxPoolIndices##N> {                                                                                                                  \
        SIG("nn::max_pool" D "d_with_indices" RL_MAX_POOL_TEXT("input", D) ", bool return_indices=False) -> (Tensor, Tensor)");                                                    \
        DOC("Largest element of each window and its index in the input's plane.");                                                                                                 \
        FORMS(FUNCTION);                                                                                                                                                           \
        static MaybePair forward(RL_MAX_POOL_ARGUMENTS, bool) { return maybe(max_pool(input, RL_MAX_POOL_OPTIONS(N, D), true), true); }                                             \
    };                                                                                                                                                                             \
    OP(NnMaxPoolIndices##N);                                                                                                                                                       \
    struct MaxPool##N : Composite<MaxPool##N> {                                                                                                                                    \
        SIG("max_pool" D "d" RL_MAX_POOL_TEXT("input", D) ") -> Tensor");                                                                                                          \
        DOC("Largest element of each window.");                                                                                                                                    \
        FORMS(FUNCTION);                                                                                                                                                           \
        static Tensor forward(RL_MAX_POOL_ARGUMENTS) { return max_pool(input, RL_MAX_POOL_OPTIONS(N, D), false).first; }                                                           \
    };                                                                                                                                                                             \
    OP(MaxPool##N);                                                                                                                                                                \
    struct NnAdaptiveMaxPool##N : Composite<NnAdaptiveMaxPool##N> {                                                                                                                \
        SIG("nn::adaptive_max_pool" D "d(Tensor input, Any output_size, bool return_indices=False) -> Tensor");                                                                    \
        DOC("Largest element of each of output_size windows; with return_indices also its index in the input's plane.");                                                           \
        FORMS(FUNCTION);                                                                                                                                                           \
        static MaybePair forward(const Tensor& input, PyObject* output_size, bool return_indices) {                                                                                \
            const char* op = "adaptive_max_pool" D "d";                                                                                                                            \
            return maybe(adaptive_max_pool(input, adaptive_sizes(output_size, input, N, op), op), return_indices);                                                                 \
        }                                                                                                                                                                          \
    };                                                                                                                                                                             \
    OP(NnAdaptiveMaxPool##N);                                                                                                                                                      \
    struct NnAdaptiveMaxPoolIndices##N : Composite<NnAdaptiveMaxPoolIndices##N> {                                                                                                  \
        SIG("nn::adaptive_max_pool" D "d_with_indices(Tensor input, Any output_size, bool return_indices=False) -> (Tensor, Tensor)");                                             \
        DOC("Largest element of each of output_size windows and its index in the input's plane.");                                                                                 \
        FORMS(FUNCTION);                                                                                                                                                           \
        static MaybePair forward(const Tensor& input, PyObject* output_size, bool) { return NnAdaptiveMaxPool##N::forward(input, output_size, true); }                             \
    };                                                                                                                                                                             \
    OP(NnAdaptiveMaxPoolIndices##N);                                                                                                                                               \
    struct NnAdaptiveAveragePool##N : Composite<NnAdaptiveAveragePool##N> {                                                                                                        \
        SIG("nn::adaptive_avg_pool" D "d(Tensor input, Any output_size) -> Tensor");                                                                                               \
        DOC("Mean of each of output_size windows that divide the input evenly; None keeps a size.");                                                                               \
        FORMS(FUNCTION);                                                                                                                                                           \
        static Tensor forward(const Tensor& input, PyObject* output_size) {                                                                                                        \
            const char* op = "adaptive_avg_pool" D "d";                                                                                                                            \
            return adaptive_average_pool(input, adaptive_sizes(output_size, input, N, op), op);                                                                                    \
        }                                                                                                                                                                          \
    };                                                                                                                                                                             \
    OP(NnAdaptiveAveragePool##N)

RL_POOL_FORMS(1, "1");
RL_POOL_FORMS(2, "2");
RL_POOL_FORMS(3, "3");

struct MaxPool1dIndices : Composite<MaxPool1dIndices> {
    SIG("max_pool1d_with_indices" RL_MAX_POOL_TEXT("input", "1") ") -> (Tensor, Tensor)");
    DOC("Largest element of each window and its index.");
    FORMS(FUNCTION);
    static MaybePair forward(RL_MAX_POOL_ARGUMENTS) { return maybe(max_pool(input, RL_MAX_POOL_OPTIONS(1, "1"), true), true); }
};
OP(MaxPool1dIndices);
struct AdaptiveMaxPool1d : Composite<AdaptiveMaxPool1d> {
    SIG("adaptive_max_pool1d(Tensor input, Any output_size) -> (Tensor, Tensor)");
    DOC("Largest element of each of output_size windows and its index.");
    FORMS(FUNCTION);
    static MaybePair forward(const Tensor& input, PyObject* output_size) { return NnAdaptiveMaxPool1::forward(input, output_size, true); }
};
OP(AdaptiveMaxPool1d);
struct AdaptiveAveragePool1d : Composite<AdaptiveAveragePool1d> {
    SIG("adaptive_avg_pool1d(Tensor input, Any output_size) -> Tensor");
    DOC("Mean of each of output_size windows that divide the input evenly.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, PyObject* output_size) { return NnAdaptiveAveragePool1::forward(input, output_size); }
};
OP(AdaptiveAveragePool1d);

// ---------------------------------------------------------------- mean
static Tensor average(const char* op, size_t n, const Tensor& input, const Dims& kernel, const OptDims& stride, const Dims& padding, bool ceil_mode, bool include_pad, const OptInt& divisor) {
    return average_pool(input, {n, op, kernel, stride, padding, ceil_mode}, include_pad, divisor);
}

#define RL_AVERAGE_1D(STRUCT, PREFIX)                                                                                                                                             \
    struct STRUCT : Composite<STRUCT> {                                                                                                                                           \
        SIG(PREFIX "avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True) -> Tensor");           \
        DOC("Mean of each window of (N, C, L) or (C, L).");                                                                                                                       \
        FORMS(FUNCTION);                                                                                                                                                          \
        static Tensor forward(const Tensor& input, const Dims& kernel, const OptDims& stride, const Dims& padding, bool ceil_mode, bool include_pad) {                            \
            return average("avg_pool1d", 1, input, kernel, stride, padding, ceil_mode, include_pad, {});                                                                          \
        }                                                                                                                                                                         \
    };                                                                                                                                                                            \
    OP(STRUCT)
RL_AVERAGE_1D(AveragePool1d, "");
RL_AVERAGE_1D(NnAveragePool1d, "nn::");

#define RL_AVERAGE(N, D)                                                                                                                                                          \
    struct NnAveragePool##N : Composite<NnAveragePool##N> {                                                                                                                       \
        SIG("nn::avg_pool" D "d(Tensor input, int[" D "] kernel_size, int[" D "]? stride=None, int[" D "] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None, *, Tensor? out=None) -> Tensor"); \
        DOC("Mean of each window; divisor_override replaces the number of elements.");                                                                                            \
        FORMS(FUNCTION | OUT);                                                                                                                                                    \
        static Tensor forward(const Tensor& input, const Dims& kernel, const OptDims& stride, const Dims& padding, bool ceil_mode, bool include_pad, const OptInt& divisor) {     \
            return average("avg_pool" D "d", N, input, kernel, stride, padding, ceil_mode, include_pad, divisor);                                                                 \
        }                                                                                                                                                                         \
    };                                                                                                                                                                            \
    OP(NnAveragePool##N)
RL_AVERAGE(2, "2");
RL_AVERAGE(3, "3");

}  // namespace rl
