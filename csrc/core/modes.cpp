#include "core/modes.h"

#include "core/op.h"

namespace rl {

thread_local State tls;

std::vector<Interpreter>& interpreters() {
    static thread_local std::vector<Interpreter> stack;
    return stack;
}

void push_interpreter(PyObject* handler, int level) {
    interpreters().push_back({Py_NewRef(handler), level});
    tls.modes++;
}

void pop_interpreter() {
    auto& stack = interpreters();
    check(!stack.empty(), "no interpreter of operators is in force");
    PyObject* h = stack.back().handler;
    stack.pop_back();
    tls.modes--;
    Py_DECREF(h);
}

Tensor wrap(const Tensor& inner, int64_t dim, int level) {
    Tensor t = Tensor::steal(tensor_alloc(TensorType));
    t->dtype = inner.dtype();
    Dims sizes = inner.sizes(), strides = inner.strides();
    if (dim >= 0) sizes.erase(size_t(dim)), strides.erase(size_t(dim));
    t.set_geometry(sizes, strides, 0);
    t->wrapper = new Wrapper{inner, dim, level};
    return t;
}

void delete_wrapper(Wrapper* w) { delete w; }

// With vmap levels in force only tensors of the innermost level are recorded here; what is inside them is recorded when
// the level hands the call on. A dispatch mode on top sees calls that were recorded as usual.
bool counts_here(const Tensor& t) {
    if (!t.requires_grad()) return false;
    auto& stack = interpreters();
    if (stack.empty()) return true;
    for (size_t i = stack.size(); i-- > 0;)
        if (stack[i].level > 0) return t->wrapper && t->wrapper->level == stack[i].level;
    return true;
}

static PyObject* interpret_as(const OpInfo& op, PyObject** args, bool inplace) {
    auto& stack = interpreters();
    Interpreter top = stack.back();
    stack.pop_back();
    tls.modes--;
    bool grad = tls.grad;
    if (top.level > 0) tls.grad = true;  // the level's inner tensors have a graph of their own
    PyObject* tuple = PyTuple_New(Py_ssize_t(op.params.size()));
    for (size_t i = 0; i < op.params.size(); i++) PyTuple_SET_ITEM(tuple, i, args[i] ? Py_NewRef(args[i]) : new_none());
    PyObject* r = PyObject_CallMethod(top.handler, "_interpret", "OOO", op_overload(op, inplace), tuple, inplace ? Py_True : Py_False);
    Py_DECREF(tuple);
    tls.grad = grad;
    stack.push_back(top);
    tls.modes++;
    return r;
}
PyObject* interpret(const OpInfo& op, PyObject** args) { return interpret_as(op, args, false); }
PyObject* interpret_inplace(const OpInfo& op, PyObject** args) { return interpret_as(op, args, true); }

}  // namespace rl
