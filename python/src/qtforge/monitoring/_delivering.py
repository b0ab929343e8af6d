# SPDX-License-Identifier: MIT
"""How a manager's callbacks are called, and how threads, coroutines and greenlets wait for that."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from . import _dispatch
from ._native import NativeManager, event_of
from ._unraisable import unraisable
from ._waiting import SLICE, Bell, Deadline, Delivered, Mailbox, Sleeper, Waiter
from .errors import ClosedError, ForkedProcessError, HotReloadError
from .events import Event, EventKind

if TYPE_CHECKING:
    from typing_extensions import Self

ReloadCallback = Callable[[str], object]
EventCallback = Callable[[Event], object]
ErrorHandler = Callable[[Exception], object]


class _Job(NamedTuple):
    """A callback to call, where greenlets deliver."""

    plugin_id: str
    folder_id: str
    run: Callable[[], None]


class Delivering:
    """What is below PluginHotReloadManager, which sets the attributes that have no value here."""

    _closed: bool
    _make_native: Callable[[], NativeManager]
    _choice: str
    _on_error: ErrorHandler | None
    _reload: ReloadCallback | None
    _event: EventCallback | None
    _mailbox: Mailbox | None
    """Once somebody iterates."""
    _paused: set[str]
    """The plugins that set_plugin_paused() has paused."""
    _paused_folders: set[str]
    """The folders that set_folder_paused() has paused."""
    _audience: int
    """Counts the changes of these three."""
    _lock: contextlib.AbstractContextManager[Any]

    def _begin(self) -> None:
        """Makes the native manager of this process, and what delivers."""
        native = self._make_native()
        bell = Bell()
        weak: weakref.ref[Delivering] = weakref.ref(self)

        def turn() -> None:
            manager = weak()
            if manager is not None:
                manager._turn()

        def failed(error: HotReloadError) -> None:
            manager = weak()
            if manager is not None:
                manager._silenced(error)

        waiter: Waiter | None = None
        try:
            dispatcher = _dispatch.make(self._choice, native, turn, failed)
            fd = native.event_fd_copy() if dispatcher.name == "manual" else None
            waiter = None if fd is None else Waiter(fd)
            green = dispatcher.green
            self._turns = contextlib.nullcontext() if green is None else green.lock()
        except BaseException:
            native.destroy()
            raise
        self._native, self._dispatcher, self._waiter = native, dispatcher, waiter
        self._green = bell.green = green
        self._bell = bell
        self._silence: HotReloadError | None = None
        self._gone = threading.Event()  # set once close() is done
        self._closer: int | None = None  # the thread that is at it
        self._interrupt: BaseException | None = None
        self._folder = ""  # of the event that came last, where greenlets deliver
        self._inside: int | None = None  # the thread that runs a callback
        self._validating: set[int] = set()  # threads that run the validator
        self._jobs: list[_Job] = []  # of one event, where greenlets deliver
        self._pid = os.getpid()
        self._closed = False

    def _abandon(self) -> None:
        """In the child of a fork: gives back descriptors, without a lock that a thread of the parent may have held."""
        self._lock = threading.RLock()
        self._dispatcher.abandon()
        if self._waiter is not None:
            self._waiter.abandon()

    def _usable(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                "the manager was made before a fork, and this is the child: call reopen(), or make another one here"
            )
        if self._closed:
            raise ClosedError("the manager was closed")

    def _is_inside(self) -> bool:
        return self._inside == self._ident() or threading.get_ident() in self._validating

    def _ident(self) -> int:
        """Of the thread, or greenlet, that is running."""
        return threading.get_ident() if self._green is None else self._green.ident()

    def _settle(self, plugin_id: str | None = None, *, folder_id: str | None = None) -> None:
        """Where greenlets deliver: drops what is left of an event (of a plugin, of a folder's plugin, or of any), and
        waits for a callback that is running."""
        if self._green is None:
            return
        if folder_id is not None:
            self._jobs[:] = [job for job in self._jobs if job.folder_id != folder_id]
        else:
            self._jobs[:] = [job for job in self._jobs if plugin_id not in (None, job.plugin_id)]
        self._await_turn()

    def _note_paused(self, plugin_id: str, paused: bool) -> None:
        (self._paused.add if paused else self._paused.discard)(plugin_id)
        mailbox = self._mailbox
        if mailbox is not None:
            (mailbox.paused.add if paused else mailbox.paused.discard)(plugin_id)
            self._bell.ring()

    def _await_turn(self) -> None:
        """Where greenlets deliver: waits for a callback that is running."""
        if self._green is not None and not self._is_inside():
            with self._turns:
                pass

    def _delivers(self) -> None:
        """Raises LoopClosedError if nothing is delivered any more."""
        error = self._dispatcher.ended()
        if error is not None:
            raise error

    def _want_mailbox(self) -> None:
        with self._lock:
            if self._mailbox is not None:
                return
            mailbox = Mailbox()
            mailbox.held = not self._native.is_global()
            mailbox.paused |= self._paused
            mailbox.paused_folders |= self._paused_folders
            self._mailbox = mailbox
        self._audience_changed()

    def _audience_changed(self) -> None:
        """Has the library call us for what somebody listens to; what nobody listens to stays pending in it."""
        with self._lock:
            self._audience += 1
            serial = self._audience
        while True:
            # These wait for a running callback, which may set callbacks itself: no lock here.
            events = self._event is not None or self._mailbox is not None
            self._native.set_event_callback(self._weakly(Delivering._on_event) if events else None)
            reloads = self._reload is not None
            self._native.set_reload_callback(self._weakly(Delivering._on_reload) if reloads else None)
            with self._lock:
                if serial == self._audience:
                    break
                serial = self._audience  # another thread's change; its calls may have come before ours
        self._settle("")

    def _weakly(self, method: Callable[[Delivering, Any], None]) -> Callable[[Any], None]:
        """The method for the library to call, without keeping the manager alive."""
        weak = weakref.ref(self)

        def target(argument: Any) -> None:
            manager = weak()
            if manager is not None:
                method(manager, argument)

        return target

    # The library calls these two, on the thread that dispatches; for a change the first and then the second.

    def _on_event(self, raw: Any) -> None:
        if self._green is None:
            self._handle_event(raw)
        else:
            event = raw if isinstance(raw, Event) else event_of(raw)
            self._folder = event.folder_id
            self._jobs.append(_Job(event.plugin_id, event.folder_id, functools.partial(self._handle_event, event)))

    def _on_reload(self, plugin_id: bytes) -> None:
        if self._green is None:
            self._handle_reload(plugin_id)
        else:
            job = functools.partial(self._handle_reload, plugin_id)
            self._jobs.append(_Job(plugin_id.decode(), self._folder, job))

    def _handle_event(self, raw: Any) -> None:
        with _Delivery(self) as delivery:
            event = raw if isinstance(raw, Event) else event_of(raw)
            changed = event.kind is EventKind.FILE_CHANGED
            delivery.last = not changed or self._reload is None
            # The FILE_CHANGED of the same version follows, and counts for both.
            first = event.kind is EventKind.DISCOVERED and event.generation > 0
            delivery.counts = changed or (self._event is not None and not first)
            if self._mailbox is not None:
                self._mailbox.put(event)
            if event.kind is EventKind.DISABLED and event.folder_id:
                self._note_paused(event.plugin_id, False)  # it was removed, and its pause has ended
            self._call(self._event, event)

    def _handle_reload(self, plugin_id: bytes) -> None:
        with _Delivery(self):
            self._call(self._reload, plugin_id.decode())

    def _call(self, callback: Callable[[Any], object] | None, argument: object) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception as error:
            if self._on_error is None:
                unraisable(error, callback)
                return
            try:
                self._on_error(error)
            except Exception as second:
                unraisable(second, self._on_error)
        except BaseException as error:  # KeyboardInterrupt, SystemExit
            self._leave(error, callback)

    def _silenced(self, error: HotReloadError) -> None:
        """Nothing is delivered any more although nobody closed the manager. Said once."""
        with self._lock:
            if self._closed or self._silence is not None:
                return
            self._silence = error
        self._bell.end(error)
        if self._on_error is not None:
            self._call(self._on_error, error)
        else:
            try:
                warnings.warn(f"{self!r}: {error}", RuntimeWarning, stacklevel=1, source=self)
            except RuntimeWarning as warning:  # made an error by a filter
                unraisable(warning, self)

    def _leave(self, error: BaseException, source: object) -> None:
        """To whoever dispatches, if somebody of the program's does."""
        if self._dispatcher.name in ("thread", "trio"):
            unraisable(error, source)
        else:
            self._interrupt = error

    def _deliver_here(self, limit: int = 0) -> int:
        delivered = self._native.dispatch(limit, 0) if self._green is None else self._deliver_by_turns(limit)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt
        return delivered

    def _deliver_by_turns(self, limit: int) -> int:
        """Where greenlets deliver: one event after another, its callbacks when the library is not on the stack."""
        delivered = 0
        while not self._is_inside() and not self._interrupt and (not limit or delivered < limit):
            with self._turns:
                if self._native.dispatch(1, 0) == 0:
                    break
                delivered += 1
                while self._jobs:
                    self._jobs.pop(0).run()
        return delivered

    def _turn(self) -> None:
        """One turn of an event loop."""
        if not self._closed:
            with contextlib.suppress(ClosedError):
                self._deliver_here()

    # Waiting. satisfied() asks for what a delivery brings about.

    def _until(self, satisfied: Callable[[], bool], deadline: Deadline, *, pump: bool = False) -> None:
        """With pump a thread whose loop would deliver does so by itself in here, instead of refusing to wait."""
        if not satisfied():
            self._delivers()
        if self._dispatcher.name == "manual":
            self._deliver_until(satisfied, deadline, self._waiter)
        elif satisfied() or not self._dispatcher.here():
            self._bell.wait(satisfied, deadline)
        elif pump:
            with self._lock:
                if self._waiter is None and not self._closed:
                    self._waiter = self._new_waiter()
            self._deliver_until(satisfied, deadline, self._waiter)
        else:
            raise RuntimeError(
                f"this would block the {self._dispatcher.name} loop that delivers; use callbacks or, in a coroutine, "
                '"async for change in manager.changes()" and "await manager.wait()"'
            )

    def _new_waiter(self) -> Waiter | None:
        fd = self._native.event_fd_copy()
        return None if fd is None else Waiter(fd)

    def _deliver_until(self, satisfied: Callable[[], bool], deadline: Deadline, waiter: Waiter | None) -> None:
        while not self._deliver_and_ask(satisfied) and not deadline.passed():
            left = deadline.left()
            if waiter is not None:
                waiter.wait(left)
            else:
                threading.Event().wait(SLICE if left is None else min(SLICE, left))

    async def _until_async(self, satisfied: Callable[[], bool], deadline: Deadline) -> None:
        if self._dispatcher.name != "manual":
            if not satisfied():
                self._delivers()
            await self._bell.wait_async(satisfied, deadline)
            return
        while not self._deliver_and_ask(satisfied) and not deadline.passed():
            sleeper = Sleeper()
            fd = None if self._waiter is None else self._waiter.copy()
            self._bell.add(sleeper.wake)
            try:
                if not self._closed:
                    left = deadline.left()
                    if fd is None:
                        left = SLICE if left is None else min(SLICE, left)
                    await sleeper.sleep(left, fd)
            finally:
                self._bell.remove(sleeper.wake)
                if fd is not None:
                    os.close(fd)

    @staticmethod
    def _to_await(coroutine: Coroutine[Any, Any, int]) -> Delivered:
        """As wait() returns it. It is no Delivered but has all that a Delivered offers on a loop."""
        cast(Any, coroutine).__qualname__ = "PluginHotReloadManager.wait"  # for "… was never awaited"
        return cast(Delivered, coroutine)

    async def _nothing(self) -> int:
        return 0

    async def _count_async(self, before: int, told: Callable[[], bool], deadline: Deadline) -> int:
        await self._until_async(told, deadline)
        return self._bell.count - before

    def _deliver_and_ask(self, satisfied: Callable[[], bool]) -> bool:
        """Manual delivery; whether there is nothing to wait for any more."""
        if self._closed:
            return True
        try:
            if not satisfied():
                self._deliver_here()
        except ClosedError:
            return True
        return satisfied() or self._closed


class _Delivery:
    """One call of the library. Nothing may be raised into it."""

    def __init__(self, manager: Delivering) -> None:
        self._manager = manager
        self.last = True
        """Whether no other call follows for the same event."""
        self.counts = True
        """Whether it is a delivery, and not an event that no callback of the program receives."""

    def __enter__(self) -> Self:
        self._manager._inside = self._manager._ident()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._manager._inside = None
        if error is not None:  # Ctrl-C outside of the callbacks
            self._manager._leave(error, self._manager)
        if self.last:
            self._manager._bell.ring(1 if self.counts else 0)
        return True
