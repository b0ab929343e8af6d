// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

enum class PluginErrorCode : int {
    Success = 0,
    FileNotFound = 100,
    InvalidFormat = 101,
    LoadFailed = 103,
    InvalidParameters = 302,
    StateError = 303,
    ResourceUnavailable = 306,
    AlreadyExists = 307,
    NotImplemented = 308,
    InvalidState = 309,
    NotSupported = 314,
    SystemError = 316,
    PermissionDenied = 401,
    OutOfMemory = 500,
};

struct PluginError {
    std::vector<std::string> trace;  // before the rest, for another layout
    PluginErrorCode code = PluginErrorCode::Success;
    std::string message;
    std::string details;
};

template <class T>
expected<T, PluginError> make_error(PluginErrorCode code, const std::string& text)
{
    PluginError error;
    error.code = code;
    error.message = text;
    return expected<T, PluginError>(std::move(error), 0);
}

inline expected<void, PluginError> make_success() { return {}; }

}  // namespace qtplugin
