/* SPDX-License-Identifier: MIT */
/* What a host does to itself after it has enabled a plugin: another user, another root,
 * another working directory, a snapshot directory that is gone or full. Each test is a
 * process of its own, in a mount namespace of its own where that is possible. */
#include "snapshots.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define OWN 60321 /* a user that nothing else here is */

static told last_health;

/* The next event that is none of health. */
static told next_change(int kind)
{
    told t;
    for (;;) {
        memset(&t, 0, sizeof t);
        CHECK(wait_until(another, NULL, PATIENCE));
        pthread_mutex_lock(&r.mu);
        if (r.n > seen)
            t = r.ev[seen++ % 256];
        pthread_mutex_unlock(&r.mu);
        if (t.kind != HRM_EVENT_HEALTH)
            break;
        last_health = t;
    }
    CHECK_INT(t.kind, kind);
    return t;
}

static int is_health(void *code)
{
    int i, yes = 0;
    pthread_mutex_lock(&r.mu);
    for (i = 0; i < r.n && i < 256; i++)
        if (r.ev[i].kind == HRM_EVENT_HEALTH && r.ev[i].health == *(int *)code) {
            last_health = r.ev[i];
            yes = 1;
        }
    pthread_mutex_unlock(&r.mu);
    return yes;
}

/* A manager with safe reload whose plugin's directory belongs to user OWN. */
static void begin(const char *snapshot_dir)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char up[512];
    r.n = seen = r.reloads = 0;
    dir = scratch();
    snprintf(up, sizeof up, "%s", dir);
    *strrchr(up, '/') = 0;
    CHECK(chmod(up, 0755) == 0 && chmod(dir, 0755) == 0);
    CHECK(geteuid() != 0 || chown(dir, OWN, OWN) == 0);
    f = in(dir, "plugin.so");
    o.quiet_ms = QUIET;
    o.snapshot_dir = snapshot_dir;
    CHECK_INT(hrm_manager_create(&o, &m, &err), HRM_OK);
    CHECK_INT(hrm_set_event_callback(m, on_safe_event, NULL, NULL), HRM_OK);
    write_version(f, 1);
    enable(&safe);
}

static int may_become_another(void)
{
    if (geteuid() == 0)
        return 1;
    printf("   not root: skipped\n");
    return 0;
}

static int entries_of(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;
    if (d == NULL)
        return -1;
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ------------------------------------------------------------ another user -- */

/* As daemons do: begin as root, enable, give the rights up. */
static void rights_given_up_for_good(void)
{
    told first, t;
    if (!may_become_another())
        return;
    begin(NULL);
    first = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(first.version, 1);
    CHECK_INT(hrm_report_reload(m, "p", first.generation, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
    CHECK(setgroups(0, NULL) == 0 && setgid(OWN) == 0 && setuid(OWN) == 0);
    replace_version(f, 2);
    t = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 2);
    CHECK_HAS(t.snapshot, "60321");
    /* The former user's snapshots cannot be read any more: that is said. */
    CHECK_INT(hrm_report_reload(m, "p", t.generation, HRM_RELOAD_FAILED, "it does not start", NULL), HRM_OK);
    t = next_change(HRM_EVENT_ROLLBACK);
    CHECK(t.generation == 0 || t.version == 1);
    replace_version(f, 3);
    t = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 3);
    stop();
    CHECK_INT(entries_of("/tmp/hotreload-60321"), 0);
    CHECK_INT(rmdir("/tmp/hotreload-60321"), 0);
}

/* For a while, and then root again: what root's manager has taken is there. */
static void rights_given_up_for_a_while(void)
{
    told first, t;
    if (!may_become_another())
        return;
    begin(NULL);
    first = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(hrm_report_reload(m, "p", first.generation, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
    CHECK_INT(seteuid(OWN), 0);
    replace_version(f, 2);
    t = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 2);
    CHECK_INT(seteuid(0), 0);
    CHECK_INT(hrm_report_reload(m, "p", t.generation, HRM_RELOAD_FAILED, "it does not start", NULL), HRM_OK);
    t = next_change(HRM_EVENT_ROLLBACK);
    CHECK_INT(t.generation, first.generation);
    CHECK_INT(t.version, 1);
    CHECK_INT(read_version(first.snapshot), 1);
    /* What the other user could exchange is not for root. */
    replace_version(f, 3);
    t = next_change(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 3);
    CHECK(strstr(t.snapshot, "60321") == NULL);
    stop();
    CHECK_INT(read_version(first.snapshot), -1);
    CHECK_INT(read_version(t.snapshot), -1);
    CHECK_INT(system("rm -rf /tmp/hotreload-60321"), 0); /* the next manager of that user would do it */
}

/* The host has named the directory: no other one is taken, and the host is told why. */
static void rights_given_up_with_a_named_directory(void)
{
    int failed = HRM_HEALTH_SNAPSHOT_FAILED;
    if (!may_become_another())
        return;
    begin(in(scratch(), "snapshots"));
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).version, 1);
    CHECK_INT(seteuid(OWN), 0);
    replace_version(f, 2);
    CHECK(wait_until(is_health, &failed, PATIENCE));
    CHECK_HAS(last_health.message, "belongs to user 0, not to 60321");
    CHECK_INT(seteuid(0), 0);
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).version, 2); /* tried again by itself */
    stop();
}

/* ----------------------------------------------- the directory of snapshots -- */

/* A cleaner of temporary files removes it, again and again. */
static void snapshots_removed(void)
{
    char command[1200];
    int v;
    begin(in(scratch(), "snapshots"));
    for (v = 1; v <= 3; v++) {
        told t = next_change(HRM_EVENT_FILE_CHANGED);
        CHECK_INT(t.version, v);
        *strstr(t.snapshot, "/snapshots/") = 0;
        snprintf(command, sizeof command, "chmod -R u+w '%s/snapshots' && rm -rf '%s/snapshots'", t.snapshot, t.snapshot);
        CHECK_INT(system(command), 0);
        replace_version(f, v + 1);
    }
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).version, 4);
    stop();
}

/* The file system of the snapshots is full, and then no longer. */
static void disk_full(void)
{
    const char *small = scratch(), *ballast = in(small, "ballast");
    int failed = HRM_HEALTH_SNAPSHOT_FAILED, fd, removed;
    char block[4096] = {0};
    told t;
    if (mount("small", small, "tmpfs", 0, "size=256k,mode=700") != 0) {
        printf("   no mounts: skipped\n");
        return;
    }
    begin(in(small, "snapshots"));
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).version, 1);
    fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
    replace_version(f, 2);
    CHECK(wait_until(is_health, &failed, PATIENCE));
    CHECK_HAS(last_health.message, "no space left");
    removed = unlink(ballast);
    CHECK_INT(removed, 0);
    t = next_change(HRM_EVENT_FILE_CHANGED); /* tried again by itself */
    CHECK_INT(t.version, 2);
    stop();
    umount2(small, MNT_DETACH);
}

/* ------------------------------------------- another root, another directory -- */

static void relative_paths_and_chdir(void)
{
    char old[512];
    CHECK(getcwd(old, sizeof old) != NULL);
    begin(in(scratch(), "snapshots"));
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).version, 1);
    hrm_disable_hot_reload(m, "p");
    CHECK_INT(chdir(dir), 0);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", "plugin.so", NULL, NULL), HRM_OK);
    CHECK_INT(chdir("/"), 0);
    replace_version(f, 2);
    CHECK_INT(next_change(HRM_EVENT_FILE_CHANGED).kind, HRM_EVENT_FILE_CHANGED);
    stop();
    CHECK_INT(chdir(old), 0);
}

static void new_root(const char *root)
{
    if (chroot(root) != 0 || chdir("/") != 0)
        abort();
}

/* The path leads to another file in the new root. */
static void chroot_after_enabling(void)
{
    hrm_manager *of;
    hrm_error err = HRM_ERROR_INIT;
    static recorder events;
    const char *root = scratch(), *p = in(root, "plugin.so");
    char inside[512], command[1200];
    if (!may_become_another())
        return;
    write_version(p, 1);
    of = manager(HRM_DISPATCH_THREAD, 0);
    record_into(of, &events);
    CHECK_INT(hrm_enable_hot_reload(of, "p", p, &err), HRM_OK);
    /* root/PATH-OF-P is what p names after the chroot */
    snprintf(inside, sizeof inside, "%s%s", root, p);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", inside);
    CHECK_INT(system(command), 0);
    write_version(inside, 5);
    new_root(root);
    replace_version("/plugin.so", 2); /* the old one, which is watched still */
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(nth(&events, HRM_EVENT_FILE_CHANGED, "p", 0).version, 5);
    replace_version(p, 6);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 2));
    CHECK_INT(nth(&events, HRM_EVENT_FILE_CHANGED, "p", 1).version, 6);
    replace_version(p, 7);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 3));
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
}

/* The path leads nowhere in the new root. */
static void chroot_without_the_file(void)
{
    static recorder events;
    const char *root = scratch(), *p = in(root, "plugin.so");
    hrm_manager *of;
    if (!may_become_another())
        return;
    write_version(p, 1);
    of = manager(HRM_DISPATCH_THREAD, 0);
    record_into(of, &events);
    CHECK_INT(hrm_enable_hot_reload(of, "p", p, NULL), HRM_OK);
    new_root(root);
    replace_version("/plugin.so", 2);
    CHECK(await(&events, HRM_EVENT_FILE_REMOVED, "p", 1));
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
}

/* A thread of the host leaves the root and directory that the others have. */
static void unshared_thread(void)
{
    static recorder events;
    const char *p = in(scratch(), "plugin.so");
    hrm_manager *of;
    write_version(p, 1);
    of = manager(HRM_DISPATCH_THREAD, 0);
    record_into(of, &events);
    CHECK_INT(hrm_enable_hot_reload(of, "p", p, NULL), HRM_OK);
    if (unshare(CLONE_FS) != 0) {
        printf("   no unshare: skipped\n");
    } else {
        CHECK_INT(chdir("/"), 0);
        replace_version(p, 2);
        CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 1));
    }
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"rights_given_up_for_good", rights_given_up_for_good},
    {"rights_given_up_for_a_while", rights_given_up_for_a_while},
    {"rights_given_up_with_a_named_directory", rights_given_up_with_a_named_directory},
    {"snapshots_removed", snapshots_removed},
    {"disk_full", disk_full},
    {"relative_paths_and_chdir", relative_paths_and_chdir},
    {"chroot_after_enabling", chroot_after_enabling},
    {"chroot_without_the_file", chroot_without_the_file},
    {"unshared_thread", unshared_thread},
};
static size_t chosen;

static void in_a_process_of_its_own(void)
{
    int status = -1;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) == 0) /* before the library's threads are there */
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        execl("/proc/self/exe", "identity", tests[chosen].name, (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    for (chosen = 0; chosen < sizeof tests / sizeof *tests; chosen++) {
        if (argc == 2 && strcmp(argv[1], tests[chosen].name) == 0) {
            alarm(60);
            tests[chosen].run();
            return check_bad != 0;
        }
    }
    for (chosen = 0; chosen < sizeof tests / sizeof *tests; chosen++) {
        printf("%s:\n", tests[chosen].name);
        RUN(in_a_process_of_its_own);
    }
    DONE();
}
