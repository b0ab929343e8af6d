# SPDX-License-Identifier: MIT
"""Where callbacks run: an asyncio or trio loop, the Qt main loop, a greenlet, a thread of Python's, or whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from . import _green
from ._native import NativeManager
from ._waiting import async_library
from .errors import ClosedError, HotReloadError, LoopClosedError

CHOICES = ("auto", "asyncio", "trio", "qt", "gevent", "eventlet", "thread", "manual")

Turn = Callable[..., None]
"""Delivers what is pending, on the thread that calls it. Raises HotReloadError if that is over for good."""
Failed = Callable[[HotReloadError], None]
"""Told when delivery has ended although nobody closed the manager."""


class Dispatcher:
    """Starts when made. ``stop`` is called after the native manager was destroyed."""

    name = ""

    def stop(self) -> None:
        raise NotImplementedError

    def here(self) -> bool:
        """Whether it is this thread's loop that delivers, so that waiting here would be in vain."""
        return False

    def ended(self) -> LoopClosedError | None:
        """Why nothing will be delivered any more, if the loop that delivers has ended."""
        return None

    def abandon(self) -> None:
        """In the child of a fork: closes descriptors, and touches nothing that is shared with the parent."""

    green: _green.Green | None = None
    """Whose greenlets deliver and call."""


class ManualDispatcher(Dispatcher):
    """Nothing happens until run(), wait(), changes() or process_events() is called."""

    name = "manual"

    def __init__(self) -> None:
        self.green = _green.active()

    def stop(self) -> None:
        pass


class ThreadDispatcher(Dispatcher):
    """One daemon thread that sleeps in the library until something is to be delivered."""

    name = "thread"

    def __init__(self, native: NativeManager, failed: Failed) -> None:
        # The thread knows the native manager only, so that a forgotten manager can be collected.
        self._thread = threading.Thread(target=self._run, args=(native, failed), name="qtforge-hotreload", daemon=True)
        self._thread.start()

    @staticmethod
    def _run(native: NativeManager, failed: Failed) -> None:
        while True:
            try:
                native.dispatch(0, -1)
            except ClosedError:
                return
            except HotReloadError as error:
                failed(error)
                return
            except BaseException as error:  # another thread set it
                failed(HotReloadError(f"the thread that delivers was ended by {type(error).__name__}"))
                raise

    def stop(self) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join()


class _FdDispatcher(Dispatcher):
    """Has a descriptor of its own that polls as the library's does; None where there is none."""

    def __init__(self, native: NativeManager) -> None:
        self._fd = native.event_fd_copy()

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def abandon(self) -> None:
        self._close_fd()


class GreenDispatcher(_FdDispatcher):
    """A greenlet that the hub wakes when the library's descriptor is readable."""

    def __init__(self, native: NativeManager, turn: Turn, failed: Failed, green: _green.Green) -> None:
        super().__init__(native)
        if self._fd is None:
            raise RuntimeError(
                f'dispatch="{green.name}" needs a descriptor to wait for, which this system does not have'
            )
        self.name, self.green = green.name, green
        self._turn, self._failed = turn, failed
        self._stop, self._over = _green.Pipe(), _green.Pipe()
        self._stopped = self._ended = self._unheard = False
        self._ident = 0
        self._greenlet = green.spawn(self._run)

    def _run(self) -> None:
        green = self.green
        assert green is not None
        self._ident = green.ident()
        try:
            while not self._stopped:
                assert self._fd is not None
                green.select([self._fd, self._stop.fileno()], None)
                if not self._stopped:
                    self._deliver(green)
        except HotReloadError as error:
            self._failed(error)
        except green.exit:
            if not self._stopped:
                self._failed(HotReloadError("the greenlet that delivers was killed"))
        finally:
            self._ended = True
            self._close_fd()
            self._stop.close()
            if self._unheard:
                self._over.close()
            else:
                self._over.wake()

    def _deliver(self, green: _green.Green) -> None:
        try:
            self._turn()
        except (HotReloadError, green.exit):
            raise
        except BaseException as error:  # Ctrl-C in a callback: to the hub, which raises it in the main greenlet
            green.interrupt(error)

    def stop(self) -> None:
        green = self.green
        assert green is not None
        self._stopped = True
        self._stop.wake()
        if green.ident() == self._ident:
            self._unheard = True
            return
        while not self._ended:
            green.select([self._over.fileno()], None)
        self._over.close()

    def abandon(self) -> None:
        """The greenlet is in the child, too: it ends there when the hub runs."""
        assert self.green is not None
        self._stopped = self._unheard = True
        if not self.green.kill(self._greenlet):
            self._close_fd()
            self._stop.close()
            self._over.close()


class AsyncioDispatcher(_FdDispatcher):
    """Delivery as a reader callback of the loop, or as a call that the library's wakeup asks for."""

    name = "asyncio"

    def __init__(self, native: NativeManager, turn: Turn, failed: Failed, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(native)
        self._loop = loop

        def step() -> None:
            try:
                turn()
            except HotReloadError as error:
                self._remove()  # else the loop would call for ever
                failed(error)

        if self._fd is not None:
            try:
                loop.add_reader(self._fd, step)
            except NotImplementedError:  # Windows' proactor, PySide6.QtAsyncio
                self._close_fd()
        reads = self._fd is not None

        def wake() -> None:
            error = self.ended()
            if error is not None:
                _elsewhere(failed, error)
            elif not reads:
                self._from_any_thread(step)

        native.set_wakeup(wake)

    def ended(self) -> LoopClosedError | None:
        return _closed_loop("asyncio loop") if self._loop.is_closed() else None

    def _from_any_thread(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call)

    def _remove(self) -> None:
        if self._fd is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            self._close_fd()

    def here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            # If it runs, then in another thread.
            return not self._loop.is_running()

    def stop(self) -> None:
        if self._loop.is_closed() or self.here():
            self._remove()
        else:
            self._from_any_thread(self._remove)


class TrioDispatcher(_FdDispatcher):
    """Delivery from a system task of trio's."""

    name = "trio"

    def __init__(self, native: NativeManager, turn: Turn, failed: Failed, trio: Any) -> None:
        super().__init__(native)
        if self._fd is None:
            raise RuntimeError('dispatch="trio" needs a descriptor to wait for, which this system does not have')
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.get_ident()
        self._stopped = self._over = False

        async def task() -> None:
            try:
                while self._fd is not None:
                    await trio.lowlevel.wait_readable(self._fd)
                    turn()
            except trio.ClosedResourceError:
                pass
            except HotReloadError as error:
                self._stopped = True
                failed(error)
            finally:
                self._over = True
                self._close_fd()

        trio.lowlevel.spawn_system_task(task, name="qtforge-hotreload")

        def wake() -> None:
            error = self.ended()
            if error is not None:
                _elsewhere(failed, error)

        native.set_wakeup(wake)

    def ended(self) -> LoopClosedError | None:
        return _closed_loop("trio run") if self._over and not self._stopped else None

    def here(self) -> bool:
        return self._thread == threading.get_ident()

    def _end(self) -> None:
        self._stopped = True
        if self._fd is not None:
            self._trio.lowlevel.notify_closing(self._fd)
            self._close_fd()

    def stop(self) -> None:
        try:
            if self.here() and self._trio.lowlevel.in_trio_run():
                self._end()
            else:
                self._token.run_sync_soon(self._end)
        except self._trio.RunFinishedError:
            pass  # the task has ended, too


class QtDispatcher(_FdDispatcher):
    """Delivery from the event loop of the application's thread, whatever the binding."""

    name = "qt"

    def __init__(self, native: NativeManager, turn: Turn, failed: Failed, core: Any) -> None:
        super().__init__(native)
        signal = getattr(core, "Signal", None) or core.pyqtSignal
        self._core = core
        dispatcher = self

        base: type[Any] = core.QObject

        class Bridge(base):  # type: ignore[misc]
            started = signal()
            stopped = signal()
            poked = signal()

            def __init__(self) -> None:
                super().__init__()  # pyright: ignore[reportUnknownMemberType]
                self.notifier: Any = None

            def start(self) -> None:
                # Ends with the application; a next one would not know the notifier.
                self.setParent(core.QCoreApplication.instance())
                if dispatcher._fd is not None:
                    kind = getattr(core.QSocketNotifier, "Type", core.QSocketNotifier).Read
                    self.notifier = core.QSocketNotifier(dispatcher._fd, kind)
                    self.notifier.activated.connect(self.step)

            def step(self, *_: object) -> None:
                try:
                    turn()
                except HotReloadError as error:
                    self.stop()
                    failed(error)

            def stop(self) -> None:
                if self.notifier is not None:
                    self.notifier.setEnabled(False)
                    self.notifier = None
                dispatcher._close_fd()
                self.setParent(None)

        # Signals that cross threads are queued: start and stop run on the application's thread.
        self._bridge = Bridge()
        self._bridge.moveToThread(core.QCoreApplication.instance().thread())
        self._bridge.started.connect(self._bridge.start)
        self._bridge.stopped.connect(self._bridge.stop)
        reads = self._fd is not None
        self._bridge.poked.connect(self._bridge.step)

        def wake() -> None:
            error = self.ended()
            if error is not None:
                _elsewhere(failed, error)
            elif not reads:
                self._bridge.poked.emit()

        native.set_wakeup(wake)
        self._bridge.started.emit()

    def ended(self) -> LoopClosedError | None:
        try:
            self._bridge.objectName()
            gone = self._core.QCoreApplication.instance() is None
        except RuntimeError:  # the application has deleted it
            gone = True
        return _closed_loop("Qt application") if gone else None

    def here(self) -> bool:
        app = self._core.QCoreApplication.instance()
        return app is not None and bool(self._core.QThread.currentThread() == app.thread())

    def stop(self) -> None:
        try:
            self._bridge.stopped.emit()
        except RuntimeError:
            self._close_fd()  # the application has deleted its objects already


def _closed_loop(what: str) -> LoopClosedError:
    return LoopClosedError(
        f"the {what} that delivers has ended, and nothing is delivered any more: close the manager and make another "
        'where a loop is running, or with dispatch="thread"'
    )


def _elsewhere(failed: Failed, error: HotReloadError) -> None:
    """From a wakeup, which may not call the library, as an error handler may."""
    with contextlib.suppress(RuntimeError):  # the interpreter ends
        threading.Thread(target=failed, args=(error,), name="qtforge-hotreload-error", daemon=True).start()


def qt_core() -> Any:
    """QtCore of a binding that the program has imported and made an application with; None if there is none."""
    for binding in ("PySide6", "PyQt6", "PySide2", "PyQt5"):
        core = sys.modules.get(f"{binding}.QtCore")
        if core is not None and core.QCoreApplication.instance() is not None:
            return core
    return None


def make(choice: str, native: NativeManager, turn: Turn, failed: Failed) -> Dispatcher:
    """The dispatcher for one of CHOICES."""
    green = _green.named(choice) if choice in ("gevent", "eventlet") else _green.active()
    if green is not None and choice in ("auto", "thread", "gevent", "eventlet"):  # a thread there is a greenlet
        return GreenDispatcher(native, turn, failed, green)
    running = async_library()
    if running == "asyncio" and choice in ("auto", "asyncio"):
        return AsyncioDispatcher(native, turn, failed, asyncio.get_running_loop())
    if running == "trio" and choice in ("auto", "trio"):
        return TrioDispatcher(native, turn, failed, sys.modules["trio"])
    if choice in ("asyncio", "trio"):
        raise RuntimeError(f'dispatch="{choice}": no event loop of {choice} is running in this thread')
    if choice in ("auto", "qt"):
        core = qt_core()
        if core is not None:
            return QtDispatcher(native, turn, failed, core)
        if choice == "qt":
            raise RuntimeError('dispatch="qt": there is no Qt application; make it first')
    if choice == "manual":
        return ManualDispatcher()
    return ThreadDispatcher(native, failed)
