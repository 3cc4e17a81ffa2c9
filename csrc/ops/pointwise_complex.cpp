// Complex numbers: conjugation, real and imaginary parts, making them from parts.
#include "core/iterate.h"
#include "core/pointwise.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {

RL_COMPLEX_VECTORS(ConjCopy);
struct ConjCopy : Unary<ConjCopy> {
    SIG("_conj_physical(Tensor self) -> Tensor");
    DOC("The complex conjugate in memory of its own.");
    FORMS(FUNCTION | INPLACE);
    static constexpr uint32_t kDtypes = kComplexes;
    template <class V> RL_F V f(V x) { return cpu::m::conjugate(x); }
    DSELF(conj(g));
};
POINTWISE(ConjCopy);

#ifndef RL_ISA
struct ConjPhysical : Composite<ConjPhysical> {
    SIG("conj_physical(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The complex conjugate in memory of its own; a real tensor itself.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self) { return self.is_complex() ? call<ConjCopy>(self) : self; }
};
OP(ConjPhysical);

// ---------------------------------------------------------------- lazy conjugation and negation
struct LazyConj : View<LazyConj> {
    SIG("_conj(Tensor self) -> Tensor");
    DOC("The complex conjugate over the same memory.");
    static Tensor forward(const Tensor& self) {
        Tensor r = alias(self);
        r->conj = !self->conj;
        return r;
    }
    static Grads backward(Ctx&, const Tensor& g) { return {conj(g)}; }
};
OP(LazyConj);

struct LazyNeg : View<LazyNeg> {
    SIG("_neg_view(Tensor self) -> Tensor");
    DOC("The negation over the same memory.");
    static Tensor forward(const Tensor& self) {
        Tensor r = alias(self);
        r->neg = !self->neg;
        return r;
    }
    static Grads backward(Ctx&, const Tensor& g) { return {neg(g)}; }
};
OP(LazyNeg);

struct Conj : Composite<Conj> {
    SIG("conj(Tensor self) -> Tensor");
    DOC("The complex conjugate: a view of a complex tensor, a real one itself.");
    static Tensor forward(const Tensor& self) { return conj(self); }
};
OP(Conj);

struct ResolveConj : Composite<ResolveConj> {
    SIG("resolve_conj(Tensor self) -> Tensor");
    DOC("self, or a copy of it if its conjugation is lazy.");
    static Tensor forward(const Tensor& self) { return self->conj ? clone(self) : self; }
};
OP(ResolveConj);

struct ResolveNeg : Composite<ResolveNeg> {
    SIG("resolve_neg(Tensor self) -> Tensor");
    DOC("self, or a copy of it if its negation is lazy.");
    static Tensor forward(const Tensor& self) { return self->neg ? clone(self) : self; }
};
OP(ResolveNeg);

// ---------------------------------------------------------------- parts
struct ViewAsReal : View<ViewAsReal> {
    SIG("view_as_real(Tensor self) -> Tensor");
    DOC("Complex numbers as pairs of real ones, in a last dimension of size 2, over the same memory.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self) {
        check(self.is_complex(), "view_as_real is only supported for complex tensors");
        check(!self->conj, "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can view it as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original.");
        Dims sizes = self.sizes(), strides = self.strides();
        for (int64_t& s : strides) s *= 2;
        sizes.push_back(2), strides.push_back(1);
        Tensor r = alias(self);
        r->dtype = to_real(self.dtype());
        r.set_geometry(sizes, strides, self->offset * 2);
        return r;
    }
    static Grads backward(Ctx&, const Tensor& g) { return {view_as_complex(contiguous_op(g))}; }
};
OP(ViewAsReal);

struct ViewAsComplex : View<ViewAsComplex> {
    SIG("view_as_complex(Tensor self) -> Tensor");
    DOC("Pairs of real numbers in the last dimension as complex ones, over the same memory.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self) {
        check(self.is_floating() && self.dtype() != DType::BFloat16, "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: ", title(self.dtype()));
        check(self.dim() > 0, "Input tensor must have one or more dimensions");
        check(self.sizes().back() == 2, "Tensor must have a last dimension of size 2");
        check(self.strides().back() == 1, "Tensor must have a last dimension with stride 1");
        check(self->offset % 2 == 0, "Tensor must have a storage_offset divisible by 2");
        Dims sizes = self.sizes(), strides = self.strides();
        sizes.resize(sizes.size() - 1), strides.resize(strides.size() - 1);
        for (int64_t& s : strides) {
            check(s % 2 == 0, "Tensor must have a stride divisible by 2 for all but last dimension");
            s /= 2;
        }
        Tensor r = alias(self);
        r->dtype = to_complex(self.dtype());
        r.set_geometry(sizes, strides, self->offset / 2);
        return r;
    }
    static Grads backward(Ctx&, const Tensor& g) { return {view_as_real(g->conj ? clone(g) : g)}; }
};
OP(ViewAsComplex);

struct Real : Composite<Real> {
    SIG("real(Tensor self) -> Tensor");
    DOC("The real parts: a view of a complex tensor, a real one itself.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self) { return real(self); }
};
OP(Real);

struct Imag : Composite<Imag> {
    SIG("imag(Tensor self) -> Tensor");
    DOC("The imaginary parts of a complex tensor, as a view.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self) { return imag(self); }
};
OP(Imag);

// ---------------------------------------------------------------- making
struct MakeComplex : Op<MakeComplex> {
    SIG("complex(Tensor real, Tensor imag, *, Tensor? out=None) -> Tensor");
    DOC("Complex numbers of the given real and imaginary parts.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& re, const Tensor& im) {
        DType t = re.dtype();
        check(re.is_floating() && im.is_floating() && t != DType::BFloat16, "Expected both inputs to be Half, Float or Double tensors but got ", title(t), " and ", title(im.dtype()));
        check(t == im.dtype(), "Expected object of scalar type ", title(t), " but got scalar type ", title(im.dtype()), " for second argument");
        Tensor r = empty(broadcast(re.sizes(), im.sizes()), to_complex(t), re.device());
        if (r.is_meta()) return r;
        if (re.is_contiguous() && im.is_contiguous() && same(re.sizes(), im.sizes()) && !re.lazy() && !im.lazy()) {
            int size = int(itemsize(t));
            char* out = r.raw();
            const char *a = re.raw(), *b = im.raw();
            cpu::parallel_for(r.numel(), kGrain, [&](int64_t i, int64_t end) { cpu::kernels().interleave(out + 2 * i * size, a + i * size, b + i * size, size, end - i); });
            return r;
        }
        Dims strides = r.strides();
        for (int64_t& s : strides) s *= 2;
        copy_raw(on_storage(r->storage, t, r.sizes(), strides, 0), resolve(re));
        copy_raw(on_storage(r->storage, t, r.sizes(), strides, 1), resolve(im));
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& re, const Tensor& im) {
        Tensor r = forward(re, im);
        check(out.dtype() == r.dtype(), "Expected object of scalar type ", title(r.dtype()), " but got scalar type ", title(out.dtype()), " for argument 'out'");
        write_out(*op_info<MakeComplex>(), out, r, false);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = sum_grad(real(g), c.metas[0]);
        if (c.needs<1>()) r[1] = sum_grad(imag(g), c.metas[1]);
        return r;
    }
};
OP(MakeComplex);

struct Polar : Composite<Polar> {
    SIG("polar(Tensor abs, Tensor angle, *, Tensor? out=None) -> Tensor");
    DOC("Complex numbers of the given lengths and angles.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& abs, const Tensor& angle) {
        check(abs.is_floating() && angle.is_floating(), "Expected both inputs to be Half, Float or Double tensors but got ", title(abs.dtype()), " and ", title(angle.dtype()));
        check(abs.dtype() == angle.dtype(), "Expected object of scalar type ", title(abs.dtype()), " but got scalar type ", title(angle.dtype()), " for second argument");
        check(abs.dtype() == DType::Float32 || abs.dtype() == DType::Float64, Err::NotImplemented, "\"polar_cpu\" not implemented for '", title(abs.dtype()), "'");
        Tensor re = cos(angle), im = sin(angle);
        bool ours = !re.requires_grad() && !abs.requires_grad() && !tls.modes && same(abs.sizes(), angle.sizes());
        if (ours) mul_(re, abs), mul_(im, abs);  // nobody else has them
        else re = mul(abs, re), im = mul(abs, im);
        return call<MakeComplex>(re, im);
    }
};
OP(Polar);

Tensor conj(const Tensor& a) { return a.is_complex() ? call<LazyConj>(a) : a; }
Tensor view_as_real(const Tensor& a) { return call<ViewAsReal>(a); }
Tensor view_as_complex(const Tensor& a) { return call<ViewAsComplex>(a); }
Tensor real(const Tensor& a) {
    if (!a.is_complex()) return a;
    return select(view_as_real(a->conj ? conj(a) : a), -1, 0);
}
Tensor imag(const Tensor& a) {
    check(a.is_complex(), "imag is not implemented for tensors with non-complex dtypes.");
    if (!a->conj) return select(view_as_real(a), -1, 1);
    return call<LazyNeg>(select(view_as_real(conj(a)), -1, 1));
}
#endif

}  // namespace rl
