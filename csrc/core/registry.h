// The list of operators. Everything that users see of an operator (functions, methods, in-place and out= forms, stubs,
// pages, tests) is made by loops over it; nothing else lists operators.
#pragma once
#include <string>
#include <vector>

#include "core/tensor.h"

namespace rl {

enum class Kind : uint8_t {
    Tensor, Operand, TensorList, Scalar, Int, IntList, Float, FloatList, Bool, BoolList, DType, Device, Layout, MemoryFormat,
    Generator, Str, Any, Dimname
};

struct Param {
    PyObject* key;          // interned name
    PyObject* default_value = nullptr;  // immortal; null where None or required
    Kind kind;
    bool optional = false;  // None is allowed
    bool keyword_only = false;
    bool has_default = false;
    bool mutated = false;   // "Tensor(a!)"
    int64_t list_size = 0;  // int[2]: one int stands for two
    std::string name;
    std::string type;       // as written: "int[2]?"
    std::string default_text;
};

enum Form : uint32_t { FUNCTION = 1, METHOD = 2, INPLACE = 4, OUT = 8, PROPERTY = 16 };

// What an operator computes in within `autocast`: as always, in the lower precision, in float32, in the wider of its inputs'.
enum class Autocast : uint8_t { None, Lower, Full, Widest };

struct OpInfo {
    std::string ns;        // "", "nn", "linalg", "special", "fft", "_C"
    std::string name;      // "max"
    std::string overload;  // "dim"
    std::string doc;
    std::string signature; // as written in the struct
    std::string returns;   // the text behind ->
    std::string aliases;   // "absolute": further public names, separated by spaces
    const char* category = "";
    std::vector<Param> params;
    std::vector<std::string> return_names;  // of a named tuple
    PyObject* return_type = nullptr;        // its type, made on first use
    uint32_t forms = FUNCTION | METHOD;
    bool differentiable = false;
    bool composite = false;
    bool random = false;
    bool returns_list = false;
    Autocast autocast = Autocast::None;
    int n_positional = 0;
    int self_index = -1;
    PyObject* (*invoke)(PyObject** slots) = nullptr;
    // in-place form: writes into slots[self]; out form: the last slot holds out. Null where the category has no direct one.
    PyObject* (*invoke_inplace)(PyObject** slots) = nullptr;
    PyObject* (*invoke_out)(PyObject** slots, PyObject* out) = nullptr;
    PyObject* py = nullptr;  // the OpOverload object that modes see, made on first use
    PyObject* py_inplace = nullptr;
    std::string full_name() const { return overload.empty() ? name : name + "." + overload; }
};

inline constexpr int kMaxParams = 24;

// All overloads of one public name.
struct OpSet {
    std::string ns, name;
    std::vector<OpInfo*> overloads;
};

std::vector<OpInfo*>& registry();
OpInfo* add_op(OpInfo* op, const char* signature, const char* doc, const char* aliases);
OpInfo* find_op(std::string_view ns, std::string_view name, std::string_view overload = "");

}  // namespace rl
