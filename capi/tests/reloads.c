/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h over a long time, and killed at every step of a reload. */
#include "plugins.h"

#include <dirent.h>
#include <sys/wait.h>

/* Directories and files in a directory. */
static int entries(const char *path)
{
    struct dirent *d;
    int n = 0;
    DIR *all = opendir(path);
    while (all != NULL && (d = readdir(all)) != NULL)
        n += d->d_name[0] != '.';
    if (all != NULL)
        closedir(all);
    return n;
}

/* The only directory in a directory, valid until the next call. */
static const char *only(const char *path)
{
    static char found[600];
    struct dirent *d;
    DIR *all = opendir(path);
    while (all != NULL && (d = readdir(all)) != NULL)
        if (d->d_name[0] != '.')
            snprintf(found, sizeof found, "%s/%s", path, d->d_name);
    if (all != NULL)
        closedir(all);
    return found;
}

/* ------------------------------------------------------- a thousand reloads */

#ifdef __SANITIZE_ADDRESS__
enum { RELOADS = 60, WARM = 20 }; /* its quarantine keeps what was freed */
#else
enum { RELOADS = 1000, WARM = 100 };
#endif

static long resident(void)
{
    long total = 0, pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%ld %ld", &total, &pages) == 2);
    if (statm != NULL)
        fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Mappings of this process whose name contains part. */
static int mappings(const char *part)
{
    char line[1000];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        n += strstr(line, part) != NULL;
    if (maps != NULL)
        fclose(maps);
    return n;
}

static int two_snapshots(void *arg)
{
    hrm_stats_t s;
    (void)arg;
    s.struct_size = sizeof s;
    return hrm_stats(hrm_host_manager(host), &s) == HRM_OK && s.snapshots == 2;
}

/* Another version of the library that is there, without a compiler: its number. */
static void restamp(char *image, size_t size, int version)
{
    static const char mark[] = "stamped";
    size_t i;
    int fd;
    for (i = 0; i + sizeof mark + sizeof version <= size; i++)
        if (memcmp(image + i, mark, sizeof mark) == 0)
            memcpy(image + i + sizeof mark, &version, sizeof version);
    fd = open(in(dir, "built"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, image, size) == (ssize_t)size && close(fd) == 0);
    CHECK_INT(rename(in(dir, "built"), f), 0);
}

static void a_thousand_reloads_stay_flat(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    struct stat st;
    char *image, store[700];
    long memory = 0, grown;
    int i, fd, fds = 0, ours = 0, all = 0;
    o.quiet_ms = HRM_NO_QUIET;
    start(HRM_DISPATCH_THREAD, &o);
    fd = open(f, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    image = malloc((size_t)st.st_size);
    CHECK(image != NULL && read(fd, image, (size_t)st.st_size) == st.st_size);
    close(fd);
    for (i = 2; i <= RELOADS + 1 && check_bad == 0; i++) {
        restamp(image, (size_t)st.st_size, i);
        expect(HRM_VERDICT_DONE, i, "");
        CHECK_INT(call(0), i);
        CHECK_INT(call(1), i - 1); /* the state went along all the way */
        if (i == WARM) {
            CHECK(wait_until(two_snapshots, NULL, PATIENCE));
            memory = resident();
            fds = fds_now();
            ours = mappings("/plugin.so");
            all = mappings("");
        }
    }
    CHECK(wait_until(two_snapshots, NULL, PATIENCE));
    CHECK(ours > 0);
    CHECK_INT(mappings("/plugin.so"), ours);
    snprintf(store, sizeof store, "%s/d/d/d/d/d/d/d/d", only(in(dir, "snapshots")));
    CHECK_INT(entries(store), 2);
    CHECK(fds_now() <= fds);
    /* One mapping that stayed behind per reload would be hundreds. Go's heap and the threads' arenas may take a few. */
    CHECK(mappings("") <= all + 40);
    /* A version that stayed behind is at least four pages: 900 of them are 14 MiB. What
     * Go's collector has not freed yet is below 4 MiB, its smallest heap. */
    grown = resident() - memory;
    printf("   %d reloads: %ld KiB more\n", RELOADS - WARM, grown / 1024);
#ifndef __SANITIZE_ADDRESS__
    CHECK(grown < 6 << 20);
#endif
    free(image);
    stop();
    CHECK_INT(entries(in(dir, "snapshots")), 0);
}

/* ----------------------------------------------------------------- killed */

typedef struct {
    pid_t pid;
    int to, from; /* its input, whose end it waits for, and its output */
    int status, ended;
} process;

static void say(const hrm_plugin_outcome *o, void *arg)
{
    char line[40];
    int n = snprintf(line, sizeof line, "%d\n", o->verdict == HRM_VERDICT_DONE ? (int)o->generation : -1);
    (void)arg;
    if (o->verdict == HRM_VERDICT_NOTED)
        return;
    CHECK(write(1, line, (size_t)n) == n);
}

/* A host in a process of its own: says which generation it has loaded. */
static int be_a_host(const char *base, const char *path)
{
    hrm_options ho = HRM_OPTIONS_INIT;
    hrm_host_options hho = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options po = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char byte;
    hho.manager = &ho;
    hho.outcome = say;
    ho.quiet_ms = QUIET;
    ho.snapshot_dir = base;
    po.symbols = symbols;
    po.canary_timeout_ms = strstr(path, "canary") != NULL ? 60000 : 0;
    if (hrm_host_create(&hho, &host, &err) < 0 || hrm_host_open(host, "p", path, &po, &plugin, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    while (read(0, &byte, 1) < 0 && errno == EINTR) {
    }
    stop();
    return 0;
}

static process launch(const char *base, const char *path)
{
    process p = {-1, -1, -1, 0, 0};
    int in_[2], out[2];
    CHECK(pipe2(in_, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    p.pid = fork();
    if (p.pid == 0) {
        dup2(in_[0], 0);
        dup2(out[1], 1);
        execl("/proc/self/exe", "reloads", "--host", base, path, (char *)NULL);
        _exit(127);
    }
    close(in_[0]);
    close(out[1]);
    p.to = in_[1];
    p.from = out[0];
    return p;
}

/* The number on the next line of its output; 0 if there is none in time. */
static int number(const process *p)
{
    struct pollfd ready = {0, POLLIN, 0};
    char line[40] = "";
    size_t n = 0;
    ready.fd = p->from;
    while (n < sizeof line - 1 && poll(&ready, 1, PATIENCE) > 0 && read(p->from, line + n, 1) == 1)
        if (line[n++] == '\n')
            return atoi(line);
    return 0;
}

static int has_ended(void *arg)
{
    process *p = arg;
    if (!p->ended)
        p->ended = waitpid(p->pid, &p->status, WNOHANG) == p->pid;
    return p->ended;
}

static void close_pipes(process *p)
{
    close(p->to);
    close(p->from);
}

static int two_entries(void *base) { return entries(base) == 2; }

static int read_pid(void *arg)
{
    FILE *file = fopen(in(dir, "pid"), "r");
    char end = 0;
    int found = file != NULL && fscanf(file, "%d%c", (int *)arg, &end) == 2;
    if (file != NULL)
        fclose(file);
    return found;
}

#define DIE "kill(getpid(), SIGKILL);"

static void killed_in(const char *step, const char *before, const char *version)
{
    process living, victim;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const char *base;
    int canary = 0, was_bad = check_bad;
    begin(HRM_DISPATCH_THREAD); /* for its directory */
    stop();
    base = in(dir, "snapshots");
    setenv("PID_FILE", in(dir, "pid"), 1);
    f = in(dir, "living.so");
    build(1, STATE);
    living = launch(base, f);
    CHECK_INT(number(&living), 1);
    f = in(dir, step);
    build(1, before);
    victim = launch(base, f);
    CHECK_INT(number(&victim), 1);
    build(2, version);
    if (strcmp(step, "canary") == 0) {
        CHECK(wait_until(read_pid, &canary, PATIENCE));
        kill(victim.pid, SIGKILL);
    }
    CHECK(wait_until(has_ended, &victim, PATIENCE));
    CHECK(victim.ended && WIFSIGNALED(victim.status) && WTERMSIG(victim.status) == SIGKILL);
    CHECK_INT(entries(base), 2); /* the living one's, and what the dead one has left */

    build(3, STATE);
    {
        hrm_options ho = HRM_OPTIONS_INIT;
        hrm_host_options hho = HRM_HOST_OPTIONS_INIT;
        ho.quiet_ms = QUIET;
        ho.snapshot_dir = base;
        hho.manager = &ho;
        hho.outcome = on_outcome;
        hho.user_data = &told;
        CHECK_INT(hrm_host_create(&hho, &host, &err), HRM_OK);
    }
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(call(0), 3);
    CHECK(wait_until(two_entries, (void *)base, PATIENCE)); /* the living one's, and ours */
    f = in(dir, "living.so");
    build(4, STATE);
    CHECK_INT(number(&living), 2); /* nobody has touched what is its own */
    stop();
    CHECK_INT(entries(base), 1);
    close_pipes(&victim);
    close_pipes(&living);
    CHECK(wait_until(has_ended, &living, PATIENCE));
    CHECK_INT(living.status, 0);
    CHECK_INT(entries(base), 0);
    if (check_bad != was_bad)
        printf("   killed in: %s\n", step);
}

static void killed_at_every_step_of_loading(void)
{
    killed_in("constructor", STATE, "__attribute__((constructor)) static void early(void) { " DIE " }");
    killed_in("init", STATE, STATE "int plugin_init(void) { " DIE " return 0; }");
    killed_in("save",
              "size_t plugin_save_state(void *to, size_t room) { " DIE " return 0; }\n"
              "int plugin_restore_state(const void *from, size_t size) { return 0; }",
              STATE);
    killed_in("restore", STATE,
              "size_t plugin_save_state(void *to, size_t room) { return 0; }\n"
              "int plugin_restore_state(const void *from, size_t size) { " DIE " return 0; }");
    killed_in("exit", "void plugin_exit(void) { " DIE " }", STATE);
}

/* The child in which a version is tried has inherited the lock on the host's snapshots. */
static void killed_while_a_canary_hangs(void)
{
    killed_in("canary", STATE,
              "#include <stdio.h>\nint plugin_init(void) { FILE *o = fopen(getenv(\"PID_FILE\"), \"w\");\n"
              "fprintf(o, \"%d;\", (int)getpid()); fclose(o); for (;;) pause(); }\n");
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--host") == 0)
        return be_a_host(argv[2], argv[3]);
    RUN(a_thousand_reloads_stay_flat);
    RUN(killed_at_every_step_of_loading);
    RUN(killed_while_a_canary_hangs);
    DONE();
}
