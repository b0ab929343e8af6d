/* SPDX-License-Identifier: MIT */
/* What the tests of hot_reload_plugin.h share beside plugins.h. */
#ifndef HOSTS_H
#define HOSTS_H

#include "plugins.h"

static HELPER hrm_plugin *open_as(const char *id, const char *file, int version, const char *more, const hrm_plugin_options *o)
{
    hrm_plugin_options own = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_plugin *p = NULL;
    if (o != NULL)
        own = *o;
    if (own.symbols == NULL)
        own.symbols = symbols;
    if (own.hand_over_timeout_ms == 0)
        own.hand_over_timeout_ms = PATIENCE; /* on a busy machine a call may take long */
    f = in(dir, file);
    build(version, more);
    CHECK_INT(hrm_host_open(host, id, f, &own, &p, &err), HRM_OK);
    CHECK_STR(err.message, "");
    return p;
}

static HELPER int answer(hrm_plugin *p, size_t index)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(p);
    int n = v == NULL ? -1 : ((int (*)(void))hrm_plugin_function(v, index))();
    hrm_plugin_release(v);
    return n;
}

/* A plugin's step that waits for a file. */
#define WAIT_FOR(name) "while (access(\"" name "\", F_OK) != 0) usleep(1000);"
#define PLAIN_STATE                                                                                                    \
    "size_t plugin_save_state(void *to, size_t room) { if (room >= sizeof state) *(int *)to = state; return sizeof "   \
    "state; }\n"

static HELPER void touch(const char *name)
{
    const int fd = open(in(dir, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    close(fd);
}

/* Source that waits for dir/name. */
static HELPER const char *with_wait(const char *format, const char *name)
{
    static char text[1500];
    char wait[600];
    snprintf(wait, sizeof wait, "close(open(\"%s.here\", O_CREAT | O_WRONLY, 0644)); while (access(\"%s\", F_OK) != 0) usleep(1000);",
             in(dir, name), in(dir, name));
    snprintf(text, sizeof text, format, wait);
    return text;
}

static HELPER int exists(void *name) { return access(name, F_OK) == 0; }
static HELPER void await_file(const char *name) { CHECK(wait_until(exists, (void *)in(dir, name), PATIENCE)); }

#define FCNTL "#include <fcntl.h>\n"

/* Compiles a shared library and puts it into place in one step. In the flags %s stands for the directory. */
static HELPER void compile_as(const char *compiler, const char *name, const char *source, const char *flags, const char *to)
{
    char command[2500], own[800];
    FILE *c = fopen(in(dir, name), "w");
    CHECK(c != NULL && fputs(source, c) >= 0 && fclose(c) == 0);
    snprintf(own, sizeof own, flags, dir, dir);
    snprintf(command, sizeof command, "%s -shared -fPIC -w %s -o %s %s && mv %s %s", compiler, in(dir, name), in(dir, "built"),
             own, in(dir, "built"), in(dir, to));
    if (system(command) != 0) {
        printf("   failed: %s\n", command);
        abort();
    }
}

static HELPER void compile_c(const char *source, const char *flags, const char *to)
{
    compile_as(getenv("CC") ? getenv("CC") : "cc", "library.c", source, flags, to);
}
/* By g++, whatever compiles the tests: clang makes no symbols that the process has once. */
static HELPER void compile_cxx(const char *source, const char *flags, const char *to)
{
    compile_as("g++", "library.cc", source, flags, to);
}

static HELPER void write_text(const char *name, const char *text)
{
    const char *made = in(dir, "made");
    FILE *out = fopen(made, "w");
    CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
    CHECK_INT(rename(made, in(dir, name)), 0);
}

static HELPER void read_text(const char *path, char *to, size_t size)
{
    FILE *from = fopen(path, "r");
    to[0] = 0;
    if (from != NULL) {
        CHECK(fgets(to, (int)size, from) != NULL);
        fclose(from);
    }
}

#endif
