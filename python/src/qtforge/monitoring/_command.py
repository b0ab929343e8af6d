# SPDX-License-Identifier: MIT
"""The command of ``--exec``: run once for each change, or kept running and restarted at each change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ._groups import PAUSE, Ending, Groups, Run
from ._output import complain, printable

if TYPE_CHECKING:
    from ._display import Display
    from .events import Event

NOT_STARTED = 126


def no_option(path: str) -> str:
    """The path, which no program takes for an option: whoever may write to a directory chooses the names in it."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def start(groups: Groups, text: str, change: Event | None, stdout: int | None) -> Run | None:
    """Starts the command for a change; without one, before the first. Says so and returns None if that fails."""
    environment = {
        "HOTRELOAD_PATH": "" if change is None else no_option(change.path),
        "HOTRELOAD_GENERATION": "0" if change is None else str(change.generation),
    }
    try:
        return groups.start(text, environment, stdout=stdout)
    except OSError as error:
        complain(f"cannot run {printable(text)}: {error.strerror}")
        return None


class Command:
    """What ``--exec`` runs. It never blocks: step() goes on with what can go on."""

    def __init__(self, text: str, groups: Groups, display: Display, *, stdout: int | None) -> None:
        self._text = text
        self._groups = groups
        self._display = display
        self._stdout = stdout
        self.status: int | None = None
        """Of the last command that has ended; None before."""

    @property
    def ready(self) -> bool:
        """Whether change() may be called."""
        raise NotImplementedError

    def change(self, event: Event) -> None:
        """A change was delivered."""
        raise NotImplementedError

    def step(self) -> float | None:
        """Goes on, and returns after how many seconds to call it again; None for when a process ends."""
        raise NotImplementedError


class EachChange(Command):
    """One run for each change, one at a time."""

    _run: Run | None = None
    _event: Event

    @property
    def ready(self) -> bool:
        return self._run is None

    def change(self, event: Event) -> None:
        self._event = event
        self._run = start(self._groups, self._text, event, self._stdout)
        if self._run is None:
            self._ended(NOT_STARTED)

    def step(self) -> float | None:
        status = None if self._run is None else self._run.status()
        if status is not None:
            self._run = None
            self._ended(status)
        return None

    def _ended(self, status: int) -> None:
        self.status = status
        self._display.executed(self._event, self._text, status)


class Restarted(Command):
    """One run from the beginning on. At a change it is ended, with all its processes, and started again."""

    _run: Run | None = None
    _ending: Ending | None = None
    _event: Event | None = None
    _due = True
    """Whether it is to be started."""

    @property
    def ready(self) -> bool:
        return True

    def change(self, event: Event) -> None:
        self._event = event
        self._due = True

    def step(self) -> float | None:
        if self._ending is None and self._run is not None:
            status = self._run.status()
            if status is not None and self.status is None:
                self.status = status
                self._display.ended(self._text, status)
            if self._due:
                self._ending = Ending(self._groups, self._run)
        if self._ending is not None:
            if not self._ending.over():
                return PAUSE
            if self._ending.killed:
                self._display.killed(self._text)
            self._run = self._ending = None
        if self._due:
            self._due = False
            self.status = None
            self._run = start(self._groups, self._text, self._event, self._stdout)
            if self._run is not None:
                self._display.started(self._text, self._event)
        return None
