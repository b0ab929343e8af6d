/* SPDX-License-Identifier: MIT */
/* Every function with arguments good and bad. */
#include "support.h"

static int destroyed[64];
static void on_destroy(void *p) { ADD(*(int *)p, 1); }
static void nothing(void *p) { (void)p; }
static void no_log(const hrm_log_record *record, void *p) { (void)record, (void)p; }

static void on_reload_nothing(const char *id, void *p) { (void)id, (void)p; }

/* What every function says to a handle that is none. */
static void check_bad_handle(hrm_manager *m)
{
    hrm_error err = HRM_ERROR_INIT;
    hrm_statistics st = HRM_STATS_INIT;
    hrm_plugin_status_t ps = HRM_PLUGIN_STATUS_INIT;
    size_t size = 0;
    int gone = 0;
    int32_t yes;
    CHECK_INT(hrm_enable_hot_reload(m, "a", "/bin/sh", &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    CHECK(err.message[0] != 0 && memchr(err.message, 0, sizeof err.message) != NULL);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", "/bin/sh", NULL, NULL), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_disable_hot_reload(m, "a"), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "a"), 0); /* in a condition */
    yes = 7;
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, "a", &yes, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(yes, 0);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    CHECK(err.message[0] != 0);
    CHECK_INT(hrm_get_hot_reload_plugins(m, NULL, &size), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_clear(m), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 0), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 0);
    yes = 7;
    CHECK_INT(hrm_is_global_hot_reload_enabled_ex(m, &yes, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(yes, 0);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_global_hot_reload_enabled_ex(m, NULL, NULL), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_set_plugin_paused(m, "a", 1), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_plugin_paused(m, "a"), 0);
    yes = 7;
    CHECK_INT(hrm_is_plugin_paused_ex(m, "a", &yes, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(yes, 0);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_check_now(m, "a"), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_check_now(m, NULL), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_plugin_status(m, "a", &ps), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_explain(m, "a", NULL, &size), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_plugin_decisions(m, "a", NULL, &size, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_metrics(m, NULL, &size, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(err.code, HRM_ERR_INVALID_HANDLE);
    gone = 0;
    CHECK_INT(hrm_set_log_callback(m, HRM_LOG_INFO, no_log, &gone, on_destroy), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(LOAD(gone), 1);
    gone = 0;
    CHECK_INT(hrm_set_reload_callback(m, on_reload, &gone, on_destroy), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_set_event_callback(m, on_event, &gone, on_destroy), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_set_wakeup_callback(m, nothing, &gone, on_destroy), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(LOAD(gone), 3); /* also a failed registration ends with its destroy */
    CHECK_INT(hrm_dispatch(m, 0, 0, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_event_fd(m), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_stats(m, &st), HRM_ERR_INVALID_HANDLE);
    if (m != NULL)
        CHECK_INT(hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
}

static void null_handle(void)
{
    CHECK_INT(hrm_manager_destroy(NULL), HRM_OK);
    check_bad_handle(NULL);
}

static void foreign_handles(void)
{
    int on_stack = 7;
    void *heap = malloc(64);
    uintptr_t small[] = {1, 2, 7, 64, 4095, 4096, (uintptr_t)-1, (uintptr_t)1 << 40};
    size_t i;
    check_bad_handle((hrm_manager *)heap);
    check_bad_handle((hrm_manager *)&on_stack);
    check_bad_handle((hrm_manager *)&check_bad);
    for (i = 0; i < sizeof small / sizeof *small; i++)
        check_bad_handle((hrm_manager *)small[i]);
    free(heap);
}

static void stale_handles(void)
{
    hrm_manager *old[50];
    int i;
    for (i = 0; i < 50; i++) {
        old[i] = manager(i % 2, 0);
        CHECK_INT(hrm_manager_destroy(old[i]), HRM_OK);
    }
    for (i = 0; i < 50; i++)
        CHECK_INT(hrm_manager_destroy(old[i]), HRM_ERR_INVALID_HANDLE);
    check_bad_handle(old[0]);
    check_bad_handle(old[49]);
}

static void create_arguments(void)
{
    hrm_manager *m = (hrm_manager *)&m;
    hrm_error err = HRM_ERROR_INIT;
    CHECK_INT(hrm_manager_create(NULL, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "out");
    CHECK_INT(hrm_manager_create(NULL, &m, NULL), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static void expect_option(hrm_options o, int32_t want, const char *value)
{
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = (hrm_manager *)&m;
    int32_t code = hrm_manager_create(&o, &m, &err);
    CHECK_INT(code, want);
    if (code == HRM_OK) {
        CHECK_INT(hrm_manager_destroy(m), HRM_OK);
        return;
    }
    CHECK(m == NULL);
    CHECK_INT(err.code, want);
    CHECK_HAS(err.message, value);
}

static void option_ranges(void)
{
    static const struct {
        int which;
        int32_t value;
        int32_t want;
        const char *says;
    } cases[] = {
        {0, 2, HRM_ERR_INVALID_ARGUMENT, "2"},         {0, -1, HRM_ERR_INVALID_ARGUMENT, "-1"},
        {1, -2, HRM_ERR_INVALID_ARGUMENT, "-2"},       {1, 3600001, HRM_ERR_INVALID_ARGUMENT, "3600001"},
        {1, 3600000, HRM_OK, ""},                      {1, HRM_NO_QUIET, HRM_OK, ""},
        {1, 1, HRM_OK, ""},                            {2, -1, HRM_ERR_INVALID_ARGUMENT, "-1"},
        {2, 86400001, HRM_ERR_INVALID_ARGUMENT, "86400001"}, {2, 86400000, HRM_OK, ""},
        {3, -1, HRM_ERR_INVALID_ARGUMENT, "-1"},       {3, 86400001, HRM_ERR_INVALID_ARGUMENT, "86400001"},
        {3, 1, HRM_OK, ""},                            {4, 16, HRM_ERR_NOT_SUPPORTED, "0x10"},
        {4, 7, HRM_OK, ""},                            {5, -2, HRM_ERR_INVALID_ARGUMENT, "safety_check of -2"},
        {5, 86400001, HRM_ERR_INVALID_ARGUMENT, "86400001"}, {5, 86400000, HRM_OK, ""},
        {5, HRM_NO_SAFETY_CHECK, HRM_OK, ""},          {6, -2, HRM_ERR_INVALID_ARGUMENT, "held_after of -2"},
        {6, 86400001, HRM_ERR_INVALID_ARGUMENT, "86400001"}, {6, HRM_HELD_NEVER, HRM_OK, ""},
        {7, -2, HRM_ERR_INVALID_ARGUMENT, "marker_after of -2"}, {7, HRM_MARKER_NEVER, HRM_OK, ""},
        {8, 1, HRM_ERR_NOT_SUPPORTED, "hrm_options.reserved"},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        hrm_options o = HRM_OPTIONS_INIT;
        switch (cases[i].which) {
        case 0: o.dispatch_mode = cases[i].value; break;
        case 1: o.quiet_ms = cases[i].value; break;
        case 2: o.max_delay_ms = cases[i].value; break;
        case 3: o.poll_interval_ms = cases[i].value; break;
        case 5: o.safety_check_ms = cases[i].value; break;
        case 6: o.held_after_ms = cases[i].value; break;
        case 7: o.marker_after_ms = cases[i].value; break;
        case 8: o.reserved = cases[i].value; break;
        default: o.flags = (uint32_t)cases[i].value;
        }
        expect_option(o, cases[i].want, cases[i].says);
    }
}

static void struct_sizes(void)
{
    struct {
        hrm_options o;
        unsigned char tail[32];
    } big;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    struct { uint32_t struct_size; int32_t code; int32_t guard; } small_err = {8, 0, 77};

    memset(&big, 0, sizeof big);
    big.o.struct_size = sizeof big;
    CHECK_INT(hrm_manager_create(&big.o, &m, &err), HRM_OK); /* an unknown tail of zeros */
    hrm_manager_destroy(m);
    big.tail[31] = 1;
    CHECK_INT(hrm_manager_create(&big.o, &m, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK(m == NULL);

    big.o.dispatch_mode = 99; /* beyond the size it says: not read */
    big.o.struct_size = sizeof(uint32_t);
    CHECK_INT(hrm_manager_create(&big.o, &m, &err), HRM_OK);
    hrm_manager_destroy(m);
    big.o.struct_size = 0;
    CHECK_INT(hrm_manager_create(&big.o, &m, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "struct_size");
    big.o.struct_size = 3;
    CHECK_INT(hrm_manager_create(&big.o, &m, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "3");

    /* Of a short error struct nothing beyond its end is written. */
    CHECK_INT(hrm_manager_create(NULL, NULL, (hrm_error *)&small_err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(small_err.code, HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(small_err.guard, 77);
}

static void ids(void)
{
    char longest[257];
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_error err = HRM_ERROR_INIT;
    const char *bad[] = {"", "a\nb", "\x7f", "tab\t", "\xff\xfe", "\xc3"};
    size_t i;
    const char *f = in(scratch(), "f");
    write_version(f, 1);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.message[0] = 0;
        CHECK_INT(hrm_enable_hot_reload(m, bad[i], f, &err), HRM_ERR_INVALID_ARGUMENT);
        CHECK_INT(err.code, HRM_ERR_INVALID_ARGUMENT);
        CHECK(err.message[0] != 0);
    }
    memset(longest, 'x', sizeof longest);
    longest[256] = 0;
    CHECK_INT(hrm_enable_hot_reload(m, longest, f, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "25");
    longest[255] = 0;
    CHECK_INT(hrm_enable_hot_reload(m, longest, f, &err), HRM_OK);
    CHECK_INT(err.code, 0);
    CHECK_INT(hrm_enable_hot_reload(m, "gr\xc3\xbc\xc3\x9f" "e", f, &err), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, longest, f, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_INT(hrm_enable_hot_reload(m, "gr\xc3\xbc\xc3\x9f" "e", "/bin/sh", &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_HAS(err.message, "gr\xc3\xbc\xc3\x9f" "e");
    CHECK_INT(hrm_enable_hot_reload(m, NULL, f, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "plugin_id");
    CHECK_INT(hrm_enable_hot_reload(m, "n", NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "file_path");
    CHECK_INT(hrm_disable_hot_reload(m, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_is_hot_reload_enabled(m, NULL), 0);
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, NULL, NULL, NULL), HRM_ERR_INVALID_ARGUMENT);
    hrm_manager_destroy(m);
}

static void enable_options(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const char *f = in(scratch(), "f");
    write_version(f, 1);
    o.flags = 1u << 31;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_NOT_SUPPORTED);
    o.flags = 0;
    o.quiet_ms = -2;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "-2");
    o.quiet_ms = 3600001;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "3600001");
    o.quiet_ms = 5;
    o.struct_size = 0;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    o.struct_size = sizeof o;
    o.reserved = 1;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(err.message, "hrm_enable_options.reserved");
    o.reserved = 0;
    safe.reserved = 1;
    o.safe = &safe;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(err.message, "hrm_safe_options.reserved");
    o.safe = NULL;
    CHECK_INT(hrm_is_hot_reload_enabled(m, "a"), 0);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &o, &err), HRM_OK);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "a"), 1);
    hrm_manager_destroy(m);
}

static void registry(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f");
    char buf[16];
    size_t size = 99;
    int32_t yes = 7;
    write_version(f, 1);
    CHECK_INT(hrm_get_hot_reload_plugins(m, NULL, &size), 0);
    CHECK_INT(size, 0);
    CHECK_INT(hrm_disable_hot_reload(m, "b"), 0);
    CHECK_INT(hrm_enable_hot_reload(m, "bb", f, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "ccc", f, NULL), HRM_OK);
    CHECK_INT(hrm_get_hot_reload_plugins(m, NULL, &size), 3);
    CHECK_INT(size, 9);
    memset(buf, 'z', sizeof buf);
    size = 8;
    CHECK_INT(hrm_get_hot_reload_plugins(m, buf, &size), HRM_ERR_BUFFER_TOO_SMALL);
    CHECK_INT(size, 9);
    CHECK_INT(buf[0], 'z');
    CHECK_INT(hrm_get_hot_reload_plugins(m, buf, &size), 3);
    CHECK(memcmp(buf, "bb\0a\0ccc\0z", 10) == 0);
    CHECK_INT(hrm_get_hot_reload_plugins(m, buf, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_disable_hot_reload(m, "a"), 1);
    CHECK_INT(hrm_disable_hot_reload(m, "a"), 0);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "a"), 0);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "bb"), 1);
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, "a", &yes, NULL), HRM_OK);
    CHECK_INT(yes, 0);
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, "bb", &yes, NULL), HRM_OK);
    CHECK_INT(yes, 1);
    CHECK_INT(hrm_clear(m), 2);
    CHECK_INT(hrm_clear(m), 0);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 1);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 0), HRM_OK);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 0);
    CHECK_INT(hrm_is_global_hot_reload_enabled_ex(m, &yes, NULL), HRM_OK);
    CHECK_INT(yes, 0);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, -5), HRM_OK);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 1);
    hrm_manager_destroy(m);
}

static void pause_and_check(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f");
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    int32_t yes = 7;
    write_version(f, 1);
    o.flags = HRM_ENABLE_PAUSED;
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "b", f, &o, NULL), HRM_OK);
    CHECK_INT(hrm_is_plugin_paused(m, "a"), 0);
    CHECK_INT(hrm_is_plugin_paused(m, "b"), 1);
    CHECK_INT(hrm_set_plugin_paused(m, "a", -5), HRM_OK);
    CHECK_INT(hrm_set_plugin_paused(m, "b", 0), HRM_OK);
    CHECK_INT(hrm_is_plugin_paused_ex(m, "a", &yes, &err), HRM_OK);
    CHECK_INT(yes, 1);
    CHECK_INT(hrm_is_plugin_paused_ex(m, "b", &yes, NULL), HRM_OK);
    CHECK_INT(yes, 0);
    yes = 7;
    CHECK_INT(hrm_is_plugin_paused_ex(m, "nobody", &yes, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(yes, 0);
    CHECK_HAS(err.message, "\"nobody\"");
    CHECK_INT(hrm_is_plugin_paused_ex(m, NULL, &yes, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_is_plugin_paused(m, "nobody"), 0);
    CHECK_INT(hrm_is_plugin_paused(m, NULL), 0);
    CHECK_INT(hrm_set_plugin_paused(m, "nobody", 1), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_set_plugin_paused(m, NULL, 1), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_check_now(m, "nobody"), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_check_now(m, "a"), HRM_OK);
    CHECK_INT(hrm_check_now(m, NULL), HRM_OK);
    CHECK_INT(hrm_disable_hot_reload(m, "a"), 1);
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    CHECK_INT(hrm_is_plugin_paused(m, "a"), 0);
    hrm_manager_destroy(m);
}

static int is_marked(void *m)
{
    hrm_plugin_status_t s = HRM_PLUGIN_STATUS_INIT;
    return hrm_plugin_status(m, "a", &s) == HRM_OK && s.marked_since_ns > 0;
}

static int is_not_marked(void *m) { return !is_marked(m); }

static int is_ready(void *m)
{
    hrm_plugin_status_t s = HRM_PLUGIN_STATUS_INIT;
    return hrm_plugin_status(m, "a", &s) == HRM_OK && s.state == HRM_STATE_READY;
}

static void status_and_explain(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f\n");
    struct { hrm_plugin_status_t s; uint64_t guard; } st;
    char text[16384], small[4];
    size_t size = 0, needed;
    write_version(f, 1);
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    memset(&st, 0xee, sizeof st);
    st.s.struct_size = sizeof st;
    CHECK_INT(hrm_plugin_status(m, "a", &st.s), HRM_OK);
    CHECK_INT(st.s.struct_size, sizeof st.s);
    CHECK(st.guard == 0xeeeeeeeeeeeeeeeeull);
    CHECK_INT(st.s.watching, HRM_WATCHING_NOTIFIED);
    CHECK_INT(st.s.paused, 0);
    CHECK_INT(st.s.generation, 0);
    CHECK_INT(st.s.last_delivery_ns, 0);
    CHECK_INT(hrm_set_plugin_paused(m, "a", 1), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(is_ready, m, PATIENCE));
    CHECK_INT(hrm_plugin_status(m, "a", &st.s), HRM_OK);
    CHECK_INT(st.s.state, HRM_STATE_READY);
    CHECK_INT(st.s.paused, 1);
    CHECK_INT(st.s.last_decision, HRM_DECISION_COMPLETE);
    CHECK(st.s.since_ns > 0 && st.s.last_notification_ns > 0 && st.s.last_check_ns >= st.s.last_notification_ns);
    memset(&st, 0xee, sizeof st);
    st.s.struct_size = 8; /* a caller of an older version */
    CHECK_INT(hrm_plugin_status(m, "a", &st.s), HRM_OK);
    CHECK_INT(st.s.struct_size, 8);
    CHECK_INT(st.s.state, HRM_STATE_READY);
    CHECK(st.s.since_ns == (int64_t)0xeeeeeeeeeeeeeeeeull);
    st.s.struct_size = 9;
    CHECK_INT(hrm_plugin_status(m, "a", &st.s), HRM_ERR_INVALID_ARGUMENT);
    st.s.struct_size = 3;
    CHECK_INT(hrm_plugin_status(m, "a", &st.s), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_plugin_status(m, "a", NULL), HRM_ERR_INVALID_ARGUMENT);
    st.s.struct_size = sizeof st.s;
    CHECK_INT(hrm_plugin_status(m, NULL, &st.s), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_plugin_status(m, "nobody", &st.s), HRM_ERR_INVALID_ARGUMENT);

    CHECK_INT(hrm_explain(m, "a", NULL, &size), HRM_OK);
    CHECK(size > 100 && size < sizeof text);
    needed = size;
    memset(small, 'z', sizeof small);
    size = sizeof small;
    CHECK_INT(hrm_explain(m, "a", small, &size), HRM_ERR_BUFFER_TOO_SMALL);
    CHECK(size + 100 > needed);
    CHECK_INT(small[0], 'z');
    size = sizeof text;
    CHECK_INT(hrm_explain(m, "a", text, &size), HRM_OK);
    CHECK_INT(strlen(text), size - 1);
    CHECK_HAS(text, "\"a\": a change waits to be delivered\n");
    CHECK_HAS(text, "/f\\n\n"); /* escaped */
    CHECK_HAS(text, "the plugin is paused");
    CHECK_INT(text[size - 2], '\n');
    CHECK_INT(hrm_explain(m, "a", text, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_explain(m, NULL, text, &size), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_explain(m, "nobody", text, &size), HRM_ERR_INVALID_ARGUMENT);
    hrm_manager_destroy(m);
}

static void decisions(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f");
    hrm_past_decision all[8] = {HRM_PAST_DECISION_INIT};
    struct { uint32_t struct_size; int32_t decision; } older[8] = {{8, 0}};
    struct { hrm_past_decision d; uint64_t more; } newer[2] = {{HRM_PAST_DECISION_INIT, 77}, {HRM_PAST_DECISION_INIT, 77}};
    hrm_error err = HRM_ERROR_INIT;
    size_t count = 0;
    write_version(f, 1);
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    CHECK_INT(hrm_plugin_decisions(m, "a", NULL, &count, &err), 0);
    CHECK_INT(hrm_set_plugin_paused(m, "a", 1), HRM_OK);
    CHECK_INT(hrm_set_plugin_paused(m, "a", 0), HRM_OK);
    CHECK_INT(hrm_plugin_decisions(m, "a", NULL, &count, NULL), 2);
    CHECK_INT(count, 2);
    count = 1;
    CHECK_INT(hrm_plugin_decisions(m, "a", all, &count, &err), HRM_ERR_BUFFER_TOO_SMALL);
    CHECK_INT(count, 2);
    CHECK_INT(all[0].times, 0);
    count = 8;
    CHECK_INT(hrm_plugin_decisions(m, "a", all, &count, &err), 2);
    CHECK_INT(count, 2);
    CHECK_INT(all[1].struct_size, sizeof all[1]);
    CHECK_INT(all[0].decision, HRM_DECISION_PAUSED);
    CHECK(strcmp(all[0].reason, "paused") == 0 && strcmp(all[1].reason, "resumed") == 0);
    CHECK(all[0].times == 1 && all[0].timestamp_ns > 0 && all[0].timestamp_ns <= all[1].timestamp_ns);
    count = 8;
    CHECK_INT(hrm_plugin_decisions(m, "a", (hrm_past_decision *)(void *)older, &count, &err), 2);
    CHECK(older[1].struct_size == 8 && older[1].decision == HRM_DECISION_PAUSED && older[2].struct_size == 0);
    newer[0].d.struct_size = sizeof newer[0];
    count = 2;
    CHECK_INT(hrm_plugin_decisions(m, "a", &newer[0].d, &count, &err), 2);
    CHECK(strcmp(newer[1].d.reason, "resumed") == 0 && newer[0].more == 77 && newer[1].d.struct_size == sizeof newer[1].d);
    older[0].struct_size = 10;
    count = 8;
    CHECK_INT(hrm_plugin_decisions(m, "a", (hrm_past_decision *)(void *)older, &count, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "struct_size");
    CHECK_INT(hrm_plugin_decisions(m, "a", all, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_plugin_decisions(m, NULL, all, &count, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_plugin_decisions(m, "nobody", NULL, &count, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "\"nobody\" is not enabled");
    hrm_manager_destroy(m);
}

static void pause_marker(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_enable_options with = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    const char *dir = scratch(), *f = in(dir, "f"), *marker = in(dir, ".building");
    recorder *r = calloc(1, sizeof *r);
    char text[16384];
    size_t size = sizeof text;
    o.quiet_ms = QUIET;
    o.marker_after_ms = 30;
    write_version(f, 1);
    CHECK_INT(hrm_manager_create(&o, &m, NULL), HRM_OK);
    record_into(m, r);
    with.pause_marker = "";
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &with, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "the pause marker is empty");
    with.pause_marker = ".building";
    CHECK_INT(hrm_enable_hot_reload_ex(m, "a", f, &with, &err), HRM_OK);
    CHECK(wait_until(is_not_marked, m, PATIENCE));
    write_version(marker, 1);
    CHECK(wait_until(is_marked, m, PATIENCE));
    replace_version(f, 2);
    CHECK(wait_until(is_ready, m, PATIENCE));
    CHECK(await(r, HRM_EVENT_HEALTH, "", 1));
    CHECK_INT(nth(r, HRM_EVENT_HEALTH, "", 0).health, HRM_HEALTH_PAUSE_MARKER);
    CHECK_INT(hrm_explain(m, "a", text, &size), HRM_OK);
    CHECK_HAS(text, "held back:         the pause marker is there\n");
    CHECK_INT(hrm_is_plugin_paused(m, "a"), 0);
    replace_version(f, 3);
    CHECK(wait_until(is_ready, m, PATIENCE));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "a"), 0);
    CHECK_INT(unlink(marker), 0);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "a", 1));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "a", 0).version, 3);
    CHECK(wait_until(is_not_marked, m, PATIENCE));
    hrm_manager_destroy(m);
    free(r);
}

static void metrics(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f");
    hrm_error err = HRM_ERROR_INIT;
    char *text, small[4];
    size_t size = 0, needed;
    CHECK_INT(hrm_metrics(m, NULL, &size, &err), HRM_OK); /* without any plugin */
    write_version(f, 1);
    CHECK_INT(hrm_enable_hot_reload(m, "say \"hi\"", f, NULL), HRM_OK);
    needed = size;
    CHECK_INT(hrm_metrics(m, NULL, &size, &err), HRM_OK);
    CHECK(size > needed);
    CHECK_INT(err.code, 0);
    needed = size;
    text = calloc(1, needed + 1000);
    memset(small, 'z', sizeof small);
    size = sizeof small;
    CHECK_INT(hrm_metrics(m, small, &size, &err), HRM_ERR_BUFFER_TOO_SMALL);
    CHECK(size + 100 > needed);
    CHECK_INT(small[0], 'z');
    CHECK_HAS(err.message, "call again");
    size = needed + 1000;
    CHECK_INT(hrm_metrics(m, text, &size, NULL), HRM_OK);
    CHECK_INT(strlen(text), size - 1);
    CHECK_HAS(text, "# TYPE hotreload_deliveries counter\n");
    CHECK_HAS(text, "\nhotreload_plugin_generation{plugin=\"say \\\"hi\\\"\"} 0\n");
    CHECK(strcmp(text + size - 7, "# EOF\n") == 0);
    CHECK_INT(hrm_metrics(m, text, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "size is NULL");
    free(text);
    hrm_manager_destroy(m);
}

struct log {
    int lines, delivered, level;
    char id[8], text[100];
};

static void on_destroy_log(void *p) { ADD(((struct log *)p)->delivered, 1); }

static void on_log(const hrm_log_record *r, void *user_data)
{
    struct log *l = user_data;
    hrm_version_number();
    CHECK_INT(r->struct_size, sizeof *r);
    CHECK(r->timestamp_ns > 0);
    if (strncmp(r->message, "delivered: ", 11) == 0) {
        l->level = r->level;
        snprintf(l->id, sizeof l->id, "%s", r->plugin_id);
        snprintf(l->text, sizeof l->text, "%s", r->message);
        STORE(l->delivered, 1);
    }
    ADD(l->lines, 1);
}

static void log_callback(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    const char *f = in(scratch(), "f");
    struct log l = {0, 0, 0, "", ""};
    int *d = destroyed + 20, before;
    write_version(f, 1);
    CHECK_INT(hrm_set_log_callback(m, 0, on_log, &d[0], on_destroy), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_set_log_callback(m, 5, on_log, &d[1], on_destroy), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(LOAD(d[0]) + LOAD(d[1]), 2);
    CHECK_INT(hrm_set_log_callback(m, HRM_LOG_DEBUG, on_log, &l, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, on_reload_nothing, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(is_set, &l.delivered, PATIENCE));
    CHECK_STR(l.text, "delivered: generation 1");
    CHECK_STR(l.id, "a");
    CHECK_INT(l.level, HRM_LOG_INFO);
    CHECK_INT(hrm_set_log_callback(m, HRM_LOG_DEBUG, NULL, &d[2], on_destroy), HRM_OK);
    CHECK_INT(LOAD(d[2]), 1);
    before = LOAD(l.lines);
    CHECK_INT(hrm_set_plugin_paused(m, "a", 1), HRM_OK);
    CHECK_INT(hrm_set_log_callback(m, HRM_LOG_ERROR, on_log, &l, on_destroy_log), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(LOAD(l.lines), before);
    CHECK_INT(LOAD(l.delivered), 2); /* on_destroy_log */
}

static void destroy_notify(void)
{
    int *d = destroyed, i;
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0), *t = manager(HRM_DISPATCH_THREAD, 0);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, &d[0], on_destroy), HRM_OK);
    CHECK_INT(LOAD(d[0]), 0);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, &d[1], on_destroy), HRM_OK);
    CHECK_INT(LOAD(d[0]), 1);
    CHECK_INT(hrm_set_reload_callback(m, NULL, &d[2], on_destroy), HRM_OK); /* removed */
    CHECK_INT(LOAD(d[1]), 1);
    CHECK_INT(hrm_set_event_callback(m, on_event, &d[3], on_destroy), HRM_OK);
    CHECK_INT(hrm_set_wakeup_callback(m, nothing, &d[4], on_destroy), HRM_OK);
    CHECK_INT(LOAD(d[3]) + LOAD(d[4]), 0);
    CHECK_INT(hrm_set_wakeup_callback(t, nothing, &d[5], on_destroy), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(LOAD(d[5]), 1);
    CHECK_INT(hrm_set_reload_callback(t, on_reload, &d[6], on_destroy), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, &d[7], NULL), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(hrm_manager_destroy(t), HRM_OK);
    for (i = 0; i < 7; i++)
        CHECK_INT(LOAD(d[i]), 1);
    CHECK_INT(LOAD(d[7]), 0);
}

static void wrong_mode(void)
{
    hrm_manager *t = manager(HRM_DISPATCH_THREAD, 0), *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_error err = HRM_ERROR_INIT;
    CHECK_INT(hrm_dispatch(t, 0, 0, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK(err.message[0] != 0);
    CHECK_INT(hrm_event_fd(t), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(hrm_dispatch(m, -1, 0, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "-1");
    CHECK_INT(hrm_dispatch(m, 0, 0, &err), 0);
    CHECK(hrm_event_fd(m) >= 0);
    CHECK(fcntl(hrm_event_fd(m), F_GETFD) & FD_CLOEXEC);
    hrm_manager_destroy(t);
    hrm_manager_destroy(m);
}

static int has_directory(void *m)
{
    hrm_stats_t st;
    st.struct_size = sizeof st;
    return hrm_stats(m, &st) == HRM_OK && st.watched_directories + st.polled_directories >= 1;
}

static void stats(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    const char *f = in(scratch(), "f");
    struct { hrm_stats_t s; uint64_t guard; } st;
    write_version(f, 1);
    memset(&st, 0xee, sizeof st);
    st.s.struct_size = sizeof st;
    CHECK_INT(hrm_enable_hot_reload(m, "a", f, NULL), HRM_OK);
    CHECK_INT(hrm_stats(m, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_stats(m, &st.s), HRM_OK);
    CHECK_INT(st.s.struct_size, sizeof st.s);
    CHECK(st.guard == 0xeeeeeeeeeeeeeeeeull);
    CHECK_INT(st.s.plugins, 1);
    CHECK_INT(st.s.failed, 0);
    CHECK(wait_until(has_directory, m, PATIENCE));
    CHECK_INT(st.s.deliveries, 0);
    CHECK_INT(st.s.last_delivery_ns, 0);
    memset(&st, 0xee, sizeof st);
    st.s.struct_size = 16; /* a caller of an older version */
    CHECK_INT(hrm_stats(m, &st.s), HRM_OK);
    CHECK_INT(st.s.struct_size, 16);
    CHECK_INT(st.s.plugins, 1);
    CHECK(st.s.watched_directories == 0xeeeeeeeeeeeeeeeeull);
    st.s.struct_size = 3;
    CHECK_INT(hrm_stats(m, &st.s), HRM_ERR_INVALID_ARGUMENT);
    hrm_manager_destroy(m);
}

static void names_and_versions(void)
{
    int32_t c;
    CHECK_STR(hrm_error_name(0), "HRM_OK");
    CHECK_STR(hrm_error_name(5), "HRM_OK");
    CHECK_STR(hrm_error_name(HRM_ERR_FILE_NOT_FOUND), "HRM_ERR_FILE_NOT_FOUND");
    CHECK_STR(hrm_error_name(HRM_ERR_NO_MEMORY), "HRM_ERR_NO_MEMORY");
    CHECK_STR(hrm_error_name(-13), "HRM_ERR_UNKNOWN");
    CHECK_STR(hrm_error_name(INT32_MIN), "HRM_ERR_UNKNOWN");
    for (c = 0; c >= -13; c--) {
        CHECK(strlen(hrm_strerror(c)) > 3);
        CHECK((c == -13) == (strcmp(hrm_error_name(c), "HRM_ERR_UNKNOWN") == 0));
    }
    CHECK_INT(hrm_version_number(), HRM_VERSION_NUMBER);
    CHECK_STR(hrm_version_string(), HRM_VERSION_STRING);
}

int main(void)
{
    RUN(null_handle);
    RUN(foreign_handles);
    RUN(stale_handles);
    RUN(create_arguments);
    RUN(option_ranges);
    RUN(struct_sizes);
    RUN(ids);
    RUN(enable_options);
    RUN(registry);
    RUN(pause_and_check);
    RUN(status_and_explain);
    RUN(decisions);
    RUN(pause_marker);
    RUN(metrics);
    RUN(log_callback);
    RUN(destroy_notify);
    RUN(wrong_mode);
    RUN(stats);
    RUN(names_and_versions);
    DONE();
}
