// Methods that fill a tensor with random numbers. Each is two operators: the functional form with its rule, which is
// recorded, and the method, the only one that users see. "nn::" keeps a functional form apart from torch's function of
// the same name.
#include "ops/random.h"

namespace rl {

// f(pointer, numel) on the memory of a tensor of a floating type.
template <class F>
static void fill_floats(const char* kernel, const Tensor& out, F&& f) {
    dispatch_floats(kernel, out.dtype(), [](auto) {});
    if (out.is_meta()) return;
    in_memory_order(out, [&](const Tensor& t) {
        dispatch_floats(kernel, t.dtype(), [&](auto tag) { f(t.data<typename decltype(tag)::type>(), t.numel()); });
    });
}

struct Uniform : RandomFill<Uniform, double, double, Generator*> {
    SIG("uniform(Tensor self, float from=0, float to=1, *, Generator? generator=None) -> Tensor");
    DOC("Numbers that are uniform on [from, to), in self's shape.");
    static void fill(const Tensor& out, double from, double to, Generator* g) { draw_uniform(out, from, to, g); }
};
struct UniformMethod : RandomMethod<UniformMethod, Uniform, double, double, Generator*> {
    SIG("uniform_(Tensor(a!) self, float from=0, float to=1, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with numbers that are uniform on [from, to).");
};
OP(Uniform);
OP(UniformMethod);

struct NormalFill : RandomFill<NormalFill, double, double, Generator*> {
    SIG("nn::normal(Tensor self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor");
    DOC("Normally distributed numbers in self's shape.");
    static void fill(const Tensor& out, double mean, double std, Generator* g) { draw_normal(out, mean, std, g); }
};
struct NormalMethod : RandomMethod<NormalMethod, NormalFill, double, double, Generator*> {
    SIG("normal_(Tensor(a!) self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with normally distributed numbers.");
};
OP(NormalFill);
OP(NormalMethod);

struct LogNormal : RandomFill<LogNormal, double, double, Generator*> {
    SIG("log_normal(Tensor self, float mean=1, float std=2, *, Generator? generator=None) -> Tensor");
    DOC("Numbers whose logarithms are normally distributed, in self's shape.");
    static void fill(const Tensor& out, double mean, double std, Generator* g) {
        check(std > 0, "log_normal_ expects std > 0.0, but found std=", std);
        fill_floats("log_normal_cpu", out,
                    [&](auto* p, int64_t n) { cpu::fill_log_normal(stream_of(g), p, n, mean, std); });
    }
};
struct LogNormalMethod : RandomMethod<LogNormalMethod, LogNormal, double, double, Generator*> {
    SIG("log_normal_(Tensor(a!) self, float mean=1, float std=2, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with numbers whose logarithms have this mean and standard deviation.");
};
OP(LogNormal);
OP(LogNormalMethod);

static void check_continuous(const char* distribution, const Tensor& out, const char* type) {
    check(out.is_floating(), distribution,
          " distribution is a continuous probability distribution. dtype must be a floating point but you specified ",
          type);
}

struct Exponential : RandomFill<Exponential, double, Generator*> {
    SIG("exponential(Tensor self, float lambd=1, *, Generator? generator=None) -> Tensor");
    DOC("Exponentially distributed numbers of rate lambd, in self's shape.");
    static void fill(const Tensor& out, double rate, Generator* g) {
        check_continuous("Exponential", out, title(out.dtype()));
        check(rate > 0, "exponential_ expects lambda > 0.0, but found lambda=", rate);
        fill_floats("exponential_cpu", out,
                    [&](auto* p, int64_t n) { cpu::fill_exponential(stream_of(g), p, n, rate); });
    }
};
struct ExponentialMethod : RandomMethod<ExponentialMethod, Exponential, double, Generator*> {
    SIG("exponential_(Tensor(a!) self, float lambd=1, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with exponentially distributed numbers of rate lambd.");
};
OP(Exponential);
OP(ExponentialMethod);

struct Cauchy : RandomFill<Cauchy, double, double, Generator*> {
    SIG("cauchy(Tensor self, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor");
    DOC("Numbers of the Cauchy distribution, in self's shape.");
    static void fill(const Tensor& out, double median, double sigma, Generator* g) {
        check_continuous("Cauchy", out, c_name(out.dtype()));
        check(sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
        fill_floats("cauchy_cpu", out,
                    [&](auto* p, int64_t n) { cpu::fill_cauchy(stream_of(g), p, n, median, sigma); });
    }
};
struct CauchyMethod : RandomMethod<CauchyMethod, Cauchy, double, double, Generator*> {
    SIG("cauchy_(Tensor(a!) self, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with numbers of the Cauchy distribution.");
};
OP(Cauchy);
OP(CauchyMethod);

struct Geometric : RandomFill<Geometric, double, Generator*> {
    SIG("geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor");
    DOC("Numbers of trials up to the first success, each of probability p, in self's shape.");
    static void fill(const Tensor& out, double p, Generator* g) {
        check(p > 0 && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
        dispatch_reals("geometric_cpu", out.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, uint16_t> || std::is_same_v<T, uint32_t> ||
                          std::is_same_v<T, uint64_t>)
                no_kernel("geometric_cpu", out.dtype());
            else if (!out.is_meta())
                in_memory_order(out,
                                [&](const Tensor& t) { cpu::fill_geometric(stream_of(g), t.data<T>(), t.numel(), p); });
        });
    }
};
struct GeometricMethod : RandomMethod<GeometricMethod, Geometric, double, Generator*> {
    SIG("geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with numbers of trials up to the first success, each of probability p.");
};
OP(Geometric);
OP(GeometricMethod);

// ---------------------------------------------------------------- integers
struct RandomAny : RandomFill<RandomAny, Generator*> {
    SIG("random(Tensor self, *, Generator? generator=None) -> Tensor");
    DOC("Integers from 0 to the largest that the dtype holds exactly, in self's shape.");
    static void fill(const Tensor& out, Generator* g) { draw_any_integers(out, g); }
};
struct RandomTo : RandomFill<RandomTo, int64_t, Generator*> {
    SIG("random.to(Tensor self, int to, *, Generator? generator=None) -> Tensor");
    DOC("Integers from 0 to `to` - 1, in self's shape.");
    static void fill(const Tensor& out, int64_t to, Generator* g) { draw_integers(out, 0, to, g); }
};
struct RandomFrom : RandomFill<RandomFrom, int64_t, OptInt, Generator*> {
    SIG("random.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor");
    DOC("Integers from `from` to `to` - 1, or as far as the dtype goes, in self's shape.");
    static void fill(const Tensor& out, int64_t from, const OptInt& to, Generator* g) {
        to ? draw_integers(out, from, *to, g) : draw_integers_from(out, from, g);
    }
};
struct RandomAnyMethod : RandomMethod<RandomAnyMethod, RandomAny, Generator*> {
    SIG("random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with integers from 0 to the largest that the dtype holds exactly.");
};
struct RandomToMethod : RandomMethod<RandomToMethod, RandomTo, int64_t, Generator*> {
    SIG("random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with integers from 0 to `to` - 1.");
};
struct RandomFromMethod : RandomMethod<RandomFromMethod, RandomFrom, int64_t, OptInt, Generator*> {
    SIG("random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with integers from `from` to `to` - 1, or as far as the dtype goes.");
};
OP(RandomAny);
OP(RandomTo);
OP(RandomFrom);
OP(RandomAnyMethod);
OP(RandomToMethod);
OP(RandomFromMethod);

// ---------------------------------------------------------------- bernoulli
// t, which is dense, from draw(truths, at, count), piece by piece.
template <class F>
static void store_truths(const Tensor& t, F&& draw) {
    dispatch_reals("bernoulli_", t.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        constexpr int64_t piece = 1024;
        bool truths[piece];
        T* out = t.data<T>();
        for (int64_t at = 0, n = t.numel(); at < n; at += piece) {
            const int64_t count = std::min(piece, n - at);
            draw(truths, at, count);
            for (int64_t i = 0; i < count; i++) out[at + i] = T(float(truths[i]));
        }
    });
}
void draw_bernoulli(const Tensor& out, double p, Generator* g) {
    check(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
    dispatch_reals("bernoulli_scalar_cpu_", out.dtype(), [](auto) {});
    if (out.is_meta()) return;
    in_memory_order(out, [&](const Tensor& t) {
        store_truths(t, [&](bool* truths, int64_t, int64_t n) { cpu::fill_bernoulli(stream_of(g), truths, n, p); });
    });
}
void draw_bernoulli(const Tensor& out, const Tensor& p, Generator* g) {
    dispatch_reals("bernoulli_tensor_cpu_self_", out.dtype(), [](auto) {});
    dispatch_floats("bernoulli_tensor_cpu_p_", p.dtype(), [](auto) {});
    if (out.is_meta()) return;
    in_memory_order(out, [&](const Tensor& t) {
        Tensor chances = p;
        if (p.lazy() || !p.is_contiguous() || !t.is_contiguous() || !same(p.sizes(), t.sizes()) || p->storage.get() == t->storage.get()) {
            chances = empty_preserved(t, p.dtype());
            copy_raw(chances, resolve(p));
        }
        dispatch_floats("bernoulli_tensor_cpu_p_", p.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T* q = chances.data<T>();
            for (int64_t i = 0; i < chances.numel(); i++)
                check(double(q[i]) >= 0 && double(q[i]) <= 1,
                      "Expected p_in >= 0 && p_in <= 1 to be true, but got false. (bernoulli: a probability is ",
                      double(q[i]), ")");
            store_truths(t, [&](bool* truths, int64_t at, int64_t n) { cpu::bernoulli(stream_of(g), q + at, truths, n); });
        });
    });
}

struct BernoulliFill : RandomFill<BernoulliFill, double, Generator*> {
    SIG("nn::bernoulli.float(Tensor self, float p=0.5, *, Generator? generator=None) -> Tensor");
    DOC("1 with probability p, else 0, in self's shape.");
    static void fill(const Tensor& out, double p, Generator* g) { draw_bernoulli(out, p, g); }
};
struct BernoulliFillTensor : RandomFill<BernoulliFillTensor, Tensor, Generator*> {
    SIG("nn::bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor");
    DOC("1 with the probabilities p, which are broadcast to self's shape, else 0.");
    static void fill(const Tensor& out, const Tensor& p, Generator* g) {
        bool fits = p.dim() <= out.dim() && same(broadcast(out.sizes(), p.sizes()), out.sizes());
        check(fits, "bernoulli_(): probabilities of shape ", p.sizes(), " can't be broadcast to the tensor's shape ",
              out.sizes());
        draw_bernoulli(out, p, g);
    }
    static Grads backward(Ctx& c, const Tensor&) {
        return {zeros(c.sizes<0>(), c.dtype<0>()), zeros(c.sizes<1>(), c.dtype<1>())};
    }
};
struct BernoulliMethodTensor : RandomMethod<BernoulliMethodTensor, BernoulliFillTensor, Tensor, Generator*> {
    SIG("bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with 1 with the probabilities p, else 0.");
};
struct BernoulliMethod : RandomMethod<BernoulliMethod, BernoulliFill, double, Generator*> {
    SIG("bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)");
    DOC("Fills self with 1 with probability p, else 0.");
};
OP(BernoulliFillTensor);
OP(BernoulliFill);
OP(BernoulliMethodTensor);
OP(BernoulliMethod);

}  // namespace rl
