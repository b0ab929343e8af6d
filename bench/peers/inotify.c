/* SPDX-License-Identifier: MIT */
/* The floor: inotify, close-write and moved-to of each directory, nothing else.
 * LOOK=1: with the question that libhotreload asks before it tells, whether
 * anybody still holds the file open for writing. */
#define _GNU_SOURCE
#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static int fd;

static int whole(long number)
{
    struct statx before, after;
    const char *path;
    int file, ok;
    if (number < 0 || (size_t)number >= npaths)
        return 0;
    path = paths[number];
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &before) < 0)
        return 0;
    file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return 0;
    fcntl(file, F_SETOWN, -getpid());
    fcntl(file, F_SETSIG, SIGURG);
    ok = fcntl(file, F_SETLEASE, F_RDLCK) == 0;
    fcntl(file, F_SETLEASE, F_UNLCK);
    ok = ok && statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &after) == 0 &&
         after.stx_ino == before.stx_ino;
    close(file);
    return ok;
}

static int64_t enable_all(void)
{
    size_t i;
    char dir[4200], last[4200] = "";
    int64_t dirs = 0;
    for (i = 0; i < npaths; i++) {
        strcpy(dir, paths[i]);
        *strrchr(dir, '/') = 0;
        if (strcmp(dir, last) == 0)
            continue;
        if (inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
            perror(dir);
            exit(1);
        }
        strcpy(last, dir);
        dirs++;
    }
    return dirs;
}

static int64_t list_all(void) { return 0; }
static int64_t count_events(void) { return (int64_t)events; }
static void disable_all(void) {}
static void clear_all(void) {}

int main(int argc, char **argv)
{
    static char buf[65536] __attribute__((aligned(8)));
    struct pollfd fds[2];
    int look = getenv("LOOK") != NULL;
    read_list(argc, argv);
    fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    fds[0].fd = 0;
    fds[1].fd = fd;
    fds[0].events = fds[1].events = POLLIN;
    answer("start", 0, 0);
    while (poll(fds, 2, -1) > 0) {
        ssize_t n, at;
        if (fds[0].revents && !obey_stdin())
            return 0;
        if (!fds[1].revents)
            continue;
        n = read(fd, buf, sizeof buf);
        for (at = 0; at < n;) {
            struct inotify_event *e = (struct inotify_event *)(buf + at);
            at += (ssize_t)(sizeof *e + e->len);
            events++;
            if (e->len && (!look || whole(number_in(e->name))))
                told(e->name);
        }
    }
    return 1;
}
