# SPDX-License-Identifier: MIT
"""The command: ``qtforge-hotreload``, or ``python -m qtforge.monitoring``."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from . import _library
from ._command import Command
from ._display import Display, choose
from ._manager import PluginHotReloadManager
from ._output import PROGRAM, OutputError, complain, prepare, printable, write, write_error
from ._signals import Signalled, Signals, end_by
from ._waiting import Deadline
from ._why import TRIED, explain
from .errors import HotReloadError, InvalidArgumentError
from .events import Event, EventKind

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

NOT_WATCHED = 1
USAGE = 2
TIMED_OUT = 3
UNWRITABLE = 4
NOT_STARTED = 126

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
written is not reported before it is complete.

A terminal shows a live table. One line per event is shown instead with --plain
or --exec, in a pipe or file, with TERM=dumb, NO_COLOR or CI in the
environment, and without the [cli] extra of the package.
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
  qtforge-hotreload watch --json build/*.so | jq .path
  qtforge-hotreload watch --exec 'make restart' -- *.so
  qtforge-hotreload why build/libplugin.so
"""

EXEC = (
    "run CMD with the shell after each change, one run at a time. HOTRELOAD_PATH is the file (with ./ before a name "
    "that begins with -), HOTRELOAD_GENERATION the number of its version, from 1. Quote the file: "
    '"$HOTRELOAD_PATH". What changes during a run is reported once afterwards. CMD cannot read the '
    "terminal. What is left of CMD when this program ends is ended, too. With --json the output of CMD goes to "
    "standard error"
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
    watch.add_argument("paths", nargs="+", metavar="PATH", help="a file to watch, through all links on the way to it")
    watch.add_argument("--exec", metavar="CMD", type=_command, help=EXEC)
    watch.add_argument(
        "--kill-after",
        metavar="S",
        type=_seconds,
        default=5.0,
        help="seconds that CMD has to end when this program ends, before it is killed; default 5",
    )
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
    parser.add_argument("--check-image", action="store_true", help="report only complete ELF, PE and Mach-O images")
    parser.add_argument("--ignore-unchanged", action="store_true", help="ignore a touch and an identical rewrite")
    parser.add_argument("--allow-missing", action="store_true", help="accept paths that do not exist yet")


def _manager(options: argparse.Namespace) -> PluginHotReloadManager:
    """A manager with these options."""
    return PluginHotReloadManager(
        dispatch="manual",
        quiet_ms=options.quiet,
        poll_interval_ms=options.poll_interval,
        held_after_ms=options.held_after,
        deliver_held=options.deliver_held,
        check_image=options.check_image,
        ignore_unchanged_content=options.ignore_unchanged,
        force_polling=options.poll,
    )


def _command(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the command is empty; name one, or leave --exec out")
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status. Does not return if a signal ends it."""
    prepare()
    signals = Signals()
    try:
        signals.install()
        return _run(arguments, signals)
    except Signalled:
        signals.die()
    except OutputError as error:
        if signals.number:
            signals.die()  # the terminal went together with its programs
        if error.reader_has_gone:
            end_by(signal.SIGPIPE)
        complain(f"cannot write standard output: {error.reason}")
        return UNWRITABLE


def _run(arguments: Sequence[str] | None, signals: Signals) -> int:
    top, commands = parsers()
    options = _parse(top, commands, arguments)
    try:
        if options.version:
            write(_versions() + "\n")
            return 0
        if options.command is None:
            top.error("say what to do: watch PATH... or why FILE")
        return _why(options, signals) if options.command == "why" else _watch(options, signals)
    except InvalidArgumentError as error:  # an option that the library does not take
        commands.get(options.command or "", top).error(str(error))
    except (HotReloadError, ImportError) as error:
        for line in str(error).splitlines():  # an ImportError lists what was tried
            complain(line)
        return NOT_WATCHED


def _parse(top: Parser, commands: dict[str, Parser], arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options and paths in any order. argparse alone takes no path that comes after an option after a path."""
    options, rest = top.parse_known_args(arguments)
    end = rest.index("--") if "--" in rest else len(rest)
    paths, unknown = rest[:end], [argument for argument in rest[:end] if argument.startswith("-")]
    if unknown:
        commands.get(options.command or "", top).error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command:
        options.paths += paths + rest[end + 1 :]
        if options.command == "why" and len(options.paths) > 1:
            commands["why"].error(f"one file at a time, got {' '.join(options.paths)}")
    return options


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        package = version("qtforge-monitoring")
    except PackageNotFoundError:
        package = "(not installed)"
    return f"qtforge-monitoring {package} (libhotreload {_library.load().hrm_version_string().decode()})"


def _watch(options: argparse.Namespace, signals: Signals) -> int:
    with _manager(options) as manager:
        paths = list(dict.fromkeys(options.paths))
        failed = 0
        for number, path in enumerate(paths):
            result = manager.enable_hot_reload(str(number), path, allow_missing=options.allow_missing)
            if result.error is not None:
                complain(result.error.message.removeprefix(f'plugin "{number}": '))  # the path says more
                failed = NOT_WATCHED
        if failed:
            return failed
        with contextlib.ExitStack() as stack:
            command = None
            if options.exec is not None:
                output = sys.stderr.fileno() if options.json else None
                command = stack.enter_context(
                    Command(options.exec, signals, kill_after=options.kill_after, stdout=output)
                )
            display = choose(signals, json=options.json, plain=options.plain or command is not None)
            changes = _changes(manager, signals, options.timeout)
            return _follow(manager, paths, changes, stack.enter_context(display), command, options.once)


def _why(options: argparse.Namespace, signals: Signals) -> int:
    (path,) = options.paths
    with _manager(options) as manager:
        result = manager.enable_hot_reload(TRIED, path, allow_missing=options.allow_missing)
        if result.error is not None:
            complain(result.error.message.removeprefix(f'plugin "{TRIED}": '))
            return NOT_WATCHED
        return 0 if explain(manager, path, signals, options.timeout) else TIMED_OUT


def _changes(manager: PluginHotReloadManager, signals: Signals, timeout: float | None) -> Iterator[Event]:
    """manager.changes(timeout, removed=True), which a signal interrupts at every moment."""
    changes = manager.changes(0, removed=True)
    deadline = Deadline(timeout)
    while True:
        signals.wait(manager.fileno(), deadline.left())
        if signals.check:
            signals.check = False
            manager.check_now()
        manager.process_events()
        for change in changes:
            yield change
            deadline = Deadline(timeout)
        if deadline.passed():
            return


def _follow(
    manager: PluginHotReloadManager,
    paths: list[str],
    changes: Iterator[Event],
    display: Display,
    command: Command | None,
    once: bool,
) -> int:
    manager.set_event_callback(lambda event: display.health(event) if event.kind is EventKind.HEALTH else None)
    display.watching(paths)
    for change in changes:
        if change.kind is EventKind.FILE_REMOVED:
            display.removed(change)
            continue
        display.changed(change)
        status = 0
        if command is not None:
            status = _execute(command, change)
            display.executed(change, command.text, status)
        if once:
            return status
    return TIMED_OUT


def _execute(command: Command, change: Event) -> int:
    try:
        return command.run(change)
    except OSError as error:
        complain(f"cannot run {printable(command.text)}: {error.strerror}")
        return NOT_STARTED
