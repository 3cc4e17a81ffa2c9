// Masks: filling, selecting and scattering by them, and the places of what is not zero.
#include "ops/index_core.h"
#include "ops/factory.h"

namespace rl {

struct MaskedFill : Op<MaskedFill> {
    SIG("masked_fill.Scalar(Tensor self, Tensor mask, Operand value) -> Tensor");
    DOC("value, a number or a tensor without dimensions, where mask is true, else self.");
    FORMS(FUNCTION | METHOD | INPLACE);
    using Saves = Save<In<1>>;
    static Scalar checked(const Tensor& self, const Tensor& mask, const Operand& value) {
        check(mask.dtype() == DType::Bool, "masked_fill_ only supports boolean masks, but got mask with dtype ", name(mask.dtype()));
        check(!value.tensor || value.tensor->dim() == 0, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.tensor ? value.tensor->dim() : 0, " dimension(s).");
        if (value.tensor) {
            check(can_cast(value.tensor->dtype(), self.dtype()) || !value.tensor->is_complex(), "value cannot be converted to type ", name(self.dtype()), " without overflow");
            return value.tensor->is_meta() ? Scalar(0) : item(*value.tensor);
        }
        check_fits(value.scalar, self.dtype());
        return value.scalar;
    }
    static Tensor forward(const Tensor& self, const Tensor& mask, const Operand& value) {
        Scalar v = checked(self, mask, value);
        if (same(self.sizes(), mask.sizes()) && self.is_contiguous() && mask.is_contiguous() && !self.lazy() && !self.is_meta()) return one_pass(self, mask, v);
        Dims sizes = broadcast(self.sizes(), mask.sizes());
        Tensor r = same(sizes, self.sizes()) ? clone_raw(self) : empty(sizes, self.dtype(), self.device());
        if (r.is_meta()) return r;
        if (!same(sizes, self.sizes())) copy_raw(r, resolve(self));
        masked_fill_raw(r, mask, v);
        return r;
    }
    static Tensor one_pass(const Tensor& self, const Tensor& mask, const Scalar& value) {
        Tensor r = empty(self.sizes(), self.dtype()), v = scalar_tensor(value, self.dtype());
        int64_t size = itemsize(self.dtype());
        cpu::parallel_for(r.numel(), kGrain, [&](int64_t a, int64_t b) { masked_run(r.raw() + a * size, self.raw() + a * size, mask.data<bool>() + a, v.raw(), b - a, size); });
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor&, const Tensor& mask, const Operand& value) {
        Scalar v = checked(out, mask, value);
        Dims sizes = broadcast(out.sizes(), mask.sizes());
        check(same(sizes, out.sizes()), "output with shape ", out.sizes(), " doesn't match the broadcast shape ", sizes, " (masked_fill_)");
        if (out.is_meta()) return;
        if (!out.lazy()) return masked_fill_raw(out, mask, v);
        Tensor t = clone_raw(out);
        masked_fill_raw(t, mask, v);
        copy_(out, t);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        Tensor mask = c.in<1>();
        if (c.needs<0>()) r[0] = sum_to_size(masked_fill(g, mask, Scalar(0)), c.sizes<0>());
        if (c.needs<2>()) r[2] = sum(where(mask, g, Scalar(0)));
        return r;
    }
};
struct MaskedFillTensor : Composite<MaskedFillTensor> {  // what the Tensor overload says where a mask is no mask
    SIG("masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor");
    DOC("value where mask is true, else self.");
    static Tensor forward(const Tensor& self, const Tensor& mask, const Tensor& value) { return call<MaskedFill>(self, mask, value); }
};
OP(MaskedFill);
OP(MaskedFillTensor);

static Tensor masked_scatter(const Tensor& a, const Tensor& mask, const Tensor& source);

struct MaskedSelect : Op<MaskedSelect> {
    SIG("masked_select(Tensor self, Tensor mask, *, Tensor? out=None) -> Tensor");
    DOC("A vector of the elements where mask is true; both broadcast.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& self, const Tensor& mask) {
        check(mask.dtype() == DType::Bool, "masked_select: expected BoolTensor for mask");
        check(!self.is_meta() && !mask.is_meta(), Err::NotImplemented, "masked_select(): the result's shape depends on the mask's values, which a meta tensor has not");
        return select_raw(self, mask);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor mask = c.in<1>();
        Dims sizes = broadcast(c.sizes<0>(), mask.sizes());
        return {sum_to_size(masked_scatter(zeros(sizes, g.dtype(), g.device()), mask, g), c.sizes<0>())};
    }
};
OP(MaskedSelect);

struct MaskedScatter : Op<MaskedScatter> {
    SIG("masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor");
    DOC("self with the elements of source, in order, where mask is true.");
    FORMS(FUNCTION | METHOD | INPLACE);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& self, const Tensor& mask, const Tensor& source) {
        Dims sizes = broadcast(self.sizes(), mask.sizes());
        Tensor r = same(sizes, self.sizes()) ? clone_raw(self) : empty(sizes, self.dtype(), self.device());
        if (!r.is_meta() && !same(sizes, self.sizes())) copy_raw(r, resolve(self));
        into(r, true, r, mask, source);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor&, const Tensor& mask, const Tensor& source) {
        check(mask.dtype() == DType::Bool, "masked_scatter_ only supports boolean masks, but got mask with dtype ", title(mask.dtype()));
        check(source.dtype() == out.dtype(), "masked_scatter: expected self and source to have same dtypes but got ", title(out.dtype()), " and ", title(source.dtype()));
        Dims sizes = broadcast(out.sizes(), mask.sizes());
        check(same(sizes, out.sizes()), "output with shape ", out.sizes(), " doesn't match the broadcast shape ", sizes, " (masked_scatter_)");
        if (out.is_meta()) return;
        Tensor m = contiguous(alias(mask, sizes, broadcast_strides(mask, sizes), mask->offset));
        Tensor s = contiguous(apart_from(out, source));
        const bool* b = m.data<bool>();
        int64_t total = m.numel(), n = count_true(b, total);
        check(n <= s.numel(), "Number of elements of source < number of ones in mask (", s.numel(), " < ", n, ", masked_scatter)");
        Tensor r = out.is_contiguous() && !out.lazy() ? out : contiguous(clone_raw(out));
        dispatch_size(itemsize(out.dtype()), [&](auto tag) {
            using T = typename decltype(tag)::type;
            T* o = r.data<T>();
            const T* p = s.data<T>();
            for (int64_t i = 0, k = 0; k < n; i++) {
                const T old = o[i], next = p[k];
                o[i] = b[i] ? next : old;
                k += b[i];
            }
        });
        if (!r.is(out)) copy_(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        Tensor mask = c.in<1>();
        if (c.needs<0>()) r[0] = sum_to_size(masked_fill(g, mask, Scalar(0)), c.sizes<0>());
        if (c.needs<2>()) {
            Tensor taken = call<MaskedSelect>(g, mask);
            int64_t rest = product(c.sizes<2>()) - taken.numel();
            if (rest) taken = cat(Tensors{taken, zeros(Dims{rest}, g.dtype(), g.device())}, int64_t(0));
            r[2] = reshape(taken, c.sizes<2>());
        }
        return r;
    }
};
OP(MaskedScatter);
static Tensor masked_scatter(const Tensor& a, const Tensor& mask, const Tensor& source) { return call<MaskedScatter>(a, mask, source); }

// ---------------------------------------------------------------- nonzero
static void check_nonzero(const Tensor& self) { check(!self.is_meta(), Err::NotImplemented, "nonzero(): the result's shape depends on values, which a meta tensor has not"); }

struct Nonzero : Op<Nonzero> {
    SIG("nonzero(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("A row of indices for each element that is not zero.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self) {
        check_nonzero(self);
        Tensor t = nonzero_raw(self);
        if (self.dim() == 0) t = empty(Dims{0, int64_t(item(self).to<bool>())}, DType::Int64);
        return alias(t, Dims{t.sizes()[1], t.sizes()[0]}, Dims{1, std::max<int64_t>(t.sizes()[1], 1)}, 0);
    }
};
struct NonzeroNumpy : Op<NonzeroNumpy> {
    SIG("nonzero_numpy(Tensor self) -> Tensor[]");
    DOC("For each dimension the indices of the elements that are not zero.");
    FORMS(FUNCTION | METHOD);
    NO_GRADIENT;
    static Tensors forward(const Tensor& self) {
        check_nonzero(self);
        Tensor t = nonzero_raw(self.dim() ? self : reshape(detach(self), {1}));
        Tensors r;
        for (int64_t d = 0; d < t.sizes()[0]; d++) r.push_back(alias(t, Dims{t.sizes()[1]}, Dims{1}, d * t.sizes()[1]));
        return r;
    }
};
// nonzero(as_tuple=...): one tensor or a tuple of them.
struct OneOrMany {
    Tensor one;
    Tensors many;
};
template <> struct To<OneOrMany> {
    static PyObject* box(const OneOrMany& v) { return v.one ? To<Tensor>::box(v.one) : To<Tensors>::box(v.many); }
};
struct NonzeroAsTuple : Composite<NonzeroAsTuple> {
    SIG("nonzero.as_tuple(Tensor self, *, bool as_tuple) -> Tensor[]");
    DOC("Indices of what is not zero: a tuple of vectors, or with as_tuple=False a matrix.");
    static OneOrMany forward(const Tensor& self, bool as_tuple) {
        if (as_tuple) return {Tensor(), call<NonzeroNumpy>(self)};
        return {call<Nonzero>(self), {}};
    }
};
struct NonzeroOut : Composite<NonzeroOut> {
    SIG("nonzero.out(Tensor self, *, bool as_tuple, Tensor? out=None) -> Tensor");
    DOC("As nonzero; a tuple can't be written to out.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, bool as_tuple) {
        check(!as_tuple, Err::Type, "nonzero(): as_tuple=True does not go with out=");
        return call<Nonzero>(self);
    }
};
OP(Nonzero);
OP(NonzeroAsTuple);
OP(NonzeroOut);
OP(NonzeroNumpy);

struct NonzeroStatic : Op<NonzeroStatic> {
    SIG("nonzero_static(Tensor self, *, int size, int fill_value=-1, Tensor? out=None) -> Tensor");
    DOC("nonzero cut, or filled up with fill_value, to `size` rows.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t size, int64_t fill_value) {
        check(size >= 0, "nonzero_static: 'size' must be an non-negative integer");
        Tensor r = full(Dims{size, self.dim()}, Scalar(fill_value), DType::Int64, self.device());
        if (r.is_meta()) return r;
        Tensor found = Nonzero::forward(self);
        int64_t n = std::min(size, found.sizes()[0]);
        copy_raw(alias(r, Dims{n, self.dim()}, r.strides(), 0), alias(found, Dims{n, self.dim()}, found.strides(), 0));
        return r;
    }
};
OP(NonzeroStatic);

struct Argwhere : Composite<Argwhere> {
    SIG("argwhere(Tensor self) -> Tensor");
    DOC("A row of indices for each element that is not zero.");
    static Tensor forward(const Tensor& self) { return call<Nonzero>(self); }
};
OP(Argwhere);

Tensor masked_fill(const Tensor& a, const Tensor& mask, const Operand& value) { return call<MaskedFill>(a, mask, value); }

}  // namespace rl
