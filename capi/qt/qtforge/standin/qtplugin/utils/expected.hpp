// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests: the interface that its users write, made anew for this purpose,
// with layouts that differ from those of libhotreload.
#pragma once

#include <string>
#include <utility>

namespace qtplugin {

template <class T, class E>
class expected {
public:
    expected(T value) : m_value(std::move(value)), m_has_value(true) {}
    explicit expected(E error, int) : m_error(std::move(error)) {}

    bool has_value() const noexcept { return m_has_value; }
    explicit operator bool() const noexcept { return m_has_value; }
    const T& value() const { return m_value; }
    T& value() { return m_value; }
    const E& error() const { return m_error; }

private:
    char m_padding[48] = "stand-in";  // another layout
    E m_error{};
    T m_value{};
    bool m_has_value = false;
};

template <class E>
class expected<void, E> {
public:
    expected() : m_has_value(true) {}
    explicit expected(E error, int) : m_error(std::move(error)) {}

    bool has_value() const noexcept { return m_has_value; }
    explicit operator bool() const noexcept { return m_has_value; }
    void value() const {}
    const E& error() const { return m_error; }

private:
    char m_padding[48] = "stand-in";  // another layout
    E m_error{};
    bool m_has_value = false;
};

}  // namespace qtplugin
