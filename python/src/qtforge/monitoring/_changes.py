# SPDX-License-Identifier: MIT
"""What PluginHotReloadManager.changes() returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

from ._waiting import Deadline
from .errors import ClosedError
from .events import Event

if TYPE_CHECKING:
    from ._manager import PluginHotReloadManager

STOP_POLL = 0.05
"""Seconds between two questions whether a stop event is set: it wakes nobody here."""


class StopEvent(Protocol):
    """What ends an iteration: threading.Event, asyncio.Event, trio.Event, anyio.Event, or the like."""

    def is_set(self) -> bool:
        """Whether the iteration is to end."""
        ...


class Changes(Iterator[Event], AsyncIterator[Event]):
    """Iterator and asynchronous iterator over changes; made by PluginHotReloadManager.changes()."""

    def __init__(self, manager: PluginHotReloadManager, timeout: float | None, removed: bool, discovered: bool) -> None:
        self._manager = manager
        self.timeout = timeout
        """Seconds to wait for the next change; None for ever."""
        self._removed = removed
        self._discovered = discovered
        self.stop_event: StopEvent | None = None
        """Ends the iteration once it is set."""

    def __iter__(self) -> Changes:
        return self

    def __aiter__(self) -> Changes:
        return self

    def __next__(self) -> Event:
        deadline = Deadline(self.timeout)
        while not self.stopped:
            event = self._take()
            if event is not None:
                return event
            if self._manager.closed or deadline.passed():
                break
            self._manager._until(self._something, self._next_question(deadline))
        raise StopIteration

    async def __anext__(self) -> Event:
        deadline = Deadline(self.timeout)
        while not self.stopped:
            event = self._take()
            if event is not None:
                return event
            if self._manager.closed or deadline.passed():
                break
            await self._manager._until_async(self._something, self._next_question(deadline))
        raise StopAsyncIteration

    @property
    def stopped(self) -> bool:
        """Whether the stop event is set."""
        return self.stop_event is not None and self.stop_event.is_set()

    def _next_question(self, deadline: Deadline) -> Deadline:
        left = deadline.left()
        if self.stop_event is None:
            return deadline
        return Deadline(STOP_POLL if left is None else min(left, STOP_POLL))

    def _take(self) -> Event | None:
        manager = self._manager
        try:
            manager._usable()
        except ClosedError:
            return None
        if manager._is_inside():
            raise RuntimeError("changes() were asked for inside a callback of the same manager")
        assert manager._mailbox is not None
        return manager._mailbox.take(self._removed, self._discovered)

    def _something(self) -> bool:
        assert self._manager._mailbox is not None
        return len(self._manager._mailbox) > 0
