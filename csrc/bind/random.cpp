#include "bind/bind.h"
#include "core/ops.h"
namespace rl {
Generator* generator_from_python(PyObject*) { return nullptr; }
PyObject* generator_to_python(Generator*) { return new_none(); }
void init_random(PyObject*) {}
}  // namespace rl
