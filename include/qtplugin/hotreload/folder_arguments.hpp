// SPDX-License-Identifier: MIT
/**
 * @file folder_arguments.hpp
 * @brief Options of a folder as the C library takes them. For the headers beside it; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/callbacks.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/safe_arguments.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {
namespace detail {

/** An hrm_folder_options and what it points to. */
class FolderArguments {
public:
    FolderArguments(const FolderOptions& options, std::shared_ptr<Shared> shared)
        : m_safe(options.safe), m_error(m_safe.error()), m_marker(options.pause_marker)
    {
        m_struct.flags = (options.allow_missing ? HRM_FOLDER_ALLOW_MISSING : 0U) |
                         (options.deliver_present ? HRM_FOLDER_DELIVER_PRESENT : 0U) |
                         (options.paused ? HRM_FOLDER_PAUSED : 0U) | (options.short_ids ? HRM_FOLDER_SHORT_IDS : 0U) |
                         (options.all_names ? HRM_FOLDER_ALL_NAMES : 0U);
        m_struct.include = patterns("include", options.include, m_include);
        m_struct.exclude = patterns("exclude", options.exclude, m_exclude);
        m_struct.max_depth = options.max_depth;
        m_struct.max_files = options.max_files;
        m_struct.quiet_ms = ms(options.quiet);
        m_struct.safe = m_safe.get();
        if (!m_marker.empty()) {
            check("pause_marker", m_marker);
            m_struct.pause_marker = m_marker.c_str();
        }
        if (options.id && !m_error) {
            m_slot = std::make_unique<Slot<Id>>(Slot<Id>{options.id, std::move(shared)});
            m_struct.id_fn = &FolderArguments::id_of;
            m_struct.id_destroy = &Slot<Id>::destroy;
        }
    }
    FolderArguments(const FolderArguments&) = delete;
    FolderArguments& operator=(const FolderArguments&) = delete;

    /** The options; the C library deletes the function, also when it rejects them. */
    const hrm_folder_options* release() noexcept
    {
        m_struct.id_user_data = m_slot.release();
        return &m_struct;
    }
    /** Why the options cannot be passed on, if they cannot. */
    const std::optional<Error>& error() const noexcept { return m_error; }

private:
    using Id = std::function<std::optional<std::string>(const std::string&)>;

    static std::int32_t HRM_CALL id_of(const char* path, char* id, std::size_t room, void* slot)
    {
        std::int32_t is_plugin = 0;
        static_cast<Slot<Id>*>(slot)->guarded("", [&](const Id& function) {
            const std::optional<std::string> name = function(path);
            if (!name)
                return;
            // One that is too long, or has a NUL byte, becomes one that the library rejects.
            const bool fits = name->size() < room && !has_nul(*name);
            const std::string text = fits ? *name : std::string("\n");
            text.copy(id, text.size());
            id[text.size()] = '\0';
            is_plugin = 1;
        });
        return is_plugin;
    }

    void check(const char* what, const std::string& value)
    {
        if (!m_error)
            m_error = nul_in(what, value);
    }

    const char* const* patterns(const char* what, const std::vector<std::string>& values, std::vector<const char*>& list)
    {
        if (values.empty())
            return nullptr;
        for (const std::string& value : values) {
            check(what, value);
            list.push_back(value.c_str());
        }
        list.push_back(nullptr);
        return list.data();
    }

    SafeArguments m_safe;
    std::optional<Error> m_error;
    std::string m_marker;
    std::vector<const char*> m_include, m_exclude;
    std::unique_ptr<Slot<Id>> m_slot;
    hrm_folder_options m_struct = HRM_FOLDER_OPTIONS_INIT;
};

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
