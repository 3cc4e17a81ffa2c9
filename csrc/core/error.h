// Exceptions. Every message is built in one place per condition; the binding turns the kind into Python's class.
#pragma once
#include <concepts>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace rl {

enum class Err : uint8_t { Runtime, Value, Type, Index, NotImplemented, LinAlg, OutOfMemory, Attribute, Overflow, ZeroDivision, Python };

struct Error : std::exception {
    Err kind;
    std::string text;
    Error(Err k, std::string t) : kind(k), text(std::move(t)) {}
    const char* what() const noexcept override { return text.c_str(); }
};

std::string str(int64_t v);
std::string str(double v);
std::string str(std::span<const int64_t> v);  // "[2, 3]"

// A piece of a message, which costs a caller that will not raise nothing: it becomes text in joined().
class Piece {
    enum class Kind : uint8_t { Int, Real, Bool, Text, Sizes } kind_;
    uint32_t n_ = 0;
    union {
        int64_t int_;
        double real_;
        const char* text_;
        const int64_t* sizes_;
    };
    friend std::string joined(std::initializer_list<Piece> pieces);

public:
    template <std::integral T> Piece(T v) : kind_(std::is_same_v<T, bool> ? Kind::Bool : Kind::Int), int_(int64_t(v)) {}
    Piece(double v) : kind_(Kind::Real), real_(v) {}
    Piece(std::string_view s) : kind_(Kind::Text), n_(uint32_t(s.size())), text_(s.data()) {}
    Piece(const std::string& s) : Piece(std::string_view(s)) {}
    Piece(const char* s) : Piece(std::string_view(s)) {}
    Piece(std::span<const int64_t> v) : kind_(Kind::Sizes), n_(uint32_t(v.size())), sizes_(v.data()) {}
    template <class T> requires(std::is_convertible_v<const T&, std::span<const int64_t>> && std::is_class_v<T>) Piece(const T& v) : Piece(std::span<const int64_t>(v)) {}
};
std::string joined(std::initializer_list<Piece> pieces);
[[noreturn, gnu::cold]] void raise_joined(Err kind, std::initializer_list<Piece> pieces);

template <class... A>
inline std::string cat(const A&... a) {
    return joined({Piece(a)...});
}
template <class... A>
[[noreturn]] inline void raise(Err kind, const A&... a) {
    raise_joined(kind, {Piece(a)...});
}

// check(condition, Err::Value, "softmax(): dim ", d, " ..."): the message is built only when the condition fails.
template <class... A>
[[gnu::always_inline]] inline void check(bool ok, Err kind, const A&... a) {
    if (__builtin_expect(!ok, 0)) raise_joined(kind, {Piece(a)...});
}
template <class... A>
    requires(std::is_constructible_v<Piece, const A&> && ...)
[[gnu::always_inline]] inline void check(bool ok, const A&... a) {
    if (__builtin_expect(!ok, 0)) raise_joined(Err::Runtime, {Piece(a)...});
}
// Python's UserWarning, which raises where the program turns warnings into errors.
void warn_joined(std::initializer_list<Piece> pieces);
template <class... A>
inline void warn(const A&... a) {
    warn_joined({Piece(a)...});
}
// A Python exception is already set; unwind to the binding, which lets it pass.
[[noreturn]] inline void raise_python() { throw Error(Err::Python, ""); }

}  // namespace rl
