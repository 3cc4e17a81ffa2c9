// torch.Generator in Python.
#include "core/generator.h"

#include <structmember.h>

#include "bind/bind.h"

namespace rl {

PyTypeObject* GeneratorType;

namespace {
Generator* generator_at(PyObject* o) { return reinterpret_cast<Generator*>(o); }

PyObject* generator_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    PyObject* device = Py_None;
    static const char* names[] = {"device", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(names), &device)) return nullptr;
    RL_TRY({
        Device d = device == Py_None ? Device::CPU : device_from_python(device);
        check(d == Device::CPU, "Generator(): ", device_name(d),
              " tensors hold no numbers to draw; the device of a generator is cpu");
        PyObject* self = checked(type->tp_alloc(type, 0));
        generator_at(self)->stream = new cpu::Generator;
        return self;
    });
}
void generator_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    if (generator_at(self)->weaklist) PyObject_ClearWeakRefs(self);
    delete generator_at(self)->stream;
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* get_device(PyObject*, void*) { return device_to_python(Device::CPU); }
PyObject* get_address(PyObject* self, void*) { return PyLong_FromVoidPtr(generator_at(self)->stream); }

// -2^63 .. 2^64 - 1; a negative seed stands for its two's complement.
bool seed_from_python(PyObject* o, uint64_t* seed) {
    if (!PyLong_Check(o) || PyBool_Check(o)) {
        PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s", Py_TYPE(o)->tp_name);
        return false;
    }
    *seed = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return true;
    PyErr_Clear();
    *seed = uint64_t(PyLong_AsLongLong(o));
    if (!PyErr_Occurred()) return true;
    PyErr_SetString(PyExc_ValueError,
                    "Overflow when unpacking long long: manual_seed takes seeds from -2^63 to 2^64 - 1");
    return false;
}
PyObject* manual_seed(PyObject* self, PyObject* o) {
    uint64_t seed;
    if (!seed_from_python(o, &seed)) return nullptr;
    generator_at(self)->stream->manual_seed(seed);
    return Py_NewRef(self);
}
PyObject* seed(PyObject* self, PyObject*) {
    return PyLong_FromUnsignedLongLong(generator_at(self)->stream->seed_from_system());
}
PyObject* initial_seed(PyObject* self, PyObject*) {
    return PyLong_FromUnsignedLongLong(generator_at(self)->stream->initial_seed());
}

Tensor state_of(PyObject* self) {
    Tensor t = empty(Dims{int64_t(cpu::kGeneratorState)}, DType::UInt8);
    generator_at(self)->stream->get_state(t.data<uint8_t>());
    return t;
}
PyObject* get_state(PyObject* self, PyObject*) { RL_TRY(return state_of(self).release()); }
PyObject* set_state(PyObject* self, PyObject* o) {
    RL_TRY({
        check(is_tensor(o), Err::Type, "expected a torch.ByteTensor, but got ", Py_TYPE(o)->tp_name);
        const Tensor& t = Tensor::view(o);
        check(t.dtype() == DType::UInt8 && !t.is_meta(), Err::Type, "RNG state must be a torch.ByteTensor");
        check(t.is_contiguous(), "RNG state must be contiguous");
        check(t.numel() == int64_t(cpu::kGeneratorState), "Expected a CPUGeneratorImplState of size ",
              cpu::kGeneratorState, " but found the input RNG state size to be ", t.numel());
        check(generator_at(self)->stream->set_state(t.data<uint8_t>()), "Invalid mt19937 state");
        return Py_NewRef(self);
    });
}
PyObject* clone_state(PyObject* self, PyObject*) {
    PyObject* r = PyObject_CallNoArgs((PyObject*)GeneratorType);
    if (r) *generator_at(r)->stream = *generator_at(self)->stream;
    return r;
}
PyObject* no_offset(PyObject*, PyObject*) {
    PyErr_SetString(PyExc_RuntimeError, "CPU Generator does not use offset");
    return nullptr;
}
PyObject* no_graph_state(PyObject*, PyObject*) {
    PyErr_SetString(PyExc_NotImplementedError,
                    "a generator's graph-safe state belongs to recorded GPU graphs; use get_state(), set_state() and "
                    "clone_state()");
    return nullptr;
}

PyObject* reduce(PyObject* self, PyObject*) {
    RL_TRY({
        PyObject* state = state_of(self).release();
        return Py_BuildValue("O(s)(KON)", (PyObject*)Py_TYPE(self), "cpu",
                             (unsigned long long)generator_at(self)->stream->initial_seed(), Py_None, state);
    });
}
PyObject* set_reduced(PyObject* self, PyObject* args) {
    PyObject *seed, *offset, *state;
    if (!PyArg_ParseTuple(args, "(OOO):__setstate__", &seed, &offset, &state)) return nullptr;
    PyObject* done = manual_seed(self, seed);
    if (!done) return nullptr;
    Py_DECREF(done);
    done = set_state(self, state);
    if (!done) return nullptr;
    Py_DECREF(done);
    Py_RETURN_NONE;
}

PyMethodDef generator_methods[] = {
    {"manual_seed", manual_seed, METH_O,
     "Starts the stream that belongs to a seed, -2^63 .. 2^64 - 1; returns the generator."},
    {"seed", seed, METH_NOARGS, "Seeds from the system's entropy; returns the seed."},
    {"initial_seed", initial_seed, METH_NOARGS, "The seed given last."},
    {"get_state", get_state, METH_NOARGS, "The place in the stream, as a uint8 tensor of 5056 elements."},
    {"set_state", set_state, METH_O,
     "Goes to the place that get_state() returned. Raises TypeError for another type, RuntimeError for no valid "
     "state."},
    {"clone_state", clone_state, METH_NOARGS, "Another generator at the same place of the same stream."},
    {"get_offset", no_offset, METH_NOARGS, "Raises RuntimeError: a property of GPU generators."},
    {"set_offset", no_offset, METH_O, "Raises RuntimeError: a property of GPU generators."},
    {"graphsafe_get_state", no_graph_state, METH_NOARGS, "Raises NotImplementedError: a property of GPU generators."},
    {"graphsafe_set_state", no_graph_state, METH_O, "Raises NotImplementedError: a property of GPU generators."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__setstate__", set_reduced, METH_VARARGS, nullptr},
    {}};
PyGetSetDef generator_getset[] = {{"device", get_device, nullptr, "Where the generator's tensors lie: cpu.", nullptr},
                                  {"_cdata", get_address, nullptr, nullptr, nullptr},
                                  {}};
PyMemberDef generator_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(Generator, weaklist), READONLY, nullptr},
                                   {}};
PyType_Slot generator_slots[] = {
    {Py_tp_new, (void*)generator_new},
    {Py_tp_dealloc, (void*)generator_dealloc},
    {Py_tp_methods, generator_methods},
    {Py_tp_getset, generator_getset},
    {Py_tp_members, generator_members},
    {Py_tp_doc, (void*)"Generator(device='cpu')\n\nA stream of random numbers: mt19937 (Matsumoto and Nishimura, "
                       "1998), with PyTorch's numbers for a seed."},
    {}};
PyType_Spec generator_spec = {"torch.Generator", sizeof(Generator), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                              generator_slots};
}  // namespace

Generator* default_generator() {
    static Generator* g = generator_at(checked(PyObject_CallNoArgs((PyObject*)GeneratorType)));
    return g;
}
Generator* generator_from_python(PyObject* o) {
    check(PyObject_TypeCheck(o, GeneratorType), Err::Type, "a torch.Generator is expected, not ", Py_TYPE(o)->tp_name);
    return generator_at(o);
}
PyObject* generator_to_python(Generator* g) { return Py_NewRef((PyObject*)g); }

void init_random(PyObject* m) {
    GeneratorType = (PyTypeObject*)checked(PyType_FromSpec(&generator_spec));
    PyObject* module = checked(PyUnicode_FromString("rushlight._C"));  // where pickle finds the class
    PyObject_SetAttrString((PyObject*)GeneratorType, "__module__", module);
    Py_DECREF(module);
    PyModule_AddObjectRef(m, "Generator", (PyObject*)GeneratorType);
    PyModule_AddObjectRef(m, "default_generator", (PyObject*)default_generator());
}

}  // namespace rl
