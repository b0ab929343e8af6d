// SPDX-License-Identifier: MIT
/**
 * @file manager_arguments.hpp
 * @brief Options of a manager as the C library takes them. For the headers beside it; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <optional>
#include <string>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/safe_arguments.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {
namespace detail {

/** An hrm_options and what it points to. */
class ManagerArguments {
public:
    ManagerArguments(const Options& options, Delivery delivery) : m_safe(options.safe), m_error(m_safe.error())
    {
        m_struct.dispatch_mode = static_cast<std::int32_t>(delivery);
        m_struct.quiet_ms = ms(options.quiet);
        m_struct.max_delay_ms = ms(options.max_delay);
        m_struct.poll_interval_ms = ms(options.poll_interval);
        m_struct.flags = (options.check_image ? HRM_CHECK_IMAGE : 0U) |
                         (options.ignore_unchanged_content ? HRM_IGNORE_UNCHANGED_CONTENT : 0U) |
                         (options.force_polling ? HRM_FORCE_POLLING : 0U) | (options.deliver_held ? HRM_DELIVER_HELD : 0U);
        m_struct.safe = m_safe.get();
        m_struct.safety_check_ms = ms(options.safety_check);
        m_struct.held_after_ms = ms(options.held_after);
        m_struct.marker_after_ms = ms(options.marker_after);
        if (options.snapshot_dir) {
            m_snapshot_dir = bytes_of(*options.snapshot_dir);
            if (!m_error)
                m_error = nul_in("snapshot_dir", m_snapshot_dir);
            m_struct.snapshot_dir = m_snapshot_dir.c_str();
        }
    }
    ManagerArguments(const ManagerArguments&) = delete;
    ManagerArguments& operator=(const ManagerArguments&) = delete;

    const hrm_options* get() const noexcept { return &m_struct; }
    /** Why the options cannot be passed on, if they cannot. */
    const std::optional<Error>& error() const noexcept { return m_error; }

private:
    SafeArguments m_safe;
    std::optional<Error> m_error;
    std::string m_snapshot_dir;
    hrm_options m_struct = HRM_OPTIONS_INIT;
};

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
