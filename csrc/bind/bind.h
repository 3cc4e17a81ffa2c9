// What the files of csrc/bind share. They are the only ones, with core/tensor, that call Python's C API at length.
#pragma once
#include "core/convert.h"
#include "core/modes.h"
#include "core/registry.h"

namespace rl {

// Runs f, turning C++ exceptions into Python's; the value of `failed` is returned then.
void set_python_error();
template <class R, class F> R guarded(R failed, F&& f) {
    try {
        return f();
    } catch (...) {
        set_python_error();
        return failed;
    }
}
#define RL_TRY(...) return guarded<PyObject*>(nullptr, [&]() -> PyObject* { __VA_ARGS__; })

extern PyObject* the_module;  // rushlight._C
extern PyTypeObject *SizeType, *DTypeType, *DeviceType, *NodeType;

// The callable that stands for all overloads of a name: a function, or a method of Tensor.
PyObject* make_callable(OpSet* set, bool method, bool inplace);
// Calls the fitting overload with vectorcall arguments.
PyObject* call_set(OpSet& set, PyObject* callable, PyObject* const* args, size_t n, PyObject* kwnames, bool method, bool inplace);
OpSet* op_set(const char* ns, const char* name);  // null where no operator has the name
std::vector<OpSet*>& op_sets();

bool is_number(PyObject* o);
bool has_override(PyObject* o);  // a tensor of a subclass, or another object, with a __torch_function__ of its own
PyObject* node_to_python(const Ref<Node>& n);  // new reference; None for none
Tensor make_subclass(PyTypeObject* type, const Tensor& data, bool requires_grad);

PyObject* invoke_autocast(const OpInfo& op, PyObject** slots);  // op.invoke, with autocast in force
PyObject* named_out_result(const OpInfo& op, PyObject** items, int n);  // named_result of an out= call; steals items
PyObject* return_types();  // dict: the types of named results by their names in torch.return_types

// Each adds its part to the module.
void init_types(PyObject* m);
void init_tensor_type(PyObject* m);
void init_operators(PyObject* m);
void init_autograd(PyObject* m);
void init_modes(PyObject* m);
void init_data(PyObject* m);
void init_random(PyObject* m);
void init_info(PyObject* m);
void init_autocast(PyObject* m);

inline PyObject* checked(PyObject* o) {
    if (!o) raise_python();
    return o;
}
}  // namespace rl
