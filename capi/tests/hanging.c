/* SPDX-License-Identifier: MIT */
/* A file system that does not answer: a FUSE server of our own, stopped by SIGSTOP,
 * in a mount namespace of its own. Other plugins are delivered, every call returns,
 * and nothing is lost. */
#include "support.h"

#include <linux/fuse.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { ROOT = FUSE_ROOT_ID, FILE_NODE = 2 }; /* the file system holds one file, plugin.so */

/* What the server serves: shared with the test. */
static int *served;

/* ---------------------------------------------------------------- the server */

static void answer(int fd, uint64_t unique, int error, const void *data, size_t size)
{
    static char buf[1 << 17];
    struct fuse_out_header out;
    out.unique = unique;
    out.error = error;
    out.len = (uint32_t)(sizeof out + size);
    memcpy(buf, &out, sizeof out);
    if (size > 0)
        memcpy(buf + sizeof out, data, size);
    if (write(fd, buf, out.len) < 0 && errno != ENOENT) /* ENOENT: nobody waits for it any more */
        _exit(2);
}

/* The kernel is to ask each time: nothing is valid for any time. */
static void attributes(struct fuse_attr *a, uint64_t node)
{
    size_t size;
    memset(a, 0, sizeof *a);
    a->ino = node;
    a->nlink = 1;
    a->mode = S_IFDIR | 0755;
    a->mtime = a->ctime = 1000000000;
    if (node == FILE_NODE) {
        free(contents(LOAD(*served), &size));
        a->mode = S_IFREG | 0644;
        a->size = size;
        a->mtime = a->ctime = 1000000000 + (uint64_t)LOAD(*served);
    }
}

static void answer_read(int fd, uint64_t unique, const struct fuse_read_in *in)
{
    size_t size, from = (size_t)in->offset, most = in->size;
    char *s = contents(LOAD(*served), &size);
    if (from > size)
        from = size;
    if (most > size - from)
        most = size - from;
    answer(fd, unique, 0, s + from, most);
    free(s);
}

static void serve(int fd)
{
    static union {
        struct fuse_in_header h;
        char bytes[1 << 17];
    } in;
    const char *body = in.bytes + sizeof in.h;
    for (;;) {
        struct fuse_init_out init;
        struct fuse_entry_out entry;
        struct fuse_attr_out attr;
        struct fuse_open_out opened;
        ssize_t n = read(fd, in.bytes, sizeof in.bytes);
        if (n < 0 && (errno == EINTR || errno == ENOENT))
            continue;
        if (n < (ssize_t)sizeof in.h)
            _exit(0); /* unmounted */
        switch (in.h.opcode) {
        case FUSE_INIT:
            memset(&init, 0, sizeof init);
            init.major = FUSE_KERNEL_VERSION;
            init.minor = FUSE_KERNEL_MINOR_VERSION;
            init.max_write = 4096;
            answer(fd, in.h.unique, 0, &init, sizeof init);
            break;
        case FUSE_LOOKUP:
            if (in.h.nodeid != ROOT || strcmp(body, "plugin.so") != 0) {
                answer(fd, in.h.unique, -ENOENT, NULL, 0);
                break;
            }
            memset(&entry, 0, sizeof entry);
            entry.nodeid = FILE_NODE;
            attributes(&entry.attr, FILE_NODE);
            answer(fd, in.h.unique, 0, &entry, sizeof entry);
            break;
        case FUSE_GETATTR:
            memset(&attr, 0, sizeof attr);
            attributes(&attr.attr, in.h.nodeid);
            answer(fd, in.h.unique, 0, &attr, sizeof attr);
            break;
        case FUSE_OPEN:
            memset(&opened, 0, sizeof opened);
            opened.open_flags = FOPEN_DIRECT_IO;
            answer(fd, in.h.unique, 0, &opened, sizeof opened);
            break;
        case FUSE_READ:
            answer_read(fd, in.h.unique, (const struct fuse_read_in *)body);
            break;
        case FUSE_RELEASE:
        case FUSE_FLUSH:
            answer(fd, in.h.unique, 0, NULL, 0);
            break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
            break; /* are not answered */
        default: /* FUSE_STATFS among them: a server need not say what it is */
            answer(fd, in.h.unique, -ENOSYS, NULL, 0);
        }
    }
}

/* Mounts the file system at dir and returns its server; -1 if that is not possible here. */
static pid_t mount_at(const char *dir)
{
    char options[96];
    pid_t parent = getpid(), server;
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, (int)geteuid(), (int)getegid());
    if (mount("hanging", dir, "fuse", MS_NOSUID | MS_NODEV, options) != 0) {
        close(fd);
        return -1;
    }
    if ((server = fork()) == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
            _exit(1);
        serve(fd);
    }
    close(fd); /* the server's alone: when it ends, whatever waits for it fails */
    return server;
}

/* Stops the server: from then on the file system hangs. */
static void stop(pid_t server)
{
    int status;
    CHECK_INT(kill(server, SIGSTOP), 0);
    CHECK_INT(waitpid(server, &status, WUNTRACED), server);
}

/* ------------------------------------------------------------------ the tests */

static hrm_manager *m;
static recorder *r;
static const char *dir, *good, *mnt, *hung;

static int hangs(int code)
{
    int i, n = 0;
    for (i = 0; i < count(r, HRM_EVENT_HEALTH, NULL); i++) {
        record e = nth(r, HRM_EVENT_HEALTH, NULL, i);
        if (e.health == code) {
            CHECK_STR(e.path, mnt);
            n++;
        }
    }
    return n;
}

static int reports[2]; /* how many hangs, and how many ends of one, are awaited */
static int reported(void *arg)
{
    (void)arg;
    return hangs(HRM_HEALTH_HANGING) >= reports[0] && hangs(HRM_HEALTH_ANSWERING) >= reports[1];
}

static int await_reports(int hanging, int answering)
{
    reports[0] = hanging, reports[1] = answering;
    return wait_until(reported, NULL, PATIENCE) && hangs(HRM_HEALTH_HANGING) == hanging && hangs(HRM_HEALTH_ANSWERING) == answering;
}

static int change_good(int version)
{
    replace_version(good, version);
    return await(r, HRM_EVENT_FILE_CHANGED, "good", version - 1);
}

/* A call that may hang, on a thread of its own. */
struct call {
    pthread_t thread;
    int32_t result;
    int returned;
};

static void *enable_hung(void *arg)
{
    struct call *c = arg;
    c->result = hrm_enable_hot_reload(m, "late", in(mnt, "missing.so"), NULL);
    STORE(c->returned, 1);
    return NULL;
}

/* The snapshots are to lie on the file system that hangs. */
static void *enable_safe(void *arg)
{
    struct call *c = arg;
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    o.safe = &safe;
    c->result = hrm_enable_hot_reload_ex(m, "safe", good, &o, NULL);
    STORE(c->returned, 1);
    return NULL;
}

static void *destroy(void *arg)
{
    struct call *c = arg;
    c->result = hrm_manager_destroy(m);
    STORE(c->returned, 1);
    return NULL;
}

static void *disable(void *arg)
{
    struct call *c = arg;
    c->result = hrm_disable_hot_reload(m, "hung");
    STORE(c->returned, 1);
    return NULL;
}

static struct call *begin(void *(*what)(void *))
{
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL || pthread_create(&c->thread, NULL, what, c) != 0)
        abort();
    return c;
}

static int32_t end(struct call *c)
{
    int32_t result;
    CHECK(wait_until(is_set, &c->returned, PATIENCE));
    if (!LOAD(c->returned))
        exit(1); /* the server is killed with this process */
    pthread_join(c->thread, NULL);
    result = c->result;
    free(c);
    return result;
}

static int hang_here(const char *at)
{
    struct call *late, *safe;
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_plugin_status_t status = HRM_PLUGIN_STATUS_INIT;
    char text[16384];
    size_t size = sizeof text;
    pid_t server;
    int changes;
    r = calloc(1, sizeof *r);
    dir = at, good = in(dir, "plugin.so"), mnt = in(dir, "mnt"), hung = in(mnt, "plugin.so");
    served = mmap(NULL, sizeof *served, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == NULL || served == MAP_FAILED || mkdir(mnt, 0755) != 0)
        return 1;
    *served = 1;
    server = mount_at(mnt);
    if (server < 0) {
        printf("   no FUSE file system can be mounted here (%s): what a hang does is not tested\n", strerror(errno));
        return 0;
    }
    write_version(good, 1);
    o.quiet_ms = QUIET;
    o.poll_interval_ms = 30;
    o.snapshot_dir = in(mnt, "snapshots");
    if (hrm_manager_create(&o, &m, NULL) != HRM_OK)
        return 1;
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "good", good, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "hung", hung, NULL), HRM_OK);
    STORE(*served, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "hung", 1)); /* it answers */
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "hung", 0).version, 2);

    stop(server);
    CHECK(await_reports(1, 0));
    STORE(*served, 3);
    CHECK_INT(hrm_plugin_status(m, "hung", &status), HRM_OK); /* these wait for nothing */
    CHECK_INT(status.state, HRM_STATE_HANGING);
    CHECK_INT(hrm_explain(m, "hung", text, &size), HRM_OK);
    CHECK_HAS(text, "its file system does not answer");
    size = sizeof text;
    CHECK_INT(hrm_metrics(m, text, &size, NULL), HRM_OK);
    CHECK_HAS(text, "\nhotreload_hanging_file_systems 1\n");
    CHECK_HAS(text, "\nhotreload_plugin_state{plugin=\"hung\"} 12\n");
    CHECK_INT(hrm_check_now(m, "hung"), HRM_OK);
    CHECK_INT(hrm_check_now(m, NULL), HRM_OK);
    CHECK(change_good(2));
    late = begin(enable_hung);
    CHECK(change_good(3));
    CHECK(!LOAD(late->returned)); /* or it would not hang */
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "hung"), 1);

    kill(server, SIGCONT);
    CHECK(await_reports(1, 1));
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "hung", 2)); /* nothing is lost */
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "hung", 1).version, 3);
    CHECK_INT(end(late), HRM_ERR_FILE_NOT_FOUND);

    stop(server);
    CHECK(await_reports(2, 1));
    late = begin(enable_hung);
    safe = begin(enable_safe);
    CHECK(change_good(4));
    CHECK(!LOAD(safe->returned));
    CHECK_INT(end(begin(disable)), 1);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "hung"), 2);
    CHECK_INT(end(begin(destroy)), HRM_OK);
    changes = count(r, 0, NULL);
    kill(server, SIGCONT);
    CHECK(end(late) < 0);
    CHECK(end(safe) < 0);
    CHECK_INT(count(r, 0, NULL), changes);

    CHECK_INT(umount2(mnt, MNT_DETACH), 0);
    kill(server, SIGKILL);
    CHECK_INT(waitpid(server, NULL, 0), server);
    munmap(served, sizeof *served);
    free(r);
    return check_bad == 0 ? 0 : 1;
}

static void other_plugins_do_not_wait(void) { run_in_a_mount_namespace("what a hang does is"); }

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--here") == 0)
        exit(hang_here(argv[2]));
    RUN(other_plugins_do_not_wait);
    DONE();
}
