# SPDX-License-Identifier: MIT
"""The command: ``qtforge-hotreload``, or ``python -m qtforge.monitoring``."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from . import _library
from ._build import Build
from ._command import Command, EachChange, Restarted
from ._display import Display, choose
from ._following import TIMED_OUT, Following
from ._groups import Groups
from ._manager import PluginHotReloadManager
from ._options import Parser, conflict, parsers
from ._output import OutputError, complain, prepare, without_number, write
from ._signals import Signalled, Signals, end_by
from ._sources import SourceError, Sources
from ._why import TRIED, explain
from .errors import HotReloadError, InvalidArgumentError

NOT_WATCHED = 1
UNWRITABLE = 4


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
    except (HotReloadError, ImportError, SourceError) as error:
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
        wrong = conflict(options) if options.command == "watch" else ""
        if wrong:
            commands["watch"].error(wrong)
    return options


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        package = version("qtforge-monitoring")
    except PackageNotFoundError:
        package = "(not installed)"
    return f"qtforge-monitoring {package} (libhotreload {_library.load().hrm_version_string().decode()})"


def _watch(options: argparse.Namespace, signals: Signals) -> int:
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(_manager(options))
        paths = list(dict.fromkeys(options.paths))
        if not _enable(manager, paths, options):
            return NOT_WATCHED
        groups = stack.enter_context(
            Groups(signals, kill_after=options.kill_after, stop_signal=options.stop_signal)
            if options.exec or options.build
            else contextlib.nullcontext()
        )
        display = choose(signals, json=options.json, plain=options.plain or groups is not None)
        command = None if options.exec is None or groups is None else _command(options, groups, display)
        build = None if options.build is None or groups is None else _build(options, groups, display, stack)
        stack.enter_context(display)
        following = Following(manager, signals, display, command, build, timeout=options.timeout, once=options.once)
        return following.run(paths)


def _enable(manager: PluginHotReloadManager, paths: list[str], options: argparse.Namespace) -> bool:
    """Enables files and folders; says which cannot be, and returns whether all are."""
    missing = options.allow_missing or options.build is not None
    failed = False
    for number, path in enumerate(paths):
        if os.path.isdir(path) or path.endswith(os.sep):
            result = manager.enable_folder(
                str(number),
                path,
                include=options.include,
                exclude=options.exclude,
                allow_missing=missing,
                pause_marker=options.pause_marker,
            )
        else:
            result = manager.enable_hot_reload(
                str(number), path, allow_missing=missing, pause_marker=options.pause_marker
            )
        if result.error is not None:
            complain(without_number(result.error.message))
            failed = True
    return not failed


def _command(options: argparse.Namespace, groups: Groups, display: Display) -> Command:
    output = sys.stderr.fileno() if options.json else None
    kind = Restarted if options.restart else EachChange
    return kind(options.exec, groups, display, stdout=output)


def _build(options: argparse.Namespace, groups: Groups, display: Display, stack: contextlib.ExitStack) -> Build:
    manager = PluginHotReloadManager(
        dispatch="manual",
        quiet_ms=options.quiet,
        poll_interval_ms=options.poll_interval,
        force_polling=options.poll,
    )
    sources = Sources(
        stack.enter_context(manager),
        options.sources,
        excluded=options.exclude_sources,
        outputs=options.paths,
        health=display.health,
    )
    return Build(options.build, groups, sources, display, timeout=options.build_timeout, first=options.build_first)


def _why(options: argparse.Namespace, signals: Signals) -> int:
    (path,) = options.paths
    with _manager(options) as manager:
        result = manager.enable_hot_reload(
            TRIED, path, allow_missing=options.allow_missing, pause_marker=options.pause_marker
        )
        if result.error is not None:
            complain(result.error.message.removeprefix(f'plugin "{TRIED}": '))
            return NOT_WATCHED
        return 0 if explain(manager, path, signals, options.timeout) else TIMED_OUT
