# SPDX-License-Identifier: MIT
"""The process groups that the command line has started: nothing of them outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from ._signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

PAUSE = 0.01  # seconds between two checks of a group that is ending: grandchildren cannot be waited for
KILLED = 2.0  # seconds for the system to end what was killed


class Run:
    """A shell command, the leader of a session and process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._status: int | None = None

    @property
    def group(self) -> int:
        return self.process.pid

    def status(self) -> int | None:
        """The status of the leader as a shell has it: 128 and the signal, if one ended it. None while it runs."""
        if self._status is None:
            ended = os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is not None:
                self._status = ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
        return self._status


class Groups:
    """Starts shell commands, and ends their groups: by a signal, then by SIGKILL.

    The children of a command get the signals that it gets, and none of them is stopped by reading a terminal that it
    does not own.
    """

    def __init__(self, signals: Signals, *, kill_after: float, stop_signal: int = signal.SIGTERM) -> None:
        self.kill_after = kill_after
        self.stop_signal = stop_signal
        self._signals = signals
        self._runs: list[Run] = []
        """Leaders are not reaped as long as their group has members: no other process gets the group's number."""
        signals.last_resort = lambda: self._send_all(signal.SIGKILL)
        signals.around_stop = self._around_stop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(
        self, text: str, environment: Mapping[str, str], *, stdout: int | IO[bytes] | None, stderr: int | None = None
    ) -> Run:
        """Starts a command with these variables besides our own. Raises OSError if no process or no shell can be had.

        What the command leaves in the background runs on.
        """
        with self._signals.held():
            process = subprocess.Popen(
                text,
                shell=True,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            run = Run(process)
            self._runs.append(run)
        return run

    def has_members(self, run: Run) -> bool:
        """Whether a process of the group has not ended."""
        self._reap()
        return run in self._runs

    def send(self, run: Run, number: int) -> None:
        """Sends a signal to every process of the group."""
        if run not in self._runs:
            return  # its number may be another group's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(run.group, number)
            if number != signal.SIGSTOP:
                os.killpg(run.group, signal.SIGCONT)

    def end(self) -> None:
        """Ends what is left: by the signal that ends this program, then the stop signal; what does not obey is
        killed."""
        self._reap()
        if not self._runs:
            return
        with self._signals.held():
            first = self._signals.number or self.stop_signal
            # A shell has its background processes ignore SIGINT and SIGQUIT.
            steps = [first] if first == self.stop_signal else [first, self.stop_signal]
            for number in steps:
                self._send_all(number)
                if self._wait(self.kill_after / len(steps), lambda: self._signals.again):
                    return
            self._send_all(signal.SIGKILL)
            self._wait(KILLED, lambda: False)

    def _send_all(self, number: int) -> None:
        for run in self._runs:
            self.send(run, number)

    def _around_stop(self, stop: Callable[[], None]) -> None:
        self._send_all(signal.SIGSTOP)
        stop()
        self._send_all(signal.SIGCONT)

    def _wait(self, seconds: float, hurry: Callable[[], bool]) -> bool:
        """Whether all groups end within this time."""
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            if not self._runs:
                return True
            if hurry() or time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)

    def _reap(self) -> None:
        """Forgets the groups that have no member left."""
        members = _groups_with_members() if self._runs else set[int]()
        remaining: list[Run] = []
        for run in self._runs:
            if run.group in members:
                remaining.append(run)
            else:
                run.status()
                run.process.wait()
        self._runs = remaining


class Ending:
    """The end of one group without blocking: a signal, and SIGKILL after the grace period."""

    def __init__(self, groups: Groups, run: Run) -> None:
        self._groups = groups
        self._run = run
        self._kill_at = time.monotonic() + groups.kill_after
        self._give_up_at: float | None = None
        groups.send(run, groups.stop_signal)

    @property
    def killed(self) -> bool:
        """Whether the group did not end within the grace period."""
        return self._give_up_at is not None

    def over(self) -> bool:
        """Whether the group has ended, or will not: a process that the system does not end is left."""
        if not self._groups.has_members(self._run):
            return True
        now = time.monotonic()
        if self._give_up_at is not None:
            return now >= self._give_up_at
        if now >= self._kill_at:
            self._groups.send(self._run, signal.SIGKILL)
            self._give_up_at = now + KILLED
        return False


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
