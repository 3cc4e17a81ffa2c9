// Settings and facts: default dtype, promotion, threads, memory, instruction set.
#include "bind/bind.h"
#include "core/pointwise.h"
#include "cpu/alloc.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {

namespace {
PyObject* get_default_dtype(PyObject*, PyObject*) { return Py_NewRef(dtype_to_python(default_dtype())); }
PyObject* set_default_dtype_py(PyObject*, PyObject* o) {
    RL_TRY({
        check(Py_TYPE(o) == DTypeType, Err::Type, "invalid dtype object: only floating-point types are supported as the default type");
        DType t = dtype_from_python(o);
        check(is_floating(t), Err::Type, "only floating-point types are supported as the default type, not ", name(t));
        set_default_dtype(t);
        Py_RETURN_NONE;
    });
}
PyObject* promote_types(PyObject*, PyObject* const* args, Py_ssize_t n) {
    RL_TRY({
        check(n == 2 && Py_TYPE(args[0]) == DTypeType && Py_TYPE(args[1]) == DTypeType, Err::Type, "promote_types() takes two dtypes: promote_types(type1, type2)");
        return Py_NewRef(dtype_to_python(promote(dtype_from_python(args[0]), dtype_from_python(args[1]))));
    });
}
PyObject* can_cast_py(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *from, *to;
        static const char* names[] = {"from_", "to", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!", const_cast<char**>(names), DTypeType, &from, DTypeType, &to)) return nullptr;
        return PyBool_FromLong(can_cast(dtype_from_python(from), dtype_from_python(to)));
    });
}
PyObject* result_type_py(PyObject*, PyObject* const* args, Py_ssize_t n) {
    RL_TRY({
        check(n == 2, Err::Type, "result_type(): takes two operands, tensors or numbers");
        Tensor held[2];
        std::vector<Operand> in;
        for (int i = 0; i < 2; i++) {
            check(is_tensor(args[i]) || is_number(args[i]), Err::Type, "result_type(): argument ", i + 1, " must be Tensor or Number, not ", Py_TYPE(args[i])->tp_name);
            if (is_tensor(args[i])) held[i] = Tensor::borrow(args[i]), in.push_back(held[i]);
            else in.push_back(scalar_from_python(args[i]));
        }
        return Py_NewRef(dtype_to_python(result_type(in.data(), 2)));
    });
}
PyObject* get_num_threads(PyObject*, PyObject*) { return PyLong_FromLong(cpu::num_threads()); }
PyObject* set_num_threads_py(PyObject*, PyObject* o) {
    RL_TRY({
        check(PyLong_Check(o), Err::Type, "set_num_threads expects an int, but got ", Py_TYPE(o)->tp_name);
        long n = PyLong_AsLong(o);
        check(n > 0 && n < 4096, "set_num_threads expects a positive integer, got ", int64_t(n));
        cpu::set_num_threads(int(n));
        Py_RETURN_NONE;
    });
}
PyObject* isa(PyObject*, PyObject*) {
    static const char* names[] = {"base", "v3", "v4"};
    return PyUnicode_FromString(names[cpu::isa_level()]);
}
PyObject* memory_stats(PyObject*, PyObject*) {
    cpu::MemoryStats s = cpu::memory_stats();
    return Py_BuildValue("{s:K,s:K,s:K,s:K}", "allocated", (unsigned long long)s.allocated, "peak", (unsigned long long)s.peak, "reserved", (unsigned long long)s.reserved, "allocations",
                         (unsigned long long)s.allocations);
}
PyObject* empty_cache(PyObject*, PyObject*) {
    cpu::empty_cache();
    Py_RETURN_NONE;
}
PyObject* reset_peak(PyObject*, PyObject*) {
    cpu::reset_peak();
    Py_RETURN_NONE;
}
PyMethodDef methods[] = {{"_memory_stats", memory_stats, METH_NOARGS, nullptr},
                         {"_empty_cache", empty_cache, METH_NOARGS, nullptr},
                         {"_reset_peak", reset_peak, METH_NOARGS, nullptr},
                         {"get_default_dtype", get_default_dtype, METH_NOARGS, "get_default_dtype() -> dtype\n\nThe dtype of results made from Python floats."},
                         {"set_default_dtype", set_default_dtype_py, METH_O, "set_default_dtype(d: dtype) -> None\n\nSets the dtype of results made from Python floats."},
                         {"promote_types", (PyCFunction)(void*)promote_types, METH_FASTCALL, "promote_types(type1: dtype, type2: dtype) -> dtype\n\nThe smallest dtype to which both can be promoted."},
                         {"can_cast", (PyCFunction)(void*)can_cast_py, METH_VARARGS | METH_KEYWORDS, "can_cast(from_: dtype, to: dtype) -> bool\n\nWhether promotion rules allow the conversion."},
                         {"result_type", (PyCFunction)(void*)result_type_py, METH_FASTCALL, "result_type(tensor1: Any, tensor2: Any) -> dtype\n\nThe dtype of an arithmetic operation on two operands."},
                         {"get_num_threads", get_num_threads, METH_NOARGS, "get_num_threads() -> int\n\nThreads that operators use."},
                         {"set_num_threads", set_num_threads_py, METH_O, "set_num_threads(int: int) -> None\n\nSets the number of threads that operators use."},
                         {"_isa", isa, METH_NOARGS, "The instruction set level in use: base, v3 or v4."},
                         {}};
}  // namespace

void init_info(PyObject* m) { PyModule_AddFunctions(m, methods); }

}  // namespace rl
