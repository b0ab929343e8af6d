# SPDX-License-Identifier: MIT
"""PluginHotReloadManager."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypedDict

from . import _abi, _dispatch, _living
from ._arguments import StrPath, check_callable, check_int, directory_bytes, id_bytes, int32, path_bytes, seconds
from ._changes import Changes
from ._delivering import ErrorHandler, EventCallback, ReloadCallback
from ._folders import Folder, Folders, folder_id_bytes
from ._native import NativeManager
from ._unraisable import unraisable
from ._waiting import Deadline, Delivered, Mailbox, async_library
from .errors import (
    ClosedError,
    Failure,
    ForkedProcessWarning,
    HotReloadError,
    InvalidArgumentError,
    Success,
)
from .events import PastDecision, PluginStatus, Stats
from .safe import ReloadOutcome, SafeOptions, Validator, verdict_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

ON_FORK = ("warn", "reopen", "ignore")

_log = logging.getLogger("qtforge.monitoring")
_log.addHandler(logging.NullHandler())  # a program that sets up no log is warned


class Options(TypedDict, total=False):
    """The keyword arguments of PluginHotReloadManager."""

    quiet_ms: int
    max_delay_ms: int
    poll_interval_ms: int
    held_after_ms: int
    marker_after_ms: int
    deliver_held: bool
    check_image: bool
    ignore_unchanged_content: bool
    force_polling: bool
    dispatch: str
    on_error: ErrorHandler | None
    raise_on_error: bool
    safe: SafeOptions | None
    snapshot_dir: StrPath | None
    safety_check_ms: int
    on_fork: str


class _Enabled(NamedTuple):
    """What enable_hot_reload() was called with."""

    path: bytes
    absolute: bytes
    quiet_ms: int
    flags: int
    safe: SafeOptions | None
    pause_marker: bytes | None
    filename: str | bytes


class PluginHotReloadManager(Folders):
    """Tells the host exactly once about every completed change of a plugin's file.

    Args:
        quiet_ms: how long a file must be left alone before it is told; 0 is the default (100 ms), -1 none.
        max_delay_ms: a file rewritten without pause is told after this long all the same; 0 is the default (2 s).
        poll_interval_ms: for what cannot be watched; 0 is the default (1 s).
        held_after_ms: for how long a process must hold a file open for writing, without a change of the file, to be
            reported by Health.HELD_OPEN; 0 is the default (10 s), -1 never.
        marker_after_ms: for how long a pause marker (enable_hot_reload()) must be there to be reported by
            Health.PAUSE_MARKER; 0 is the default (10 minutes), -1 never.
        deliver_held: deliver such a file although it is open, if its times and its content stay the same for
            held_after_ms. A writer that only pauses for so long is then delivered half-written.
        check_image: tell only complete ELF, PE and Mach-O images for this machine.
        ignore_unchanged_content: tell neither a touch nor a byte-identical rewrite of a file of at most 1 GiB.
        force_polling: compare files instead of relying on notifications.
        dispatch: where callbacks run. "asyncio", "trio": on the event loop running in this thread. "qt": on the main
            loop of the Qt application (PySide6, PyQt6, PySide2, PyQt5). "gevent", "eventlet": in a greenlet of this
            thread's hub. "thread": on one thread owned by Python; after ``monkey.patch_all()`` that is a greenlet, too.
            "manual": inside run(), wait(), changes() and process_events(), for whoever calls them. "auto": the first
            that applies: gevent or eventlet after ``monkey.patch_all()``, asyncio, trio, qt, thread.
        on_error: receives exceptions that leave a callback; without it they go to ``sys.unraisablehook``. Also receives
            the error if delivery ends although nobody closed the manager: LoopClosedError at the first change after the
            event loop was closed or the Qt application has gone. Without it there is one RuntimeWarning. From then on,
            and as soon as the loop is closed, enabling, setting callbacks, wait(), changes() and run() raise that
            error; close() and the questions work.
        raise_on_error: enable_hot_reload() raises instead of returning a false result.
        safe: safe reload for every plugin: what is told are private, validated snapshots (``Event.snapshot_path``).
        snapshot_dir: where these are kept; by default in a directory of the user's own.
        safety_check_ms: how often files are compared that are watched, but may change without a notification (on
            overlayfs, aufs, eCryptfs and ZFS, and files that are mount points); 0 is the default (1 minute), -1 never.
        on_fork: what happens in the child of a fork, where nothing is delivered. "warn": a ForkedProcessWarning and a
            line in the log "qtforge.monitoring", if anybody listens to this manager. "reopen": reopen() is called in
            the child. "ignore": nothing.

    All methods are thread-safe, and may be called inside callbacks, close() included. Callbacks never overlap and
    never nest. Closing is the owner's duty: use ``with`` or ``async with``, or call close(); what is left open is
    closed at exit.

    Raises HotReloadError if the manager cannot be made, ImportError if the native library cannot be loaded.
    """

    def __init__(
        self,
        *,
        quiet_ms: int = 0,
        max_delay_ms: int = 0,
        poll_interval_ms: int = 0,
        held_after_ms: int = 0,
        marker_after_ms: int = 0,
        deliver_held: bool = False,
        check_image: bool = False,
        ignore_unchanged_content: bool = False,
        force_polling: bool = False,
        dispatch: str = "auto",
        on_error: ErrorHandler | None = None,
        raise_on_error: bool = False,
        safe: SafeOptions | None = None,
        snapshot_dir: StrPath | None = None,
        safety_check_ms: int = 0,
        on_fork: str = "warn",
    ) -> None:
        self._closed = True  # until there is something to close
        if on_fork not in ON_FORK:
            raise ValueError(f"on_fork={on_fork!r} is none of {', '.join(map(repr, ON_FORK))}")
        if dispatch not in _dispatch.CHOICES:
            raise ValueError(f"dispatch={dispatch!r} is none of {', '.join(map(repr, _dispatch.CHOICES))}")
        check_callable("on_error", on_error)
        flags = (
            (_abi.CHECK_IMAGE if check_image else 0)
            | (_abi.IGNORE_UNCHANGED_CONTENT if ignore_unchanged_content else 0)
            | (_abi.FORCE_POLLING if force_polling else 0)
            | (_abi.DELIVER_HELD if deliver_held else 0)
        )
        self._make_native = functools.partial(
            self._native_kind,
            quiet_ms=int32("quiet_ms", quiet_ms),
            max_delay_ms=int32("max_delay_ms", max_delay_ms),
            poll_interval_ms=int32("poll_interval_ms", poll_interval_ms),
            held_after_ms=int32("held_after_ms", held_after_ms),
            marker_after_ms=int32("marker_after_ms", marker_after_ms),
            flags=flags,
            safe=safe,
            snapshot_dir=None if snapshot_dir is None else directory_bytes("snapshot_dir", snapshot_dir),
            safety_check_ms=int32("safety_check_ms", safety_check_ms),
        )
        self._choice = dispatch
        self._on_fork = on_fork
        self._on_error = on_error
        self._raise_on_error = raise_on_error
        self._reload: ReloadCallback | None = None
        self._event: EventCallback | None = None
        self._validator: Validator | None = None
        self._mailbox: Mailbox | None = None  # once somebody iterates
        self._enabled: dict[str, _Enabled] = {}
        self._global = True
        self._folders: dict[str, Folder] = {}
        self._paused: set[str] = set()
        self._paused_folders: set[str] = set()
        self._audience = 0  # counts the changes of callbacks and mailbox
        self._lock = threading.RLock()  # a signal handler may close while this very thread holds it
        self._begin()
        self._log_level: int | None = None
        if _log.isEnabledFor(logging.INFO):
            self.set_log_level(_log.getEffectiveLevel())
        _living.add(self)

    # ------------------------------------------------------------------ the documented methods

    def enable_hot_reload(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        quiet_ms: int = 0,
        allow_missing: bool = False,
        deliver_present: bool = False,
        safe: SafeOptions | None = None,
        paused: bool = False,
        pause_marker: StrPath | None = None,
    ) -> Success | Failure:
        """Begins to watch file_path under the name plugin_id; the version that is there now counts as known. With
        paused it is enabled as set_plugin_paused() leaves it.

        pause_marker is a file that pauses the plugin while it is there: a build creates it before it writes the first
        plugin and removes it when all are complete. A path that is not absolute is relative to the plugin's directory:
        ".building". A marker that a dead build left is reported: Health.PAUSE_MARKER.

        Returns a result that is true on success, else false with an ``error`` that has ``code`` and ``message``.
        Codes: FileNotFound, InvalidPath, AlreadyExists, PermissionDenied, InvalidParameters, InvalidState. With
        ``raise_on_error`` the error is raised instead: PluginFileNotFoundError (a FileNotFoundError),
        InvalidPathError (a ValueError), AlreadyExistsError (a FileExistsError), PluginPermissionError
        (a PermissionError), InvalidArgumentError (a ValueError), ClosedError, ForkedProcessError.
        """
        try:
            self._usable()
            self._delivers()
            native_id, path = id_bytes(plugin_id), path_bytes(plugin_id, file_path)
            enabled = _Enabled(
                path,
                os.path.abspath(path),
                int32("quiet_ms", quiet_ms),
                (_abi.ENABLE_ALLOW_MISSING if allow_missing else 0)
                | (_abi.ENABLE_DELIVER_PRESENT if deliver_present else 0)
                | (_abi.ENABLE_PAUSED if paused else 0),
                safe,
                None if pause_marker is None else directory_bytes("pause_marker", pause_marker),
                os.fspath(file_path),
            )
            self._enable(native_id, enabled)
            self._enabled[plugin_id] = enabled
            if paused:
                self._note_paused(plugin_id, True)
        except HotReloadError as error:
            if self._raise_on_error:
                raise
            return Failure(error)
        return Success()

    def disable_hot_reload(self, plugin_id: str) -> bool:
        """Ends the watching of plugin_id, drops what is pending for it, and says whether it was enabled.

        When it returns, no change of the plugin is being delivered, except to a caller inside that delivery.
        """
        self._usable()
        was_enabled = self._native.disable(id_bytes(plugin_id))
        self._enabled.pop(plugin_id, None)
        self._paused.discard(plugin_id)
        self._settle(plugin_id)
        if self._mailbox is not None:
            self._mailbox.drop(plugin_id)
        return was_enabled

    def is_hot_reload_enabled(self, plugin_id: str) -> bool:
        """Whether plugin_id is enabled."""
        self._usable()
        return self._native.is_enabled(id_bytes(plugin_id))

    def set_reload_callback(self, callback: ReloadCallback | None) -> None:
        """Sets the function that is told (with the plugin's id) that a plugin needs reloading; None removes it.

        While there is neither this nor an event callback, and nobody has asked for changes(), changes stay pending.
        """
        check_callable("callback", callback)
        self._usable()
        if callback is not None:
            self._delivers()
        self._reload = callback
        self._audience_changed()

    def get_hot_reload_plugins(self) -> list[str]:
        """The enabled ids, in the order of enabling."""
        self._usable()
        return self._native.plugins()

    def clear(self) -> int:
        """Disables every plugin, ends every folder, and returns how many plugins there were."""
        self._usable()
        count = self._native.clear()
        for kept in (self._enabled, self._folders, self._paused, self._paused_folders):
            kept.clear()
        self._settle()
        if self._mailbox is not None:
            self._mailbox.drop()
        return count

    def set_global_hot_reload_enabled(self, enabled: bool) -> None:
        """Pauses or resumes the delivery of changes. Each plugin that changed meanwhile is told once afterwards."""
        self._usable()
        self._native.set_global(bool(enabled))
        self._global = bool(enabled)
        if self._mailbox is not None:
            self._mailbox.held = not enabled
            self._bell.ring()

    def is_global_hot_reload_enabled(self) -> bool:
        """Whether delivery is not paused."""
        self._usable()
        return self._native.is_global()

    # ------------------------------------------------------------------ beyond them

    def set_plugin_paused(self, plugin_id: str, paused: bool = True) -> None:
        """Pauses or resumes the delivery of one plugin's changes.

        If it changed meanwhile, its latest version is delivered once after resuming. Other plugins and other events do
        not wait. The pause of all plugins (set_global_hot_reload_enabled()) is another one. Disabling the plugin ends
        its pause.

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0. See
        also is_plugin_paused().
        """
        self._usable()
        self._native.set_paused(id_bytes(plugin_id), bool(paused))
        self._note_paused(plugin_id, bool(paused))
        self._await_turn()

    def is_plugin_paused(self, plugin_id: str) -> bool:
        """Whether a plugin is paused by set_plugin_paused().

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0.
        """
        self._usable()
        return self._native.is_paused(id_bytes(plugin_id))

    def plugin_status(self, plugin_id: str) -> PluginStatus:
        """What a plugin is doing, for programs. It waits for no file system.

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0. See
        also explain().
        """
        self._usable()
        return self._native.plugin_status(id_bytes(plugin_id))

    def plugin_decisions(self, plugin_id: str) -> list[PastDecision]:
        """The last decisions about a plugin, oldest first: at most eight, where something happened lately.

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0. See
        also plugin_status(), explain().
        """
        self._usable()
        return self._native.plugin_decisions(id_bytes(plugin_id))

    def explain(self, plugin_id: str) -> str:
        """What a plugin is doing and why, for people: some lines of text, each ended by a newline.

        State, since when, what it waits for, how it is watched, the latest notification, check, delivery and report,
        and the last decisions with their reasons. The text may change from version to version.

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0. See
        also plugin_status().
        """
        self._usable()
        return self._native.explain(id_bytes(plugin_id))

    def set_log_level(self, level: int | None) -> None:
        """Sends the library's log to the logger "qtforge.monitoring": lines of this level of ``logging`` and above.

        None ends it. A manager begins with it by itself if the logger is enabled for INFO or DEBUG when the manager is
        made. Handlers run on a thread of the library; whether or not the host takes part in the delivery does not
        matter. A line's ``plugin_id`` is an attribute of its LogRecord.

        Raises TypeError for what is no int, ClosedError, ForkedProcessError. Since 1.0.
        """
        if level is not None:
            check_int("level", level)
        self._usable()
        self._log_level = level
        if level is None:
            self._native.set_log(_abi.LOG_ERROR, None)
        else:
            self._native.set_log(_native_level(level), functools.partial(_log_line, self._validating))

    def check_now(self, plugin_id: str | None = None) -> None:
        """Compares a plugin, or all (None), with the disk at once, without waiting for a notification or the next poll.

        It returns before the comparison is made: no file system is waited for. What has changed is delivered as always,
        when the file is complete.

        Raises InvalidArgumentError for a plugin that is not enabled, ClosedError, ForkedProcessError. Since 1.0.
        """
        self._usable()
        self._native.check_now(None if plugin_id is None else id_bytes(plugin_id))

    def set_event_callback(self, callback: EventCallback | None) -> None:
        """Sets the function that receives every Event, a change just before the reload callback; None removes it."""
        check_callable("callback", callback)
        self._usable()
        if callback is not None:
            self._delivers()
        self._event = callback
        self._audience_changed()

    def changes(self, timeout: float | None = None, *, removed: bool = False, discovered: bool = False) -> Changes:
        """Iterates over the changes, with ``for`` or, in asyncio and trio, with ``async for``.

        Ends when the manager is closed, or when nothing has changed for timeout seconds. What changes while nobody is
        asking waits, the newest version of each plugin. Several iterators share the changes: each is told to one.

        Args:
            timeout: seconds to wait for the next change; None waits for ever.
            removed: tell also that a file is gone (events of the kind FILE_REMOVED).
            discovered: the first version of a file that a folder has found is an event of the kind DISCOVERED, and not
                FILE_CHANGED. ``Event.change`` says in both cases what has happened.
        """
        timeout = seconds("timeout", timeout)
        self._usable()
        self._delivers()
        self._want_mailbox()
        return Changes(self, timeout, removed, discovered)

    def set_validator(self, validator: Validator | None) -> None:
        """Sets the function that is asked about every version of plugins with safe reload; None removes it.

        It runs on a thread of the library, after the built-in checks and before anything is delivered, and may take
        long. It may call every method, as a callback may. It must return True to accept. Everything else rejects:
        another answer (a str says why), an exception of any kind, KeyboardInterrupt and SystemExit included, and a
        coroutine. ``Event.message`` of the REJECTED event has the reason.

        Raises TypeError for what is not callable and for a coroutine or generator function, ClosedError.
        """
        check_callable("validator", validator, "give a plain function, which may block")
        self._usable()
        self._set_validator(validator)
        self._validator = validator

    def report_reload(
        self, plugin_id: str, generation: int, outcome: ReloadOutcome = ReloadOutcome.OK, message: str = ""
    ) -> None:
        """Says how the loading of a told generation went: with safe reload, FAILED brings an event of kind ROLLBACK.

        Raises InvalidArgumentError for a plugin that is not enabled, or a generation that was not told or is gone.
        """
        self._usable()
        check_int("generation", generation)
        if not isinstance(message, str):
            raise TypeError(f"message={message!r}: expected str, got {type(message).__name__}")
        if not 0 <= generation < 2**64:
            raise InvalidArgumentError(f"generation={generation} is out of range")
        self._native.report(
            id_bytes(plugin_id),
            generation,
            int32("outcome", outcome),
            message.replace("\0", "").encode("utf-8", "replace"),
        )

    def stats(self) -> Stats:
        """Figures of this moment."""
        self._usable()
        return self._native.stats()

    def metrics(self) -> str:
        """The figures of the manager and of its plugins as OpenMetrics text, which Prometheus reads.

        Send it with the Content-Type ``METRICS_CONTENT_TYPE``. It waits for no file system. docs/metrics.md says what
        each metric means, and shows an endpoint.

        Raises ClosedError, ForkedProcessError. Since 1.0. See also stats().
        """
        self._usable()
        return self._native.metrics()

    @property
    def dispatch(self) -> str:
        """Where callbacks run: "asyncio", "trio", "qt", "gevent", "eventlet", "thread" or "manual"."""
        return self._dispatcher.name

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def forked(self) -> bool:
        """Whether this process is the child of a fork, and the manager is its parent's. See reopen()."""
        return os.getpid() != self._pid

    def reopen(self) -> None:
        """In the child of a fork: makes the manager anew, with its options, callbacks and enabled plugins.

        The versions that are there now count as known. A file that is missing is waited for. ``dispatch="auto"`` is
        decided anew. The parent's manager is not affected. In the process that has made it, it does nothing.

        Raises ClosedError, and what making a manager and enable_hot_reload() raise: all other plugins are enabled then.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the manager was closed")
            if not self.forked:
                return
            iterated, self._mailbox = self._mailbox is not None, None
            self._begin()
        if not self._global:
            self._native.set_global(False)
        if self._log_level is not None:
            self.set_log_level(self._log_level)
        self._set_validator(self._validator)
        self._audience_changed()
        if iterated:
            self._want_mailbox()
        failure: HotReloadError | None = None
        for plugin_id, enabled in list(self._enabled.items()):
            path = enabled.path if os.path.abspath(enabled.path) == enabled.absolute else enabled.absolute
            flags = (enabled.flags | _abi.ENABLE_ALLOW_MISSING) & ~(_abi.ENABLE_DELIVER_PRESENT | _abi.ENABLE_PAUSED)
            flags |= _abi.ENABLE_PAUSED if plugin_id in self._paused else 0
            try:
                self._enable(id_bytes(plugin_id), enabled._replace(path=path, flags=flags))
            except HotReloadError as error:
                del self._enabled[plugin_id]
                failure = failure or error
        for folder_id, folder in list(self._folders.items()):
            flags = (folder.flags | _abi.FOLDER_ALLOW_MISSING) & ~(_abi.FOLDER_DELIVER_PRESENT | _abi.FOLDER_PAUSED)
            flags |= _abi.FOLDER_PAUSED if folder_id in self._paused_folders else 0
            path = folder.directory if os.path.abspath(folder.directory) == folder.absolute else folder.absolute
            try:
                self._enable_folder(folder_id_bytes(folder_id), folder._replace(directory=path, flags=flags))
            except HotReloadError as error:
                del self._folders[folder_id]
                failure = failure or error
        if failure is not None:
            raise failure

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
        return self._deliver_here(int32("max_events", max_events))

    def wait(self, timeout: float | None = None) -> Delivered:
        """Waits up to timeout seconds (None: for ever) for a delivery and returns how many there were.

        Where an event loop of asyncio or trio is running in this thread it returns a coroutine that does so:
        ``await manager.wait()``, ``asyncio.create_task(manager.wait())``, ``nursery.start_soon(manager.wait)``.

        With dispatch="manual" callbacks run in here. Inside a callback it returns 0 at once. Ctrl-C ends it with
        KeyboardInterrupt, close() in another thread with 0.

        While no callback is set, wait() itself receives the changes and counts them; changes() has them afterwards, the
        newest of each plugin.

        Raises ClosedError, LoopClosedError if the loop that delivers has ended, RuntimeError if that loop is this
        thread's and does not run.
        """
        deadline = Deadline(seconds("timeout", timeout))
        self._usable()
        running = async_library()
        if self._is_inside():
            return self._to_await(self._nothing()) if running else Delivered(0)
        self._delivers()
        if not self._has_audience():
            try:
                self._want_mailbox()
            except ClosedError:  # by another thread, just now
                return self._to_await(self._nothing()) if running else Delivered(0)
        return self._wait(deadline, running)

    def _wait(self, deadline: Deadline, running: str) -> Delivered:
        before = self._bell.count

        def told() -> bool:
            return self._bell.count != before

        if running:
            return self._to_await(self._count_async(before, told, deadline))
        self._until(told, deadline)
        return Delivered(self._bell.count - before)

    def run(self) -> None:
        """Waits and delivers until close() is called or Ctrl-C is pressed; both end it cleanly.

        Raises LoopClosedError if the loop that delivers has ended, RuntimeError inside a callback and where it would
        block an event loop.
        """
        if self._is_inside():
            raise RuntimeError("run() was called inside a callback of the same manager")
        if async_library():
            raise RuntimeError('run() would block the event loop; use "async for change in manager.changes()"')
        try:
            while not self._closed:
                self._usable()
                self._delivers()
                self._wait(Deadline(None), "")
        except KeyboardInterrupt:
            pass
        except ClosedError:
            pass  # between the question and the wait

    def close(self) -> None:
        """Stops watching, drops what is pending, and waits for a running callback unless called inside it.

        Leaves no thread and no descriptor behind. Closing again does nothing.
        """
        if self._gone.is_set():
            return  # first of all: for finalizers that come when the interpreter has taken our globals away
        if os.getpid() != self._pid:
            self._closed = True
            return  # the native manager belongs to the parent
        with self._lock:
            first = not self._closed
            self._closed = True
            if first:
                self._closer = threading.get_ident()
        if not first:
            if not self._is_inside() and self._closer != threading.get_ident():
                self._gone.wait()
            return
        try:
            self._native.destroy()
            self._jobs.clear()
            self._dispatcher.stop()
        finally:
            _living.remove(self)
            self._gone.set()
            self._bell.end()
            if self._waiter is not None:
                self._waiter.close()

    async def aclose(self) -> None:
        """close() for coroutines: while a callback is running in another thread, the loop is not blocked."""
        if self._closed or self.dispatch in ("asyncio", "trio"):
            self.close()
        elif async_library() == "trio":
            trio = sys.modules["trio"]
            with trio.CancelScope(shield=True):  # a cancelled task closes, too
                await trio.to_thread.run_sync(self.close)
        else:
            import asyncio

            await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or os.getpid() != self._pid:
            return
        if not sys.is_finalizing():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "forked" if self.forked else self.dispatch
        return f"<{type(self).__name__} {state} at {id(self):#x}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: make one in each process that needs it")

    # ------------------------------------------------------------------ inside

    _fork_advice = "Call its reopen()"
    _native_kind: Callable[..., NativeManager] = NativeManager

    def _has_audience(self) -> bool:
        """Whether somebody hears of changes although nobody iterates."""
        return self._reload is not None or self._event is not None

    def _after_fork(self) -> None:
        """In the child of a fork, called by the fork."""
        if self._closed:
            return
        if self._on_fork == "reopen":
            try:
                self.reopen()
            except Exception as error:
                _log.exception("%r cannot be reopened in the child of a fork", self)
                unraisable(error, self)
        elif self._on_fork == "warn" and (self._has_audience() or self._mailbox is not None):
            text = (
                f"{self!r} was made before a fork, and delivers nothing in this process, the child. "
                f"{self._fork_advice} "
                'here, or make it after the fork; make it with on_fork="ignore" if this process needs no changes'
            )
            _log.warning("%s", text)
            try:
                warnings.warn(text, ForkedProcessWarning, stacklevel=4)
            except ForkedProcessWarning as warning:  # made an error by a filter
                unraisable(warning, self)

    def _enable(self, plugin_id: bytes, enabled: _Enabled) -> None:
        self._native.enable(
            plugin_id,
            enabled.path,
            quiet_ms=enabled.quiet_ms,
            flags=enabled.flags,
            safe=enabled.safe,
            pause_marker=enabled.pause_marker,
            filename=enabled.filename,
        )

    def _set_validator(self, validator: Validator | None) -> None:
        self._native.set_validator(
            None if validator is None else functools.partial(verdict_of, validator, self._validating)
        )


_LEVELS = {
    _abi.LOG_ERROR: logging.ERROR,
    _abi.LOG_WARNING: logging.WARNING,
    _abi.LOG_INFO: logging.INFO,
    _abi.LOG_DEBUG: logging.DEBUG,
}


def _native_level(level: int) -> int:
    """The library's level that includes a level of ``logging`` and all above."""
    return max((native for native, own in _LEVELS.items() if own >= level), default=_abi.LOG_ERROR)


def _log_line(inside: set[int], raw: Any) -> None:
    """Logs a line of the library's. Meanwhile its thread is in inside, so that it waits for no callback of its own."""
    thread = threading.get_ident()
    try:
        inside.add(thread)
        plugin_id = raw.plugin_id.decode()
        level = _LEVELS.get(raw.level, logging.DEBUG)
        text = raw.message.decode("utf-8", "replace")
        _log.log(level, "%s", f"{plugin_id}: {text}" if plugin_id else text, extra={"plugin_id": plugin_id})
    except BaseException as error:
        unraisable(error, _log)
    finally:
        inside.discard(thread)


def create_hot_reload_manager(**options: Unpack[Options]) -> PluginHotReloadManager:
    """A new PluginHotReloadManager; takes its options."""
    return PluginHotReloadManager(**options)
