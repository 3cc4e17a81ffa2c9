#if RL_HAVE_ONEDNN
#include "cpu/onednn_conv.h"

#include "cpu/buffer.h"
#include "cpu/onednn.h"
#include "cpu/parallel.h"

namespace rl::cpu::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;

constexpr size_t kSerialReorder = 256 * 1024;  // bytes of weights below which one thread is faster

struct Arguments {  // in oneDNN's terms
    memory::desc source, weights, bias, destination;
    memory::desc callers_weights;
    Dims stride, dilation, padding_before, padding_after;
};

memory::desc image(const ConvShape& s, memory::data_type type, Layout layout, int64_t channels, const int64_t* size) {
    constexpr Tag tags[2][3] = {{Tag::ncw, Tag::nchw, Tag::ncdhw}, {Tag::nwc, Tag::nhwc, Tag::ndhwc}};
    Dims dims{s.batch, channels};
    dims.insert(dims.end(), size, size + s.dims);
    return {dims, type, tags[layout == Layout::ChannelsLast][s.dims - 1]};
}

Arguments arguments(const ConvShape& s, memory::data_type type, Layout layout, Layout weights_layout, bool bias) {
    Arguments a;
    a.source = image(s, type, layout, s.in_channels, s.input);
    a.destination = image(s, type, layout, s.out_channels, s.output);
    int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups, positions = 1;
    for (int i = 0; i < s.dims; ++i) positions *= s.kernel[i];
    bool last = weights_layout == Layout::ChannelsLast;
    Dims dims{out, in}, strides{in * positions, last ? 1 : positions};
    int64_t step = last ? in : 1;
    dims.insert(dims.end(), s.kernel, s.kernel + s.dims);
    strides.resize(size_t(2 + s.dims));
    for (int i = s.dims - 1; i >= 0; step *= s.kernel[i--]) strides[size_t(2 + i)] = step;
    if (s.groups > 1) {
        dims.insert(dims.begin(), s.groups);
        strides.insert(strides.begin(), out * in * positions);
    }
    a.callers_weights = {dims, type, strides};
    a.weights = {dims, type, Tag::any};
    if (bias) a.bias = {{s.out_channels}, type, Tag::a};
    for (int i = 0; i < s.dims; ++i) {
        int64_t reach = s.dilation[i] * (s.kernel[i] - 1) + 1;
        a.stride.push_back(s.stride[i]);
        a.dilation.push_back(s.dilation[i] - 1);
        a.padding_before.push_back(s.padding[i]);
        a.padding_after.push_back((s.output[i] - 1) * s.stride[i] + reach - s.input[i] - s.padding[i]);
    }
    return a;
}

Primitive make(ConvKind kind, const Arguments& a) {
    auto direct = dnnl::algorithm::convolution_direct;
    auto attributes = user_scratchpad();
    dnnl::convolution_forward::primitive_desc f(engine(), dnnl::prop_kind::forward_training, direct, a.source,
                                                a.weights, kind == ConvKind::Forward ? a.bias : memory::desc(),
                                                a.destination, a.stride, a.dilation, a.padding_before, a.padding_after,
                                                attributes);
    switch (kind) {
        case ConvKind::Forward:
            return {dnnl::convolution_forward(f), a.source, f.weights_desc(), a.bias, a.destination,
                    f.scratchpad_desc(),          {},       a.callers_weights};
        case ConvKind::BackwardData: {
            dnnl::convolution_backward_data::primitive_desc d(engine(), direct, a.source, a.weights, a.destination,
                                                              a.stride, a.dilation, a.padding_before, a.padding_after,
                                                              f, attributes);
            return {dnnl::convolution_backward_data(d),
                    a.source,
                    d.weights_desc(),
                    {},
                    a.destination,
                    d.scratchpad_desc(),
                    {},
                    a.callers_weights};
        }
        default: {
            dnnl::convolution_backward_weights::primitive_desc d(engine(), direct, a.source, a.weights, a.destination,
                                                                 a.stride, a.dilation, a.padding_before,
                                                                 a.padding_after, f, attributes);
            return {dnnl::convolution_backward_weights(d),
                    a.source,
                    d.diff_weights_desc(),
                    {},
                    a.destination,
                    d.scratchpad_desc(),
                    {},
                    a.callers_weights};
        }
    }
}

int64_t multiplications(const ConvShape& s) {
    int64_t n = s.batch * s.out_channels * (s.in_channels / s.groups);
    for (int i = 0; i < s.dims; ++i) n *= s.output[i] * s.kernel[i];
    return n;
}

// The primitive and the copy of its weights; an empty primitive when oneDNN cannot.
Primitive try_make(ConvKind kind, const Arguments& a, int threads) {
    try {
        set_region_threads(threads);
        Primitive p = make(kind, a);
        p.threads = threads;
        if (p.weights == p.callers_weights) return p;
        set_region_threads(p.weights.get_size() < kSerialReorder ? 1 : threads);
        bool back = kind == ConvKind::BackwardWeights;
        const auto &from = back ? p.weights : p.callers_weights, &to = back ? p.callers_weights : p.weights;
        p.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
        return p;
    } catch (const dnnl::error& e) {
        if (e.status == dnnl_unimplemented || e.status == dnnl_invalid_arguments) return {};
        throw;
    }
}

void reorder_weights(const Primitive& p, const memory::desc& from, const void* in, const memory::desc& to, void* out,
                     int threads) {
    set_region_threads(p.weights.get_size() < kSerialReorder ? 1 : threads);
    run(p.reorder, {{DNNL_ARG_FROM, &from, in}, {DNNL_ARG_TO, &to, out}});
    set_region_threads(threads);
}

}  // namespace

Layout conv_layout(ConvKind kind, const ConvShape& s) {
    // Measured: channels-last is at the machine's peak, planar at half of it, except for the gradient of an input with
    // few channels, which is several times faster planar.
    return kind == ConvKind::BackwardData && s.groups == 1 && s.in_channels <= 4 ? Layout::Planar
                                                                                 : Layout::ChannelsLast;
}

bool conv(ConvKind kind, const ConvShape& s, Type type, const void* source, const void* weights, Layout weights_layout,
          const void* bias, const void* destination) {
    int threads = multiplications(s) < kParallelWork ? 1 : region_threads();
    Key key;
    key.add({2, int64_t(kind), int64_t(type), threads, int64_t(weights_layout), bias != nullptr, s.dims, s.batch,
             s.in_channels, s.out_channels, s.groups});
    for (int i = 0; i < s.dims; ++i)
        key.add({s.input[i], s.kernel[i], s.output[i], s.stride[i], s.padding[i], s.dilation[i]});
    auto e = find(key);
    if (!e) {
        auto data_type = type == Type::F32 ? memory::data_type::f32 : memory::data_type::bf16;
        e = store(key, try_make(kind, arguments(s, data_type, conv_layout(kind, s), weights_layout, bias), threads));
    }
    const Primitive* p = &e->primitive;
    if (!p->primitive) return false;
    set_region_threads(threads);
    bool back = kind == ConvKind::BackwardWeights;
    Buffer<char> copy(p->reorder ? int64_t(p->weights.get_size()) : 0);
    const void* used = copy.data ? copy.data : weights;
    if (copy.data && !back) reorder_weights(*p, p->callers_weights, weights, p->weights, copy.data, threads);
    switch (kind) {
        case ConvKind::Forward:
            run(*e, {{DNNL_ARG_SRC, &p->source, source},
                     {DNNL_ARG_WEIGHTS, &p->weights, used},
                     {DNNL_ARG_BIAS, &p->bias, bias},
                     {DNNL_ARG_DST, &p->destination, destination}});
            break;
        case ConvKind::BackwardData:
            run(*e, {{DNNL_ARG_DIFF_SRC, &p->source, source},
                     {DNNL_ARG_WEIGHTS, &p->weights, used},
                     {DNNL_ARG_DIFF_DST, &p->destination, destination}});
            break;
        case ConvKind::BackwardWeights:
            run(*e, {{DNNL_ARG_SRC, &p->source, source},
                     {DNNL_ARG_DIFF_WEIGHTS, &p->weights, used},
                     {DNNL_ARG_DIFF_DST, &p->destination, destination}});
            break;
    }
    if (copy.data && back)
        reorder_weights(*p, p->weights, copy.data, p->callers_weights, const_cast<void*>(weights), threads);
    return true;
}

}  // namespace rl::cpu::onednn
#endif
