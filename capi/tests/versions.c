/* SPDX-License-Identifier: MIT */
/* One caller, compiled against the header of its day: capi/tests/abi builds it
 * with an older one (every struct lacks its last field), with the present one
 * and with a newer one (every struct has more fields), and runs each against
 * the present library. */
#include "check.h"
#include "hot_reload_manager.h"

#include <stdlib.h>
#include <unistd.h>

int check_bad, check_passed, check_failed;

static char path[256], spare[300];

static void put(int version)
{
    FILE *f = fopen(spare, "w");
    if (f == NULL || fprintf(f, "version %d\n", version) < 0 || fclose(f) != 0 || rename(spare, path) != 0)
        abort();
}

/* Memory around a struct that the library must not touch. */
#define GUARDED(type, name)                                                                                           \
    struct {                                                                                                          \
        unsigned char before[64];                                                                                     \
        type it;                                                                                                      \
        unsigned char after[64];                                                                                      \
    } name;                                                                                                           \
    memset(&name, 0xa5, sizeof name);                                                                                 \
    memset(&name.it, 0, sizeof name.it);                                                                              \
    name.it.struct_size = sizeof name.it

#define CHECK_GUARD(name)                                                                                             \
    do {                                                                                                              \
        size_t i_;                                                                                                    \
        for (i_ = 0; i_ < sizeof name.before; i_++)                                                                   \
            if (name.before[i_] != 0xa5 || name.after[i_] != 0xa5) {                                                  \
                CHECK(!"the library wrote beside the struct");                                                        \
                break;                                                                                                \
            }                                                                                                         \
    } while (0)

static int changes;
static uint64_t generation;

static void on_event(const hrm_event *event, void *arg)
{
    (void)arg;
    CHECK(event->struct_size >= offsetof(hrm_event, generation) + sizeof event->generation);
#if defined(NEWER)
    /* What the library does not have is beyond the size it says. */
    CHECK(event->struct_size <= offsetof(hrm_event, added_later));
#endif
    if (event->kind == HRM_EVENT_FILE_CHANGED) {
        CHECK_STR(event->plugin_id, "p");
        CHECK_STR(event->path, path);
        generation = event->generation;
        changes++;
    }
}

static void from_beginning_to_end(void)
{
    GUARDED(hrm_options, o);
    GUARDED(hrm_enable_options, e);
    GUARDED(hrm_error, err);
    GUARDED(hrm_stats_t, st);
    hrm_manager *m = NULL;
    o.it.dispatch_mode = HRM_DISPATCH_MANUAL;
    o.it.quiet_ms = 20;
    put(1);
    CHECK_INT(hrm_manager_create(&o.it, &m, &err.it), HRM_OK);
    CHECK_INT(hrm_set_event_callback(m, on_event, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", path, &e.it, &err.it), HRM_OK);
    CHECK_INT(err.it.code, HRM_OK);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", path, &e.it, &err.it), HRM_ERR_ALREADY_EXISTS);
    CHECK_INT(err.it.code, HRM_ERR_ALREADY_EXISTS);
    CHECK(memchr(err.it.message, 0, sizeof err.it.message) != NULL);
    CHECK_HAS(err.it.message, "plugin");
    put(2);
    while (changes == 0 && hrm_dispatch(m, 1, 8000, &err.it) == 1)
        ;
    CHECK_INT(changes, 1);
    CHECK_INT(generation, 1);
    CHECK_INT(hrm_stats(m, &st.it), HRM_OK);
    CHECK_INT(st.it.plugins, 1);
    CHECK_INT(st.it.deliveries, 1);
    CHECK(st.it.struct_size <= sizeof st.it);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_GUARD(o);
    CHECK_GUARD(e);
    CHECK_GUARD(err);
    CHECK_GUARD(st);
#if defined(NEWER)
    CHECK_INT(st.it.struct_size, offsetof(hrm_stats_t, added_later));
    CHECK_INT(st.it.added_later, 0);
    CHECK_INT(err.it.added_later, 0);
    CHECK_INT(err.it.and_later, 0);
#else
    CHECK_INT(st.it.struct_size, sizeof st.it);
#endif
}

#if defined(NEWER)
/* Asking for what the library cannot do is refused, not ignored. */
static void newer_fields_in_use(void)
{
    GUARDED(hrm_options, o);
    GUARDED(hrm_enable_options, e);
    GUARDED(hrm_error, err);
    hrm_manager *m = (hrm_manager *)&m;
    o.it.added_later = 1;
    CHECK_INT(hrm_manager_create(&o.it, &m, &err.it), HRM_ERR_NOT_SUPPORTED);
    CHECK(m == NULL);
    CHECK_HAS(err.it.message, "hrm_version_number");
    CHECK_INT(hrm_manager_create(NULL, &m, &err.it), HRM_OK);
    e.it.added_later = 1;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", path, &e.it, &err.it), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "p"), 0);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}
#endif

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    snprintf(path, sizeof path, "%s/plugin", argv[1]);
    snprintf(spare, sizeof spare, "%s.new", path);
    RUN(from_beginning_to_end);
#if defined(NEWER)
    RUN(newer_fields_in_use);
#endif
    DONE();
}
