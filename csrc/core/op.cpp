#include "core/op.h"

#include <cstring>

#include "core/iterate.h"
#include "core/ops.h"

namespace rl {

const char* make_node_name(const OpInfo& op) {
    std::string r;
    bool upper = true;
    for (char c : op.name) {
        if (c == '_') upper = true;
        else r += upper ? char(toupper(c)) : c, upper = false;
    }
    return strdup((r + "Backward0").c_str());  // once for each operator
}

void no_derivative(const OpInfo& op) {
    raise(Err::NotImplemented, "derivative for ", op.name, " is not implemented: an argument of ", op.signature, " requires grad");
}

void out_with_grad(const OpInfo& op) {
    raise(Err::Runtime, op.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
}

void copy_into(const OpInfo& op, const char* form, const Tensor& dst, const Tensor& src) {
    check(can_cast(src.dtype(), dst.dtype()), "result type ", title(src.dtype()), " can't be cast to the desired output type ", title(dst.dtype()), " (", op.name, "_)");
    check(same(src.sizes(), dst.sizes()), "output with shape ", dst.sizes(), " doesn't match the broadcast shape ", src.sizes(), " (", op.name, " ", form, ")");
    if (!dst.is_meta()) copy_(dst, src);
}

void write_out(const OpInfo& op, const Tensor& out, const Tensor& result, bool casts) {
    check(out.device() == result.device(), "Expected out tensor to have device ", device_name(result.device()), ", but got ", device_name(out.device()), " instead (", op.name, ")");
    check(casts || out.dtype() == result.dtype(), "Expected out tensor to have dtype ", name(result.dtype()), ", but got ", name(out.dtype()), " instead (", op.name, ")");
    check(can_cast(result.dtype(), out.dtype()), "result type ", title(result.dtype()), " can't be cast to the desired output type ", title(out.dtype()), " (", op.name, ", out=)");
    check(!may_overlap_itself(out),
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. (", op.name, ", out=)");
    if (!same(out.sizes(), result.sizes())) resize_output(op.name.c_str(), out, result.sizes());
    NoGrad guard;
    if (!out.is_meta()) copy_(out, result);
}

Tensor clone_raw(const Tensor& t) {
    if (t->wrapper) return clone(t);
    Tensor r = empty_preserved(t, t.dtype());
    if (!t.is_meta()) copy_raw(r, resolve(t));
    return r;
}

}  // namespace rl
