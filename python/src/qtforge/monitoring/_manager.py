"""PluginHotReloadManager."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from . import _abi, _dispatch
from ._native import NativeManager, Waiter, event_of
from .errors import (
    ClosedError,
    ForkedProcessError,
    HotReloadError,
    InvalidArgumentError,
    InvalidPathError,
    Result,
)
from .events import Event, EventKind, Stats

ReloadCallback = Callable[[str], object]
EventCallback = Callable[[Event], object]
ErrorHandler = Callable[[Exception], object]
StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_DISPATCH = ("auto", "asyncio", "qt", "thread", "manual")

_living: weakref.WeakSet[PluginHotReloadManager] = weakref.WeakSet()


class PluginHotReloadManager:
    """Tells the host exactly once about every completed change of a plugin's file.

    Args:
        quiet_ms: how long a file must be left alone before it is told; 0 is the default (100 ms), -1 none.
        max_delay_ms: a file rewritten without pause is told after this long all the same; 0 is the default (2 s).
        poll_interval_ms: for what cannot be watched; 0 is the default (1 s).
        check_image: tell only complete ELF, PE and Mach-O images for this machine.
        ignore_unchanged_content: tell neither a touch nor a byte-identical rewrite.
        force_polling: compare files instead of relying on notifications.
        dispatch: where callbacks run. "asyncio": on the event loop running in this thread. "qt": on the main loop of
            the Qt application (PySide6, PyQt6, PySide2, PyQt5). "thread": on one thread owned by Python. "manual":
            inside run(), wait() and process_events(), for whoever calls them. "auto": the first of asyncio, qt and
            thread that fits.
        on_error: receives exceptions that leave a callback; without it they go to ``sys.unraisablehook``.
        raise_on_error: enable_hot_reload() raises instead of returning a false result.

    All methods are thread-safe, and may be called inside callbacks, close() included. Callbacks never overlap and
    never nest. Closing is the owner's duty: use ``with``, or call close(); what is left open is closed at exit.

    Raises HotReloadError if the manager cannot be made, ImportError if the native library cannot be loaded.
    """

    def __init__(
        self,
        *,
        quiet_ms: int = 0,
        max_delay_ms: int = 0,
        poll_interval_ms: int = 0,
        check_image: bool = False,
        ignore_unchanged_content: bool = False,
        force_polling: bool = False,
        dispatch: str = "auto",
        on_error: ErrorHandler | None = None,
        raise_on_error: bool = False,
    ) -> None:
        self._closed = True  # until there is something to close
        if dispatch not in _DISPATCH:
            raise ValueError(f"dispatch={dispatch!r} is none of {', '.join(map(repr, _DISPATCH))}")
        _check_callable("on_error", on_error)
        flags = (
            (_abi.CHECK_IMAGE if check_image else 0)
            | (_abi.IGNORE_UNCHANGED_CONTENT if ignore_unchanged_content else 0)
            | (_abi.FORCE_POLLING if force_polling else 0)
        )
        self._native = NativeManager(
            quiet_ms=_milliseconds("quiet_ms", quiet_ms),
            max_delay_ms=_milliseconds("max_delay_ms", max_delay_ms),
            poll_interval_ms=_milliseconds("poll_interval_ms", poll_interval_ms),
            flags=flags,
        )
        self._pid = os.getpid()
        self._on_error = on_error
        self._raise_on_error = raise_on_error
        self._reload: ReloadCallback | None = None
        self._event: EventCallback | None = None
        self._lock = threading.Lock()
        self._delivered = threading.Condition(self._lock)
        self._count = 0  # deliveries so far
        self._interrupt: BaseException | None = None
        self._inside: int | None = None  # the thread that runs a callback
        self._waiting: Waiter | None = None
        self._closed = False
        weak = weakref.ref(self)

        def turn(*_: object) -> None:
            manager = weak()
            if manager is not None:
                manager._turn()

        try:
            self._dispatcher = _dispatch.make(dispatch, self._native, turn)
        except BaseException:
            self._closed = True
            self._native.destroy()
            raise
        if self.dispatch == "manual":
            self._waiting = Waiter()
        _living.add(self)

    # ------------------------------------------------------------------ the documented methods

    def enable_hot_reload(
        self, plugin_id: str, file_path: StrPath, *, quiet_ms: int = 0, allow_missing: bool = False
    ) -> Result:
        """Begins to watch file_path under the name plugin_id; the version that is there now counts as known.

        Returns a result that is true on success, else false with an ``error`` that has ``code`` and ``message``.
        Codes: FileNotFound, InvalidPath, AlreadyExists, PermissionDenied, InvalidParameters, InvalidState.
        """
        try:
            self._usable()
            self._native.enable(
                _id_bytes(plugin_id),
                _path_bytes(plugin_id, file_path),
                quiet_ms=_milliseconds("quiet_ms", quiet_ms),
                flags=_abi.ENABLE_ALLOW_MISSING if allow_missing else 0,
            )
        except HotReloadError as error:
            if self._raise_on_error:
                raise
            return Result(error)
        return Result()

    def disable_hot_reload(self, plugin_id: str) -> bool:
        """Ends the watching of plugin_id, drops what is pending for it, and says whether it was enabled.

        When it returns, no change of the plugin is being delivered, except to a caller inside that delivery.
        """
        self._usable()
        return self._native.disable(_id_bytes(plugin_id))

    def is_hot_reload_enabled(self, plugin_id: str) -> bool:
        """Whether plugin_id is enabled."""
        self._usable()
        return self._native.is_enabled(_id_bytes(plugin_id))

    def set_reload_callback(self, callback: ReloadCallback | None) -> None:
        """Sets the function that is told (with the plugin's id) that a plugin needs reloading; None removes it.

        While neither this nor an event callback is set, changes stay pending.
        """
        _check_callable("callback", callback)
        self._usable()
        self._reload = callback
        self._native.set_reload_callback(None if callback is None else self._weakly(PluginHotReloadManager._on_reload))

    def get_hot_reload_plugins(self) -> list[str]:
        """The enabled ids, in the order of enabling."""
        self._usable()
        return self._native.plugins()

    def clear(self) -> int:
        """Disables every plugin and returns how many there were."""
        self._usable()
        return self._native.clear()

    def set_global_hot_reload_enabled(self, enabled: bool) -> None:
        """Pauses or resumes the delivery of changes. Each plugin that changed meanwhile is told once afterwards."""
        self._usable()
        self._native.set_global(bool(enabled))

    def is_global_hot_reload_enabled(self) -> bool:
        """Whether delivery is not paused."""
        self._usable()
        return self._native.is_global()

    # ------------------------------------------------------------------ beyond them

    def set_event_callback(self, callback: EventCallback | None) -> None:
        """Sets the function that receives every Event, a change just before the reload callback; None removes it."""
        _check_callable("callback", callback)
        self._usable()
        self._event = callback
        self._native.set_event_callback(None if callback is None else self._weakly(PluginHotReloadManager._on_event))

    def stats(self) -> Stats:
        """Figures of this moment."""
        self._usable()
        return self._native.stats()

    @property
    def dispatch(self) -> str:
        """Where callbacks run: "asyncio", "qt", "thread" or "manual"."""
        return self._dispatcher.name

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    def fileno(self) -> int:
        """A descriptor that polls readable while process_events() has something to deliver. Only poll it."""
        self._usable()
        return self._native.event_fd()

    def process_events(self, max_events: int = 0) -> int:
        """Delivers up to max_events pending events (0: all) on this thread and returns how many.

        Only with dispatch="manual"; otherwise they are delivered elsewhere, and this returns 0.
        """
        self._usable()
        if self.dispatch != "manual":
            return 0
        return self._deliver_here(max_events)

    def wait(self, timeout: float | None = None) -> int:
        """Waits up to timeout seconds (None: for ever) for a delivery and returns how many there were.

        With dispatch="manual" they run in here. Inside a callback, and on the loop that delivers, it returns 0 at
        once. Ctrl-C ends it with KeyboardInterrupt, close() in another thread with 0.
        """
        self._usable()
        if self._inside == threading.get_ident():
            return 0
        deadline = None if timeout is None else time.monotonic() + timeout
        if self.dispatch == "manual":
            return self._wait_here(deadline)
        if self.dispatch in ("asyncio", "qt"):
            raise RuntimeError(f"wait() would block the {self.dispatch} loop that delivers; use its own means to wait")
        with self._delivered:
            before = self._count
            while self._count == before and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._delivered.wait(left)
            return self._count - before

    def run(self) -> None:
        """Waits and delivers until close() is called or Ctrl-C is pressed; both end it cleanly."""
        if self._inside == threading.get_ident():
            raise RuntimeError("run() was called inside a callback of the same manager")
        try:
            while not self._closed:
                self.wait()
        except KeyboardInterrupt:
            pass
        except ClosedError:
            pass  # between the question and the wait

    def close(self) -> None:
        """Stops watching, drops what is pending, and waits for a running callback unless called inside it.

        Leaves no thread and no descriptor behind. Closing again does nothing.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if os.getpid() != self._pid:
            return  # the native manager belongs to the parent
        self._native.destroy()
        self._dispatcher.stop()
        with self._delivered:
            self._delivered.notify_all()
        if self._waiting is not None:
            self._waiting.close()

    def __enter__(self) -> PluginHotReloadManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or os.getpid() != self._pid:
            return
        if not sys.is_finalizing():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.dispatch
        return f"<{type(self).__name__} {state} at {id(self):#x}>"

    # ------------------------------------------------------------------ inside

    def _usable(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                "the manager was made before a fork, and this is the child; make one here, "
                'or use the "spawn" or "forkserver" start method'
            )
        if self._closed:
            raise ClosedError("the manager was closed")

    def _weakly(self, method: Callable[[PluginHotReloadManager, Any], None]) -> Callable[[Any], None]:
        """The method for the library to call, without keeping the manager alive."""
        weak = weakref.ref(self)

        def target(argument: Any) -> None:
            manager = weak()
            if manager is not None:
                method(manager, argument)

        return target

    # The library calls these two, on the thread that dispatches; for a change the first and then the second.

    def _on_event(self, raw: Any) -> None:
        event = event_of(raw)
        last = event.kind is not EventKind.FILE_CHANGED or self._reload is None
        self._tell(self._event, event, last)

    def _on_reload(self, plugin_id: str) -> None:
        self._tell(self._reload, plugin_id, True)

    def _tell(self, callback: Callable[[Any], object] | None, argument: object, last: bool) -> None:
        self._inside = threading.get_ident()
        try:
            self._call(callback, argument)
        finally:
            self._inside = None
            if last:
                with self._delivered:
                    self._count += 1
                    self._delivered.notify_all()

    def _call(self, callback: Callable[[Any], object] | None, argument: object) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception as error:
            if self._on_error is None:
                _unraisable(error, callback)
                return
            try:
                self._on_error(error)
            except Exception as second:
                _unraisable(second, self._on_error)
        except BaseException as error:  # KeyboardInterrupt, SystemExit: for whoever dispatches
            if self.dispatch == "thread":
                _unraisable(error, callback)
            else:
                self._interrupt = error

    def _deliver_here(self, limit: int = 0) -> int:
        delivered = self._native.dispatch(limit, 0)
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt
        return delivered

    def _turn(self) -> None:
        """One turn of an asyncio or Qt loop."""
        if not self._closed:
            try:
                self._deliver_here()
            except ClosedError:
                pass

    def _wait_here(self, deadline: float | None) -> int:
        assert self._waiting is not None
        while True:
            try:
                delivered = self._deliver_here()
                left = None if deadline is None else deadline - time.monotonic()
                if delivered or self._closed or (left is not None and left <= 0):
                    return delivered
                fd = self._native.event_fd_copy()
            except ClosedError:
                return 0
            try:
                if fd is None:
                    # No descriptor on this system: in slices, so that Ctrl-C is noticed.
                    delivered = self._native.dispatch(0, 50 if left is None else min(50, int(left * 1000) + 1))
                    if delivered:
                        return delivered
                else:
                    self._waiting.wait(fd, left)
            finally:
                if fd is not None:
                    os.close(fd)


def create_hot_reload_manager(**options: Any) -> PluginHotReloadManager:
    """A new PluginHotReloadManager; takes its options."""
    return PluginHotReloadManager(**options)


def _unraisable(error: BaseException, callback: object) -> None:
    """Hands an exception that nobody can catch to sys.unraisablehook, as the interpreter does with its own."""

    class Reporter:
        def __del__(self) -> None:
            raise error

        def __repr__(self) -> str:
            return f"hot reload callback {callback!r}"

    Reporter()


def _check_callable(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise TypeError(f"{name}={value!r} is neither callable nor None")


def _milliseconds(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is no whole number of milliseconds")
    if not -(2**31) <= value < 2**31:
        raise InvalidArgumentError(f"{name}={value} is out of range")
    return value


def _id_bytes(plugin_id: object) -> bytes:
    if not isinstance(plugin_id, str):
        raise InvalidArgumentError(f"plugin_id={plugin_id!r} is no str")
    if "\0" in plugin_id:
        raise InvalidArgumentError(f"the plugin id {plugin_id!r} contains a NUL character")
    try:
        return plugin_id.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the plugin id {plugin_id!r} cannot be encoded as UTF-8") from None


def _path_bytes(plugin_id: str, path: object) -> bytes:
    try:
        encoded = os.fsencode(path)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidPathError(
            f"plugin {plugin_id!r}: file_path={path!r} is no path (str, bytes or os.PathLike)", plugin_id=plugin_id
        ) from None
    except UnicodeEncodeError:
        raise InvalidPathError(f"plugin {plugin_id!r}: the path {path!r} cannot be encoded", plugin_id=plugin_id) from None
    if b"\0" in encoded:
        raise InvalidPathError(f"plugin {plugin_id!r}: the path {path!r} contains a NUL character", plugin_id=plugin_id)
    return encoded


@atexit.register
def _close_all() -> None:
    for manager in list(_living):
        manager.close()
