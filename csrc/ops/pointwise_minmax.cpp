// Larger and smaller of two, clamping, and the greatest common divisor.
#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

// ---------------------------------------------------------------- the larger and the smaller
// Where the two are equal the gradient is shared evenly.
struct ExtremumRules {
    static constexpr uint32_t kDtypes = kAllTypes & ~kComplexes;
    static void check_real(const char* name, DType common) { check(!is_complex(common), name, " not implemented for complex tensors."); }
    static Tensor share(const Tensor& g, const Tensor& loses, const Tensor& ties);  // a NaN neither loses nor ties
};
#define EXTREMUM(Struct, NAME, TEXT, formula, wins, loses)                                                      \
    struct Struct : ExtremumRules, Binary<Struct> {                                                             \
        SIG(NAME "(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");                                 \
        DOC(TEXT);                                                                                              \
        FORMS(FUNCTION | METHOD | OUT);                                                                         \
        using ExtremumRules::kDtypes;                                                                           \
        using Saves = Save<In<0>, In<1>>;                                                                       \
        template <class V> RL_F V f(V a, V b) { return formula(a, b); }                                         \
        static void validate(const Operand*, DType common, const Scalar*) { check_real(NAME, common); }         \
        DSELF(share(g, loses(c.in<0>(), held<1>(c)), eq(c.in<0>(), held<1>(c))));                               \
        DOTHER(share(g, wins(c.in<0>(), held<1>(c)), eq(c.in<0>(), held<1>(c))));                               \
    };                                                                                                          \
    POINTWISE(Struct)
EXTREMUM(Maximum, "maximum", "The larger of self and other; NaN where either is NaN.", maximum, gt, lt);
EXTREMUM(Minimum, "minimum", "The smaller of self and other; NaN where either is NaN.", minimum, lt, gt);

// Of fmax and fmin a NaN is no candidate: all of the gradient goes to the operand that was taken, the first of equals.
#define EXTREMUM_OF_NUMBERS(Struct, NAME, TEXT, formula, wins)                                                                   \
    struct Struct : ExtremumRules, Binary<Struct> {                                                                              \
        SIG(NAME "(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");                                                  \
        DOC(TEXT);                                                                                                               \
        FORMS(FUNCTION | METHOD | OUT);                                                                                          \
        using ExtremumRules::kDtypes;                                                                                            \
        using Saves = Save<In<0>, In<1>>;                                                                                        \
        template <class V> RL_F V f(V a, V b) { return formula(a, b); }                                                          \
        static void validate(const Operand*, DType common, const Scalar*) { check_real(NAME, common); }                          \
        DSELF(mul(g, add(wins(c.in<0>(), c.in<1>()), isnan(c.in<1>()))));                                                        \
        DOTHER(mul(g, logical_not(add(wins(c.in<0>(), c.in<1>()), isnan(c.in<1>())))));                                          \
    };                                                                                                                           \
    POINTWISE(Struct)
EXTREMUM_OF_NUMBERS(Fmax, "fmax", "The larger of self and other; a NaN gives way to a number.", fmax, ge);
EXTREMUM_OF_NUMBERS(Fmin, "fmin", "The smaller of self and other; a NaN gives way to a number.", fmin, le);

// ---------------------------------------------------------------- clamping
// min(max(self, low), high), so that high wins where the two are crossed. NaN anywhere is kept.
struct ClampBoth : Ternary<ClampBoth> {
    SIG("_clamp(Operand self, Operand min, Operand max, *, Tensor? out=None) -> Tensor");
    DOC("self limited to min .. max.");
    FORMS(FUNCTION | INPLACE | OUT);
    static constexpr uint32_t kDtypes = kInts | kFloats;
    using Saves = Save<In<0>, In<1>, In<2>>;
    template <class V> RL_F V f(V x, V low, V high) { return minimum(maximum(x, low), high); }
    static void validate(const Operand*, DType common, const Scalar*) { check(!is_complex(common), Err::NotImplemented, "clamp is not supported for complex types"); }
    D0(where(logical_and(ge(c.in<0>(), held<1>(c)), le(c.in<0>(), held<2>(c))), g, Scalar(0)));
    D1(where(logical_and(lt(held<1>(c), held<2>(c)), lt(held<0>(c), held<1>(c))), g, Scalar(0)));
    D2(where(logical_or_crossed(c), g, Scalar(0)));
#ifndef RL_ISA
    static Tensor logical_or_crossed(Ctx& c) { return add(lt(held<2>(c), held<1>(c)), gt(held<0>(c), held<2>(c))); }
#endif
};
POINTWISE(ClampBoth);

#define CLAMP(Struct, NAME, BOUND, TEXT, formula, keeps, cuts)                                                                       \
    struct Struct : Binary<Struct> {                                                                                                 \
        SIG(NAME "(Tensor self, Operand " BOUND ", *, Tensor? out=None) -> Tensor");                                                 \
        DOC(TEXT);                                                                                                                   \
        static constexpr uint32_t kDtypes = kAllTypes & ~kComplexes;                                                                 \
        using Saves = Save<In<0>, In<1>>;                                                                                            \
        template <class V> RL_F V f(V a, V b) { return formula(a, b); }                                                              \
        static void validate(const Operand*, DType common, const Scalar*) { check(!is_complex(common), Err::NotImplemented, "clamp is not supported for complex types"); } \
        DSELF(where(keeps(c.in<0>(), held<1>(c)), g, Scalar(0)));                                                                    \
        DOTHER(where(cuts(c.in<0>(), held<1>(c)), g, Scalar(0)));                                                                    \
    };                                                                                                                               \
    POINTWISE(Struct)
CLAMP(ClampMin, "clamp_min", "min", "self, but at least min.", maximum, ge, lt);
CLAMP(ClampMax, "clamp_max", "max", "self, but at most max.", minimum, le, gt);

// ---------------------------------------------------------------- integers, and neighbours
#define DIVISORS(Struct, NAME, TEXT, formula)                                   \
    struct Struct : Binary<Struct> {                                            \
        SIG(NAME "(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                              \
        NO_GRADIENT;                                                            \
        static constexpr uint32_t kDtypes = kInts;                              \
        template <class V> RL_F V f(V a, V b) { return formula(a, b); }         \
    };                                                                          \
    POINTWISE(Struct)
DIVISORS(Gcd, "gcd", "The greatest common divisor.", gcd);
DIVISORS(Lcm, "lcm", "The least common multiple.", lcm);

struct Nextafter : Binary<Nextafter> {
    SIG("nextafter(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("The next floating-point number after self in the direction of other.");
    using Saves = Save<In<0>, In<1>>;
    static constexpr uint32_t kDtypes = kFloats;
    template <class V> RL_F V f(V a, V b) { return nextafter(a, b); }
    DSELF(mul(g, ne(c.in<0>(), c.in<1>())));
    DOTHER(zeros_like(g));
};
POINTWISE(Nextafter);

#ifndef RL_ISA
Tensor ExtremumRules::share(const Tensor& g, const Tensor& loses, const Tensor& ties) { return mul(g, sub(1, add(loses, mul(ties, 0.5)))); }

static const char* const kNoBounds = "torch.clamp: At least one of 'min' or 'max' must not be None";
struct ClampTensor : Composite<ClampTensor> {
    SIG("clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None, *, Tensor? out=None) -> Tensor");
    DOC("self limited to min .. max, elementwise.");
    ALIASES("clip");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& min, const Tensor& max) {
        check(min || max, kNoBounds);
        return !max ? call<ClampMin>(self, min) : !min ? call<ClampMax>(self, max) : call<ClampBoth>(self, min, max);
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Tensor& min, const Tensor& max) {
        check(min || max, kNoBounds);
        !max ? call_out<ClampMin>(out, self, min) : !min ? call_out<ClampMax>(out, self, max) : call_out<ClampBoth>(out, self, min, max);
    }
};
OP(ClampTensor);

struct ClampScalar : Composite<ClampScalar> {
    SIG("clamp(Tensor self, Scalar? min=None, Scalar? max=None, *, Tensor? out=None) -> Tensor");
    DOC("self limited to min .. max.");
    ALIASES("clip");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const OptScalar& min, const OptScalar& max) { return clamp(self, min, max); }
    static void into(const Tensor& out, bool, const Tensor& self, const OptScalar& min, const OptScalar& max) {
        check(min || max, kNoBounds);
        !max ? call_out<ClampMin>(out, self, *min) : !min ? call_out<ClampMax>(out, self, *max) : call_out<ClampBoth>(out, self, *min, *max);
    }
};
OP(ClampScalar);

// In place: written at once where the general way would compute a result and copy it.
struct ClampTensorInPlace : Composite<ClampTensorInPlace> {
    SIG("clamp_.Tensor(Tensor(a!) self, Tensor? min=None, Tensor? max=None) -> Tensor(a!)");
    DOC("Limits self to min .. max, elementwise.");
    ALIASES("clip_");
    static Tensor forward(const Tensor& self, const Tensor& min, const Tensor& max) {
        check(min || max, kNoBounds);
        return !max ? call_inplace<ClampMin>(self, min) : !min ? call_inplace<ClampMax>(self, max) : call_inplace<ClampBoth>(self, min, max);
    }
};
OP(ClampTensorInPlace);

struct ClampScalarInPlace : Composite<ClampScalarInPlace> {
    SIG("clamp_(Tensor(a!) self, Scalar? min=None, Scalar? max=None) -> Tensor(a!)");
    DOC("Limits self to min .. max.");
    ALIASES("clip_");
    static Tensor forward(const Tensor& self, const OptScalar& min, const OptScalar& max) {
        check(min || max, kNoBounds);
        return !max ? call_inplace<ClampMin>(self, *min) : !min ? call_inplace<ClampMax>(self, *max) : call_inplace<ClampBoth>(self, *min, *max);
    }
};
OP(ClampScalarInPlace);

Tensor clamp(const Tensor& a, const OptScalar& min, const OptScalar& max) {
    check(min || max, kNoBounds);
    return !max ? call<ClampMin>(a, *min) : !min ? call<ClampMax>(a, *max) : call<ClampBoth>(a, *min, *max);
}
Tensor maximum(const Operand& a, const Operand& b) { return a.tensor ? call<Maximum>(*a.tensor, b) : call<Maximum>(*b.tensor, a); }
Tensor minimum(const Operand& a, const Operand& b) { return a.tensor ? call<Minimum>(*a.tensor, b) : call<Minimum>(*b.tensor, a); }
#endif

}  // namespace rl
