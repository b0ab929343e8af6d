"""Where callbacks run: an asyncio loop, the Qt main loop, a thread of Python's, or whoever asks."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ._native import NativeManager
from .errors import HotReloadError

Turn = Callable[..., None]
"""Delivers what is pending, on the thread that calls it."""


class Dispatcher:
    """Starts when made. ``stop`` is called after the native manager was destroyed."""

    name = ""

    def stop(self) -> None:
        raise NotImplementedError


class ManualDispatcher(Dispatcher):
    """Nothing happens until run(), wait() or process_events() is called."""

    name = "manual"

    def stop(self) -> None:
        pass


class ThreadDispatcher(Dispatcher):
    """One daemon thread that sleeps in the library until something is to be delivered."""

    name = "thread"

    def __init__(self, native: NativeManager) -> None:
        # The thread knows the native manager only, so that a forgotten manager can be collected.
        self._thread = threading.Thread(target=self._run, args=(native,), name="qtforge-hotreload", daemon=True)
        self._thread.start()

    @staticmethod
    def _run(native: NativeManager) -> None:
        while True:
            try:
                native.dispatch(0, -1)
            except HotReloadError:
                return  # destroyed, or failed for good

    def stop(self) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join()


class AsyncioDispatcher(Dispatcher):
    """Delivery as a reader callback of the loop."""

    name = "asyncio"

    def __init__(self, native: NativeManager, turn: Turn, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fd = native.event_fd_copy()
        if self._fd is None:
            native.set_wakeup(lambda: self._from_any_thread(turn))
        else:
            loop.add_reader(self._fd, turn)

    def _from_any_thread(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to be told

    def _remove(self) -> None:
        if self._fd is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def stop(self) -> None:
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop.is_closed() or running is self._loop or not self._loop.is_running():
            self._remove()
        else:
            self._from_any_thread(self._remove)


class QtDispatcher(Dispatcher):
    """Delivery from the event loop of the application's thread, whatever the binding."""

    name = "qt"

    def __init__(self, native: NativeManager, turn: Turn, core: Any) -> None:
        fd = native.event_fd_copy()
        signal = getattr(core, "Signal", None) or core.pyqtSignal

        class Bridge(core.QObject):  # type: ignore[misc]
            started = signal()
            stopped = signal()
            poked = signal()

            def __init__(self) -> None:
                super().__init__()
                self.notifier: Any = None

            def start(self) -> None:
                if fd is not None:
                    kind = getattr(core.QSocketNotifier, "Type", core.QSocketNotifier).Read
                    self.notifier = core.QSocketNotifier(fd, kind)
                    self.notifier.activated.connect(turn)

            def stop(self) -> None:
                if self.notifier is not None:
                    self.notifier.setEnabled(False)
                    self.notifier = None
                if fd is not None:
                    os.close(fd)

        # Signals that cross threads are queued: start and stop run on the application's thread.
        self._bridge = Bridge()
        self._bridge.moveToThread(core.QCoreApplication.instance().thread())
        self._bridge.started.connect(self._bridge.start)
        self._bridge.stopped.connect(self._bridge.stop)
        if fd is None:
            self._bridge.poked.connect(turn)
            native.set_wakeup(self._bridge.poked.emit)
        self._bridge.started.emit()

    def stop(self) -> None:
        try:
            self._bridge.stopped.emit()
        except RuntimeError:
            pass  # the application has deleted its objects already


def qt_core() -> Any:
    """QtCore of a binding that the program has imported and made an application with; None if there is none."""
    for binding in ("PySide6", "PyQt6", "PySide2", "PyQt5"):
        core = sys.modules.get(f"{binding}.QtCore")
        if core is not None and core.QCoreApplication.instance() is not None:
            return core
    return None


def make(choice: str, native: NativeManager, turn: Turn) -> Dispatcher:
    """The dispatcher for "auto", "asyncio", "qt", "thread" or "manual"."""
    if choice in ("auto", "asyncio"):
        try:
            return AsyncioDispatcher(native, turn, asyncio.get_running_loop())
        except RuntimeError:
            if choice == "asyncio":
                raise RuntimeError('dispatch="asyncio": no event loop is running in this thread') from None
    if choice in ("auto", "qt"):
        core = qt_core()
        if core is not None:
            return QtDispatcher(native, turn, core)
        if choice == "qt":
            raise RuntimeError('dispatch="qt": there is no Qt application; make it first')
    if choice == "manual":
        return ManualDispatcher()
    return ThreadDispatcher(native)
