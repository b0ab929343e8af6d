/* SPDX-License-Identifier: MIT */
/* Completed changes are told once; half-written files and noise are not. */
#include "support.h"

#include <sys/mman.h>
#include <utime.h>

static recorder *r;
static hrm_manager *m;
static const char *dir, *f;

static void start(uint32_t flags)
{
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    write_version(f, 1);
    m = manager(HRM_DISPATCH_THREAD, flags);
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    watch_sentinel(m, dir);
}

static int told(void) { return count(r, HRM_EVENT_FILE_CHANGED, "p"); }

/* The n-th change has been told, nothing more, and each was read whole. */
static void expect_told(int n, int last_version)
{
    int i;
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", n));
    CHECK(sentinel(r, dir));
    CHECK_INT(told(), n);
    for (i = 0; i < n; i++) {
        CHECK(nth(r, HRM_EVENT_FILE_CHANGED, "p", i).version != -1);
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", i).generation, i + 1);
    }
    if (n > 0)
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", n - 1).version, last_version);
}

static void stop(void)
{
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(r->overlaps, 0);
    free(r);
}

static void replaced_twenty_times(void)
{
    int i;
    start(0);
    for (i = 0; i < 20; i++) {
        replace_version(f, i + 2);
        CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", i + 1));
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", i).version, i + 2);
    }
    expect_told(20, 21);
    CHECK(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).first_seen_ns <= nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).timestamp_ns);
    stop();
}

static void rewritten_in_place(void)
{
    start(0);
    write_version(f, 2);
    expect_told(1, 2);
    write_version(f, 3);
    expect_told(2, 3);
    stop();
}

static void burst_is_one_change(void)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    int i;
    start(0);
    o.quiet_ms = 10 * QUIET; /* a writer on a busy machine may pause for longer than QUIET */
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, NULL), HRM_OK);
    for (i = 2; i < 30; i++)
        replace_version(f, i);
    expect_told(1, 29);
    stop();
}

/* Writes version v in chunks with pauses of twice the quiet period. */
static void write_slowly(int v, int truncate)
{
    size_t n, done = 0, step;
    char *s = contents(v, &n);
    int fd = open(f, O_WRONLY | O_CLOEXEC | (truncate ? O_TRUNC : 0));
    while (done < n) {
        step = n - done < n / 5 ? n - done : n / 5;
        CHECK_INT(write(fd, s + done, step), step);
        done += step;
        let_pass(2 * QUIET);
    }
    CHECK_INT(told(), 0); /* held open: not told yet, however long the pauses */
    close(fd);
    free(s);
}

static void slow_writer(void)
{
    start(0);
    write_slowly(2, 1);
    expect_told(1, 2);
    stop();
}

static int is_being_written(void *unused)
{
    hrm_stats_t st;
    (void)unused;
    st.struct_size = sizeof st;
    return hrm_stats(m, &st) == HRM_OK && st.settling == 1 && st.being_written == 1;
}

static void being_written_shows(void)
{
    hrm_stats_t st;
    int fd;
    start(0);
    fd = open(f, O_WRONLY | O_CLOEXEC);
    CHECK_INT(write(fd, "BEGIN 9", 7), 7);
    CHECK(sentinel(r, dir));
    CHECK(wait_until(is_being_written, NULL, PATIENCE));
    CHECK_INT(told(), 0);
    st.struct_size = sizeof st;
    CHECK_INT(pwrite(fd, "BEGIN 1", 7, 0), 7);
    close(fd);
    expect_told(1, 1);
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK_INT(st.being_written, 0);
    CHECK_INT(st.deliveries, 3); /* two sentinels and the plugin */
    stop();
}

static void linker_then_strip(void)
{
    size_t n;
    char *s = contents(2, &n);
    int i, fd;
    start(0);
    unlink(f);
    write_bytes(f, s, n / 3); /* a linker, then strip, then an archive tool */
    for (i = 0; i < 4; i++) {
        fd = open(f, O_RDWR | O_CLOEXEC);
        CHECK_INT(pwrite(fd, s, n, 0), n);
        close(fd);
        let_pass(QUIET / 8);
    }
    expect_told(1, 2);
    free(s);
    stop();
}

static void mapped_writer(void)
{
    size_t n;
    char *s = contents(2, &n), *map;
    int fd;
    start(0);
    fd = open(f, O_RDWR | O_CLOEXEC);
    CHECK_INT(ftruncate(fd, 0), 0);
    CHECK_INT(ftruncate(fd, (off_t)n), 0);
    map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    memcpy(map, s, n / 2);
    let_pass(3 * QUIET); /* all zeros in the second half, the size is final */
    CHECK_INT(told(), 0);
    memcpy(map, s, n);
    munmap(map, n);
    close(fd);
    expect_told(1, 2);
    free(s);
    stop();
}

static void deleted_and_recreated(void)
{
    int i;
    start(0);
    for (i = 0; i < 3; i++) {
        unlink(f);
        write_version(f, i + 2);
        expect_told(i + 1, i + 2);
    }
    CHECK_INT(count(r, HRM_EVENT_FILE_REMOVED, "p"), 0);
    stop();
}

static void removed(void)
{
    start(0);
    unlink(f);
    CHECK(await(r, HRM_EVENT_FILE_REMOVED, "p", 1));
    CHECK(sentinel(r, dir));
    CHECK_INT(count(r, HRM_EVENT_FILE_REMOVED, "p"), 1);
    CHECK_INT(told(), 0);
    write_version(f, 2);
    expect_told(1, 2);
    stop();
}

static void two_ids_one_file(void)
{
    start(0);
    CHECK_INT(hrm_enable_hot_reload(m, "q", f, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "q", 1));
    expect_told(1, 2);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "q"), 1);
    CHECK_INT(hrm_disable_hot_reload(m, "q"), 1);
    replace_version(f, 3);
    expect_told(2, 3);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "q"), 1);
    stop();
}

static void noise_tells_nothing(void)
{
    int i;
    start(0);
    for (i = 0; i < 20; i++) {
        CHECK_INT(chmod(f, i % 2 ? 0644 : 0755), 0);
        CHECK_INT(read_version(f), 1);
        write_version(in(dir, "sibling"), i);
        replace_version(in(dir, "plugin.so.bak"), i);
        CHECK_INT(link(f, in(dir, "another-name")), 0);
        CHECK_INT(unlink(in(dir, "another-name")), 0);
        CHECK_INT(close(open(f, O_RDWR | O_CLOEXEC)), 0); /* opened for writing, not written */
    }
    expect_told(0, 0);
    stop();
}

static void touch_is_told_once(void)
{
    start(0);
    CHECK_INT(utime(f, NULL), 0);
    expect_told(1, 1);
    stop();
}

static void parent_replaced(void)
{
    const char *sub, *old;
    start(0);
    sub = in(dir, "release"), old = in(dir, "old");
    CHECK_INT(mkdir(sub, 0755), 0);
    write_version(in(sub, "x.so"), 1);
    CHECK_INT(hrm_enable_hot_reload(m, "x", in(sub, "x.so"), NULL), HRM_OK);
    CHECK_INT(rename(sub, old), 0);
    CHECK_INT(mkdir(sub, 0755), 0);
    write_version(in(sub, "x.so"), 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "x", 1));
    replace_version(in(old, "x.so"), 77); /* not on the path any more */
    replace_version(in(sub, "x.so"), 3);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "x", 2));
    CHECK(sentinel(r, dir));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "x"), 2);
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "x", 1).version, 3);
    stop();
}

static void link_retargeted(void)
{
    const char *current, *tmp;
    int i;
    char target[24];
    start(0);
    current = in(dir, "current"), tmp = in(dir, "current.tmp");
    for (i = 1; i <= 4; i++) {
        snprintf(target, sizeof target, "v%d", i);
        CHECK_INT(mkdir(in(dir, target), 0755), 0);
        write_version(in(in(dir, target), "x.so"), i);
    }
    CHECK_INT(symlink("v1", current), 0);
    CHECK_INT(hrm_enable_hot_reload(m, "x", in(current, "x.so"), NULL), HRM_OK);
    for (i = 2; i <= 4; i++) {
        snprintf(target, sizeof target, "v%d", i);
        CHECK_INT(symlink(target, tmp), 0);
        CHECK_INT(rename(tmp, current), 0);
        CHECK(await(r, HRM_EVENT_FILE_CHANGED, "x", i - 1));
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "x", i - 2).version, i);
    }
    CHECK(sentinel(r, dir));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "x"), 3);
    stop();
}

/* As a container's configuration volume is updated: ..data swapped atomically. */
static void configuration_volume(void)
{
    const char *volume, *x;
    char name[24];
    int i;
    start(0);
    volume = in(dir, "volume"), x = in(volume, "x.so");
    CHECK_INT(mkdir(volume, 0755), 0);
    for (i = 1; i <= 4; i++) {
        snprintf(name, sizeof name, "..%d", i);
        CHECK_INT(mkdir(in(volume, name), 0755), 0);
        write_version(in(in(volume, name), "x.so"), i);
        CHECK_INT(symlink(name, in(volume, "..data_tmp")), 0);
        CHECK_INT(rename(in(volume, "..data_tmp"), in(volume, "..data")), 0);
        if (i == 1) {
            CHECK_INT(symlink("..data/x.so", x), 0);
            CHECK_INT(hrm_enable_hot_reload(m, "x", x, NULL), HRM_OK);
            continue;
        }
        snprintf(name, sizeof name, "..%d", i - 1);
        CHECK_INT(unlink(in(in(volume, name), "x.so")), 0);
        CHECK_INT(rmdir(in(volume, name)), 0);
        CHECK(await(r, HRM_EVENT_FILE_CHANGED, "x", i - 1));
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "x", i - 2).version, i);
    }
    CHECK(sentinel(r, dir));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "x"), 3);
    CHECK_INT(count(r, HRM_EVENT_FILE_REMOVED, "x"), 0);
    stop();
}

/* One plugin may be told earlier, another later, than the manager's default. */
static void quiet_period_of_a_plugin(void)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    record slow, fast;
    start(0);
    o.quiet_ms = 10 * QUIET;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "slow", f, &o, NULL), HRM_OK);
    o.quiet_ms = HRM_NO_QUIET;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "fast", f, &o, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "slow", 1));
    expect_told(1, 2);
    slow = nth(r, HRM_EVENT_FILE_CHANGED, "slow", 0);
    fast = nth(r, HRM_EVENT_FILE_CHANGED, "fast", 0);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "fast"), 1);
    CHECK(fast.sequence < nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).sequence);
    CHECK(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).sequence < slow.sequence);
    CHECK(slow.timestamp_ns - slow.first_seen_ns >= 9 * QUIET * 1000000ll);
    stop();
}

/* Many plugins, many changes, at any moment: at the end the last version of each
 * has been told. On the way the next version may be under way when the callback
 * reads, so there it is only demanded that time does not run backwards. */
static void random_writers(void)
{
    enum { plugins = 12, rounds = 150 };
    static unsigned seed = 12345;
    const char *file[plugins];
    char id[24], name[24];
    int last[plugins], i, j, n, v, before;
    start(0);
    for (i = 0; i < plugins; i++) {
        snprintf(id, sizeof id, "r%d", i);
        snprintf(name, sizeof name, "r%d.so", i);
        file[i] = in(dir, name);
        write_version(file[i], last[i] = 1);
        CHECK_INT(hrm_enable_hot_reload(m, id, file[i], NULL), HRM_OK);
    }
    for (j = 2; j < rounds; j++) {
        i = (int)(rand_r(&seed) % plugins);
        last[i] = j;
        switch (rand_r(&seed) % 4) {
        case 0: unlink(file[i]); /* fall through */
        case 1: write_version(file[i], j); break;
        default: replace_version(file[i], j);
        }
        let_pass((int)(rand_r(&seed) % 20));
    }
    CHECK(sentinel(r, dir));
    for (i = 0; i < plugins; i++) {
        snprintf(id, sizeof id, "r%d", i);
        n = count(r, HRM_EVENT_FILE_CHANGED, id);
        CHECK(n >= 1);
        CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, id, n - 1).version, last[i]);
        CHECK(n <= rounds);
        for (j = 0, before = 1; j < n; j++) {
            v = nth(r, HRM_EVENT_FILE_CHANGED, id, j).version;
            CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, id, j).generation, j + 1);
            if (v == -1)
                continue;
            CHECK(v >= before);
            before = v;
        }
    }
    stop();
}

int main(void)
{
    RUN(replaced_twenty_times);
    RUN(rewritten_in_place);
    RUN(burst_is_one_change);
    RUN(slow_writer);
    RUN(being_written_shows);
    RUN(linker_then_strip);
    RUN(mapped_writer);
    RUN(deleted_and_recreated);
    RUN(removed);
    RUN(two_ids_one_file);
    RUN(noise_tells_nothing);
    RUN(touch_is_told_once);
    RUN(parent_replaced);
    RUN(link_retargeted);
    RUN(configuration_volume);
    RUN(quiet_period_of_a_plugin);
    RUN(random_writers);
    DONE();
}
