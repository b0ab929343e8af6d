# SPDX-License-Identifier: MIT
"""Waiting for deliveries: threads by a condition, coroutines by their loop; and for a descriptor."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import os
import queue
import select
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

from . import _green
from .errors import HotReloadError
from .events import Event, EventKind

SLICE = 0.05  # seconds; where there is no descriptor to wait for


class Delivered(int, Coroutine[Any, Any, int]):
    """How many deliveries a ``wait()`` saw: a number, and a coroutine that returns it.

    Where an event loop is running in the calling thread nothing may block: there ``wait()`` returns an ordinary
    coroutine instead, to be awaited or given to ``create_task()`` and the like.
    """

    def send(self, value: Any) -> Any:
        raise StopIteration(int(self))

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        raise kind if value is None else value

    def close(self) -> None:
        pass

    def __await__(self) -> Generator[Any, None, int]:
        return int(self)
        yield  # makes it a generator


def async_library() -> str:
    """The async library whose loop is running in this thread: "asyncio", "trio", or "" if none is."""
    trio = sys.modules.get("trio")
    # First: trio may be a guest of an asyncio loop.
    if trio is not None and trio.lowlevel.in_trio_task():
        return "trio"
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return "asyncio"


class Deadline:
    """A moment in the future; never, if made of None."""

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds until then, 0 if it has passed, None for never."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def passed(self) -> bool:
        return self._at is not None and time.monotonic() >= self._at


class Bell:
    """Rung for each delivery, and for the end.

    Signal handlers and the collector may ring while this very thread is in here. So there is no lock, only single
    operations on a set, and whoever waits first leaves a waker and then asks, so that no ring is missed.
    """

    def __init__(self) -> None:
        self._wakers: set[Callable[[], None]] = set()
        self.count = 0
        """Deliveries so far. The library delivers one at a time."""
        self.ended = False
        self.failure: HotReloadError | None = None
        self.green: _green.Green | None = None
        """Whose greenlets wait, though the program is not patched."""

    def ring(self, deliveries: int = 0) -> None:
        if deliveries:
            self.count += deliveries
        for wake in self._wakers.copy():
            wake()

    def end(self, failure: HotReloadError | None = None) -> None:
        """Nobody waits any more: returns, or raises failure."""
        self.failure = failure
        self.ended = True
        self.ring()

    def add(self, wake: Callable[[], None]) -> None:
        """wake will be called for each ring, in any thread."""
        self._wakers.add(wake)

    def remove(self, wake: Callable[[], None]) -> None:
        self._wakers.discard(wake)

    def wait(self, satisfied: Callable[[], bool], deadline: Deadline) -> None:
        """Until satisfied() holds, the deadline passes, or the end. Ctrl-C interrupts it."""
        green = self.green or _green.active()
        if green is not None:
            self._wait_green(satisfied, deadline, green)
            return
        rings: queue.SimpleQueue[None] = queue.SimpleQueue()

        def wake() -> None:
            rings.put(None)

        self.add(wake)
        try:
            while not satisfied() and not self._over() and not deadline.passed():
                left = deadline.left()
                with contextlib.suppress(queue.Empty):
                    rings.get(timeout=None if left is None else min(left, threading.TIMEOUT_MAX))
        finally:
            self.remove(wake)

    def _wait_green(self, satisfied: Callable[[], bool], deadline: Deadline, green: _green.Green) -> None:
        pipe = _green.Pipe()
        self.add(pipe.wake)
        try:
            while not satisfied() and not self._over() and not deadline.passed():
                green.select([pipe.fileno()], deadline.left())
                pipe.clear()
        finally:
            self.remove(pipe.wake)
            pipe.close()

    async def wait_async(self, satisfied: Callable[[], bool], deadline: Deadline) -> None:
        """The same for a coroutine of asyncio or trio."""
        while True:
            sleeper = Sleeper()
            self.add(sleeper.wake)
            try:
                if satisfied() or self._over() or deadline.passed():
                    return
                await sleeper.sleep(deadline.left())
            finally:
                self.remove(sleeper.wake)

    def _over(self) -> bool:
        if self.failure is not None:
            raise copy.copy(self.failure)  # each thread's own: raising gives it a traceback
        return self.ended


class Sleeper:
    """One sleep of the coroutine that makes it. Any thread, and a descriptor, may end it."""

    def __init__(self) -> None:
        self._trio = sys.modules["trio"] if async_library() == "trio" else None
        if self._trio is not None:
            self._event = self._trio.Event()
            self._token = self._trio.lowlevel.current_trio_token()
        else:
            self._loop = asyncio.get_running_loop()
            self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        try:
            if self._trio is not None:
                self._token.run_sync_soon(self._event.set)
            else:
                self._loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:  # trio.RunFinishedError is one
            pass  # the loop has ended: nobody sleeps there any more

    def _resolve(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def sleep(self, timeout: float | None, fd: int | None = None) -> None:
        if self._trio is not None:
            await self._sleep_trio(timeout, fd)
            return
        if fd is not None:
            try:
                self._loop.add_reader(fd, self._resolve)
            except NotImplementedError:
                fd, timeout = None, SLICE if timeout is None else min(SLICE, timeout)
        try:
            await asyncio.wait({self._future}, timeout=timeout)
        finally:
            if fd is not None:
                self._loop.remove_reader(fd)
            self._future.cancel()

    async def _sleep_trio(self, timeout: float | None, fd: int | None) -> None:
        assert self._trio is not None
        trio = self._trio

        async def until_readable(scope: Any, fd: int) -> None:
            await trio.lowlevel.wait_readable(fd)
            scope.cancel()

        with trio.move_on_after(float("inf") if timeout is None else timeout) as scope:
            if fd is None:
                await self._event.wait()
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until_readable, scope, fd)
                await self._event.wait()
                scope.cancel()


class Mailbox:
    """Changes that wait for an iterator: of each plugin the newest, in the order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in between
        self._events: OrderedDict[str, Event] = OrderedDict()
        self.held = False
        """While set, nothing is given out."""
        self.paused: set[str] = set()
        """Plugins of which nothing is given out."""
        self.paused_folders: set[str] = set()
        """Folders of whose plugins nothing is given out."""
        self._discovered: set[str] = set()
        """Plugins that a folder has found, and nobody has been given yet."""

    def put(self, event: Event) -> None:
        """Keeps a change, a removal, or that a folder has found a plugin; other events do not matter here."""
        with self._lock:
            if event.kind is EventKind.DISCOVERED and event.generation > 0:
                self._discovered.add(event.plugin_id)  # its change follows
            elif event.kind in (EventKind.FILE_CHANGED, EventKind.FILE_REMOVED):
                self._events.pop(event.plugin_id, None)
                self._events[event.plugin_id] = event

    def drop(self, plugin_id: str | None = None) -> None:
        """Forgets what is there for one plugin, or for all."""
        with self._lock:
            if plugin_id is None:
                for kept in (self._events, self._discovered, self.paused, self.paused_folders):
                    kept.clear()
            else:
                self._events.pop(plugin_id, None)
                self._discovered.discard(plugin_id)
                self.paused.discard(plugin_id)

    def drop_folder(self, folder_id: str) -> None:
        """Forgets what is there for the plugins of a folder."""
        with self._lock:
            for plugin_id in [known for known, event in self._events.items() if event.folder_id == folder_id]:
                self.drop(plugin_id)
            self.paused_folders.discard(folder_id)

    def take(self, removed: bool, discovered: bool = False) -> Event | None:
        """The first event; a removal only if asked for, else it is forgotten. With discovered the first version that a
        folder has found is an event of the kind DISCOVERED."""
        with self._lock:
            while plugin_id := next(self._open(), None):
                event = self._events.pop(plugin_id)
                new = plugin_id in self._discovered
                self._discovered.discard(plugin_id)
                if event.kind is EventKind.FILE_CHANGED:
                    return dataclasses.replace(event, kind=EventKind.DISCOVERED) if new and discovered else event
                if removed:
                    return event
            return None

    def __len__(self) -> int:
        with self._lock:
            return sum(1 for _ in self._open())

    def _open(self) -> Iterator[str]:
        """The plugins whose event may be given out."""
        return (
            plugin_id
            for plugin_id, event in self._events.items()
            if not self.held and plugin_id not in self.paused and event.folder_id not in self.paused_folders
        )


class Waiter:
    """Waits for a descriptor to become readable, or to be closed by another thread. Ctrl-C interrupts it."""

    def __init__(self, fd: int) -> None:
        """Owns fd from now on."""
        self._lock = threading.RLock()  # a signal handler may close while this very thread is in here
        self._users = 0
        self._closing = False
        self._fds: tuple[int, ...] | None = None
        try:
            self._fds = (fd, *os.pipe())
        except OSError:
            os.close(fd)
            raise

    def wait(self, timeout: float | None) -> None:
        with self._lock:
            self._users += 1  # from now on a close() leaves the descriptors to us
        try:
            green, fds = _green.active(), (self._fds or ())[:2]
            if green is not None and fds:
                green.select(fds, timeout)
                return
            poller = select.poll()
            for fd in fds:
                poller.register(fd, select.POLLIN)
            if self._fds is None:
                return
            poller.poll(None if timeout is None else int(min(timeout, 86400.0) * 1000 + 0.999))
        finally:
            with self._lock:
                self._users -= 1
                self._drop()

    def copy(self) -> int | None:
        """The descriptor once more, for the caller to close; None after close()."""
        with self._lock:
            return None if self._fds is None or self._closing else os.dup(self._fds[0])

    def close(self) -> None:
        with self._lock:
            if self._fds is not None and not self._closing:
                # A byte that nobody reads. Closing alone would not do: a forked child may have the other end, too.
                os.write(self._fds[2], b"x")
            self._closing = True
            self._drop()

    def _drop(self) -> None:
        """Closes everything once nobody polls it."""
        if self._closing and self._users == 0:
            self.abandon()

    def abandon(self) -> None:
        """Closes without a lock: in the child of a fork a thread of the parent may have held it."""
        fds, self._fds = self._fds, None
        for fd in fds or ():
            os.close(fd)
