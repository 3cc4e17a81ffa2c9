// What is switched on in this thread, and the stack of interpreters that stand between a call and its kernel.
//
// Note [ The one door ]
// Every call of an operator passes call<Op>() (core/op.h). It has two stations. Above the recording of the graph:
// `__torch_function__` (asked by the argument parser, as it concerns calls from Python only). Below it: the interpreters
// of this stack, innermost last: vmap levels, `__torch_dispatch__` modes, tracers, counters. With `tls.modes == 0`,
// one test, a call falls through to its kernel. An interpreter is a Python object with
// `_interpret(overload, args, inplace)`; while it runs it is off the stack, so what it calls goes to the next one out.
#pragma once
#include "core/tensor.h"

namespace rl {

struct State {
    bool grad = true;        // record the graph
    bool inference = false;  // inference_mode
    bool anomaly = false;
    bool autocast = false;   // operators called from Python choose the dtype to compute in (bind/autocast.cpp)
    DType autocast_dtype = DType::BFloat16;
    uint32_t modes = 0;      // interpreters on the stack
    uint32_t functions = 0;  // torch-function modes on their stack
    int64_t saved_hooks = 0; // saved_tensors_hooks pairs in force
};
extern thread_local State tls __attribute__((tls_model("initial-exec")));

// Sets one field of the state for a scope.
template <class T>
struct Guard {
    T& ref;
    T saved;
    Guard(T& r, T v) : ref(r), saved(std::exchange(r, v)) {}
    ~Guard() { ref = saved; }
    Guard(const Guard&) = delete;
};
struct NoGrad : Guard<bool> {
    NoGrad() : Guard(tls.grad, false) {}
};
// Inside a kernel: nothing is recorded and no interpreter is asked.
struct InKernel {
    State saved = tls;
    InKernel() { tls.grad = false, tls.modes = 0; }
    ~InKernel() { tls.grad = saved.grad, tls.modes = saved.modes; }
    InKernel(const InKernel&) = delete;
};

struct Interpreter {
    PyObject* handler;  // counted
    int level;          // of a vmap level: 1, 2, ...; 0 for a dispatch mode
};
std::vector<Interpreter>& interpreters();
void push_interpreter(PyObject* handler, int level);
void pop_interpreter();

// A tensor that stands for one example of a batch: sizes are the example's, `inner` holds the whole batch.
struct Wrapper {
    Tensor inner;
    int64_t dim;  // of inner, the batch; -1: every example has the same values
    int level;
};
Tensor wrap(const Tensor& inner, int64_t dim, int level);
void delete_wrapper(Wrapper* w);
// Does the tensor count for recording at the innermost level? (Note [ The one door ])
bool counts_here(const Tensor& t);

struct OpInfo;
// Hands a boxed call to the innermost interpreter. `args` in the order of the signature, null where absent.
PyObject* interpret(const OpInfo& op, PyObject** args);
PyObject* interpret_inplace(const OpInfo& op, PyObject** args);
// The Python object that names an operator's overload (aten.add.Tensor), borrowed.
PyObject* op_overload(const OpInfo& op, bool inplace);

}  // namespace rl
