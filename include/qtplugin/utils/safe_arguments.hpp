/**
 * @file safe_arguments.hpp
 * @brief Safe reload as the C library takes it. For hotreload.hpp; programs need not include it.
 */
#pragma once

#include <string>
#include <vector>

#include <hot_reload_manager.h>

#include <qtplugin/utils/hot_reload_types.hpp>

namespace hotreload {
namespace detail {

inline std::string bytes_of(const std::filesystem::path& path);
inline std::int32_t ms(std::chrono::milliseconds value);

/** An hrm_safe_options and what it points to. */
class SafeArguments {
public:
    explicit SafeArguments(const std::optional<SafeOptions>& options)
    {
        if (!options)
            return;
        for (const auto& file : options->files)
            m_files.strings.push_back(bytes_of(file));
        m_symbols.strings = options->symbols;
        m_keys.strings = options->public_keys;
        m_allow_list = bytes_of(options->allow_list);
        m_signature = bytes_of(options->signature);
        m_given = true;
        m_struct.flags = (options->image ? HRM_SAFE_IMAGE : 0U) |
                         (options->strict_modes ? HRM_SAFE_STRICT_MODES : 0U) |
                         (options->accept_on_timeout ? HRM_SAFE_ACCEPT_ON_TIMEOUT : 0U);
        m_struct.files = m_files.terminated();
        m_struct.symbols = m_symbols.terminated();
        m_struct.public_keys = m_keys.terminated();
        m_struct.allow_list = m_allow_list.empty() ? nullptr : m_allow_list.c_str();
        m_struct.signature = m_signature.empty() ? nullptr : m_signature.c_str();
        m_struct.validator_timeout_ms = ms(options->validator_timeout);
        m_struct.report_timeout_ms = ms(options->report_timeout);
        m_struct.retries = options->retries;
        m_struct.retry_delay_ms = ms(options->retry_delay);
        m_struct.keep_generations = options->keep_generations;
    }
    SafeArguments(const SafeArguments&) = delete;
    SafeArguments& operator=(const SafeArguments&) = delete;

    const hrm_safe_options* get() const noexcept { return m_given ? &m_struct : nullptr; }

private:
    struct List {
        std::vector<std::string> strings;
        std::vector<const char*> pointers;

        const char* const* terminated()
        {
            for (const auto& s : strings)
                pointers.push_back(s.c_str());
            pointers.push_back(nullptr);
            return pointers.data();
        }
    };

    List m_files, m_symbols, m_keys;
    std::string m_allow_list, m_signature;
    hrm_safe_options m_struct = HRM_SAFE_OPTIONS_INIT;
    bool m_given = false;
};

}  // namespace detail
}  // namespace hotreload
