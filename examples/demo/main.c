/* SPDX-License-Identifier: MIT */
/*
 * The demo: a host with a real plugin, while its source is edited and compiled.
 *
 *   demo DIRECTORY
 *
 * DIRECTORY is for its files. The exit status is 0 if everything happened that
 * should, and nothing else did.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char source[400], built[400], plugin[400], log_file[400];
static host *h;

static int compile(int answer, int broken)
{
    int status;
    if (build_source(source, answer, broken) != 0)
        return -1;
    say(now_ns(), "edited", "plugin.c: return %d%s", answer, broken ? " without the semicolon" : "");
    status = build_compile(source, built, log_file);
    say(now_ns(), "compiled", "cc ended with status %d", status);
    return status;
}

static void atomic_replacement(void)
{
    int done, reloaded;
    step("A good citizen: compiled beside, renamed over");
    done = compile(2, 0) == 0 && rename(built, plugin) == 0;
    say(now_ns(), "renamed", "plugin.so is the new version");
    reloaded = host_await_reloads(h, 1);
    show();
    verdict(done, "new version in place");
    verdict(reloaded && host_answer(h) == 2, "the host runs version 2");
    verdict(host_delivered(h) == 1, "delivered once");
}

static void slow_writer(void)
{
    int64_t closed = 0, closed_again = 0;
    int written, early, reloaded;
    step("A linker: written in place, in chunks, with pauses, and once more");
    written = compile(3, 0) == 0 && build_write_slowly(built, plugin, 4, 250, &closed) == 0;
    say(closed, "closed", "first round");
    early = host_reloads(h) != 1;
    build_pause(30); /* shorter than the quiet period: as by strip after a linker */
    written = written && build_write_slowly(built, plugin, 2, 150, &closed_again) == 0;
    say(closed_again, "closed", "second round");
    early = early || (host_reloads(h) != 1 && host_delivered_ns(h) < closed_again);
    reloaded = host_await_reloads(h, 2);
    show();
    verdict(written, "two rounds of writing");
    verdict(!early && host_delivered_ns(h) > closed_again, "nothing delivered before the last close");
    verdict(reloaded && host_answer(h) == 3, "the host runs version 3");
    verdict(host_delivered(h) == 2, "delivered once");
}

static void failed_build(void)
{
    int failed, rejected;
    step("A failed build: a syntax error, and half an output left behind");
    failed = compile(4, 1) != 0;
    failed = failed && build_source(source, 4, 0) == 0 && build_compile(source, built, log_file) == 0 &&
             build_write_part(built, plugin, 60) == 0;
    say(now_ns(), "truncated", "60 %% of a plugin.so, and closed");
    rejected = host_await_rejected(h, 1);
    show();
    verdict(failed, "the compiler failed; the file is half a library");
    verdict(rejected && host_rejected(h) >= 1, "rejected: it is not a complete image");
    verdict(host_delivered(h) == 2 && host_answer(h) == 3, "nothing delivered; the host still runs version 3");
}

static void good_build(void)
{
    int done, reloaded;
    step("And a good one: the compiler writes to plugin.so itself");
    strcpy(built, plugin);
    done = compile(5, 0) == 0;
    reloaded = host_await_reloads(h, 3);
    show();
    verdict(done, "built");
    verdict(reloaded && host_answer(h) == 5, "the host runs version 5");
    verdict(host_delivered(h) == 3, "delivered once");
}

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) > 300) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    mkdir(argv[1], 0755);
    snprintf(source, sizeof source, "%s/plugin.c", argv[1]);
    snprintf(built, sizeof built, "%s/plugin.so.new", argv[1]);
    snprintf(plugin, sizeof plugin, "%s/plugin.so", argv[1]);
    snprintf(log_file, sizeof log_file, "%s/compiler.log", argv[1]);

    printf("libhotreload %s, watching %s\n", hrm_version_string(), plugin);
    if (compile(1, 0) != 0 || rename(built, plugin) != 0) {
        fprintf(stderr, "cannot compile %s to %s:\n", source, plugin);
        build_show(log_file);
        return 1;
    }
    h = host_start(plugin, argv[1]);
    if (h == NULL)
        return 1;
    printf("the host runs version %d\n", host_answer(h));

    atomic_replacement();
    slow_writer();
    failed_build();
    good_build();

    host_stop(h);
    printf("\n%s\n", all_good() ? "Three completed changes, three reloads, and nothing else." : "Something did not happen; see above.");
    return all_good() ? 0 : 1;
}
