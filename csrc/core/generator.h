// torch.Generator: a stream of random numbers with a place in Python. Like a tensor, the C++ object is the Python
// object.
#pragma once
#include <Python.h>

#include "core/convert.h"
#include "cpu/random.h"

namespace rl {

struct Generator {
    PyObject ob_base;
    PyObject* weaklist;
    cpu::Generator* stream;  // owned; apart, as its state is aligned for vectors and Python's objects are not
};
extern PyTypeObject* GeneratorType;

Generator* default_generator();
// What `generator=` of an operator draws from: the default generator for None. Callers hold the GIL, which is what
// makes a generator safe to share between threads.
inline cpu::Generator& stream_of(Generator* g) { return *(g ? g : default_generator())->stream; }

}  // namespace rl
