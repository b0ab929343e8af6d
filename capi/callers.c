/* SPDX-License-Identifier: MIT */
/*
 * What could call a library after it was unloaded, and that no loader knows of: handlers
 * of signals, and threads that the library has started.
 */
#define _GNU_SOURCE
#include "plugins.h"

#if defined(__linux__)

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a library is, and where in it the code. */
typedef struct range {
    const struct link_map *map;
    uintptr_t begin, end, code_begin, code_end;
} range;

static int is_in(const range *r, uintptr_t address) { return address >= r->begin && address < r->end; }
static int is_code(const range *r, uintptr_t address) { return address >= r->code_begin && address < r->code_end; }

static void widen(uintptr_t *begin, uintptr_t *end, uintptr_t from, uintptr_t to)
{
    if (*end == 0 || from < *begin)
        *begin = from;
    if (to > *end)
        *end = to;
}

/* For dl_iterate_phdr. */
static int measure(struct dl_phdr_info *i, size_t size, void *arg)
{
    range *r = arg;
    size_t n;
    (void)size;
    if (i->dlpi_addr != r->map->l_addr || strcmp(i->dlpi_name, r->map->l_name) != 0)
        return 0;
    for (n = 0; n < i->dlpi_phnum; n++) {
        const ElfW(Phdr) *p = &i->dlpi_phdr[n];
        const uintptr_t begin = i->dlpi_addr + p->p_vaddr, end = begin + p->p_memsz;
        if (p->p_type != PT_LOAD)
            continue;
        widen(&r->begin, &r->end, begin, end);
        if (p->p_flags & PF_X)
            widen(&r->code_begin, &r->code_end, begin, end);
    }
    return 1;
}

/* ----------------------------------------------------------------- signals -- */

/* The first signal whose handler is in the library; 0 if there is none. */
static int handled_signal(const range *r)
{
    struct sigaction now;
    int s;
    for (s = 1; s <= SIGRTMAX; s++)
        if (sigaction(s, NULL, &now) == 0 && is_in(r, (uintptr_t)now.sa_handler)) /* the same place as sa_sigaction */
            return s;
    return 0;
}

/* ----------------------------------------------------------------- threads -- */

/* The C library has a record of each thread, with the function and the argument that the
 * thread was started with. The kernel knows a place in it: the list of robust mutexes. In
 * between is thread-specific data, which stays there after its key was deleted. */
enum { BEGIN_OF_RECORD = 72, END_OF_RECORD = 192 };

/* Reads memory that may be gone by now. */
static size_t read_words(int memory, uintptr_t from, uintptr_t *to, size_t count)
{
    const ssize_t n = pread(memory, to, count * sizeof *to, (off_t)from);
    return n > 0 ? (size_t)n / sizeof *to : 0;
}

/* Whether memory is an object of a class of the library, as std::thread passes it to its
 * threads: it begins with the address of a table of virtual functions. What a thread was
 * started with may be freed and in other use by now; then it seldom looks like this. */
static int is_object_of(const range *r, int memory, uintptr_t address)
{
    uintptr_t table = 0, function = 0;
    if (address < 65536 || address % sizeof address != 0 || address >> (8 * sizeof address - 1) != 0)
        return 0;
    return read_words(memory, address, &table, 1) == 1 && is_in(r, table) && !is_code(r, table) &&
           read_words(memory, table, &function, 1) == 1 && is_code(r, function);
}

static int was_started_by(const range *r, int memory, long thread)
{
    uintptr_t record[END_OF_RECORD];
    void *place = NULL;
    size_t size = 0, n, i;
    if (syscall(SYS_get_robust_list, thread, &place, &size) != 0 || place == NULL)
        return 0;
    n = read_words(memory, (uintptr_t)place, record, END_OF_RECORD);
    for (i = BEGIN_OF_RECORD; i < n; i++)
        if (is_in(r, record[i]) || is_object_of(r, memory, record[i]))
            return 1;
    return 0;
}

/* The first thread that the library has started; 0 if there is none. */
static long found_thread(const range *r)
{
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    DIR *all = memory >= 0 ? opendir("/proc/self/task") : NULL;
    long found = 0;
    struct dirent *d;
    while (all != NULL && found == 0 && (d = readdir(all)) != NULL) {
        const long thread = strtol(d->d_name, NULL, 10);
        if (thread > 0 && was_started_by(r, memory, thread))
            found = thread;
    }
    if (all != NULL)
        closedir(all);
    if (memory >= 0)
        close(memory);
    return found;
}

static void name_thread(long thread, char *name, size_t room)
{
    char path[64];
    FILE *from;
    name[0] = 0;
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", thread);
    from = fopen(path, "re");
    if (from != NULL && fgets(name, (int)room, from) != NULL)
        name[strcspn(name, "\n")] = 0;
    if (from != NULL)
        fclose(from);
}

int hrmc_has_callers(void *library, char *why, size_t room)
{
    struct link_map *map = NULL;
    range r = {NULL, 0, 0, 0, 0};
    char name[20];
    long thread;
    int s;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == NULL)
        return 0;
    r.map = map;
    dl_iterate_phdr(measure, &r);
    if ((s = handled_signal(&r)) != 0) {
        snprintf(why, room, "it handles signal %d: its exit should set the old handler again", s);
        return 1;
    }
    if ((thread = found_thread(&r)) != 0) {
        name_thread(thread, name, sizeof name);
        snprintf(why, room, "thread %ld (%s) was started by it: its exit should end the thread", thread, name);
        return 1;
    }
    return 0;
}

#else

int hrmc_has_callers(void *library, char *why, size_t room)
{
    (void)library, (void)why, (void)room;
    return 0;
}

#endif
