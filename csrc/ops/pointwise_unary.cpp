// Signs, roundings, reciprocals and the simplest functions of one operand.
#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

// ---------------------------------------------------------------- signs
RL_COMPLEX_VECTORS(Neg);
struct Neg : Unary<Neg> {
    SIG("neg(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("-self.");
    ALIASES("negative");
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V x) {
        if constexpr (std::is_integral_v<V>) return V(0 - uint64_t(x));
        else return -x;
    }
    static void validate(const Operand*, DType common, const Scalar*) {
        check(common != DType::Bool, "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
    }
    DSELF(neg(g));
};
POINTWISE(Neg);

RL_COMPLEX_VECTORS(Abs);
struct Abs : Unary<Abs> {
    SIG("abs(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The absolute value; of a complex number a real one.");
    ALIASES("absolute");
    using Saves = Save<In<0>>;
    static constexpr bool kReal = true;
    static void validate(const Operand*, DType common, const Scalar*) { check(common != DType::Bool, Err::NotImplemented, "\"abs_cpu\" not implemented for 'Bool'"); }
    template <class V> RL_F auto f(V x) {
        if constexpr (std::is_same_v<V, bool>) return x;
        else return abs(x);
    }
    static Tensor into(const Tensor& out, bool inplace, const Tensor& self) {
        check(!inplace || !self.is_complex(), "In-place abs is not supported for complex tensors.");
        return Unary<Abs>::into(out, inplace, self);
    }
    DSELF(mul(g, sgn(c.in<0>())));
};
POINTWISE(Abs);

struct Sign : Unary<Sign> {
    SIG("sign(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("-1, 0 or 1.");
    static constexpr uint32_t kDtypes = kAllTypes & ~kComplexes;
    template <class V> RL_F V f(V x) {
        if constexpr (std::is_same_v<V, bool>) return x;
        else return sign(x);
    }
    static void validate(const Operand*, DType common, const Scalar*) {
        check(!is_complex(common), Err::NotImplemented, "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.");
    }
    DSELF(zeros_like(g));
};
POINTWISE(Sign);

RL_COMPLEX_VECTORS(Sgn);
struct Sgn : Unary<Sgn> {
    SIG("sgn(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("self / |self|, and 0 for 0.");
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x) {
        if constexpr (std::is_same_v<V, bool>) return x;
        else return sign(x);
    }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        if (!g.is_complex()) return zeros_like(g);
        // Of g only the part across the direction of x counts, divided by |x|.
        Tensor x = c.in<0>(), length = abs(x), direction = sgn(x);
        Tensor along = mul(direction, real(mul(conj(direction), g)));
        return where(eq(length, 0), Scalar(0), div(sub(g, along), length));
    }
#endif
};
POINTWISE(Sgn);

struct Copysign : Binary<Copysign> {
    SIG("copysign.Tensor(Tensor self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The magnitude of self with the sign of other.");
    using Saves = Save<In<0>, Out<>>;
    static constexpr uint32_t kDtypes = kFloats;
    static constexpr Rule kRule = Rule::Float;
    template <class V> RL_F V f(V a, V b) { return copysign(a, b); }
    DSELF(mul(g, mul(sgn(c.in<0>()), sgn(c.out()))));
    DOTHER(zeros_like(g));
};
POINTWISE(Copysign);

struct Heaviside : Binary<Heaviside> {
    SIG("heaviside(Tensor self, Tensor values, *, Tensor? out=None) -> Tensor");
    DOC("0 below zero, 1 above it, values at it.");
    static constexpr uint32_t kDtypes = kAllTypes & ~kComplexes;
    NO_GRADIENT;
    template <class V> RL_F V f(V a, V b) {
        if constexpr (std::is_same_v<V, bool>) return a || b;
        else return heaviside(a, b);
    }
    static void validate(const Operand* in, DType, const Scalar*) {
        check(!is_complex(in[0].tensor->dtype()) && !is_complex(in[1].tensor->dtype()), "heaviside is not yet implemented for complex tensors.");
        check(in[0].tensor->dtype() == in[1].tensor->dtype(), "heaviside is not yet implemented for tensors with different dtypes.");
    }
};
POINTWISE(Heaviside);

// ---------------------------------------------------------------- reciprocals and squares
struct Reciprocal : Math<Reciprocal> {
    SIG("reciprocal(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("1 / self.");
    using Saves = Save<Out<>>;
    template <class V> RL_F V f(V x) { return reciprocal(x); }
    DSELF(mul(neg(g), conj(mul(c.out(), c.out()))));
};
POINTWISE(Reciprocal);

RL_COMPLEX_VECTORS(Square);
struct Square : Unary<Square> {
    SIG("square(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("self * self.");
    using Saves = Save<In<0>>;
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V x) { return square(x); }
#ifndef RL_ISA
    static Tensor into(const Tensor& out, bool inplace, const Tensor& self) {
        Tensor x = self.dtype() == DType::Bool ? to(self, DType::Int64) : self;
        if (!out || inplace || out.dtype() == x.dtype()) return Unary<Square>::into(out, inplace, x);
        write_out(*op_info<Square>(), out, forward(x), true);
        return out;
    }
#endif
    DSELF(mul(g, conj(mul(c.in<0>(), 2))));
};

POINTWISE(Square);

// ---------------------------------------------------------------- rounding
#define ROUNDING(Struct, NAME, ALIAS, TEXT, formula)              \
    struct Struct : Unary<Struct> {                               \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                \
        ALIASES(ALIAS);                                           \
        static constexpr uint32_t kDtypes = kInts | kFloats;      \
        template <class V> RL_F V f(V x) { return formula(x); }   \
        DSELF(zeros_like(g));                                     \
    };                                                            \
    POINTWISE(Struct)
ROUNDING(Floor, "floor", "", "The largest integer not above self.", floor);
ROUNDING(Ceil, "ceil", "", "The smallest integer not below self.", ceil);
ROUNDING(Trunc, "trunc", "fix", "The integer part.", trunc);
ROUNDING(Round, "round", "special::round", "The nearest integer, halves to even.", round);

struct Frac : Unary<Frac> {
    SIG("frac(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("self - trunc(self).");
    static constexpr uint32_t kDtypes = kFloats;
    template <class V> RL_F V f(V x) { return frac(x); }
    DSELF(g);
};
POINTWISE(Frac);

// The scaled number is rounded and scaled back: d decimals, in powers of ten.
struct RoundDecimals : Unary<RoundDecimals, int64_t> {
    SIG("round.decimals(Tensor self, *, int decimals, Tensor? out=None) -> Tensor");
    DOC("The nearest number with the given count of decimals.");
    ALIASES("special::round");
    static constexpr uint32_t kDtypes = kInts | kFloats;
    template <class V> RL_F V f(V x, const auto* p) {
        if constexpr (std::is_integral_v<V>) return x;
        else {
            constexpr double exact[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11};
            const double decimals = __builtin_fabs(double(p[0]));
            const V scale = lane_t<V>(decimals < 12 ? exact[int(decimals)] : __builtin_pow(10.0, decimals));
            return p[0] < 0 ? rint(x / scale) * scale : rint(x * scale) / scale;
        }
    }
    static void validate(const Operand*, DType common, const Scalar*) {
        check(!is_integral(common), Err::NotImplemented, "\"round_cpu\" not implemented for '", title(common), "' with decimals");
    }
    DSELF(zeros_like(g));
};
POINTWISE(RoundDecimals);

struct NanToNum : Unary<NanToNum, double, double, double> {
    SIG("_nan_to_num(Tensor self, float nan, float posinf, float neginf, *, Tensor? out=None) -> Tensor");
    DOC("NaN and infinities replaced by numbers.");
    using Saves = Save<In<0>>;
    static constexpr uint32_t kDtypes = kFloats;
    template <class V> RL_F V f(V x, const auto* p) {
        using T = lane_t<V>;
        const V infinity = T(__builtin_inf());
        return where(isnan(x), V(p[0]), where(x == infinity, V(p[1]), where(x == -infinity, V(p[2]), x)));
    }
    DSELF(mul(g, lt(abs(c.in<0>()), Scalar(__builtin_inf()))));
};
POINTWISE(NanToNum);

#ifndef RL_ISA
struct Positive : Composite<Positive> {
    SIG("positive(Tensor self) -> Tensor");
    DOC("self.");
    static Tensor forward(const Tensor& self) {
        check(self.dtype() != DType::Bool, "The `+` operator, on a bool tensor is not supported.");
        return self;
    }
};
OP(Positive);

struct NanToNumOptions : Composite<NanToNumOptions> {
    SIG("nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None, *, Tensor? out=None) -> Tensor");
    DOC("NaN and infinities replaced by numbers: by 0 and the dtype's largest and smallest where none are given.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static double largest(DType t) {
        switch (t) {
            case DType::Float16: return 65504;
            case DType::BFloat16: return 3.3895313892515355e38;
            case DType::Float32: return std::numeric_limits<float>::max();
            default: return std::numeric_limits<double>::max();
        }
    }
    static Tensor forward(const Tensor& self, const OptFloat& nan, const OptFloat& posinf, const OptFloat& neginf) {
        if (!is_inexact(self.dtype())) return clone(self);
        if (self.is_complex()) return view_as_complex(forward(view_as_real(self), nan, posinf, neginf));
        double top = largest(self.dtype());
        return call<NanToNum>(self, nan.value_or(0), posinf.value_or(top), neginf.value_or(-top));
    }
};
OP(NanToNumOptions);

Tensor neg(const Tensor& a) { return call<Neg>(a); }
Tensor abs(const Tensor& a) { return call<Abs>(a); }
Tensor sign(const Tensor& a) { return call<Sign>(a); }
Tensor sgn(const Tensor& a) { return call<Sgn>(a); }
Tensor reciprocal(const Tensor& a) { return call<Reciprocal>(a); }
Tensor square(const Tensor& a) { return call<Square>(a); }
Tensor trunc(const Tensor& a) { return call<Trunc>(a); }
#endif

}  // namespace rl
