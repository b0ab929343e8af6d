// SPDX-License-Identifier: MIT
/**
 * @file plugin_types.hpp
 * @brief What hosts of plugins say: modes and outcomes. Included by both headers plugin_host.hpp.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <string>

#include <hot_reload_plugin.h>

namespace hotreload {

/**
 * In which order the old and the new version of a plugin exit and begin.
 *
 * @since 1.0.0
 * @sa PluginOptions
 */
enum class ReloadMode : std::int32_t {
    side_by_side = HRM_MODE_SIDE_BY_SIDE,  ///< the new version is initialised while the old one answers
    exit_first = HRM_MODE_EXIT_FIRST,      ///< the old version exits before the new one is initialised
    unload_first = HRM_MODE_UNLOAD_FIRST,  ///< the old version is unloaded before the new one is loaded
};

/**
 * What became of a version.
 *
 * @since 1.0.0
 * @sa PluginOutcome
 */
enum class Verdict : std::int32_t {
    done = HRM_VERDICT_DONE,            ///< it answers now
    restarted = HRM_VERDICT_RESTARTED,  ///< it answers again, with new versions of what it needs
    failed = HRM_VERDICT_FAILED,        ///< it is bad, and not tried again
    postponed = HRM_VERDICT_POSTPONED,  ///< calls under way did not end in time; it is tried again
    waiting = HRM_VERDICT_WAITING,      ///< it waits for another version or for Plugin::take_without_state()
    withdrawn = HRM_VERDICT_WITHDRAWN,  ///< it is not wanted any more
    stopped = HRM_VERDICT_STOPPED,      ///< no version of the plugin answers
    recovered = HRM_VERDICT_RECOVERED,  ///< a version that had stopped answers again
    rejected = HRM_VERDICT_REJECTED,    ///< validation or canary rejected a version
    noted = HRM_VERDICT_NOTED,          ///< nothing changed, but the host should know
};

/**
 * What became of a version of a plugin, and why.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa PluginHost
 */
struct PluginOutcome {
    std::string plugin_id;             ///< the plugin
    Verdict verdict = Verdict::noted;  ///< what became of the version
    std::uint64_t generation = 0;      ///< of the version; 0 if it is about none
    std::uint64_t active = 0;          ///< of the version that answers now; 0 if none does
    std::string reason;                ///< why; empty if there is nothing to say
    std::string down;                  ///< why no version answers, if one should; otherwise empty
    std::string notes;                 ///< what else was not as it should be, separated by "; "
    std::chrono::milliseconds retry{0};  ///< of Verdict::postponed: the time until the next attempt
    int attempt = 0;                     ///< of Verdict::postponed: counted from 1
    std::string message;               ///< all of this as one printable line
};

namespace detail {

inline PluginOutcome outcome_of(const hrm_plugin_outcome& o)
{
    PluginOutcome outcome;
    outcome.plugin_id = o.plugin_id;
    outcome.verdict = static_cast<Verdict>(o.verdict);
    outcome.generation = o.generation;
    outcome.active = o.active;
    outcome.reason = o.reason;
    outcome.down = o.down;
    outcome.notes = o.notes;
    outcome.retry = std::chrono::milliseconds(o.retry_ms);
    outcome.attempt = o.attempt;
    outcome.message = o.message;
    return outcome;
}

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
