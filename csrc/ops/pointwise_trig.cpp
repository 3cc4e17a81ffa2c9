// Circular and hyperbolic functions, their inverses, and angles.
#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

struct TanhBackward : Binary<TanhBackward> {
    SIG("tanh_backward(Tensor grad_output, Tensor output) -> Tensor");
    DOC("Gradient of tanh: grad_output * conj(1 - output ** 2).");
    FORMS(FUNCTION);
    using Saves = Save<In<0, 1>, In<1>>;
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    template <class V> RL_F V f(V g, V y) {
        if constexpr (is_complex_v<V>) return g * std::conj(V(1) - y * y);
        else return g * (V(1) - y * y);
    }
    DSELF(call<TanhBackward>(g, conj(c.in<1>())));
    DOTHER(conj(mul(mul(g, conj(c.in<0>())), mul(c.in<1>(), -2))));
};
POINTWISE(TanhBackward);

#define MATH(Struct, NAME, ALIAS, TEXT, formula, SAVED, ...)      \
    struct Struct : Math<Struct> {                                \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                \
        ALIASES(ALIAS);                                           \
        using Saves = Save<SAVED>;                                \
        template <class V> RL_F V f(V x) { return formula(x); }   \
        DSELF(__VA_ARGS__);                                       \
    };                                                            \
    POINTWISE(Struct)
#define X c.in<0>()
#define SQUARED(x) mul(x, x)
MATH(Sin, "sin", "", "The sine.", sin, In<0>, mul(g, conj(cos(X))));
MATH(Cos, "cos", "", "The cosine.", cos, In<0>, mul(g, conj(neg(sin(X)))));
MATH(Tan, "tan", "", "The tangent.", tan, Out<>, mul(g, conj(add(SQUARED(c.out()), 1))));
MATH(Asin, "asin", "arcsin", "The inverse sine, in [-pi/2, pi/2].", asin, In<0>, mul(g, conj(rsqrt(sub(1, SQUARED(X))))));
MATH(Acos, "acos", "arccos", "The inverse cosine, in [0, pi].", acos, In<0>, mul(g, conj(neg(rsqrt(sub(1, SQUARED(X)))))));
MATH(Atan, "atan", "arctan", "The inverse tangent, in [-pi/2, pi/2].", atan, In<0>, div(g, conj(add(SQUARED(X), 1))));
MATH(Sinh, "sinh", "", "The hyperbolic sine.", sinh, In<0>, mul(g, conj(cosh(X))));
MATH(Cosh, "cosh", "", "The hyperbolic cosine.", cosh, In<0>, mul(g, conj(sinh(X))));
MATH(Tanh, "tanh", "", "The hyperbolic tangent.", tanh, Out<>, call<TanhBackward>(g, c.out()));
MATH(Asinh, "asinh", "arcsinh", "The inverse hyperbolic sine.", asinh, In<0>, mul(g, conj(rsqrt(add(SQUARED(X), 1)))));
MATH(Acosh, "acosh", "arccosh", "The inverse hyperbolic cosine.", acosh, In<0>, mul(g, conj(X.is_complex() ? mul(rsqrt(sub(X, 1)), rsqrt(add(X, 1))) : rsqrt(sub(SQUARED(X), 1)))));
MATH(Atanh, "atanh", "arctanh", "The inverse hyperbolic tangent.", atanh, In<0>, div(g, conj(sub(1, SQUARED(X)))));

struct Sinc : Math<Sinc> {
    SIG("sinc(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("sin(pi x) / (pi x), and 1 at 0.");
    ALIASES("special::sinc");
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x) { return sinc(x); }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        constexpr double pi = 3.14159265358979323846;
        Tensor x = X, w = mul(x, pi);
        return where(eq(x, 0), Scalar(0), mul(g, conj(div(sub(mul(w, cos(w)), sin(w)), mul(w, x)))));
    }
#endif
};
POINTWISE(Sinc);

struct Atan2 : Math2<Atan2> {
    SIG("atan2(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("The angle of the points (other, self), in [-pi, pi].");
    ALIASES("arctan2");
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V y, V x) { return atan2(y, x); }
    DSELF(mul(g, div(c.in<1>(), length2(c))));
    DOTHER(mul(g, div(neg(c.in<0>()), length2(c))));
#ifndef RL_ISA
    // infinite at the origin, where the derivatives are 0, as PyTorch's
    static Tensor length2(Ctx& c) {
        Tensor l = add(SQUARED(c.in<0>()), SQUARED(c.in<1>()));
        return masked_fill(l, eq(l, 0), Scalar(HUGE_VAL));
    }
#endif
};
POINTWISE(Atan2);

RL_COMPLEX_VECTORS(Angle);
struct Angle : Math<Angle> {
    SIG("angle(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The angle of complex numbers in [-pi, pi]; of real ones 0 or pi.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>>;
    static constexpr bool kReal = true;
    template <class V> RL_F auto f(V x) {
        if constexpr (requires { x.real(); }) return angle(x);
        else return where(isnan(x), x, where(x < V(0), V(lane_t<V>(3.14159265358979323846)), V(0)));
    }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = X;
        if (!x.is_complex()) return zeros_like(g);
        Tensor length = abs(x);
        return where(eq(length, 0), Scalar(0), mul(g, div(mul(x, Scalar(c128(0, 1))), mul(length, length))));
    }
#endif
};
POINTWISE(Angle);

#define SCALED(Struct, NAME, TEXT, factor)                                              \
    struct Struct : RealMath<Struct> {                                                  \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor");                       \
        DOC(TEXT);                                                                      \
        template <class V> RL_F V f(V x) { return x * V(lane_t<V>(factor)); }           \
        static void validate(const Operand*, DType common, const Scalar*) {             \
            check(!is_complex(common), NAME " is not supported for complex tensors.");  \
        }                                                                               \
        DSELF(mul(g, factor));                                                          \
    };                                                                                  \
    POINTWISE(Struct)
SCALED(Deg2rad, "deg2rad", "Degrees to radians.", 0.017453292519943295769);
SCALED(Rad2deg, "rad2deg", "Radians to degrees.", 57.29577951308232087680);

#ifndef RL_ISA
Tensor sin(const Tensor& a) { return call<Sin>(a); }
Tensor cos(const Tensor& a) { return call<Cos>(a); }
Tensor sinh(const Tensor& a) { return call<Sinh>(a); }
Tensor cosh(const Tensor& a) { return call<Cosh>(a); }
Tensor tanh(const Tensor& a) { return call<Tanh>(a); }
#endif

}  // namespace rl
