/* SPDX-License-Identifier: MIT */
/* Paths good and bad. */
#include "support.h"

#include <grp.h>
#include <sys/wait.h>

static const char *self;

static void refused(const char *path, int32_t want, const char *says)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_error err = HRM_ERROR_INIT;
    CHECK_INT(hrm_enable_hot_reload(m, "p", path, &err), want);
    CHECK_INT(err.code, want);
    CHECK_HAS(err.message, says);
    CHECK(memchr(err.message, 0, sizeof err.message) != NULL);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "p"), 0);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static void empty(void) { refused("", HRM_ERR_INVALID_PATH, "empty"); }

static void too_long(void)
{
    char path[5001];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[5000] = 0;
    refused(path, HRM_ERR_INVALID_PATH, "5000");
    path[301] = 0; /* one component above NAME_MAX */
    refused(path, HRM_ERR_INVALID_PATH, "aaaa");
}

static void missing(void)
{
    refused("/nonexistent/plugin.so", HRM_ERR_FILE_NOT_FOUND, "/nonexistent/plugin.so");
    refused(in(scratch(), "gone.so"), HRM_ERR_FILE_NOT_FOUND, "gone.so");
    refused("/bin/sh/x", HRM_ERR_FILE_NOT_FOUND, "/bin/sh/x");
}

static void not_a_file(void)
{
    const char *dir = scratch(), *fifo = in(dir, "fifo");
    refused(dir, HRM_ERR_INVALID_PATH, dir);
    CHECK_INT(mkfifo(fifo, 0644), 0);
    refused(fifo, HRM_ERR_INVALID_PATH, fifo);
    refused("/dev/null", HRM_ERR_INVALID_PATH, "/dev/null");
}

static void links(void)
{
    const char *dir = scratch(), *dangling = in(dir, "dangling"), *loop = in(dir, "loop");
    CHECK_INT(symlink("nowhere", dangling), 0);
    refused(dangling, HRM_ERR_FILE_NOT_FOUND, dangling);
    CHECK_INT(symlink("loop2", loop), 0);
    CHECK_INT(symlink("loop", in(dir, "loop2")), 0);
    refused(loop, HRM_ERR_INVALID_PATH, loop);
}

static void any_bytes(void)
{
    static recorder r;
    const char *odd = in(scratch(), "\xff\xfe \xc3(.so");
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    hrm_error err = HRM_ERROR_INIT;
    write_version(odd, 1);
    record_into(m, &r);
    CHECK_INT(hrm_enable_hot_reload(m, "odd", odd, &err), HRM_OK);
    replace_version(odd, 2);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "odd", 1));
    CHECK_STR(nth(&r, HRM_EVENT_FILE_CHANGED, "odd", 0).path, odd);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    /* In a message such bytes are escaped: it is UTF-8. */
    refused("/\xff\xfe", HRM_ERR_FILE_NOT_FOUND, "\\xff\\xfe");
}

static void relative(void)
{
    static recorder r;
    const char *dir = scratch();
    char *old = getcwd(NULL, 0);
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    write_version(in(dir, "p.so"), 1);
    record_into(m, &r);
    CHECK_INT(chdir(dir), 0);
    CHECK_INT(hrm_enable_hot_reload(m, "p", "./p.so", NULL), HRM_OK);
    CHECK_INT(chdir(old), 0);
    replace_version(in(dir, "p.so"), 2);
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_STR(nth(&r, HRM_EVENT_FILE_CHANGED, "p", 0).path, "./p.so");
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    free(old);
}

/* Root may read everything, so this runs in a process of its own as another user. */
static int as_nobody(const char *unreadable, const char *closed)
{
    if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
        return 2;
    refused(unreadable, HRM_ERR_PERMISSION_DENIED, unreadable);
    refused(closed, HRM_ERR_PERMISSION_DENIED, closed);
    return check_bad == 0 ? 0 : 1;
}

static void unreadable(void)
{
    const char *dir = scratch(), *f = in(dir, "f"), *sub = in(dir, "sub"), *inside = in(sub, "f");
    int status = -1;
    pid_t pid;
    write_version(f, 1);
    CHECK_INT(chmod(f, 0), 0);
    CHECK_INT(mkdir(sub, 0755), 0);
    write_version(inside, 1);
    CHECK_INT(chmod(sub, 0), 0);
    if (geteuid() != 0) {
        refused(f, HRM_ERR_PERMISSION_DENIED, f);
        refused(inside, HRM_ERR_PERMISSION_DENIED, inside);
    } else {
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            execl(self, self, "--as-nobody", f, inside, (char *)NULL);
            _exit(3);
        }
        CHECK_INT(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
    chmod(sub, 0755);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--as-nobody") == 0)
        return as_nobody(argv[2], argv[3]);
    self = "/proc/self/exe";
    RUN(empty);
    RUN(too_long);
    RUN(missing);
    RUN(not_a_file);
    RUN(links);
    RUN(any_bytes);
    RUN(relative);
    RUN(unreadable);
    DONE();
}
