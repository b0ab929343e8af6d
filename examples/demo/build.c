/* SPDX-License-Identifier: MIT */
/* What a developer's build does to a plugin's file. */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int build_source(const char *source, int answer, int broken)
{
    FILE *f = fopen(source, "w");
    if (f == NULL)
        return -1;
    fprintf(f, "/* a plugin */\nint plugin_answer(void);\nint plugin_answer(void) { return %d%s }\n", answer,
            broken ? "" : ";");
    return fclose(f);
}

int build_compile(const char *source, const char *output, const char *log)
{
    const char *cc = getenv("CC");
    const char *rest[] = {"-shared", "-fPIC", "-o", output, source};
    const char *argv[40];
    char command[1024], *word, *state = NULL;
    size_t n = 0, i;
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status = -1, failed;
    /* CC may have options, as in "ccache gcc -m64". */
    snprintf(command, sizeof command, "%s", cc != NULL && *cc != 0 ? cc : "cc");
    for (word = strtok_r(command, " ", &state); word != NULL && n < 32; word = strtok_r(NULL, " ", &state))
        argv[n++] = word;
    for (i = 0; i < sizeof rest / sizeof *rest; i++)
        argv[n++] = rest[i];
    argv[n] = NULL;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    failed = posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) {
        FILE *f = fopen(log, "w");
        if (f != NULL) {
            fprintf(f, "%s: %s\n", argv[0], strerror(failed));
            fclose(f);
        }
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void build_show(const char *log)
{
    FILE *f = fopen(log, "r");
    int c;
    while (f != NULL && (c = getc(f)) != EOF)
        putc(c, stderr);
    if (f != NULL)
        fclose(f);
}

static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    long n;
    if (f == NULL)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) > 0 && fseek(f, 0, SEEK_SET) == 0 &&
        (data = malloc((size_t)n)) != NULL) {
        *size = fread(data, 1, (size_t)n, f);
        if (*size != (size_t)n) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

static int put(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        data += done;
        n -= (size_t)done;
    }
    return 0;
}

int build_write_part(const char *from, const char *to, int percent)
{
    size_t n;
    char *data = slurp(from, &n);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755), failed = 1;
    if (data != NULL && fd >= 0)
        failed = put(fd, data, n * (size_t)percent / 100) != 0;
    if (fd >= 0)
        failed |= close(fd) != 0;
    free(data);
    return failed ? -1 : 0;
}

int build_copy(const char *from, const char *to) { return build_write_part(from, to, 100); }

void build_pause(int ms)
{
    struct timespec t;
    t.tv_sec = ms / 1000;
    t.tv_nsec = (long)(ms % 1000) * 1000000;
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

int build_write_slowly(const char *from, const char *to, int chunks, int pause_ms, int64_t *closed_ns)
{
    size_t n, done = 0;
    char *data = slurp(from, &n);
    int fd = open(to, O_WRONLY | O_TRUNC | O_CLOEXEC), i, failed = data == NULL || fd < 0;
    for (i = 1; i <= chunks && !failed; i++) {
        size_t end = n * (size_t)i / (size_t)chunks;
        failed = put(fd, data + done, end - done) != 0;
        done = end;
        say(now_ns(), "writing", "%3zu %% of plugin.so, held open", end * 100 / n);
        if (i < chunks)
            build_pause(pause_ms);
    }
    if (fd >= 0) {
        *closed_ns = now_ns();
        failed |= close(fd) != 0;
    }
    free(data);
    return failed ? -1 : 0;
}
