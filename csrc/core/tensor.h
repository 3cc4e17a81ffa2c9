// The tensor. The C++ object is the Python object: one heap type, and Tensor (the handle) is a counted pointer to it.
//
// Note [ Families of aliases ]
// Views and detach() share one version counter with the tensor they come from; `.data` and `set_` start a new one over
// the same storage. The counter is embedded (`own_version`) until the first alias is made and is moved to a shared cell
// then, so that a tensor without aliases pays nothing for it.
#pragma once
#include <Python.h>

#include <vector>

#include "core/dims.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/scalar.h"
#include "core/storage.h"

namespace rl {

class Tensor;
struct AutogradMeta;
struct Node;
struct Wrapper;  // a tensor that stands for another one inside a function transform: core/modes.h

struct VersionCell {
    int64_t refs = 1;
    uint32_t value = 0;
    static void destroy(VersionCell* c) { delete c; }
};

// How a view came to be; decides what an in-place operator on it may do (autograd/view.h).
enum class ViewKind : uint8_t { None, Normal, NoGrad, Multi, Inference };

struct TensorImpl {
    PyObject ob_base;
    PyObject* dict;
    PyObject* weaklist;
    Ref<Storage> storage;
    int64_t offset = 0;  // in elements
    int64_t numel = 0;
    DType dtype = DType::Float32;
    bool contiguous = true;
    bool requires_grad = false;  // a leaf's flag, or: has a grad_fn
    bool conj = false;
    bool neg = false;
    bool inference = false;
    ViewKind view_kind = ViewKind::None;
    uint32_t own_version = 0;
    uint32_t attr_version = 0;  // of a view: the family's version for which grad_fn is valid
    Dims sizes, strides;
    Ref<VersionCell> version;
    PyObject* base = nullptr;  // of a view: the tensor that is no view itself (counted)
    AutogradMeta* meta = nullptr;
    Wrapper* wrapper = nullptr;
};

extern PyTypeObject* TensorType;
extern PyTypeObject* ParameterType;  // set by rushlight.nn: an override-free subclass, as common as Tensor itself

class Tensor {
    TensorImpl* p_ = nullptr;

public:
    Tensor() = default;
    Tensor(std::nullptr_t) {}
    static Tensor steal(PyObject* o) {
        Tensor t;
        t.p_ = reinterpret_cast<TensorImpl*>(o);
        return t;
    }
    static Tensor borrow(const void* o) {
        Py_XINCREF((PyObject*)o);
        return steal((PyObject*)o);
    }
    // A handle is one pointer, so a borrowed PyObject* slot can be read as a handle without counting.
    static const Tensor& view(PyObject* const& slot) { return reinterpret_cast<const Tensor&>(slot); }
    Tensor(const Tensor& o) : p_(o.p_) { Py_XINCREF((PyObject*)p_); }
    Tensor(Tensor&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    Tensor& operator=(const Tensor& o) {
        Tensor t(o);
        std::swap(p_, t.p_);
        return *this;
    }
    Tensor& operator=(Tensor&& o) noexcept {
        std::swap(p_, o.p_);
        return *this;
    }
    ~Tensor() { Py_XDECREF((PyObject*)p_); }

    bool defined() const { return p_ != nullptr; }
    explicit operator bool() const { return p_ != nullptr; }
    TensorImpl* impl() const { return p_; }
    TensorImpl* operator->() const { return p_; }
    PyObject* py() const { return (PyObject*)p_; }
    PyObject* release() { return (PyObject*)std::exchange(p_, nullptr); }
    bool is(const Tensor& o) const { return p_ == o.p_; }

    const Dims& sizes() const { return p_->sizes; }
    const Dims& strides() const { return p_->strides; }
    int64_t dim() const { return int64_t(p_->sizes.size()); }
    int64_t size(int64_t d) const { return p_->sizes[wrap_dim(d, dim(), false)]; }
    int64_t stride(int64_t d) const { return p_->strides[wrap_dim(d, dim(), false)]; }
    int64_t numel() const { return p_->numel; }
    DType dtype() const { return p_->dtype; }
    Device device() const { return p_->storage ? p_->storage->device : Device::CPU; }
    bool is_meta() const { return device() == Device::Meta; }
    bool is_contiguous() const { return p_->contiguous; }
    bool is_floating() const { return rl::is_floating(p_->dtype); }
    bool is_complex() const { return rl::is_complex(p_->dtype); }
    bool lazy() const { return p_->conj || p_->neg; }  // values are not what memory holds: see resolve()
    bool requires_grad() const {
        return p_->requires_grad || (p_->view_kind == ViewKind::Normal && p_->base && ((TensorImpl*)p_->base)->requires_grad);
    }
    bool is_view() const { return p_->view_kind != ViewKind::None; }
    Tensor base() const { return borrow(p_->base); }
    uint32_t version() const { return p_->version ? p_->version->value : p_->own_version; }
    void bump_version() const { p_->version ? ++p_->version->value : ++p_->own_version; }

    // First element. Raises for a tensor without memory (a function transform's).
    char* raw() const {
        if (__builtin_expect(p_->wrapper != nullptr, 0)) no_memory();
        return p_->storage->data + p_->offset * itemsize(p_->dtype);
    }
    template <class T>
    T* data() const { return reinterpret_cast<T*>(raw()); }
    [[noreturn]] void no_memory() const;

    void set_geometry(Ints sizes, Ints strides, int64_t offset) const;  // recomputes numel and contiguous
};

using Tensors = std::vector<Tensor>;
inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == TensorType || PyObject_TypeCheck(o, TensorType); }

// Tensors without history. Sizes are checked for being negative and for overflow.
Tensor empty(Ints sizes, DType dtype, Device device = Device::CPU);
Tensor empty_strided(Ints sizes, Ints strides, DType dtype, Device device = Device::CPU);
// Contiguous, with t's sizes. The way of every small result: t's geometry is taken over unchecked where it is contiguous.
Tensor empty_like(const Tensor& t, DType dtype);
// As PyTorch's preserve_format: the strides of a dense tensor are kept, a gappy one becomes contiguous in its order.
Tensor empty_preserved(const Tensor& t, DType dtype);
Tensor scalar_tensor(const Scalar& s, DType dtype, Device device = Device::CPU);
// Another tensor over the same storage and in the same family of aliases, without history.
Tensor alias(const Tensor& t);
Tensor alias(const Tensor& t, Ints sizes, Ints strides, int64_t offset);
Tensor on_storage(Ref<Storage> s, DType dtype, Ints sizes, Ints strides, int64_t offset);
void share_version(const Tensor& from, const Tensor& to);
bool is_non_overlapping_and_dense(const Tensor& t);
// Stride order of a dense or gappy tensor, outermost first.
Dims stride_order(Ints sizes, Ints strides);
int64_t span(Ints sizes, Ints strides);  // elements from the first to the last, 0 where numel is 0
bool may_overlap_itself(const Tensor& t);     // two indices may name the same memory (an expanded tensor)
void check_storage_bounds(const char* op, const Ref<Storage>& s, DType t, Ints sizes, Ints strides, int64_t offset);
std::string device_name(Device d);

// Python's object life cycle, used by bind/tensor_type.cpp
PyObject* tensor_alloc(PyTypeObject* type);
void tensor_dealloc(PyObject* self);
void track(const Tensor& t);  // from now on the garbage collector looks at it

}  // namespace rl
