# SPDX-License-Identifier: MIT
"""What ``watch`` does: waits for changes, shows them, builds, and has the command run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._waiting import Deadline
from .events import Event, EventKind

if TYPE_CHECKING:
    from ._build import Build
    from ._command import Command
    from ._display import Display
    from ._manager import PluginHotReloadManager
    from ._signals import Signals

TIMED_OUT = 3


class Following:
    """One ``watch``. What it does never blocks, so that a signal and whatever else comes finds it waiting."""

    def __init__(
        self,
        manager: PluginHotReloadManager,
        signals: Signals,
        display: Display,
        command: Command | None,
        build: Build | None,
        *,
        timeout: float | None,
        once: bool,
    ) -> None:
        self._manager = manager
        self._signals = signals
        self._display = display
        self._command = command
        self._build = build
        self._timeout = timeout
        self._once = once
        self._changes = manager.changes(0, removed=True, discovered=True)
        self._deadline = Deadline(timeout)
        self._changed = False
        self._for_command: dict[str, Event] = {}
        """Changes that the command has not run for yet, of each file the newest."""

    def run(self, paths: list[str]) -> int:
        """Until it is over; returns the status of the program."""
        health = self._display.health
        self._manager.set_event_callback(lambda event: health(event) if event.kind is EventKind.HEALTH else None)
        self._display.watching(paths)
        while True:
            pauses = self._turn()
            status = self._over()
            if status is not None:
                return status
            pauses.append(None if self._busy() else self._deadline.left())
            self._signals.wait(self._descriptors(), min((p for p in pauses if p is not None), default=None))

    def _turn(self) -> list[float | None]:
        """Goes on with what can go on. Returns after how many seconds at the latest there is something to do."""
        pauses: list[float | None] = []
        if self._signals.check:
            self._signals.check = False
            self._manager.check_now()
            if self._build is not None:
                self._build.check_now()
        self._manager.process_events()
        if self._build is not None:
            pauses.append(self._build.step())
        if self._command is not None:
            self._command.step()  # it may be ready now
        self._take_changes()
        if self._command is not None:
            pauses.append(self._command.step())
        if self._busy():
            self._deadline = Deadline(self._timeout)
        return pauses

    def _take_changes(self) -> None:
        """Shows the changes. While the command runs they wait, so that each file is shown once afterwards."""
        while True:
            self._feed_command()
            if (self._command is not None and not self._command.ready) or (self._once and self._changed):
                return
            change = next(self._changes, None)
            if change is None:
                return
            self._deadline = Deadline(self._timeout)
            if change.kind is EventKind.FILE_REMOVED:
                self._display.removed(change)
                self._for_command.pop(change.path, None)
                continue
            if change.kind is EventKind.DISCOVERED:
                self._display.added(change)
            else:
                self._display.changed(change)
            self._changed = True
            if self._command is not None:
                self._for_command[change.path] = change

    def _feed_command(self) -> None:
        """Has the command run for what has changed, but not while a build may be at it."""
        while self._command is not None and self._command.ready and self._for_command and not self._builds():
            self._command.change(self._for_command.pop(next(iter(self._for_command))))

    def _builds(self) -> bool:
        return self._build is not None and self._build.busy

    def _busy(self) -> bool:
        return self._builds() or (self._command is not None and not self._command.ready)

    def _over(self) -> int | None:
        """The status of the program, if it is over."""
        if self._busy():
            return None
        if self._once and self._changed:
            return 0 if self._command is None else self._command.status
        return TIMED_OUT if self._deadline.passed() else None

    def _descriptors(self) -> list[int]:
        own = [self._manager.fileno()]
        return own if self._build is None else [*own, self._build.fileno()]
