/* SPDX-License-Identifier: MIT */
/* The public functions of hosts that enter Go; plugins.c has those that do not. */
#define _GNU_SOURCE
#define HRM_BUILDING 1
#include "host.h"
#include "_cgo_export.h"
#include "shim.h"

#include <stdio.h>
#include <string.h>

static const hrmc_field host_fields[] = {
    FIELD(hrm_host_options, struct_size), FIELD(hrm_host_options, flags),     FIELD(hrm_host_options, manager),
    FIELD(hrm_host_options, outcome),     FIELD(hrm_host_options, step),      FIELD(hrm_host_options, user_data),
    FIELD(hrm_host_options, destroy),
};
LAST(hrm_host_options, destroy);
static const hrmc_field plugin_fields[] = {
    FIELD(hrm_plugin_options, struct_size),        FIELD(hrm_plugin_options, flags),
    FIELD(hrm_plugin_options, mode),               FIELD(hrm_plugin_options, quiet_ms),
    FIELD(hrm_plugin_options, open_timeout_ms),    FIELD(hrm_plugin_options, canary_timeout_ms),
    FIELD(hrm_plugin_options, hand_over_timeout_ms), FIELD(hrm_plugin_options, in_use_ms),
    FIELD(hrm_plugin_options, load_timeout_ms),    FIELD(hrm_plugin_options, init_timeout_ms),
    FIELD(hrm_plugin_options, save_timeout_ms),    FIELD(hrm_plugin_options, restore_timeout_ms),
    FIELD(hrm_plugin_options, prepare_timeout_ms), FIELD(hrm_plugin_options, exit_timeout_ms),
    FIELD(hrm_plugin_options, unload_timeout_ms),  FIELD(hrm_plugin_options, reserved),
    FIELD(hrm_plugin_options, symbols),            FIELD(hrm_plugin_options, needs),
    FIELD(hrm_plugin_options, init),               FIELD(hrm_plugin_options, exit),
    FIELD(hrm_plugin_options, save_state),         FIELD(hrm_plugin_options, restore_state),
    FIELD(hrm_plugin_options, safe),               FIELD(hrm_plugin_options, validator),
    FIELD(hrm_plugin_options, validator_data),     FIELD(hrm_plugin_options, canary_program),
    FIELD(hrm_plugin_options, connect),            FIELD(hrm_plugin_options, prepare),
    FIELD(hrm_plugin_options, dispose),            FIELD(hrm_plugin_options, prepare_data),
};
LAST(hrm_plugin_options, prepare_data);
static const hrmc_field opening_fields[] = {
    FIELD(hrm_plugin_opening, struct_size), FIELD(hrm_plugin_opening, reserved), FIELD(hrm_plugin_opening, plugin_id),
    FIELD(hrm_plugin_opening, path),        FIELD(hrm_plugin_opening, options),  FIELD(hrm_plugin_opening, plugin),
};
LAST(hrm_plugin_opening, plugin);
static const hrmc_field set_fields[] = {
    FIELD(hrm_set_options, struct_size), FIELD(hrm_set_options, wait_ms),   FIELD(hrm_set_options, id),
    FIELD(hrm_set_options, check),       FIELD(hrm_set_options, user_data),
};
LAST(hrm_set_options, user_data);
LAST(hrm_plugin_outcome, message);
LAST(hrm_step, needs);
LAST(hrm_step_result, data);
LAST(hrm_preparation, data);
LAST(hrm_plugin_condition, text);

#define HANDLE(h) ((uintptr_t)(h))

/* ------------------------------------------------------------------- hosts -- */

/* As hrmgo_host_create, unless the process is short of something. */
static int32_t create(hrm_host_options *o, hrm_options *manager, uint64_t mask, uintptr_t *handle, hrm_error *e)
{
    const char *shortage = hrmc_short_of(1);
    return shortage != NULL ? hrmc_fail(e, HRM_ERR_NO_MEMORY, shortage)
                            : hrmgo_host_create(o->flags, manager, (uintptr_t)o->outcome, (uintptr_t)o->step,
                                               (uintptr_t)o->user_data, (uintptr_t)o->destroy, mask, handle, e);
}

static int32_t create_host(hrm_host_options *o, const hrm_host_options *opts, hrm_host **out, hrm_error *err)
{
    hrm_options manager;
    hrm_safe_options safe;
    hrm_error e = HRM_ERROR_INIT;
    uintptr_t handle = 0;
    int32_t code;
    if (out == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_host_create: out is NULL; pass where to store the host");
    *out = NULL;
    CHECK_USABLE(err);
    code = hrmc_read_struct(o, sizeof *o, opts, "hrm_host_options", host_fields, COUNT(host_fields), err);
    if (code == HRM_OK)
        code = hrmc_read_options(&manager, &safe, o->manager, err);
    if (code < 0)
        return code;
    IN_GO(err, code, create(o, &manager, hrmc_host_mask(&call), &handle, &e));
    *out = (hrm_host *)handle;
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_host_create(const hrm_host_options *opts, hrm_host **out, hrm_error *err)
{
    hrm_host_options o;
    int32_t code;
    memset(&o, 0, sizeof o);
    code = create_host(&o, opts, out, err);
    if (code >= 0 || opts == NULL)
        return code;
    /* Its promise is kept whatever went wrong; a struct that was not understood has at least this much. */
    if (o.struct_size == 0 && opts->struct_size >= sizeof o)
        o = *opts;
    if (o.destroy != NULL)
        o.destroy(o.user_data);
    return code;
}

/* With manual dispatch steps run inside of this, open_all and the two that close. */
static int32_t destroy(uintptr_t host, int32_t timeout_ms, hrm_error *e)
{
    const int32_t inside = hrmc_inside_host(host);
    int32_t code;
    DISPATCHING(code, hrmgo_host_destroy(host, timeout_ms, inside, e));
    return code;
}

int32_t HRM_CALL hrm_host_destroy(hrm_host *host, int32_t timeout_ms, hrm_error *err)
{
    hrm_error e = HRM_ERROR_INIT;
    int32_t code;
    if (host == NULL)
        return HRM_OK;
    IN_GO(err, code, destroy(HANDLE(host), timeout_ms, &e));
    hrmc_waited_for_callbacks();
    return hrmc_report(err, &e, code);
}

hrm_manager *HRM_CALL hrm_host_manager(hrm_host *host)
{
    hrmc_call call;
    uintptr_t manager;
    if (hrmc_unusable() != HRM_OK || !hrmc_enter(&call))
        return NULL;
    manager = hrmgo_host_manager(HANDLE(host));
    hrmc_leave(&call);
    return (hrm_manager *)manager;
}

hrm_plugin *HRM_CALL hrm_host_find(hrm_host *host, const char *plugin_id)
{
    hrmc_call call;
    uintptr_t plugin;
    if (plugin_id == NULL || hrmc_unusable() != HRM_OK || !hrmc_enter(&call))
        return NULL;
    plugin = hrmgo_host_find(HANDLE(host), plugin_id);
    hrmc_leave(&call);
    return (hrm_plugin *)plugin;
}

/* ----------------------------------------------------------------- opening -- */

/* What hrmgo_host_open is given for each plugin. */
static int32_t read_opening(hrmc_opening *to, const char *plugin_id, const char *path, const hrm_plugin_options *opts,
                            hrm_error *err)
{
    int32_t code;
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    if (path == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "path is NULL");
    to->id = plugin_id;
    to->path = path;
    code = hrmc_read_struct(&to->options, sizeof to->options, opts, "hrm_plugin_options", plugin_fields,
                            COUNT(plugin_fields), err);
    if (code == HRM_OK)
        code = hrmc_read_safe(&to->safe, &to->options.safe, err);
    if (code == HRM_OK && to->options.reserved != 0)
        code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_plugin_options.reserved is not 0; set it to 0");
    to->validator = (uintptr_t)to->options.validator;
    to->validator_data = (uintptr_t)to->options.validator_data;
#if defined(_WIN32)
    if (code == HRM_OK && to->options.canary_timeout_ms != 0)
        code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_plugin_options.canary_timeout_ms: there is no canary on Windows; set it to 0");
#endif
    return code;
}

/* As hrmgo_host_open, unless the process is short of something. */
static int32_t open_all(uintptr_t host, hrmc_opening *all, uint64_t count, hrmc_set *set, int32_t inside, hrm_error *e)
{
    const char *shortage = hrmc_short_of(0);
    int32_t code;
    if (shortage != NULL)
        return hrmc_fail(e, HRM_ERR_NO_MEMORY, shortage);
    DISPATCHING(code, hrmgo_host_open(host, all, count, set, inside, e));
    return code;
}

static int32_t open_read(hrm_host *host, hrmc_opening *all, uint64_t count, const hrmc_set *set, hrm_error *err)
{
    hrm_error e = HRM_ERROR_INIT;
    int32_t code;
    IN_GO(err, code, open_all(HANDLE(host), all, count, (hrmc_set *)set, hrmc_inside_host(HANDLE(host)), &e));
    return hrmc_report(err, &e, code);
}

int32_t HRM_CALL hrm_host_open(hrm_host *host, const char *plugin_id, const char *path, const hrm_plugin_options *opts,
                               hrm_plugin **out, hrm_error *err)
{
    const hrmc_set no_set = {NULL, 0, 0, 0};
    hrmc_opening one;
    int32_t code;
    if (out != NULL)
        *out = NULL;
    CHECK_USABLE(err);
    memset(&one, 0, sizeof one);
    code = read_opening(&one, plugin_id, path, opts, err);
    if (code == HRM_OK)
        code = open_read(host, &one, 1, &no_set, err);
    if (out != NULL)
        *out = (hrm_plugin *)one.plugin;
    return code;
}

/* The element of an array whose elements may be of another version. */
static hrm_plugin_opening *opening_at(hrm_plugin_opening *all, size_t i)
{
    return (hrm_plugin_opening *)(void *)((char *)all + i * all->struct_size);
}

static int32_t read_openings(hrmc_opening *to, hrm_plugin_opening *from, size_t count, hrm_error *err)
{
    size_t i;
    int32_t code = HRM_OK;
    for (i = 0; i < count && code == HRM_OK; i++) {
        hrm_plugin_opening o;
        if (opening_at(from, i)->struct_size != from->struct_size)
            return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_opening.struct_size differs within the array; set it "
                                                            "to sizeof(hrm_plugin_opening) in every element");
        code = hrmc_read_struct(&o, sizeof o, opening_at(from, i), "hrm_plugin_opening", opening_fields,
                                COUNT(opening_fields), err);
        if (code == HRM_OK && o.reserved != 0)
            code = hrmc_fail(err, HRM_ERR_NOT_SUPPORTED, "hrm_plugin_opening.reserved is not 0; set it to 0");
        if (code == HRM_OK)
            code = read_opening(&to[i], o.plugin_id, o.path, o.options, err);
    }
    return code;
}

int32_t HRM_CALL hrm_host_open_all(hrm_host *host, hrm_plugin_opening *openings, size_t count, const hrm_set_options *set,
                                   hrm_error *err)
{
    hrm_set_options s;
    hrmc_set read;
    hrmc_opening *all;
    size_t i;
    int32_t code;
    CHECK_USABLE(err);
    if (openings == NULL || count == 0 || count > 1000)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_host_open_all: openings is NULL, or count is not 1 to 1000");
    if (openings->struct_size < sizeof *openings || openings->struct_size % sizeof(void *) != 0)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_opening.struct_size is wrong; set it to "
                                                        "sizeof(hrm_plugin_opening)");
    for (i = 0; i < count; i++)
        opening_at(openings, i)->plugin = NULL;
    code = hrmc_read_struct(&s, sizeof s, set, "hrm_set_options", set_fields, COUNT(set_fields), err);
    if (code == HRM_OK && set != NULL && s.id == NULL)
        code = hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_set_options.id is NULL; name the set");
    if (code < 0)
        return code;
    read.id = s.id;
    read.wait_ms = s.wait_ms;
    read.check = (uintptr_t)s.check;
    read.user_data = (uintptr_t)s.user_data;
    all = calloc(count, sizeof *all);
    if (all == NULL)
        return hrmc_fail(err, HRM_ERR_NO_MEMORY, hrm_strerror(HRM_ERR_NO_MEMORY));
    code = read_openings(all, openings, count, err);
    if (code == HRM_OK)
        code = open_read(host, all, count, &read, err);
    for (i = 0; i < count && code == HRM_OK; i++)
        opening_at(openings, i)->plugin = (hrm_plugin *)all[i].plugin;
    free(all);
    return code;
}

/* ----------------------------------------------------------------- plugins -- */

static int32_t close_plugin(uintptr_t plugin, int32_t timeout_ms, hrm_error *e)
{
    const int32_t inside = hrmc_inside_host(hrmc_host_of(plugin));
    int32_t code;
    DISPATCHING(code, hrmgo_plugin_close(plugin, timeout_ms, inside, e));
    return code;
}

static int32_t close_by_name(uintptr_t host, const char *plugin_id, int32_t timeout_ms, hrm_error *e)
{
    const int32_t inside = hrmc_inside_host(host);
    int32_t code;
    DISPATCHING(code, hrmgo_host_close_plugin(host, plugin_id, timeout_ms, inside, e));
    return code;
}

int32_t HRM_CALL hrm_plugin_close(hrm_plugin *plugin, int32_t timeout_ms, hrm_error *err)
{
    if (plugin == NULL)
        return HRM_OK;
    CALL(err, close_plugin(HANDLE(plugin), timeout_ms, &e));
}

int32_t HRM_CALL hrm_host_close_plugin(hrm_host *host, const char *plugin_id, int32_t timeout_ms, hrm_error *err)
{
    CHECK_USABLE(err);
    if (plugin_id == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "plugin_id is NULL");
    CALL(err, close_by_name(HANDLE(host), plugin_id, timeout_ms, &e));
}

int32_t HRM_CALL hrm_plugin_fail(hrm_plugin *plugin, uint64_t generation, const char *message, hrm_error *err)
{
    CALL(err, hrmgo_plugin_fail(HANDLE(plugin), generation, message, &e));
}

int32_t HRM_CALL hrm_plugin_take_without_state(hrm_plugin *plugin, hrm_error *err)
{
    CALL(err, hrmgo_plugin_take_without_state(HANDLE(plugin), &e));
}

int32_t HRM_CALL hrm_plugin_state(hrm_plugin *plugin, hrm_plugin_condition *out, hrm_error *err)
{
    hrm_plugin_condition c;
    hrm_error e = HRM_ERROR_INIT;
    const uint32_t text = offsetof(hrm_plugin_condition, text);
    uint32_t size;
    int32_t code;
    CHECK_USABLE(err);
    if (out == NULL || out->struct_size < text)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_state: out is NULL, or its struct_size too small; set it to "
                                                        "sizeof(hrm_plugin_condition)");
    memset(&c, 0, sizeof c);
    size = out->struct_size < sizeof c ? out->struct_size : (uint32_t)sizeof c;
    IN_GO(err, code, hrmgo_plugin_state(HANDLE(plugin), &c, size > text ? size - text : 0, &e));
    if (code == HRM_OK) {
        c.struct_size = size;
        memcpy(out, &c, size);
    }
    return hrmc_report(err, &e, code);
}
