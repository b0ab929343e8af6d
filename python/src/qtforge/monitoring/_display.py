# SPDX-License-Identifier: MIT
"""What the command shows: a live table, lines for people and pipes, or JSON lines for programs."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._output import printable, short, write
from .events import Event

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._signals import Signals


LOOP = (
    "does the build write them? Such changes start no further build, or a later one. Leave them out with "
    "--exclude-sources; if you changed them, save once more"
)
SOME = 3  # sources that a line names


class Display:
    """Everything goes to standard output, at once. Every method may raise OutputError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def watching(self, paths: list[str]) -> None:
        raise NotImplementedError

    def changed(self, event: Event) -> None:
        raise NotImplementedError

    def added(self, event: Event) -> None:
        """A folder has found a file."""
        raise NotImplementedError

    def removed(self, event: Event) -> None:
        raise NotImplementedError

    def health(self, event: Event) -> None:
        raise NotImplementedError

    def executed(self, event: Event, command: str, status: int) -> None:
        raise NotImplementedError

    # With --build and --restart there are lines always, as --exec writes to the terminal itself.

    def started(self, command: str, event: Event | None) -> None:
        """A command that is restarted at each change; before the first change event is None."""

    def ended(self, command: str, status: int) -> None:
        """The command ended by itself."""

    def killed(self, command: str) -> None:
        """The command did not end by the signal that was to end it."""

    def building(self, command: str, sources: list[str]) -> None:
        """A build begins, as these have changed."""

    def built(self, command: str, status: int, seconds: float, *, hung: bool) -> None:
        """A build has ended, by itself or because it took too long."""

    def build_loop(self, command: str, sources: list[str]) -> None:
        """These sources change with each build, and start no further one, or a later one."""


class Lines(Display):
    """One line per event: the time, what happened, the path."""

    def _print(self, what: str, path: str, note: str = "", when: Event | None = None) -> None:
        line = f"{clock(when)} {what:<8} {printable(path)}"
        write(f"{line}  {note}\n" if note else f"{line}\n")

    def watching(self, paths: list[str]) -> None:
        for path in paths:
            self._print("watching", path)

    def changed(self, event: Event) -> None:
        self._print("changed", event.path, f"version {event.generation}", event)

    def added(self, event: Event) -> None:
        self._print("added", event.path, f"version {event.generation}", event)

    def removed(self, event: Event) -> None:
        self._print("removed", event.path, "", event)

    def health(self, event: Event) -> None:
        self._print("health", event.path, short(event.message), event)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", event.path, f"status {status}")

    def started(self, command: str, event: Event | None) -> None:
        self._print("started", command)

    def ended(self, command: str, status: int) -> None:
        self._print("ended", command, f"status {status}")

    def killed(self, command: str) -> None:
        self._print("killed", command, "it did not end by the signal")

    def building(self, command: str, sources: list[str]) -> None:
        self._print("building", command, _some(sources))

    def built(self, command: str, status: int, seconds: float, *, hung: bool) -> None:
        what = "failed" if status or hung else "built"
        why = "it took too long, " if hung else ""
        self._print(what, command, f"{why}status {status}, {seconds:.1f} s")

    def build_loop(self, command: str, sources: list[str]) -> None:
        self._print("waiting", command, f"{_some(sources)} changed with each of the last builds: {LOOP}")


class JsonLines(Display):
    """One object per line, in ASCII; bytes of a path that are not UTF-8 are escaped as surrogates."""

    def _print(self, event: str, **fields: Any) -> None:
        write(json.dumps({"event": event, **fields}) + "\n")

    def watching(self, paths: list[str]) -> None:
        self._print("watching", paths=paths)

    def _print_event(self, name: str, event: Event, **more: Any) -> None:
        self._print(name, path=event.path, timestamp_ns=event.timestamp_ns, **more)

    def changed(self, event: Event) -> None:
        self._print_event("changed", event, first_seen_ns=event.first_seen_ns, generation=event.generation)

    def added(self, event: Event) -> None:
        self._print_event("added", event, first_seen_ns=event.first_seen_ns, generation=event.generation)

    def removed(self, event: Event) -> None:
        self._print_event("removed", event)

    def health(self, event: Event) -> None:
        self._print_event("health", event, health=event.health.name, message=event.message)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", path=event.path, generation=event.generation, command=command, status=status)

    def started(self, command: str, event: Event | None) -> None:
        path, generation = ("", 0) if event is None else (event.path, event.generation)
        self._print("started", path=path, generation=generation, command=command)

    def ended(self, command: str, status: int) -> None:
        self._print("ended", command=command, status=status)

    def killed(self, command: str) -> None:
        self._print("killed", command=command)

    def building(self, command: str, sources: list[str]) -> None:
        self._print("building", command=command, sources=sources)

    def built(self, command: str, status: int, seconds: float, *, hung: bool) -> None:
        self._print("built", command=command, status=status, seconds=round(seconds, 3), hung=hung)

    def build_loop(self, command: str, sources: list[str]) -> None:
        self._print("build_loop", command=command, sources=sources, message=LOOP)


def _some(paths: list[str]) -> str:
    named = ", ".join(printable(path) for path in paths[:SOME])
    return named if len(paths) <= SOME else f"{named} and {len(paths) - SOME} more"


def choose(signals: Signals, *, json: bool, plain: bool) -> Display:
    """What fits standard output."""
    if json:
        return JsonLines()
    if not plain and _is_for_a_table():
        try:
            from ._table import LiveTable
        except ImportError:
            pass  # wcwidth comes with qtforge-monitoring[cli]
        else:
            return LiveTable(signals)
    return Lines()


def _is_for_a_table() -> bool:
    """Whether somebody looks at a terminal that can move its cursor, and that is ours."""
    environment = os.environ
    return (
        sys.stdout is not None  # pyright: ignore[reportUnnecessaryComparison] # closed when Python started
        and sys.stdout.isatty()
        and sys.stdout.encoding.lower() == "utf-8"
        and environment.get("TERM", "") not in ("", "dumb", "unknown")
        and not environment.get("NO_COLOR")
        and environment.get("CI", "").lower() in ("", "0", "false")
        and in_foreground()
    )


def in_foreground() -> bool:
    """Whether the terminal is not busy with another job of the shell's."""
    try:
        return os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp()
    except OSError:
        return True  # not our controlling terminal: nobody else's jobs, either


def clock(event: Event | None) -> str:
    """The local time, with milliseconds; of the event, or now."""
    moment = datetime.now() if event is None else datetime.fromtimestamp(event.timestamp_ns / 1e9)
    return moment.strftime("%H:%M:%S.%f")[:-3]
