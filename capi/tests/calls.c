/* SPDX-License-Identifier: MIT */
/*
 * Random calls with random, stale and hostile arguments from several threads:
 *   calls [NUMBER [SEED [THREADS]]]
 * What a caller may not do in C (memory that is smaller than it says, a callback
 * that is no function) is not done; everything else is. Prints the seed.
 */
#include "support.h"

#include <limits.h>
#include <malloc.h>

#define MANAGERS 6
#define STALE 256
#define IDS 14
#define PATHS 16

static long long number = 60000;
static unsigned long long seed;
static int threads = 4;

static hrm_manager *live[MANAGERS]; /* behind mu */
static hrm_manager *stale[STALE];   /* no longer managers; some have become so meanwhile */
static int managers, n_stale;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static char *ids[IDS], *paths[PATHS];
static const char *dir;
static long long calls, registered, released, callbacks, wrong, refused_by_code[16];

/* xorshift: a thread's own, so that a run with one thread repeats. */
typedef struct {
    unsigned long long s;
    int depth; /* inside callbacks */
} chance;
static __thread chance *mine;

static unsigned long long draw(chance *c)
{
    c->s ^= c->s << 13;
    c->s ^= c->s >> 7;
    c->s ^= c->s << 17;
    return c->s;
}
static int below(chance *c, int n) { return (int)(draw(c) % (unsigned)n); }

static void step(chance *c);

/* A library thread gets its own luck at its first callback. */
static chance *luck(void)
{
    static __thread chance own;
    if (mine == NULL) {
        own.s = seed ^ ((unsigned long long)syscall(SYS_gettid) << 20) ^ 0x9e3779b97f4a7c15ull;
        mine = &own;
    }
    return mine;
}

/* ------------------------------------------------------------- callbacks */

typedef struct {
    int released;
} token;

static token *new_token(void)
{
    token *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    __atomic_add_fetch(&registered, 1, __ATOMIC_SEQ_CST);
    return t;
}

static void on_release(void *p)
{
    token *t = p;
    if (__atomic_exchange_n(&t->released, 1, __ATOMIC_SEQ_CST) != 0)
        __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
    free(t); /* a sanitizer sees every use and release after this */
}

static void used(void *p)
{
    token *t = p;
    if (LOAD(t->released))
        __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&callbacks, 1, __ATOMIC_SEQ_CST);
}

static void inside(void *p)
{
    chance *c = luck();
    used(p);
    if (c->depth++ == 0 && below(c, 4) == 0)
        step(c); /* from inside a callback every function may be called */
    c->depth--;
}

static void call_reload(const char *id, void *p)
{
    if (strlen(id) > 255)
        ADD(wrong, 1);
    inside(p);
}

static void call_event(const hrm_event *ev, void *p)
{
    if (ev->struct_size < offsetof(hrm_event, message) || ev->kind < 1 || strlen(ev->plugin_id) > 255 || ev->path == NULL)
        ADD(wrong, 1);
    if (ev->kind == HRM_EVENT_HEALTH && ev->health == HRM_HEALTH_PANIC) {
        printf("   %s\n", ev->message);
        ADD(wrong, 1);
    }
    inside(p);
}

static int32_t call_validator(const hrm_candidate *c, char *reason, size_t size, void *p)
{
    if (c->struct_size < offsetof(hrm_candidate, generation))
        ADD(wrong, 1);
    if (below(luck(), 2) && size > 0)
        memset(reason, 'x', size); /* without its NUL */
    inside(p);
    return below(luck(), 3) - 1;
}

static void call_wakeup(void *p) { used(p); }
static void call_log(const hrm_log_record *r, void *p)
{
    if (r->struct_size != sizeof *r || r->level < HRM_LOG_ERROR || r->level > HRM_LOG_DEBUG || strlen(r->plugin_id) > 255 ||
        strlen(r->message) > 1000)
        ADD(wrong, 1);
    used(p);
}

/* ------------------------------------------------------------- arguments */

static hrm_manager *some_manager(chance *c)
{
    hrm_manager *m;
    int w = below(c, 100);
    if (w < 2)
        return NULL;
    if (w < 4)
        return (hrm_manager *)(uintptr_t)draw(c);
    if (w < 5)
        return (hrm_manager *)(uintptr_t)below(c, 5000);
    if (w < 6)
        return (hrm_manager *)&number; /* somebody else's memory */
    pthread_mutex_lock(&mu);
    if (w < 12)
        m = n_stale == 0 ? NULL : stale[below(c, n_stale < STALE ? n_stale : STALE)];
    else
        m = managers == 0 ? NULL : live[below(c, managers)];
    pthread_mutex_unlock(&mu);
    if (w == 12)
        m = (hrm_manager *)((uintptr_t)m + 1);
    return m;
}

static const char *some_id(chance *c) { return ids[below(c, IDS)]; }
static const char *some_path(chance *c) { return paths[below(c, PATHS)]; }

static const int32_t numbers[] = {0, 1, -1, 2, 5, 10, 100, 3600000, 3600001, 86400000, 86400001, INT32_MAX, INT32_MIN, -2};
static int32_t some_number(chance *c) { return numbers[below(c, (int)(sizeof numbers / sizeof *numbers))]; }

/* A struct of any size, in memory that is as large as it says. */
static void *some_struct(chance *c, size_t known, unsigned char *room, size_t size)
{
    uint32_t says = (uint32_t)known;
    int w = below(c, 10);
    memset(room, 0, size);
    if (w == 0)
        return NULL;
    if (w == 1)
        says = (uint32_t)below(c, (int)size);
    if (w == 2)
        says = (uint32_t)(known + (size_t)below(c, 64));
    if (w == 3)
        says = (uint32_t)below(c, (int)known + 1);
    if (w == 4)
        room[below(c, (int)size)] = (unsigned char)draw(c);
    memcpy(room, &says, sizeof says);
    return room;
}

static void check_as(const char *call, int32_t code, const hrm_error *err)
{
    ADD(calls, 1);
    if (code < HRM_ERR_NO_MEMORY || code == HRM_ERR_PANIC || code == HRM_ERR_FORKED) {
        printf("   %s is %s (%d) %s\n", call, hrm_error_name(code), (int)code, err != NULL ? err->message : "");
        ADD(wrong, 1);
    }
    if (code < 0 && code > -16)
        ADD(refused_by_code[-code], 1);
}

#define check(call) check_as(#call, call, NULL)
#define check_err(call, err) check_as(#call, call, err)

static hrm_error *some_error(chance *c, hrm_error *err)
{
    memset(err, 0, sizeof *err);
    err->struct_size = below(c, 4) ? (uint32_t)sizeof *err : (uint32_t)below(c, (int)sizeof *err + 1);
    return below(c, 4) ? err : NULL;
}

static void check_error(hrm_error *err)
{
    if (err != NULL && err->struct_size == sizeof *err && memchr(err->message, 0, sizeof err->message) == NULL)
        ADD(wrong, 1);
}

/* ----------------------------------------------------------------- calls */

static void create(chance *c)
{
    static __thread unsigned char room[1 << 17];
    hrm_options *o = some_struct(c, sizeof *o, room, sizeof room / 2);
    hrm_manager *m = (hrm_manager *)room;
    hrm_error err, *e = some_error(c, &err);
    int32_t code;
    if (o != NULL) {
        o->safe = NULL; /* a pointer that was drawn may not be */
        o->snapshot_dir = NULL;
    }
    if (o != NULL && o->struct_size == sizeof *o) {
        o->dispatch_mode = below(c, 20) ? below(c, 2) : some_number(c);
        o->quiet_ms = below(c, 4) ? 1 : some_number(c);
        o->max_delay_ms = below(c, 4) ? 20 : some_number(c);
        o->poll_interval_ms = below(c, 4) ? 20 : some_number(c);
        o->safety_check_ms = below(c, 4) ? 20 : some_number(c);
        o->held_after_ms = below(c, 4) ? 20 : some_number(c);
        o->marker_after_ms = below(c, 4) ? 20 : some_number(c);
        o->reserved = below(c, 50) ? 0 : some_number(c);
        o->flags = below(c, 8) ? (uint32_t)below(c, 16) : (uint32_t)draw(c);
    }
    code = hrm_manager_create(o, below(c, 50) ? &m : NULL, e);
    check_as("hrm_manager_create", code, e);
    check_error(e);
    if (code != HRM_OK)
        return;
    pthread_mutex_lock(&mu);
    if (managers < MANAGERS) {
        live[managers++] = m;
        m = NULL;
    }
    pthread_mutex_unlock(&mu);
    if (m != NULL)
        check(hrm_manager_destroy(m));
}

static void destroy(chance *c)
{
    hrm_manager *m = NULL;
    pthread_mutex_lock(&mu);
    if (managers > 0) {
        int i = below(c, managers);
        m = live[i];
        live[i] = live[--managers];
        stale[n_stale++ % STALE] = m;
    }
    pthread_mutex_unlock(&mu);
    check(hrm_manager_destroy(m));
}

static void set_callback(chance *c, hrm_manager *m)
{
    token *t = new_token();
    int some = below(c, 5) != 0;
    switch (below(c, 5)) {
    case 0: check(hrm_set_reload_callback(m, some ? call_reload : NULL, t, on_release)); break;
    case 1: check(hrm_set_event_callback(m, some ? call_event : NULL, t, on_release)); break;
    case 2: check(hrm_set_validator(m, some ? call_validator : NULL, t, on_release)); break;
    case 3: check(hrm_set_log_callback(m, some_number(c), some ? call_log : NULL, t, on_release)); break;
    default: check(hrm_set_wakeup_callback(m, some ? call_wakeup : NULL, t, on_release));
    }
}

static void enable(chance *c, hrm_manager *m)
{
    static __thread unsigned char room[1 << 17];
    hrm_enable_options *o = some_struct(c, sizeof *o, room, sizeof room / 2);
    hrm_error err, *e = some_error(c, &err);
    if (o != NULL) {
        o->safe = NULL; /* a pointer that was drawn may not be */
        o->pause_marker = below(c, 3) ? NULL : some_path(c);
        if (o->struct_size >= sizeof *o) {
            o->flags = below(c, 8) ? (uint32_t)below(c, 8) : (uint32_t)draw(c);
            o->quiet_ms = below(c, 2) ? 0 : some_number(c);
        }
    }
    check_err(below(c, 2) ? hrm_enable_hot_reload(m, some_id(c), some_path(c), e)
                          : hrm_enable_hot_reload_ex(m, some_id(c), some_path(c), o, e), e);
    check_error(e);
}

static int32_t call_id(const char *path, char *id, size_t size, void *p)
{
    if (strlen(path) > PATH_MAX || size < 256)
        ADD(wrong, 1);
    if (below(luck(), 8) == 0)
        memset(id, 'x', size); /* without its NUL */
    else
        snprintf(id, size, "%s%d", path, below(luck(), 3));
    inside(p);
    return below(luck(), 4) - 1;
}

static void folder(chance *c, hrm_manager *m)
{
    static const char *const lists[][3] = {{NULL}, {"*.so", NULL}, {"**", "**" "/" "*.so", NULL}, {"[", NULL}, {"", NULL}, {"missing/" "**", NULL}};
    static __thread unsigned char room[1 << 17];
    hrm_folder_options *o = some_struct(c, sizeof *o, room, sizeof room / 2);
    hrm_error err, *e = some_error(c, &err);
    if (o != NULL) {
        o->include = o->exclude = NULL; /* pointers that were drawn may not be */
        o->safe = NULL;
        o->pause_marker = NULL;
        o->id_fn = NULL;
        o->id_destroy = NULL;
        if (o->struct_size == sizeof *o) {
            o->flags = below(c, 8) ? (uint32_t)below(c, 32) : (uint32_t)draw(c);
            o->reserved = 0;
            o->include = below(c, 2) ? lists[below(c, 6)] : NULL;
            o->exclude = below(c, 4) ? NULL : lists[below(c, 6)];
            o->max_depth = below(c, 4) ? 0 : some_number(c);
            o->max_files = below(c, 4) ? 0 : some_number(c);
            o->quiet_ms = below(c, 2) ? 0 : some_number(c);
            o->pause_marker = below(c, 4) ? NULL : some_id(c);
            if (below(c, 2)) {
                o->id_fn = call_id;
                o->id_user_data = new_token();
                o->id_destroy = on_release;
            }
        }
    }
    check_err(hrm_enable_folder(m, some_id(c), below(c, 2) ? dir : some_path(c), o, e), e);
    check_error(e);
}

static void ask_folders(chance *c, hrm_manager *m)
{
    size_t room = (size_t)below(c, 600), size = room;
    char *exact = malloc(room + 1);
    int32_t paused = hrm_is_folder_paused(m, some_id(c));
    if (exact == NULL)
        abort();
    if (paused != 0 && paused != 1)
        ADD(wrong, 1);
    check(hrm_get_folders(m, below(c, 4) ? exact : NULL, below(c, 20) ? &size : NULL));
    check(hrm_set_folder_paused(m, some_id(c), some_number(c)));
    free(exact);
}

static void list(chance *c, hrm_manager *m)
{
    size_t room = (size_t)below(c, 600), size = room;
    char *exact = malloc(room + 1); /* a sanitizer sees the first byte too many */
    if (exact == NULL)
        abort();
    check(hrm_get_hot_reload_plugins(m, below(c, 4) ? exact : NULL, below(c, 20) ? &size : NULL));
    free(exact);
}

static void explain(chance *c, hrm_manager *m)
{
    size_t room = (size_t)below(c, 3000), size = room;
    char *exact = malloc(room + 1);
    uint32_t filled = (uint32_t)(below(c, 2) ? sizeof(hrm_plugin_status_t) : (size_t)below(c, (int)sizeof(hrm_plugin_status_t)));
    hrm_plugin_status_t *status = malloc(filled < 4 ? 4 : filled);
    if (exact == NULL || status == NULL)
        abort();
    check(hrm_explain(m, some_id(c), below(c, 4) ? exact : NULL, below(c, 20) ? &size : NULL));
    size = room;
    check(hrm_metrics(m, below(c, 4) ? exact : NULL, below(c, 20) ? &size : NULL, NULL));
    size = room / sizeof(hrm_past_decision);
    if (size > 0) {
        uint32_t each = (uint32_t)(below(c, 4) ? sizeof(hrm_past_decision) : (size_t)below(c, 100));
        memcpy(exact, &each, sizeof each);
    }
    check(hrm_plugin_decisions(m, some_id(c), size > 0 ? (hrm_past_decision *)(void *)exact : NULL, below(c, 20) ? &size : NULL, NULL));
    memcpy(status, &filled, sizeof filled);
    check(hrm_plugin_status(m, some_id(c), below(c, 30) ? status : NULL));
    free(status);
    free(exact);
}

static void printable(chance *c)
{
    size_t size = (size_t)below(c, 300);
    char *exact = malloc(size + 1);
    int32_t n;
    if (exact == NULL)
        abort();
    n = hrm_printable(below(c, 2) ? some_id(c) : some_path(c), below(c, 10) ? exact : NULL, size);
    check(n);
    if (n > 0 && ((size_t)n >= size || exact[n] != 0))
        ADD(wrong, 1);
    free(exact);
}

static void stats(chance *c, hrm_manager *m)
{
    uint32_t size = (uint32_t)(below(c, 2) ? sizeof(hrm_stats_t) : (size_t)below(c, (int)sizeof(hrm_stats_t)));
    hrm_stats_t *exact = malloc(size < 4 ? 4 : size);
    if (exact == NULL)
        abort();
    memcpy(exact, &size, sizeof size);
    check(hrm_stats(m, below(c, 30) ? exact : NULL));
    free(exact);
}

/* Each question, both ways: a plain answer is 1 or 0, whatever the manager is. */
static void ask(chance *c, hrm_manager *m)
{
    hrm_error err, *e = some_error(c, &err);
    const char *id = some_id(c);
    int which = below(c, 8);
    int32_t yes = 7, code = which == 0   ? hrm_is_global_hot_reload_enabled(m)
                            : which == 1 ? hrm_is_plugin_paused(m, id)
                                         : hrm_is_hot_reload_enabled(m, id);
    if (code != 0 && code != 1)
        ADD(wrong, 1);
    code = which == 0   ? hrm_is_global_hot_reload_enabled_ex(m, &yes, e)
           : which == 1 ? hrm_is_plugin_paused_ex(m, id, &yes, e)
                        : hrm_is_hot_reload_enabled_ex(m, id, &yes, e);
    check_err(code, e);
    check_error(e);
    if ((yes != 0 && yes != 1) || (code < 0 && yes != 0))
        ADD(wrong, 1);
}

static void change_file(chance *c)
{
    const char *f = paths[below(c, 6)];
    char text[32];
    int fd = open(f, O_WRONLY | O_CREAT | (below(c, 2) ? O_TRUNC : 0) | O_CLOEXEC, 0644);
    if (below(c, 10) == 0)
        unlink(f);
    if (fd >= 0) {
        int n = snprintf(text, sizeof text, "%llu", draw(c));
        if (write(fd, text, (size_t)n) != n)
            abort();
        close(fd);
    }
}

#include "hostcalls.h"

static void step(chance *c)
{
    hrm_manager *m = some_manager(c);
    hrm_error err, *e;
    int w = below(c, 1000);
    if (w < 4)
        create(c);
    else if (w < 6)
        destroy(c);
    else if (w < 8)
        check(hrm_manager_destroy(some_manager(c) == m ? NULL : (hrm_manager *)(uintptr_t)draw(c)));
    else if (w < 20)
        change_file(c);
    else if (w < 200)
        enable(c, m);
    else if (w < 350)
        check(hrm_disable_hot_reload(m, some_id(c)));
    else if (w < 550)
        ask(c, m);
    else if (w < 580)
        list(c, m);
    else if (w < 610)
        explain(c, m);
    else if (w < 615)
        check(hrm_clear(m));
    else if (w < 630)
        check(hrm_set_global_hot_reload_enabled(m, some_number(c)));
    else if (w < 640)
        check(hrm_set_plugin_paused(m, some_id(c), some_number(c)));
    else if (w < 650)
        check(hrm_check_now(m, below(c, 3) ? some_id(c) : NULL));
    else if (w < 700)
        set_callback(c, m);
    else if (w < 720) {
        e = some_error(c, &err);
        check_err(hrm_report_reload(m, some_id(c), draw(c), some_number(c), some_id(c), e), e);
        check_error(e);
    } else if (w < 850) {
        int32_t timeout = some_number(c);
        e = some_error(c, &err);
        check_err(hrm_dispatch(m, some_number(c), timeout < 0 || timeout > 2 ? 0 : timeout, e), e);
        check_error(e);
    } else if (w < 860)
        folder(c, m);
    else if (w < 868)
        check(hrm_disable_folder(m, some_id(c)));
    else if (w < 872)
        ask_folders(c, m);
    else if (w < 900)
        check(hrm_event_fd(m) < 0 ? HRM_OK : 1);
    else if (w < 960)
        stats(c, m);
    else if (w < 965)
        printable(c);
    else if (w < 990)
        host_call(c);
    else if (hrm_error_name((int32_t)draw(c)) == NULL || hrm_strerror((int32_t)draw(c)) == NULL)
        ADD(wrong, 1);
}

static void *work(void *arg)
{
    chance c = {seed * 2654435761u + (unsigned long long)(uintptr_t)arg * 0x9e3779b97f4a7c15ull + 1, 0};
    mine = &c;
    while (__atomic_load_n(&calls, __ATOMIC_RELAXED) < number)
        step(&c);
    return NULL;
}

static char *of_bytes(int byte, size_t n)
{
    char *s = malloc(n + 1);
    if (s == NULL)
        abort();
    memset(s, byte, n);
    s[n] = 0;
    return s;
}

static void make_arguments(void)
{
    int i;
    dir = scratch();
    for (i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "id%d", i);
        ids[i] = strdup(name);
    }
    ids[8] = NULL;
    ids[9] = strdup("");
    ids[10] = strdup("\xff\xfe not UTF-8");
    ids[11] = of_bytes('i', 255);
    ids[12] = of_bytes('i', 256);
    ids[13] = strdup("control\n");
    for (i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "plugin%d.so", i);
        paths[i] = strdup(in(dir, name));
        write_version(paths[i], i);
    }
    paths[6] = strdup(in(dir, "missing/at/all.so"));
    paths[7] = strdup(dir);
    paths[8] = strdup(in(dir, "fifo"));
    if (mkfifo(paths[8], 0600) != 0)
        abort();
    paths[9] = strdup("/dev/null");
    paths[10] = NULL;
    paths[11] = strdup("");
    paths[12] = of_bytes('p', 5000);
    paths[13] = strdup(in(dir, "\xff\xfe"));
    write_version(paths[13], 1);
    paths[14] = strdup("relative/none");
    paths[15] = strdup(in(dir, "link"));
    if (symlink(paths[0], paths[15]) != 0)
        abort();
}

static int all_released(void *unused)
{
    (void)unused;
    return LOAD(released) == LOAD(registered);
}

static int few_threads(void *at_most) { return threads_now() <= *(int *)at_most; }

static void random_calls(void)
{
    pthread_t t[64];
    int i, threads_before, fds_before;
    hrm_manager_destroy(manager(HRM_DISPATCH_THREAD, 0)); /* the runtime is awake */
    threads_before = threads_now() + threads + 8;         /* it keeps some for later */
    fds_before = fds_now();
    open_a_host();
    for (i = 0; i < threads; i++)
        CHECK_INT(pthread_create(&t[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    for (i = 0; i < managers; i++)
        CHECK_INT(hrm_manager_destroy(live[i]), HRM_OK);
    CHECK_INT(hrm_host_destroy(a_host, 10 * PATIENCE, NULL), HRM_OK);
    CHECK(wait_until(all_released, NULL, PATIENCE));
    CHECK_INT(released, registered);
    CHECK_INT(wrong, 0);
    CHECK(callbacks > number / 5000);
    CHECK_INT(fds_now(), fds_before);
    CHECK(wait_until(few_threads, &threads_before, PATIENCE));
    printf("   %lld calls, %lld callbacks, %lld registrations; refused:", calls, callbacks, registered);
    for (i = 1; i < 13; i++)
        if (refused_by_code[i] != 0)
            printf(" %lld %s", refused_by_code[i], hrm_error_name(-i) + 8);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = (unsigned long long)now.tv_sec * 1000000007ull + (unsigned long long)now.tv_nsec;
    if (argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9')
        number = atoll(argv[1]);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    if (argc > 3)
        threads = atoi(argv[3]);
    if (threads < 1 || threads > 64)
        return 2;
    printf("   seed %llu, %d threads\n", seed, threads);
    fflush(stdout);
    make_arguments();
    RUN(random_calls);
    DONE();
}
