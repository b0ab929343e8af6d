/* SPDX-License-Identifier: MIT */
/* A host that closes all descriptors of its process, as helpers that make a daemon do, or
 * puts its own files in their place. Its new descriptors get the library's numbers. */
#include "snapshots.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define HIGHEST 512
#define HOSTS 100

/* ------------------------------------------------- descriptors of the host -- */

enum kind { A_FILE, A_PIPE, ITS_END, AN_EVENT, AN_EPOLL, AN_INOTIFY, A_SOCKET, ITS_PEER, KINDS };

static int hosts[HOSTS], kinds[HOSTS];
static char targets[HOSTS][256], infos[HOSTS][512];
static int hosts_now;

static void target_of(int fd, char *to, size_t size)
{
    char path[64];
    ssize_t n;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, to, size - 1);
    to[n < 0 ? 0 : n] = 0;
}

/* What the kernel says of a descriptor: its offset, what an epoll or inotify has, a count. */
static void info_of(int fd, char *to, size_t size)
{
    char path[64];
    FILE *info;
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    info = fopen(path, "re");
    if (info != NULL) {
        n = fread(to, 1, size - 1, info);
        fclose(info);
    }
    to[n] = 0;
}

static void keep(int fd, int kind)
{
    CHECK(fd >= 3);
    if (hosts_now < HOSTS) {
        hosts[hosts_now] = fd;
        kinds[hosts_now++] = kind;
    }
}

static void host_opens(const char *file)
{
    int i, ends[2];
    struct epoll_event ev = {EPOLLIN, {.fd = 7}};
    for (hosts_now = 0; hosts_now < HOSTS;) {
        int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && lseek(fd, 3, SEEK_SET) == 3);
        keep(fd, A_FILE);
        CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        keep(ends[0], A_PIPE);
        keep(ends[1], ITS_END);
        keep(eventfd(5, EFD_CLOEXEC | EFD_NONBLOCK), AN_EVENT);
        fd = epoll_create1(EPOLL_CLOEXEC);
        CHECK_INT(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &ev), 0);
        keep(fd, AN_EPOLL);
        fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        CHECK(inotify_add_watch(fd, "/", IN_DELETE_SELF) >= 0);
        keep(fd, AN_INOTIFY);
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        keep(ends[0], A_SOCKET);
        keep(ends[1], ITS_PEER);
    }
    for (i = 0; i < HOSTS; i++) {
        target_of(hosts[i], targets[i], sizeof targets[i]);
        info_of(hosts[i], infos[i], sizeof infos[i]);
    }
}

/* Each is what it was, and nothing was read from it or written to it. */
static void hosts_are_untouched(const char *file)
{
    char target[256], info[512];
    struct stat st;
    int i, waiting;
    for (i = 0; i < HOSTS; i++) {
        target_of(hosts[i], target, sizeof target);
        info_of(hosts[i], info, sizeof info);
        CHECK_STR(target, targets[i]);
        CHECK_STR(info, infos[i]);
        if (kinds[i] == A_PIPE || kinds[i] == A_SOCKET || kinds[i] == ITS_PEER) {
            CHECK_INT(ioctl(hosts[i], FIONREAD, &waiting), 0);
            CHECK_INT(waiting, 0);
        }
    }
    CHECK(stat(file, &st) == 0 && st.st_size == 0);
}

static void host_closes_its_own(void)
{
    int i;
    for (i = 0; i < HOSTS; i++)
        close(hosts[i]);
}

static void close_everything(int one_by_one)
{
    int fd;
    if (!one_by_one && syscall(SYS_close_range, 3, ~0U, 0) == 0)
        return;
    for (fd = 3; fd < HIGHEST; fd++)
        close(fd);
}

/* ------------------------------------------------------- all are closed -- */

static int lost(recorder *of)
{
    int i, n = 0;
    pthread_mutex_lock(&of->mu);
    for (i = 0; i < of->n; i++)
        n += of->ev[i].kind == HRM_EVENT_HEALTH && of->ev[i].health == HRM_HEALTH_DESCRIPTORS;
    pthread_mutex_unlock(&of->mu);
    return n;
}

static int is_lost(void *of) { return lost(of) > 0; }

static recorder events;

static hrm_manager *watching(int mode, const char *p)
{
    hrm_manager *manager_ = manager(mode, 0);
    memset(&events, 0, sizeof events);
    pthread_mutex_init(&events.mu, NULL);
    record_into(manager_, &events);
    write_version(p, 1);
    CHECK_INT(hrm_enable_hot_reload(manager_, "p", p, NULL), HRM_OK);
    return manager_;
}

/* One life. With later, the host does nothing with the library until a file changes. */
static void all_are_closed(int one_by_one, int later)
{
    const char *d = scratch(), *p = in(d, "p"), *q = in(d, "q"), *file = in(scratch(), "host's");
    hrm_manager *of = watching(HRM_DISPATCH_THREAD, p);
    record e;
    replace_version(p, 2);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 1));
    close_everything(one_by_one);
    host_opens(file);
    if (later)
        CHECK(wait_until(is_lost, &events, PATIENCE));
    write_version(q, 1);
    CHECK_INT(hrm_enable_hot_reload(of, "q", q, NULL), HRM_OK);
    replace_version(p, 3);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 2));
    CHECK_INT(nth(&events, HRM_EVENT_FILE_CHANGED, "p", 1).version, 3);
    replace_version(q, 2);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "q", 1));
    CHECK(wait_until(is_lost, &events, PATIENCE));
    e = nth(&events, HRM_EVENT_HEALTH, NULL, 0);
    CHECK_HAS(e.message, "descriptors");
    hosts_are_untouched(file);
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
    hosts_are_untouched(file);
    host_closes_its_own();
}

static void all_are_closed_at_once(void) { all_are_closed(0, 0); }
static void all_are_closed_one_by_one(void) { all_are_closed(1, 0); }

/* Nobody calls the library: it finds out by itself, and nothing that happens is lost. */
static void the_library_finds_out_by_itself(void)
{
    all_are_closed(0, 1);
    all_are_closed(1, 1);
}

static void destroyed_at_once(void)
{
    const char *file = in(scratch(), "host's");
    hrm_manager *of[4];
    int i;
    for (i = 0; i < 4; i++) {
        of[i] = watching(i % 2 ? HRM_DISPATCH_MANUAL : HRM_DISPATCH_THREAD, in(scratch(), "p"));
        if (i % 2)
            CHECK(hrm_event_fd(of[i]) >= 0);
    }
    close_everything(0);
    host_opens(file);
    for (i = 0; i < 4; i++)
        CHECK_INT(hrm_manager_destroy(of[i]), HRM_OK);
    hosts_are_untouched(file);
    host_closes_its_own();
}

static void without_a_manager(void)
{
    const char *file = in(scratch(), "host's"), *p = in(scratch(), "p");
    hrm_manager *of;
    close_everything(0);
    host_opens(file);
    of = watching(HRM_DISPATCH_THREAD, p);
    replace_version(p, 2);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
    hosts_are_untouched(file);
    host_closes_its_own();
}

/* The loop of a host with manual dispatch has to ask for another event descriptor. */
static void the_event_descriptor_is_made_anew(void)
{
    const char *p = in(scratch(), "p"), *file = in(scratch(), "host's");
    hrm_manager *of = watching(HRM_DISPATCH_MANUAL, p);
    int fd = hrm_event_fd(of), round;
    struct pollfd ready;
    CHECK(fd >= 0);
    for (round = 0; round < 3; round++) {
        close_everything(round % 2);
        host_opens(file);
        hrm_dispatch(of, 0, 0, NULL);
        fd = hrm_event_fd(of);
        CHECK(fd >= 0);
        replace_version(p, 2 + round);
        while (count(&events, HRM_EVENT_FILE_CHANGED, "p") <= round) {
            ready.fd = fd;
            ready.events = POLLIN;
            CHECK_INT(poll(&ready, 1, PATIENCE), 1);
            if (ready.revents != POLLIN || hrm_dispatch(of, 0, 0, NULL) < 0)
                break;
        }
        CHECK_INT(count(&events, HRM_EVENT_FILE_CHANGED, "p"), round + 1);
        CHECK_INT(lost(&events) >= 1, 1);
        hosts_are_untouched(file);
        host_closes_its_own();
    }
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
}

/* No descriptor is left for the library's own: it goes on when there are some again. */
static void none_are_left(void)
{
    const char *p = in(scratch(), "p");
    hrm_manager *of = watching(HRM_DISPATCH_THREAD, p);
    const char *second = in(scratch(), "second");
    int all[HIGHEST], n = 0, fd;
    write_version(second, 2);
    close_everything(0);
    while (n < HIGHEST && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        all[n++] = fd;
    CHECK_INT(rename(second, p), 0);
    let_pass(300); /* for the library to find that there are none */
    while (n > 0)
        close(all[--n]);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 1));
    replace_version(p, 3);
    CHECK(await(&events, HRM_EVENT_FILE_CHANGED, "p", 2));
    CHECK_INT(hrm_manager_destroy(of), HRM_OK);
}

/* -------------------------------------------------------- one is replaced -- */

/* A file of the host is put in the place of each descriptor of the library in turn. */
static void one_is_replaced(void)
{
    const char *file = in(scratch(), "host's");
    int round, replaced = 0;
    for (round = 0; round < 32; round++) { /* of the manager, and then of all that the library has */
        char before[HIGHEST];
        const char *p = in(scratch(), "p"), *q = in(scratch(), "q");
        hrm_manager *of;
        struct stat st;
        int fd, n = 0, mine = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600), theirs = -1;
        for (fd = 0; fd < HIGHEST; fd++)
            before[fd] = fcntl(fd, F_GETFD) >= 0 && round < 16;
        of = watching(HRM_DISPATCH_MANUAL, p);
        CHECK(hrm_event_fd(of) >= 0);
        let_pass(100); /* for the first check, which has files open for a moment */
        for (fd = 3; fd < HIGHEST && theirs < 0; fd++)
            if (fd != mine && !before[fd] && fcntl(fd, F_GETFD) >= 0 && n++ == round % 16)
                theirs = fd;
        if (theirs >= 0) {
            replaced++;
            CHECK((fcntl(theirs, F_GETFD) & FD_CLOEXEC) != 0);
            CHECK_INT(dup3(mine, theirs, O_CLOEXEC), theirs);
            lseek(mine, 2, SEEK_SET);
        }
        write_version(q, 1); /* the use of a descriptor finds that it is another one */
        CHECK_INT(hrm_enable_hot_reload(of, "q", q, NULL), HRM_OK);
        replace_version(p, 2);
        CHECK_INT(hrm_event_fd(of) >= 0, 1);
        while (count(&events, HRM_EVENT_FILE_CHANGED, "p") == 0)
            if (hrm_dispatch(of, 0, PATIENCE, NULL) <= 0) {
                CHECK(!"delivered");
                break;
            }
        CHECK_INT(hrm_manager_destroy(of), HRM_OK);
        if (theirs >= 0) {
            CHECK(fcntl(theirs, F_GETFD) >= 0);
            CHECK_INT(lseek(theirs, 0, SEEK_CUR), 2);
            close(theirs);
        }
        CHECK(fstat(mine, &st) == 0 && st.st_size == 0);
        close(mine);
    }
    CHECK(replaced >= 8);
}

/* ------------------------------------------------------------ safe reload -- */

static void snapshots_survive(void)
{
    const char *file = in(scratch(), "host's");
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_manager *other;
    hrm_options o = HRM_OPTIONS_INIT;
    told first;
    start(NULL);
    write_version(f, 1);
    enable(&safe);
    first = next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(first.version, 1);
    CHECK_INT(hrm_report_reload(m, "p", first.generation, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
    close_everything(0);
    host_opens(file);
    CHECK_INT(next(HRM_EVENT_HEALTH).health, HRM_HEALTH_DESCRIPTORS);
    replace_version(f, 2);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).version, 2);
    /* Another manager removes what dead processes have left in that directory. */
    o.snapshot_dir = snapshots;
    CHECK_INT(hrm_manager_create(&o, &other, NULL), HRM_OK);
    write_version(in(dir, "other"), 1);
    {
        hrm_enable_options e = HRM_ENABLE_OPTIONS_INIT;
        e.safe = &safe;
        CHECK_INT(hrm_enable_hot_reload_ex(other, "o", in(dir, "other"), &e, NULL), HRM_OK);
    }
    CHECK_INT(hrm_manager_destroy(other), HRM_OK);
    CHECK_INT(read_version(first.snapshot), 1);
    hosts_are_untouched(file);
    stop();
    hosts_are_untouched(file);
    CHECK_INT(read_version(first.snapshot), -1);
    host_closes_its_own();
}

int main(void)
{
    struct rlimit few = {HIGHEST, HIGHEST};
    setrlimit(RLIMIT_NOFILE, &few);
    RUN(without_a_manager);
    RUN(all_are_closed_at_once);
    RUN(all_are_closed_one_by_one);
    RUN(the_library_finds_out_by_itself);
    RUN(destroyed_at_once);
    RUN(the_event_descriptor_is_made_anew);
    RUN(none_are_left);
    RUN(one_is_replaced);
    RUN(snapshots_survive);
    DONE();
}
