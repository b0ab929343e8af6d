/* SPDX-License-Identifier: MIT */
/* Safe reload through the C interface: snapshots, validation, reports. */
#include "snapshots.h"

#include <dirent.h>
#include <sys/wait.h>

static void a_snapshot_is_delivered_and_reported(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    told first, t;
    struct stat st;
    size_t n;
    DIR *left;
    struct dirent *d;
    start(NULL);
    write_version(f, 1);
    enable(&safe);
    first = next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(first.version, 1);
    CHECK_INT(first.generation, 1);
    CHECK_STR(first.path, f);
    CHECK(strncmp(first.snapshot, snapshots, strlen(snapshots)) == 0);
    CHECK_HAS(first.snapshot, "/plugin.so");
    CHECK_INT(strlen(first.sha), 64);
    free(contents(1, &n));
    CHECK_INT(first.size, n);
    CHECK(stat(first.snapshot, &st) == 0 && (st.st_mode & 0777) == 0500);
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, NULL), HRM_OK);

    write_version(f, 2); /* in place: the snapshot is another file */
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 2);
    CHECK_INT(read_version(first.snapshot), 1);
    CHECK_INT(hrm_report_reload(m, "p", 2, HRM_RELOAD_FAILED, "init returned -1", NULL), HRM_OK);
    t = next(HRM_EVENT_ROLLBACK);
    CHECK_INT(t.generation, 1);
    CHECK_INT(t.version, 1);
    CHECK_STR(t.snapshot, first.snapshot);
    CHECK_HAS(t.message, "init returned -1");

    write_version(f, 2); /* known to fail */
    write_version(in(dir, "else"), 1);
    replace_version(f, 3);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).version, 3);
    CHECK_INT(hrm_report_reload(m, "p", 3, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
    CHECK_INT(stats().reloads_ok, 2);
    CHECK_INT(stats().reloads_failed, 1);
    CHECK_INT(stats().rollbacks, 1);
    expect_reloads(3);
    stop();
    left = opendir(snapshots);
    CHECK(left != NULL);
    while (left != NULL && (d = readdir(left)) != NULL)
        CHECK(d->d_name[0] == '.');
    if (left != NULL)
        closedir(left);
}

static int calls, destroyed, verdict;
static char asked[512];

static int32_t HRM_CALL validator(const hrm_candidate *c, char *reason, size_t room, void *arg)
{
    CHECK(arg == &calls && c->struct_size == sizeof *c && room > 100);
    CHECK_STR(c->plugin_id, "p");
    CHECK_STR(c->path, f);
    CHECK_INT(strlen(c->snapshot_sha256), 64);
    snprintf(asked, sizeof asked, "%s", c->snapshot_path);
    ADD(calls, 1);
    if (LOAD(verdict) == HRM_REJECT)
        snprintf(reason, room, "version %d is not wanted", read_version(c->snapshot_path));
    return LOAD(verdict);
}

static void HRM_CALL on_destroy(void *arg)
{
    CHECK(arg == &calls);
    ADD(destroyed, 1);
}

static void a_validator_decides(void)
{
    hrm_safe_options everybody = HRM_SAFE_OPTIONS_INIT;
    told t;
    calls = destroyed = 0;
    start(&everybody);
    CHECK_INT(hrm_set_validator(m, validator, &calls, on_destroy), HRM_OK);
    STORE(verdict, HRM_ACCEPT);
    write_version(f, 1);
    enable(NULL);
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_STR(asked, t.snapshot);
    STORE(verdict, HRM_REJECT);
    replace_version(f, 2);
    t = next(HRM_EVENT_REJECTED);
    CHECK_STR(t.message, "version 2 is not wanted");
    CHECK_STR(t.snapshot, "");
    CHECK_INT(strlen(t.sha), 64);
    STORE(verdict, 77); /* refuses, too, without a reason */
    replace_version(f, 3);
    t = next(HRM_EVENT_REJECTED);
    CHECK_HAS(t.message, "77");
    CHECK_INT(stats().rejected, 2);
    CHECK_INT(LOAD(destroyed), 0);
    CHECK_INT(hrm_set_validator(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(LOAD(destroyed), 1);
    CHECK_INT(LOAD(calls), 3);
    replace_version(f, 4);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).generation, 2);
    CHECK_INT(hrm_set_validator(m, validator, &calls, on_destroy), HRM_OK);
    stop();
    CHECK_INT(LOAD(destroyed), 2);
    CHECK_INT(hrm_set_validator(m, validator, &calls, on_destroy), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(LOAD(destroyed), 3);
}

static int32_t HRM_CALL slow(const hrm_candidate *c, char *reason, size_t room, void *gate)
{
    (void)c, (void)reason, (void)room;
    CHECK(wait_until(is_set, gate, PATIENCE));
    return HRM_REJECT; /* too late to count */
}

static void a_validator_in_time(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    int gate = 0;
    start(NULL);
    CHECK_INT(hrm_set_validator(m, slow, &gate, NULL), HRM_OK);
    safe.validator_timeout_ms = 50;
    write_version(f, 1);
    enable(&safe);
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "no verdict within 50ms");
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, NULL), HRM_ERR_INVALID_ARGUMENT);
    STORE(gate, 1);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1); /* waits for it */
    STORE(gate, 0);
    safe.flags = HRM_SAFE_ACCEPT_ON_TIMEOUT;
    enable(&safe);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).version, 1);
    STORE(gate, 1);
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.validator_timeout_ms = PATIENCE;
    enable(&safe); /* in time */
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "rejected it (0)");
    CHECK_INT(stats().rejected, 2);
    stop();
}

static void built_in_checks(void)
{
    const char *symbols[] = {"hrm_report_reload", NULL};
    const char *keys[] = {"RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR", NULL};
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    safe.flags = HRM_SAFE_IMAGE;
    start(NULL);
    write_version(f, 1);
    enable(&safe);
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "neither an ELF");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.flags = 0;
    safe.symbols = symbols;
    enable(&safe);
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "symbols");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.symbols = NULL;
    safe.public_keys = keys;
    enable(&safe);
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "plugin.so.minisig");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.public_keys = NULL;
    safe.allow_list = in(dir, "SHA256SUMS");
    write_bytes(safe.allow_list, "", 0);
    enable(&safe);
    CHECK_HAS(next(HRM_EVENT_REJECTED).message, "not in the allow-list");
    stop();
}

static void several_files(void)
{
    const char *files[] = {"data", NULL};
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    told t;
    char other[600];
    safe.files = files;
    start(NULL);
    write_version(f, 1);
    write_version(in(dir, "data"), 10);
    enable(&safe);
    t = next(HRM_EVENT_FILE_CHANGED);
    snprintf(other, sizeof other, "%.*sdata", (int)(strlen(t.snapshot) - strlen("plugin.so")), t.snapshot);
    CHECK_INT(read_version(other), 10);
    replace_version(in(dir, "data"), 11);
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.version, 1);
    snprintf(other, sizeof other, "%.*sdata", (int)(strlen(t.snapshot) - strlen("plugin.so")), t.snapshot);
    CHECK_INT(read_version(other), 11);
    stop();
}

/* HRM_ENABLE_DELIVER_PRESENT is of use without safe reload, too. */
static void the_present_version_without_snapshots(void)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    told t;
    start(NULL);
    write_version(f, 1);
    enable(NULL);
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(t.generation, 1);
    CHECK_STR(t.path, f);
    CHECK_STR(t.snapshot, "");
    CHECK_STR(t.sha, "");
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, &err), HRM_ERR_NOT_SUPPORTED);
    replace_version(f, 2);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).generation, 2);

    f = in(dir, "later.so");
    o.flags = HRM_ENABLE_DELIVER_PRESENT | HRM_ENABLE_ALLOW_MISSING;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "later", f, &o, &err), HRM_OK);
    write_version(f, 1);
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_STR(t.path, f);
    CHECK_INT(t.generation, 1); /* which is the present version, and the first change: told once */
    replace_version(f, 2);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).generation, 2);
    expect_reloads(4);
    CHECK_INT(stats().snapshots, 0);
    CHECK(access(snapshots, F_OK) != 0);
    stop();
}

static void bad_arguments(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *none = NULL;
    const char *keys[] = {"RWshort", NULL};
    const char *files[] = {"x", NULL};
    struct {
        hrm_safe_options s;
        uint64_t newer;
    } larger;
    start(NULL);
    write_version(f, 1);
    o.safe = &safe;
    safe.flags = 1u << 31;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(err.message, "0x80000000");
    safe.flags = 0;
    safe.struct_size = 0;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "hrm_safe_options");
    memset(&larger, 0, sizeof larger);
    larger.s.struct_size = sizeof larger;
    o.safe = &larger.s;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "larger", f, &o, &err), HRM_OK);
    larger.newer = 1;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_NOT_SUPPORTED);
    o.safe = &safe;
    safe.struct_size = 8; /* the flags alone */
    CHECK_INT(hrm_enable_hot_reload_ex(m, "smaller", f, &o, &err), HRM_OK);
    safe.struct_size = sizeof safe;
    safe.public_keys = keys;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "RWshort");
    safe.public_keys = NULL;
    safe.report_timeout_ms = -5;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "-5");
    safe.report_timeout_ms = 0;
    safe.files = files;
    mo.safe = &safe;
    CHECK_INT(hrm_manager_create(&mo, &none, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK(none == NULL);

    CHECK_INT(hrm_report_reload(NULL, "p", 1, HRM_RELOAD_OK, NULL, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_report_reload(m, NULL, 1, HRM_RELOAD_OK, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_report_reload(m, "nobody", 1, HRM_RELOAD_OK, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "nobody");
    CHECK_INT(hrm_report_reload(m, "larger", 9, HRM_RELOAD_OK, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "9");
    CHECK_INT(hrm_report_reload(m, "larger", 1, 99, NULL, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_enable_hot_reload(m, "plain", f, &err), HRM_OK);
    CHECK_INT(hrm_report_reload(m, "plain", 1, HRM_RELOAD_OK, NULL, &err), HRM_ERR_NOT_SUPPORTED);
    stop();
}

static void a_forked_child_is_told(void)
{
    int status = -1;
    pid_t pid;
    start(NULL);
    destroyed = 0;
    pid = fork();
    if (pid == 0)
        _exit(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, NULL) != HRM_ERR_FORKED ||
              hrm_set_validator(m, validator, &calls, on_destroy) != HRM_ERR_FORKED || destroyed != 1);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    stop();
}

int main(void)
{
    RUN(a_snapshot_is_delivered_and_reported);
    RUN(a_validator_decides);
    RUN(a_validator_in_time);
    RUN(built_in_checks);
    RUN(several_files);
    RUN(the_present_version_without_snapshots);
    RUN(bad_arguments);
    RUN(a_forked_child_is_told);
    DONE();
}
