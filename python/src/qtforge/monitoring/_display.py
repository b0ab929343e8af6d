"""What the command shows: a live table, lines for people and pipes, or JSON lines for programs."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .events import Event

if TYPE_CHECKING:
    from rich.table import Table
    from typing_extensions import Self


class Display:
    """Everything goes to standard output, at once."""

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
        print(f"{line}  {note}" if note else line, flush=True)

    def watching(self, paths: list[str]) -> None:
        for path in paths:
            self._print("watching", path)

    def changed(self, event: Event) -> None:
        self._print("changed", event.path, f"version {event.generation}", event)

    def removed(self, event: Event) -> None:
        self._print("removed", event.path, "", event)

    def health(self, event: Event) -> None:
        self._print("health", event.path, event.message, event)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", event.path, f"status {status}")


class JsonLines(Display):
    """One object per line, in ASCII; bytes of a path that are not UTF-8 are escaped as surrogates."""

    def _print(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)

    def watching(self, paths: list[str]) -> None:
        self._print("watching", paths=paths)

    def _tell(self, name: str, event: Event, **more: Any) -> None:
        self._print(name, path=event.path, timestamp_ns=event.timestamp_ns, **more)

    def changed(self, event: Event) -> None:
        self._tell("changed", event, first_seen_ns=event.first_seen_ns, generation=event.generation)

    def removed(self, event: Event) -> None:
        self._tell("removed", event)

    def health(self, event: Event) -> None:
        self._tell("health", event, health=event.health.name, message=event.message)

    def executed(self, event: Event, command: str, status: int) -> None:
        self._print("exec", path=event.path, generation=event.generation, command=command, status=status)


class LiveTable(Display):
    """One row per file, drawn anew for each event and only then. Needs rich."""

    def __init__(self) -> None:
        from rich.live import Live

        self._rows: dict[str, tuple[str, str, str, str]] = {}
        self._note = "Ctrl-C ends"
        self._live = Live(auto_refresh=False, get_renderable=self._table)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _table(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        table = Table(caption=escape(self._note), caption_justify="left")
        table.add_column("file", overflow="fold", ratio=1)
        for heading in ("state", "version", "time", "settled in"):
            table.add_column(heading, justify="right" if heading in ("version", "settled in") else "left", no_wrap=True)
        for path, cells in self._rows.items():
            table.add_row(escape(printable(path)), *cells)
        return table

    def watching(self, paths: list[str]) -> None:
        self._rows = dict.fromkeys(paths, ("watching", "", "", ""))
        self._live.refresh()

    def changed(self, event: Event) -> None:
        settled = f"{(event.timestamp_ns - event.first_seen_ns) / 1e6:.0f} ms"
        self._rows[event.path] = ("[green]changed[/]", str(event.generation), clock(event), settled)
        self._live.refresh()

    def removed(self, event: Event) -> None:
        version = self._rows[event.path][1] if event.path in self._rows else ""
        self._rows[event.path] = ("[red]removed[/]", version, clock(event), "")
        self._live.refresh()

    def health(self, event: Event) -> None:
        self._note = f"{clock(event)} {printable(event.message)}"
        self._live.refresh()

    def executed(self, event: Event, command: str, status: int) -> None:
        """With a command there are lines instead, as it writes to the terminal itself."""


def choose(*, json: bool, plain: bool) -> Display:
    """What fits standard output."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    if json:
        return JsonLines()
    if not plain and sys.stdout.isatty():
        try:
            return LiveTable()
        except ImportError:
            pass  # rich comes with qtforge-monitoring[cli]
    return Lines()


def clock(event: Event | None) -> str:
    """The local time, with milliseconds; of the event, or now."""
    moment = datetime.now() if event is None else datetime.fromtimestamp(event.timestamp_ns / 1e9)
    return moment.strftime("%H:%M:%S.%f")[:-3]


def printable(text: str) -> str:
    """Text that cannot drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
