#include "core/pointwise.h"

#include "core/iterate.h"

namespace rl {

DType result_type(const Operand* in, int n) {
    DType dims = DType::Undefined, zeros = DType::Undefined, numbers = DType::Undefined;
    for (int k = 0; k < n; k++) {
        if (!in[k].tensor) numbers = promote(numbers, in[k].scalar.dtype());
        else if (in[k].tensor->dim() > 0) dims = promote(dims, in[k].tensor->dtype());
        else zeros = promote(zeros, in[k].tensor->dtype());
    }
    auto combine = [](DType higher, DType lower) {
        if (higher == DType::Undefined) return lower;
        if (lower == DType::Undefined || is_complex(higher)) return higher;
        if (is_floating(higher)) return is_complex(lower) ? to_complex(higher) : higher;
        if (higher == DType::Bool || is_inexact(lower)) return promote(higher, lower);
        return higher;
    };
    return combine(dims, combine(zeros, numbers));
}

[[noreturn, gnu::cold]] static void not_implemented(const OpInfo& op, DType t) {
    raise(Err::NotImplemented, "\"", op.name, "\" not implemented for '", title(t), "'");
}

// A result takes its strides from the first full-sized operand, as PyTorch's loops do.
static Tensor make_output(const Operand* in, int n, const Dims& sizes, DType dtype, Device device) {
    for (int k = 0; k < n; k++) {
        if (!in[k].tensor || !(in[k].tensor->sizes() == sizes)) continue;
        const Tensor& t = *in[k].tensor;
        return t.is_contiguous() || device == Device::Meta ? result(sizes, dtype, device) : empty_preserved(t, dtype);
    }
    return result(sizes, dtype, device);
}

static Tensor check_output(const OpInfo& op, const Tensor& out, const Dims& sizes, DType result, bool inplace, bool exact) {
    check(!exact || inplace || out.dtype() == result, "Found dtype ", title(out.dtype()), " but expected ", title(result), " (", op.name, ", out=)");
    check(can_cast(result, out.dtype()), "result type ", title(result), " can't be cast to the desired output type ", title(out.dtype()), " (", op.name, inplace ? "_)" : ", out=)");
    if (out.sizes() == sizes) return out;
    check(!inplace, "output with shape ", out.sizes(), " doesn't match the broadcast shape ", sizes, " (", op.name, "_)");
    resize_output(op.name.c_str(), out, sizes);
    return out;
}

// A number, or a 0-dim tensor's value, in the type of the loop.
void store_scalar(const Scalar& s, DType t, void* to) {
    dispatch_compute(t, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T v = s.to<T>();
        std::memcpy(to, &v, sizeof v);
    });
}

// Does writing `out` change an input before it was read?
static bool overlaps_badly(const Tensor& out, const Tensor& in) {
    if (!in->storage || out->storage.get() != in->storage.get() || out.numel() == 0 || in.numel() == 0) return false;
    if (out->offset == in->offset && same(out.sizes(), in.sizes()) && same(out.strides(), in.strides()) && out.dtype() == in.dtype()) return false;
    int64_t a0 = out->offset * itemsize(out.dtype()), a1 = a0 + span(out.sizes(), out.strides()) * itemsize(out.dtype());
    int64_t b0 = in->offset * itemsize(in.dtype()), b1 = b0 + span(in.sizes(), in.strides()) * itemsize(in.dtype());
    return a0 < b1 && b0 < a1;
}

// Beside a tensor of 16-bit numbers every other operand is one of them, too (x == 0.1 holds where x was made from 0.1).
static Scalar rounded(const Scalar& s, DType t) {
    if (!is_reduced(t) || s.is_complex()) return s;
    return Scalar(double(t == DType::BFloat16 ? float(s.to<BFloat16>()) : float(s.to<Half>())));
}
static bool loses_bits(DType from, DType common) { return is_reduced(common) && from != common && itemsize(from) > 1; }

void check_fits(const Scalar& v, DType t);  // ops/create.cpp

Tensor pointwise_slow(const PointwiseSpec& spec, const Operand* in, const Scalar* params, const Tensor& out, bool inplace) {
    const OpInfo& op = **spec.op;
    int n = spec.n_in;
    bool only_numbers = true;
    for (int k = 0; k < n; k++) only_numbers &= !in[k].tensor;
    check(!only_numbers || spec.numbers, Err::Type, op.name, "() received an invalid combination of arguments - got numbers only, but expected at least one Tensor: ", op.signature);
    DType common = result_type(in, n);
    if (common == DType::Undefined) common = default_dtype();
    if (spec.rule == Rule::Float && !is_inexact(common)) common = default_dtype();
    if (spec.validate) spec.validate(in, common, params);
    DType compute = compute_type(common);
    if (int(compute) >= kComputeTypes || !(spec.dtypes >> int(compute) & 1)) not_implemented(op, common);
    DType result = spec.rule == Rule::Bool ? DType::Bool : spec.real ? to_real(common) : common;
    DType produced = spec.rule == Rule::Bool ? DType::Bool : spec.real ? to_real(compute) : compute;

    Dims sizes;
    Device device = Device::CPU;
    bool first = true;
    for (int k = 0; k < n; k++) {
        if (!in[k].tensor) continue;
        const Tensor& t = *in[k].tensor;
        if (t->wrapper) t.no_memory();
        if (t.device() == Device::Meta) device = Device::Meta;
        if (first) sizes = t.sizes(), first = false;
        else if (!(sizes == t.sizes())) sizes = broadcast(sizes, t.sizes());
    }
    Tensor target = out ? check_output(op, out, sizes, result, inplace, spec.rule == Rule::Same && n == 1) : make_output(in, n, sizes, result, device);
    if (out) check(!may_overlap_itself(target), "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. (", op.name, ")");
    if (target.is_meta() || product(sizes) == 0) return target;

    Tensor held[4];  // inputs that had to be resolved or copied
    LoopInput loop[4];
    alignas(16) char numbers[4][16];
    for (int k = 0; k < n; k++) {
        if (!in[k].tensor) {
            store_scalar(spec.exact >> k & 1 ? in[k].scalar : rounded(in[k].scalar, common), compute, numbers[k]);
            loop[k] = {numbers[k], compute, Dims(sizes.size(), 0)};
            continue;
        }
        held[k] = resolve(*in[k].tensor);
        if (out && overlaps_badly(target, held[k])) {
            check(!is_non_overlapping_and_dense(target) || !is_non_overlapping_and_dense(held[k]), "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation. (", op.name, ")");
            held[k] = clone_raw(held[k]);  // as the elements between a tensor's may be its neighbour's
        }
        if (!(spec.exact >> k & 1) && loses_bits(held[k].dtype(), common)) held[k] = cast_raw(held[k], common);
        loop[k] = loop_input(held[k], sizes);
    }
    alignas(16) char packed[8 * 16];
    for (int p = 0; p < spec.n_params; p++) {
        if ((is_integral(compute) && compute == common) || (params[p].kind == Scalar::Complex && !is_complex(compute))) check_fits(params[p], compute);
        store_scalar(params[p], compute, packed + p * itemsize(compute));
    }
    PointwiseFn fn = spec.table->fn[int(compute)];
    if (target.lazy()) {
        Tensor fresh = empty(sizes, target.dtype());
        run_pointwise(fn, fresh, loop, n, compute, produced, packed, spec.grain);
        copy_(target, fresh);
        return target;
    }
    run_pointwise(fn, target, loop, n, compute, produced, packed, spec.grain);
    return target;
}

Tensor sum_grad(const Tensor& g, const ResultMeta& m) {
    if (!g) return g;
    Tensor r = g;
    if (!is_complex(m.dtype) && r.is_complex()) r = real(r);
    if (!same(r.sizes(), m.sizes)) r = sum_to_size(r, m.sizes);
    return r.dtype() == m.dtype ? r : to(r, m.dtype);
}

}  // namespace rl
