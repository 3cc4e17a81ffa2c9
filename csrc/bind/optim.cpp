// rushlight._C._optim: a step of an optimiser over all parameters of a group in one call.
//
// Each function takes the list of parameters and the optimiser's state dict ({parameter: {name: tensor}}), reads the
// gradients and the state itself, and answers whether it did the step. It answers False, with nothing changed, where a
// parameter with a gradient has no state yet, or where a tensor is not plain: strided memory of float32 or float64 on the
// CPU. Python then makes the state, or runs the same formula in tensor operators. Nothing is cached between steps, so
// nothing can be stale.
#include "autograd/meta.h"
#include "bind/bind.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {
namespace {
constexpr int kMaxBuffers = 3;
constexpr int64_t kGrain = 16384;  // elements of a parameter worth a second thread

struct Key {
    const char* text;
    PyObject* name = nullptr;
};
Key kStep{"step"}, kMomentum{"momentum_buffer"}, kMean{"exp_avg"}, kSquare{"exp_avg_sq"}, kMaxSquare{"max_exp_avg_sq"}, kSquareAvg{"square_avg"}, kGradAvg{"grad_avg"}, kSum{"sum"},
    kDelta{"acc_delta"};

// A parameter that has a gradient. Everything is borrowed: no Python code runs during a step.
struct Row {
    PyObject *param, *grad;
    PyObject* buffers[kMaxBuffers] = {};
    PyObject* step = nullptr;
    PyObject* state = nullptr;
};

const Tensor& as_tensor(PyObject* const& o) { return Tensor::view(o); }
bool plain(const Tensor& t) { return t.device() == Device::CPU && !t->wrapper && !t.lazy() && (t.dtype() == DType::Float32 || t.dtype() == DType::Float64); }
bool same_layout(const Tensor& a, const Tensor& b) {
    if (a.dtype() != b.dtype() || a.sizes() != b.sizes()) return false;
    if (a.is_contiguous() && b.is_contiguous()) return true;
    return a.strides() == b.strides() && is_non_overlapping_and_dense(a);
}

// What a rule keeps: buffers by name (null: not with these options), and whether it counts steps.
struct Wanted {
    Key* buffers[kMaxBuffers] = {};
    bool step = true;
    bool may_lack = false;  // the first buffer may be absent: this step makes it
};

bool read_buffers(Row& row, const Wanted& wanted) {
    const Tensor& param = as_tensor(row.param);
    for (int i = 0; i < kMaxBuffers; i++) {
        if (!wanted.buffers[i]) continue;
        PyObject* b = PyDict_GetItemWithError(row.state, wanted.buffers[i]->name);
        if (!b || b == Py_None) {
            if (PyErr_Occurred()) raise_python();
            if (!(wanted.may_lack && i == 0)) return false;
            continue;
        }
        if (!is_tensor(b) || !plain(as_tensor(b)) || !same_layout(param, as_tensor(b))) return false;
        row.buffers[i] = b;
    }
    if (wanted.step) {
        row.step = PyDict_GetItemWithError(row.state, kStep.name);
        if (!row.step || !is_tensor(row.step) || !plain(as_tensor(row.step)) || as_tensor(row.step).numel() != 1) return false;
    }
    return true;
}

bool read_rows(PyObject* params, PyObject* states, const Wanted& wanted, std::vector<Row>& rows) {
    check(PyList_Check(params) && PyDict_Check(states), Err::Type, "an optimiser's step takes a list of parameters and a dict of their state");
    if (tls.modes || tls.functions) return false;
    const bool stateful = wanted.step || wanted.buffers[0];
    rows.reserve(size_t(PyList_GET_SIZE(params)));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
        PyObject* p = PyList_GET_ITEM(params, i);
        if (!is_tensor(p)) return false;
        const Tensor& param = as_tensor(p);
        if (!param->meta || !param->meta->grad) continue;
        Row row{p, param->meta->grad.py()};
        if (!plain(param) || !plain(as_tensor(row.grad)) || !same_layout(param, as_tensor(row.grad)) || has_override(row.grad)) return false;
        if (stateful) {
            row.state = PyDict_GetItemWithError(states, p);
            if (!row.state || !PyDict_Check(row.state) || !read_buffers(row, wanted)) {
                if (PyErr_Occurred()) raise_python();
                return false;
            }
        }
        rows.push_back(row);
    }
    return true;
}

double count_step(const Row& row) {
    const Tensor& step = as_tensor(row.step);
    double n = step.dtype() == DType::Float32 ? double(*step.data<float>() += 1) : (*step.data<double>() += 1);
    step.bump_version();
    return n;
}

template <class T> T* data_or_null(PyObject* o) { return o ? as_tensor(o).data<T>() : nullptr; }

// Calls rule(kernels, parameter, gradient, buffers, count) on equal parts of every parameter.
template <class T, class F> void run_row(const Row& row, F&& rule) {
    const Tensor& param = as_tensor(row.param);
    T *p = param.data<T>(), *g = as_tensor(row.grad).data<T>();
    T* buffers[kMaxBuffers];
    for (int i = 0; i < kMaxBuffers; i++) buffers[i] = data_or_null<T>(row.buffers[i]);
    const auto& kernels = cpu::kernels().optim<T>();
    cpu::parallel_for(param.numel(), kGrain, [&](int64_t begin, int64_t end) {
        T* at[kMaxBuffers];
        for (int i = 0; i < kMaxBuffers; i++) at[i] = buffers[i] ? buffers[i] + begin : nullptr;
        rule(kernels, p + begin, static_cast<const T*>(g + begin), at, end - begin);
    });
}
template <class F> void run_row(const Row& row, F&& rule) {
    if (as_tensor(row.param).dtype() == DType::Float32) run_row<float>(row, rule);
    else run_row<double>(row, rule);
    as_tensor(row.param).bump_version();
    for (PyObject* b : row.buffers)
        if (b) as_tensor(b).bump_version();
}

PyObject* step_sgd(PyObject*, PyObject* args) {
    PyObject *params, *states;
    cpu::SgdOptions o{};
    int nesterov, maximize;
    if (!PyArg_ParseTuple(args, "OOddddpp:sgd", &params, &states, &o.lr, &o.momentum, &o.dampening, &o.weight_decay, &nesterov, &maximize)) return nullptr;
    RL_TRY({
        o.nesterov = nesterov, o.maximize = maximize;
        Wanted wanted{{o.momentum != 0 ? &kMomentum : nullptr}, false, true};
        std::vector<Row> rows;
        if (!read_rows(params, states, wanted, rows)) Py_RETURN_FALSE;
        for (Row& row : rows) {
            cpu::SgdOptions mine = o;
            mine.first = o.momentum != 0 && !row.buffers[0];
            if (mine.first) {
                Tensor buffer = empty_preserved(as_tensor(row.param), as_tensor(row.param).dtype());
                row.buffers[0] = buffer.py();
                if (PyDict_SetItem(row.state, kMomentum.name, buffer.py()) < 0) raise_python();
            }
            run_row(row, [&](auto& k, auto* p, auto* g, auto** b, int64_t n) { k.sgd(p, g, b[0], n, mine); });
        }
        Py_RETURN_TRUE;
    });
}

PyObject* step_adam(PyObject*, PyObject* args) {
    PyObject *params, *states;
    cpu::AdamOptions o{};
    int amsgrad, decoupled, maximize;
    if (!PyArg_ParseTuple(args, "OOdddddppp:adam", &params, &states, &o.lr, &o.beta1, &o.beta2, &o.eps, &o.weight_decay, &amsgrad, &decoupled, &maximize)) return nullptr;
    RL_TRY({
        o.amsgrad = amsgrad, o.decoupled = decoupled, o.maximize = maximize;
        std::vector<Row> rows;
        if (!read_rows(params, states, {{&kMean, &kSquare, amsgrad ? &kMaxSquare : nullptr}}, rows)) Py_RETURN_FALSE;
        for (Row& row : rows) {
            o.step = count_step(row);
            run_row(row, [&](auto& k, auto* p, auto* g, auto** b, int64_t n) { k.adam(p, g, b[0], b[1], b[2], n, o); });
        }
        Py_RETURN_TRUE;
    });
}

PyObject* step_rmsprop(PyObject*, PyObject* args) {
    PyObject *params, *states;
    cpu::RmspropOptions o{};
    int centered, maximize;
    if (!PyArg_ParseTuple(args, "OOdddddpp:rmsprop", &params, &states, &o.lr, &o.alpha, &o.eps, &o.weight_decay, &o.momentum, &centered, &maximize)) return nullptr;
    RL_TRY({
        o.centered = centered, o.maximize = maximize;
        std::vector<Row> rows;
        if (!read_rows(params, states, {{&kSquareAvg, centered ? &kGradAvg : nullptr, o.momentum > 0 ? &kMomentum : nullptr}}, rows)) Py_RETURN_FALSE;
        for (Row& row : rows) {
            count_step(row);
            run_row(row, [&](auto& k, auto* p, auto* g, auto** b, int64_t n) { k.rmsprop(p, g, b[0], b[1], b[2], n, o); });
        }
        Py_RETURN_TRUE;
    });
}

PyObject* step_adagrad(PyObject*, PyObject* args) {
    PyObject *params, *states;
    cpu::AdagradOptions o{};
    int maximize;
    if (!PyArg_ParseTuple(args, "OOddddp:adagrad", &params, &states, &o.lr, &o.lr_decay, &o.weight_decay, &o.eps, &maximize)) return nullptr;
    RL_TRY({
        o.maximize = maximize;
        std::vector<Row> rows;
        if (!read_rows(params, states, {{&kSum}}, rows)) Py_RETURN_FALSE;
        for (Row& row : rows) {
            o.step = count_step(row);
            run_row(row, [&](auto& k, auto* p, auto* g, auto** b, int64_t n) { k.adagrad(p, g, b[0], n, o); });
        }
        Py_RETURN_TRUE;
    });
}

PyObject* step_adadelta(PyObject*, PyObject* args) {
    PyObject *params, *states;
    cpu::AdadeltaOptions o{};
    int maximize;
    if (!PyArg_ParseTuple(args, "OOddddp:adadelta", &params, &states, &o.lr, &o.rho, &o.eps, &o.weight_decay, &maximize)) return nullptr;
    RL_TRY({
        o.maximize = maximize;
        std::vector<Row> rows;
        if (!read_rows(params, states, {{&kSquareAvg, &kDelta}}, rows)) Py_RETURN_FALSE;
        for (Row& row : rows) {
            count_step(row);
            run_row(row, [&](auto& k, auto* p, auto* g, auto** b, int64_t n) { k.adadelta(p, g, b[0], b[1], n, o); });
        }
        Py_RETURN_TRUE;
    });
}

PyObject* clear_grads(PyObject*, PyObject* params) {
    RL_TRY({
        check(PyList_Check(params), Err::Type, "clear_grads(): a list of parameters is expected, not ", Py_TYPE(params)->tp_name);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
            Tensor param = Tensor::borrow(PyList_GET_ITEM(params, i));
            if (!is_tensor(param.py())) continue;
            if (param->meta) Tensor dropped = std::move(param->meta->grad);  // may run a destructor: off the tensor first
        }
        Py_RETURN_NONE;
    });
}

PyMethodDef methods[] = {{"sgd", step_sgd, METH_VARARGS, "sgd(params, state, lr, momentum, dampening, weight_decay, nesterov, maximize) -> bool"},
                         {"adam", step_adam, METH_VARARGS, "adam(params, state, lr, beta1, beta2, eps, weight_decay, amsgrad, decoupled, maximize) -> bool"},
                         {"rmsprop", step_rmsprop, METH_VARARGS, "rmsprop(params, state, lr, alpha, eps, weight_decay, momentum, centered, maximize) -> bool"},
                         {"adagrad", step_adagrad, METH_VARARGS, "adagrad(params, state, lr, lr_decay, weight_decay, eps, maximize) -> bool"},
                         {"adadelta", step_adadelta, METH_VARARGS, "adadelta(params, state, lr, rho, eps, weight_decay, maximize) -> bool"},
                         {"clear_grads", clear_grads, METH_O, "clear_grads(params): forgets the gradients."},
                         {}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rushlight._C._optim", "Steps of optimisers.", -1, methods, nullptr, nullptr, nullptr, nullptr};
}  // namespace

void init_optim(PyObject* m) {
    for (Key* key : {&kStep, &kMomentum, &kMean, &kSquare, &kMaxSquare, &kSquareAvg, &kGradAvg, &kSum, &kDelta}) key->name = checked(PyUnicode_InternFromString(key->text));
    PyModule_AddObjectRef(m, "_optim", checked(PyModule_Create(&definition)));
}

}  // namespace rl
