// Exceptions. Every message is built in one place per condition; the binding turns the kind into Python's class.
#pragma once
#include <cstdint>
#include <exception>
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
inline std::string str(int v) { return str(int64_t(v)); }
inline std::string str(size_t v) { return str(int64_t(v)); }
inline std::string str(bool v) { return v ? "True" : "False"; }
inline std::string str(const std::string& s) { return s; }
inline std::string str(std::string_view s) { return std::string(s); }
inline std::string str(const char* s) { return s; }

template <class... A>
std::string cat(const A&... a) {
    std::string r;
    (r.append(str(a)), ...);
    return r;
}

template <class... A>
[[noreturn, gnu::cold, gnu::noinline]] void raise(Err kind, const A&... a) {
    throw Error(kind, cat(a...));
}

// check(condition, Err::Value, "softmax(): dim ", d, " ..."): the message is built only when the condition fails.
template <class... A>
inline void check(bool ok, Err kind, const A&... a) {
    if (__builtin_expect(!ok, 0)) raise(kind, a...);
}
template <class... A>
inline void check(bool ok, const char* first, const A&... a) {
    if (__builtin_expect(!ok, 0)) raise(Err::Runtime, first, a...);
}
// A Python exception is already set; unwind to the binding, which lets it pass.
[[noreturn]] inline void raise_python() { throw Error(Err::Python, ""); }

}  // namespace rl
