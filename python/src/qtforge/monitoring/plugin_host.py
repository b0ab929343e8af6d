# SPDX-License-Identifier: MIT
"""A host for plugins written in Python, or for it: modules exchanged while they are in use, with a way back.

Which step follows which, how long each may take, and what its failure means, is decided by the library (package
core/reload), for all languages alike. Here are the steps of Python.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _abi_hosts, _living, _trees
from . import plugins as plugins  # the names of their modules begin with its name
from ._arguments import StrPath, check_callable, id_bytes, int32, path_bytes, seconds
from ._delivering import EventCallback
from ._files import located
from ._host_manager import HostManager
from ._host_native import end_all
from ._manager import Options, PluginHotReloadManager
from ._plugin import Plugin, PluginLoadError, PluginsUse, PluginUnavailableError, pin_all, pin_all_async
from ._trees import Store
from ._versions import Layout, Loader
from ._waiting import Deadline, Delivered
from .errors import AlreadyExistsError
from .outcomes import MODES, Mode, PluginOutcome, PluginSet, PluginSpec, StepLimits
from .safe import SafeOptions, arguments, verdict_of_set

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Plugin", "PluginHost", "PluginLoadError", "PluginUnavailableError"]


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
        on_event: EventCallback | None = None,
        on_save_error: str = "reject",
        debug: bool | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_callable("on_outcome", on_outcome)
        if on_save_error not in ("reject", "without_state"):
            raise ValueError(f"on_save_error={on_save_error!r} is neither 'reject' nor 'without_state'")
        check_callable("on_event", on_event)
        self._on_outcome = on_outcome
        self._on_save_error = on_save_error
        self._debug = debug
        self._plugins: dict[str, Plugin] = {}
        self._lock = threading.RLock()
        self._store = Store()
        if options.get("safe") is None:
            options["safe"] = SafeOptions()  # what plugins are loaded from are snapshots
        options["raise_on_error"] = True
        if options.get("on_fork") == "reopen":
            raise ValueError('on_fork="reopen" is for managers: make a PluginHost in the process that needs it')
        self._safe = options.get("safe")
        weak = weakref.ref(self)

        def hear(outcome: PluginOutcome) -> None:
            host = weak()
            if host is not None:
                host._hear(outcome)

        self._manager = HostManager(hear, options)
        self._native = self._manager.native
        _hosts.add(self)
        if on_event is not None:
            self._manager.set_event_callback(on_event)

    @property
    def manager(self) -> PluginHotReloadManager:
        """For set_validator(), stats(), process_events() and pausing. An event callback hears what the host hears."""
        return self._manager

    def open(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        mode: Mode = "side_by_side",
        needs: Sequence[str] = (),
        allow_missing: bool = False,
        limits: StepLimits | None = None,
        timeout: float | None = 10.0,
    ) -> Plugin:
        """Loads the present version of a plugin and watches its file.

        On a thread whose event loop delivers, and with dispatch="manual", it is loaded in here: a running import then
        cannot be left at its time, Ctrl-C interrupts the import itself, and the loop is held up meanwhile; see aopen().
        Otherwise timeout and Ctrl-C end the waiting at once; an import that is running goes on and is undone when it
        ends: plugin_exit() is called if plugin_init() has returned, and its modules are removed. Until then, or until
        its limit is over, the id cannot be opened again.

        Args:
            plugin_id: as for PluginHotReloadManager.enable_hot_reload().
            file_path: the module's file; for a package its __init__.py, or its directory: then all modules in it belong
                to the plugin, unless SafeOptions.files names others.
            safe: replaces those of the host's safe options that it names. Patterns in its files ("*.py", "data/**") are
                expanded now.
            quiet_ms: as for PluginHotReloadManager.enable_hot_reload().
            mode: the order of an exchange. "side_by_side": the new version begins while the old one answers.
                "exit_first": the old plugin_exit() is called before the new plugin_init(), for what owns a port, a lock
                or a device. "unload_first": the old version is also removed before the new one is imported, for what
                registers itself when it is imported. With the last two, uses wait meanwhile.
            needs: ids of the plugins that this one uses, which are open. They are exchanged before it, and it is
                exchanged or restarted with them. A plugin_init() with a parameter receives their modules by id.
            allow_missing: open it although its file is missing; its first version is loaded when the file appears.
            limits: how long its steps may take.
            timeout: seconds to wait for the version: complete, validated, imported and initialised; None: for ever.

        Raises PluginLoadError if that version is rejected or fails (its exception is the cause), TimeoutError if it is
        not loaded in time, and what enable_hot_reload() raises. See also open_all().
        """
        spec = PluginSpec(plugin_id, file_path, safe, quiet_ms, mode, needs, allow_missing, limits)
        return self.open_all([spec], timeout=timeout)[0]

    async def aopen(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        mode: Mode = "side_by_side",
        needs: Sequence[str] = (),
        allow_missing: bool = False,
        limits: StepLimits | None = None,
        timeout: float | None = 10.0,
    ) -> Plugin:
        """open() for coroutines of asyncio and trio. Cancelling it ends the waiting as timeout does.

        While the loop itself imports the version nothing else can run on it: use dispatch="thread" where it must.
        """
        spec = PluginSpec(plugin_id, file_path, safe, quiet_ms, mode, needs, allow_missing, limits)
        return (await self.aopen_all([spec], timeout=timeout))[0]

    def open_all(
        self, specs: Sequence[PluginSpec], *, together: PluginSet | None = None, timeout: float | None = 10.0
    ) -> list[Plugin]:
        """Opens several plugins, all or none.

        Args:
            specs: the plugins, in any order; they may need each other.
            together: a set that they are in: from now on they are exchanged together, all or none.
            timeout: as for open(), for all of them.

        Raises what open() raises for the first that fails, InvalidArgumentError for plugins that need each other in a
        circle. See also use().
        """
        timeout = seconds("timeout", timeout)
        if self._manager._is_inside():
            raise RuntimeError("open() was called inside a callback, or by a plugin that is being loaded")
        deadline = Deadline(timeout)
        self._manager._until(lambda: not self._are_ending(specs), deadline, pump=True)
        with self._opening(specs, together, timeout) as opened:
            self._manager._until(lambda: _are_decided(opened), deadline, pump=True)
        return opened

    async def aopen_all(
        self, specs: Sequence[PluginSpec], *, together: PluginSet | None = None, timeout: float | None = 10.0
    ) -> list[Plugin]:
        """open_all() for coroutines of asyncio and trio."""
        timeout = seconds("timeout", timeout)
        deadline = Deadline(timeout)
        await self._manager._until_async(lambda: not self._are_ending(specs), deadline)
        with self._opening(specs, together, timeout) as opened:
            await self._manager._until_async(lambda: _are_decided(opened), deadline)
        return opened

    def use(self, *plugin_ids: str) -> PluginsUse:
        """Pins versions of several plugins, such as answered at the same moment; see Plugin.use().

        ``with host.use("data", "view") as (data, view):``

        Raises PluginUnavailableError if no version of one of them answers.
        """

        def chosen() -> list[Plugin]:
            return [self._plugin(plugin_id) for plugin_id in plugin_ids]

        return PluginsUse(lambda: pin_all(chosen()), lambda: pin_all_async(chosen()), single=False)

    @property
    def plugins(self) -> list[Plugin]:
        """The plugins that are open, in the order of opening."""
        return [plugin for plugin in list(self._plugins.values()) if plugin._opened and not plugin.closed]

    def get(self, plugin_id: str) -> Plugin | None:
        """The plugin that is open under that id; None if none is."""
        plugin = self._plugins.get(plugin_id)
        return None if plugin is None or not plugin._opened or plugin.closed else plugin

    def run(self) -> None:
        """Waits and exchanges versions until close() is called or Ctrl-C is pressed, as the manager's run()."""
        self._manager.run()

    def wait(self, timeout: float | None = None) -> Delivered:
        """Waits up to timeout seconds (None: for ever) for a delivery, as the manager's wait().

        A delivery is a version, taken or not, or another event of the manager's. on_outcome has been called then.
        """
        return self._manager.wait(timeout)

    def close(self) -> None:
        """Closes every plugin and the manager.

        Waits until all versions have ended that are not in use. Those in use keep their files until the last use()
        ends. It does not wait for a first version that open() has given up. No outcome is delivered any more. Ctrl-C
        ends the waiting; the rest ends by itself.
        """
        self._manager.close()
        self._plugins.clear()

    async def aclose(self) -> None:
        """close() for coroutines: the loop is not blocked while it waits."""
        await self._manager.aclose()
        self._plugins.clear()

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
        manager: HostManager | None = self.__dict__.get("_manager")  # None if it could not be made
        if manager is None or sys.is_finalizing() or os.getpid() != manager._pid:
            return
        if not manager.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        self.close()

    # ------------------------------------------------------------------ inside

    def _plugin(self, plugin_id: str) -> Plugin:
        plugin = self.get(plugin_id)
        if plugin is None:
            raise PluginUnavailableError(f"no plugin {plugin_id!r} is open", plugin_id=plugin_id)
        return plugin

    def _are_ending(self, specs: Sequence[PluginSpec]) -> bool:
        """Whether closed plugins of these ids have versions that have not ended."""
        return any(loader is not None and loader.ended for loader in map(self._loader_of, specs))

    def _loader_of(self, spec: PluginSpec) -> Loader | None:
        return self._native.loaders.get(spec.plugin_id) if isinstance(spec.plugin_id, str) else None

    @contextlib.contextmanager
    def _opening(
        self, specs: Sequence[PluginSpec], together: PluginSet | None, timeout: float | None
    ) -> Generator[list[Plugin], None, None]:
        """Plugins that are to be decided on in the with block; closed again unless all were taken."""
        self._manager._usable()
        self._manager._delivers()
        opened: list[Plugin] = []
        try:
            self._register(specs, together, opened)
            yield opened
            failed = [plugin for plugin in opened if plugin._has_failed()]
            failed += [plugin for plugin in opened if not plugin._is_decided() or plugin.closed]
            if failed:
                raise failed[0]._failure(timeout)
        except BaseException:
            for plugin in reversed(opened):
                plugin._give_up()
            for plugin in opened:  # those that others needed
                plugin._give_up()
            raise
        for plugin in opened:
            plugin._opened, plugin._loader.opening = True, False

    def _register(self, specs: Sequence[PluginSpec], together: PluginSet | None, opened: list[Plugin]) -> None:
        """Opens them in the library, which loads them from now on."""
        openings: list[tuple[bytes, bytes, _abi_hosts.PluginOptions]] = []
        for spec in specs:
            plugin_id = id_bytes(spec.plugin_id)
            path, safe = located(spec.plugin_id, spec.file_path, spec.safe, self._safe)
            openings.append((plugin_id, path_bytes(spec.plugin_id, path), self._options(spec, safe)))
            opened.append(self._new_plugin(spec, path, safe))
        options = None if together is None else self._set_options(together)
        filename = os.fspath(specs[0].file_path) if len(specs) == 1 else None
        for plugin, handle in zip(opened, self._open_natively(openings, options, filename), strict=True):
            plugin._handle = handle

    def _open_natively(self, openings: Any, options: Any, filename: Any) -> list[int]:
        """A plugin that has ended is known to the library for a moment longer than here."""
        deadline = Deadline(1.0)
        while True:
            try:
                return self._native.open_all(openings, options, filename)
            except AlreadyExistsError:
                if deadline.passed():
                    raise
                time.sleep(0.001)

    def _new_plugin(self, spec: PluginSpec, path: StrPath, safe: SafeOptions | None) -> Plugin:
        named = safe if safe is not None and safe.files is not None else self._safe
        layout = Layout.of(path, (named.files if named is not None else None) or ())
        assert layout is not None  # it is a path
        needs = dict.fromkeys(spec.needs)
        with self._lock:
            if self._loader_of(spec) is not None:
                raise AlreadyExistsError(
                    f"plugin {spec.plugin_id!r} is open already, or has not ended yet; close it first",
                    plugin_id=spec.plugin_id,
                )
            loader = Loader(spec.plugin_id, layout, self._store, self._debug, list(needs))
            self._native.loaders[spec.plugin_id] = loader
            plugin = self._plugins[spec.plugin_id] = Plugin(self, spec, loader)
        plugin._waits = not (spec.allow_missing and not os.path.exists(path))
        return plugin

    def _options(self, spec: PluginSpec, safe: SafeOptions | None) -> _abi_hosts.PluginOptions:
        options = _abi_hosts.PluginOptions(ctypes.sizeof(_abi_hosts.PluginOptions))
        options.flags = (_abi_hosts.PLUGIN_ALLOW_MISSING if spec.allow_missing else 0) | (
            _abi_hosts.PLUGIN_STATE_OPTIONAL if self._on_save_error == "without_state" else 0
        )
        options.mode = MODES.index(spec.mode)
        options.quiet_ms = spec.quiet_ms
        needs = [id_bytes(each) for each in dict.fromkeys(spec.needs)]
        options.needs = (ctypes.c_char_p * (len(needs) + 1))(*needs, None)
        limits = spec.limits or StepLimits()
        for name in ("load", "init", "save", "restore", "exit", "unload", "hand_over"):
            setattr(options, f"{name}_timeout_ms", limits.milliseconds(name))
        options.in_use_ms = limits.milliseconds("in_use")
        options.safe = arguments(safe)
        return options

    def _set_options(self, together: PluginSet) -> _abi_hosts.SetOptions:
        check = together.check

        def ask(raw: Any, count: int) -> str | Literal[True]:
            assert check is not None
            return verdict_of_set(check, self._manager._validating, [raw[i] for i in range(count)])

        set_id = id_bytes(together.set_id)
        return self._native.set_options(
            set_id, int32("wait", int(together.wait * 1000)), None if check is None else ask
        )

    def _hear(self, outcome: PluginOutcome) -> None:
        plugin = self._plugins.get(outcome.plugin_id)
        if plugin is not None:
            plugin._hear(outcome)
        if self._on_outcome is not None:
            self._manager._call(self._on_outcome, outcome)

    def _forget(self, plugin: Plugin) -> None:
        with self._lock:
            if self._plugins.get(plugin.id) is plugin:
                del self._plugins[plugin.id]


def _are_decided(opened: Sequence[Plugin]) -> bool:
    return all(plugin._is_decided() for plugin in opened) or any(plugin._has_failed() for plugin in opened)


_hosts: weakref.WeakSet[PluginHost] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """At the end of the interpreter plugins are unloaded, no import is waited for, and the disk is left clean."""
    for host in list(_hosts):
        if os.getpid() == host._manager._pid and not host._manager.closed:
            host._manager.close_at_exit()
    end_all()
    _living.close_all()
    _trees.remove_all()
