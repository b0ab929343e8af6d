// SPDX-License-Identifier: MIT
/**
 * @file error_handling.hpp
 * @brief The errors of the C++ interfaces under the names of the reference.
 *
 * Everything that this library calls qtplugin:: lies in the inline namespace hotreload_1, so that it is another name for
 * the linker than QtForge's own. Programs write qtplugin::PluginError.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <string>
#include <utility>

#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/utils/expected.hpp>

namespace qtplugin {
inline namespace hotreload_1 {

/**
 * The reference's name of hotreload::ErrorCode.
 * @since 1.0.0
 * @sa hotreload::ErrorCode
 */
using PluginErrorCode = hotreload::ErrorCode;
/**
 * The reference's name of hotreload::Error.
 * @since 1.0.0
 * @sa hotreload::Error
 */
using PluginError = hotreload::Error;

/**
 * Makes an error, as QtForge's users make it.
 *
 * @tparam T       the type of the value that there is not
 * @param code     why
 * @param message  one sentence that names the offending value
 * @returns an expected that has the error
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa make_success()
 */
template <class T>
expected<T, PluginError> make_error(PluginErrorCode code, std::string message)
{
    return make_unexpected(PluginError(code, std::move(message)));
}

/**
 * Makes a success, as QtForge's users make it.
 *
 * @returns an expected without an error
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa make_error()
 */
inline expected<void, PluginError> make_success() { return {}; }

}  // namespace hotreload_1
}  // namespace qtplugin

#endif  // HOTRELOAD_REQUIREMENTS_MET
