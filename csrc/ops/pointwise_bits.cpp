// Logic and shifts on the bits of integers and on bools.
#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

inline constexpr uint32_t kBitTypes = kBools | kInts | kUnsigned;
#define BITWISE(Struct, NAME, ALIAS, TEXT, DTYPES, formula)                       \
    struct Struct : Binary<Struct> {                                              \
        SIG(NAME "(Operand self, Operand other, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                                \
        ALIASES(ALIAS);                                                           \
        NO_GRADIENT;                                                              \
        static constexpr uint32_t kDtypes = DTYPES;                               \
        template <class V> RL_F V f(V a, V b) { return V(formula); }              \
    };                                                                            \
    POINTWISE(Struct)
BITWISE(BitwiseAnd, "bitwise_and.Tensor", "", "The bits set in both; of bools: and.", kBitTypes, a & b);
BITWISE(BitwiseOr, "bitwise_or.Tensor", "", "The bits set in one of the two; of bools: or.", kBitTypes, a | b);
BITWISE(BitwiseXor, "bitwise_xor.Tensor", "", "The bits that differ; of bools: exclusive or.", kBitTypes, a ^ b);

// A shift by the width or more, or by a negative count, leaves no bits of the number.
template <class V> RL_F V shift_left(V a, V b) { return b < 0 || b >= V(8 * sizeof(V)) ? V(0) : V(uint64_t(a) << b); }
template <class V> RL_F V shift_right(V a, V b) {
    if (b < 0 || b >= V(8 * sizeof(V))) return std::is_signed_v<V> && a < 0 ? V(-1) : V(0);
    return V(a >> b);
}
BITWISE(BitwiseLeftShift, "bitwise_left_shift.Tensor", "", "The bits moved up by other places.", kInts, shift_left(a, b));
BITWISE(BitwiseRightShift, "bitwise_right_shift.Tensor", "", "The bits moved down by other places, the sign kept.", kInts, shift_right(a, b));

struct BitwiseNot : Unary<BitwiseNot> {
    SIG("bitwise_not(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The other bits; of bools: not.");
    NO_GRADIENT;
    static constexpr uint32_t kDtypes = kBitTypes;
    template <class V> RL_F V f(V x) {
        if constexpr (std::is_same_v<V, bool>) return !x;
        else return V(~x);
    }
};
POINTWISE(BitwiseNot);

}  // namespace rl
