# SPDX-License-Identifier: MIT
"""The command of ``--exec``: a process group of its own, of which nothing outlives this program."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._signals import Signals
from .events import Event

if TYPE_CHECKING:
    from typing_extensions import Self

PAUSE = 0.01  # seconds between two looks at a group that is ending
KILLED = 2.0  # seconds for the system to end what was killed


def no_option(path: str) -> str:
    """The path, which no program takes for an option: whoever may write to a directory chooses the names in it."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


class Command:
    """Runs a shell command, one at a time.

    Each run leads a session and process group of its own. Its children get the signals that it gets, and none of them
    is stopped by reading a terminal that it does not own.
    """

    def __init__(self, text: str, signals: Signals, *, kill_after: float, stdout: int | None) -> None:
        self.text = text
        self._signals = signals
        self._kill_after = kill_after
        self._stdout = stdout
        self._groups: list[subprocess.Popen[bytes]] = []
        """Leaders, not reaped as long as their group has members: no other process gets the group's number."""
        signals.last_resort = lambda: self._send(signal.SIGKILL)
        signals.around_stop = self._around_stop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(self, change: Event) -> int:
        """The status of the command as a shell has it: 128 and the signal, if one ended it.

        Raises OSError if no process or no shell can be had. What the command leaves in the background runs on.
        """
        environment = {
            **os.environ,
            "HOTRELOAD_PATH": no_option(change.path),
            "HOTRELOAD_GENERATION": str(change.generation),
        }
        with self._signals.held():
            process = subprocess.Popen(
                self.text,
                shell=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._stdout,
                start_new_session=True,
            )
            self._groups.append(process)
        while (ended := os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
            self._signals.wait()
        self._reap()
        return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status

    def end(self) -> None:
        """Ends what is left: by the signal that ends this program, else by SIGTERM; what does not obey is killed."""
        self._reap()
        if not self._groups:
            return
        with self._signals.held():
            first = self._signals.number or signal.SIGTERM
            # A shell has its background processes ignore SIGINT and SIGQUIT.
            steps = [first] if first == signal.SIGTERM else [first, signal.SIGTERM]
            for number in steps:
                self._send(number)
                if self._wait(self._kill_after / len(steps), lambda: self._signals.again):
                    return
            self._send(signal.SIGKILL)
            self._wait(KILLED, lambda: False)

    def _send(self, number: int) -> None:
        for leader in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(leader.pid, number)
                if number != signal.SIGSTOP:
                    os.killpg(leader.pid, signal.SIGCONT)

    def _around_stop(self, stop: Callable[[], None]) -> None:
        self._send(signal.SIGSTOP)
        stop()
        self._send(signal.SIGCONT)

    def _wait(self, seconds: float, hurry: Callable[[], bool]) -> bool:
        """Whether all groups end within this time."""
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            if not self._groups:
                return True
            if hurry() or time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)  # grandchildren cannot be waited for

    def _reap(self) -> None:
        """Forgets the groups that have no member left."""
        members = _groups_with_members() if self._groups else set[int]()
        remaining: list[subprocess.Popen[bytes]] = []
        for leader in self._groups:
            if leader.pid in members:
                remaining.append(leader)
            else:
                leader.wait()
        self._groups = remaining


def _groups_with_members() -> set[int]:
    """The process groups of all processes that have not ended."""
    groups: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                state, _, group = stat.read().rpartition(b")")[2].split()[:3]
                if state not in b"ZX":
                    groups.add(int(group))
    return groups
