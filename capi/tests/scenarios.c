/* SPDX-License-Identifier: MIT */
/* Tells the stories of core/reload/testdata to hosts: the outcomes are those of the core, word for word, and so are the
 * steps. The versions are those of another language (hrm_host_options.step). Several stories are told at a time. */
#include "teller.h"

enum { TELLERS = 8 };

/* ----------------------------------------------------------------- commands */

/* The text of fails=(text). */
static void text_of(const char *word, char *to, size_t room)
{
    const char *from = strchr(word, '=');
    from = from == NULL ? "" : from + 1;
    snprintf(to, room, "%s", *from == '(' ? from + 1 : from);
    if (*from == '(')
        to[strlen(to) - 1] = 0;
}

static int kind_of(const char *name)
{
    int kind = HRM_STEP_PREPARE;
    while (kind > 0 && strcmp(step_names[kind], name) != 0)
        kind--;
    return kind;
}

/* How often the story prints that a step fails, up to the next command about it. */
static int count_failures(const teller *t, const block *b, const script *s)
{
    const block *end = t->st->b + t->st->blocks;
    char line[400];
    int i, n = 0;
    snprintf(line, sizeof line, "  %s %s %d: %s", step_names[s->kind], s->plugin, s->generation, s->why);
    for (b++; b < end; b++) {
        if (strcmp(b->word[0], "step") == 0 && strcmp(b->word[1], s->plugin) == 0 && atoi(b->word[2]) == s->generation &&
            kind_of(b->word[3]) == s->kind)
            break;
        for (i = 0; i < b->prints; i++)
            n += strcmp(b->print[i], line) == 0;
    }
    return n;
}

static int add_script(teller *t, const block *b)
{
    script s = {b->word[1], atoi(b->word[2]), kind_of(b->word[3]), 0, 0, 0, HRM_STEP_DONE, 0, ""};
    int i, works = 0;
    for (i = 4; i < b->words; i++) {
        const char *w = b->word[i];
        if (strncmp(w, "fails", 5) == 0 || strncmp(w, "not-now", 7) == 0 || strncmp(w, "kept", 4) == 0) {
            s.code = *w == 'f' ? HRM_STEP_FAILED : *w == 'n' ? HRM_STEP_NOT_NOW : HRM_STEP_KEPT;
            text_of(w, s.why, sizeof s.why);
        } else if (strncmp(w, "takes=", 6) == 0) {
            s.takes = duration(w + 6);
        } else {
            s.hangs = s.hangs || strcmp(w, "hangs") == 0;
            s.always = s.always || strcmp(w, "always") == 0;
            works = works || strcmp(w, "works") == 0;
        }
    }
    s.prints = s.always ? count_failures(t, b, &s) : 0;
    pthread_mutex_lock(&t->mu);
    for (i = 0; works && i < SCRIPTS; i++)
        if (t->scripts[i].plugin != NULL && strcmp(t->scripts[i].plugin, s.plugin) == 0 &&
            t->scripts[i].generation == s.generation && t->scripts[i].kind == s.kind)
            t->scripts[i].plugin = NULL;
    for (i = 0; !works && i < SCRIPTS; i++)
        if (t->scripts[i].plugin == NULL) {
            t->scripts[i] = s;
            break;
        }
    pthread_mutex_unlock(&t->mu);
    return s.kind > 0 && i <= SCRIPTS;
}

static int step_returns(teller *t, const block *b)
{
    running *r;
    pthread_mutex_lock(&t->mu);
    for (r = t->steps; r != NULL; r = r->next)
        if (strcmp(r->plugin, b->word[1]) == 0 && r->generation == atoi(b->word[2]) && r->kind == kind_of(b->word[3]))
            break;
    if (r != NULL) {
        r->returns = 1;
        if (b->words > 4)
            text_of(b->word[4], r->why, sizeof r->why);
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mu);
    return r != NULL || fail(t, "no such step runs");
}

static int put(teller *t, const plugin *p, const char *text, int number)
{
    char made[620];
    FILE *f;
    int good;
    snprintf(made, sizeof made, "%s/made", t->dir);
    f = fopen(made, "w");
    good = f != NULL && fprintf(f, "%s %d\n", text, number) > 0;
    return (f == NULL || fclose(f) == 0) && good && rename(made, p->path) == 0 ? 1 : fail(t, "cannot write: %s", strerror(errno));
}

static int offer(teller *t, const block *b)
{
    const int64_t end = now_ms() + LONG;
    const int generation = atoi(b->word[2]);
    plugin *p = find(t, b->word[1]);
    int got;
    if (p == NULL || p->handle == NULL)
        return b->prints > 0 && strncmp(b->print[0], "error: ", 7) == 0;
    if (!put(t, p, "version", generation))
        return 0;
    pthread_mutex_lock(&t->mu);
    while (p->delivered < generation && await_change(t, end)) {
    }
    got = p->delivered;
    pthread_mutex_unlock(&t->mu);
    return (got == generation || fail(t, "generation %d was delivered", got)) && expect(t, b);
}

/* Waits until a call ends as the story says. */
static int begin_call(teller *t, const block *b)
{
    const int64_t end = now_ms() + LONG;
    char said[200];
    int i = 0;
    while (i < CALLS - 1 && t->calls[i] != NULL)
        i++;
    for (;;) {
        hrm_error err = HRM_ERROR_INIT;
        const int32_t code = hrm_plugin_acquire_ex(find(t, b->word[1])->handle, 0, &t->calls[i], &err);
        if (code == HRM_OK)
            snprintf(said, sizeof said, "generation %d is called", (int)hrm_plugin_generation(t->calls[i]));
        else
            snprintf(said, sizeof said, "the caller of %s %s", b->word[1],
                     strstr(err.message, "callers are held") != NULL ? "waits" : "gets no version");
        if (strcmp(said, b->print[0]) == 0)
            return 1;
        hrm_plugin_release(t->calls[i]);
        t->calls[i] = NULL;
        if (now_ms() > end)
            return fail(t, "%s", said);
        usleep(500);
    }
}

static int end_call(teller *t, const block *b)
{
    int i;
    for (i = 0; i < CALLS; i++) {
        if (hrm_plugin_generation(t->calls[i]) == (uint64_t)atoi(b->word[2])) {
            const hrm_plugin_version *v = t->calls[i];
            t->calls[i] = NULL;
            return hrm_plugin_release(v) == HRM_OK && expect(t, b);
        }
    }
    return fail(t, "there is no such call");
}

/* What a host is told of a plugin. */
typedef struct {
    hrm_plugin_options o;
    hrm_plugin_opening open;
    const char *needs[4], *together;
    plugin *p;
} opening;

static int read_plugin(teller *t, char *line, opening *out)
{
    char *word[WORDS];
    int i, n = split_words(line, word);
    plugin *p = t->plugins;
    while (p->id != NULL && strcmp(p->id, word[1]) != 0 && p < t->plugins + PLUGINS - 1)
        p++;
    p->t = t;
    p->id = word[1];
    p->hooks = HRM_HOOK_INIT | HRM_HOOK_EXIT;
    snprintf(p->path, sizeof p->path, "%s/%s", t->dir, p->id);
    out->p = p;
    out->o.struct_size = sizeof out->o;
    out->o.flags = HRM_PLUGIN_ALLOW_MISSING | HRM_PLUGIN_DO_NOT_WAIT;
    /* On a busy machine a call and a step may take long. */
    out->o.hand_over_timeout_ms = out->o.load_timeout_ms = out->o.init_timeout_ms = out->o.save_timeout_ms =
        out->o.restore_timeout_ms = out->o.prepare_timeout_ms = out->o.exit_timeout_ms = out->o.unload_timeout_ms =
            t->st->timed ? 0 : LONG;
    out->o.validator = validate;
    out->o.validator_data = out->o.prepare_data = p;
    for (i = 2; i < n; i++) {
        const char *w = word[i];
        char *list;
        int k = 0;
        if (strncmp(w, "needs=", 6) == 0) {
            for (list = word[i] + 6; list != NULL && k < 3; k++) {
                out->needs[k] = list;
                if ((list = strchr(list, ',')) != NULL)
                    *list++ = 0;
            }
            out->o.needs = out->needs;
        } else if (strncmp(w, "together=", 9) == 0) {
            out->together = w + 9;
        } else if (strncmp(w, "limit=", 6) == 0) {
            out->o.load_timeout_ms = out->o.init_timeout_ms = out->o.save_timeout_ms = out->o.restore_timeout_ms =
                out->o.prepare_timeout_ms = out->o.exit_timeout_ms = out->o.unload_timeout_ms = duration(w + 6);
        } else if (strcmp(w, "exit-first") == 0) {
            out->o.mode = HRM_MODE_EXIT_FIRST;
        } else if (strcmp(w, "unload-first") == 0) {
            out->o.mode = HRM_MODE_UNLOAD_FIRST;
        } else if (strcmp(w, "state") == 0) {
            p->hooks |= HRM_HOOK_SAVE | HRM_HOOK_RESTORE;
        } else if (strcmp(w, "prepare") == 0) {
            p->hooks |= HRM_HOOK_PREPARE;
        } else if (strcmp(w, "state-optional") == 0) {
            out->o.flags |= HRM_PLUGIN_STATE_OPTIONAL;
        } else {
            return fail(t, "unknown word %s", w);
        }
    }
    return 1;
}

static int add(teller *t, const block *b)
{
    opening all[PLUGINS];
    hrm_plugin_opening list[PLUGINS];
    hrm_set_options set = HRM_SET_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    int i, k, n = 0;
    int32_t code;
    memset(all, 0, sizeof all);
    memset(list, 0, sizeof list);
    for (i = 0; i < b->inputs; i++) {
        char *line = strdup(b->input[i]);
        if (line == NULL || t->added == LINES)
            abort();
        t->lines[t->added++] = line;
        if (strncmp(line, "set ", 4) == 0) {
            char *word[WORDS];
            const int words = split_words(line, word);
            set.id = word[1];
            for (k = 2; k < words; k++) {
                if (strcmp(word[k], "check") == 0)
                    set.check = check;
                else
                    set.wait_ms = duration(word[k] + strlen("wait="));
            }
            set.user_data = t;
        } else if (read_plugin(t, line, &all[n])) {
            list[n].struct_size = sizeof list[n];
            list[n].plugin_id = all[n].p->id;
            list[n].path = all[n].p->path;
            list[n].options = &all[n].o;
            n++;
        } else {
            return 0;
        }
    }
    code = hrm_host_open_all(t->host, list, (size_t)n, set.id == NULL ? NULL : &set, &err);
    for (i = 0; i < n; i++)
        all[i].p->handle = list[i].plugin;
    return is_error(t, b, code, &err) && expect(t, b);
}

/* A plugin that others need is closed after them. */
static int remove_plugins(teller *t, const block *b)
{
    hrm_error err = HRM_ERROR_INIT;
    int32_t code = HRM_OK;
    int i, closed = 1;
    while (closed > 0) {
        closed = 0;
        for (i = 1; i < b->words; i++) {
            plugin *p = find(t, b->word[i]);
            if (p == NULL || p->handle == NULL)
                continue;
            code = hrm_plugin_close(p->handle, 0, &err);
            if (code == HRM_OK) {
                p->handle = NULL;
                closed++;
            }
        }
    }
    return is_error(t, b, code, &err) && expect(t, b);
}

static int go_back(teller *t, const block *b)
{
    hrm_plugin_condition c = HRM_PLUGIN_CONDITION_INIT;
    hrm_plugin *p = find(t, b->word[1])->handle;
    hrm_error err = HRM_ERROR_INIT;
    if (hrm_plugin_state(p, &c, &err) < 0 || hrm_plugin_fail(p, c.active, "the host says so", &err) < 0)
        return fail(t, "%s", err.message);
    return expect(t, b); /* an error of the engine is not the host's affair */
}

static int command(teller *t, const block *b)
{
    const char *c = b->word[0];
    plugin *p = b->words > 1 ? find(t, b->word[1]) : NULL;
    hrm_error err = HRM_ERROR_INIT;
    if (strcmp(c, "story") == 0 || strcmp(c, "status") == 0)
        return 1;
    if (strcmp(c, "step") != 0 && strcmp(c, "call") != 0) {
        pthread_mutex_lock(&t->mu);
        t->clock += strcmp(c, "advance") == 0 ? duration(b->word[1]) : 0;
        t->commands++;
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->mu);
    }
    if (strcmp(c, "add") == 0)
        return add(t, b);
    if (strcmp(c, "remove") == 0)
        return remove_plugins(t, b);
    if (strcmp(c, "offer") == 0)
        return offer(t, b);
    if (strcmp(c, "go-back") == 0)
        return go_back(t, b);
    if (strcmp(c, "file-removed") == 0)
        return (unlink(p->path) == 0 || fail(t, "%s", strerror(errno))) && expect(t, b);
    if (strcmp(c, "rejected") == 0) {
        p->rejects = 1;
        return put(t, p, "rejected", ++t->files) && expect(t, b);
    }
    if (strcmp(c, "without-state") == 0)
        return is_error(t, b, hrm_plugin_take_without_state(p->handle, &err), &err) && expect(t, b);
    if (strcmp(c, "call") == 0)
        return begin_call(t, b);
    if (strcmp(c, "call-ends") == 0)
        return end_call(t, b);
    if (strcmp(c, "step") == 0)
        return add_script(t, b);
    if (strcmp(c, "step-returns") == 0)
        return step_returns(t, b) && expect(t, b);
    pthread_mutex_lock(&t->mu);
    if (strcmp(c, "check-says") == 0)
        t->fits = strcmp(b->input[0], "fits") == 0 ? NULL : b->input[0];
    else if (strcmp(c, "advance") != 0)
        c = NULL;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mu);
    return c != NULL ? expect(t, b) : fail(t, "no such command");
}

/* ------------------------------------------------------------------ telling */

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int begin_telling(teller *t)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char snapshots[450];
    pthread_mutex_lock(&one_at_a_time);
    snprintf(t->dir, sizeof t->dir, "%s", scratch());
    pthread_mutex_unlock(&one_at_a_time);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", t->dir);
    pthread_mutex_init(&t->mu, NULL);
    pthread_cond_init(&t->changed, NULL);
    o.quiet_ms = 10;
    o.snapshot_dir = snapshots;
    ho.manager = &o;
    ho.outcome = on_outcome;
    ho.step = step;
    ho.user_data = t;
    return (hrm_host_create(&ho, &t->host, &err) == HRM_OK || fail(t, "%s", err.message)) &&
           (hrm_set_event_callback(hrm_host_manager(t->host), delivered, t, NULL) == HRM_OK || fail(t, "no event callback"));
}

static int is_printed(const tale *st, const char *line)
{
    int i, k;
    for (i = 0; i < st->blocks; i++)
        for (k = 0; k < st->b[i].prints; k++)
            if (strcmp(st->b[i].print[k], line) == 0)
                return 1;
    return 0;
}

/* Whatever is said and not expected; then the end. */
static int end_telling(teller *t, int ok)
{
    hrm_error err = HRM_ERROR_INIT;
    int i;
    pthread_mutex_lock(&t->mu);
    for (i = 0; i < t->n && ok; i++)
        if (!t->st->stops || !is_printed(t->st, t->said[i]))
            ok = fail(t, "also: %s", t->said[i]);
    t->over = 1;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mu);
    for (i = 0; i < CALLS; i++)
        hrm_plugin_release(t->calls[i]);
    if (hrm_host_destroy(t->host, LONG, &err) != HRM_OK)
        ok = fail(t, "%s", err.message);
    for (i = 0; i < t->n; i++)
        free(t->said[i]);
    for (i = 0; i < t->added; i++)
        free(t->lines[i]);
    return ok;
}

static int tell(const tale *st, int last)
{
    teller *t = calloc(1, sizeof *t);
    int i = 0, ok;
    if (t == NULL)
        abort();
    t->st = st;
    ok = begin_telling(t);
    for (i = 0; i < st->blocks && ok; i++)
        ok = command(t, &st->b[i]);
    ok = end_telling(t, ok);
    if (!ok && last)
        printf("FAILED %s:%d: %s\n", st->file, st->b[i > 0 ? i - 1 : 0].line, t->failure);
    free(t);
    return ok;
}

static int taken, told;

static void *tell_some(void *arg)
{
    int i;
    (void)arg;
    while ((i = ADD(taken, 1) - 1) < how_many) {
        const tale *st = &tales[i];
        /* The engine's pauses are real: a machine that stands still for a second tells another story. */
        int ok = 0, attempts = st->timed ? 3 : 1;
        if (!st->hosts || st->advanced > MOST_ADVANCED)
            continue;
        while (!ok && attempts-- > 0)
            ok = tell(st, attempts == 0);
        ADD(told, 1);
        ADD(*(ok ? &check_passed : &check_failed), 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[TELLERS];
    int i;
    if (argc < 2)
        return 2;
    read_all_tales(argv[1]);
    for (i = 0; i < TELLERS; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, tell_some, NULL), 0);
    for (i = 0; i < TELLERS; i++)
        pthread_join(thread[i], NULL);
    printf("%d of %d stories told\n", told, how_many);
    CHECK(told * 2 > how_many);
    DONE();
}
