// SPDX-License-Identifier: MIT
// The options of a plugin of a PluginHost as the C library takes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <hot_reload_plugin.h>

#include <qtplugin/hotreload.hpp>
#include <qtplugin/monitoring/plugin_host.hpp>

#include "hosted_version.hpp"

namespace qtplugin {
inline namespace hotreload_1 {

/** An hrm_plugin_opening and what it points to. */
class PluginArguments {
public:
    PluginArguments(const PluginOpening& opening, const HostState::Functions* functions)
        : m_id(opening.plugin_id), m_path(hotreload::detail::bytes_of(opening.file)), m_safe(opening.options.safe),
          m_needs(opening.reload.needs), m_error(m_safe.error())
    {
        using hotreload::detail::nul_in;
        if (auto error = nul_in("plugin id", m_id))
            m_error = error;
        if (auto error = nul_in("path", m_path, m_id, hotreload::ErrorCode::InvalidPath))
            m_error = error;
        for (const std::string& id : m_needs) {
            if (auto error = nul_in("id of a plugin that is needed", id, m_id))
                m_error = error;
            m_pointers.push_back(id.c_str());
        }
        m_pointers.push_back(nullptr);
        if (opening.options.pause_marker)
            m_error = hotreload::Error(hotreload::ErrorCode::NotSupported, "plugin \"" + hotreload::detail::shown(m_id) +
                "\": a host has no pause markers; pause the plugin by manager().set_plugin_paused()", m_id);
        fill(opening.options, opening.reload);
        m_options.prepare_data = const_cast<HostState::Functions*>(functions);
    }
    PluginArguments(const PluginArguments&) = delete;
    PluginArguments& operator=(const PluginArguments&) = delete;

    hrm_plugin_opening get() const noexcept
    {
        hrm_plugin_opening opening = HRM_PLUGIN_OPENING_INIT;
        opening.plugin_id = m_id.c_str();
        opening.path = m_path.c_str();
        opening.options = &m_options;
        return opening;
    }
    /** Why the options cannot be passed on, if they cannot. */
    const std::optional<hotreload::Error>& error() const noexcept { return m_error; }

private:
    void fill(const hotreload::EnableOptions& options, const ReloadOptions& reload)
    {
        m_options.flags = HRM_PLUGIN_DO_NOT_WAIT | (options.allow_missing ? HRM_PLUGIN_ALLOW_MISSING : 0U) |
                          (reload.state_optional ? HRM_PLUGIN_STATE_OPTIONAL : 0U);
        m_options.mode = static_cast<std::int32_t>(reload.mode);
        m_options.quiet_ms = hotreload::detail::ms(options.quiet);
        m_options.hand_over_timeout_ms = hotreload::detail::ms(reload.hand_over_timeout);
        m_options.in_use_ms = limit(reload.in_use);
        m_options.load_timeout_ms = limit(reload.load);
        m_options.init_timeout_ms = limit(reload.init);
        m_options.save_timeout_ms = limit(reload.save);
        m_options.restore_timeout_ms = limit(reload.restore);
        m_options.prepare_timeout_ms = limit(reload.prepare_limit);
        m_options.exit_timeout_ms = limit(reload.exit);
        m_options.unload_timeout_ms = limit(reload.unload);
        m_options.needs = m_needs.empty() ? nullptr : m_pointers.data();
        m_options.safe = m_safe.get();
    }
    /** In C less than zero is -1 alone. */
    static std::int32_t limit(std::chrono::milliseconds value)
    {
        return value.count() < 0 ? HRM_NO_LIMIT : hotreload::detail::ms(value);
    }

    const std::string m_id, m_path;
    const hotreload::detail::SafeArguments m_safe;
    const std::vector<std::string> m_needs;
    std::vector<const char*> m_pointers;
    hrm_plugin_options m_options = HRM_PLUGIN_OPTIONS_INIT;
    std::optional<hotreload::Error> m_error;
};

}  // namespace hotreload_1
}  // namespace qtplugin
