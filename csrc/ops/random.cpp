// Tensors of random numbers: rand, randn, randint, randperm and their relatives.
#include "ops/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace rl {

// ---------------------------------------------------------------- draws
const char* c_name(DType t) {
    switch (t) {
        case DType::Bool:
            return "bool";
        case DType::UInt8:
            return "unsigned char";
        case DType::Int8:
            return "signed char";
        case DType::Int16:
            return "short int";
        case DType::Int32:
            return "int";
        case DType::Int64:
            return "long int";
        case DType::UInt16:
            return "short unsigned int";
        case DType::UInt32:
            return "unsigned int";
        case DType::UInt64:
            return "long unsigned int";
        case DType::Float16:
            return "c10::Half";
        case DType::BFloat16:
            return "c10::BFloat16";
        case DType::Float32:
            return "float";
        case DType::Float64:
            return "double";
        case DType::Complex64:
            return "c10::complex<float>";
        case DType::Complex128:
            return "c10::complex<double>";
        default:
            return name(t);
    }
}

static double largest_float(DType t) {
    switch (t) {
        case DType::Float16:
            return 65504;
        case DType::BFloat16:
            return 3.3895313892515355e38;
        case DType::Float32:
            return std::numeric_limits<float>::max();
        default:
            return std::numeric_limits<double>::max();
    }
}

void draw_uniform(const Tensor& out, double from, double to, Generator* g) {
    DType t = to_real(out.dtype());
    dispatch_floats("check_uniform_bounds", t, [&](auto) {
        double most = largest_float(t);
        check(from >= -most && from <= most, "from is out of bounds for ", c_name(t));
        check(to >= -most && to <= most, "to is out of bounds for ", c_name(t));
        check(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
        check(to - from <= most, "uniform_ expects to-from <= std::numeric_limits<", title(t),
              ">::max(), but found to=", to, " and from=", from, " which result in to-from to exceed the limit");
    });
    if (out.is_meta()) return;
    in_memory_order(out, [&](const Tensor& dense) {
        Tensor p = parts_of(dense);
        dispatch_floats("uniform", t, [&](auto tag) {
            cpu::fill_uniform(stream_of(g), p.data<typename decltype(tag)::type>(), p.numel(), from, to);
        });
    });
}

void draw_normal(const Tensor& out, double mean, double std, Generator* g) {
    check(std >= 0, "normal expects std >= 0.0, but found std ", std);
    DType t = to_real(out.dtype());
    dispatch_floats("normal_kernel_cpu", t, [](auto) {});
    if (out.is_meta()) return;
    bool grouped = out.is_contiguous();
    if (out.is_complex()) std /= std::sqrt(2.0);  // the variance is shared by the two parts
    in_memory_order(out, [&](const Tensor& dense) {
        Tensor p = parts_of(dense);
        dispatch_floats("normal_kernel_cpu", t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            if (grouped)
                cpu::fill_normal(stream_of(g), p.data<T>(), p.numel(), mean, std);
            else
                cpu::fill_normal_strided(stream_of(g), p.data<T>(), p.numel(), mean, std);
        });
    });
}

// ---------------------------------------------------------------- integers
// The integers that a type holds; of a floating type those up to which it holds every one.
struct IntegerRange {
    int64_t least, most;
    int bits;  // of precision; 0 for integers
};
static IntegerRange integer_range(DType t) {
    switch (t) {
        case DType::Bool:
            return {0, 1, 0};
        case DType::Float16:
            return {-(1 << 11), 1 << 11, 11};
        case DType::BFloat16:
            return {-(1 << 8), 1 << 8, 8};
        case DType::Float32:
            return {-(1 << 24), 1 << 24, 24};
        case DType::Float64:
            return {-(int64_t(1) << 53), int64_t(1) << 53, 53};
        case DType::UInt64:
            return {0, INT64_MAX, 0};
        default:
            break;
    }
    check(is_integral(t), "check_random_bounds handles only integral, floating-point and boolean types");
    int bits = int(itemsize(t)) * 8;
    if (!info(t).is_signed) return {0, int64_t((uint64_t(1) << bits) - 1), 0};
    return {bits == 64 ? INT64_MIN : -(int64_t(1) << (bits - 1)),
            bits == 64 ? INT64_MAX : (int64_t(1) << (bits - 1)) - 1, 0};
}
static void check_integer(const char* what, int64_t v, DType t) {
    IntegerRange r = integer_range(t);
    if (!r.bits) return check(v >= r.least && v <= r.most, what, " is out of bounds for ", c_name(t));
    check(std::abs(double(v)) <= largest_float(t), what, " is out of bounds for ", c_name(t));
    if (v >= r.least && v <= r.most) return;
    warn(what, " is out of bounds [-(2^", r.bits, "), 2^", r.bits, "]. Due to precision limitations ", c_name(t), " can support discrete uniform distribution only within this range.");
}

// base + an integer below range; range 0 stands for 2^64.
static void fill_integers(const Tensor& out, uint64_t range, int64_t base, Generator* g) {
    if (out.is_meta()) return;
    in_memory_order(out, [&](const Tensor& t) {
        dispatch_reals("random_from_to", t.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (std::is_same_v<T, uint64_t>)
                cpu::fill_random_range(stream_of(g), t.data<int64_t>(), t.numel(), range, base);
            else if constexpr (std::is_same_v<T, uint32_t>)
                cpu::fill_random_range(stream_of(g), t.data<int32_t>(), t.numel(), range, base);
            else if constexpr (std::is_same_v<T, uint16_t>)
                cpu::fill_random_range(stream_of(g), t.data<int16_t>(), t.numel(), range, base);
            else
                cpu::fill_random_range(stream_of(g), t.data<T>(), t.numel(), range, base);
        });
    });
}
static double rounded(int64_t v, DType t) {
    switch (t) {
        case DType::Float16:
            return float(Half(float(v)));
        case DType::BFloat16:
            return float(BFloat16(float(v)));
        case DType::Float32:
            return float(v);
        default:
            return double(v);
    }
}
// Between the numbers of a floating type next to v.
static double spacing(int64_t v, DType t) {
    return std::ldexp(1.0, std::bit_width(uint64_t(std::abs(v))) - integer_range(t).bits);
}
void draw_integers(const Tensor& out, int64_t from, int64_t to, Generator* g) {
    check(from < to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
    check_integer("from", from, out.dtype());
    check_integer("to - 1", to - 1, out.dtype());
    if (out.is_floating()) {
        // bounds that are rounded to the outside of the interval move to the next number within it
        if (double up = rounded(from + 1, out.dtype()); up < double(from))
            from = int64_t(up + spacing(from + 1, out.dtype()));
        if (double down = rounded(to - 1, out.dtype()); down >= double(to))
            to = int64_t(down - spacing(to - 1, out.dtype()));
        check(from < to,
              "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=", from,
              " >= to=", to);
    }
    fill_integers(out, uint64_t(to) - uint64_t(from), from, g);
}
void draw_integers_from(const Tensor& out, int64_t from, Generator* g) {
    if (!is_integral(out.dtype()) && !out.is_floating() && out.dtype() != DType::Bool)
        no_kernel("random_from_to_range_calc", out.dtype());
    check_integer("from", from, out.dtype());
    uint64_t most = out.dtype() == DType::UInt64 ? UINT64_MAX : uint64_t(integer_range(out.dtype()).most);
    fill_integers(out, most - uint64_t(from) + 1, from, g);
}
void draw_any_integers(const Tensor& out, Generator* g) {
    dispatch_reals("random_kernel_cpu", out.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (out.is_meta()) return;
        if constexpr (std::is_same_v<T, uint64_t>)
            fill_integers(out, 0, 0, g);
        else if constexpr (std::is_same_v<T, uint32_t> || std::is_same_v<T, uint16_t>)
            fill_integers(out, uint64_t(1) << (8 * sizeof(T)), 0, g);
        else
            in_memory_order(out, [&](const Tensor& t) { cpu::fill_random(stream_of(g), t.data<T>(), t.numel()); });
    });
}

// ---------------------------------------------------------------- factories
#define RL_DRAW_OPTIONS ", *, Generator? generator=None, " RL_OPTIONS

template <class O, class... P>
struct RandomLike : LikeFactory<O, P...> {
    static constexpr bool kRandom = true;
};

struct Rand : RandomFactory<Rand, Dims, Generator*> {
    SIG("rand(int[] size" RL_DRAW_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("Numbers that are uniform on [0, 1).");
    static const Dims& shape(const Dims& size, Generator*) { return size; }
    static DType dtype(const Dims&, Generator*) { return default_dtype(); }
    static void fill(const Tensor& r, const Dims&, Generator* g) { draw_uniform(r, 0, 1, g); }
};
OP(Rand);

struct Randn : RandomFactory<Randn, Dims, Generator*> {
    SIG("randn(int[] size" RL_DRAW_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("Normally distributed numbers of mean 0 and variance 1.");
    static const Dims& shape(const Dims& size, Generator*) { return size; }
    static DType dtype(const Dims&, Generator*) { return default_dtype(); }
    static void fill(const Tensor& r, const Dims&, Generator* g) { draw_normal(r, 0, 1, g); }
};
OP(Randn);

struct Randint : RandomFactory<Randint, int64_t, Dims, Generator*> {
    SIG("randint(int high, int[] size" RL_DRAW_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("Integers, every one from 0 to high - 1 being equally likely.");
    static const Dims& shape(int64_t, const Dims& size, Generator*) { return size; }
    static DType dtype(int64_t, const Dims&, Generator*) { return DType::Int64; }
    static void fill(const Tensor& r, int64_t high, const Dims&, Generator* g) { draw_integers(r, 0, high, g); }
};
struct RandintLow : RandomFactory<RandintLow, int64_t, int64_t, Dims, Generator*> {
    SIG("randint.low(int low, int high, int[] size" RL_DRAW_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("Integers, every one from low to high - 1 being equally likely.");
    static const Dims& shape(int64_t, int64_t, const Dims& size, Generator*) { return size; }
    static DType dtype(int64_t, int64_t, const Dims&, Generator*) { return DType::Int64; }
    static void fill(const Tensor& r, int64_t low, int64_t high, const Dims&, Generator* g) {
        draw_integers(r, low, high, g);
    }
};
OP(Randint);
OP(RandintLow);

struct Randperm : RandomFactory<Randperm, int64_t, Generator*> {
    SIG("randperm(int n" RL_DRAW_OPTIONS ", Tensor? out=None) -> Tensor");
    DOC("The integers from 0 to n - 1 in random order.");
    static Dims shape(int64_t n, Generator*) { return {n}; }
    static DType dtype(int64_t, Generator*) { return DType::Int64; }
    static void fill(const Tensor& r, int64_t n, Generator* g) {
        DType t = r.dtype();
        if (t == DType::Bool || is_complex(t) || (is_floating(t) && itemsize(t) == 1) || t == DType::UInt16 ||
            t == DType::UInt32 || t == DType::UInt64)
            no_kernel("randperm", t);
        if (is_floating(t))
            check(n <= integer_range(t).most + 1, "n cannot be greater than ", integer_range(t).most + 1, " for ",
                  title(t), " type.");
        else
            check_fits(Scalar(std::max<int64_t>(n - 1, 0)), t);
        if (r.is_meta()) return;
        Tensor order = t == DType::Int64 && r.is_contiguous() ? r : empty(r.sizes(), DType::Int64);
        cpu::fill_randperm(stream_of(g), order.data<int64_t>(), n);
        if (!order.is(r)) copy_raw(r, order);
    }
};
OP(Randperm);

// ---------------------------------------------------------------- the same for another tensor's shape
#define RL_DRAW_LIKE RL_DRAW_OPTIONS ", MemoryFormat? memory_format=None) -> Tensor"

struct RandLike : RandomLike<RandLike, Generator*> {
    SIG("rand_like(Tensor self" RL_DRAW_LIKE);
    DOC("Numbers that are uniform on [0, 1), in self's shape and dtype.");
    static void fill(const Tensor& r, Generator* g) { draw_uniform(r, 0, 1, g); }
};
OP(RandLike);

struct RandnLike : RandomLike<RandnLike, Generator*> {
    SIG("randn_like(Tensor self" RL_DRAW_LIKE);
    DOC("Normally distributed numbers of mean 0 and variance 1, in self's shape and dtype.");
    static void fill(const Tensor& r, Generator* g) { draw_normal(r, 0, 1, g); }
};
OP(RandnLike);

struct RandintLike : RandomLike<RandintLike, int64_t, Generator*> {
    SIG("randint_like(Tensor self, int high" RL_DRAW_LIKE);
    DOC("Integers from 0 to high - 1, in self's shape and dtype.");
    static void fill(const Tensor& r, int64_t high, Generator* g) { draw_integers(r, 0, high, g); }
};
struct RandintLikeTensor : RandomLike<RandintLikeTensor, Tensor, Generator*> {
    SIG("randint_like.Tensor(Tensor self, Tensor high" RL_DRAW_LIKE);
    DOC("Integers from 0 to high - 1, high being a tensor of one number, in self's shape and dtype.");
    static void fill(const Tensor& r, const Tensor& high, Generator* g) {
        check(high.numel() == 1 && !high.is_meta(), "high must be a scalar tensor and on CPU (randint_like)");
        draw_integers(r, 0, item(high).to<int64_t>(), g);
    }
};
struct RandintLikeLow : RandomLike<RandintLikeLow, int64_t, int64_t, Generator*> {
    SIG("randint_like.low_dtype(Tensor self, int low, int high" RL_DRAW_LIKE);
    DOC("Integers from low to high - 1, in self's shape and dtype.");
    static void fill(const Tensor& r, int64_t low, int64_t high, Generator* g) { draw_integers(r, low, high, g); }
};
OP(RandintLike);
OP(RandintLikeTensor);
OP(RandintLikeLow);

}  // namespace rl
