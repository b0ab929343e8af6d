"""A host for plugins written in Python, or for it: modules exchanged while they are in use, with a way back."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import itertools
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from ._arguments import StrPath
from ._manager import PluginHotReloadManager
from ._waiting import Deadline
from .errors import ClosedError, HotReloadError
from .events import Event, EventKind
from .safe import ReloadOutcome, SafeOptions

if TYPE_CHECKING:
    from typing_extensions import Self

_numbers = itertools.count(1)
_counting = threading.Lock()  # free-threaded builds need it


class PluginLoadError(HotReloadError):
    """The present version of a plugin was refused, or fails."""


@dataclass(frozen=True)
class PluginOutcome:
    """What became of a version."""

    plugin_id: str
    ok: bool
    generation: int
    """Of the version; 0 if it was refused before it was loaded."""
    present: int
    """Of the version that is in use now; 0 if there is none."""
    message: str
    error: BaseException | None = None


class _Loader(importlib.machinery.SourceFileLoader):
    """Leaves nothing beside a snapshot, and so finds nothing there."""

    def set_data(self, path: Any, data: Any, *, _mode: int = 0o666) -> None:
        pass


class _Version:
    """One loaded generation."""

    def __init__(self, generation: int, name: str, module: ModuleType) -> None:
        self.generation = generation
        self.name = name
        self.module = module
        self.uses = 1  # of its being present, and of each use()


class Plugin:
    """A plugin that PluginHost.open() has loaded."""

    def __init__(self, host: PluginHost, plugin_id: str) -> None:
        self.id = plugin_id
        self._host = host
        self._lock = threading.RLock()  # the collector may end a use() while this very thread is in here
        self._closed = False
        self._present: _Version | None = None
        self._refused: PluginOutcome | None = None  # the first version was

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
        """Pins the present version for a with block: its plugin_exit() is called after the last of them has ended."""
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

    def close(self) -> None:
        """Ends the watching and unloads the plugin once it is not in use any more."""
        self._closed = True
        self._host.manager._bell.ring()  # open() need not wait any more
        self._host._forget(self)
        with self._lock:
            version, self._present = self._present, None
        if version is not None:
            self._release(version)

    def _is_decided(self) -> bool:
        return self._closed or self._present is not None or self._refused is not None

    def _failure(self) -> Exception:
        """Why it could not be opened."""
        refused = self._refused
        if refused is not None:
            error = PluginLoadError(f"plugin {self.id!r}: {refused.message}", plugin_id=self.id)
            error.__cause__ = refused.error
            return error
        if self._closed or self._host.manager.closed:
            return ClosedError(f"plugin {self.id!r} was closed", plugin_id=self.id)
        return TimeoutError(f"plugin {self.id!r}: the file is not whole, or not validated, in time")

    def _release(self, version: _Version) -> None:
        with self._lock:
            version.uses -= 1
            if version.uses > 0:
                return
        for name in [n for n in sys.modules if n == version.name or n.startswith(version.name + ".")]:
            sys.modules.pop(name, None)
        leave = getattr(version.module, "plugin_exit", None)
        if leave is not None:

            def plugin_exit(_: None) -> None:
                leave()

            # Too late to refuse anything: the next version is in use already.
            self._host.manager._call(plugin_exit, None)

    def _take(self, event: Event) -> None:
        """Loads a generation and puts it in the place of the present one. Whatever it raises, nothing has changed."""
        version = _load(event)
        try:
            old = self._present
            save = getattr(old.module, "plugin_save_state", None) if old is not None else None
            restore = getattr(version.module, "plugin_restore_state", None)
            if save is not None and restore is not None:
                restore(save())
        except BaseException:
            sys.modules.pop(version.name, None)
            raise
        with self._lock:
            if self._closed:  # by the plugin itself
                old = version
            else:
                self._present = version
        if old is not None:
            self._release(old)


def _load(event: Event) -> _Version:
    """A fresh module of a snapshot, under a name of its own: old and new live side by side."""
    path = Path(event.snapshot_path)
    package = path.stem == "__init__"
    stem = (Path(event.path).parent.name if package else path.stem).split(".")[0]
    with _counting:
        number = next(_numbers)
    name = f"_hotreload_{number}.{stem}"  # an extension module is found by the last part of its name
    loader = _Loader(name, str(path)) if path.suffix in importlib.machinery.SOURCE_SUFFIXES else None
    spec = importlib.util.spec_from_file_location(
        name, path, loader=loader, submodule_search_locations=[str(path.parent)] if package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        init = getattr(module, "plugin_init", None)
        if init is not None:
            init()
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return _Version(event.generation, name, module)


class PluginHost:
    """Loads modules from their files (source, extension modules, packages by their __init__.py) and exchanges them
    whenever a file has a new version that holds.

    A version that is refused, cannot be imported, or whose plugin_init() or plugin_restore_state() raises changes
    nothing: the old one stays in use, on_outcome is told, and the same bytes are not tried again.

    A module may have: plugin_init(), plugin_exit(), plugin_save_state() (whatever it returns is given to the next
    version's) plugin_restore_state(state).

    Args:
        on_outcome: receives a PluginOutcome for every version.
        dispatch: where versions are imported and exchanged; as for PluginHotReloadManager. An import on an event loop
            holds it up: a service may prefer "thread", a plugin that makes widgets needs "qt".
        options: further keyword arguments of PluginHotReloadManager.

    plugin_exit() runs where the last use() ends, or where the versions are exchanged. What it raises goes to on_error.
    """

    def __init__(
        self,
        *,
        on_outcome: Callable[[PluginOutcome], object] | None = None,
        dispatch: str = "auto",
        **options: Any,
    ) -> None:
        self._on_outcome = on_outcome
        self._plugins: dict[str, Plugin] = {}
        self.manager = PluginHotReloadManager(dispatch=dispatch, raise_on_error=True, **options)
        """For set_validator(), stats(), process_events() and pausing. Its event callback is the host's."""
        self.manager.set_event_callback(self._on_event)

    def open(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        timeout: float = 10.0,
    ) -> Plugin:
        """Loads the present version of a plugin and watches its file.

        On a thread whose event loop delivers, it is loaded in here, and the loop is held up meanwhile; see aopen().

        Raises PluginLoadError if that version is refused or fails (its exception is the cause), TimeoutError if it is
        not whole and validated in time, and what enable_hot_reload() raises.
        """
        if self.manager._is_inside():
            raise RuntimeError("open() was called inside a callback, or by a plugin that is being loaded")
        with self._enabled(plugin_id, file_path, safe, quiet_ms) as plugin:
            self.manager._until(plugin._is_decided, Deadline(timeout), pump=True)
        return plugin

    async def aopen(
        self,
        plugin_id: str,
        file_path: StrPath,
        *,
        safe: SafeOptions | None = None,
        quiet_ms: int = 0,
        timeout: float = 10.0,
    ) -> Plugin:
        """open() for coroutines of asyncio and trio."""
        with self._enabled(plugin_id, file_path, safe, quiet_ms) as plugin:
            await self.manager._until_async(plugin._is_decided, Deadline(timeout))
        return plugin

    @contextlib.contextmanager
    def _enabled(
        self, plugin_id: str, file_path: StrPath, safe: SafeOptions | None, quiet_ms: int
    ) -> Generator[Plugin, None, None]:
        """A plugin that is to be decided on in the with block; closed again unless its version was taken."""
        plugin = Plugin(self, plugin_id)
        if plugin_id not in self._plugins:
            self._plugins[plugin_id] = plugin
        try:
            self.manager.enable_hot_reload(
                plugin_id, file_path, quiet_ms=quiet_ms, deliver_present=True, safe=safe or SafeOptions()
            )
        except BaseException:
            if self._plugins.get(plugin_id) is plugin:
                del self._plugins[plugin_id]
            raise
        try:
            yield plugin
            if plugin._present is None:
                raise plugin._failure()
        except BaseException:
            plugin.close()
            raise

    def close(self) -> None:
        """Closes every plugin and the manager."""
        for plugin in list(self._plugins.values()):
            plugin.close()
        self.manager.close()

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

    def _forget(self, plugin: Plugin) -> None:
        if self._plugins.get(plugin.id) is plugin:
            del self._plugins[plugin.id]
            with contextlib.suppress(ClosedError):
                self.manager.disable_hot_reload(plugin.id)

    def _on_event(self, event: Event) -> None:
        plugin = self._plugins.get(event.plugin_id)
        if plugin is None:
            return
        if event.kind is EventKind.REJECTED:
            self._tell(plugin, PluginOutcome(plugin.id, False, 0, plugin.generation, event.message))
        elif event.kind is EventKind.FILE_CHANGED or (
            event.kind is EventKind.ROLLBACK and event.generation not in (0, plugin.generation)
        ):
            self._exchange(plugin, event)

    def _exchange(self, plugin: Plugin, event: Event) -> None:
        failure: BaseException | None = None
        message = ""
        try:
            plugin._take(event)
        except BaseException as error:  # SystemExit of a plugin, too
            failure, message = error, f"{type(error).__name__}: {error}"
        outcome = ReloadOutcome.OK if failure is None else ReloadOutcome.FAILED
        with contextlib.suppress(HotReloadError):  # closed meanwhile
            self.manager.report_reload(plugin.id, event.generation, outcome, message)
        if isinstance(failure, KeyboardInterrupt):
            raise failure  # the user's, not the plugin's
        self._tell(
            plugin,
            PluginOutcome(plugin.id, failure is None, event.generation, plugin.generation, message, failure),
        )

    def _tell(self, plugin: Plugin, outcome: PluginOutcome) -> None:
        if not outcome.ok and plugin._present is None:
            plugin._refused = outcome
        if self._on_outcome is not None:
            self._on_outcome(outcome)
