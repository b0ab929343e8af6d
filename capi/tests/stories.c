/* SPDX-License-Identifier: MIT */
/* Tells the stories of core/testdata/stories, whose README explains the commands; the
 * tests of the core, of Qt and of Python tell the same. Several are told at a time. */
#include "support.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>

enum { WORDS = 8, TELLERS = 4, HEARD = 64, FILES = 4, NAME = 64, STORIES = 200 };

typedef struct {
    char file[NAME]; /* where the story stands */
    int line;
    char *text; /* from there on */
    const char *dir;
} story;

typedef struct {
    const story *st;
    int paused, marker;
    char failure[1024];
    hrm_options options;
    hrm_manager *m;
    struct {
        char name[NAME]; /* "": none */
        int fd;
    } held[FILES]; /* open for writing */
    pthread_mutex_t mu;
    int n;
    char heard[HEARD][NAME * 2]; /* "ID=TEXT" of changes, "-ID" of removals, not looked at yet */
} teller;

static int fail(teller *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->failure, sizeof t->failure, format, args);
    va_end(args);
    return 0;
}

static int must(teller *t, int ok, const char *what)
{
    return ok ? 1 : fail(t, "%s: %s", what, strerror(errno));
}

/* ------------------------------------------------------------------ files */

typedef struct {
    char text[512];
} path;

static path at(const teller *t, const char *name, const char *suffix)
{
    path p;
    snprintf(p.text, sizeof p.text, "%s/%s%s", t->st->dir, name, suffix);
    return p;
}

static int put(teller *t, const char *name, const char *suffix, const char *text)
{
    size_t n = strlen(text);
    int fd = open(at(t, name, suffix).text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return must(t, fd >= 0 && write(fd, text, n) == (ssize_t)n && close(fd) == 0, "write");
}

static int moved(teller *t, const char *from, const char *suffix, const char *to)
{
    return must(t, rename(at(t, from, suffix).text, at(t, to, "").text) == 0, "rename");
}

static int replace(teller *t, const char *name, const char *text)
{
    return put(t, name, ".new", text) && moved(t, name, ".new", name);
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

/* Which of the files that are held open has this name; -1 if none has. */
static int held(teller *t, const char *name)
{
    int i = 0;
    while (i < FILES && strcmp(t->held[i].name, name) != 0)
        i++;
    return i < FILES ? i : (fail(t, "%s is not open", name), -1);
}

static int hold(teller *t, const char *name)
{
    int i = held(t, "");
    if (i < 0)
        return fail(t, "too many open files");
    t->held[i].fd = open(at(t, name, "").text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (t->held[i].fd >= 0)
        snprintf(t->held[i].name, NAME, "%s", name);
    return must(t, t->held[i].fd >= 0, "open");
}

static int let_go(teller *t, const char *name)
{
    int i = held(t, name);
    if (i < 0)
        return 0;
    t->held[i].name[0] = 0;
    return must(t, close(t->held[i].fd) == 0, "close");
}

static int put_held(teller *t, const char *name, const char *text)
{
    int i = held(t, name);
    return i >= 0 && must(t, write(t->held[i].fd, text, strlen(text)) == (ssize_t)strlen(text), "write");
}

static void read_file(const char *name, char *out, size_t size)
{
    ssize_t n = -1;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, out, size - 1);
        close(fd);
    }
    if (n < 0)
        snprintf(out, size, "(%s)", strerror(errno));
    else
        out[n] = 0;
}

static int heard_something(void *arg)
{
    teller *t = arg;
    int n;
    pthread_mutex_lock(&t->mu);
    n = t->n;
    pthread_mutex_unlock(&t->mu);
    return n > 0;
}

static int churn(teller *t, const char *name, const char *text)
{
    int64_t end = now_ms() + PATIENCE;
    char next[NAME];
    int i;
    for (i = 0; !wait_until(heard_something, t, 3); i++) {
        if (now_ms() > end)
            return fail(t, "nothing is delivered");
        snprintf(next, sizeof next, "%s%d", text, i);
        if (!replace(t, name, next))
            return 0;
    }
    return replace(t, name, text);
}

/* A command that only concerns files; -1: it is none. */
static int file_command(teller *t, char **w)
{
    const char *c = w[0], *a = w[1], *b = w[2];
    char content[NAME];
    struct stat st;
    if (strcmp(c, "write") == 0)
        return put(t, a, "", b);
    if (strcmp(c, "replace") == 0)
        return replace(t, a, b);
    if (strcmp(c, "open") == 0)
        return hold(t, a);
    if (strcmp(c, "put") == 0)
        return put_held(t, a, b);
    if (strcmp(c, "close") == 0)
        return let_go(t, a);
    if (strcmp(c, "read") == 0)
        return read_file(at(t, a, "").text, content, sizeof content), 1;
    if (strcmp(c, "touch") == 0)
        return must(t, utimensat(AT_FDCWD, at(t, a, "").text, NULL, 0) == 0, c);
    if (strcmp(c, "chmod") == 0)
        return must(t, chmod(at(t, a, "").text, (mode_t)strtol(b, NULL, 8)) == 0, c);
    if (strcmp(c, "mkdir") == 0)
        return must(t, mkdir(at(t, a, "").text, 0755) == 0, c);
    if (strcmp(c, "rename") == 0)
        return moved(t, a, "", b);
    if (strcmp(c, "remove") == 0)
        return must(t, lstat(at(t, a, "").text, &st) == 0 && nftw(at(t, a, "").text, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, c);
    if (strcmp(c, "hardlink") == 0)
        return must(t, link(at(t, a, "").text, at(t, b, ".new").text) == 0, c) && moved(t, b, ".new", b);
    if (strcmp(c, "link") == 0)
        return must(t, symlink(a, at(t, b, ".new").text) == 0, c) && moved(t, b, ".new", b);
    if (strcmp(c, "churn") == 0)
        return churn(t, a, b);
    return -1;
}

/* ---------------------------------------------------- what the host hears */

static void heard(const hrm_event *ev, void *arg)
{
    teller *t = arg;
    char content[NAME] = "";
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        read_file(ev->path, content, sizeof content);
    else if (ev->kind != HRM_EVENT_FILE_REMOVED)
        return;
    pthread_mutex_lock(&t->mu);
    if (t->n < HEARD)
        snprintf(t->heard[t->n++], sizeof t->heard[0], ev->kind == HRM_EVENT_FILE_CHANGED ? "%s=%s" : "-%s%s", ev->plugin_id, content);
    pthread_mutex_unlock(&t->mu);
}

static int unexpected(teller *t)
{
    char all[700] = "";
    int i;
    for (i = 0; i < t->n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), " %s", t->heard[i]);
    return fail(t, "delivered:%s", all);
}

typedef struct {
    teller *t;
    char **want;
    int n;
    int (*of)(const hrm_stats_t *);
} wish;

static int enough(void *arg)
{
    wish *w = arg;
    int n;
    pthread_mutex_lock(&w->t->mu);
    n = w->t->n;
    pthread_mutex_unlock(&w->t->mu);
    return n >= w->n;
}

/* Waits for the next n deliveries; these are they, in any order. */
static int next(teller *t, char **want, int n)
{
    wish w = {t, want, n, NULL};
    int i, j, k, ok = wait_until(enough, &w, PATIENCE);
    pthread_mutex_lock(&t->mu);
    for (i = 0; i < n && ok; i++) {
        for (j = 0, k = -1; j < n - i; j++)
            if (strcmp(t->heard[j], want[i]) == 0)
                k = j;
        if ((ok = k >= 0)) {
            memmove(t->heard[k], t->heard[k + 1], (size_t)(t->n - k - 1) * sizeof t->heard[0]);
            t->n--;
        }
    }
    if (!ok)
        unexpected(t);
    pthread_mutex_unlock(&t->mu);
    return ok;
}

static int is_last(void *arg)
{
    wish *w = arg;
    int is;
    pthread_mutex_lock(&w->t->mu);
    if ((is = w->t->n > 0 && strcmp(w->t->heard[w->t->n - 1], w->want[0]) == 0))
        w->t->n = 0;
    pthread_mutex_unlock(&w->t->mu);
    return is;
}

static int being_written(const hrm_stats_t *st) { return (int)st->being_written; }
static int waiting(const hrm_stats_t *st) { return (int)st->pending; }

static int has_figure(void *arg)
{
    wish *w = arg;
    hrm_stats_t st;
    st.struct_size = sizeof st;
    return hrm_stats(w->t->m, &st) == HRM_OK && w->of(&st) == w->n;
}

static int figure(teller *t, int (*of)(const hrm_stats_t *), const char *want)
{
    wish w = {t, NULL, atoi(want), of};
    return wait_until(has_figure, &w, PATIENCE) || fail(t, "not within %d ms", PATIENCE);
}

/* The marker is delivered next. While other files settle, it is changed again. */
static int nothing(teller *t)
{
    int64_t end = now_ms() + PATIENCE;
    hrm_stats_t st;
    char content[NAME], want[NAME], *wants = want;
    do {
        snprintf(content, sizeof content, "%d", ++t->marker);
        snprintf(want, sizeof want, "marker=%d", t->marker);
        if (!replace(t, "marker", content) || !next(t, &wants, 1))
            return 0;
        st.struct_size = sizeof st;
        if (hrm_stats(t->m, &st) != HRM_OK)
            return fail(t, "no statistics");
    } while (st.settling != st.being_written && now_ms() < end);
    return st.settling == st.being_written || fail(t, "files settle for ever");
}

/* --------------------------------------------------------------- the host */

static int number(teller *t, const char *word, const char *name, int32_t *out)
{
    if (strncmp(word, name, strlen(name)) != 0)
        return fail(t, "no such option: %s", word);
    *out = (int32_t)atoi(word + strlen(name));
    return 1;
}

static int configure(teller *t, char **words)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, "quiet=none") == 0)
            t->options.quiet_ms = HRM_NO_QUIET;
        else if (strcmp(*words, "polling") == 0)
            t->options.flags |= HRM_FORCE_POLLING;
        else if (strcmp(*words, "compare-content") == 0)
            t->options.flags |= HRM_IGNORE_UNCHANGED_CONTENT;
        else if (!number(t, *words, "max-delay=", &t->options.max_delay_ms))
            return 0;
    }
    return 1;
}

/* Makes the manager and enables the marker. */
static int start(teller *t)
{
    hrm_error err = HRM_ERROR_INIT;
    if (t->m != NULL)
        return 1;
    if (hrm_manager_create(&t->options, &t->m, &err) != HRM_OK || hrm_set_event_callback(t->m, heard, t, NULL) != HRM_OK)
        return fail(t, "%s", err.message);
    if (!replace(t, "marker", "0"))
        return 0;
    if (hrm_enable_hot_reload(t->m, "marker", at(t, "marker", "").text, &err) != HRM_OK)
        return fail(t, "%s", err.message);
    return 1;
}

static int enable(teller *t, char **w)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char **option;
    for (option = w + 3; *option != NULL; option++) {
        if (strcmp(*option, "missing") == 0)
            o.flags = HRM_ENABLE_ALLOW_MISSING;
        else if (!number(t, *option, "quiet=", &o.quiet_ms))
            return 0;
    }
    if (hrm_enable_hot_reload_ex(t->m, w[1], at(t, w[2], "").text, &o, &err) != HRM_OK)
        return fail(t, "%s", err.message);
    return nothing(t); /* then it is watched */
}

static int enable_fails(teller *t, char **w)
{
    int32_t got = hrm_enable_hot_reload(t->m, w[1], at(t, w[2], "").text, NULL), want = 0;
    if (strcmp(w[3], "not-found") == 0)
        want = HRM_ERR_FILE_NOT_FOUND;
    else if (strcmp(w[3], "invalid-path") == 0)
        want = HRM_ERR_INVALID_PATH;
    else if (strcmp(w[3], "exists") == 0)
        want = HRM_ERR_ALREADY_EXISTS;
    return (want != 0 && got == want) || fail(t, "got %s", hrm_error_name(got));
}

static int command(teller *t, char **w, int n)
{
    int done = file_command(t, w);
    char removal[NAME], *removals = removal;
    wish last = {t, w + 1, 0, NULL};
    if (done >= 0)
        return done;
    if (strcmp(w[0], "needs") == 0)
        return 1; /* this system has it */
    if (strcmp(w[0], "manager") == 0)
        return configure(t, w + 1);
    if (!start(t))
        return 0;
    if (strcmp(w[0], "enable") == 0)
        return enable(t, w);
    if (strcmp(w[0], "enable-fails") == 0)
        return enable_fails(t, w);
    if (strcmp(w[0], "disable") == 0)
        return hrm_disable_hot_reload(t->m, w[1]) == 1 || fail(t, "it was not enabled");
    if (strcmp(w[0], "pause") == 0 || strcmp(w[0], "resume") == 0) {
        t->paused = w[0][0] == 'p';
        return hrm_set_global_hot_reload_enabled(t->m, !t->paused) == HRM_OK || fail(t, "it fails");
    }
    if (strcmp(w[0], "deliver") == 0)
        return next(t, w + 1, n - 1);
    if (strcmp(w[0], "finally") == 0)
        return wait_until(is_last, &last, PATIENCE) || fail(t, "not within %d ms", PATIENCE);
    if (strcmp(w[0], "removed") == 0)
        return snprintf(removal, sizeof removal, "-%s", w[1]), next(t, &removals, 1);
    if (strcmp(w[0], "nothing") == 0)
        return nothing(t);
    if (strcmp(w[0], "being-written") == 0)
        return figure(t, being_written, w[1]);
    if (strcmp(w[0], "waiting") == 0)
        return figure(t, waiting, w[1]) && (!heard_something(t) || unexpected(t));
    return fail(t, "no such command");
}

/* ---------------------------------------------------------------- stories */

/* Splits a line into words; the one after the last is NULL. */
static int split(char *line, char **words)
{
    char *rest = NULL, *word;
    int n = 0;
    for (word = strtok_r(line, " ", &rest); word != NULL && n < WORDS; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    memset(words + n, 0, (size_t)(WORDS + 1 - n) * sizeof *words);
    return n;
}

static int tell(const story *st)
{
    teller *t = calloc(1, sizeof *t);
    char *words[WORDS + 1], line[256] = "", *text, *rest = st->text;
    int i, ok = 1, number_of_line = st->line - 1, n;
    if (t == NULL)
        abort();
    t->st = st;
    pthread_mutex_init(&t->mu, NULL);
    t->options.struct_size = sizeof t->options;
    t->options.quiet_ms = 30;
    t->options.poll_interval_ms = 20;
    while (ok && (text = rest) != NULL) {
        number_of_line++;
        if ((rest = strchr(text, '\n')) != NULL)
            *rest++ = 0;
        text[strcspn(text, "#")] = 0;
        snprintf(line, sizeof line, "%s", text);
        n = split(text, words);
        if (n > 0 && strcmp(words[0], "story") == 0 && number_of_line > st->line)
            break;
        if (n > 0 && strcmp(words[0], "story") != 0)
            ok = command(t, words, n);
    }
    if (ok && !t->paused) {
        snprintf(line, sizeof line, "(the end)");
        ok = start(t) && nothing(t);
    }
    for (i = 0; i < FILES; i++)
        if (t->held[i].name[0] != 0)
            close(t->held[i].fd);
    if (hrm_manager_destroy(t->m) != HRM_OK)
        ok = fail(t, "hrm_manager_destroy fails");
    if (ok)
        printf("ok %s:%d\n", st->file, st->line);
    else
        printf("FAILED %s:%d: %s: %s\n", st->file, number_of_line, line, t->failure);
    fflush(stdout);
    pthread_mutex_destroy(&t->mu);
    free(t);
    return ok;
}

static story stories[STORIES];
static int how_many, taken;

static void *tell_some(void *arg)
{
    int i;
    (void)arg;
    while ((i = ADD(taken, 1) - 1) < how_many) {
        if (tell(&stories[i]))
            ADD(check_passed, 1);
        else
            ADD(check_failed, 1);
    }
    return NULL;
}

/* Each story gets a copy of the file from its first line on. */
static void read_stories(const char *dir, const char *name)
{
    FILE *f = fopen(in(dir, name), "r");
    static char text[1 << 16];
    char *line;
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    int number_of_line = 1;
    if (n == 0 || n == sizeof text - 1 || fclose(f) != 0)
        abort();
    text[n] = 0;
    for (line = text; line != NULL && *line != 0; number_of_line++) {
        if (strncmp(line, "story ", 6) == 0) {
            story *st = &stories[how_many++];
            if (how_many > STORIES)
                abort();
            snprintf(st->file, sizeof st->file, "%.*s", NAME - 1, name);
            st->line = number_of_line;
            st->text = strdup(line);
            st->dir = scratch();
        }
        if ((line = strchr(line, '\n')) != NULL)
            line++;
    }
}

static int is_story_file(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && strcmp(e->d_name + n - 4, ".txt") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **files;
    pthread_t tellers[TELLERS];
    int i, n = argc == 2 ? scandir(argv[1], &files, is_story_file, alphasort) : -1;
    if (n <= 0) {
        printf("usage: stories DIRECTORY\n");
        return 2;
    }
    for (i = 0; i < n; i++) {
        read_stories(argv[1], files[i]->d_name);
        free(files[i]);
    }
    free(files);
    for (i = 0; i < TELLERS; i++)
        if (pthread_create(&tellers[i], NULL, tell_some, NULL) != 0)
            abort();
    for (i = 0; i < TELLERS; i++)
        pthread_join(tellers[i], NULL);
    for (i = 0; i < how_many; i++)
        free(stories[i].text);
    CHECK(how_many > 0);
    DONE();
}
