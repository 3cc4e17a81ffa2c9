#include "core/registry.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/convert.h"

namespace rl {

std::vector<OpInfo*>& registry() {
    static std::vector<OpInfo*> r;
    return r;
}

OpInfo* find_op(std::string_view ns, std::string_view name, std::string_view overload) {
    OpInfo* first = nullptr;  // where no overload goes without a name, an empty one stands for the first
    for (OpInfo* op : registry()) {
        if (op->name != name || op->ns != ns) continue;
        if (op->overload == overload) return op;
        if (!first && overload.empty()) first = op;
    }
    return first;
}

namespace {
std::string trim(std::string s) {
    size_t a = s.find_first_not_of(' '), b = s.find_last_not_of(' ');
    return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

// Splits at commas that stand outside of brackets and quotes.
std::vector<std::string> split(const std::string& s) {
    std::vector<std::string> r;
    int depth = 0;
    bool quoted = false;
    std::string item;
    for (char c : s) {
        if (c == '\'') quoted = !quoted;
        if (!quoted && (c == '[' || c == '(')) depth++;
        if (!quoted && (c == ']' || c == ')')) depth--;
        if (c == ',' && depth == 0 && !quoted) {
            r.push_back(trim(item));
            item.clear();
        } else item += c;
    }
    if (!trim(item).empty()) r.push_back(trim(item));
    return r;
}

[[noreturn]] void bad_signature(const OpInfo& op, const std::string& why) {
    Py_FatalError(("operator signature '" + op.signature + "': " + why).c_str());
}

Kind kind_of(const OpInfo& op, const std::string& t, bool list) {
    static const std::map<std::string, std::pair<Kind, Kind>> kinds = {
        {"Tensor", {Kind::Tensor, Kind::TensorList}}, {"Tensor?", {Kind::Tensor, Kind::TensorList}}, {"Operand", {Kind::Operand, Kind::Operand}}, {"Scalar", {Kind::Scalar, Kind::FloatList}},
        {"int", {Kind::Int, Kind::IntList}}, {"float", {Kind::Float, Kind::FloatList}}, {"bool", {Kind::Bool, Kind::BoolList}},
        {"ScalarType", {Kind::DType, Kind::DType}}, {"Device", {Kind::Device, Kind::Device}}, {"Layout", {Kind::Layout, Kind::Layout}},
        {"MemoryFormat", {Kind::MemoryFormat, Kind::MemoryFormat}}, {"Generator", {Kind::Generator, Kind::Generator}}, {"str", {Kind::Str, Kind::Str}},
        {"Any", {Kind::Any, Kind::Any}}, {"Dimname", {Kind::Dimname, Kind::Dimname}}};
    auto it = kinds.find(t);
    if (it == kinds.end()) bad_signature(op, "unknown type " + t);
    return list ? it->second.second : it->second.first;
}

PyObject* parse_default(const OpInfo& op, const std::string& text) {
    if (text == "None") return nullptr;
    if (text == "True") return Py_NewRef(Py_True);
    if (text == "False") return Py_NewRef(Py_False);
    if (text[0] == '\'') return PyUnicode_InternFromString(text.substr(1, text.size() - 2).c_str());
    if (text[0] == '[') {
        auto items = split(text.substr(1, text.size() - 2));
        PyObject* t = PyTuple_New(Py_ssize_t(items.size()));
        for (size_t i = 0; i < items.size(); i++) PyTuple_SET_ITEM(t, i, parse_default(op, items[i]));
        return t;
    }
    if (text == "inf") return PyFloat_FromDouble(Py_HUGE_VAL);
    if (text.find_first_of(".e") != std::string::npos) return PyFloat_FromDouble(strtod(text.c_str(), nullptr));
    if (text.find_first_not_of("-0123456789") != std::string::npos) bad_signature(op, "default " + text);
    return PyLong_FromString(text.c_str(), nullptr, 10);
}

Param parse_param(const OpInfo& op, std::string s) {
    Param p;
    size_t eq = s.find('=');
    if (eq != std::string::npos) {
        p.has_default = true;
        p.default_text = trim(s.substr(eq + 1));
        s = trim(s.substr(0, eq));
    }
    size_t space = s.rfind(' ');
    if (space == std::string::npos) bad_signature(op, "parameter " + s);
    p.name = s.substr(space + 1);
    p.type = s.substr(0, space);
    p.key = PyUnicode_InternFromString(p.name.c_str());
    std::string t = p.type;
    if (t.back() == '?') p.optional = true, t.pop_back();
    if (size_t a = t.find("(a!)"); a != std::string::npos) p.mutated = true, t.erase(a, 4);
    bool list = false;
    if (size_t b = t.find('['); b != std::string::npos) {
        list = true;
        p.list_size = atoll(t.c_str() + b + 1);
        t.erase(b);
    }
    p.kind = kind_of(op, t, list);
    if (p.has_default) p.default_value = parse_default(op, p.default_text);
    return p;
}
}  // namespace

// "ns::name.overload(params) -> returns"
OpInfo* add_op(OpInfo* op, const char* signature, const char* doc, const char* aliases) {
    op->signature = signature;
    op->doc = doc;
    op->aliases = aliases;
    std::string s = signature;
    size_t open = s.find('('), arrow = s.rfind("->");
    if (open == std::string::npos || arrow == std::string::npos) bad_signature(*op, "no parameters or no result");
    std::string head = s.substr(0, open);
    if (size_t ns = head.find("::"); ns != std::string::npos) op->ns = head.substr(0, ns), head = head.substr(ns + 2);
    if (size_t dot = head.find('.'); dot != std::string::npos) op->overload = head.substr(dot + 1), head = head.substr(0, dot);
    op->name = head;
    op->returns = trim(s.substr(arrow + 2));
    op->returns_list = op->returns == "Tensor[]";
    if (op->returns[0] == '(')
        for (auto& item : split(op->returns.substr(1, op->returns.size() - 2))) {
            size_t space = item.rfind(' ');
            if (space != std::string::npos) op->return_names.push_back(item.substr(space + 1));
        }
    size_t close = s.rfind(')', arrow);
    if (op->returns[0] == '(') close = s.rfind(')', arrow - 1);
    bool keyword_only = false;
    for (auto& item : split(s.substr(open + 1, close - open - 1))) {
        if (item == "*") {
            keyword_only = true;
            continue;
        }
        if (item == "Tensor? out=None" || item.ends_with(" out=None")) {  // the out= form is the parser's
            op->forms |= OUT;
            continue;
        }
        Param p = parse_param(*op, item);
        p.keyword_only = keyword_only;
        if (p.name == "self") op->self_index = int(op->params.size());
        if (!keyword_only) op->n_positional++;
        op->params.push_back(std::move(p));
    }
    if (op->params.size() > size_t(kMaxParams)) bad_signature(*op, "too many parameters");
    if (s.find(" out=None") == std::string::npos) op->forms &= ~uint32_t(OUT);
    registry().push_back(op);
    return op;
}

}  // namespace rl
