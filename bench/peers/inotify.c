/* The floor: inotify, close-write and moved-to of each directory, nothing else. */
#include "subject.h"

#include <poll.h>
#include <sys/inotify.h>

static int fd;

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
            if (e->len)
                told(e->name);
        }
    }
    return 1;
}
