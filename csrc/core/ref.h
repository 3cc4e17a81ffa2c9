// A counted pointer to an object that carries its own count. Counts are guarded by the GIL, so they are plain integers.
#pragma once
#include <utility>

namespace rl {

template <class T>
class Ref {
    T* p_ = nullptr;

public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    explicit Ref(T* p) : p_(p) {
        if (p_) ++p_->refs;
    }
    static Ref steal(T* p) {
        Ref r;
        r.p_ = p;
        return r;
    }
    Ref(const Ref& o) : Ref(o.p_) {}
    Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    Ref& operator=(Ref o) noexcept {
        std::swap(p_, o.p_);
        return *this;
    }
    ~Ref() {
        if (p_ && --p_->refs == 0) T::destroy(p_);
    }
    T* get() const { return p_; }
    T* operator->() const { return p_; }
    T& operator*() const { return *p_; }
    explicit operator bool() const { return p_; }
    T* release() { return std::exchange(p_, nullptr); }
    bool operator==(const Ref& o) const { return p_ == o.p_; }
};

}  // namespace rl
