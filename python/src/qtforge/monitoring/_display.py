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

    def removed(self, event: Event) -> None:
        raise NotImplementedError

    def health(self, event: Event) -> None:
        raise NotImplementedError

    def executed(self, event: Event, command: str, status: int) -> None:
        raise NotImplementedError


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

    def removed(self, event: Event) -> None:
        self._print("removed", event.path, "", event)

    def health(self, event: Event) -> None:
        self._print("health", event.path, short(event.message), event)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", event.path, f"status {status}")


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

    def removed(self, event: Event) -> None:
        self._print_event("removed", event)

    def health(self, event: Event) -> None:
        self._print_event("health", event, health=event.health.name, message=event.message)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", path=event.path, generation=event.generation, command=command, status=status)


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
