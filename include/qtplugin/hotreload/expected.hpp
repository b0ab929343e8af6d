/**
 * @file expected.hpp
 * @brief hotreload::expected: a value, or the reason why there is none.
 *
 * One unconditional type, never an alias of std::expected: it is part of the
 * signatures of a compiled library, and a library built as C++20 must link with
 * a program built as C++23.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cassert>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <qtplugin/hotreload/error.hpp>

namespace hotreload {

namespace detail {

/** Whether an E has a message() that lives as long as the E. */
template <class E, class = void>
struct has_message : std::false_type {};
template <class E>
struct has_message<E, std::void_t<decltype(std::declval<const E&>().message())>>
    : std::is_same<decltype(std::declval<const E&>().message()), const std::string&> {};

}  // namespace detail

/**
 * Thrown by expected::value() when there is an error instead. It carries that error, with code and message.
 *
 * @since 1.0
 */
template <class E>
class bad_expected_access : public std::exception {
public:
    explicit bad_expected_access(E error) : m_error(std::move(error)) {}
    /** The error's message if it has one (hotreload::Error has); valid as long as this object. */
    const char* what() const noexcept override
    {
        if constexpr (detail::has_message<E>::value)
            return m_error.message().c_str();
        else
            return "hotreload::bad_expected_access: there is an error, no value";
    }
    const E& error() const& noexcept { return m_error; }
    E&& error() && noexcept { return std::move(m_error); }

private:
    E m_error;
};

/** Wraps an error, to make an expected of it. */
template <class E>
class unexpected {
public:
    explicit unexpected(E error) : m_error(std::move(error)) {}
    const E& error() const& noexcept { return m_error; }
    E&& error() && noexcept { return std::move(m_error); }

private:
    E m_error;
};

template <class E>
unexpected(E) -> unexpected<E>;

/**
 * @brief A T, or an E that says why there is none.
 *
 * error() may only be called if has_value() is false: there is no error to
 * invent otherwise. Not synchronised; use one object from one thread.
 */
template <class T, class E = Error>
class [[nodiscard]] expected {
public:
    using value_type = T;
    using error_type = E;

    template <class U = T, class = std::enable_if_t<std::is_default_constructible_v<U>>>
    expected() : m_state(std::in_place_index<0>)
    {
    }
    expected(T value) : m_state(std::in_place_index<0>, std::move(value)) {}
    template <class G, class = std::enable_if_t<std::is_convertible_v<G, E>>>
    expected(unexpected<G> u) : m_state(std::in_place_index<1>, std::move(u).error())
    {
    }

    bool has_value() const noexcept { return m_state.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /** The value; throws bad_expected_access<E>, whose what() is the error's message, if there is none. */
    const T& value() const&
    {
        if (!has_value())
            throw bad_expected_access<E>(error());
        return *std::get_if<0>(&m_state);
    }
    T&& value() &&
    {
        if (!has_value())
            throw bad_expected_access<E>(std::move(*this).error());
        return std::move(*std::get_if<0>(&m_state));
    }
    T& value() & { return const_cast<T&>(std::as_const(*this).value()); }

    const T& operator*() const& noexcept { return (assert(has_value()), *std::get_if<0>(&m_state)); }
    T& operator*() & noexcept { return (assert(has_value()), *std::get_if<0>(&m_state)); }
    T&& operator*() && noexcept { return (assert(has_value()), std::move(*std::get_if<0>(&m_state))); }
    const T* operator->() const noexcept { return (assert(has_value()), std::get_if<0>(&m_state)); }
    T* operator->() noexcept { return (assert(has_value()), std::get_if<0>(&m_state)); }

    const E& error() const& noexcept { return (assert(!has_value()), *std::get_if<1>(&m_state)); }
    E& error() & noexcept { return (assert(!has_value()), *std::get_if<1>(&m_state)); }
    E&& error() && noexcept { return (assert(!has_value()), std::move(*std::get_if<1>(&m_state))); }

    template <class U>
    T value_or(U&& other) const&
    {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }

    /** f(value), which returns an expected with the same error type. */
    template <class F>
    auto and_then(F&& f) const& -> std::invoke_result_t<F, const T&>
    {
        if (has_value())
            return std::invoke(std::forward<F>(f), **this);
        return unexpected<E>(error());
    }

    /** f(error), which returns an expected with the same value type. */
    template <class F>
    expected or_else(F&& f) const&
    {
        return has_value() ? *this : expected(std::invoke(std::forward<F>(f), error()));
    }

    /** An expected<T, G> with f(error) in place of the error. */
    template <class F>
    auto transform_error(F&& f) const& -> expected<T, std::decay_t<std::invoke_result_t<F, const E&>>>
    {
        if (has_value())
            return **this;
        return unexpected(std::invoke(std::forward<F>(f), error()));
    }

private:
    std::variant<T, E> m_state;
};

/** Success, or an E that says why not. Otherwise as above. */
template <class E>
class [[nodiscard]] expected<void, E> {
public:
    using value_type = void;
    using error_type = E;

    expected() = default;
    template <class G, class = std::enable_if_t<std::is_convertible_v<G, E>>>
    expected(unexpected<G> u) : m_error(std::move(u).error())
    {
    }

    bool has_value() const noexcept { return !m_error.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    /** Throws bad_expected_access<E> if there is an error. */
    void value() const
    {
        if (!has_value())
            throw bad_expected_access<E>(*m_error);
    }
    void operator*() const noexcept { assert(has_value()); }

    const E& error() const& noexcept { return (assert(!has_value()), *m_error); }
    E& error() & noexcept { return (assert(!has_value()), *m_error); }
    E&& error() && noexcept { return (assert(!has_value()), std::move(*m_error)); }

    template <class F>
    auto and_then(F&& f) const& -> std::invoke_result_t<F>
    {
        if (has_value())
            return std::invoke(std::forward<F>(f));
        return unexpected<E>(error());
    }

    template <class F>
    expected or_else(F&& f) const&
    {
        return has_value() ? *this : expected(std::invoke(std::forward<F>(f), error()));
    }

    template <class F>
    auto transform_error(F&& f) const& -> expected<void, std::decay_t<std::invoke_result_t<F, const E&>>>
    {
        if (has_value())
            return {};
        return unexpected(std::invoke(std::forward<F>(f), error()));
    }

private:
    std::optional<E> m_error;
};

template <class E>
unexpected<std::decay_t<E>> make_unexpected(E&& error)
{
    return unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
