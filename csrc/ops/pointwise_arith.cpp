// Arithmetic of two operands.
#include "core/pointwise.h"

namespace rl {

struct Add : Binary<Add, Scalar> {
    SIG("add.Tensor(Operand self, Operand other, *, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("self + alpha * other.");
    template <class V> RL_F V f(V a, V b, const auto* p) {
        if constexpr (std::is_same_v<V, bool>) return a || (b && p[0]);
        else return V(a + b * V(p[0]));
    }
    static Tensor dself(Ctx&, const Tensor& g) { return g; }
    static Tensor dother(Ctx& c, const Tensor& g) { return c.arg<2>().equals(1) ? g : mul(g, Scalar(c.arg<2>().is_complex() ? conj_scalar(c.arg<2>()) : c.arg<2>())); }
    static Scalar conj_scalar(const Scalar& s) { return Scalar(c128(s.d, -s.im)); }
};
POINTWISE(Add);

struct Sub : Binary<Sub, Scalar> {
    SIG("sub.Tensor(Operand self, Operand other, *, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("self - alpha * other.");
    ALIASES("subtract");
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V a, V b, const auto* p) { return V(a - b * V(p[0])); }
    static Tensor dself(Ctx&, const Tensor& g) { return g; }
    static Tensor dother(Ctx& c, const Tensor& g) { return c.arg<2>().equals(1) ? neg(g) : mul(neg(g), Scalar(c.arg<2>().is_complex() ? Add::conj_scalar(c.arg<2>()) : c.arg<2>())); }
};
POINTWISE(Sub);

struct Mul : Binary<Mul> {
    SIG("mul.Tensor(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self * other.");
    ALIASES("multiply");
    using Saves = Save<In<0, 1>, In<1, 0>>;
    template <class V> RL_F V f(V a, V b) {
        if constexpr (std::is_same_v<V, bool>) return a && b;
        else return V(a * b);
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return c.given<1>() ? mul(g, conj(c.in<1>())) : mul(g, conj_number(c.arg<1>())); }
    static Tensor dother(Ctx& c, const Tensor& g) { return c.given<0>() ? mul(g, conj(c.in<0>())) : mul(g, conj_number(c.arg<0>())); }
    static Scalar conj_number(const Scalar& s) { return s.is_complex() ? Add::conj_scalar(s) : s; }
};
POINTWISE(Mul);

#ifndef RL_ISA
Tensor add(const Operand& a, const Operand& b, const Scalar& alpha) { return call<Add>(a, b, alpha); }
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha) { return call<Sub>(a, b, alpha); }
Tensor mul(const Operand& a, const Operand& b) { return call<Mul>(a, b); }
Tensor add_(const Tensor& a, const Operand& b) { return call_inplace<Add>(a, b, Scalar(1)); }
Tensor mul_(const Tensor& a, const Operand& b) { return call_inplace<Mul>(a, b); }
#endif

}  // namespace rl
