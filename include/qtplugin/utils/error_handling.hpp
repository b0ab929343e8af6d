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

using PluginErrorCode = hotreload::ErrorCode;
using PluginError = hotreload::Error;

/** An expected<T, PluginError> that is an error, as QtForge's users make it. @since 1.0 */
template <class T>
expected<T, PluginError> make_error(PluginErrorCode code, std::string message)
{
    return make_unexpected(PluginError(code, std::move(message)));
}

/** An expected<void, PluginError> that is a success, as QtForge's users make it. @since 1.0 */
inline expected<void, PluginError> make_success() { return {}; }

}  // namespace hotreload_1
}  // namespace qtplugin

#endif  // HOTRELOAD_REQUIREMENTS_MET
