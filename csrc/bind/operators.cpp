// The loop over the registry that makes functions, methods and in-place forms.
#include <map>

#include "bind/bind.h"

namespace rl {

std::vector<OpSet*>& op_sets() {
    static std::vector<OpSet*> sets;
    return sets;
}

OpSet* op_set(const char* ns, const char* name) {
    static std::map<std::pair<std::string, std::string>, OpSet*> index;
    if (index.size() != op_sets().size())
        for (auto* s : op_sets()) index[{s->ns, s->name}] = s;
    auto it = index.find({ns, name});
    return it == index.end() ? nullptr : it->second;
}

static void collect() {
    std::map<std::pair<std::string, std::string>, OpSet*> index;
    auto add = [&](std::string name, OpInfo* op) {  // an alias may name a namespace of its own: "special::expit"
        std::string ns = op->ns;
        if (size_t at = name.find("::"); at != std::string::npos) ns = name.substr(0, at), name = name.substr(at + 2);
        auto& s = index[{ns, name}];
        if (!s) {
            s = new OpSet{ns, name, {}};
            op_sets().push_back(s);
        }
        s->overloads.push_back(op);
    };
    for (OpInfo* op : registry()) {
        add(op->name, op);
        for (size_t a = 0; a < op->aliases.size();) {
            size_t b = std::min(op->aliases.find(' ', a), op->aliases.size());
            if (b > a) add(op->aliases.substr(a, b - a), op);
            a = b + 1;
        }
    }
}

// "" is the package's own namespace, "nn" nn.functional, others modules of their names; each is an attribute of _C.
static PyObject* namespace_module(PyObject* m, const std::string& ns) {
    if (ns.empty()) {
        static PyObject* functions = nullptr;
        if (!functions) {
            functions = PyModule_New("rushlight._C._functions");
            PyModule_AddObjectRef(m, "_functions", functions);
        }
        return functions;
    }
    std::string attr = "_" + ns;
    if (PyObject* have = PyDict_GetItemString(PyModule_GetDict(m), attr.c_str())) return have;
    PyObject* fresh = PyModule_New(("rushlight._C." + attr).c_str());
    PyModule_AddObjectRef(m, attr.c_str(), fresh);
    Py_DECREF(fresh);
    return fresh;
}

// An operator that is written like an attribute: x.T
struct Property {
    PyGetSetDef definition;
    OpSet* set;
    PyObject* get = nullptr;  // Tensor.T.__get__, which stands for it where it is overridden
};
static PyObject* get_property(PyObject* self, void* closure) {
    auto* p = static_cast<Property*>(closure);
    return call_set(*p->set, p->get, &self, 1, nullptr, true, false);
}
static void add_property(OpSet* s) {
    auto* p = new Property{{s->name.c_str(), get_property, nullptr, s->overloads[0]->doc.c_str(), nullptr}, s};
    p->definition.closure = p;
    PyObject* descriptor = checked(PyDescr_NewGetSet(TensorType, &p->definition));
    p->get = checked(PyObject_GetAttrString(descriptor, "__get__"));
    if (PyObject_SetAttrString((PyObject*)TensorType, s->name.c_str(), descriptor) < 0) raise_python();
    Py_DECREF(descriptor);
}

void init_operators(PyObject* m) {
    collect();
    for (OpSet* s : op_sets()) {
        uint32_t forms = 0;
        bool inplace = false, method = false;
        for (auto* op : s->overloads) {
            forms |= op->forms;
            inplace |= op->invoke_inplace != nullptr;
            method |= (op->forms & METHOD) && op->self_index >= 0;
        }
        PyObject* where = namespace_module(m, s->ns);
        auto add = [&](PyObject* to, const std::string& name, bool is_method, bool is_inplace) {
            PyObject* c = make_callable(s, is_method, is_inplace);
            if (PyObject_SetAttrString(to, name.c_str(), c) < 0) raise_python();
            Py_DECREF(c);
        };
        if (forms & PROPERTY) add_property(s);
        if (forms & FUNCTION) add(where, s->name, false, false);
        if (method && s->ns.empty()) add((PyObject*)TensorType, s->name, true, false);
        if (inplace) {
            if (forms & FUNCTION && s->ns != "special") add(where, s->name + "_", false, true);
            if (method && s->ns.empty()) add((PyObject*)TensorType, s->name + "_", true, true);
        }
    }
}

// What stubs, pages and tests are made from: a dict for each overload.
static PyObject* describe(PyObject*, PyObject*) {
    RL_TRY({
        PyObject* list = PyList_New(0);
        for (OpInfo* op : registry()) {
            PyObject* params = PyList_New(0);
            for (auto& p : op->params) {
                PyObject* d = Py_BuildValue("{s:s,s:s,s:O,s:O,s:O,s:s}", "name", p.name.c_str(), "type", p.type.c_str(),
                                            "optional", p.optional ? Py_True : Py_False, "keyword_only",
                                            p.keyword_only ? Py_True : Py_False, "has_default",
                                            p.has_default ? Py_True : Py_False, "default", p.default_text.c_str());
                PyList_Append(params, d);
                Py_DECREF(d);
            }
            PyObject* d =
                Py_BuildValue("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:N,s:i,s:O,s:O,s:O}", "namespace", op->ns.c_str(),
                              "name", op->name.c_str(), "overload", op->overload.c_str(), "doc", op->doc.c_str(),
                              "signature", op->signature.c_str(), "returns", op->returns.c_str(), "category",
                              op->category, "aliases", op->aliases.c_str(), "params", params, "forms", int(op->forms),
                              "differentiable", op->differentiable ? Py_True : Py_False, "composite",
                              op->composite ? Py_True : Py_False, "random", op->random ? Py_True : Py_False);
            PyList_Append(list, d);
            Py_DECREF(d);
        }
        return list;
    });
}

static PyObject* named_types(PyObject*, PyObject*) {
    RL_TRY({ return return_types(); });
}

static PyMethodDef methods[] = {
    {"_registry", describe, METH_NOARGS, "Every overload of every operator, as dicts."},
    {"_return_types", named_types, METH_NOARGS, "The types of named results by their names in torch.return_types."},
    {}};
void init_registry(PyObject* m) { PyModule_AddFunctions(m, methods); }

}  // namespace rl
