// Mixed precision on the CPU: within `autocast` some operators, called from Python, compute in a 16-bit dtype whatever
// their inputs have, and some in float32. Their names are listed here, once; what they are made of is not asked again.
#include <array>
#include <string_view>

#include "autograd/meta.h"
#include "bind/bind.h"
#include "core/ops.h"
#include "core/sparse.h"

namespace rl {

namespace {
constexpr std::string_view kLower[] = {
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "bmm", "mm", "vecdot", "baddbmm", "addmm", "addbmm",
    "linear", "matmul", "__matmul__", "__rmatmul__", "prelu", "scaled_dot_product_attention", "einsum", "tensordot", "multi_dot", "chain_matmul", "matrix_power", "lstm", "rnn_tanh", "rnn_relu",
};
constexpr std::string_view kFull[] = {
    "prod", "avg_pool3d", "max_pool3d", "max_pool3d_with_indices", "adaptive_avg_pool3d", "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "grid_sample", "grid_sampler", "grid_sampler_2d",
    "grid_sampler_3d", "polar", "view_as_complex", "quantile", "nanquantile", "cdist", "trace", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "smooth_l1_loss",
    "huber_loss", "nll_loss", "cross_entropy", "kl_div", "ctc_loss", "cholesky", "cholesky_ex", "cholesky_inverse", "cholesky_solve", "inverse", "inv", "inv_ex", "solve", "lu_solve",
    "lstsq", "triangular_solve", "qr", "geqrf", "orgqr", "ormqr", "householder_product", "svd", "svdvals", "eig", "eigvals", "eigh", "eigvalsh", "cond", "matrix_rank", "tensorinv", "tensorsolve",
};

struct Weights {  // converted for the outermost context, each once
    struct Entry {
        Tensor original, converted;
    };
    std::vector<Entry> entries;
    bool enabled = true;
    int nesting = 0;
};
Weights& weights() {
    static thread_local Weights w;
    return w;
}

Tensor converted(const Tensor& t, DType to) {
    bool eligible = is_floating(t.dtype()) && t.dtype() != DType::Float64 && t.dtype() != to && !t.is_meta() && !t->wrapper && !is_sparse(t);
    if (!eligible) return t;
    bool weight = weights().enabled && tls.grad && to == tls.autocast_dtype && t.dtype() == DType::Float32 && t.requires_grad() && is_leaf(t);
    if (!weight) return rl::to(t, to);
    for (auto& e : weights().entries)
        if (e.original.is(t)) return e.converted;
    weights().entries.push_back({t, rl::to(t, to)});
    return weights().entries.back().converted;
}

// An argument with its tensors converted: a new reference, or null where nothing changes.
PyObject* converted_argument(PyObject* o, DType to) {
    if (is_tensor(o)) {
        Tensor t = converted(Tensor::view(o), to);
        return t.py() == o ? nullptr : t.release();
    }
    if (!PyList_Check(o) && !PyTuple_Check(o)) return nullptr;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    bool some = false;
    for (Py_ssize_t i = 0; i < n; i++) some |= is_tensor(PySequence_Fast_GET_ITEM(o, i));
    if (!some) return nullptr;
    PyObject* list = PyList_New(n);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, i);
        PyObject* other = converted_argument(item, to);
        PyList_SET_ITEM(list, i, other ? other : Py_NewRef(item));
    }
    return list;
}

DType widest(const OpInfo& op, PyObject** slots) {
    for (size_t i = 0; i < op.params.size(); i++)
        if (slots[i] && is_tensor(slots[i]) && Tensor::view(slots[i]).dtype() == DType::Float32) return DType::Float32;
    return tls.autocast_dtype;
}

// Two operators are made of listed ones for some arguments only.
Autocast category(const OpInfo& op, PyObject** slots) {
    auto is = [&](const char* mode) { return PyUnicode_CompareWithASCIIString(slots[2], mode) == 0; };
    if (op.name == "pad" && op.ns == "nn" && slots[2] && PyUnicode_Check(slots[2]) && (is("reflect") || is("replicate"))) return Autocast::Full;
    if (op.name == "inner" && (Tensor::view(slots[0]).dim() > 1 || Tensor::view(slots[1]).dim() > 1)) return Autocast::Lower;
    return op.autocast;
}

// (enabled, dtype, keeps converted weights); arguments that are None stay as they are. Returns the old ones.
PyObject* set_autocast(PyObject*, PyObject* args) {
    PyObject *enabled, *dtype, *keeps;
    if (!PyArg_ParseTuple(args, "OOO", &enabled, &dtype, &keeps)) return nullptr;
    RL_TRY({
        PyObject* old = Py_BuildValue("(NON)", PyBool_FromLong(tls.autocast), dtype_to_python(tls.autocast_dtype), PyBool_FromLong(weights().enabled));
        if (enabled != Py_None) tls.autocast = PyObject_IsTrue(enabled);
        if (dtype != Py_None) tls.autocast_dtype = dtype_from_python(dtype);
        if (keeps != Py_None) weights().enabled = PyObject_IsTrue(keeps);
        return old;
    });
}
PyObject* nest(PyObject*, PyObject* by) {  // enters or leaves a context; the weights are forgotten when the outermost is left
    long step = PyLong_AsLong(by);
    if (step == -1 && PyErr_Occurred()) return nullptr;
    Weights& w = weights();
    w.nesting += int(step);
    return PyLong_FromLong(w.nesting);
}
PyObject* clear_weights(PyObject*, PyObject*) { RL_TRY(auto gone = std::move(weights().entries); weights().entries.clear(); Py_RETURN_NONE); }
PyMethodDef methods[] = {{"_set_autocast", set_autocast, METH_VARARGS, nullptr}, {"_nest_autocast", nest, METH_O, nullptr}, {"_clear_autocast_cache", clear_weights, METH_NOARGS, nullptr}, {}};
}  // namespace

PyObject* invoke_autocast(const OpInfo& op, PyObject** slots) {
    Autocast kind = category(op, slots);
    if (kind == Autocast::None) return op.invoke(slots);
    DType to = kind == Autocast::Lower ? tls.autocast_dtype : kind == Autocast::Full ? DType::Float32 : widest(op, slots);
    std::array<Tensor, kMaxParams> owners;
    PyObject* now[kMaxParams];
    for (size_t i = 0; i < op.params.size(); i++) {
        now[i] = slots[i];
        if (!slots[i]) continue;
        if (PyObject* other = converted_argument(slots[i], to)) owners[i] = Tensor::steal(now[i] = other);
    }
    Guard<bool> inside(tls.autocast, false);
    return op.invoke(now);
}

void init_autocast(PyObject* m) {
    for (OpSet* set : op_sets())
        for (OpInfo* op : set->overloads) {
            for (auto name : kLower)
                if (op->name == name) op->autocast = Autocast::Lower;
            for (auto name : kFull)
                if (op->name == name) op->autocast = Autocast::Full;
            if (op->ns == "fft") op->autocast = Autocast::Full;
            if (op->name == "index_copy") op->autocast = Autocast::Widest;
        }
    PyModule_AddFunctions(m, methods);
}

}  // namespace rl
