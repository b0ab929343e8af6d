"""The command: ``qtforge-hotreload``, or ``python -m qtforge.monitoring``."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from . import _library
from ._display import Display, choose
from ._manager import PluginHotReloadManager
from ._watch import id_for
from .errors import HotReloadError, InvalidArgumentError
from .events import Event, EventKind

NOT_WATCHED = 1
USAGE = 2
TIMED_OUT = 3
INTERRUPTED = 130
READER_GONE = 141

EXIT_CODES = """\
exit status:
  0    --once: a change was told (with --exec: the command's own status)
  1    a path cannot be watched, or the library cannot be loaded
  2    the command line is wrong
  3    nothing changed for --timeout seconds
  130  Ctrl-C
  141  whoever reads the output has gone
  143  terminated (SIGTERM)
"""

WATCH = """\
Tells each completed change of the files once, and only when the file is whole.

In a terminal a table is shown (if rich is installed and there is no --exec), elsewhere one line per event.
"""

EXEC = (
    "run CMD with the shell after each change, one at a time; it finds the file in HOTRELOAD_PATH and the number "
    "of the version, from 1, in HOTRELOAD_GENERATION. What changes meanwhile is told afterwards, as one"
)


def parser() -> argparse.ArgumentParser:
    name = "python -m qtforge.monitoring" if os.path.basename(sys.argv[0]) == "__main__.py" else None
    top = argparse.ArgumentParser(
        prog=name,
        description="Plugin hot reload on the command line.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print the version of the package and of the library")
    commands = top.add_subparsers(dest="command", metavar="watch")
    watch = commands.add_parser(
        "watch",
        help="tell the changes of files",
        description=WATCH,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    watch.add_argument("paths", nargs="+", metavar="PATH", help="a file to watch, through all links on the way to it")
    watch.add_argument("--exec", metavar="CMD", help=EXEC)
    watch.add_argument("--json", action="store_true", help="one JSON object per line")
    watch.add_argument("--once", action="store_true", help="end after the first change")
    watch.add_argument("--timeout", metavar="S", type=_seconds, help="end when nothing has changed for S seconds")
    watch.add_argument("--poll", action="store_true", help="compare files instead of relying on notifications")
    watch.add_argument("--poll-interval", metavar="MS", type=_milliseconds, default=0, help="for --poll; default 1000")
    watch.add_argument(
        "--quiet",
        metavar="MS",
        type=_milliseconds,
        default=0,
        help="how long a file must be left alone; default 100, -1 not at all",
    )
    watch.add_argument("--check-image", action="store_true", help="tell only complete ELF, PE and Mach-O images")
    watch.add_argument("--ignore-unchanged", action="store_true", help="tell neither a touch nor an identical rewrite")
    watch.add_argument("--allow-missing", action="store_true", help="accept paths that do not exist yet")
    return top


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _milliseconds(text: str) -> int:
    try:
        return int(text)  # the library knows the range
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of milliseconds") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    top = parser()
    options = top.parse_args(arguments)
    try:
        if options.version:
            return _version()
        if options.command is None:
            top.error("say what to do: watch PATH...")
        signal.signal(signal.SIGTERM, _termination)
        return _watch(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Else the interpreter fails once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except InvalidArgumentError as error:  # an option that the library does not take
        top.error(str(error))
    except (HotReloadError, ImportError) as error:
        return _complain(str(error))


class _Termination:
    """SIGTERM as SystemExit, except while a command is being started: it would be left behind."""

    def __init__(self) -> None:
        self._held = False
        self._number = 0

    def __call__(self, number: int, _: object) -> None:
        self._number = number
        if not self._held:
            self.check()

    def check(self) -> None:
        if self._number:
            raise SystemExit(128 + self._number)

    def hold(self, held: bool) -> None:
        self._held = held


_termination = _Termination()


def _complain(message: str) -> int:
    print(f"qtforge-hotreload: {message}", file=sys.stderr)
    return NOT_WATCHED


def _version() -> int:
    from importlib.metadata import version

    library = _library.load().hrm_version_string().decode()
    print(f"qtforge-monitoring {version('qtforge-monitoring')} (libhotreload {library})")
    return 0


def _watch(options: argparse.Namespace) -> int:
    with PluginHotReloadManager(
        dispatch="manual",
        quiet_ms=options.quiet,
        poll_interval_ms=options.poll_interval,
        check_image=options.check_image,
        ignore_unchanged_content=options.ignore_unchanged,
        force_polling=options.poll,
    ) as manager:
        paths: dict[str, str] = {}  # by id
        failed = 0
        for position, path in enumerate(dict.fromkeys(options.paths)):
            name = id_for(os.fsencode(path), position)
            result = manager.enable_hot_reload(name, path, allow_missing=options.allow_missing)
            if result.error is not None:
                failed = _complain(result.error.message.removeprefix(f'plugin "{name}": '))  # which is the path again
            paths[name] = path
        if failed:
            return failed
        with choose(json=options.json, plain=options.exec is not None) as display:
            return _follow(manager, paths, display, options)


def _follow(
    manager: PluginHotReloadManager, paths: dict[str, str], display: Display, options: argparse.Namespace
) -> int:
    manager.set_event_callback(lambda event: display.health(event) if event.kind is EventKind.HEALTH else None)
    changes = manager.changes(options.timeout, removed=True)
    display.watching(list(paths.values()))
    for change in changes:
        if change.kind is EventKind.FILE_REMOVED:
            display.removed(change)
            continue
        display.changed(change)
        status = 0
        if options.exec is not None:
            status = _execute(options.exec, change)
            display.executed(change, options.exec, status)
        if options.once:
            return status
    return TIMED_OUT


def _execute(command: str, change: Event) -> int:
    """The status of the command as a shell has it: 128 and the signal, if one ended it."""
    sys.stdout.flush()
    environment = {
        **os.environ,
        "HOTRELOAD_PATH": change.path,
        "HOTRELOAD_GENERATION": str(change.generation),
    }
    _termination.hold(True)
    process = subprocess.Popen(command, shell=True, env=environment)
    try:
        _termination.hold(False)
        _termination.check()
        process.wait()
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):  # Ctrl-C reaches the command by itself
            process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
