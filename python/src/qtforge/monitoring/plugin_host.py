# SPDX-License-Identifier: MIT
"""A host for plugins written in Python, or for it: modules exchanged while they are in use, with a way back."""

from __future__ import annotations

import atexit
import contextlib
import functools
import math
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from . import _finding, _living, _names, _trees
from . import plugins as plugins  # the names of their modules begin with its name
from ._arguments import StrPath, check_callable, seconds
from ._importing import Importer
from ._manager import Options, PluginHotReloadManager
from ._trees import Store
from ._versions import HookError, Layout, Version, is_ctrl_c, is_debugged, text_of
from ._waiting import Deadline, Delivered
from .errors import ClosedError, HotReloadError
from .events import Event, EventKind
from .safe import ReloadOutcome, SafeOptions

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


_CLOSED = "the plugin was closed while this version was being loaded"


class PluginLoadError(HotReloadError):
    """The present version of a plugin was rejected, or fails."""


@dataclass(frozen=True)
class PluginOutcome:
    """What became of a version."""

    plugin_id: str
    ok: bool
    generation: int
    """Of the version; 0 if it was rejected before it was loaded."""
    present: int
    """Of the version that is in use now; 0 if there is none."""
    message: str
    """Why it was not taken; with ok, that it was taken without the state of the version before."""
    error: BaseException | None = field(default=None, repr=False)  # the message has its text
    waiting: bool = False
    """It could not be taken because plugin_save_state() of the present version raised:
    Plugin.take_without_state() takes it."""


class _Attempt:
    """One version on its way in."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.told = False


class Plugin:
    """A plugin that PluginHost.open() has loaded."""

    def __init__(self, host: PluginHost, plugin_id: str, layout: Layout | None) -> None:
        self.id = plugin_id
        self._host = host
        self._layout = layout
        self._package = _names.claim(str(plugin_id))
        self._lock = threading.RLock()  # the collector may end a use() while this very thread is in here
        self._closed = False
        self._given_up = ""  # why nobody waits for the version that is being loaded
        self._present: Version | None = None
        self._refused: PluginOutcome | None = None  # the first version was
        self._interrupt: BaseException | None = None  # of the thread that is in open(), and loads it itself
        self._opener: int | None = None
        self._waiting: Event | None = None
        self._loader: int | None = None  # the thread that is loading a version
        self._undecided = False  # whether that may still be given up
        self._disable_late = False  # when it has been loaded
        self._loading: Version | None = None
        self._at_rest = threading.Event()  # no version is being loaded
        self._at_rest.set()

    @property
    def module(self) -> ModuleType:
        """The module of the present version. It may be another one at the next look; see use()."""
        version = self._present
        if version is None:
            raise RuntimeError(f"plugin {self.id!r} is closed")
        return version.module

    @property
    def generation(self) -> int:
        """Of the present version; 0 after close()."""
        version = self._present
        return 0 if version is None else version.generation

    @contextlib.contextmanager
    def use(self) -> Generator[ModuleType, None, None]:
        """Pins the present version for a with block: its plugin_exit() is called after the last of them has ended.

        Until then it keeps its files: what it imports inside its functions, its data files, and what tracebacks show.
        """
        with self._lock:
            version = self._present
            if version is None:
                raise RuntimeError(f"plugin {self.id!r} is closed")
            version.uses += 1
        try:
            yield version.module
        finally:
            self._release(version)

    def fail(self, message: str = "", generation: int | None = None) -> None:
        """The present version (or that generation) misbehaves: goes back, and does not take it again."""
        generation = self.generation if generation is None else generation
        self._host.manager.report_reload(self.id, generation, ReloadOutcome.FAILED, message)

    def take_without_state(self) -> None:
        """Takes the version that waits since plugin_save_state() of the present one raised, without its state.

        on_outcome receives what became of it. It is loaded where versions always are: call this on the thread whose
        event loop delivers; with dispatch="thread" or "manual" on any.

        Raises RuntimeError if no version waits, or on a thread whose loop does not deliver.
        """
        host = self._host
        if host.manager.dispatch not in ("thread", "manual") and not host.manager._dispatcher.here():
            raise RuntimeError(f"plugin {self.id!r}: call take_without_state() on the thread whose loop delivers")
        with self._lock:
            event, self._waiting = self._waiting, None
        if event is None or self._closed:
            raise RuntimeError(f"plugin {self.id!r}: no version waits to be taken")
        host._run(self, functools.partial(host._exchange, self, _Attempt(event), with_state=False))

    def close(self) -> None:
        """Ends the watching and unloads the plugin once it is not in use any more.

        Waits for a version that is being loaded, unless the plugin's own code calls this. Ctrl-C ends the waiting; the
        version is undone when it has been loaded.
        """
        with self._lock:
            self._closed = True
            wait = self._loader not in (None, threading.get_ident()) and not self._given_up
        try:
            if wait:
                self._at_rest.wait()
        except BaseException:
            self._end("close() was interrupted while this version was being loaded")
            raise
        self._end()

    def _end(self, given_up: str = "") -> None:
        """With given_up, which says why, it does not wait for a version that is being loaded."""
        host = self._host
        with self._lock:
            self._closed = True
            self._waiting = None
            loading = self._loading
            leave = bool(given_up) and self._undecided and self._loader != threading.get_ident()
            if leave:
                self._given_up = given_up
                # Disabling waits for what is being delivered: for the import, if a loop runs it.
                self._disable_late = host.manager.dispatch != "thread"
        host.manager._bell.ring()  # open() need not wait any more
        if leave:
            if loading is not None:
                loading.hide()  # another plugin may have its names
            host._importer.let_go(self)
        host._forget(self, disable=not self._disable_late)
        with self._lock:
            version, self._present = self._present, None
        if version is not None:
            self._release(version)

    def _is_decided(self) -> bool:
        return self._closed or self._present is not None or self._refused is not None or self._interrupt is not None

    def _failure(self, timeout: float | None) -> BaseException:
        """Why it could not be opened."""
        if self._interrupt is not None:
            return self._interrupt
        refused = self._refused
        if refused is not None and not isinstance(refused.error, ClosedError):
            error = PluginLoadError(f"plugin {self.id!r}: {refused.message}", plugin_id=self.id)
            error.__cause__ = refused.error
            return error
        if self._closed or self._host.manager.closed:
            return ClosedError(f"plugin {self.id!r} was closed", plugin_id=self.id)
        limit = math.inf if timeout is None else timeout
        if self._loader is not None:
            return TimeoutError(
                f"plugin {self.id!r}: it is still being imported or initialised after {limit:g} s; that goes on, and "
                "is undone when it ends. Give open() a longer timeout, or mend the plugin"
            )
        return TimeoutError(f"plugin {self.id!r}: the file is not complete, or not validated, within {limit:g} s")

    def _release(self, version: Version) -> None:
        with self._lock:
            version.uses -= 1
            if version.uses > 0:
                return
        version.end(self._host._call)


class _HostManager(PluginHotReloadManager):
    """A manager whose methods may be called while the importer runs the plugin's code, as inside a callback."""

    def __init__(self, importer: Importer, options: Options) -> None:
        self._importer = importer
        super().__init__(**options)

    def __del__(self) -> None:
        pass  # its host closes it

    _fork_advice = "Make a PluginHost"

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, "PluginHost's manager")

    def reopen(self) -> None:
        """A host's plugins are loaded, from files of the parent's."""
        if self.forked:
            raise RuntimeError("a PluginHost cannot be reopened in the child of a fork: make one here")
        super().reopen()

    def _is_inside(self) -> bool:
        return super()._is_inside() or self._importer.inside()

    def _let_go(self) -> None:
        """What follows waits for the delivery, and the delivery for the code that has called it."""
        if self._importer.inside():
            self._importer.let_go()

    def disable_hot_reload(self, plugin_id: str) -> bool:
        self._let_go()
        return super().disable_hot_reload(plugin_id)

    def clear(self) -> int:
        self._let_go()
        return super().clear()

    def close(self) -> None:
        self._let_go()
        super().close()

    def _audience_changed(self) -> None:
        self._let_go()
        super()._audience_changed()


class PluginHost:
    """Loads modules from their files (source, extension modules, packages by their __init__.py) and exchanges them
    whenever a file has a new version that holds.

    A version that is rejected, cannot be imported, or whose plugin_init() or plugin_restore_state() raises changes
    nothing: the old one stays in use, on_outcome receives why, and the same bytes are not tried again. If its
    plugin_init() had succeeded, its plugin_exit() is called.

    A module may have: plugin_init(), plugin_exit(), plugin_save_state() (whatever it returns is given to the next
    version's) plugin_restore_state(state). A version is rejected if one of them is no plain function.

    Its name is ``qtforge.monitoring.plugins.ID.STEM`` in every version, and stands for the present one; see the package
    ``qtforge.monitoring.plugins``. What is named in ``SafeOptions.files`` can be imported by it, and is of its version.

    Args:
        on_outcome: receives a PluginOutcome for every version, on the thread that loads versions; on the thread that
            delivers for a version that open() has given up.
        on_save_error: what happens when plugin_save_state() of the present version raises. "reject": the present
            version stays, and the new one waits for Plugin.take_without_state(); "without_state": the new one is taken
            without the state.
        debug: whether code has the names of the original files, so that breakpoints in them bind, and not those of the
            snapshot. None: if a debugger traces the program when a version is loaded. ``__file__`` is the snapshot's in
            any case. A traceback through a version that was replaced then shows the lines of the present one.
        options: further keyword arguments of PluginHotReloadManager. dispatch says where versions are imported and
            exchanged: on the event loop, which that holds up, or with "thread" on a thread of the host's own. A service
            may prefer "thread", a plugin that makes widgets needs "qt". safe holds for every plugin, unless its own
            options name the same field.

    plugin_exit() runs where the last use() ends, or where the versions are exchanged. What it raises goes to on_error.

    Closing is the owner's duty, as for PluginHotReloadManager. The end of the interpreter closes what is left open, and
    a host that is collected warns and is closed.
    """

    def __init__(
        self,
        *,
        on_outcome: Callable[[PluginOutcome], object] | None = None,
        on_save_error: str = "reject",
        debug: bool | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_callable("on_outcome", on_outcome)
        if on_save_error not in ("reject", "without_state"):
            raise ValueError(f"on_save_error={on_save_error!r} is neither 'reject' nor 'without_state'")
        self._on_outcome = on_outcome
        self._on_save_error = on_save_error
        self._debug = debug
        self._plugins: dict[str, Plugin] = {}
        self._importer = Importer()
        self._store = Store()
        if options.get("safe") is None:
            options["safe"] = SafeOptions()  # what plugins are loaded from are snapshots
        options["raise_on_error"] = True
        if options.get("on_fork") == "reopen":
            raise ValueError('on_fork="reopen" is for managers: make a PluginHost in the process that needs it')
        self.manager: PluginHotReloadManager = _HostManager(self._importer, options)
        """For set_validator(), stats(), process_events() and pausing. Its event callback is the host's."""
        _hosts.add(self)
        self.manager.set_event_callback(self._on_event)

    def open(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        timeout: float | None = 10.0,
    ) -> Plugin:
        """Loads the present version of a plugin and watches its file.

        On a thread whose event loop delivers, and with dispatch="manual", it is loaded in here: a running import then
        cannot be left at its time, Ctrl-C interrupts the import itself, and the loop is held up meanwhile; see aopen().
        Otherwise timeout and Ctrl-C end the waiting at once; an import that is running goes on and is undone when it
        ends: plugin_exit() is called if plugin_init() has returned, and its modules are removed.

        Args:
            plugin_id: as for PluginHotReloadManager.enable_hot_reload().
            file_path: the module's file; for a package its __init__.py.
            safe: replaces those of the host's safe options that it names.
            quiet_ms: as for PluginHotReloadManager.enable_hot_reload().
            timeout: seconds to wait for the version: complete, validated, imported and initialised; None: for ever.

        Raises PluginLoadError if that version is rejected or fails (its exception is the cause), TimeoutError if it is
        not loaded in time, and what enable_hot_reload() raises.
        """
        timeout = seconds("timeout", timeout)
        if self.manager._is_inside():
            raise RuntimeError("open() was called inside a callback, or by a plugin that is being loaded")
        with self._enabled(plugin_id, file_path, safe, quiet_ms, timeout) as plugin:
            plugin._opener = threading.get_ident()
            self.manager._until(plugin._is_decided, Deadline(timeout), pump=True)
        return plugin

    async def aopen(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        timeout: float | None = 10.0,
    ) -> Plugin:
        """open() for coroutines of asyncio and trio. Cancelling it ends the waiting as timeout does.

        While the loop itself imports the version nothing else can run on it: use dispatch="thread" where it must.
        """
        timeout = seconds("timeout", timeout)
        with self._enabled(plugin_id, file_path, safe, quiet_ms, timeout) as plugin:
            await self.manager._until_async(plugin._is_decided, Deadline(timeout))
        return plugin

    @contextlib.contextmanager
    def _enabled(
        self, plugin_id: str, file_path: StrPath, safe: SafeOptions | None, quiet_ms: int, timeout: float | None
    ) -> Generator[Plugin, None, None]:
        """A plugin that is to be decided on in the with block; closed again unless its version was taken."""
        plugin = Plugin(self, plugin_id, Layout.of(file_path, getattr(safe, "files", None) or ()))
        try:
            self._plugins.setdefault(plugin_id, plugin)
            self.manager.enable_hot_reload(plugin_id, file_path, quiet_ms=quiet_ms, deliver_present=True, safe=safe)
        except BaseException:
            self._forget(plugin, disable=False)
            raise
        try:
            yield plugin
            if plugin._present is None:
                raise plugin._failure(timeout)
        except BaseException as error:
            why = f"open() gave up waiting for it on {type(error).__name__}"
            if isinstance(error, TimeoutError) and timeout is not None:
                why = f"open() gave up waiting for it after {timeout:g} s"
            elif isinstance(error, ClosedError):
                why = _CLOSED
            plugin._end(why)
            raise
        plugin._opener = None

    @property
    def plugins(self) -> list[Plugin]:
        """The plugins that are open, in the order of opening."""
        return [plugin for plugin in list(self._plugins.values()) if plugin._present is not None]

    def get(self, plugin_id: str) -> Plugin | None:
        """The plugin that is open under that id; None if none is."""
        plugin = self._plugins.get(plugin_id)
        return None if plugin is None or plugin._present is None else plugin

    def run(self) -> None:
        """Waits and exchanges versions until close() is called or Ctrl-C is pressed, as the manager's run()."""
        self.manager.run()

    def wait(self, timeout: float | None = None) -> Delivered:
        """Waits up to timeout seconds (None: for ever) for a delivery, as the manager's wait().

        A delivery is a version, taken or not, or another event of the manager's. on_outcome has been called then.
        """
        return self.manager.wait(timeout)

    def close(self) -> None:
        """Closes every plugin and the manager.

        Waits as Plugin.close() does. Versions in use() keep their files until the last use() ends.
        """
        interrupt: BaseException | None = None
        for plugin in list(self._plugins.values()):
            try:
                plugin.close()
            except BaseException as error:
                interrupt = error
        self.manager.close()
        self._importer.close()
        if interrupt is not None:
            raise interrupt

    async def aclose(self) -> None:
        """close() for coroutines: the loop is not blocked while a version is being loaded in another thread."""
        if self.manager.dispatch not in ("asyncio", "trio"):
            await self.manager.aclose()
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        manager: _HostManager | None = self.__dict__.get("manager")  # None if it could not be made
        if manager is None or sys.is_finalizing() or os.getpid() != manager._pid:
            return
        if not manager.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        self.close()

    # ------------------------------------------------------------------ inside

    def _forget(self, plugin: Plugin, *, disable: bool) -> None:
        if self._plugins.get(plugin.id) is plugin:
            del self._plugins[plugin.id]
            if disable:
                self._disable(plugin.id)
        _finding.withdraw(plugin._package)
        self._store.forget(plugin._package.rpartition(".")[2])
        _names.give_back(plugin._package)

    def _disable(self, plugin_id: str) -> None:
        with contextlib.suppress(ClosedError):
            self.manager.disable_hot_reload(plugin_id)

    def _call(self, function: Callable[[None], object]) -> None:
        """Too late to reject anything: what it raises goes to on_error."""
        self.manager._call(function, None)

    def _run(self, plugin: Plugin, job: Callable[[], None]) -> bool:
        """Runs what loads versions where they are loaded. False if nobody waits for it any longer."""
        if self.manager.dispatch != "thread":
            job()
            return True

        def guarded() -> None:
            self.manager._call(lambda _: job(), None)
            self.manager._bell.ring()  # the delivery does, but it may have ended before

        return self._importer.run(guarded, plugin)

    def _on_event(self, event: Event) -> None:
        plugin = self._plugins.get(event.plugin_id)
        if plugin is None:
            return
        if event.kind is EventKind.REJECTED:
            outcome = PluginOutcome(plugin.id, False, 0, plugin.generation, event.message)
            self._run(plugin, lambda: self._tell(plugin, outcome))
        elif event.kind is EventKind.FILE_CHANGED or (
            event.kind is EventKind.ROLLBACK and event.generation not in (0, plugin.generation)
        ):
            attempt = _Attempt(event)
            if not self._run(plugin, lambda: self._exchange(plugin, attempt)) and plugin._given_up:
                self._report(plugin, attempt, ReloadOutcome.FAILED, plugin._given_up)

    def _exchange(self, plugin: Plugin, attempt: _Attempt, *, with_state: bool = True) -> None:
        """Loads a generation and puts it in the place of the present one. If that fails, nothing has changed."""
        with plugin._lock:
            if plugin._closed:
                return
            plugin._waiting = None
            plugin._loader = threading.get_ident()
            plugin._undecided = True
            plugin._at_rest.clear()
        note, failure = "", None
        try:
            version = self._load(plugin, attempt.event)
            note = self._hand_over(plugin._present, version) if with_state else "taken without state"
            self._install(plugin, version)
        except BaseException as error:  # SystemExit of a plugin, too
            failure = error
            if plugin._loading is not None:
                plugin._loading.end(self._call)
        with plugin._lock:
            plugin._loader = plugin._loading = None
            plugin._undecided = False
            late = plugin._disable_late
        plugin._at_rest.set()
        try:
            self._decide(plugin, attempt, failure, note)
        finally:
            if late:
                self._disable(plugin.id)

    def _load(self, plugin: Plugin, event: Event) -> Version:
        assert plugin._layout is not None  # or it could not have been enabled
        debug = is_debugged() if self._debug is None else self._debug
        version = Version(event.generation, event.snapshot_path, plugin._package, plugin._layout, self._store, debug)
        with plugin._lock:
            plugin._loading = version
        version.load()
        return version

    def _hand_over(self, old: Version | None, new: Version) -> str:
        """Gives the state to the new version. Returns a note if it had to be left behind."""
        if old is None or not old.has("plugin_save_state") or not new.has("plugin_restore_state"):
            return ""
        try:
            state = old.call("plugin_save_state")
        except HookError as error:
            if self._on_save_error == "reject":
                raise
            return f"taken without state: {error}"
        new.call("plugin_restore_state", state)
        return ""

    def _install(self, plugin: Plugin, version: Version) -> None:
        with plugin._lock:
            if plugin._closed:  # by its own code, or by whoever has given up waiting for it
                why = plugin._given_up or _CLOSED
                raise ClosedError(why, plugin_id=plugin.id)
            version.activate()
            old, plugin._present = plugin._present, version
            plugin._loading = None
            plugin._undecided = False
        if old is not None:
            plugin._release(old)

    def _decide(self, plugin: Plugin, attempt: _Attempt, failure: BaseException | None, note: str) -> None:
        """Says what became of a version."""
        if failure is None:
            self._report(plugin, attempt, ReloadOutcome.OK, note)
        elif is_ctrl_c(failure):  # the version is not at fault
            with contextlib.suppress(HotReloadError):
                self.manager.report_reload(plugin.id, attempt.event.generation, ReloadOutcome.RELEASED)
            if plugin._opener != threading.get_ident():
                raise failure
            plugin._interrupt = failure
        elif isinstance(failure, HookError) and failure.function == "plugin_save_state":
            with plugin._lock:
                plugin._waiting = None if plugin._closed else attempt.event
            message = (
                f"{failure}; generation {attempt.event.generation} is not at fault and waits: "
                'Plugin.take_without_state() takes it, and PluginHost(on_save_error="without_state") takes all such'
            )
            self._report(plugin, attempt, None, message, failure.cause)
        else:
            hook = isinstance(failure, HookError)
            message = str(failure) if hook or isinstance(failure, ClosedError) else text_of(failure)
            cause = failure.cause if isinstance(failure, HookError) else failure
            if plugin._layout is not None:
                message += plugin._layout.advice(cause, plugin._package, attempt.event.snapshot_path)
            self._report(plugin, attempt, ReloadOutcome.FAILED, message, cause)

    def _report(
        self,
        plugin: Plugin,
        attempt: _Attempt,
        outcome: ReloadOutcome | None,
        message: str,
        error: BaseException | None = None,
    ) -> None:
        """To the library, unless it is not to be remembered, and to on_outcome; once for each attempt."""
        with plugin._lock:
            if attempt.told:
                return
            attempt.told = True
        generation = attempt.event.generation
        if outcome is not None:
            with contextlib.suppress(HotReloadError):  # closed meanwhile
                self.manager.report_reload(plugin.id, generation, outcome, message)
        ok = outcome is ReloadOutcome.OK
        self._tell(
            plugin,
            PluginOutcome(plugin.id, ok, generation, plugin.generation, message, error, outcome is None),
        )

    def _tell(self, plugin: Plugin, outcome: PluginOutcome) -> None:
        if not outcome.ok and plugin._present is None:
            plugin._refused = outcome
        if self._on_outcome is not None:
            self._on_outcome(outcome)


_hosts: weakref.WeakSet[PluginHost] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """At the end of the interpreter plugins are unloaded, no import is waited for, and the disk is left clean."""
    for host in list(_hosts):
        if os.getpid() == host.manager._pid:
            host._importer.let_go()
            for plugin in list(host._plugins.values()):
                plugin._end("the interpreter ends")
    _living.close_all()
    _trees.remove_all()
