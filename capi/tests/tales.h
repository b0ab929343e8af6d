/* SPDX-License-Identifier: MIT */
/* The stories of core/reload/testdata, as a host reads them; the README there explains them. */
#ifndef TALES_H
#define TALES_H

#include "support.h"

#include <dirent.h>

enum { WORDS = 12, LINES = 48, BLOCKS = 60, STORIES = 150, MOST_ADVANCED = 4000 /* ms */ };

/* A command, its lines of input, and what it prints. */
typedef struct {
    int line, words, inputs, prints;
    char *word[WORDS], *input[LINES], *print[LINES]; /* print: without the time */
} block;

typedef struct {
    char file[256];
    int line, blocks, advanced, hosts; /* hosts: one can tell it */
    int timed;                         /* pauses of the engine are part of it */
    int stops;                         /* a plugin stops in it */
    block *b;
} tale;

static tale tales[STORIES];
static int how_many;

/* Splits a line at its blanks, but not within parentheses. */
static int split_words(char *line, char **word)
{
    int n = 0, depth = 0;
    char *at = line;
    while (*at != 0 && n < WORDS) {
        while (*at == ' ')
            at++;
        if (*at != 0)
            word[n++] = at;
        for (; *at != 0 && (depth > 0 || *at != ' '); at++)
            depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        if (*at == ' ')
            *at++ = 0;
    }
    return n;
}

/* "1m30s", in milliseconds */
static int duration(const char *text)
{
    int all = 0;
    while (*text != 0) {
        char *unit;
        const long n = strtol(text, &unit, 10);
        const int scale = strncmp(unit, "ms", 2) == 0 ? 1 : *unit == 's' ? 1000 : *unit == 'm' ? 60000 : 3600000;
        all += (int)n * scale;
        text = unit + (scale == 1 ? 2 : 1);
    }
    return all;
}

/* What is printed, without the time before it. */
static char *without_time(char *line)
{
    line += strspn(line, " ");
    line += strcspn(line, " ");
    return *line == 0 ? line : line + 2;
}

static void note_block(tale *t, const block *b)
{
    int i;
    if (strcmp(b->word[0], "advance") == 0)
        t->advanced += duration(b->word[1]);
    /* A host ends without outcomes, cannot make an activation fail, and does not report what does not answer. */
    if (strcmp(b->word[0], "close") == 0 || (strcmp(b->word[0], "step") == 0 && strcmp(b->word[3], "activate") == 0))
        t->hosts = 0;
    for (i = 1; strcmp(b->word[0], "story") == 0 && i < b->words; i++)
        if (strcmp(b->word[i], "stopped-go-back") == 0)
            t->hosts = 0;
    for (i = 0; i < b->prints; i++)
        if (strstr(b->print[i], "is tried again in") != NULL || strstr(b->print[i], "did not end within") != NULL ||
            strstr(b->print[i], "did not return within") != NULL)
            t->timed = 1;
    /* What a file gets again is another generation. */
    if (strcmp(b->word[0], "offer") == 0 && b->prints > 0 && strstr(b->print[0], "is the active one") != NULL)
        t->hosts = 0;
    for (i = 0; i < b->prints; i++)
        t->stops = t->stops || strstr(b->print[i], "nothing answers: ") != NULL;
}

static void read_tales(const char *dir, const char *name)
{
    size_t size = 0;
    ssize_t n;
    char *line = NULL;
    int number = 0, printed = 0, inside = 0;
    tale *t = NULL;
    block *b = NULL;
    FILE *f = fopen(in(dir, name), "r");
    CHECK(f != NULL);
    while (f != NULL && (n = getline(&line, &size, f)) >= 0) {
        char *text;
        number++;
        if (n > 0 && line[n - 1] == '\n')
            line[n - 1] = 0;
        if (line[0] == 0) {
            if (b != NULL)
                note_block(t, b);
            b = NULL;
            continue;
        }
        if (b == NULL && line[0] == '#')
            continue;
        if (b != NULL && !printed && strcmp(line, "----") == 0) {
            printed = 1;
            continue;
        }
        text = strdup(line); /* for ever */
        if (b == NULL) {
            inside = strncmp(text, "story", 5) != 0;
            if (!inside && how_many < STORIES) {
                t = &tales[how_many++];
                snprintf(t->file, sizeof t->file, "%s", name);
                t->line = number;
                t->hosts = 1;
                t->b = calloc(BLOCKS, sizeof *t->b);
            }
            if (t == NULL || t->blocks == BLOCKS)
                abort();
            b = &t->b[t->blocks++];
            b->line = number;
            b->words = split_words(text, b->word);
            printed = 0;
        } else if (printed && b->prints < LINES) {
            b->print[b->prints++] = inside ? without_time(text) : text;
        } else if (!printed && b->inputs < LINES) {
            b->input[b->inputs++] = text;
        } else {
            abort();
        }
    }
    if (b != NULL)
        note_block(t, b);
    free(line);
    if (f != NULL)
        fclose(f);
}

static void read_all_tales(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".txt") != NULL)
            read_tales(dir, e->d_name);
    if (d != NULL)
        closedir(d);
}

#endif
