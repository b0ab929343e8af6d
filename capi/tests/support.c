/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/wait.h>
#include <time.h>

int check_bad, check_passed, check_failed;

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int wait_until(condition holds, void *arg, int ms)
{
    int64_t end = now_ms() + ms;
    while (!holds(arg)) {
        if (now_ms() >= end)
            return holds(arg);
        poll(NULL, 0, 2);
    }
    return 1;
}

static int never(void *arg)
{
    (void)arg;
    return 0;
}

void let_pass(int ms) { wait_until(never, NULL, ms); }

int is_set(void *arg) { return LOAD(*(int *)arg) != 0; }

/* ------------------------------------------------------------------ files */

static char *keep(const char *a, const char *b, const char *c)
{
    size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
    char *s = malloc(n);
    if (s == NULL)
        abort();
    snprintf(s, n, "%s%s%s", a, b, c);
    return s;
}

static char *root;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_scratch(void)
{
    if (getpid() == owner)
        nftw(root, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(void)
{
    static int n;
    char name[32];
    const char *dir;
    if (root == NULL) {
        const char *tmp = getenv("TMPDIR");
        root = keep(tmp != NULL ? tmp : "/tmp", "/hotreload-test-", "XXXXXX");
        if (mkdtemp(root) == NULL)
            abort();
        chmod(root, 0755); /* one test reads as another user */
        owner = getpid();
        atexit(remove_scratch);
    }
    snprintf(name, sizeof name, "%d", ++n);
    dir = in(root, name);
    if (mkdir(dir, 0755) != 0)
        abort();
    return dir;
}

/* The few names that a run makes live in a list that a leak checker can see. */
struct name {
    struct name *next;
    char *text;
};
static struct name *names;

void run_in_a_mount_namespace(const char *untested)
{
    char self[512] = "", command[2048];
    const char *user = geteuid() == 0 ? "" : "-r ";
    int status;
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(command, sizeof command, "unshare %s-m true 2>/dev/null || exit 77; self='%s'; exec unshare %s-m \"$self\" --here '%s'",
             user, self, user, scratch());
    fflush(stdout);
    status = system(command);
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : -1) {
    case 0:
        break;
    case 77:
        printf("   no mount namespace can be had here: %s not tested\n", untested);
        break;
    default:
        CHECK(!"in the mount namespace");
    }
}

const char *in(const char *dir, const char *name)
{
    struct name *n = malloc(sizeof *n);
    if (n == NULL)
        abort();
    n->text = keep(dir, "/", name);
    n->next = names;
    names = n;
    return n->text;
}

char *contents(int v, size_t *size)
{
    enum { lines = 400 };
    char *s = malloc(lines * 64);
    size_t n = 0;
    int i;
    if (s == NULL)
        abort();
    n += (size_t)sprintf(s + n, "BEGIN %d\n", v);
    for (i = 0; i < lines; i++)
        n += (size_t)sprintf(s + n, "line %d of version %d\n", i, v);
    n += (size_t)sprintf(s + n, "END %d\n", v);
    *size = n;
    return s;
}

void write_bytes(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        abort();
}

void write_version(const char *path, int v)
{
    size_t n;
    char *s = contents(v, &n);
    write_bytes(path, s, n);
    free(s);
}

void replace_version(const char *path, int v)
{
    char *tmp = keep(path, ".new", "");
    write_version(tmp, v);
    if (rename(tmp, path) != 0)
        abort();
    free(tmp);
}

int read_version(const char *path)
{
    static __thread char buf[1 << 16];
    size_t n = 0, want_size;
    ssize_t got;
    int v = -1, fd = open(path, O_RDONLY | O_CLOEXEC);
    char *want;
    if (fd < 0)
        return -1;
    while (n < sizeof buf - 1 && (got = read(fd, buf + n, sizeof buf - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    buf[n] = 0;
    if (sscanf(buf, "BEGIN %d\n", &v) != 1)
        return -1;
    want = contents(v, &want_size);
    if (n != want_size || memcmp(buf, want, n) != 0)
        v = -1;
    free(want);
    return v;
}

/* --------------------------------------------------------------- recorder */

hrm_manager *manager(int mode, uint32_t flags)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    o.dispatch_mode = mode;
    o.quiet_ms = QUIET;
    o.poll_interval_ms = 30;
    o.flags = flags;
    if (hrm_manager_create(&o, &m, &err) != HRM_OK) {
        printf("   hrm_manager_create: %s\n", err.message);
        abort();
    }
    return m;
}

static void enter(recorder *r)
{
    pthread_mutex_lock(&r->mu);
    if (r->inside++ != 0)
        r->overlaps++;
}

static void leave(recorder *r)
{
    r->inside--;
    pthread_mutex_unlock(&r->mu);
}

void on_event(const hrm_event *ev, void *arg)
{
    recorder *r = arg;
    int version = ev->kind == HRM_EVENT_FILE_CHANGED ? read_version(ev->path) : 0;
    enter(r);
    if (r->n < (int)(sizeof r->ev / sizeof *r->ev)) {
        record *e = &r->ev[r->n++];
        e->kind = ev->kind;
        e->health = ev->health;
        snprintf(e->id, sizeof e->id, "%s", ev->plugin_id);
        snprintf(e->path, sizeof e->path, "%s", ev->path);
        snprintf(e->message, sizeof e->message, "%s", ev->message);
        e->generation = ev->generation;
        e->sequence = ev->sequence;
        e->timestamp_ns = ev->timestamp_ns;
        e->first_seen_ns = ev->first_seen_ns;
        e->version = version;
        e->thread = syscall(SYS_gettid);
    }
    leave(r);
}

void on_reload(const char *id, void *arg)
{
    recorder *r = arg;
    (void)id;
    enter(r);
    r->reloads++;
    leave(r);
}

void record_into(hrm_manager *m, recorder *r)
{
    pthread_mutex_init(&r->mu, NULL);
    CHECK_INT(hrm_set_event_callback(m, on_event, r, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, r, NULL), HRM_OK);
}

static int matches(const record *e, int kind, const char *id)
{
    return (kind == 0 || e->kind == kind) && (id == NULL || strcmp(e->id, id) == 0);
}

int count(recorder *r, int kind, const char *id)
{
    int i, n = 0;
    pthread_mutex_lock(&r->mu);
    for (i = 0; i < r->n; i++)
        n += matches(&r->ev[i], kind, id);
    pthread_mutex_unlock(&r->mu);
    return n;
}

record nth(recorder *r, int kind, const char *id, int n)
{
    record found;
    int i;
    memset(&found, 0, sizeof found);
    pthread_mutex_lock(&r->mu);
    for (i = 0; i < r->n; i++)
        if (matches(&r->ev[i], kind, id) && n-- == 0)
            found = r->ev[i];
    pthread_mutex_unlock(&r->mu);
    return found;
}

struct wanted {
    recorder *r;
    const char *id;
    int kind, n;
};

static int enough(void *arg)
{
    struct wanted *w = arg;
    return count(w->r, w->kind, w->id) >= w->n;
}

int await(recorder *r, int kind, const char *id, int n)
{
    struct wanted w = {r, id, kind, n};
    return wait_until(enough, &w, PATIENCE);
}

void watch_sentinel(hrm_manager *m, const char *dir)
{
    write_version(in(dir, "sentinel"), 0);
    CHECK_INT(hrm_enable_hot_reload(m, "sentinel", in(dir, "sentinel"), NULL), HRM_OK);
}

int sentinel(recorder *r, const char *dir)
{
    int told = count(r, HRM_EVENT_FILE_CHANGED, "sentinel");
    replace_version(in(dir, "sentinel"), told + 1);
    return await(r, HRM_EVENT_FILE_CHANGED, "sentinel", told + 1);
}

/* ---------------------------------------------------------------- process */

static int entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    if (d == NULL)
        return -1;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

int threads_now(void) { return entries("/proc/self/task"); }
int fds_now(void) { return entries("/proc/self/fd") - 1; /* opendir's own */ }

/* Asked by the leak checker. It does not check the children of a fork, where nobody
 * holds what the parent's other threads held, nor programs without /proc, where it
 * cannot look. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return (root != NULL && getpid() != owner) || access("/proc/self/task", F_OK) != 0;
}
