// SPDX-License-Identifier: MIT
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
 * @tparam E  the type of the error
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa expected
 */
template <class E>
class bad_expected_access : public std::exception {
public:
    /**
     * Wraps an error.
     * @param error  the error
     */
    explicit bad_expected_access(E error) : m_error(std::move(error)) {}
    /**
     * The error's message.
     * @returns the message if the error has one, as hotreload::Error has; otherwise a general sentence. Valid as long as this
     * object.
     */
    const char* what() const noexcept override
    {
        if constexpr (detail::has_message<E>::value)
            return m_error.message().c_str();
        else
            return "hotreload::bad_expected_access: there is an error, no value";
    }
    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    const E& error() const& noexcept { return m_error; }
    /**
     * The error, to be moved from.
     * @returns the error
     */
    E&& error() && noexcept { return std::move(m_error); }

private:
    E m_error;
};

/**
 * An error, of which an expected is made.
 *
 * @tparam E  the type of the error
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa expected, make_unexpected()
 */
template <class E>
class unexpected {
public:
    /**
     * Wraps an error.
     * @param error  the error
     */
    explicit unexpected(E error) : m_error(std::move(error)) {}
    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    const E& error() const& noexcept { return m_error; }
    /**
     * The error, to be moved from.
     * @returns the error
     */
    E&& error() && noexcept { return std::move(m_error); }

private:
    E m_error;
};

/** @cond */
template <class E>
unexpected(E) -> unexpected<E>;
/** @endcond */

/**
 * A T, or an E that says why there is none.
 *
 * error() may only be called if has_value() is false, and operator*() and operator->() only if it is true.
 *
 * @tparam T  the type of the value; may be void
 * @tparam E  the type of the error
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa unexpected, bad_expected_access, Error
 */
template <class T, class E = Error>
class [[nodiscard]] expected {
public:
    using value_type = T;  ///< the type of the value
    using error_type = E;  ///< the type of the error

    /** A default value. */
    template <class U = T, class = std::enable_if_t<std::is_default_constructible_v<U>>>
    expected() : m_state(std::in_place_index<0>)
    {
    }
    /**
     * A value.
     * @param value  the value
     */
    expected(T value) : m_state(std::in_place_index<0>, std::move(value)) {}
    /**
     * An error.
     * @param u  the error, as unexpected or make_unexpected() wrap it
     */
    template <class G, class = std::enable_if_t<std::is_convertible_v<G, E>>>
    expected(unexpected<G> u) : m_state(std::in_place_index<1>, std::move(u).error())
    {
    }

    /**
     * Whether there is a value.
     * @returns true if there is a value, false if there is an error
     */
    bool has_value() const noexcept { return m_state.index() == 0; }
    /**
     * Whether there is a value.
     * @returns has_value()
     */
    explicit operator bool() const noexcept { return has_value(); }

    /**
     * The value.
     * @returns the value
     * @throws bad_expected_access<E> if there is an error; its what() is the error's message
     */
    const T& value() const&
    {
        if (!has_value())
            throw bad_expected_access<E>(error());
        return *std::get_if<0>(&m_state);
    }
    /**
     * The value, to be moved from.
     * @returns the value
     * @throws bad_expected_access<E> if there is an error; its what() is the error's message
     */
    T&& value() &&
    {
        if (!has_value())
            throw bad_expected_access<E>(std::move(*this).error());
        return std::move(*std::get_if<0>(&m_state));
    }
    /**
     * The value.
     * @returns the value
     * @throws bad_expected_access<E> if there is an error; its what() is the error's message
     */
    T& value() & { return const_cast<T&>(std::as_const(*this).value()); }

    /**
     * The value, unchecked.
     * @returns the value
     */
    const T& operator*() const& noexcept { return (assert(has_value()), *std::get_if<0>(&m_state)); }
    /**
     * The value, unchecked.
     * @returns the value
     */
    T& operator*() & noexcept { return (assert(has_value()), *std::get_if<0>(&m_state)); }
    /**
     * The value, unchecked, to be moved from.
     * @returns the value
     */
    T&& operator*() && noexcept { return (assert(has_value()), std::move(*std::get_if<0>(&m_state))); }
    /**
     * A member of the value, unchecked.
     * @returns the value's address
     */
    const T* operator->() const noexcept { return (assert(has_value()), std::get_if<0>(&m_state)); }
    /**
     * A member of the value, unchecked.
     * @returns the value's address
     */
    T* operator->() noexcept { return (assert(has_value()), std::get_if<0>(&m_state)); }

    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    const E& error() const& noexcept { return (assert(!has_value()), *std::get_if<1>(&m_state)); }
    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    E& error() & noexcept { return (assert(!has_value()), *std::get_if<1>(&m_state)); }
    /**
     * The error, to be moved from.
     * @returns the error
     */
    E&& error() && noexcept { return (assert(!has_value()), std::move(*std::get_if<1>(&m_state))); }

    /**
     * The value, or another one.
     * @param other  what to return if there is an error
     * @returns the value, or other
     */
    template <class U>
    T value_or(U&& other) const&
    {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }

    /**
     * Goes on with the value.
     * @param f  called with the value; returns an expected with the same type of error
     * @returns f(value), or this error
     */
    template <class F>
    auto and_then(F&& f) const& -> std::invoke_result_t<F, const T&>
    {
        if (has_value())
            return std::invoke(std::forward<F>(f), **this);
        return unexpected<E>(error());
    }

    /**
     * Goes on with the error.
     * @param f  called with the error; returns an expected with the same type of value
     * @returns this value, or f(error)
     */
    template <class F>
    expected or_else(F&& f) const&
    {
        return has_value() ? *this : expected(std::invoke(std::forward<F>(f), error()));
    }

    /**
     * Changes the error.
     * @param f  called with the error; returns another error, of any type
     * @returns this value, or f(error)
     */
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

/**
 * Success, or an E that says why not.
 *
 * error() may only be called if has_value() is false.
 *
 * @tparam E  the type of the error
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa unexpected, bad_expected_access, Error
 */
template <class E>
class [[nodiscard]] expected<void, E> {
public:
    using value_type = void;  ///< there is no value
    using error_type = E;     ///< the type of the error

    /** A success. */
    expected() = default;
    /**
     * An error.
     * @param u  the error, as unexpected or make_unexpected() wrap it
     */
    template <class G, class = std::enable_if_t<std::is_convertible_v<G, E>>>
    expected(unexpected<G> u) : m_error(std::move(u).error())
    {
    }

    /**
     * Whether it is a success.
     * @returns true for a success, false if there is an error
     */
    bool has_value() const noexcept { return !m_error.has_value(); }
    /**
     * Whether it is a success.
     * @returns has_value()
     */
    explicit operator bool() const noexcept { return has_value(); }

    /**
     * Checks for success.
     * @throws bad_expected_access<E> if there is an error; its what() is the error's message
     */
    void value() const
    {
        if (!has_value())
            throw bad_expected_access<E>(*m_error);
    }
    /** Nothing; for code that is written for any type of value. */
    void operator*() const noexcept { assert(has_value()); }

    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    const E& error() const& noexcept { return (assert(!has_value()), *m_error); }
    /**
     * The error.
     * @returns the error; valid as long as this object
     */
    E& error() & noexcept { return (assert(!has_value()), *m_error); }
    /**
     * The error, to be moved from.
     * @returns the error
     */
    E&& error() && noexcept { return (assert(!has_value()), std::move(*m_error)); }

    /**
     * Goes on after a success.
     * @param f  called without arguments; returns an expected with the same type of error
     * @returns f(), or this error
     */
    template <class F>
    auto and_then(F&& f) const& -> std::invoke_result_t<F>
    {
        if (has_value())
            return std::invoke(std::forward<F>(f));
        return unexpected<E>(error());
    }

    /**
     * Goes on with the error.
     * @param f  called with the error; returns an expected<void, E>
     * @returns this success, or f(error)
     */
    template <class F>
    expected or_else(F&& f) const&
    {
        return has_value() ? *this : expected(std::invoke(std::forward<F>(f), error()));
    }

    /**
     * Changes the error.
     * @param f  called with the error; returns another error, of any type
     * @returns this success, or f(error)
     */
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

/**
 * Wraps an error, of which an expected is made.
 *
 * @param error  the error
 * @returns the error as unexpected
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa unexpected
 */
template <class E>
unexpected<std::decay_t<E>> make_unexpected(E&& error)
{
    return unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
