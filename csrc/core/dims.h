// A short list of sizes or strides: five live inside the object, more go to the heap.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>

namespace rl {

using Ints = std::span<const int64_t>;

class Dims {
    uint32_t n_ = 0, cap_ = 5;
    union {
        int64_t inl_[5];
        int64_t* heap_;
    };
    void grow(uint32_t cap) {
        if (cap <= cap_) return;
        cap = cap < 2 * cap_ ? 2 * cap_ : cap;
        auto* p = new int64_t[cap];
        std::memcpy(p, data(), n_ * sizeof(int64_t));
        if (cap_ > 5) delete[] heap_;
        heap_ = p, cap_ = cap;
    }

    // The room for five numbers hides a wrong index from the sanitizers: their build checks it here.
    size_t inside(size_t i) const {
#ifdef __SANITIZE_ADDRESS__
        if (i >= n_) __builtin_trap();
#endif
        return i;
    }

public:
    Dims() {}
    explicit Dims(size_t n, int64_t v = 0) { resize(n, v); }
    Dims(std::initializer_list<int64_t> l) : Dims(Ints(l.begin(), l.size())) {}
    Dims(Ints s) {
        grow(uint32_t(s.size()));
        n_ = uint32_t(s.size());
        if (n_) std::memcpy(data(), s.data(), n_ * sizeof(int64_t));
    }
    Dims(const Dims& o) {
        if (o.cap_ > 5) *this = Dims(Ints(o));
        else std::memcpy((void*)this, &o, sizeof o);  // of a fixed length: no call
    }
    Dims(Dims&& o) noexcept { std::memcpy((void*)this, &o, sizeof o), o.n_ = 0, o.cap_ = 5; }
    Dims& operator=(const Dims& o) {
        if (cap_ == 5 && o.cap_ == 5) {
            n_ = o.n_;
            std::memcpy(inl_, o.inl_, sizeof inl_);
        } else if (this != &o) {
            n_ = 0;
            grow(o.n_);
            n_ = o.n_;
            std::memcpy(data(), o.data(), n_ * sizeof(int64_t));
        }
        return *this;
    }
    Dims& operator=(Dims&& o) noexcept {
        if (this != &o) {
            if (cap_ > 5) delete[] heap_;
            std::memcpy((void*)this, &o, sizeof o), o.n_ = 0, o.cap_ = 5;
        }
        return *this;
    }
    ~Dims() {
        if (cap_ > 5) delete[] heap_;
    }

    int64_t* data() { return cap_ > 5 ? heap_ : inl_; }
    const int64_t* data() const { return cap_ > 5 ? heap_ : inl_; }
    size_t size() const { return n_; }
    bool empty() const { return n_ == 0; }
    int64_t& operator[](size_t i) { return data()[inside(i)]; }
    int64_t operator[](size_t i) const { return data()[inside(i)]; }
    int64_t back() const { return data()[inside(n_ - 1)]; }
    int64_t* begin() { return data(); }
    int64_t* end() { return data() + n_; }
    const int64_t* begin() const { return data(); }
    const int64_t* end() const { return data() + n_; }
    operator Ints() const { return {data(), n_}; }
    void push_back(int64_t v) {
        grow(n_ + 1);
        data()[n_++] = v;
    }
    void resize(size_t n, int64_t v = 0) {
        grow(uint32_t(n));
        for (size_t i = n_; i < n; i++) data()[i] = v;
        n_ = uint32_t(n);
    }
    void insert(size_t at, int64_t v) {
        push_back(v);
        int64_t* d = data();
        for (size_t i = n_ - 1; i > at; i--) d[i] = d[i - 1];
        d[at] = v;
    }
    void erase(size_t at) {
        int64_t* d = data();
        for (size_t i = inside(at); i + 1 < n_; i++) d[i] = d[i + 1];
        n_--;
    }
    void clear() { n_ = 0; }
    bool operator==(const Dims& o) const {
        if (n_ != o.n_) return false;
        const int64_t *a = data(), *b = o.data();
        for (uint32_t i = 0; i < n_; i++)
            if (a[i] != b[i]) return false;
        return true;
    }
};
inline bool same(Ints a, Ints b) { return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(int64_t)) == 0); }

int64_t product(Ints s);
Dims contiguous_strides(Ints sizes);
// A dimension counted from the end is brought to 0..ndim-1; out of range raises IndexError naming the operator's range.
int64_t wrap_dim(int64_t dim, int64_t ndim, bool scalar_ok = true);
Dims broadcast(Ints a, Ints b);
}  // namespace rl
