# SPDX-License-Identifier: MIT
"""gevent and eventlet: what differs where the threads of a program are greenlets.

Greenlets share the stack of one thread, by turns. So a callback of the program, which may let others run, must not be
called while the library is on the stack: the calls of two greenlets would return in the wrong order. And nothing may
wait in a system call but the hub.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Green(Protocol):
    """A library of greenlets."""

    name: str
    exit: type[BaseException]
    """What ends a greenlet that is killed."""

    def ident(self) -> int:
        """Of the greenlet that is running."""
        raise NotImplementedError

    def lock(self) -> contextlib.AbstractContextManager[Any]:
        """A lock that greenlets wait for."""
        raise NotImplementedError

    def select(self, fds: Sequence[int], timeout: float | None) -> Sequence[int]:
        """Which of these become readable. Only this greenlet waits."""
        raise NotImplementedError

    def spawn(self, function: Callable[[], None]) -> Any:
        """Runs a function in a new greenlet."""
        raise NotImplementedError

    def interrupt(self, error: BaseException) -> None:
        """Raises Ctrl-C and the like in the main greenlet."""
        raise NotImplementedError

    def kill(self, greenlet: Any) -> bool:
        """In the child of a fork: ends a greenlet when the hub runs next. False where the hub must not be touched."""
        raise NotImplementedError


class Gevent:
    name = "gevent"

    def __init__(self) -> None:
        self._gevent: Any = _with("gevent", "lock", "select")
        self.exit: type[BaseException] = self._gevent.GreenletExit

    def ident(self) -> int:
        return id(self._gevent.getcurrent())

    def lock(self) -> contextlib.AbstractContextManager[Any]:
        lock: contextlib.AbstractContextManager[Any] = self._gevent.lock.RLock()
        return lock

    def select(self, fds: Sequence[int], timeout: float | None) -> Sequence[int]:
        ready: Sequence[int] = self._gevent.select.select(fds, [], [], timeout)[0]
        return ready

    def spawn(self, function: Callable[[], None]) -> Any:
        return self._gevent.spawn(function)

    def interrupt(self, error: BaseException) -> None:
        self._gevent.get_hub().handle_system_error(type(error), error)

    def kill(self, greenlet: Any) -> bool:
        greenlet.kill(block=False)
        return True


class Eventlet:
    name = "eventlet"

    def __init__(self) -> None:
        self._eventlet: Any = _with("eventlet", "green.select", "semaphore")
        self.exit: type[BaseException] = sys.modules["greenlet"].GreenletExit

    def ident(self) -> int:
        return id(self._eventlet.getcurrent())

    def lock(self) -> contextlib.AbstractContextManager[Any]:
        lock: contextlib.AbstractContextManager[Any] = self._eventlet.semaphore.Semaphore(1)
        return lock

    def select(self, fds: Sequence[int], timeout: float | None) -> Sequence[int]:
        ready: Sequence[int] = self._eventlet.green.select.select(fds, [], [], timeout)[0]
        return ready

    def spawn(self, function: Callable[[], None]) -> Any:
        return self._eventlet.spawn(function)

    def interrupt(self, error: BaseException) -> None:
        def leave() -> None:
            raise error

        self._eventlet.spawn(leave)

    def kill(self, greenlet: Any) -> bool:
        return False  # parent and child share the hub's epoll instance


def _with(name: str, *modules: str) -> Any:
    for module in modules:
        importlib.import_module(f"{name}.{module}")
    return sys.modules[name]


def active() -> Green | None:
    """The library whose greenlets are the threads of this program, after its ``monkey.patch_all()``."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return Gevent()
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        return Eventlet()
    return None


def named(name: str) -> Green:
    """gevent or eventlet, whether the program is patched or not."""
    try:
        return Gevent() if name == "gevent" else Eventlet()
    except ImportError as error:
        raise RuntimeError(f'dispatch="{name}": {name} cannot be imported ({error})') from error


class Pipe:
    """Wakes a greenlet, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # closing meanwhile
        self._fds: tuple[int, int] | None = os.pipe()
        self._woken = False

    def fileno(self) -> int:
        """What becomes readable; -1 after close()."""
        fds = self._fds
        return -1 if fds is None else fds[0]

    def wake(self) -> None:
        with self._lock:
            if self._fds is not None and not self._woken:
                self._woken = True
                os.write(self._fds[1], b"x")

    def clear(self) -> None:
        with self._lock:
            if self._fds is not None and self._woken:
                self._woken = False
                os.read(self._fds[0], 1)

    def close(self) -> None:
        with self._lock:
            fds, self._fds = self._fds, None
        for fd in fds or ():
            os.close(fd)
