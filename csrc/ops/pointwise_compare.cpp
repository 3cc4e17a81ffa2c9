// Comparisons, tests of numbers, and logic.
#include <atomic>

#include "core/iterate.h"
#include "core/pointwise.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

#define COMPARE(Struct, NAME, OTHER, ALIAS, TEXT, DTYPES, operation)                              \
    struct Struct : Compare<Struct> {                                                      \
        SIG(NAME "(Tensor self, " OTHER " other, *, Tensor? out=None) -> Tensor");         \
        DOC(TEXT);                                                                         \
        ALIASES(ALIAS);                                                                    \
        static constexpr uint32_t kDtypes = DTYPES;                                        \
        template <class V> RL_F bool f(V a, V b) { return operation; }                     \
    };                                                                                     \
    POINTWISE(Struct)
inline constexpr uint32_t kEquality = kAllTypes | kUnsigned, kOrdered = kEquality & ~kComplexes;
COMPARE(Eq, "eq.Tensor", "Operand", "", "Whether self equals other.", kEquality, a == b);
COMPARE(Ne, "ne.Tensor", "Operand", "not_equal", "Whether self differs from other.", kEquality, a != b);
COMPARE(Lt, "lt.Tensor", "Operand", "less", "Whether self is smaller than other.", kOrdered, a < b);
COMPARE(Le, "le.Tensor", "Operand", "less_equal", "Whether self is not larger than other.", kOrdered, a <= b);
COMPARE(Gt, "gt.Tensor", "Operand", "greater", "Whether self is larger than other.", kOrdered, a > b);
COMPARE(Ge, "ge.Tensor", "Operand", "greater_equal", "Whether self is not smaller than other.", kOrdered, a >= b);
COMPARE(LogicalAnd, "logical_and", "Tensor", "", "Whether both are true (not zero).", kAllTypes, (a != V(0)) & (b != V(0)));
COMPARE(LogicalOr, "logical_or", "Tensor", "", "Whether one of the two is true (not zero).", kAllTypes, (a != V(0)) | (b != V(0)));
COMPARE(LogicalXor, "logical_xor", "Tensor", "", "Whether exactly one of the two is true (not zero).", kAllTypes, (a != V(0)) != (b != V(0)));

#define TEST(Struct, NAME, FORMS_OF, TEXT, integers, reals, complexes)                \
    struct Struct : Test<Struct> {                                                    \
        SIG(NAME "(Tensor self" FORMS_OF ") -> Tensor");                              \
        DOC(TEXT);                                                                    \
        template <class V> RL_F bool f([[maybe_unused]] V x) {                        \
            if constexpr (std::is_integral_v<V>) return integers;                     \
            else if constexpr (is_complex_v<V>) return complexes;                     \
            else return reals;                                                        \
        }                                                                             \
    };                                                                                \
    POINTWISE(Struct)
#define RE x.real()
#define IM x.imag()
TEST(IsNan, "isnan", "", "Whether elements are NaN.", false, isnan(x), isnan(RE) || isnan(IM));
TEST(IsInf, "isinf", "", "Whether elements are infinite.", false, isinf(x), isinf(RE) || isinf(IM));
TEST(IsFinite, "isfinite", "", "Whether elements are neither infinite nor NaN.", true, isfinite(x), isfinite(RE) && isfinite(IM));
TEST(IsReal, "isreal", "", "Whether elements have no imaginary part.", true, true, IM == 0);

struct LogicalNot : Test<LogicalNot> {
    SIG("logical_not(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Whether elements are false (zero).");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    template <class V> RL_F bool f(V x) { return x == V(0); }
};
POINTWISE(LogicalNot);

#define REAL_TEST(Struct, NAME, TEXT, integers, reals)                                                       \
    struct Struct : Test<Struct> {                                                                           \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor");                                            \
        DOC(TEXT);                                                                                           \
        static constexpr uint32_t kDtypes = kAllTypes & ~kComplexes;                                         \
        template <class V> RL_F bool f([[maybe_unused]] V x) {                                               \
            if constexpr (std::is_integral_v<V>) return integers;                                            \
            else return reals;                                                                               \
        }                                                                                                    \
        static void validate(const Operand*, DType common, const Scalar*) {                                  \
            check(!is_complex(common), NAME " does not support complex inputs.");                            \
        }                                                                                                    \
        static Tensor into(const Tensor& out, bool inplace, const Tensor& self) {                            \
            check(!out || out.dtype() == DType::Bool, NAME " does not support non-boolean outputs.");        \
            return Test<Struct>::into(out, inplace, self);                                                   \
        }                                                                                                    \
    };                                                                                                       \
    POINTWISE(Struct)
REAL_TEST(IsPosInf, "isposinf", "Whether elements are +infinity.", false, x == V(__builtin_inf()));
REAL_TEST(IsNegInf, "isneginf", "Whether elements are -infinity.", false, x == V(-__builtin_inf()));
REAL_TEST(SignBit, "signbit", "Whether the sign bit is set.", std::is_signed_v<V> && x < V(0), signbit(x));

#ifndef RL_ISA
Tensor eq(const Operand& a, const Operand& b) { return call<Eq>(a, b); }
Tensor ne(const Operand& a, const Operand& b) { return call<Ne>(a, b); }
Tensor lt(const Operand& a, const Operand& b) { return call<Lt>(a, b); }
Tensor le(const Operand& a, const Operand& b) { return call<Le>(a, b); }
Tensor gt(const Operand& a, const Operand& b) { return call<Gt>(a, b); }
Tensor ge(const Operand& a, const Operand& b) { return call<Ge>(a, b); }
Tensor logical_and(const Operand& a, const Operand& b) { return call<LogicalAnd>(a, b); }
Tensor logical_not(const Tensor& a) { return call<LogicalNot>(a); }
Tensor isnan(const Tensor& a) { return call<IsNan>(a); }

// ---------------------------------------------------------------- closeness and equality
// |self - other| <= atol + rtol * |other|, or equal (infinities), or both NaN if these count as equal.
static Tensor close(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
    check(self.dtype() == other.dtype(), title(self.dtype()), " did not match ", title(other.dtype()));
    check(rtol >= 0, "rtol must be greater than or equal to zero, but got ", rtol);
    check(atol >= 0, "atol must be greater than or equal to zero, but got ", atol);
    Tensor near = eq(self, other);
    if (equal_nan && is_inexact(self.dtype())) near = call<LogicalOr>(near, logical_and(isnan(self), isnan(other)));
    if (rtol == 0 && atol == 0) return near;
    DType wide = self.is_complex() ? DType::Complex128 : DType::Float64;
    bool narrow = is_inexact(self.dtype());  // integers are compared in the default type
    Tensor a = narrow ? self : to(self, wide), b = narrow ? other : to(other, wide);
    Tensor error = abs(sub(a, b)), allowed = add(abs(mul(b, rtol)), atol);
    return call<LogicalOr>(near, logical_and(call<IsFinite>(error), le(error, allowed)));
}

struct IsClose : Composite<IsClose> {
    SIG("isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor");
    DOC("Whether elements of self are within atol + rtol * |other| of other's.");
    static Tensor forward(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) { return close(self, other, rtol, atol, equal_nan); }
};
OP(IsClose);

static bool all_true(const char* op, const Tensor& t) {
    check(!t.is_meta(), Err::NotImplemented, op, ": meta tensors have no data to compare");
    Tensor c = contiguous(t);
    return cpu::kernels().all(c.data<uint8_t>(), c.numel());
}

struct AllClose : Op<AllClose> {
    SIG("allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool");
    DOC("Whether all elements of self are within atol + rtol * |other| of other's.");
    NO_GRADIENT;
    static bool forward(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
        NoGrad guard;
        return all_true("allclose", close(self, other, rtol, atol, equal_nan));
    }
};
OP(AllClose);

struct Equal : Op<Equal> {
    SIG("equal(Tensor self, Tensor other) -> bool");
    DOC("Whether the two have the same sizes and elements.");
    NO_GRADIENT;
    static bool forward(const Tensor& self, const Tensor& other) {
        if (!same(self.sizes(), other.sizes())) return false;
        auto plain = [&](const Tensor& t) { return t.is_contiguous() && Eq::in_memory(t.impl()) && t.dtype() == self.dtype() && compute_type(t.dtype()) == t.dtype(); };
        if (!plain(self) || !plain(other)) return all_true("equal", eq(self, other));
        int64_t n = self.numel(), size = itemsize(self.dtype());
        auto all_equal = [&](int64_t begin, int64_t end) {  // block by block: the first difference decides
            uint8_t equal[kBlock];
            for (; begin < end; begin += kBlock) {
                int64_t m = std::min(kBlock, end - begin);
                const void* in[] = {self.raw() + begin * size, other.raw() + begin * size};
                kernels_of<Eq>()->fn[int(self.dtype())](equal, in, m, 0, nullptr);
                if (!cpu::kernels().all(equal, m)) return false;
            }
            return true;
        };
        if (n <= kGrain || !all_equal(0, kBlock)) return all_equal(0, n);
        std::atomic<bool> same_so_far = true;
        cpu::parallel_for(n, kGrain, [&](int64_t a, int64_t b) {
            for (; a < b && same_so_far; a += kGrain)
                if (!all_equal(a, std::min(a + kGrain, b))) same_so_far = false;
        });
        return same_so_far;
    }
    static constexpr int64_t kBlock = 512;
};
OP(Equal);
#endif

}  // namespace rl
