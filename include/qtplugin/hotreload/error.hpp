// SPDX-License-Identifier: MIT
/**
 * @file error.hpp
 * @brief Error codes and the error object of the C++ interfaces.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace hotreload {

/**
 * Why an operation failed. The numbers never change. A code that QtForge 3.2 has, too, has QtForge's number; codes that
 * QtForge does not have are numbered from 10001.
 *
 * @since 1.0.0
 * @sa Error, error_code_of()
 */
enum class ErrorCode : int {
    Success = 0,               ///< no error
    FileNotFound = 100,        ///< the plugin file does not exist
    InvalidParameters = 302,   ///< an id or option is malformed or out of range
    ResourceUnavailable = 306, ///< memory or file descriptors ran out
    AlreadyExists = 307,       ///< hot reload is enabled for the plugin already
    InvalidState = 309,        ///< the manager is unusable: after a contained fault, or in the child of a fork
    NotSupported = 314,        ///< not on this platform or by this version
    SystemError = 316,         ///< another system call failed
    PermissionDenied = 401,    ///< the file is unreadable or its directory not searchable
    InvalidPath = 10001,       ///< the path is empty, too long, or names no regular file; QtForge has no such code
};

/**
 * The code for an HRM_ERR_* code of hot_reload_manager.h.
 *
 * @param hrm_code  what a function of the C interface returned
 * @returns the code; Success for 0 and above, SystemError for a code that this header does not know
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa ErrorCode
 */
constexpr ErrorCode error_code_of(std::int32_t hrm_code) noexcept
{
    switch (hrm_code) {
    case -1: return ErrorCode::FileNotFound;
    case -2: return ErrorCode::InvalidPath;
    case -3: return ErrorCode::AlreadyExists;
    case -4: return ErrorCode::PermissionDenied;
    case -5: return ErrorCode::InvalidParameters;
    case -8: return ErrorCode::NotSupported;
    case -7:
    case -11: return ErrorCode::SystemError;
    case -12: return ErrorCode::ResourceUnavailable;
    case -6:
    case -9:
    case -10: return ErrorCode::InvalidState;
    default: return hrm_code >= 0 ? ErrorCode::Success : ErrorCode::SystemError;
    }
}

namespace detail {

/** An ErrorCode that may be read with and without (). */
class CodeField {
public:
    constexpr CodeField(ErrorCode code) noexcept : m_code(code) {}
    constexpr ErrorCode operator()() const noexcept { return m_code; }
    constexpr operator ErrorCode() const noexcept { return m_code; }
    /** static_cast<int>(error.code), as of an enumerator. */
    template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
    constexpr explicit operator Integer() const noexcept
    {
        return static_cast<Integer>(m_code);
    }

private:
    ErrorCode m_code;
};

/** A string that may be read with and without (). */
class TextField : public std::string {
public:
    using std::string::string;
    TextField(std::string text) noexcept : std::string(std::move(text)) {}
    const std::string& operator()() const noexcept { return *this; }
};

}  // namespace detail

/**
 * What went wrong, for the program (code) and for people (message). Copyable.
 *
 * Both can be written as functions, `error.code()` and `error.message()`, and as the fields that QtForge 3.2's errors
 * have, `error.code` and `error.message`.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa ErrorCode, expected
 */
class Error {
public:
    /**
     * Makes an error.
     * @param code_      why
     * @param message_   one sentence in English that names the offending value
     * @param plugin_id  the plugin concerned; empty if none
     * @param os_error   errno or GetLastError(); 0 if none
     */
    Error(ErrorCode code_, std::string message_, std::string plugin_id = {}, int os_error = 0)
        : code(code_), message(std::move(message_)), m_os_error(os_error), m_plugin_id(std::move(plugin_id))
    {
    }

    /** An ErrorCode, and called an ErrorCode. */
    detail::CodeField code;
    /**
     * A std::string, and called a std::string: one sentence in English that names the offending value; UTF-8. Valid as
     * long as this object. message() can be streamed to qDebug() and its like with every version of Qt.
     *
     * It is mutable only for `ok ? std::string() : error.message`, which C++ does not take from a const error otherwise.
     */
    mutable detail::TextField message;

    /**
     * The plugin concerned.
     * @returns its id; empty if none. Valid as long as this object.
     */
    const std::string& plugin_id() const noexcept { return m_plugin_id; }
    /**
     * The error of the system call that failed.
     * @returns errno (POSIX) or GetLastError() (Windows); 0 if none
     */
    int os_error() const noexcept { return m_os_error; }

    /**
     * Compares the code.
     * @param e       the error
     * @param wanted  a code
     * @returns whether the error has this code
     */
    friend bool operator==(const Error& e, ErrorCode wanted) noexcept { return e.code() == wanted; }
    /**
     * Compares the code.
     * @param e       the error
     * @param wanted  a code
     * @returns whether the error has another code
     */
    friend bool operator!=(const Error& e, ErrorCode wanted) noexcept { return e.code() != wanted; }

private:
    int m_os_error;
    std::string m_plugin_id;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
