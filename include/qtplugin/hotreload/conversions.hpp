// SPDX-License-Identifier: MIT
/**
 * @file conversions.hpp
 * @brief Structs of the C library as values of C++. For the headers beside it; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {
namespace detail {

inline Event::Time time_of(std::int64_t ns)
{
    return Event::Time(std::chrono::duration_cast<Event::Time::duration>(std::chrono::nanoseconds(ns)));
}

inline Candidate candidate_of(const hrm_candidate& c)
{
    Candidate candidate;
    candidate.plugin_id = c.plugin_id;
    candidate.path = path_of(c.path);
    candidate.snapshot_path = path_of(c.snapshot_path);
    candidate.snapshot_size = c.snapshot_size;
    candidate.snapshot_sha256 = c.snapshot_sha256;
    if (c.struct_size > offsetof(hrm_candidate, trusted_comment))  // a library of a version before has no such field
        candidate.trusted_comment = c.trusted_comment;
    candidate.generation = c.generation;
    return candidate;
}

inline Event event_of(const hrm_event& e)
{
    Event event;
    event.kind = static_cast<EventKind>(e.kind);
    event.health = static_cast<Health>(e.health);
    event.plugin_id = e.plugin_id;
    event.path = path_of(e.path);
    event.snapshot_path = path_of(e.snapshot_path);
    event.snapshot_size = e.snapshot_size;
    event.snapshot_sha256 = e.snapshot_sha256;
    event.trusted_comment = e.trusted_comment;
    if (e.struct_size > offsetof(hrm_event, folder_id))  // a library of a version before has no such field
        event.folder_id = e.folder_id;
    event.sequence = e.sequence;
    event.generation = e.generation;
    event.first_seen = time_of(e.first_seen_ns);
    event.decided = time_of(e.timestamp_ns);
    event.message = e.message;
    return event;
}

inline PluginStatus status_of(const hrm_plugin_status_info& s)
{
    PluginStatus status;
    status.state = static_cast<PluginState>(s.state);
    status.since = time_of(s.since_ns);
    status.due = time_of(s.due_ns);
    status.paused = s.paused != 0;
    status.watching = static_cast<Watching>(s.watching);
    status.last_decision = static_cast<Decision>(s.last_decision);
    if (s.last_outcome != 0)
        status.last_outcome = static_cast<Outcome>(s.last_outcome);
    status.last_decision_at = time_of(s.last_decision_ns);
    status.last_notification = time_of(s.last_notification_ns);
    status.last_check = time_of(s.last_check_ns);
    status.last_delivery = time_of(s.last_delivery_ns);
    status.last_report = time_of(s.last_report_ns);
    status.generation = s.generation;
    status.writer_pid = s.writer_pid;
    status.marked_since = time_of(s.marked_since_ns);
    return status;
}

inline PastDecision decision_of(const hrm_past_decision& d)
{
    PastDecision decision;
    decision.decision = static_cast<Decision>(d.decision);
    decision.time = time_of(d.timestamp_ns);
    decision.times = d.times;
    decision.reason = d.reason;
    return decision;
}

inline LogRecord record_of(const hrm_log_record& r)
{
    LogRecord record;
    record.level = static_cast<LogLevel>(r.level);
    record.time = time_of(r.timestamp_ns);
    record.plugin_id = r.plugin_id;
    record.message = r.message;
    return record;
}

inline Error error_of(std::int32_t code, const hrm_error& error, const std::string& plugin_id = {})
{
    return Error(error_code_of(code), error.code < 0 ? error.message : hrm_strerror(code), plugin_id,
                 error.os_error);
}

inline hrm_error no_error()
{
    hrm_error error = HRM_ERROR_INIT;
    return error;
}

inline expected<std::string> metrics_of(hrm_manager* manager)
{
    std::string text;
    hrm_error error = no_error();
    std::int32_t code = HRM_ERR_BUFFER_TOO_SMALL;
    for (std::size_t size = 16384; code == HRM_ERR_BUFFER_TOO_SMALL; size += size / 8) {  // it may become longer in between
        text.resize(size);
        code = hrm_metrics(manager, &text[0], &size, &error);
        if (code >= 0)
            text.resize(size - 1);
    }
    if (code < 0)
        return unexpected(error_of(code, error));
    return text;
}

/** Why the library that was loaded is not the one that this header is for. */
inline std::optional<Error> other_major()
{
    if (hrm_version_number() / 1000000 == HRM_VERSION_MAJOR)
        return std::nullopt;
    return Error(ErrorCode::NotSupported, std::string("libhotreload ") + hrm_version_string() +
                                              " was loaded, but this program was built for " + HRM_VERSION_STRING);
}

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
