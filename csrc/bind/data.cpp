#include "bind/bind.h"
namespace rl {
void init_data(PyObject*) {}
}  // namespace rl
