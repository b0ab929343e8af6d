# SPDX-License-Identifier: MIT
"""The live table of the command: one row per file, in the size of the terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from wcwidth import wcswidth

from ._display import Display, clock, in_foreground
from ._output import OutputError, printable, short, write
from ._signals import Signals
from .events import Event, Health

if TYPE_CHECKING:
    from typing_extensions import Self

# Another screen, so that a resize does not fold what is there; no cursor; no line that is continued on the next.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
PLAIN, BOLD, DIM, GREEN, RED, YELLOW = "", "1", "2", "32", "31", "33"

COLUMNS = (("state", 8), ("version", 7), ("time", 12), ("settled in", 10))  # the last ones give way first
RIGHT = ("version", "settled in")
GAP = 2
FILE_WIDTH = 16  # cells that a file has, as long as a column can give way


@dataclass
class Row:
    """What is shown of one file."""

    path: str
    state: str = "watching"
    colour: str = PLAIN
    version: str = ""
    time: str = ""
    settled: str = ""
    rank: int = 0
    """The higher, the later it changed; 0: not yet."""


class Table:
    """The rows, in the order of the command line. Where not all fit, those that changed last are shown."""

    def __init__(self, paths: list[str]) -> None:
        self.rows = {path: Row(path) for path in paths}
        self.note = ""
        self._rank = 0

    def change(self, path: str) -> Row:
        """The row, which is now the one that changed last."""
        self._rank += 1
        row = self.rows.setdefault(path, Row(path))
        row.rank = self._rank
        return row

    def lines(self, width: int, height: int) -> list[str]:
        """At most height lines, none of them wider than width cells."""
        head = [_header(width)] if height >= 3 else []
        foot = [_styled(DIM, fit(self.note, width))] if height >= 4 and self.note else []
        room = height - len(head) - len(foot)
        rows = list(self.rows.values())
        if len(rows) > room:
            room = max(room - 1, 1)
            hidden = len(rows) - room
            if height >= 2:
                foot.insert(0, _styled(DIM, fit(f"… {hidden} more; those that changed last are shown", width)))
            shown = sorted(rows, key=lambda row: -row.rank)[:room]
            rows = [row for row in rows if row in shown]
        return [*head, *(_line(row, width) for row in rows), *foot]


def _columns(width: int) -> tuple[tuple[str, int], ...]:
    """Those that fit beside the file."""
    for count in range(len(COLUMNS), 1, -1):
        if sum(cells + GAP for _, cells in COLUMNS[:count]) + FILE_WIDTH <= width:
            return COLUMNS[:count]
    return COLUMNS[:1] if width >= 2 * COLUMNS[0][1] + GAP else ()


def _header(width: int) -> str:
    titles = "".join(_cell(title, title, cells) for title, cells in _columns(width))
    return _styled(BOLD, fit(titles + "file", width))


def _line(row: Row, width: int) -> str:
    values = {"state": row.state, "version": row.version, "time": row.time, "settled in": row.settled}
    columns = _columns(width)
    cells = [_cell(title, values[title], cells) for title, cells in columns]
    if cells:
        cells[0] = _styled(row.colour, cells[0])
    left = sum(cells + GAP for _, cells in columns)
    return "".join(cells) + fit(printable(row.path), width - left, keep_end=True)


def _cell(title: str, text: str, cells: int) -> str:
    text = fit(text, cells)
    return (text.rjust(cells) if title in RIGHT else text.ljust(cells)) + " " * GAP


def _styled(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[m" if code else text


def fit(text: str, width: int, *, keep_end: bool = False) -> str:
    """The printable text, shortened to so many cells of a terminal: wide characters count twice, combining ones not."""
    if cells_of(text) <= width:
        return text
    if width < 1:
        return ""
    kept: list[str] = []
    room = width - 1
    for character in reversed(text) if keep_end else text:
        room -= cells_of(character)
        if room < 0:
            break
        kept.append(character)
    while kept and (cells_of("".join(kept)) > width - 1 or (keep_end and cells_of(kept[-1]) == 0)):
        kept.pop()  # it combines with what is omitted
    return "…" + "".join(reversed(kept)) if keep_end else "".join(kept) + "…"


def cells_of(text: str) -> int:
    return max(wcswidth(text), 0)


class LiveTable(Display):
    """Draws the whole screen anew for each event and each new size, and only then.

    Leaves the last picture in the terminal when it ends.
    """

    def __init__(self, signals: Signals) -> None:
        self._table = Table([])
        self._table.note = "Ctrl-C ends"
        self._signals = signals
        self._shown = False
        self._drawing = False
        self._waiting: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        self._signals.around_stop = lambda stop: self._do(lambda: self._give_back_during(stop))
        signal.signal(signal.SIGWINCH, self._redraw)
        signal.signal(signal.SIGCONT, self._redraw)  # a job that returns to the foreground
        self._do(self._draw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGWINCH, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        if not isinstance(error, OutputError):
            self._leave()
            if in_foreground():
                self._table.note = ""
                write("".join(line + "\n" for line in self._table.lines(*self._size())))

    def watching(self, paths: list[str]) -> None:
        note = self._table.note
        self._table = Table(paths)
        self._table.note = note
        self._do(self._draw)

    def changed(self, event: Event) -> None:
        self._new_version("changed", event)

    def added(self, event: Event) -> None:
        self._new_version("added", event)

    def _new_version(self, state: str, event: Event) -> None:
        row = self._table.change(event.path)
        row.state, row.colour, row.version, row.time = state, GREEN, str(event.generation), clock(event)
        row.settled = f"{(event.timestamp_ns - event.first_seen_ns) / 1e6:.0f} ms"
        self._do(self._draw)

    def removed(self, event: Event) -> None:
        row = self._table.change(event.path)
        row.state, row.colour, row.time, row.settled = "removed", RED, clock(event), ""
        self._do(self._draw)

    def health(self, event: Event) -> None:
        where = f"{printable(event.path)}: " if event.path else ""
        self._table.note = f"{clock(event)} {where}{short(event.message)}"
        if event.health in (Health.IMAGE_INCOMPLETE, Health.UNREADABLE):
            row = self._table.change(event.path)
            row.state, row.colour, row.time, row.settled = "waiting", YELLOW, clock(event), ""
        self._do(self._draw)

    def executed(self, event: Event, command: str, status: int) -> None:
        """With a command there are lines instead, as it writes to the terminal itself."""

    def _redraw(self, number: int, frame: FrameType | None) -> None:
        self._do(self._draw)

    def _do(self, action: Callable[[], None]) -> None:
        """At once, or after the action that a signal's handler interrupted: the terminal takes one at a time."""
        self._waiting.append(action)
        while self._waiting and not self._drawing:
            self._drawing = True
            try:
                while self._waiting:
                    self._waiting.pop(0)()
            finally:
                self._drawing = False

    def _draw(self) -> None:
        if not in_foreground():
            return  # the shell's, or another job's
        width, height = self._size()
        lines = self._table.lines(width, height)
        enter = "" if self._shown else ENTER
        self._shown = True
        # Erased first: the cursor stays on the last cell of a line that is full.
        rest = "\r\n" + REST_OF_SCREEN if len(lines) < height else ""
        write(enter + HOME + "\r\n".join(REST_OF_LINE + line for line in lines) + rest)

    def _leave(self) -> None:
        if self._shown:
            self._shown = False
            write(LEAVE)

    def _give_back_during(self, stop: Callable[[], None]) -> None:
        self._leave()
        stop()
        self._draw()

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24
