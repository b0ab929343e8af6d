/* SPDX-License-Identifier: MIT */
/* A plugin's file that is a mount point, as Docker's -v FILE:FILE and Kubernetes' subPath make it, in a mount namespace
 * of its own: written through either side, and replaced below the mount. */
#include "support.h"

#include <sys/mount.h>
#include <sys/wait.h>

static hrm_manager *m;
static recorder *r;

static hrm_statistics stats(void)
{
    hrm_statistics s = HRM_STATS_INIT;
    CHECK_INT(hrm_stats(m, &s), HRM_OK);
    return s;
}

static int is_stale(void *unused)
{
    int i, found = 0;
    (void)unused;
    pthread_mutex_lock(&r->mu);
    for (i = 0; i < r->n; i++)
        found += r->ev[i].kind == HRM_EVENT_HEALTH && r->ev[i].health == HRM_HEALTH_STALE_MOUNT;
    pthread_mutex_unlock(&r->mu);
    return found;
}

/* The next change that is delivered is this version. */
static void delivered(int n, int version)
{
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", n));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", n - 1).version, version);
}

/* The latest change that was delivered is this version. */
static int is_latest(void *version)
{
    int n = count(r, HRM_EVENT_FILE_CHANGED, "p");
    return n > 0 && nth(r, HRM_EVENT_FILE_CHANGED, "p", n - 1).version == *(int *)version;
}

static int mount_here(const char *dir)
{
    const char *source = in(dir, "source.so"), *file = in(dir, "plugin.so");
    hrm_options o = HRM_OPTIONS_INIT;
    int i, replaced = 6;
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return 1;
    write_version(source, 1);
    write_version(file, 0);
    if (mount(source, file, NULL, MS_BIND, NULL) != 0) {
        printf("   no file can be mounted here (%s): mounts of files are not tested\n", strerror(errno));
        return 0;
    }
    o.quiet_ms = QUIET;
    o.safety_check_ms = 30;
    if (hrm_manager_create(&o, &m, NULL) != HRM_OK)
        return 1;
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    for (i = 1; i <= 4; i++) {
        write_version(i % 2 != 0 ? source : file, i + 1);
        delivered(i, i + 1);
    }
    CHECK_INT(stats().watched_files, 1);
    CHECK_INT(stats().polled_files, 0);
    CHECK(stats().unreliable >= 1);
    CHECK(stats().safety_checks > 0);
    CHECK_INT(stats().missed, 0);

    replace_version(source, replaced); /* the mount keeps the former file */
    CHECK(wait_until(is_stale, NULL, PATIENCE));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "p"), 4);
    CHECK_INT(umount(file), 0);
    CHECK_INT(mount(source, file, NULL, MS_BIND, NULL), 0);
    CHECK(wait_until(is_latest, &replaced, PATIENCE)); /* what was below the mount may be delivered before */
    CHECK_INT(is_stale(NULL), 1);
    hrm_manager_destroy(m);
    CHECK_INT(umount(file), 0);
    free(r);
    return check_bad == 0 ? 0 : 1;
}

static void a_file_that_is_a_mount_point(void) { run_in_a_mount_namespace("mounts of files are"); }

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--here") == 0)
        exit(mount_here(argv[2]));
    RUN(a_file_that_is_a_mount_point);
    DONE();
}
