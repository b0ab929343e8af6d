# SPDX-License-Identifier: MIT
"""``--build``: builds when a source has changed, one build at a time."""

from __future__ import annotations

import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING

from ._build_loop import BuildLoop
from ._command import NOT_STARTED
from ._groups import PAUSE, Ending, Groups, Run
from ._output import complain, copy_error, printable
from ._waiting import Deadline

if TYPE_CHECKING:
    from ._display import Display
    from ._sources import Sources
    from .events import Event

AT_MOST = 2.0
"""Seconds that a build waits for sources that keep changing."""
KILLED = 137
"""The status of a build that the system does not end."""


class Build:
    """What ``--build`` runs. It never blocks: step() goes on with what can go on.

    A change during a build starts one more build afterwards, however many changes there are.
    """

    def __init__(
        self, text: str, groups: Groups, sources: Sources, display: Display, *, timeout: float | None, first: bool
    ) -> None:
        """first builds once at the beginning. After timeout seconds a build is ended; None: never."""
        self._text = text
        self._groups = groups
        self._sources = sources
        self._display = display
        self._timeout = timeout
        self._causes: dict[str, bool] = {}
        """The changed sources that the next build is for, and whether each changed during the build before."""
        self._due = Deadline(0) if first else None
        """When the next build begins at the latest; None if there is nothing to build."""
        self._loop = BuildLoop()
        self._run: Run | None = None
        """The latest build. It may have left processes in the background."""
        self._output: IO[bytes] | None = None
        """Of the build that runs; None if none does."""
        self._ending: Ending | None = None
        self._began = 0.0
        self._limit = Deadline(None)

    @property
    def busy(self) -> bool:
        """Whether a build runs, or is about to."""
        return self._output is not None or self._due is not None

    def fileno(self) -> int:
        """Readable when step() has something to do."""
        return self._sources.fileno()

    def check_now(self) -> None:
        """Compares the sources with the disk at once."""
        self._sources.check_now()

    def step(self) -> float | None:
        """Goes on, and returns after how many seconds to call it again at the latest; None for when a process ends."""
        for event in self._sources.changes():
            self._note(event)
        if self._ending is not None and not self._ending.over():
            return PAUSE
        if self._output is not None:
            return self._follow(self._output)
        self._ending = None
        pause = None if self._due is None else self._begin()
        if self._output is None:
            self._report_loop()
        return pause

    def _report_loop(self) -> None:
        own = self._loop.take_unreported()
        if own:
            self._display.build_loop(self._text, own)

    def _note(self, event: Event) -> None:
        during = self._loop.is_during(event)
        if not during or self._loop.starts_another(event.path):
            if not self._causes:
                self._loop.noticed()
            self._causes[event.path] = during and self._causes.get(event.path, True)
            self._due = self._due or Deadline(AT_MOST)

    def _begin(self) -> float | None:
        assert self._due is not None
        if not self._sources.quiet() and not self._due.passed():
            return PAUSE
        pause = self._loop.waits(self._causes)
        if pause:
            return pause
        if self._run is not None and self._groups.has_members(self._run):
            self._ending = Ending(self._groups, self._run)  # what it left in the background may still write
            return PAUSE
        causes, self._causes, self._due = self._causes, {}, None
        self._display.building(self._text, sorted(causes))
        self._loop.begins(causes)
        self._began = time.monotonic()
        self._limit = Deadline(self._timeout)
        try:
            self._output = tempfile.TemporaryFile()  # noqa: SIM115 # _end() closes it
            self._run = self._groups.start(self._text, {}, stdout=self._output, stderr=subprocess.STDOUT)
        except OSError as error:
            complain(f"cannot run {printable(self._text)}: {error.strerror}")
            self._run = None
            self._end(NOT_STARTED)
        return self._limit.left()

    def _follow(self, output: IO[bytes]) -> float | None:
        assert self._run is not None
        status = self._run.status()
        if status is None and self._ending is None:
            if self._limit.passed():
                self._ending = Ending(self._groups, self._run)
                return PAUSE
            return self._limit.left()
        self._end(KILLED if status is None else status)
        return PAUSE

    def _end(self, status: int) -> None:
        self._loop.ends()
        output, self._output = self._output, None
        hung, self._ending = self._ending is not None, None
        if output is not None:
            if status != 0 or hung:
                copy_error(output)
            output.close()
        self._display.built(self._text, status, time.monotonic() - self._began, hung=hung)
