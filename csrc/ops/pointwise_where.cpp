// where: of two operands one, by a condition.
#include "core/iterate.h"
#include "core/pointwise.h"
#ifndef RL_ISA
#include "ops/index_core.h"
#endif

namespace rl {

// Elements are moved, not computed with, so that their size alone decides about the kernel.
struct Where : PointwiseOp<Where, 3> {
    SIG("where.self(Tensor condition, Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self where condition holds, else other.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>>;
    static constexpr const char* kCategory = "Ternary";
    static constexpr bool kMasked = true;
    static constexpr uint32_t kDtypes = bit(DType::UInt8) | bit(DType::Int16) | bit(DType::Int32) | bit(DType::Int64) | bit(DType::Complex128);
    template <class T> RL_F T f(bool m, T a, T b) { return m ? a : b; }
    static Tensor forward(const Tensor& condition, const Operand& self, const Operand& other) { return into(Tensor(), false, condition, self, other); }
    static Tensor into(const Tensor& out, bool inplace, const Tensor& condition, const Operand& self, const Operand& other);
#ifndef RL_ISA
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<1>()) r[1] = sum_grad(where(c.in<0>(), g, Scalar(0)), c.metas[1]);
        if (c.needs<2>()) r[2] = sum_grad(where(c.in<0>(), Scalar(0), g), c.metas[2]);
        return r;
    }
#endif
};
POINTWISE(Where);

#ifndef RL_ISA
static DType bits_of(DType t) {
    switch (itemsize(t)) {
        case 1: return DType::UInt8;
        case 2: return DType::Int16;
        case 4: return DType::Int32;
        case 8: return DType::Int64;
        default: return DType::Complex128;
    }
}

Tensor Where::into(const Tensor& out, bool, const Tensor& condition, const Operand& self, const Operand& other) {
    check(condition.dtype() == DType::Bool || condition.dtype() == DType::UInt8, "where expected condition to be a boolean tensor, but got a tensor with dtype ", title(condition.dtype()));
    const Operand in[] = {condition, self, other};
    DType t = result_type(in + 1, 2);
    Dims sizes = condition.sizes();
    bool meta = condition.is_meta();
    for (int k = 1; k < 3; k++) {
        if (!in[k].tensor) continue;
        meta |= in[k].tensor->is_meta();
        if (!(in[k].tensor->sizes() == sizes)) sizes = broadcast(sizes, in[k].tensor->sizes());
    }
    Tensor target = out;
    if (!out) target = empty(sizes, t, meta ? Device::Meta : Device::CPU);
    else {
        check(out.dtype() == t, "Expected out type to be ", title(t), " but got ", title(out.dtype()), " (where)");
        resize_output("where", out, sizes);
    }
    if (target.is_meta() || target.numel() == 0) return target;
    Tensor held[3];
    LoopInput loop[3];
    for (int k = 0; k < 3; k++) {
        if (in[k].tensor) {
            held[k] = resolve(*in[k].tensor);
            if (out && held[k]->storage.get() == out->storage.get()) held[k] = clone_raw(held[k]);
            if (k > 0 && held[k].dim() == 0) held[k] = cast_raw(held[k], t);
            loop[k] = loop_input(held[k], sizes);
        } else {
            held[k] = scalar_tensor(in[k].scalar, t);
            loop[k] = {held[k].raw(), t, Dims(sizes.size(), 0), DType::Undefined};
        }
        loop[k].as = k == 0 ? loop[0].dtype : t;
    }
    run_pointwise(kernels_of<Where>()->fn[int(bits_of(t))], target, loop, 3, t, t, nullptr, kGrain);
    return target;
}

struct WhereIndices : Op<WhereIndices> {
    SIG("where(Tensor condition) -> Tensor[]");
    DOC("For each dimension the indices at which condition holds.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensors forward(const Tensor& condition) {
        check(!condition.is_meta(), Err::NotImplemented, "where(condition): the result's shape depends on values, which a meta tensor has not");
        Tensor t = nonzero_raw(condition.dim() ? condition : reshape(detach(condition), {1}));
        Tensors r;
        for (int64_t d = 0; d < t.sizes()[0]; d++) r.push_back(alias(t, Dims{t.sizes()[1]}, Dims{1}, d * t.sizes()[1]));
        return r;
    }
};
OP(WhereIndices);

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) { return call<Where>(condition, a, b); }
#endif

}  // namespace rl
