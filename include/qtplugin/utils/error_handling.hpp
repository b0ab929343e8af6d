/**
 * @file error_handling.hpp
 * @brief Error codes and the error object of the C++ interface.
 */
#pragma once

#include <qtplugin/utils/requirements.hpp>
#if defined(QTPLUGIN_REQUIREMENTS_MET)

#include <cstdint>
#include <string>
#include <utility>

#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

/** Why an operation failed. The numbers are fixed; those that QtForge 3 has are its own. */
enum class PluginErrorCode : int {
    Success = 0,
    FileNotFound = 100,         ///< the plugin file does not exist
    InvalidParameters = 302,    ///< an id or option is malformed or out of range
    InvalidPath = 303,          ///< the path is empty, too long, or names no regular file
    AlreadyExists = 307,        ///< hot reload is enabled for the plugin already
    NotSupported = 308,         ///< not on this platform or by this version
    PermissionDenied = 401,     ///< the file is unreadable or its directory not searchable
    ResourceUnavailable = 500,  ///< memory or file descriptors ran out
    SystemError = 501,          ///< another system call failed
    InvalidState = 502,         ///< the manager is unusable: after a contained fault, or in the child of a fork
};

/** The code for an HRM_ERR_* code of hot_reload_manager.h; Success for 0 and above. */
constexpr PluginErrorCode plugin_error_code(std::int32_t hrm_code) noexcept
{
    switch (hrm_code) {
    case -1: return PluginErrorCode::FileNotFound;
    case -2: return PluginErrorCode::InvalidPath;
    case -3: return PluginErrorCode::AlreadyExists;
    case -4: return PluginErrorCode::PermissionDenied;
    case -5: return PluginErrorCode::InvalidParameters;
    case -8: return PluginErrorCode::NotSupported;
    case -7:
    case -11: return PluginErrorCode::SystemError;
    case -12: return PluginErrorCode::ResourceUnavailable;
    case -6:
    case -9:
    case -10: return PluginErrorCode::InvalidState;
    default: return hrm_code >= 0 ? PluginErrorCode::Success : PluginErrorCode::SystemError;
    }
}

/** What went wrong, for the program (code()) and for people (message()). Copyable; immutable. */
class PluginError {
public:
    PluginError(PluginErrorCode code, std::string message, std::string plugin_id = {}, int os_error = 0)
        : m_code(code), m_os_error(os_error), m_message(std::move(message)), m_plugin_id(std::move(plugin_id))
    {
    }

    PluginErrorCode code() const noexcept { return m_code; }
    /**
     * One sentence in English that names the offending value; UTF-8. Valid as long as this object. It can be streamed to
     * qDebug() and its like with every version of Qt.
     *
     * @since 1.0
     */
    const std::string& message() const noexcept { return m_message; }
    /** The plugin concerned; empty if none. */
    const std::string& plugin_id() const noexcept { return m_plugin_id; }
    /** errno (POSIX) or GetLastError() (Windows) of the failed system call; 0 if none. */
    int os_error() const noexcept { return m_os_error; }

    friend bool operator==(const PluginError& e, PluginErrorCode code) noexcept { return e.m_code == code; }
    friend bool operator!=(const PluginError& e, PluginErrorCode code) noexcept { return e.m_code != code; }

private:
    PluginErrorCode m_code;
    int m_os_error;
    std::string m_message;
    std::string m_plugin_id;
};

}  // namespace qtplugin

#endif  // QTPLUGIN_REQUIREMENTS_MET
