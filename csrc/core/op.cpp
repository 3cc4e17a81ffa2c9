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

RecordedNode::~RecordedNode() = default;
void RecordedNode::add_input(ResultMeta& m, const Tensor& t) {
    add_edge(t);
    if (t) m = {t.sizes(), t.dtype(), t.device()};
}
void RecordedNode::add_input(ResultMeta& m, const Operand& a) {
    if (a.tensor) add_input(m, *a.tensor);
    else edges.push_back({});
}
void RecordedNode::add_input(ResultMeta&, const Tensors& ts) {
    for (auto& t : ts) {
        add_edge(t);
        list_metas.push_back(t ? ResultMeta{t.sizes(), t.dtype(), t.device()} : ResultMeta{});
    }
}
void RecordedNode::save_list(const Tensors& ts) {
    for (auto& t : ts) lists.push_back(std::make_unique<Saved>()), lists.back()->save(t, false);
}
Tensors RecordedNode::saved_list() const {
    Tensors r;
    for (auto& s : lists) r.push_back(s->get(*this));
    return r;
}
void RecordedNode::attach(const Ref<Node>& self, int i, const Tensor& result) {
    if (!result) {
        results.push_back({});
        return;
    }
    add_result(result);
    if (is_inexact(result.dtype())) set_history(result, self, uint32_t(i));
}

Tensor interpret_boxed(const OpInfo& op, PyObject** boxed, size_t n, bool inplace) {
    PyObject* r = inplace ? interpret_inplace(op, boxed) : interpret(op, boxed);
    for (size_t i = 0; i < n; i++) Py_XDECREF(boxed[i]);
    if (!r) raise_python();
    return Tensor::steal(r);
}

void no_derivative(const OpInfo& op) {
    raise(Err::NotImplemented, "derivative for ", op.name, " is not implemented (", op.signature, ")");
}

void out_with_grad(const OpInfo& op) {
    raise(Err::Runtime, op.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
}

void copy_into(const OpInfo& op, const char* form, const Tensor& dst, const Tensor& src) {
    check(can_cast(src.dtype(), dst.dtype()), "result type ", title(src.dtype()), " can't be cast to the desired output type ", title(dst.dtype()), " (", op.name, "_)");
    check(same(src.sizes(), dst.sizes()), "output with shape ", dst.sizes(), " doesn't match the broadcast shape ", src.sizes(), " (", op.name, " ", form, ")");
    if (!dst.is_meta()) copy_(dst, src);
}

// Not a part of State: what an operator inside a scope of its own has taken must stay taken behind it.
static thread_local const Tensor* offered = nullptr;

OutOffer::OutOffer(const Tensor* out) { offered = out; }
OutOffer::~OutOffer() { offered = nullptr; }

Tensor result(Ints sizes, DType dtype, Device device) {
    const Tensor* out = std::exchange(offered, nullptr);
    bool fits = out && (*out)->contiguous && !out->lazy() && !(*out)->wrapper && out->dtype() == dtype && out->device() == device && same(out->sizes(), sizes);
    return fits ? alias(*out) : empty(sizes, dtype, device);
}

void write_out(const OpInfo& op, const Tensor& out, const Tensor& result, bool casts) {
    if (result->storage.get() == out->storage.get() && out->storage) {
        if (result->offset == out->offset && result.dtype() == out.dtype() && same(result.sizes(), out.sizes()) && same(result.strides(), out.strides()) && !out.lazy() && !result.lazy())
            return out.bump_version();  // it is there already
        return write_out(op, out, clone_raw(result), casts);
    }
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
