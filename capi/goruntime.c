/*
 * What Go's runtime takes from its surroundings as a program's own, set right
 * for a guest before it reads it: which signals its threads leave open, and the
 * environment. Neither can be configured. Both are found by their content; where
 * that is not as expected, as with another version of Go, all stays as it is,
 * and the tests (signals.c, process.c) fail.
 */
#define _GNU_SOURCE
#include "bridge.h"

#if defined(__linux__)
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>

#define UNINSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))

static char of_this_module;

/* Whether the module has these bytes in memory, with these rights. */
UNINSTRUMENTED static int has(const struct dl_phdr_info *m, const void *p, size_t n, uint32_t flags)
{
    uintptr_t at = (uintptr_t)p - m->dlpi_addr;
    int i, inside = 0;
    for (i = 0; i < m->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &m->dlpi_phdr[i];
        int within = at >= h->p_vaddr && at - h->p_vaddr <= h->p_memsz && h->p_memsz - (at - h->p_vaddr) >= n;
        if (h->p_type == PT_LOAD && (h->p_flags & flags) == flags)
            inside |= within;
        if (h->p_type == PT_GNU_RELRO && within && (flags & PF_W))
            return 0;
    }
    return inside;
}

/* Calls visit with each word of the module that can be written and is in its
 * file (.data, not .bss). */
struct search {
    void (*visit)(struct search *, uintptr_t *word, uintptr_t end);
    const struct dl_phdr_info *module;
    void *found;
    int times;
};

UNINSTRUMENTED static int search_module(struct dl_phdr_info *m, size_t size, void *arg)
{
    struct search *s = arg;
    int i;
    (void)size;
    if (!has(m, &of_this_module, 1, PF_W))
        return 0;
    s->module = m;
    for (i = 0; i < m->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &m->dlpi_phdr[i];
        uintptr_t p = m->dlpi_addr + h->p_vaddr, end = p + h->p_filesz;
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_W))
            continue;
        for (p = (p + sizeof p - 1) & ~(sizeof p - 1); p + sizeof p <= end; p += sizeof p)
            s->visit(s, (uintptr_t *)p, end);
    }
    return 1;
}

/*
 * Go's threads can block every signal but those in a table of its runtime that
 * says they must not be: the faults, and also SIGCHLD, SIGPROF and SIGRTMIN. A
 * SIGCHLD that a host awaits by signalfd or sigwait, with the signal blocked in
 * all its threads, would be lost in one of Go's. So the table is told otherwise.
 */
struct go_signal { /* runtime.sigTabT */
    int32_t flags;
    const char *name;
    intptr_t length;
};
enum { GO_SET_STACK = 64, GO_UNBLOCK = 128, GO_RTMIN = 34, GO_SIGNALS = 65 };

UNINSTRUMENTED static int is_signal(const struct dl_phdr_info *m, const struct go_signal *s, int32_t flags,
                                    const char *name)
{
    intptr_t n = 0;
    while (name[n] != 0)
        n++;
    if (s->flags != flags || s->length != n || !has(m, s->name, (size_t)n, PF_R))
        return 0;
    while (n-- > 0)
        if (s->name[n] != name[n])
            return 0;
    return 1;
}

UNINSTRUMENTED static void visit_signals(struct search *s, uintptr_t *word, uintptr_t end)
{
    struct go_signal *t = (struct go_signal *)word;
    if (end - (uintptr_t)t < GO_SIGNALS * sizeof *t || !is_signal(s->module, &t[0], 0, "SIGNONE: no trap"))
        return;
    if (is_signal(s->module, &t[SIGCHLD], 1 + GO_UNBLOCK + 256, "SIGCHLD: child status has changed") &&
        is_signal(s->module, &t[SIGPROF], 1 + GO_UNBLOCK, "SIGPROF: profiling alarm clock") &&
        is_signal(s->module, &t[GO_RTMIN], GO_SET_STACK + GO_UNBLOCK, "signal 34") &&
        has(s->module, t, GO_SIGNALS * sizeof *t, PF_W)) {
        s->found = t;
        s->times++;
    }
}

void hrmc_let_go_block_signals(void)
{
    struct search s = {visit_signals, NULL, NULL, 0};
    struct go_signal *t;
    dl_iterate_phdr(search_module, &s);
    if (s.times != 1)
        return;
    t = s.found;
    t[SIGCHLD].flags &= ~GO_UNBLOCK;
    t[SIGPROF].flags &= ~GO_UNBLOCK;
    if (SIGRTMIN == GO_RTMIN) /* as with glibc, which keeps the two before for itself */
        t[GO_RTMIN].flags &= ~GO_UNBLOCK;
}

/*
 * The runtime takes GODEBUG, GOGC, GOMEMLIMIT, GOMAXPROCS and GOTRACEBACK from
 * the environment: one makes it print, a malformed one ends the process. But
 * they are there for the host, if it is written in Go, or for what it starts.
 * glibc hands the program's argument vector to the constructors of a library,
 * Go's keeps it, and its runtime finds the environment behind it, and behind
 * that what the kernel tells. It is given another: no arguments but of the same
 * number, no environment, and of the kernel's what Go asks for.
 */
#if defined(__GLIBC__)
static uintptr_t not_argv; /* its complement: the search must find the other one */
static int argument_count;

void hrmc_remember_arguments(int argc, char **argv)
{
    argument_count = argc;
    not_argv = ~(uintptr_t)argv;
}

UNINSTRUMENTED static void visit_argv(struct search *s, uintptr_t *word, uintptr_t end)
{
    (void)end;
    if (*word == ~not_argv) {
        s->found = word;
        s->times++;
    }
}

void hrmc_hide_environment(void)
{
    static const unsigned long told[] = {AT_PAGESZ, AT_HWCAP, AT_HWCAP2, AT_RANDOM, AT_SYSINFO_EHDR, AT_SECURE};
    enum { TOLD = sizeof told / sizeof *told };
    static char none[] = "";
    struct search s = {visit_argv, NULL, NULL, 0};
    uintptr_t *vector, *v;
    int i;
    if (argument_count < 0 || ~not_argv == 0)
        return;
    dl_iterate_phdr(search_module, &s);
    if (s.times != 1 || !has(s.module, s.found, sizeof(uintptr_t), PF_W))
        return;
    v = vector = calloc((size_t)argument_count + 2 + 2 * (TOLD + 1), sizeof *v);
    if (vector == NULL)
        return;
    for (i = 0; i < argument_count; i++)
        *v++ = (uintptr_t)none;
    v += 2; /* the ends of arguments and environment */
    for (i = 0; i < TOLD; i++) {
        uintptr_t value = getauxval(told[i]);
        if (value != 0) {
            *v++ = told[i];
            *v++ = value;
        }
    }
    *(uintptr_t **)s.found = vector; /* kept: the leak checker sees it there */
}
#else
void hrmc_remember_arguments(int argc, char **argv) { (void)argc, (void)argv; }
void hrmc_hide_environment(void) {}
#endif
#endif
