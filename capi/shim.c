/* SPDX-License-Identifier: MIT */
/*
 * The public functions. Checked here, before Go is entered: whether this is a
 * child of a fork (Go would never return there) or a signal handler, NULL
 * pointers, struct sizes.
 */
#define _GNU_SOURCE
#define HRM_BUILDING 1
#include "bridge.h"
#include "host.h"
#include "_cgo_export.h"
#include "shim.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- codes -- */

static const struct {
    int32_t code;
    const char *name;
    const char *text;
} codes[] = {
    {HRM_OK, "HRM_OK", "success"},
    {HRM_ERR_FILE_NOT_FOUND, "HRM_ERR_FILE_NOT_FOUND", "the plugin file does not exist"},
    {HRM_ERR_INVALID_PATH, "HRM_ERR_INVALID_PATH", "the path is empty, too long, or does not name a regular file"},
    {HRM_ERR_ALREADY_EXISTS, "HRM_ERR_ALREADY_EXISTS", "hot reload is enabled for this plugin already"},
    {HRM_ERR_PERMISSION_DENIED, "HRM_ERR_PERMISSION_DENIED", "no permission to read the file or to search its directory"},
    {HRM_ERR_INVALID_ARGUMENT, "HRM_ERR_INVALID_ARGUMENT", "an argument is NULL, malformed or out of range"},
    {HRM_ERR_INVALID_HANDLE, "HRM_ERR_INVALID_HANDLE", "this is not a manager, or not any more"},
    {HRM_ERR_BUFFER_TOO_SMALL, "HRM_ERR_BUFFER_TOO_SMALL", "the buffer is too small; the needed size was stored"},
    {HRM_ERR_NOT_SUPPORTED, "HRM_ERR_NOT_SUPPORTED", "not supported in this mode, on this platform or by this version"},
    {HRM_ERR_FORKED, "HRM_ERR_FORKED", "called in the child of a fork; create managers after fork, in a process that has exec'ed"},
    {HRM_ERR_PANIC, "HRM_ERR_PANIC", "a fault inside the library was contained; destroy the manager"},
    {HRM_ERR_IO, "HRM_ERR_IO", "a system call failed"},
    {HRM_ERR_NO_MEMORY, "HRM_ERR_NO_MEMORY", "memory or file descriptors ran out"},
};

static size_t find_code(int32_t code)
{
    size_t i;
    if (code >= 0)
        return 0;
    for (i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return i;
    return (size_t)-1;
}

const char *HRM_CALL hrm_error_name(int32_t code)
{
    size_t i = find_code(code);
    return i == (size_t)-1 ? "HRM_ERR_UNKNOWN" : codes[i].name;
}

const char *HRM_CALL hrm_strerror(int32_t code)
{
    size_t i = find_code(code);
    return i == (size_t)-1 ? "unknown error code" : codes[i].text;
}

int32_t HRM_CALL hrm_version_number(void) { return HRM_VERSION_NUMBER; }
const char *HRM_CALL hrm_version_string(void) { return HRM_VERSION_STRING; }

/* ---------------------------------------------------------------- structs -- */

static const hrmc_field options_fields[] = {
    FIELD(hrm_options, struct_size),   FIELD(hrm_options, dispatch_mode),    FIELD(hrm_options, quiet_ms),
    FIELD(hrm_options, max_delay_ms),  FIELD(hrm_options, poll_interval_ms), FIELD(hrm_options, flags),
    FIELD(hrm_options, safe),          FIELD(hrm_options, snapshot_dir),     FIELD(hrm_options, safety_check_ms),
    FIELD(hrm_options, held_after_ms), FIELD(hrm_options, marker_after_ms),  FIELD(hrm_options, reserved),
};
LAST(hrm_options, reserved);
static const hrmc_field enable_fields[] = {
    FIELD(hrm_enable_options, struct_size), FIELD(hrm_enable_options, flags),
    FIELD(hrm_enable_options, quiet_ms),    FIELD(hrm_enable_options, reserved),
    FIELD(hrm_enable_options, safe),        FIELD(hrm_enable_options, pause_marker),
};
LAST(hrm_enable_options, pause_marker);
static const hrmc_field folder_fields[] = {
    FIELD(hrm_folder_options, struct_size),  FIELD(hrm_folder_options, flags),        FIELD(hrm_folder_options, include),
    FIELD(hrm_folder_options, exclude),      FIELD(hrm_folder_options, max_depth),    FIELD(hrm_folder_options, max_files),
    FIELD(hrm_folder_options, quiet_ms),     FIELD(hrm_folder_options, reserved),     FIELD(hrm_folder_options, safe),
    FIELD(hrm_folder_options, pause_marker), FIELD(hrm_folder_options, id_fn),        FIELD(hrm_folder_options, id_user_data),
    FIELD(hrm_folder_options, id_destroy),
};
LAST(hrm_folder_options, id_destroy);
static const hrmc_field safe_fields[] = {
    FIELD(hrm_safe_options, struct_size),          FIELD(hrm_safe_options, flags),
    FIELD(hrm_safe_options, files),                FIELD(hrm_safe_options, symbols),
    FIELD(hrm_safe_options, allow_list),           FIELD(hrm_safe_options, public_keys),
    FIELD(hrm_safe_options, signature),            FIELD(hrm_safe_options, reserved_pointer),
    FIELD(hrm_safe_options, validator_timeout_ms),
    FIELD(hrm_safe_options, report_timeout_ms),    FIELD(hrm_safe_options, retries),
    FIELD(hrm_safe_options, retry_delay_ms),       FIELD(hrm_safe_options, keep_generations),
    FIELD(hrm_safe_options, reserved),
    FIELD(hrm_safe_options, max_size),             FIELD(hrm_safe_options, plugin_name),
    FIELD(hrm_safe_options, min_version),          FIELD(hrm_safe_options, version_dir),
    FIELD(hrm_safe_options, manifest),
};
LAST(hrm_safe_options, manifest);
/* The library writes these, or knows their fields by their size. */
LAST(hrm_error, message);
LAST(hrm_event, reserved_pointer);
LAST(hrm_candidate, reserved_pointer);
LAST(hrm_statistics, writers_unknown);
LAST(hrm_log_record, message);
static const hrmc_field status_fields[] = {
    FIELD(hrm_plugin_status_info, struct_size),      FIELD(hrm_plugin_status_info, state),
    FIELD(hrm_plugin_status_info, since_ns),         FIELD(hrm_plugin_status_info, due_ns),
    FIELD(hrm_plugin_status_info, paused),           FIELD(hrm_plugin_status_info, watching),
    FIELD(hrm_plugin_status_info, last_decision),    FIELD(hrm_plugin_status_info, last_outcome),
    FIELD(hrm_plugin_status_info, last_decision_ns), FIELD(hrm_plugin_status_info, last_notification_ns),
    FIELD(hrm_plugin_status_info, last_check_ns),    FIELD(hrm_plugin_status_info, last_delivery_ns),
    FIELD(hrm_plugin_status_info, last_report_ns),   FIELD(hrm_plugin_status_info, generation),
    FIELD(hrm_plugin_status_info, writer_pid),       FIELD(hrm_plugin_status_info, marked_since_ns),
};
LAST(hrm_plugin_status_info, marked_since_ns);

static const hrmc_field decision_fields[] = {
    FIELD(hrm_past_decision, struct_size), FIELD(hrm_past_decision, decision), FIELD(hrm_past_decision, timestamp_ns),
    FIELD(hrm_past_decision, times),       FIELD(hrm_past_decision, reason),
};
LAST(hrm_past_decision, reason);

/* Whether a struct of this size has a part of a field only. */
static int cuts_a_field(uint32_t size, const hrmc_field *fields, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (fields[i].begin < size && size < fields[i].end)
            return 1;
    return 0;
}

/* Copies the error to the caller's struct: its fields that are there as a whole,
 * and as much of the message as there is room for. */
int32_t hrmc_report(hrm_error *out, const hrm_error *e, int32_t code)
{
    const uint32_t text = offsetof(hrm_error, message);
    uint32_t size, end;
    if (out == NULL)
        return code;
    size = out->struct_size;
    if (size > sizeof *e)
        size = sizeof *e;
    if (size < text)
        size = size / sizeof(int32_t) * sizeof(int32_t);
    if (size <= sizeof out->struct_size)
        return code;
    memcpy((char *)out + sizeof out->struct_size, (const char *)e + sizeof out->struct_size,
           size - sizeof out->struct_size);
    if (size > text) {
        for (end = size - 1; end > text && ((const unsigned char *)e)[end] >> 6 == 2; end--) {
        } /* no character is cut in half */
        ((char *)out)[end] = 0;
    }
    return code;
}

int32_t hrmc_fail(hrm_error *out, int32_t code, const char *message)
{
    hrm_error e = HRM_ERROR_INIT;
    e.code = code;
    strncpy(e.message, message, sizeof e.message - 1);
    return hrmc_report(out, &e, code);
}

int32_t hrmc_fail_unusable(hrm_error *out, int32_t why)
{
    return hrmc_fail(out, why, why == HRM_ERR_NO_MEMORY
                                   ? "the library could not start when it was loaded: too few threads, or less than 1 GiB "
                                     "of address space (RLIMIT_NPROC, pids.max, RLIMIT_AS); raise the limit"
                                   : hrm_strerror(why));
}

/* Reads a caller's struct of another version: a short one is padded with zeros
 * and ends where a field does, the unknown tail of a long one must be zero. */
int32_t hrmc_read_struct(void *to, uint32_t size, const void *from, const char *name, const hrmc_field *fields, size_t n,
                         hrm_error *err)
{
    const unsigned char *bytes = from;
    uint32_t given, i;
    memset(to, 0, size);
    if (from != NULL) {
        memcpy(&given, from, sizeof given);
        if (given < sizeof given || given > 1u << 16 || cuts_a_field(given, fields, n)) {
            hrm_error e = HRM_ERROR_INIT;
            snprintf(e.message, sizeof e.message, "%s.struct_size is %u; set it to sizeof(%s)", name, (unsigned)given, name);
            e.code = HRM_ERR_INVALID_ARGUMENT;
            return hrmc_report(err, &e, HRM_ERR_INVALID_ARGUMENT);
        }
        for (i = size; i < given; i++)
            if (bytes[i] != 0)
                return hrmc_fail(err, HRM_ERR_NOT_SUPPORTED,
                                 "a struct is larger than this version of the library knows and uses fields it does "
                                 "not have; compare hrm_version_number()");
        memcpy(to, from, given < size ? given : size);
    }
    memcpy(to, &size, sizeof size);
    return HRM_OK;
}

/* The same for the safe options that another struct points to. */
int32_t hrmc_read_safe(hrm_safe_options *to, const hrm_safe_options **at, hrm_error *err)
{
    int32_t code = HRM_OK;
    if (*at != NULL) {
        code = hrmc_read_struct(to, sizeof *to, *at, "hrm_safe_options", safe_fields, COUNT(safe_fields), err);
        *at = to;
        if (code == HRM_OK && (to->reserved != 0 || to->reserved_pointer != NULL))
            code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_safe_options.reserved or reserved_pointer is not 0; set both to 0");
    }
    return code;
}

int32_t hrmc_read_options(hrm_options *to, hrm_safe_options *safe, const hrm_options *from, hrm_error *err)
{
    int32_t code = hrmc_read_struct(to, sizeof *to, from, "hrm_options", options_fields, COUNT(options_fields), err);
    if (code == HRM_OK && to->reserved != 0)
        code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_options.reserved is not 0; set it to 0");
    return code == HRM_OK ? hrmc_read_safe(safe, &to->safe, err) : code;
}

/* ---------------------------------------------------------------- functions -- */

#define HANDLE(m) ((uintptr_t)(m))
/* As hrmgo_create and hrmgo_enable, unless the process is short of something. */
static int32_t create(hrm_options *o, uint64_t mask, uintptr_t *handle, hrm_error *e)
{
    const char *shortage = hrmc_short_of(1);
    return shortage != NULL ? hrmc_fail(e, HRM_ERR_NO_MEMORY, shortage) : hrmgo_create(o, mask, handle, e);
}

static int32_t enable(uintptr_t handle, const char *plugin_id, const char *file_path, hrm_enable_options *o, hrm_error *e)
{
    const char *shortage = hrmc_short_of(0);
    return shortage != NULL ? hrmc_fail(e, HRM_ERR_NO_MEMORY, shortage) : hrmgo_enable(handle, plugin_id, file_path, o, e);
}

int32_t HRM_CALL hrm_manager_create(const hrm_options *opts, hrm_manager **out, hrm_error *err)
{
    hrm_options o;
    hrm_safe_options safe;
    hrm_error e = HRM_ERROR_INIT;
    uintptr_t handle = 0;
    int32_t code;
    if (out == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_manager_create: out is NULL; pass where to store the manager");
    *out = NULL;
    CHECK_USABLE(err);
    code = hrmc_read_options(&o, &safe, opts, err);
    if (code < 0)
        return code;
    IN_GO(err, code, create(&o, hrmc_host_mask(&call), &handle, &e));
    *out = (hrm_manager *)handle;
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_manager_destroy(hrm_manager *m)
{
    if (m == NULL)
        return HRM_OK;
    CALL_AND_WAIT(hrmgo_destroy(HANDLE(m)));
}

int32_t HRM_CALL hrm_enable_hot_reload(hrm_manager *m, const char *plugin_id, const char *file_path, hrm_error *err)
{
    return hrm_enable_hot_reload_ex(m, plugin_id, file_path, NULL, err);
}

int32_t HRM_CALL hrm_enable_hot_reload_ex(hrm_manager *m, const char *plugin_id, const char *file_path,
                                          const hrm_enable_options *opts, hrm_error *err)
{
    hrm_enable_options o;
    hrm_safe_options safe;
    int32_t code;
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    if (file_path == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "file_path is NULL");
    code = hrmc_read_struct(&o, sizeof o, opts, "hrm_enable_options", enable_fields, COUNT(enable_fields), err);
    if (code == HRM_OK && o.reserved != 0)
        code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_enable_options.reserved is not 0; set it to 0");
    if (code == HRM_OK)
        code = hrmc_read_safe(&safe, &o.safe, err);
    if (code < 0)
        return code;
    CALL(err, enable(HANDLE(m), plugin_id, file_path, &o, &e));
}

int32_t HRM_CALL hrm_disable_hot_reload(hrm_manager *m, const char *plugin_id)
{
    if (plugin_id == NULL)
        return hrmc_unusable() != HRM_OK ? hrmc_unusable() : HRM_ERR_INVALID_ARGUMENT;
    CALL_AND_WAIT(hrmgo_disable(HANDLE(m), plugin_id));
}

/* The questions that a host may ask often. */
static int32_t ask_enabled(hrm_manager *m, const char *plugin_id)
{
    int32_t code;
    IN_GO_BY(hrmc_enter_shortly, NULL, code, hrmgo_is_enabled(HANDLE(m), plugin_id, strlen(plugin_id), NULL));
    return code;
}

static int32_t ask_global(hrm_manager *m)
{
    int32_t code;
    IN_GO_BY(hrmc_enter_shortly, NULL, code, hrmgo_is_global(HANDLE(m), NULL));
    return code;
}

int32_t HRM_CALL hrm_is_hot_reload_enabled(hrm_manager *m, const char *plugin_id)
{
    return plugin_id != NULL && ask_enabled(m, plugin_id) == 1; /* in a condition an error is no yes */
}

/* The answer of a question that is 1, 0 or a code, apart from its code. */
static int32_t split_answer(int32_t answer, int32_t *yes)
{
    if (yes != NULL)
        *yes = answer == 1;
    return answer < 0 ? answer : HRM_OK;
}

int32_t HRM_CALL hrm_is_hot_reload_enabled_ex(hrm_manager *m, const char *plugin_id, int32_t *enabled, hrm_error *err)
{
    split_answer(0, enabled);
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    CALL(err, split_answer(hrmgo_is_enabled(HANDLE(m), plugin_id, strlen(plugin_id), &e), enabled));
}

int32_t HRM_CALL hrm_get_hot_reload_plugins(hrm_manager *m, char *buf, size_t *size)
{
    uint64_t n;
    int32_t code;
    CHECK_USABLE(NULL);
    if (size == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    n = *size;
    IN_GO(NULL, code, hrmgo_list(HANDLE(m), buf, &n));
    *size = (size_t)n;
    return code;
}

int32_t HRM_CALL hrm_clear(hrm_manager *m) { CALL_AND_WAIT(hrmgo_clear(HANDLE(m))); }

int32_t HRM_CALL hrm_set_global_hot_reload_enabled(hrm_manager *m, int32_t enabled)
{
    CALL_AND_WAIT(hrmgo_set_global(HANDLE(m), enabled));
}

int32_t HRM_CALL hrm_is_global_hot_reload_enabled(hrm_manager *m)
{
    return ask_global(m) == 1;
}

int32_t HRM_CALL hrm_is_global_hot_reload_enabled_ex(hrm_manager *m, int32_t *enabled, hrm_error *err)
{
    split_answer(0, enabled);
    CALL(err, split_answer(hrmgo_is_global(HANDLE(m), &e), enabled));
}

int32_t HRM_CALL hrm_set_plugin_paused(hrm_manager *m, const char *plugin_id, int32_t paused)
{
    CHECK_USABLE(NULL);
    if (plugin_id == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    CALL_AND_WAIT(hrmgo_set_paused(HANDLE(m), plugin_id, paused));
}

int32_t HRM_CALL hrm_is_plugin_paused(hrm_manager *m, const char *plugin_id)
{
    int32_t paused;
    hrm_is_plugin_paused_ex(m, plugin_id, &paused, NULL);
    return paused;
}

int32_t HRM_CALL hrm_is_plugin_paused_ex(hrm_manager *m, const char *plugin_id, int32_t *paused, hrm_error *err)
{
    split_answer(0, paused);
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    CALL(err, split_answer(hrmgo_is_paused(HANDLE(m), plugin_id, &e), paused));
}

int32_t HRM_CALL hrm_check_now(hrm_manager *m, const char *plugin_id)
{
    CALL(NULL, plugin_id == NULL ? hrmgo_check_all(HANDLE(m)) : hrmgo_check(HANDLE(m), plugin_id));
}

/* Reads the options of a folder. Their destroy function is the library's once they can be read. */
static int32_t read_folder(hrm_folder_options *to, hrm_safe_options *safe, const hrm_folder_options *from, hrm_error *err)
{
    int32_t code = hrmc_read_struct(to, sizeof *to, from, "hrm_folder_options", folder_fields, COUNT(folder_fields), err);
    if (code < 0) {
        memset(to, 0, sizeof *to);
        return code;
    }
    if (to->reserved != 0)
        return hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_folder_options.reserved is not 0; set it to 0");
    return hrmc_read_safe(safe, &to->safe, err);
}

static int32_t enable_folder(hrm_manager *m, const char *folder_id, const char *directory, hrm_folder_options *o,
                             int *is_taken, hrm_error *err)
{
    hrm_error e = HRM_ERROR_INIT;
    const char *shortage;
    int32_t code;
    CHECK_USABLE(err);
    if (folder_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "folder_id is NULL");
    if (directory == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "directory is NULL");
    shortage = hrmc_short_of(0);
    if (shortage != NULL)
        return hrmc_fail(err, HRM_ERR_NO_MEMORY, shortage);
    IN_GO(err, code, (*is_taken = 1, hrmgo_enable_folder(HANDLE(m), folder_id, directory, o, (uintptr_t)o->id_fn,
                                                                  (uintptr_t)o->id_user_data, (uintptr_t)o->id_destroy, &e)));
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_enable_folder(hrm_manager *m, const char *folder_id, const char *directory,
                                   const hrm_folder_options *opts, hrm_error *err)
{
    hrm_folder_options o;
    hrm_safe_options safe;
    int is_taken = 0;
    int32_t code = read_folder(&o, &safe, opts, err);
    if (code == HRM_OK)
        code = enable_folder(m, folder_id, directory, &o, &is_taken, err);
    if (!is_taken && o.id_destroy != NULL)
        o.id_destroy(o.id_user_data);
    return code;
}

int32_t HRM_CALL hrm_disable_folder(hrm_manager *m, const char *folder_id)
{
    CHECK_USABLE(NULL);
    if (folder_id == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    CALL_AND_WAIT(hrmgo_disable_folder(HANDLE(m), folder_id));
}

int32_t HRM_CALL hrm_get_folders(hrm_manager *m, char *buf, size_t *size)
{
    uint64_t n;
    int32_t code;
    CHECK_USABLE(NULL);
    if (size == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    n = *size;
    IN_GO(NULL, code, hrmgo_folders(HANDLE(m), buf, &n));
    *size = (size_t)n;
    return code;
}

int32_t HRM_CALL hrm_set_folder_paused(hrm_manager *m, const char *folder_id, int32_t paused)
{
    CHECK_USABLE(NULL);
    if (folder_id == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    CALL_AND_WAIT(hrmgo_set_folder_paused(HANDLE(m), folder_id, paused));
}

static int32_t ask_folder_paused(hrm_manager *m, const char *folder_id)
{
    int32_t code;
    IN_GO(NULL, code, hrmgo_is_folder_paused(HANDLE(m), folder_id));
    return code;
}

int32_t HRM_CALL hrm_is_folder_paused(hrm_manager *m, const char *folder_id)
{
    return folder_id != NULL && ask_folder_paused(m, folder_id) == 1;
}

/* Where Go cannot be entered it cannot run destroy: its promise is kept here. */
#define SET_CALLBACK(which, level)                                                                                           \
    do {                                                                                                               \
        int32_t code = hrmc_unusable();                                                                                \
        hrmc_call call;                                                                                                \
        if (code == HRM_OK && !hrmc_enter(&call))                                                                      \
            code = HRM_ERR_NOT_SUPPORTED;                                                                              \
        if (code != HRM_OK) {                                                                                          \
            if (destroy != NULL)                                                                                       \
                destroy(user_data);                                                                                    \
            return code;                                                                                               \
        }                                                                                                              \
        code = hrmgo_set_callback(HANDLE(m), which, level, (uintptr_t)fn, (uintptr_t)user_data, (uintptr_t)destroy);          \
        hrmc_leave(&call);                                                                                             \
        hrmc_waited_for_callbacks();                                                                                   \
        return code;                                                                                                   \
    } while (0)

int32_t HRM_CALL hrm_set_reload_callback(hrm_manager *m, hrm_reload_fn fn, void *user_data, hrm_destroy_fn destroy)
{
    SET_CALLBACK(0, 0);
}

int32_t HRM_CALL hrm_set_event_callback(hrm_manager *m, hrm_event_fn fn, void *user_data, hrm_destroy_fn destroy)
{
    SET_CALLBACK(1, 0);
}

int32_t HRM_CALL hrm_set_wakeup_callback(hrm_manager *m, hrm_wakeup_fn fn, void *user_data, hrm_destroy_fn destroy)
{
    SET_CALLBACK(2, 0);
}

int32_t HRM_CALL hrm_set_validator(hrm_manager *m, hrm_validator_fn fn, void *user_data, hrm_destroy_fn destroy)
{
    SET_CALLBACK(3, 0);
}

int32_t HRM_CALL hrm_set_log_callback(hrm_manager *m, int32_t level, hrm_log_fn fn, void *user_data,
                                      hrm_destroy_fn destroy)
{
    SET_CALLBACK(4, level);
}

int32_t HRM_CALL hrm_plugin_status(hrm_manager *m, const char *plugin_id, hrm_plugin_status_info *out)
{
    hrm_plugin_status_info s;
    uint32_t size;
    int32_t code;
    CHECK_USABLE(NULL);
    if (plugin_id == NULL || out == NULL || out->struct_size < sizeof out->struct_size ||
        cuts_a_field(out->struct_size, status_fields, COUNT(status_fields)))
        return HRM_ERR_INVALID_ARGUMENT;
    memset(&s, 0, sizeof s);
    IN_GO(NULL, code, hrmgo_status(HANDLE(m), plugin_id, &s));
    if (code < 0)
        return code;
    size = out->struct_size < sizeof s ? out->struct_size : (uint32_t)sizeof s;
    s.struct_size = size;
    memcpy(out, &s, size);
    return HRM_OK;
}

int32_t HRM_CALL hrm_explain(hrm_manager *m, const char *plugin_id, char *buf, size_t *size)
{
    uint64_t n;
    int32_t code;
    CHECK_USABLE(NULL);
    if (plugin_id == NULL || size == NULL)
        return HRM_ERR_INVALID_ARGUMENT;
    n = *size;
    IN_GO(NULL, code, hrmgo_explain(HANDLE(m), plugin_id, buf, &n));
    *size = (size_t)n;
    return code;
}

int32_t HRM_CALL hrm_plugin_decisions(hrm_manager *m, const char *plugin_id, hrm_past_decision *out, size_t *count,
                                      hrm_error *err)
{
    hrm_past_decision all[HRMC_DECISIONS];
    hrm_error e = HRM_ERROR_INIT;
    size_t room, i;
    uint32_t each, filled;
    int32_t code;
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    if (count == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "count is NULL; pass where to store the number of decisions");
    room = out == NULL ? 0 : *count;
    each = room > 0 ? out->struct_size : sizeof *all;
    if (each < sizeof out->struct_size || each > 1u << 16 || cuts_a_field(each, decision_fields, COUNT(decision_fields)))
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT,
                         "hrm_past_decision.struct_size of the first element is wrong; set it to sizeof(hrm_past_decision)");
    memset(all, 0, sizeof all);
    IN_GO(err, code, hrmgo_decisions(HANDLE(m), plugin_id, all, &e));
    if (code >= 0) {
        *count = (size_t)code;
        if (out != NULL && (size_t)code > room)
            return hrmc_fail(err, HRM_ERR_BUFFER_TOO_SMALL, "out has fewer elements than there are decisions; their number was stored");
        filled = each < sizeof *all ? each : (uint32_t)sizeof *all;
        for (i = 0; out != NULL && i < (size_t)code; i++) {
            all[i].struct_size = filled;
            memcpy((char *)out + i * each, &all[i], filled);
        }
    }
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_metrics(hrm_manager *m, char *buf, size_t *size, hrm_error *err)
{
    hrm_error e = HRM_ERROR_INIT;
    uint64_t n;
    int32_t code;
    CHECK_USABLE(err);
    if (size == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "size is NULL; pass where to store the size of the text");
    n = *size;
    IN_GO(err, code, hrmgo_metrics(HANDLE(m), buf, &n, &e));
    *size = (size_t)n;
    if (code == HRM_ERR_BUFFER_TOO_SMALL)
        return hrmc_fail(err, code, "buf is too small for the metrics; allocate the size that was stored and some more, and call again");
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_printable(const char *text, char *out, size_t size)
{
    if (out != NULL && size > 0)
        out[0] = 0;
    CHECK_USABLE(NULL);
    if (text == NULL || out == NULL || size == 0)
        return HRM_ERR_INVALID_ARGUMENT;
    CALL(NULL, hrmgo_printable(text, out, size));
}

int32_t HRM_CALL hrm_report_reload(hrm_manager *m, const char *plugin_id, uint64_t generation, int32_t result,
                                   const char *message, hrm_error *err)
{
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    CALL(err, hrmgo_report(HANDLE(m), plugin_id, generation, result, message, &e));
}

/* Steps of a host's plugins may run inside. */
static int32_t dispatch(uintptr_t m, int32_t max, int32_t timeout_ms, hrm_error *e)
{
    int32_t code;
    DISPATCHING(code, hrmgo_dispatch(m, max, timeout_ms, e));
    return code;
}

int32_t HRM_CALL hrm_dispatch(hrm_manager *m, int32_t max, int32_t timeout_ms, hrm_error *err)
{
    CALL(err, dispatch(HANDLE(m), max, timeout_ms, &e));
}

int32_t HRM_CALL hrm_event_fd(hrm_manager *m) { CALL(NULL, hrmgo_event_fd(HANDLE(m))); }

int32_t HRM_CALL hrm_stats(hrm_manager *m, hrm_statistics *out)
{
    hrm_statistics s;
    uint32_t size;
    int32_t code;
    CHECK_USABLE(NULL);
    /* After the first two fields there are only some of 8 bytes. */
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return HRM_ERR_INVALID_ARGUMENT;
    if (out->struct_size < sizeof s && out->struct_size > sizeof out->struct_size && out->struct_size % 8 != 0)
        return HRM_ERR_INVALID_ARGUMENT;
    memset(&s, 0, sizeof s);
    IN_GO(NULL, code, hrmgo_stats(HANDLE(m), &s));
    if (code < 0)
        return code;
    size = out->struct_size < sizeof s ? out->struct_size : (uint32_t)sizeof s;
    s.struct_size = size;
    memcpy(out, &s, size);
    return HRM_OK;
}
