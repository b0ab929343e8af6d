/* SPDX-License-Identifier: MIT */
/* Folders: plugins that are found by their names. */
#include "support.h"

static recorder r;

/* A manager on whose events r looks, and a directory for plugins. */
static hrm_manager *finder(int mode)
{
    hrm_manager *m = manager(mode, 0);
    memset(&r, 0, sizeof r);
    pthread_mutex_init(&r.mu, NULL);
    record_into(m, &r);
    return m;
}

static const char *directory(void)
{
    const char *dir = in(scratch(), "plugins");
    CHECK_INT(mkdir(dir, 0755), 0);
    return dir;
}

static const char *const libraries[] = {"*.so", NULL};

static void a_new_file_is_discovered_and_delivered_when_it_is_complete(void)
{
    const char *dir = directory(), *path = in(dir, "echo.so");
    hrm_manager *m = finder(HRM_DISPATCH_THREAD);
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    record found, changed;
    FILE *f;
    o.include = libraries;
    write_version(in(dir, "present.so"), 1);
    CHECK_INT(hrm_enable_folder(m, "plugins", dir, &o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(hrm_is_hot_reload_enabled(m, "plugins/present.so"), 1);
    CHECK(await(&r, HRM_EVENT_DISCOVERED, "plugins/present.so", 1));
    CHECK_INT(nth(&r, HRM_EVENT_DISCOVERED, "plugins/present.so", 0).generation, 0);

    f = fopen(path, "w");
    CHECK(f != NULL && fputs("half", f) >= 0 && fflush(f) == 0);
    let_pass(3 * QUIET);
    CHECK_INT(count(&r, HRM_EVENT_DISCOVERED, "plugins/echo.so"), 0);
    CHECK_INT(fclose(f), 0);
    write_version(path, 1);
    write_version(in(dir, "readme.txt"), 1);
    write_version(in(dir, ".echo.so.swp"), 1);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "plugins/echo.so", 1));
    found = nth(&r, HRM_EVENT_DISCOVERED, "plugins/echo.so", 0);
    changed = nth(&r, HRM_EVENT_FILE_CHANGED, "plugins/echo.so", 0);
    CHECK_INT(changed.version, 1);
    CHECK_STR(changed.path, path);
    CHECK_INT(found.generation, 1);
    CHECK_INT(found.sequence + 1, changed.sequence);
    CHECK_INT(count(&r, HRM_EVENT_DISCOVERED, NULL), 2);

    CHECK_INT(unlink(path), 0);
    CHECK(await(&r, HRM_EVENT_DISABLED, "plugins/echo.so", 1));
    CHECK_INT(count(&r, HRM_EVENT_FILE_REMOVED, "plugins/echo.so"), 1);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "plugins/echo.so"), 0);

    CHECK_INT(hrm_disable_folder(m, "plugins"), 1);
    CHECK_INT(hrm_disable_folder(m, "plugins"), 0);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "plugins/present.so"), 0);
    CHECK(await(&r, HRM_EVENT_DISABLED, "plugins/present.so", 1));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static char folder_of_event[64];

static void HRM_CALL note_folder(const hrm_event *ev, void *arg)
{
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        snprintf(folder_of_event, sizeof folder_of_event, "%s", ev->folder_id);
    on_event(ev, arg);
}

static void events_name_the_folder(void)
{
    const char *dir = directory();
    hrm_manager *m = finder(HRM_DISPATCH_MANUAL);
    CHECK_INT(hrm_set_event_callback(m, note_folder, &r, NULL), HRM_OK);
    CHECK_INT(hrm_enable_folder(m, "plugins", dir, NULL, NULL), HRM_OK);
    write_version(in(dir, "echo.so"), 1);
    while (count(&r, HRM_EVENT_FILE_CHANGED, NULL) == 0)
        if (hrm_dispatch(m, 0, PATIENCE, NULL) < 1)
            break;
    CHECK_STR(folder_of_event, "plugins");
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static int destroyed;

static void HRM_CALL on_destroy(void *arg)
{
    (void)arg;
    ADD(destroyed, 1);
}

/* "echo-1.2.so" is the plugin "echo"; what has no version is none. */
static int32_t HRM_CALL without_version(const char *path, char *id, size_t size, void *arg)
{
    const char *dash = strchr(path, '-');
    CHECK(arg == &destroyed && size >= 256);
    if (dash == NULL)
        return 0;
    snprintf(id, size, "%.*s", (int)(dash - path), path);
    return 1;
}

static void the_hosts_function_gives_ids_and_a_rename_keeps_the_plugin(void)
{
    const char *dir = directory();
    hrm_manager *m = finder(HRM_DISPATCH_THREAD);
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    record changed;
    o.flags = HRM_FOLDER_DELIVER_PRESENT;
    o.id_fn = without_version;
    o.id_user_data = &destroyed;
    o.id_destroy = on_destroy;
    STORE(destroyed, 0);
    write_version(in(dir, "echo-1.so"), 1);
    write_version(in(dir, "readme"), 1);
    CHECK_INT(hrm_enable_folder(m, "plugins", dir, &o, NULL), HRM_OK);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "echo", 1));
    CHECK_INT(rename(in(dir, "echo-1.so"), in(dir, "echo-2.so")), 0);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "echo", 2));
    changed = nth(&r, HRM_EVENT_FILE_CHANGED, "echo", 1);
    CHECK_STR(changed.path, in(dir, "echo-2.so"));
    CHECK_INT(changed.generation, 2);
    CHECK_INT(count(&r, HRM_EVENT_DISCOVERED, NULL), 1);
    CHECK_INT(count(&r, HRM_EVENT_FILE_REMOVED, NULL), 0);
    CHECK_INT(LOAD(destroyed), 0);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(LOAD(destroyed), 1);
}

/* Each use is wrong in one way. The function that frees the callback's data runs each time. */
static void wrong_arguments_are_named_and_the_data_is_freed(void)
{
    const char *dir = directory(), *file = in(dir, "file");
    static const char *const malformed[] = {"[", NULL}, *const empty[] = {"", NULL}, *const outside[] = {"../*", NULL};
    const struct {
        const char *id, *directory, *const *include;
        int32_t depth, files, quiet, reserved;
        uint32_t flags;
        const char *marker;
        int32_t code;
        const char *says;
    } wrong[] = {
        {NULL, dir, NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "folder_id"},
        {"", dir, NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "folder id"},
        {"p\n", dir, NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "control"},
        {"p", NULL, NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "directory"},
        {"p", "", NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_PATH, "empty"},
        {"p", file, NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_PATH, "not a directory"},
        {"p", in(dir, "missing"), NULL, 0, 0, 0, 0, 0, NULL, HRM_ERR_FILE_NOT_FOUND, "missing"},
        {"p", dir, malformed, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "malformed"},
        {"p", dir, empty, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "empty"},
        {"p", dir, outside, 0, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "relative"},
        {"p", dir, NULL, -1, 0, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "max_depth"},
        {"p", dir, NULL, 0, 1000001, 0, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "max_files"},
        {"p", dir, NULL, 0, 0, -2, 0, 0, NULL, HRM_ERR_INVALID_ARGUMENT, "quiet"},
        {"p", dir, NULL, 0, 0, 0, 1, 0, NULL, HRM_ERR_NOT_SUPPORTED, "reserved"},
        {"p", dir, NULL, 0, 0, 0, 0, 1u << 31, NULL, HRM_ERR_NOT_SUPPORTED, "flags"},
        {"p", dir, NULL, 0, 0, 0, 0, 0, "a/b", HRM_ERR_INVALID_ARGUMENT, "marker"},
    };
    hrm_manager *m = finder(HRM_DISPATCH_MANUAL);
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    size_t i;
    write_version(file, 1);
    STORE(destroyed, 0);
    o.id_destroy = on_destroy;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        o.include = wrong[i].include;
        o.max_depth = wrong[i].depth;
        o.max_files = wrong[i].files;
        o.quiet_ms = wrong[i].quiet;
        o.reserved = wrong[i].reserved;
        o.flags = wrong[i].flags;
        o.pause_marker = wrong[i].marker;
        CHECK_INT(hrm_enable_folder(m, wrong[i].id, wrong[i].directory, &o, &err), wrong[i].code);
        CHECK_HAS(err.message, wrong[i].says);
        CHECK_INT(LOAD(destroyed), i + 1);
    }
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.id_destroy = on_destroy;
    CHECK_INT(hrm_enable_folder(m, "p", dir, &o, &err), HRM_OK);
    CHECK_INT(hrm_enable_folder(m, "p", dir, &o, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_INT(LOAD(destroyed), i + 1);
    CHECK_INT(hrm_disable_folder(m, "p"), 1);
    CHECK_INT(LOAD(destroyed), i + 2);
    o.struct_size = 6; /* the fields behind it are not read */
    CHECK_INT(hrm_enable_folder(m, "p", dir, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(LOAD(destroyed), i + 2);
    o.struct_size = sizeof o;
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(hrm_enable_folder(m, "p", dir, &o, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(LOAD(destroyed), i + 3);
    CHECK_INT(hrm_disable_folder(m, "p"), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_disable_folder(NULL, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_set_folder_paused(m, "p", 1), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_folder_paused(NULL, "p"), 0);
}

static void folders_are_listed_and_paused(void)
{
    const char *dir = directory();
    hrm_manager *m = finder(HRM_DISPATCH_THREAD);
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    char ids[16];
    size_t size = 0;
    o.flags = HRM_FOLDER_PAUSED | HRM_FOLDER_SHORT_IDS;
    CHECK_INT(hrm_enable_folder(m, "b", dir, &o, NULL), HRM_OK);
    CHECK_INT(hrm_enable_folder(m, "a", dir, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_get_folders(m, NULL, &size), 2);
    CHECK_INT(size, 4);
    size = 3;
    CHECK_INT(hrm_get_folders(m, ids, &size), HRM_ERR_BUFFER_TOO_SMALL);
    CHECK_INT(size, 4);
    CHECK_INT(hrm_get_folders(m, ids, &size), 2);
    CHECK(memcmp(ids, "a\0b", 4) == 0);
    CHECK_INT(hrm_get_folders(m, ids, NULL), HRM_ERR_INVALID_ARGUMENT);

    CHECK_INT(hrm_is_folder_paused(m, "b"), 1);
    CHECK_INT(hrm_is_folder_paused(m, "a"), 0);
    CHECK_INT(hrm_is_folder_paused(m, "none"), 0);
    CHECK_INT(hrm_set_folder_paused(m, "none", 1), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_set_folder_paused(m, NULL, 1), HRM_ERR_INVALID_ARGUMENT);
    write_version(in(dir, "echo.so"), 1);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "a/echo.so", 1));
    CHECK_INT(count(&r, HRM_EVENT_DISCOVERED, "echo"), 0);
    CHECK_INT(hrm_set_folder_paused(m, "b", 0), HRM_OK);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "echo", 1));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

/* What a host does inside its callback. */
enum { DISABLE_FOLDER, DISABLE_PLUGIN, CLEAR, DESTROY, PAUSE, WAYS };
static struct {
    hrm_manager *m;
    int way, calls, changes;
} inside;

static void HRM_CALL act(const hrm_event *ev, void *arg)
{
    (void)arg;
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        ADD(inside.changes, 1);
    if (ev->kind != HRM_EVENT_DISCOVERED)
        return;
    switch (inside.way) {
    case DISABLE_FOLDER: CHECK_INT(hrm_disable_folder(inside.m, "plugins"), 1); break;
    case DISABLE_PLUGIN: CHECK_INT(hrm_disable_hot_reload(inside.m, ev->plugin_id), 1); break;
    case CLEAR: CHECK(hrm_clear(inside.m) >= 1); break;
    case DESTROY: CHECK_INT(hrm_manager_destroy(inside.m), HRM_OK); break;
    case PAUSE: CHECK_INT(hrm_set_folder_paused(inside.m, "plugins", 1), HRM_OK); break;
    }
    ADD(inside.calls, 1);
}

static void a_folder_is_ended_inside_its_callback(void)
{
    const char *dir = directory();
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    o.flags = HRM_FOLDER_DELIVER_PRESENT;
    o.id_destroy = on_destroy;
    STORE(destroyed, 0);
    write_version(in(dir, "echo.so"), 1);
    for (inside.way = 0; inside.way < WAYS; inside.way++) {
        inside.calls = inside.changes = 0;
        inside.m = manager(HRM_DISPATCH_THREAD, 0);
        CHECK_INT(hrm_set_event_callback(inside.m, act, NULL, NULL), HRM_OK);
        CHECK_INT(hrm_enable_folder(inside.m, "plugins", dir, &o, NULL), HRM_OK);
        CHECK(wait_until(is_set, &inside.calls, PATIENCE));
        if (inside.way != DESTROY)
            CHECK_INT(hrm_manager_destroy(inside.m), HRM_OK);
        CHECK_INT(LOAD(inside.calls), 1);
        CHECK_INT(LOAD(inside.changes), inside.way == PAUSE); /* the one that was under way */
    }
    CHECK(LOAD(destroyed) >= WAYS - 1); /* the manager that was destroyed inside may still be ending */
}

#define MANY 10000

static int is_enabled_of(void *arg)
{
    size_t size = 0;
    return hrm_get_hot_reload_plugins(arg, NULL, &size) == MANY;
}

static void HRM_CALL count_changes(const char *id, void *arg)
{
    (void)id;
    ADD(*(int *)arg, 1);
}

static int has_many(void *arg) { return LOAD(*(int *)arg) >= MANY; }

static void a_storm_of_creations_is_delivered_whole(void)
{
    const char *dir = directory();
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    hrm_statistics st = HRM_STATS_INIT;
    char name[1024];
    int i, changes = 0;
    CHECK_INT(hrm_set_reload_callback(m, count_changes, &changes, NULL), HRM_OK);
    CHECK_INT(hrm_enable_folder(m, "plugins", dir, NULL, NULL), HRM_OK);
    for (i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%s/%05d.so", dir, i);
        write_bytes(name, name, strlen(name));
    }
    CHECK(wait_until(is_enabled_of, m, 4 * PATIENCE));
    CHECK(wait_until(has_many, &changes, 4 * PATIENCE));
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK(st.watched_directories < 20);
    CHECK_INT(hrm_clear(m), MANY);
    CHECK_INT(hrm_enable_folder(m, "plugins", dir, NULL, NULL), HRM_OK);
    CHECK(is_enabled_of(m));
    CHECK_INT(LOAD(changes), MANY);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

int main(void)
{
    RUN(a_new_file_is_discovered_and_delivered_when_it_is_complete);
    RUN(events_name_the_folder);
    RUN(the_hosts_function_gives_ids_and_a_rename_keeps_the_plugin);
    RUN(wrong_arguments_are_named_and_the_data_is_freed);
    RUN(folders_are_listed_and_paused);
    RUN(a_folder_is_ended_inside_its_callback);
    RUN(a_storm_of_creations_is_delivered_whole);
    DONE();
}
