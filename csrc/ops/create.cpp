// Tensors made of a shape and a rule: constants, ranges, identity and index matrices.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/sparse.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/factory.h"

namespace rl {

void check_options(const char* op, PyObject* layout, const OptBool& pin_memory) {
    if (layout) {
        PyObject* text = PyObject_Repr(layout);
        std::string s = PyUnicode_AsUTF8(text);
        Py_DECREF(text);
        check(s == "torch.strided", Err::NotImplemented, op, "(): layout ", s, " is not supported; tensors are strided");
    }
    check(!pin_memory.value_or(false), op, "(): pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available on this system.");
}

static bool is_sparse_layout(PyObject* layout) {
    if (!layout) return false;
    PyObject* text = PyObject_Repr(layout);
    bool sparse = !strncmp(PyUnicode_AsUTF8(text), "torch.sparse_cs", 15) || !strcmp(PyUnicode_AsUTF8(text), "torch.sparse_coo");
    Py_DECREF(text);
    return sparse;
}
static Tensor sparse_zeros(const Dims& size, const OptDType& dtype, PyObject* layout, bool requires_grad) {
    return call_sparse("zeros", Py_BuildValue("(ONOO)", layout, size_to_python(size), dtype_to_python(dtype.value_or(default_dtype())), requires_grad ? Py_True : Py_False));
}

template <class T> static bool fits(const Scalar& v) {
    if constexpr (std::is_same_v<T, bool> || is_complex_v<T>) return true;
    else if constexpr (std::is_same_v<T, float>) return v.im == 0 && (!std::isfinite(v.real()) || std::abs(v.real()) <= 3.4028234663852886e38);
    else if constexpr (!std::is_integral_v<T>) return v.im == 0;
    else {
        if (v.im != 0 || !std::isfinite(v.real())) return false;
        if (v.is_integral()) {
            if (sizeof(T) == 8) return true;
            return v.i <= int64_t(std::numeric_limits<T>::max()) && v.i >= (std::is_signed_v<T> ? int64_t(std::numeric_limits<T>::min()) : -int64_t(std::numeric_limits<T>::max()));
        }
        return v.d <= double(std::numeric_limits<T>::max()) && v.d >= (std::is_signed_v<T> ? double(std::numeric_limits<T>::min()) : -double(std::numeric_limits<T>::max()));
    }
}
void check_fits(const Scalar& v, DType t) {
    bool ok = dispatch(t, [&](auto tag) { return fits<typename decltype(tag)::type>(v); });
    check(ok, "value cannot be converted to type ", name(t), is_integral(t) && t != DType::Bool ? "_t" : "", " without overflow");
}

// ---------------------------------------------------------------- constants
struct Empty : Op<Empty> {
    SIG("empty.memory_format(int[] size, *, " RL_OPTIONS ", MemoryFormat? memory_format=None, Tensor? out=None) -> Tensor");
    DOC("A tensor whose elements are whatever memory holds.");
    static constexpr const char* kCategory = "Factory";
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Dims& size, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad, const OptFormat& format) {
        if (is_sparse_layout(layout)) return sparse_zeros(size, dtype, layout, requires_grad);
        check_options("empty", layout, pin_memory);
        check(!format || *format != MemoryFormat::Preserve, "Unsupported memory format Preserve (empty)");
        Device d = device.value_or(Device::CPU);
        DType t = dtype.value_or(default_dtype());
        Tensor r = format && *format != MemoryFormat::Contiguous ? empty_strided(size, format_strides("empty", size, *format), t, d) : empty(size, t, d);
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
    static void into(const Tensor& out, bool, const Dims& size, const OptDType&, PyObject*, const OptDevice&, const OptBool&, bool, const OptFormat&) { resize_output("empty", out, size); }
};
OP(Empty);

struct EmptyStrided : Op<EmptyStrided> {
    SIG("empty_strided(int[] size, int[] stride, *, " RL_OPTIONS ") -> Tensor");
    DOC("An uninitialised tensor with given strides, in elements.");
    static constexpr const char* kCategory = "Factory";
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Dims& size, const Dims& stride, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        check_options("empty_strided", layout, pin_memory);
        check(size.size() == stride.size(), "empty_strided(): dimensionality of sizes (", size.size(), ") must match dimensionality of strides (", stride.size(), ")");
        Tensor r = rl::empty_strided(size, stride, dtype.value_or(default_dtype()), device.value_or(Device::CPU));
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
};
OP(EmptyStrided);

struct EmptyPermuted : Op<EmptyPermuted> {
    SIG("empty_permuted(int[] size, int[] physical_layout, *, " RL_OPTIONS ") -> Tensor");
    DOC("An uninitialised dense tensor whose dimensions lie in memory in the order of physical_layout, outermost first.");
    static constexpr const char* kCategory = "Factory";
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Dims& size, const Dims& order, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        check(size.size() == order.size(), "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = ", size.size(), " is not equal to len(physical_layout) = ", order.size());
        Dims moved(size.size()), strides(size.size());
        uint64_t seen = 0;
        for (size_t i = 0; i < order.size(); i++) {
            check(order[i] >= 0 && order[i] < int64_t(size.size()), "Dimension out of range (expected to be between 0 and ", int64_t(size.size()) - 1, ", but got ", order[i], " at index ", i, ").  NB: negative dims not currently supported");
            check(!(seen >> order[i] & 1), "Duplicate dim not allowed (empty_permuted: ", order, ")");
            seen |= uint64_t(1) << order[i];
            moved[i] = size[order[i]];
        }
        Dims inner = contiguous_strides(moved);
        for (size_t i = 0; i < order.size(); i++) strides[order[i]] = inner[i];
        return EmptyStrided::forward(size, strides, dtype, layout, device, pin_memory, requires_grad);
    }
};
OP(EmptyPermuted);

struct Zeros : Factory<Zeros, Dims> {
    SIG("zeros(int[] size, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("A tensor of zeros.");
    static const Dims& shape(const Dims& size) { return size; }
    static DType dtype(const Dims&) { return default_dtype(); }
    static void fill(const Tensor& r, const Dims&) { fill_raw(r, Scalar(0)); }
    static Tensor forward(const Dims& size, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        if (is_sparse_layout(layout)) return sparse_zeros(size, dtype, layout, requires_grad);
        return Factory::forward(size, dtype, layout, device, pin_memory, requires_grad);
    }
};
OP(Zeros);

struct Ones : Factory<Ones, Dims> {
    SIG("ones(int[] size, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("A tensor of ones.");
    static const Dims& shape(const Dims& size) { return size; }
    static DType dtype(const Dims&) { return default_dtype(); }
    static void fill(const Tensor& r, const Dims&) { fill_raw(r, Scalar(1)); }
};
OP(Ones);

static void fill_checked(const Tensor& r, const Scalar& value) {
    check_fits(value, r.dtype());
    fill_raw(r, value);
}
struct Full : Factory<Full, Dims, Scalar> {
    SIG("full(int[] size, Scalar fill_value, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("A tensor of one value, whose type the result has where no dtype is given.");
    static const Dims& shape(const Dims& size, const Scalar&) { return size; }
    static DType dtype(const Dims&, const Scalar& value) { return value.dtype(); }
    static void fill(const Tensor& r, const Dims&, const Scalar& value) { fill_checked(r, value); }
};
OP(Full);

struct ScalarTensor : Factory<ScalarTensor, Scalar> {
    SIG("scalar_tensor(Scalar s, *, " RL_OPTIONS ") -> Tensor");
    DOC("A tensor without dimensions that holds a number.");
    FORMS(FUNCTION);
    static Dims shape(const Scalar&) { return {}; }
    static DType dtype(const Scalar&) { return default_dtype(); }
    static void fill(const Tensor& r, const Scalar& value) { fill_checked(r, value); }
};
OP(ScalarTensor);

#define RL_LIKE ", *, " RL_OPTIONS ", MemoryFormat? memory_format=None) -> Tensor"
struct EmptyLike : LikeFactory<EmptyLike> {
    SIG("empty_like(Tensor self" RL_LIKE);
    DOC("An uninitialised tensor of self's shape.");
    static void fill(const Tensor&) {}
};
OP(EmptyLike);
struct ZerosLike : LikeFactory<ZerosLike> {
    SIG("zeros_like(Tensor self" RL_LIKE);
    DOC("Zeros of self's shape.");
    static void fill(const Tensor& r) { fill_raw(r, Scalar(0)); }
};
OP(ZerosLike);
struct OnesLike : LikeFactory<OnesLike> {
    SIG("ones_like(Tensor self" RL_LIKE);
    DOC("Ones of self's shape.");
    static void fill(const Tensor& r) { fill_raw(r, Scalar(1)); }
};
OP(OnesLike);
struct FullLike : LikeFactory<FullLike, Scalar> {
    SIG("full_like(Tensor self, Scalar fill_value" RL_LIKE);
    DOC("One value in self's shape.");
    static void fill(const Tensor& r, const Scalar& value) { fill_checked(r, value); }
};
OP(FullLike);

// self.new_*: self's dtype and device for another shape.
template <class O, class... P> struct NewFactory : Op<O> {
    static constexpr const char* kCategory = "Factory";
    static constexpr uint32_t kForms = METHOD;
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const Dims& size, const P&... p, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        check_options(op_info<O>()->name.c_str(), layout, pin_memory);
        Tensor r = empty(size, dtype.value_or(self.dtype()), device.value_or(self.device()));
        if (!r.is_meta()) O::fill(r, p...);
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
};
struct NewEmpty : NewFactory<NewEmpty> {
    SIG("new_empty(Tensor self, int[] size, *, " RL_OPTIONS ") -> Tensor");
    DOC("An uninitialised tensor with self's dtype and device.");
    static void fill(const Tensor&) {}
};
OP(NewEmpty);
struct NewZeros : NewFactory<NewZeros> {
    SIG("new_zeros(Tensor self, int[] size, *, " RL_OPTIONS ") -> Tensor");
    DOC("Zeros with self's dtype and device.");
    static void fill(const Tensor& r) { fill_raw(r, Scalar(0)); }
};
OP(NewZeros);
struct NewOnes : NewFactory<NewOnes> {
    SIG("new_ones(Tensor self, int[] size, *, " RL_OPTIONS ") -> Tensor");
    DOC("Ones with self's dtype and device.");
    static void fill(const Tensor& r) { fill_raw(r, Scalar(1)); }
};
OP(NewOnes);
struct NewFull : NewFactory<NewFull, Scalar> {
    SIG("new_full(Tensor self, int[] size, Scalar fill_value, *, " RL_OPTIONS ") -> Tensor");
    DOC("One value with self's dtype and device.");
    static void fill(const Tensor& r, const Scalar& value) { fill_checked(r, value); }
};
OP(NewFull);
struct NewEmptyStrided : Op<NewEmptyStrided> {
    SIG("new_empty_strided(Tensor self, int[] size, int[] stride, *, " RL_OPTIONS ") -> Tensor");
    DOC("An uninitialised tensor with given strides and self's dtype and device.");
    static constexpr const char* kCategory = "Factory";
    FORMS(METHOD);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const Dims& size, const Dims& stride, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        return EmptyStrided::forward(size, stride, dtype.value_or(self.dtype()), layout, device.value_or(self.device()), pin_memory, requires_grad);
    }
};
OP(NewEmptyStrided);

// ---------------------------------------------------------------- ranges
static bool is_range_type(DType t) { return t != DType::Bool && !is_complex(t); }
// Writes f(i), computed in T's computing type, for every i.
template <class F> static void fill_sequence(const Tensor& r, F f) {
    dispatch(r.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* p = r.data<T>();
        cpu::parallel_for(r.numel(), 8192, [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) p[i] = convert<T>(f(i, tag));
        });
    });
}
// base + step * i for every i, in double (int64 for integers) and then converted.
template <class Real, class Ramp> static void fill_ramp(const Tensor& r, DType t, Real base, Real step, Ramp ramp) {
    char* p = r.raw();
    int64_t size = itemsize(r.dtype());
    cpu::parallel_for(r.numel(), 8192, [&](int64_t a, int64_t b) {
        if (r.dtype() == t) return ramp((Real*)p + a, base, step, a, b - a);
        Real block[1024];
        for (int64_t i = a; i < b; i += 1024) {
            int64_t n = std::min<int64_t>(1024, b - i);
            ramp(block, base, step, i, n);
            convert_run(p + i * size, r.dtype(), 1, (const char*)block, t, 1, n);
        }
    });
}
static int64_t range_length(const char* op, const Scalar& start, const Scalar& end, const Scalar& step, bool whole, int64_t extra) {
    for (auto* s : {&start, &end, &step}) check(s->im == 0, "value cannot be converted to type double without overflow");
    check(!step.equals(0), "step must be nonzero");
    check(std::isfinite(start.real()) && std::isfinite(end.real()), "unsupported range: ", start.real(), " -> ", end.real());
    check(step.real() > 0 ? end.real() >= start.real() : end.real() <= start.real(), "upper bound and lower bound inconsistent with step sign");
    if (whole) {
        int64_t a = start.to<int64_t>(), b = end.to<int64_t>(), s = step.to<int64_t>();
        check(s != 0, Err::Value, "step must be nonzero (", op, " of integers)");
        return (b - a + s + (s > 0 ? -1 : 1)) / s;
    }
    double n = (end.real() - start.real()) / step.real();
    n = extra ? std::floor(n) + 1 : std::ceil(n);
    check(n >= 0 && n < 9.2e18, "invalid size, possible overflow? (", op, ")");
    return int64_t(n);
}
static void fill_range(const char* op, const Tensor& r, const Scalar& start, const Scalar& step) {
    check(is_range_type(r.dtype()), Err::NotImplemented, "\"", op, "_cpu\" not implemented for '", title(r.dtype()), "'");
    if (is_integral(r.dtype())) return fill_ramp(r, DType::Int64, start.to<int64_t>(), step.to<int64_t>(), cpu::kernels().ramp_i64);
    fill_ramp(r, DType::Float64, start.real(), step.real(), cpu::kernels().ramp_f64);
}
static DType range_dtype(const Scalar& start, const Scalar& end, const Scalar& step) { return start.is_integral() && end.is_integral() && step.is_integral() ? DType::Int64 : default_dtype(); }

struct ArangeStep : Op<ArangeStep> {
    SIG("arange.start_step(Scalar start, Scalar end, Scalar step=1, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("start, start + step, ... before end.");
    static constexpr const char* kCategory = "Factory";
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Scalar& start, const Scalar& end, const Scalar& step, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        check_options("arange", layout, pin_memory);
        DType t = dtype.value_or(range_dtype(start, end, step));
        Tensor r = empty(Dims{range_length("arange", start, end, step, t == DType::Int64, 0)}, t, device.value_or(Device::CPU));
        check(is_range_type(t), Err::NotImplemented, "\"arange_cpu\" not implemented for '", title(t), "'");
        if (!r.is_meta()) fill_range("arange", r, start, step);
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
    static void into(const Tensor& out, bool, const Scalar& start, const Scalar& end, const Scalar& step, const OptDType&, PyObject* layout, const OptDevice&, const OptBool& pin_memory, bool) {
        Tensor r = forward(start, end, step, out.dtype(), layout, out.device(), pin_memory, false);
        resize_output("arange", out, r.sizes());
        copy_(out, r);
    }
};
struct Arange : Composite<Arange> {
    SIG("arange(Scalar end, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("0, 1, ... before end.");
    static constexpr const char* kCategory = "Factory";
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Scalar& end, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        return call<ArangeStep>(Scalar(0), end, Scalar(1), dtype, layout, device, pin_memory, requires_grad);
    }
    static void into(const Tensor& out, bool, const Scalar& end, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        ArangeStep::into(out, false, Scalar(0), end, Scalar(1), dtype, layout, device, pin_memory, requires_grad);
    }
};
OP(Arange);
OP(ArangeStep);

struct Range : Factory<Range, Scalar, Scalar, Scalar> {
    SIG("range(Scalar start, Scalar end, Scalar step=1, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("start, start + step, ... up to and with end.");
    static Dims shape(const Scalar& start, const Scalar& end, const Scalar& step) { return {range_length("range", start, end, step, false, 1)}; }
    static DType dtype(const Scalar&, const Scalar&, const Scalar&) { return default_dtype(); }
    static void fill(const Tensor& r, const Scalar& start, const Scalar&, const Scalar& step) { fill_range("range", r, start, step); }
};
OP(Range);

// A number as its element type T has it, in the type C of the computation.
template <class T, class C> static C in_type(const Scalar& v) {
    if constexpr (std::is_integral_v<T>) return C(v.to<T>());
    else return v.to<C>();
}
// linspace and logspace: `map` is applied to the i-th of `steps` points, counted from the nearer end so that both ends are met.
template <class Map> static void fill_points(const char* op, const Tensor& r, const Scalar& start, const Scalar& end, Map map) {
    check(r.dtype() != DType::Bool, Err::NotImplemented, "\"", op, "_cpu\" not implemented for 'Bool'");
    int64_t n = r.numel();
    if (n == 0) return;
    if (is_integral(r.dtype())) check_fits(start, r.dtype()), check_fits(end, r.dtype());
    fill_sequence(r, [=](int64_t i, auto tag) {
        using T = typename decltype(tag)::type;
        using C = std::conditional_t<std::is_same_v<T, float>, float, std::conditional_t<std::is_same_v<T, c64> || std::is_same_v<T, c128> || std::is_same_v<T, ComplexHalf>, c128, double>>;
        C a = in_type<T, C>(start), b = in_type<T, C>(end);
        if (n == 1) return map(a);
        C step = (b - a) / C(n - 1);
        return map(i < n / 2 ? a + step * C(i) : b - step * C(n - 1 - i));
    });
}
static Scalar end_point(const char* op, const char* which, const Operand& v) {
    if (!v.tensor) return v.scalar;
    check(v.tensor->dim() == 0, op, " only supports 0-dimensional start and end tensors, but got ", which, " with ", v.tensor->dim(), " dimension(s).");
    return item(*v.tensor);
}
static DType points_dtype(const Operand& start, const Operand& end) {
    auto complex = [](const Operand& v) { return v.tensor ? v.tensor->is_complex() : v.scalar.is_complex(); };
    return complex(start) || complex(end) ? to_complex(default_dtype()) : default_dtype();
}
static Dims points_shape(int64_t steps) {
    check(steps >= 0, "number of steps must be non-negative");
    return {steps};
}

struct Linspace : Factory<Linspace, Operand, Operand, int64_t> {
    SIG("linspace(Operand start, Operand end, int steps, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("steps evenly spaced points from start to end, both included.");
    static Dims shape(const Operand& start, const Operand& end, int64_t steps) {
        end_point("linspace", "start", start), end_point("linspace", "end", end);
        return points_shape(steps);
    }
    static DType dtype(const Operand& start, const Operand& end, int64_t) { return points_dtype(start, end); }
    static void fill(const Tensor& r, const Operand& start, const Operand& end, int64_t) {
        Scalar a = end_point("linspace", "start", start), b = end_point("linspace", "end", end);
        int64_t n = r.numel();
        if (r.dtype() != DType::Float32 || n < 2) return fill_points("linspace", r, a, b, [](auto v) { return v; });
        float low = a.to<float>(), high = b.to<float>(), step = (high - low) / float(n - 1);
        cpu::kernels().ramp_f32(r.data<float>(), low, step, 0, n / 2);
        cpu::kernels().ramp_f32(r.data<float>() + n / 2, high, step, n / 2 - (n - 1), n - n / 2);
    }
};
OP(Linspace);

struct Logspace : Factory<Logspace, Operand, Operand, int64_t, double> {
    SIG("logspace(Operand start, Operand end, int steps, float base=10.0, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("base raised to steps evenly spaced exponents from start to end.");
    static Dims shape(const Operand& start, const Operand& end, int64_t steps, double) {
        end_point("logspace", "start", start), end_point("logspace", "end", end);
        return points_shape(steps);
    }
    static DType dtype(const Operand& start, const Operand& end, int64_t, double) { return points_dtype(start, end); }
    static void fill(const Tensor& r, const Operand& start, const Operand& end, int64_t, double base) {
        fill_points("logspace", r, end_point("logspace", "start", start), end_point("logspace", "end", end), [base](auto v) { return std::pow(decltype(v)(base), v); });
    }
};
OP(Logspace);

// ---------------------------------------------------------------- matrices
struct EyeM : Factory<EyeM, int64_t, int64_t> {
    SIG("eye.m(int n, int m, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("n rows and m columns with ones on the diagonal.");
    static Dims shape(int64_t n, int64_t m) {
        check(n >= 0, "n must be greater or equal to 0, got ", n);
        check(m >= 0, "m must be greater or equal to 0, got ", m);
        return {n, m};
    }
    static DType dtype(int64_t, int64_t) { return default_dtype(); }
    static void fill(const Tensor& r, int64_t n, int64_t m) {
        fill_raw(r, Scalar(0));
        bool one = true;
        if (std::min(n, m)) convert_run(r.raw(), r.dtype(), m + 1, reinterpret_cast<const char*>(&one), DType::Bool, 0, std::min(n, m));
    }
};
struct Eye : Factory<Eye, int64_t> {
    SIG("eye(int n, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("The identity matrix of n rows.");
    static Dims shape(int64_t n) { return EyeM::shape(n, n); }
    static DType dtype(int64_t) { return default_dtype(); }
    static void fill(const Tensor& r, int64_t n) { EyeM::fill(r, n, n); }
};
OP(Eye);
OP(EyeM);

// Row and column of every element on and below (or above) a diagonal, row by row.
template <bool Upper> static Dims columns_of(int64_t col, int64_t offset, int64_t i) {
    int64_t from = Upper ? std::clamp<int64_t>(i + offset, 0, col) : 0;
    int64_t to = Upper ? col : std::clamp<int64_t>(i + offset + 1, 0, col);
    return {from, to};
}
template <bool Upper> static Dims indices_shape(int64_t row, int64_t col, int64_t offset) {
    check(row >= 0, "row must be non-negative, got", row);
    check(col >= 0, "col must be non-negative, got", col);
    // Below the diagonal: row i has i + offset + 1 of the col elements, at least none and at most all of them.
    offset = std::clamp(offset, -row, col);
    int64_t first = std::clamp<int64_t>(-offset, 0, row), full = std::clamp<int64_t>(col - offset - (Upper ? 0 : 1), first, row), partial = full - first;
    __int128 below = __int128(partial) * (first + offset + (Upper ? 0 : 1)) + __int128(partial) * (partial - 1) / 2 + __int128(row - full) * col;
    __int128 n = Upper ? __int128(row) * col - below : below;
    check(n <= INT64_MAX / 16, Err::Runtime, "the indices of a triangle of ", row, " x ", col, " elements are more than memory can hold");
    return {2, int64_t(n)};
}
template <bool Upper> static void fill_indices(const Tensor& r, int64_t row, int64_t col, int64_t offset) {
    check(r.dtype() == DType::Int64 || r.dtype() == DType::Int32, Err::NotImplemented, Upper ? "\"triu" : "\"tril", "_indices\" not implemented for '", title(r.dtype()), "'");
    Tensor t = r.dtype() == DType::Int64 ? r : empty(r.sizes(), DType::Int64);
    int64_t *rows = t.data<int64_t>(), *cols = rows + t.sizes()[1];
    int64_t* end = cols;
    for (int64_t i = 0; i < row && rows < end; i++) {
        Dims c = columns_of<Upper>(col, offset, i);
        for (int64_t j = c[0]; j < c[1]; j++) *rows++ = i, *cols++ = j;
    }
    if (!t.is(r)) copy_raw(r, t);
}
struct TrilIndices : Factory<TrilIndices, int64_t, int64_t, int64_t> {
    SIG("tril_indices(int row, int col, int offset=0, *, " RL_OPTIONS ") -> Tensor");
    DOC("Rows and columns of the elements on and below a diagonal.");
    FORMS(FUNCTION);
    static Dims shape(int64_t row, int64_t col, int64_t offset) { return indices_shape<false>(row, col, offset); }
    static DType dtype(int64_t, int64_t, int64_t) { return DType::Int64; }
    static void fill(const Tensor& r, int64_t row, int64_t col, int64_t offset) { fill_indices<false>(r, row, col, offset); }
};
OP(TrilIndices);
struct TriuIndices : Factory<TriuIndices, int64_t, int64_t, int64_t> {
    SIG("triu_indices(int row, int col, int offset=0, *, " RL_OPTIONS ") -> Tensor");
    DOC("Rows and columns of the elements on and above a diagonal.");
    FORMS(FUNCTION);
    static Dims shape(int64_t row, int64_t col, int64_t offset) { return indices_shape<true>(row, col, offset); }
    static DType dtype(int64_t, int64_t, int64_t) { return DType::Int64; }
    static void fill(const Tensor& r, int64_t row, int64_t col, int64_t offset) { fill_indices<true>(r, row, col, offset); }
};
OP(TriuIndices);

// ---------------------------------------------------------------- for formulas
static Tensor filled(Ints sizes, const Scalar& value, DType dtype, Device device) {
    Tensor r = empty(sizes, dtype, device);
    if (!r.is_meta()) fill_raw(r, value);
    return r;
}
Tensor zeros(Ints sizes, DType dtype, Device device) { return filled(sizes, Scalar(0), dtype, device); }
Tensor ones(Ints sizes, DType dtype, Device device) { return filled(sizes, Scalar(1), dtype, device); }
Tensor full(Ints sizes, const Scalar& value, DType dtype, Device device) { return filled(sizes, value, dtype, device); }
Tensor zeros_like(const Tensor& t) { return t->wrapper ? call<ZerosLike>(t, OptDType(), nullptr, OptDevice(), OptBool(), false, OptFormat()) : zeros(t.sizes(), t.dtype(), t.device()); }
Tensor ones_like(const Tensor& t) { return t->wrapper ? call<OnesLike>(t, OptDType(), nullptr, OptDevice(), OptBool(), false, OptFormat()) : ones(t.sizes(), t.dtype(), t.device()); }
Tensor arange(int64_t n, DType dtype) {
    Tensor r = empty(Dims{n}, dtype);
    fill_range("arange", r, Scalar(0), Scalar(1));
    return r;
}

}  // namespace rl
