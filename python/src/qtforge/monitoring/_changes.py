# SPDX-License-Identifier: MIT
"""What PluginHotReloadManager.changes() returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ._waiting import Deadline
from .errors import ClosedError
from .events import Event

if TYPE_CHECKING:
    from ._manager import PluginHotReloadManager


class Changes(Iterator[Event], AsyncIterator[Event]):
    """Iterator and asynchronous iterator over changes; made by PluginHotReloadManager.changes()."""

    def __init__(self, manager: PluginHotReloadManager, timeout: float | None, removed: bool) -> None:
        self._manager = manager
        self._timeout = timeout
        self._removed = removed

    def __iter__(self) -> Changes:
        return self

    def __aiter__(self) -> Changes:
        return self

    def __next__(self) -> Event:
        deadline = Deadline(self._timeout)
        while True:
            event = self._take()
            if event is not None:
                return event
            if self._manager.closed or deadline.passed():
                raise StopIteration
            self._manager._until(self._something, deadline)

    async def __anext__(self) -> Event:
        deadline = Deadline(self._timeout)
        while True:
            event = self._take()
            if event is not None:
                return event
            if self._manager.closed or deadline.passed():
                raise StopAsyncIteration
            await self._manager._until_async(self._something, deadline)

    def _take(self) -> Event | None:
        manager = self._manager
        try:
            manager._usable()
        except ClosedError:
            return None
        if manager._is_inside():
            raise RuntimeError("changes() were asked for inside a callback of the same manager")
        assert manager._mailbox is not None
        return manager._mailbox.take(self._removed)

    def _something(self) -> bool:
        assert self._manager._mailbox is not None
        return len(self._manager._mailbox) > 0
