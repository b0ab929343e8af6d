/* SPDX-License-Identifier: MIT */
/* Options that decide what counts as a change: contents, images, polling,
 * missing files, pauses. */
#include "support.h"

#include <utime.h>

static recorder *r;
static hrm_manager *m;
static const char *dir, *f;

static void start(uint32_t flags)
{
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    m = manager(HRM_DISPATCH_THREAD, flags);
    record_into(m, r);
}

static void watch(void)
{
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    watch_sentinel(m, dir);
}

static int told(void) { return count(r, HRM_EVENT_FILE_CHANGED, "p"); }

static void stop(void)
{
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(r->overlaps, 0);
    free(r);
}

static void unchanged_content_is_dropped(void)
{
    hrm_stats_t st;
    start(HRM_IGNORE_UNCHANGED_CONTENT);
    write_version(f, 1);
    watch();
    CHECK(sentinel(r, dir));
    CHECK_INT(utime(f, NULL), 0);
    CHECK(sentinel(r, dir));
    write_version(f, 1);
    CHECK(sentinel(r, dir));
    replace_version(f, 1);
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 0);
    st.struct_size = sizeof st;
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK(st.unchanged >= 3);
    replace_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 1);
    stop();
}

/* The content that counts as known is that of the moment of enabling. */
static void touched_right_after_enabling(void)
{
    start(HRM_IGNORE_UNCHANGED_CONTENT);
    write_version(f, 1);
    watch();
    CHECK_INT(utime(f, NULL), 0);
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 0);
    replace_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    stop();
}

/* Holds f open for writing, as a daemon does that has inherited the descriptor, with version v in it. */
static int hold_open(int v)
{
    size_t n;
    char *s = contents(v, &n);
    int fd = open(f, O_WRONLY | O_CLOEXEC | O_TRUNC);
    CHECK_INT(write(fd, s, n), n);
    free(s);
    return fd;
}

static void start_holding(uint32_t flags)
{
    hrm_options o = HRM_OPTIONS_INIT;
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    o.quiet_ms = QUIET;
    o.held_after_ms = 4 * QUIET;
    o.flags = flags;
    CHECK_INT(hrm_manager_create(&o, &m, NULL), HRM_OK);
    record_into(m, r);
    write_version(f, 1);
    watch();
}

static uint64_t held_open_now(void)
{
    hrm_stats_t st;
    st.struct_size = sizeof st;
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    return st.held_open;
}

static void held_open_is_named(void)
{
    char who[64];
    record e;
    int fd;
    start_holding(0);
    fd = hold_open(2);
    CHECK(await(r, HRM_EVENT_HEALTH, "p", 1));
    e = nth(r, HRM_EVENT_HEALTH, "p", 0);
    CHECK_INT(e.health, HRM_HEALTH_HELD_OPEN);
    snprintf(who, sizeof who, "process %ld (", (long)getpid());
    CHECK_HAS(e.message, who);
    CHECK_INT(held_open_now(), 1);
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 0);
    close(fd);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 2);
    CHECK_INT(held_open_now(), 0);
    CHECK_INT(count(r, HRM_EVENT_HEALTH, "p"), 1);
    stop();
}

static void held_open_is_delivered_if_asked_for(void)
{
    int fd;
    start_holding(HRM_DELIVER_HELD);
    fd = hold_open(2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 2);
    CHECK(await(r, HRM_EVENT_HEALTH, "p", 1));
    close(fd);
    stop();
}

static void a_directory_in_its_place_is_a_removal(void)
{
    start(0);
    write_version(f, 1);
    watch();
    CHECK_INT(unlink(f), 0);
    CHECK_INT(mkdir(f, 0700), 0);
    CHECK(await(r, HRM_EVENT_FILE_REMOVED, "p", 1));
    CHECK_HAS(nth(r, HRM_EVENT_FILE_REMOVED, "p", 0).message, "a directory is at its path");
    CHECK_INT(rmdir(f), 0);
    write_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    stop();
}

static char *slurp(const char *path, size_t *size)
{
    FILE *in_file = fopen(path, "rb");
    char *data;
    if (in_file == NULL)
        abort();
    fseek(in_file, 0, SEEK_END);
    *size = (size_t)ftell(in_file);
    rewind(in_file);
    data = malloc(*size);
    if (data == NULL || fread(data, 1, *size, in_file) != *size)
        abort();
    fclose(in_file);
    return data;
}

static const char *a_library; /* a real one: the library under test */

static void truncated_image_is_waited_for(void)
{
    size_t n, cut;
    char *image = slurp(a_library, &n);
    hrm_stats_t st;
    start(HRM_CHECK_IMAGE);
    write_bytes(f, image, n);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    for (cut = 1; cut <= 3; cut++) {
        write_bytes(f, image, n * cut / 4);
        CHECK(await(r, HRM_EVENT_HEALTH, NULL, (int)cut));
        CHECK_INT(nth(r, HRM_EVENT_HEALTH, NULL, (int)cut - 1).health, HRM_HEALTH_IMAGE_INCOMPLETE);
        CHECK_STR(nth(r, HRM_EVENT_HEALTH, NULL, (int)cut - 1).id, "p");
        CHECK(nth(r, HRM_EVENT_HEALTH, NULL, (int)cut - 1).message[0] != 0);
        CHECK_INT(told(), 0);
    }
    st.struct_size = sizeof st;
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK_INT(st.incomplete_images, 1);
    write_bytes(f, image, n);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK_INT(st.incomplete_images, 0);
    write_bytes(f, image, n);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 2));
    CHECK_INT(told(), 2);
    free(image);
    stop();
}

static void polled(void)
{
    hrm_stats_t st;
    int i;
    start(HRM_FORCE_POLLING);
    write_version(f, 1);
    watch();
    for (i = 2; i < 6; i++) {
        if (i % 2)
            write_version(f, i);
        else
            replace_version(f, i);
        CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", i - 1));
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", i - 2).version, i);
    }
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 4);
    st.struct_size = sizeof st;
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK_INT(st.watched_directories, 0);
    CHECK(st.polled_directories >= 1);
    CHECK_INT(st.notifications, 0);
    stop();
}

static void missing_at_first(void)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    const char *deep;
    start(0);
    o.flags = HRM_ENABLE_ALLOW_MISSING;
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_ERR_FILE_NOT_FOUND);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, NULL), HRM_OK);
    deep = in(in(in(dir, "a"), "b"), "c.so");
    CHECK_INT(hrm_enable_hot_reload_ex(m, "deep", deep, &o, NULL), HRM_OK);
    watch_sentinel(m, dir);
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 0);
    CHECK_INT(count(r, HRM_EVENT_FILE_REMOVED, NULL), 0);
    write_version(f, 1);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 1);
    CHECK_INT(mkdir(in(dir, "a"), 0755), 0);
    CHECK_INT(mkdir(in(in(dir, "a"), "b"), 0755), 0);
    write_version(deep, 1);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "deep", 1));
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 1);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "deep"), 1);
    stop();
}

static int three_pending(void *arg)
{
    hrm_stats_t st;
    (void)arg;
    st.struct_size = sizeof st;
    return hrm_stats(m, &st) == HRM_OK && st.pending == 3;
}

static void paused_and_resumed(void)
{
    int i;
    start(0);
    write_version(f, 1);
    write_version(in(dir, "q.so"), 1);
    watch();
    CHECK_INT(hrm_enable_hot_reload(m, "q", in(dir, "q.so"), NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "still", in(dir, "q.so"), NULL), HRM_OK);
    CHECK_INT(hrm_disable_hot_reload(m, "still"), 1);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 0), HRM_OK);
    for (i = 2; i < 8; i++) {
        replace_version(f, i);
        replace_version(in(dir, "q.so"), i);
        let_pass(QUIET + 10);
    }
    replace_version(in(dir, "sentinel"), 5);
    wait_until(three_pending, NULL, 1500);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, NULL), 0);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 1), HRM_OK);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, NULL, 3));
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), 1);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "q"), 1);
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 7);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "still"), 0);
    stop();
}

static void enabled_and_disabled_events(void)
{
    start(0);
    write_version(f, 1);
    watch();
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(hrm_clear(m), 1);
    CHECK(await(r, HRM_EVENT_DISABLED, "sentinel", 1));
    CHECK_INT(count(r, HRM_EVENT_ENABLED, "p"), 1);
    CHECK_INT(count(r, HRM_EVENT_DISABLED, "p"), 1);
    CHECK_INT(count(r, HRM_EVENT_ENABLED, "sentinel"), 1);
    CHECK_INT(count(r, 0, NULL), 4);
    CHECK_INT(nth(r, 0, NULL, 3).sequence, 4);
    CHECK_STR(nth(r, HRM_EVENT_ENABLED, "p", 0).path, f);
    stop();
}

static void unread_changes_stay_pending(void)
{
    start(0);
    write_version(f, 1);
    watch();
    CHECK(await(r, HRM_EVENT_ENABLED, "sentinel", 1));
    CHECK_INT(hrm_set_event_callback(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, NULL, NULL, NULL), HRM_OK);
    replace_version(f, 2);
    let_pass(3 * QUIET);
    replace_version(f, 3);
    CHECK_INT(hrm_set_event_callback(m, on_event, r, NULL), HRM_OK);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK(sentinel(r, dir));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", told() - 1).version, 3);
    stop();
}

/* A file rewritten without pause is told now and then, whole each time. */
static void never_quiet(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    int64_t end = now_ms() + 1500;
    int v = 2, i;
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    write_version(f, 1);
    o.quiet_ms = 200;
    o.max_delay_ms = 300;
    CHECK_INT(hrm_manager_create(&o, &m, NULL), HRM_OK);
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    while (now_ms() < end) {
        replace_version(f, v++);
        let_pass(5);
    }
    CHECK(told() >= 2);
    CHECK(told() <= 6);
    for (i = 0; i < told(); i++)
        CHECK(nth(r, HRM_EVENT_FILE_CHANGED, "p", i).version > 1);
    stop();
}

int main(int argc, char **argv)
{
    a_library = argc > 1 ? argv[1] : "/proc/self/exe";
    RUN(unchanged_content_is_dropped);
    RUN(touched_right_after_enabling);
    RUN(truncated_image_is_waited_for);
    RUN(polled);
    RUN(missing_at_first);
    RUN(paused_and_resumed);
    RUN(enabled_and_disabled_events);
    RUN(unread_changes_stay_pending);
    RUN(never_quiet);
    RUN(held_open_is_named);
    RUN(held_open_is_delivered_if_asked_for);
    RUN(a_directory_in_its_place_is_a_removal);
    DONE();
}
