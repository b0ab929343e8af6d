/* SPDX-License-Identifier: MIT */
#include "loaded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int check_bad, check_passed, check_failed;

const char *library, *second;
char dir[64], file[128];

#define DEFINE(f) __typeof__(f) *p_##f;
FUNCTIONS(DEFINE)

void *load_as(int flags)
{
    void *so = dlopen(library, flags);
    if (so == NULL) {
        printf("   %s\n", dlerror());
        fflush(stdout);
        exit(1); /* no test goes on without it */
    }
#define FIND(f) *(void **)&p_##f = dlsym(so, #f);
    FUNCTIONS(FIND)
    return so;
}

void load(void) { load_as(RTLD_NOW | RTLD_LOCAL); }

void write_file(const char *text)
{
    char spare[160];
    int fd;
    snprintf(spare, sizeof spare, "%s.new", file);
    fd = open(spare, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0 || rename(spare, file) != 0)
        abort();
}

int is_told(void *told) { return __atomic_load_n((int *)told, __ATOMIC_SEQ_CST) != 0; }

int wait_for(int (*holds)(void *), void *arg)
{
    int i;
    for (i = 0; i < 4000 && !holds(arg); i++)
        poll(NULL, 0, 2);
    return holds(arg);
}

void on_reload(const char *id, void *told)
{
    (void)id;
    __atomic_add_fetch((int *)told, 1, __ATOMIC_SEQ_CST);
}

void use(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int told = 0;
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, &err), HRM_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, &err), HRM_OK);
    write_file("another");
    CHECK(wait_for(is_told, &told));
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

void apart(void (*test)(void))
{
    int status = -1;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        check_bad = 0;
        test();
        fflush(stdout);
        exit(check_bad != 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        CHECK_STR(strsignal(WTERMSIG(status)), "an end by itself");
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}
void begin(int argc, char **argv)
{
    if (argc != 3)
        exit(2);
    library = argv[1];
    second = argv[2];
    snprintf(dir, sizeof dir, "/tmp/hotreload-loaded-XXXXXX");
    if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
        exit(2);
    snprintf(file, sizeof file, "%s/plugin", dir);
}

void finish(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0)
        exit(2);
}
