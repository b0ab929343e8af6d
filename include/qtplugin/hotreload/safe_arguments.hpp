// SPDX-License-Identifier: MIT
/**
 * @file safe_arguments.hpp
 * @brief Safe reload as the C library takes it. For hotreload.hpp; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {
namespace detail {

inline std::int32_t ms(std::chrono::milliseconds value)
{
    // What does not fit is out of range for the library too.
    constexpr std::chrono::milliseconds::rep most = INT32_MAX;
    return value.count() < -most ? INT32_MIN : static_cast<std::int32_t>(value.count() > most ? most : value.count());
}

/** An hrm_safe_options and what it points to. Fields that are not named stay NULL and 0. */
class SafeArguments {
public:
    explicit SafeArguments(const std::optional<SafeOptions>& options)
    {
        if (!options)
            return;
        m_given = true;
        m_struct.flags = bit(options->image, HRM_SAFE_IMAGE, HRM_SAFE_NO_IMAGE) |
                         bit(options->strict_modes, HRM_SAFE_STRICT_MODES, HRM_SAFE_NO_STRICT_MODES) |
                         bit(options->accept_on_timeout, HRM_SAFE_ACCEPT_ON_TIMEOUT, HRM_SAFE_REJECT_ON_TIMEOUT) |
                         bit(options->rising_version, HRM_SAFE_RISING_VERSION, HRM_SAFE_ANY_VERSION) |
                         bit(options->list_names, HRM_SAFE_LIST_NAMES, HRM_SAFE_NO_LIST_NAMES) |
                         bit(options->no_unique, HRM_SAFE_NO_UNIQUE, HRM_SAFE_ALLOW_UNIQUE);
        m_struct.files = m_files.name(options->files, "entry of files", m_error);
        m_struct.symbols = m_symbols.name(options->symbols, "entry of symbols", m_error);
        m_struct.public_keys = m_keys.name(options->public_keys, "entry of public_keys", m_error);
        m_struct.allow_list = m_allow_list.name(options->allow_list, "allow_list", m_error);
        m_struct.signature = m_signature.name(options->signature, "signature", m_error);
        m_struct.manifest = m_manifest.name(options->manifest, "manifest", m_error);
        m_struct.plugin_name = m_plugin_name.name(options->plugin_name, "plugin_name", m_error);
        m_struct.min_version = m_min_version.name(options->min_version, "min_version", m_error);
        m_struct.version_dir = m_version_dir.name(options->version_dir, "version_dir", m_error);
        m_struct.validator_timeout_ms = or_none(options->validator_timeout);
        m_struct.report_timeout_ms = or_none(options->report_timeout);
        m_struct.retries = or_none(options->retries);
        m_struct.keep_generations = or_none(options->keep_generations);
        m_struct.max_size = !options->max_size ? 0 : *options->max_size == 0 ? HRM_SAFE_NONE : *options->max_size;
        m_struct.retry_delay_ms = ms(options->retry_delay.value_or(std::chrono::milliseconds(0)));
        if (options->retry_delay == std::chrono::milliseconds(0) && !m_error)  // which C would not see as named
            m_error = Error(
                ErrorCode::InvalidParameters,
                "retry_delay of 0 ms is out of range: 1 to 86400000 ms, or leave the field out for the default");
    }
    SafeArguments(const SafeArguments&) = delete;
    SafeArguments& operator=(const SafeArguments&) = delete;

    /** Null if there are no options. */
    const hrm_safe_options* get() const noexcept { return m_given ? &m_struct : nullptr; }
    /** Why the options cannot be passed on, if they cannot. */
    const std::optional<Error>& error() const noexcept { return m_error; }

private:
    using Problem = std::optional<Error>;

    static const std::string& bytes_of(const std::string& s) noexcept { return s; }
    static std::string bytes_of(const std::filesystem::path& path) { return detail::bytes_of(path); }

    /** A string that stays NULL unless it is named. */
    class Text {
    public:
        template <class T>
        const char* name(const std::optional<T>& value, const char* what, Problem& problem)
        {
            if (!value)
                return nullptr;
            m_bytes = SafeArguments::bytes_of(*value);
            if (!problem)
                problem = nul_in(what, m_bytes);
            return m_bytes.c_str();
        }

    private:
        std::string m_bytes;
    };

    /** The same for a list; one that is named but empty consists of its end alone. */
    class List {
    public:
        template <class T>
        const char* const* name(const std::optional<std::vector<T>>& values, const char* what, Problem& problem)
        {
            if (!values)
                return nullptr;
            for (const T& value : *values) {
                m_strings.push_back(SafeArguments::bytes_of(value));
                if (!problem)
                    problem = nul_in(what, m_strings.back());
            }
            for (const auto& s : m_strings)
                m_pointers.push_back(s.c_str());
            m_pointers.push_back(nullptr);
            return m_pointers.data();
        }

    private:
        std::vector<std::string> m_strings;
        std::vector<const char*> m_pointers;
    };

    static std::uint32_t bit(const std::optional<bool>& value, std::uint32_t on, std::uint32_t off) noexcept
    {
        return !value ? 0U : *value ? on : off;
    }
    /** In C zero does not name a field, and -1 is none. */
    static std::int32_t or_none(const std::optional<int>& value) noexcept
    {
        static_assert(HRM_SAFE_NONE == HRM_KEEP_NONE, "one number stands for none");
        return !value ? 0 : *value == 0 ? HRM_SAFE_NONE : *value;
    }
    static std::int32_t or_none(const std::optional<std::chrono::milliseconds>& value)
    {
        return value ? or_none(std::optional<int>(ms(*value))) : 0;
    }

    List m_files, m_symbols, m_keys;
    Text m_allow_list, m_signature, m_manifest, m_plugin_name, m_min_version, m_version_dir;
    hrm_safe_options m_struct = HRM_SAFE_OPTIONS_INIT;
    Problem m_error;
    bool m_given = false;
};

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
