// SPDX-License-Identifier: MIT
/**
 * @file qtforge_errors.hpp
 * @brief This library's errors as QtForge's. For qtforge.hpp; programs need not include it.
 *
 * Includes QtForge's header of errors. Everything here may be called on any thread.
 */
#pragma once

#include <qtplugin/utils/error_handling.hpp>  // QtForge's

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#if defined(HOTRELOAD_NAMES_OF_THE_REFERENCE)
#error "qtplugin/hotreload/qtforge.hpp needs QtForge's headers and found libhotreload's of the same names: name QtForge's include directory before libhotreload's, and do not include libhotreload's qtplugin/monitoring or qtplugin/utils in this file."
#else

#include <string>

#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>

namespace hotreload {
namespace qtforge {

/**
 * QtForge's code of this name. InvalidPath, which QtForge does not have, becomes InvalidParameters.
 *
 * @param code  this library's code
 * @returns QtForge's code
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa result_of()
 */
inline ::qtplugin::PluginErrorCode code_of(ErrorCode code) noexcept
{
    using Theirs = ::qtplugin::PluginErrorCode;
    switch (code) {
    case ErrorCode::FileNotFound: return Theirs::FileNotFound;
    case ErrorCode::InvalidPath:
    case ErrorCode::InvalidParameters: return Theirs::InvalidParameters;
    case ErrorCode::ResourceUnavailable: return Theirs::ResourceUnavailable;
    case ErrorCode::AlreadyExists: return Theirs::AlreadyExists;
    case ErrorCode::InvalidState: return Theirs::InvalidState;
    case ErrorCode::NotSupported: return Theirs::NotSupported;
    case ErrorCode::PermissionDenied: return Theirs::PermissionDenied;
    case ErrorCode::SystemError:
    case ErrorCode::Success: break;
    }
    return Theirs::SystemError;
}

/**
 * An error as QtForge's.
 *
 * @tparam T     the type of the value that there is not
 * @param error  this library's error
 * @returns QtForge's expected<T, PluginError> with the error
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa code_of(), result_of()
 */
template <class T>
auto failure_of(const Error& error)
{
    return ::qtplugin::make_error<T>(code_of(error.code()), error.message());
}

/**
 * A result as QtForge's.
 *
 * @param result  this library's result
 * @returns QtForge's expected<void, PluginError>
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa failure_of()
 */
inline ::qtplugin::expected<void, ::qtplugin::PluginError> result_of(const expected<void>& result)
{
    if (!result)
        return failure_of<void>(result.error());
    return ::qtplugin::make_success();
}

}  // namespace qtforge
}  // namespace hotreload

#endif  // QtForge's headers
#endif  // HOTRELOAD_REQUIREMENTS_MET
