# SPDX-License-Identifier: MIT
"""Signals that end or stop the command: it cleans up first, then obeys as every other program does."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import signal
from collections.abc import Callable, Generator, Iterable
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
CLEANUP = 2.0  # seconds; a reader that takes nothing does not keep the program alive longer


class Signalled(BaseException):
    """A signal that ends the program unwinds it. No Exception: nothing may handle it in between."""


class Signals:
    """The signal handlers of this process. A signal that is ignored when the program begins (nohup) stays ignored."""

    def __init__(self) -> None:
        self.number = 0
        """The first signal that ends the program; 0 before."""
        self.again = False
        """Whether a further one came."""
        self.around_stop: Callable[[Callable[[], None]], None] = lambda stop: stop()
        """Ctrl-Z: called with the function that stops the program and returns when it runs on."""
        self.last_resort: Callable[[], None] = lambda: None
        """Called if the program ends without unwinding."""
        self.check = False
        """Whether SIGHUP asked for a check of every file; the one who checks clears it."""
        self._held = False
        self._stop_held = False
        self._had_terminal = _terminal()

    def install(self) -> None:
        self._wakeup, self._waker = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # so that it ends a wait()
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hang_up if number == signal.SIGHUP else self._end)
        signal.signal(signal.SIGALRM, self._give_up)
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, self._stop)

    def wait(self, fds: Iterable[int] = (), timeout: float | None = None) -> None:
        """Until one of fds is readable, a process ends, any other signal arrives, or timeout seconds have passed.

        A signal that arrives just before the system call would be slept through; one that is written to a pipe is not.
        """
        poller = select.poll()
        for readable in (self._wakeup, *fds):
            poller.register(readable, select.POLLIN)
        poller.poll(None if timeout is None else math.ceil(min(timeout, 86400.0) * 1000))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    def wake(self) -> None:
        """Ends a wait(). Any thread may call it."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    @contextlib.contextmanager
    def held(self) -> Generator[None, None, None]:
        """Signals neither unwind nor stop this block, which ends by itself: they do so afterwards."""
        self._held = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            yield
        finally:
            self._held = False
            if self.number:
                self._unwind()
            if self._stop_held:
                self._stop_held = False
                self._stop(signal.SIGTSTP, None)

    def die(self) -> NoReturn:
        """Ends the process by the signal itself, so that a shell, make or systemd sees what happened."""
        self.last_resort()
        end_by(self.number)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        """SIGHUP ends the program if its terminal was closed. Otherwise somebody asks for a check."""
        if self._had_terminal and not _terminal():
            self._end(number, frame)
        else:
            self.check = True

    def _end(self, number: int, _: FrameType | None) -> None:
        if self.number:
            self.again = True
            return
        self.number = number
        if not self._held:
            self._unwind()

    def _give_up(self, number: int, _: FrameType | None) -> None:
        self.number = self.number or number
        self.die()

    def _unwind(self) -> NoReturn:
        signal.setitimer(signal.ITIMER_REAL, CLEANUP)
        raise Signalled

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self._held:
            self._stop_held = True
            return

        def stop() -> None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)  # returns when the program runs on, or at once if no shell could see to that
            signal.signal(number, self._stop)

        self.around_stop(stop)


def end_by(number: int) -> NoReturn:
    if number == signal.SIGQUIT:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the first process of a container survives its own signals


def _terminal() -> bool:
    """Whether this process has a terminal that it can be controlled from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
