# SPDX-License-Identifier: MIT
"""The options of the command line, and its help."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from ._output import PROGRAM, complain, write, write_error

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

USAGE = 2
NOT_ENDING = (signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
              signal.SIGURG, signal.SIGWINCH)  # fmt: skip

EXIT_STATUS = """\
exit status:
  0    --once: a change was delivered (with --exec: the status of CMD)
  1    a path cannot be watched, or the library cannot be loaded
  2    the command line is wrong
  3    nothing changed for --timeout seconds
  4    standard output cannot be written (closed, or the disk is full)
  129, 130, 131, 143, as a shell sees it: ended by SIGHUP (the terminal was
       closed), SIGINT (Ctrl-C), SIGQUIT, SIGTERM
       SIGHUP while the terminal is there, or where there is none, as in a
       service: every file is compared with the disk at once
  141  likewise, SIGPIPE: the reader of the output has gone
"""

WATCH = """\
Reports each completed change of a file once. A file that is still being
written is not reported before it is complete. Of a folder, files that are new
and files that are removed are reported, too.

A terminal shows a live table. One line per event is shown instead with
--plain, --exec or --build, in a pipe or file, with TERM=dumb, NO_COLOR or CI
in the environment, and without the [cli] extra of the package.
"""

WHY = """\
Tries a file. Says what file system it is on, whether the system notifies of
its changes and tells who writes it. Then shows what is noticed and decided
while you save the file, until Ctrl-C or --timeout.
"""

WHY_STATUS = """\
exit status:
  0    --timeout has passed, and a change was delivered
  1    the file cannot be watched, or the library cannot be loaded
  2    the command line is wrong
  3    --timeout has passed, and nothing was delivered
"""

EXAMPLES = """\
examples:
  qtforge-hotreload watch build/libplugin.so
  qtforge-hotreload watch plugin.py settings.ini --exec 'make restart'
  qtforge-hotreload watch --once --timeout 60 build/libplugin.so && echo built
  qtforge-hotreload watch plugins/ --include '*.so'
  qtforge-hotreload watch --json build/*.so | jq .path
  qtforge-hotreload watch --exec 'make restart' -- *.so
  qtforge-hotreload watch --restart --exec ./server build/libplugin.so
  qtforge-hotreload watch --sources src --build 'ninja -C build' \\
      build/libplugin.so
  qtforge-hotreload why build/libplugin.so
"""

INCLUDE = (
    "the files of a folder to watch: '*.so', or '**/*.so' for every depth. Default: every file in the folder itself; "
    "may be given several times"
)

EXCLUDE = "the files, and folders, of a folder that are not watched; may be given several times"

EXEC = (
    "run CMD with the shell after each change, one run at a time. HOTRELOAD_PATH is the file (with ./ before a name "
    "that begins with -), HOTRELOAD_GENERATION the number of its version, from 1. Quote the file: "
    '"$HOTRELOAD_PATH". What changes during a run is reported once afterwards. CMD cannot read the '
    "terminal. What is left of CMD when this program ends is ended, too. With --json the output of CMD goes to "
    "standard error"
)

RESTART = (
    "CMD is a program that runs on, such as a server: start it at the beginning, and after a change end it with all "
    "its processes and start it again. At the first start HOTRELOAD_PATH is empty and HOTRELOAD_GENERATION 0. A "
    "program that ends by itself is started again at the next change"
)

BUILD = (
    "build with the shell after each change of a source, one build at a time. What changes during a build starts one "
    "more build afterwards. The output of a build that fails is shown on standard error. --exec waits for the end of "
    "a build. What a build leaves running in the background is ended before the next one. Implies --allow-missing"
)

SOURCES = (
    "a file that CMD of --build builds from, or a folder with such files, at every depth; may be given several times. "
    "Hidden files, what editors and tools leave for a moment, and each PATH are no sources"
)


class Parser(argparse.ArgumentParser):
    """Writes where that is possible, and nothing that could drive a terminal."""

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            write(message)
        else:
            write_error(message)

    def error(self, message: str) -> NoReturn:
        write_error(self.format_usage())  # print_usage() would turn to standard output
        complain(message)
        sys.exit(USAGE)


def parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and those of its commands."""
    name = "python -m qtforge.monitoring" if os.path.basename(sys.argv[0]) == "__main__.py" else PROGRAM
    top = Parser(
        prog=name,
        description="Plugin hot reload on the command line.",
        epilog=f"`{name} watch --help` and `{name} why --help` explain the options.\n\n{EXAMPLES}\n{EXIT_STATUS}",
    )
    top.add_argument("-V", "--version", action="store_true", help="print the versions of the package and the library")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    watch = commands.add_parser(
        "watch",
        help="report the changes of files",
        description=WATCH,
        epilog=f"{EXAMPLES}\n{EXIT_STATUS}",
    )
    watch.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, or a folder with files, to watch, through all links"
    )
    watch.add_argument("--include", metavar="PATTERN", action="append", default=[], help=INCLUDE)
    watch.add_argument("--exclude", metavar="PATTERN", action="append", default=[], help=EXCLUDE)
    watch.add_argument("--exec", metavar="CMD", type=_command, help=EXEC)
    _add_command_options(watch)
    _add_build_options(watch)
    form = watch.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line")
    form.add_argument("--plain", action="store_true", help="one line per event, in a terminal, too")
    watch.add_argument("--once", action="store_true", help="end after the first change")
    watch.add_argument("--timeout", metavar="S", type=_seconds, help="end when nothing has changed for S seconds")
    _add_library_options(watch)
    why = commands.add_parser(
        "why",
        help="try a file: show what is noticed of it, and what is decided",
        description=WHY,
        epilog=WHY_STATUS,
    )
    why.add_argument("paths", nargs="+", metavar="FILE", help="the file to try")
    why.add_argument("--timeout", metavar="S", type=_seconds, help="end after S seconds")
    _add_library_options(why)
    return top, {"watch": watch, "why": why}


def _add_command_options(parser: Parser) -> None:
    parser.add_argument("--restart", action="store_true", help=RESTART)
    parser.add_argument(
        "--stop-signal",
        metavar="NAME",
        type=_signal,
        default=signal.SIGTERM,
        help="the signal that ends CMD, for a restart and with this program; default TERM",
    )
    parser.add_argument(
        "--kill-after",
        metavar="S",
        type=_seconds,
        default=5.0,
        help="seconds that CMD has to end, for a restart and with this program, before it is killed; default 5",
    )


def _add_build_options(parser: Parser) -> None:
    parser.add_argument("--sources", metavar="SRC", action="append", default=[], help=SOURCES)
    parser.add_argument(
        "--exclude-sources",
        metavar="PATTERN",
        action="append",
        default=[],
        help="files and folders that are no sources, at any depth: a name such as '*.o', or a path such as 'gen/*.c'; "
        "may be given several times",
    )
    parser.add_argument("--build", metavar="CMD", type=_command, help=BUILD)
    parser.add_argument("--build-first", action="store_true", help="build once at the beginning")
    parser.add_argument("--build-timeout", metavar="S", type=_seconds, help="end a build that takes longer")


def conflict(options: argparse.Namespace) -> str:
    """What is wrong with the options of ``watch`` as a whole; "" if nothing is."""
    if options.build is not None and not options.sources:
        return "--build needs --sources: the folders whose changes start a build"
    if options.build is None:
        for name in ("sources", "exclude_sources", "build_first", "build_timeout"):
            if getattr(options, name):
                return f"--{name.replace('_', '-')} needs --build: the command that builds"
    if options.restart and options.exec is None:
        return "--restart needs --exec: the program to restart"
    if options.restart and options.once:
        return "--restart and --once exclude one another: a program that is restarted has no end"
    return ""


def _add_library_options(parser: Parser) -> None:
    """The options that the library has, too."""
    parser.add_argument("--poll", action="store_true", help="compare files instead of relying on notifications")
    parser.add_argument(
        "--poll-interval",
        metavar="MS",
        type=_milliseconds,
        default=0,
        help="milliseconds between two comparisons; default 1000",
    )
    parser.add_argument(
        "--quiet",
        metavar="MS",
        type=_milliseconds,
        default=0,
        help="the quiet period: milliseconds without activity before a change is reported; default 100, -1 for none",
    )
    parser.add_argument(
        "--held-after",
        metavar="MS",
        type=_milliseconds,
        default=0,
        help="name the process that holds a file open for writing for so many milliseconds without a change; "
        "default 10000, -1 for never",
    )
    parser.add_argument(
        "--deliver-held",
        action="store_true",
        help="report such a file although it is open, if its content stays the same",
    )
    parser.add_argument(
        "--pause-marker",
        metavar="FILE",
        help="hold changes back while FILE is there: a build creates it first and removes it when all is complete. A "
        "name such as .building is a file beside each PATH, or in it if that is a folder",
    )
    parser.add_argument("--check-image", action="store_true", help="report only complete ELF, PE and Mach-O images")
    parser.add_argument("--ignore-unchanged", action="store_true", help="ignore a touch and an identical rewrite")
    parser.add_argument("--allow-missing", action="store_true", help="accept paths that do not exist yet")


def _command(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the command is empty; name one, or leave the option out")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0, got {text!r}")
    return value


def _milliseconds(text: str) -> int:
    try:
        return int(text)  # the library knows the range
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number of milliseconds, got {text!r}") from None


def _signal(text: str) -> signal.Signals:
    name = text.upper().removeprefix("SIG")
    try:
        number = signal.Signals(int(name)) if name.isdecimal() else signal.Signals[f"SIG{name}"]
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"expected the name of a signal, such as TERM or INT, got {text!r}") from None
    if number in NOT_ENDING:
        raise argparse.ArgumentTypeError(f"{number.name} ends no program; give TERM, INT or another one")
    return number
