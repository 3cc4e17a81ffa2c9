#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>

#include "autograd/meta.h"
#include "core/modes.h"
#include "core/sparse.h"

namespace rl {

PyTypeObject* TensorType = nullptr;
PyTypeObject* ParameterType = nullptr;

// ---------------------------------------------------------------- sizes
int64_t product(Ints s) {
    int64_t n = 1;
    bool over = false, zero = false;
    for (int64_t v : s) over |= __builtin_mul_overflow(n, v, &n), zero |= v == 0;
    check(!over || zero, "numel: integer multiplication overflow: the product of ", s);
    return zero ? 0 : n;
}

Dims contiguous_strides(Ints sizes) {
    Dims r(sizes.size());
    int64_t run = 1;
    for (size_t i = sizes.size(); i-- > 0;) {
        r[i] = run;
        run = int64_t(uint64_t(run) * uint64_t(sizes[i] > 1 ? sizes[i] : 1));  // too large a product is refused elsewhere
    }
    return r;
}

int64_t wrap_dim(int64_t dim, int64_t ndim, bool scalar_ok) {
    int64_t n = ndim == 0 && scalar_ok ? 1 : ndim;
    check(n != 0, Err::Index, "Dimension specified as ", dim, " but tensor has no dimensions");
    check(dim >= -n && dim < n, Err::Index, "Dimension out of range (expected to be in range of [", -n, ", ", n - 1, "], but got ", dim, ")");
    return dim < 0 ? dim + n : dim;
}

Dims broadcast(Ints a, Ints b) {
    size_t n = std::max(a.size(), b.size());
    Dims r(n);
    for (size_t i = 0; i < n; i++) {
        int64_t x = i < n - a.size() ? 1 : a[i - (n - a.size())];
        int64_t y = i < n - b.size() ? 1 : b[i - (n - b.size())];
        check(x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
              ") at non-singleton dimension ", i);
        r[i] = x == 1 ? y : x;
    }
    return r;
}

std::string str(int64_t v) { return std::to_string(v); }
std::string str(double v) {
    char b[40];
    PyOS_snprintf(b, sizeof b, "%g", v);
    return b;
}
std::string str(Ints v) {
    std::string r = "[";
    for (size_t i = 0; i < v.size(); i++) r += (i ? ", " : "") + std::to_string(v[i]);
    return r + "]";
}
std::string joined(std::initializer_list<Piece> pieces) {
    std::string r;
    for (const Piece& p : pieces) switch (p.kind_) {
            case Piece::Kind::Int: r += str(p.int_); break;
            case Piece::Kind::Real: r += str(p.real_); break;
            case Piece::Kind::Bool: r += p.int_ ? "True" : "False"; break;
            case Piece::Kind::Text: r.append(p.text_, p.n_); break;
            case Piece::Kind::Sizes: r += str(Ints(p.sizes_, p.n_)); break;
        }
    return r;
}
void raise_joined(Err kind, std::initializer_list<Piece> pieces) { throw Error(kind, joined(pieces)); }
void warn_joined(std::initializer_list<Piece> pieces) {
    if (PyErr_WarnEx(PyExc_UserWarning, joined(pieces).c_str(), 1) < 0) raise_python();
}
std::string device_name(Device d) { return d == Device::CPU ? "cpu" : "meta"; }

// ---------------------------------------------------------------- life of the object
static constexpr int kFreeMax = 256;
static TensorImpl* free_list[kFreeMax];
static int free_count = 0;

static void init_fields(TensorImpl* t) {
    // everything behind the object header that has a constructor
    PyObject saved = t->ob_base;
    new (t) TensorImpl;
    t->ob_base = saved;
    t->dict = t->weaklist = nullptr;
}

PyObject* tensor_alloc(PyTypeObject* type) {
    if (type == TensorType) {
        TensorImpl* t;
        if (free_count) {
            t = free_list[--free_count];
            _Py_NewReference((PyObject*)t);
            Py_INCREF(type);
        } else {
            t = PyObject_GC_New(TensorImpl, type);
            if (!t) raise_python();
        }
        init_fields(t);
        return (PyObject*)t;
    }
    PyObject* o = type->tp_alloc(type, 0);
    if (!o) raise_python();
    init_fields((TensorImpl*)o);
    return o;
}

void tensor_dealloc(PyObject* self) {
    auto* t = (TensorImpl*)self;
    PyTypeObject* type = Py_TYPE(self);
    if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (t->weaklist) PyObject_ClearWeakRefs(self);
    Py_CLEAR(t->dict);
    if (t->meta) delete_meta(std::exchange(t->meta, nullptr));
    if (t->wrapper) delete_wrapper(std::exchange(t->wrapper, nullptr));
    Py_CLEAR(t->base);
    t->version.~Ref();
    t->storage.~Ref();
    t->sizes.~Dims();
    t->strides.~Dims();
    if (type == TensorType && free_count < kFreeMax) free_list[free_count++] = t;
    else type->tp_free(self);
    Py_DECREF(type);
}

void track(const Tensor& t) {
    if (!PyObject_GC_IsTracked(t.py())) PyObject_GC_Track(t.py());
}

void Tensor::no_memory() const {
    check(!is_sparse(*this), Err::NotImplemented, "Cannot access the memory of a tensor with a sparse layout: this operation is "
          "written for strided tensors. Use .to_dense() first");
    raise(Err::Runtime, "Cannot access the memory of this tensor: it stands for a batch inside a function transform "
          "(vmap). Return it from the transformed function, or use operators on it");
}

// ---------------------------------------------------------------- geometry
void Tensor::set_geometry(Ints sizes, Ints strides, int64_t offset) const {
    int64_t run = 1;
    bool in_order = true, over = false;
    for (size_t i = sizes.size(); i-- > 0;) {
        in_order &= sizes[i] == 1 || strides[i] == run;
        over |= __builtin_mul_overflow(run, sizes[i], &run);
    }
    if (__builtin_expect(over, 0)) run = product(sizes);  // raises, or finds a 0
    p_->sizes = Dims(sizes);
    p_->strides = Dims(strides);
    p_->offset = offset;
    p_->numel = run;
    p_->contiguous = in_order || run == 0;
}

static int64_t checked_numel(Ints sizes, DType dtype) {
    int64_t n = 1;
    bool zero = false, over = false;
    for (int64_t s : sizes) {
        check(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
        zero |= s == 0;
        over |= s != 0 && __builtin_mul_overflow(n, s, &n);
    }
    int64_t bytes;
    check(zero || (!over && !__builtin_mul_overflow(n, itemsize(dtype), &bytes)), "Storage size calculation overflowed with sizes=", sizes);
    return zero ? 0 : n;
}

Tensor empty(Ints sizes, DType dtype, Device device) {
    int64_t n = checked_numel(sizes, dtype);
    Tensor t = Tensor::steal(tensor_alloc(TensorType));
    t->storage = Storage::create(size_t(n) * itemsize(dtype), device);
    t->dtype = dtype;
    t->sizes = Dims(sizes);
    t->strides = contiguous_strides(sizes);
    t->numel = n;
    t->inference = tls.inference;
    return t;
}

Tensor empty_like(const Tensor& t, DType dtype) {
    if (!t->contiguous || t->numel == 0) return empty(t.sizes(), dtype, t.device());
    Tensor r = Tensor::steal(tensor_alloc(TensorType));
    r->storage = Storage::create(size_t(t->numel) * itemsize(dtype), t->storage ? t->storage->device : Device::CPU);
    r->dtype = dtype;
    r->sizes = t->sizes;
    r->strides = t->strides;
    r->numel = t->numel;
    r->inference = tls.inference;
    return r;
}

int64_t span(Ints sizes, Ints strides) {
    int64_t n = 1;
    for (size_t i = 0; i < sizes.size(); i++) {
        if (sizes[i] == 0) return 0;
        n += (sizes[i] - 1) * strides[i];
    }
    return n;
}

Tensor empty_strided(Ints sizes, Ints strides, DType dtype, Device device) {
    check(sizes.size() == strides.size(), "empty_strided(): size and stride must have the same number of dimensions, got ", sizes, " and ", strides);
    checked_numel(sizes, dtype);
    for (int64_t s : strides) check(s >= 0, "empty_strided(): as_strided: Negative strides are not supported at the moment, got strides: ", strides);
    int64_t n = span(sizes, strides), bytes;
    check(n >= 0 && !__builtin_mul_overflow(n, itemsize(dtype), &bytes), "Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
    return on_storage(Storage::create(size_t(n) * itemsize(dtype), device), dtype, sizes, strides, 0);
}

Tensor on_storage(Ref<Storage> s, DType dtype, Ints sizes, Ints strides, int64_t offset) {
    Tensor t = Tensor::steal(tensor_alloc(TensorType));
    t->storage = std::move(s);
    t->dtype = dtype;
    t->inference = tls.inference;
    t.set_geometry(sizes, strides, offset);
    return t;
}

Dims stride_order(Ints sizes, Ints strides) {
    Dims order(sizes.size());
    std::iota(order.begin(), order.end(), 0);
    auto before = [&](int64_t a, int64_t b) { return strides[a] != strides[b] ? strides[a] > strides[b] : sizes[a] > sizes[b]; };
    // by insertion: a handful of dimensions, mostly in order; and std::stable_sort asks for memory
    for (size_t i = 1; i < order.size(); i++)
        for (size_t k = i; k > 0 && before(order[k], order[k - 1]); k--) std::swap(order[k], order[k - 1]);
    return order;
}

bool is_non_overlapping_and_dense(const Tensor& t) {
    if (t.is_contiguous()) return true;
    Dims order = stride_order(t.sizes(), t.strides());
    int64_t run = 1;
    for (size_t i = order.size(); i-- > 0;) {
        int64_t d = order[i];
        if (t.sizes()[d] == 1) continue;
        if (t.strides()[d] != run) return false;
        run *= t.sizes()[d];
    }
    return true;
}

bool may_overlap_itself(const Tensor& t) {
    if (t.numel() <= 1 || is_non_overlapping_and_dense(t)) return false;
    Dims order = stride_order(t.sizes(), t.strides());
    int64_t reach = 0;
    for (size_t i = order.size(); i-- > 0;) {
        int64_t d = order[i], n = t.sizes()[d], s = t.strides()[d];
        if (n == 1) continue;
        if (std::abs(s) <= reach) return true;
        reach += (n - 1) * std::abs(s);
    }
    return false;
}

Tensor empty_preserved(const Tensor& t, DType dtype) {
    if (t.is_contiguous()) return empty(t.sizes(), dtype, t.device());
    if (is_non_overlapping_and_dense(t)) return empty_strided(t.sizes(), t.strides(), dtype, t.device());
    Dims order = stride_order(t.sizes(), t.strides()), strides(t.dim());
    int64_t run = 1;
    for (size_t i = order.size(); i-- > 0;) {
        strides[order[i]] = run;
        run *= std::max<int64_t>(t.sizes()[order[i]], 1);
    }
    for (int64_t s : t.strides())
        if (s == 0) return empty(t.sizes(), dtype, t.device());
    return empty_strided(t.sizes(), strides, dtype, t.device());
}

Tensor scalar_tensor(const Scalar& s, DType dtype, Device device) {
    Tensor t = empty({}, dtype, device);
    if (device == Device::CPU) dispatch(dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        *t.data<T>() = s.to<T>();
    });
    return t;
}

// ---------------------------------------------------------------- aliases
void share_version(const Tensor& from, const Tensor& to) {
    if (!from->version) {
        from->version = Ref<VersionCell>::steal(new VersionCell);
        from->version->value = from->own_version;
    }
    to->version = from->version;
}

Tensor alias(const Tensor& t, Ints sizes, Ints strides, int64_t offset) {
    if (__builtin_expect(t->wrapper != nullptr, 0)) t.no_memory();
    Tensor r = Tensor::steal(tensor_alloc(TensorType));
    r->storage = t->storage;
    r->dtype = t->dtype;
    r->conj = t->conj;
    r->neg = t->neg;
    r->inference = t->inference;
    share_version(t, r);
    r.set_geometry(sizes, strides, offset);
    return r;
}

Tensor alias(const Tensor& t) { return alias(t, t.sizes(), t.strides(), t->offset); }

void check_storage_bounds(const char* op, const Ref<Storage>& s, DType t, Ints sizes, Ints strides, int64_t offset) {
    check(sizes.size() == strides.size(), op, "(): mismatch in length of strides and shape: ", sizes, " and ", strides);
    for (int64_t v : sizes) check(v >= 0, op, "(): negative size in ", sizes);
    for (int64_t v : strides) check(v >= 0, op, ": Negative strides are not supported at the moment, got strides: ", strides);
    check(offset >= 0, op, "(): invalid negative storage offset ", offset);
    int64_t last = 1, step, bytes;
    bool over = false, zero = false;
    for (size_t i = 0; i < sizes.size(); i++) {
        zero |= sizes[i] == 0;
        over |= sizes[i] > 1 && (__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) || __builtin_add_overflow(last, step, &last));
    }
    if (zero) return;
    over |= __builtin_add_overflow(last, offset, &last) || __builtin_mul_overflow(last, itemsize(t), &bytes);
    check(!over && size_t(bytes) <= s->nbytes, "setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset, ", and itemsize ",
          itemsize(t), " requiring a storage size of ", over ? INT64_MAX : bytes, " are out of bounds for storage of size ", s->nbytes, " (", op, ")");
}

}  // namespace rl
