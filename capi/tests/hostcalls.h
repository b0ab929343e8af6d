/* SPDX-License-Identifier: MIT */
/* Random calls of hot_reload_plugin.h, for calls.c. */
#ifndef HOSTCALLS_H
#define HOSTCALLS_H

#include "hot_reload_plugin.h"

static hrm_host *a_host;
static hrm_plugin *a_plugin;

/* What is no handle of anybody, sometimes; else the handle. */
static void *some_handle(chance *c, void *handle)
{
    switch (below(c, 4)) {
    case 0: return (void *)(uintptr_t)(draw(c) | 1ull << 62);
    case 1: return below(c, 2) ? NULL : (void *)&number;
    default: return handle;
    }
}

static void call_outcome(const hrm_plugin_outcome *o, void *p)
{
    if (o->struct_size != sizeof *o || o->plugin_id == NULL || o->message == NULL || p != &a_host)
        ADD(wrong, 1);
}

static int32_t call_prepare(hrm_preparation *p, char *reason, size_t size, void *data)
{
    (void)data;
    if (hrm_plugin_path(p->version) == NULL || size < 2)
        ADD(wrong, 1);
    snprintf(reason, size, "\x1b\xff");
    return p->plugin_id[0] % 3 == 0;
}

static void open_some(chance *c)
{
    static __thread unsigned char room[1 << 14];
    hrm_plugin_options *o = some_struct(c, sizeof *o, room, sizeof room / 2), own = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err, *e = some_error(c, &err);
    hrm_plugin *p = NULL;
    if (o == NULL || o->struct_size >= sizeof *o || below(c, 4)) { /* pointers that were drawn may not be */
        own.mode = below(c, 10) ? below(c, 3) : some_number(c);
        own.hand_over_timeout_ms = below(c, 2);
        own.init_timeout_ms = some_number(c);
        own.prepare = call_prepare;
        own.flags = HRM_PLUGIN_FILE | HRM_PLUGIN_DO_NOT_WAIT | (below(c, 20) ? 0 : (uint32_t)draw(c));
        o = &own;
    }
    check_err(hrm_host_open(some_handle(c, a_host), some_id(c), some_path(c), o, below(c, 3) ? &p : NULL, e), e);
    check_error(e);
}

static void use_some(chance *c, hrm_plugin *p)
{
    const hrm_plugin_version *v = NULL, *all[2] = {NULL, NULL};
    hrm_plugin *two[2];
    two[0] = two[1] = p;
    switch (below(c, 3)) {
    case 0: v = hrm_plugin_try_acquire(p); break;
    case 1: check(hrm_plugin_acquire_ex(p, below(c, 2), &v, NULL)); break;
    default:
        check(hrm_plugin_acquire_all(two, (size_t)below(c, 3), all));
        check(hrm_plugin_release(all[0]));
        v = all[1];
    }
    if (v != NULL && (hrm_plugin_generation(v) == 0 || hrm_plugin_path(v) == NULL || hrm_plugin_function(v, (size_t)draw(c)) != NULL))
        ADD(wrong, 1);
    check(hrm_plugin_release(v));
    check(hrm_plugin_release(some_handle(c, NULL)));
}

static void host_call(chance *c)
{
    hrm_plugin *p = some_handle(c, a_plugin);
    hrm_host *h = some_handle(c, a_host);
    hrm_plugin_condition state = HRM_PLUGIN_CONDITION_INIT;
    hrm_error err, *e = some_error(c, &err);
    int32_t code = HRM_OK;
    switch (below(c, 10)) {
    case 0: open_some(c); return;
    case 1: code = hrm_host_close_plugin(h, below(c, 9) ? some_id(c) : NULL, below(c, 2), e); break;
    case 2: code = p == a_plugin ? HRM_OK : hrm_plugin_close(p, some_number(c), e); break;
    case 3: code = h == a_host ? HRM_OK : hrm_host_destroy(h, some_number(c), e); break;
    case 4: code = hrm_plugin_fail(p, below(c, 5) ? draw(c) : (unsigned long long)below(c, 9), some_id(c), e); break;
    case 5: code = hrm_plugin_take_without_state(p, e); break;
    case 6: code = hrm_plugin_state(p, below(c, 9) ? &state : NULL, e); break;
    case 7: ADD(wrong, h != a_host && hrm_host_manager(h) != NULL); return;
    default: use_some(c, p); return;
    }
    check_err(code, e);
    check_error(e);
}

static void open_a_host(void)
{
    hrm_host_options o = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options po = HRM_PLUGIN_OPTIONS_INIT;
    const char *own = in(scratch(), "own");
    o.outcome = call_outcome;
    o.user_data = &a_host;
    po.flags = HRM_PLUGIN_FILE;
    CHECK_INT(hrm_host_create(&o, &a_host, NULL), HRM_OK);
    write_version(own, 1);
    CHECK_INT(hrm_host_open(a_host, "the host's own", own, &po, &a_plugin, NULL), HRM_OK);
}

#endif
