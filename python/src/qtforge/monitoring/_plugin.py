# SPDX-License-Identifier: MIT
"""An open plugin of a PluginHost, and its use."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from ._versions import Loader, Version
from ._waiting import Deadline, async_library
from .errors import ClosedError, HotReloadError, PluginErrorCode
from .outcomes import PluginOutcome, PluginSpec, Verdict

if TYPE_CHECKING:
    from .plugin_host import PluginHost

_PAUSE = 0.005  # seconds; uses are held for moments


class PluginLoadError(HotReloadError):
    """The present version of a plugin was rejected, or fails."""


class PluginUnavailableError(HotReloadError, RuntimeError):
    """No version of a plugin answers: it has none yet, it was closed, or its last one has stopped."""

    code = PluginErrorCode.InvalidState


class _Pin:
    """A version that is pinned by one use, and by those inside that use."""

    __slots__ = ("count", "handle", "plugin", "version")

    def __init__(self, plugin: Plugin, handle: int, version: Version) -> None:
        self.plugin, self.handle, self.version = plugin, handle, version
        self.count = 1

    def again(self) -> bool:
        """Pins once more, unless the last use has ended."""
        with self.version.loader.lock:
            if self.count == 0:
                return False
            self.count += 1
            return True

    def release(self) -> None:
        with self.version.loader.lock:
            self.count -= 1
            if self.count > 0:
                return
            self.version.uses -= 1
        self.plugin._native.release_use(self.handle)


_pins: ContextVar[tuple[_Pin, ...]] = ContextVar("qtforge.monitoring uses", default=())


class Use:
    """A context manager that pins versions: ``with`` gives the module of one plugin, or of several as a tuple.

    Made by Plugin.use() and PluginHost.use(). ``async with`` waits without blocking the loop of asyncio or trio.
    """

    __slots__ = ("_acquire", "_acquire_async", "_pinned", "_single")

    def __init__(self, acquire: Callable[[], list[_Pin]], acquire_async: Callable[[], Any], single: bool) -> None:
        self._acquire, self._acquire_async, self._single = acquire, acquire_async, single
        self._pinned: list[list[_Pin]] = []

    def _entered(self, pinned: list[_Pin]) -> Any:
        self._pinned.append(pinned)
        _pins.set((*_pins.get(), *pinned))
        return pinned[0].version.module if self._single else tuple(pin.version.module for pin in pinned)

    def __enter__(self) -> Any:
        return self._entered(self._acquire())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pinned = self._pinned.pop()
        _pins.set(tuple(pin for pin in _pins.get() if pin not in pinned))
        for pin in pinned:
            pin.release()

    async def __aenter__(self) -> Any:
        return self._entered(await self._acquire_async())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class PluginUse(Use):
    """What Plugin.use() returns."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __enter__(self) -> ModuleType: ...

        async def __aenter__(self) -> ModuleType: ...


class PluginsUse(Use):
    """What PluginHost.use() returns."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __enter__(self) -> tuple[ModuleType, ...]: ...

        async def __aenter__(self) -> tuple[ModuleType, ...]: ...


class Plugin:
    """A plugin that PluginHost.open() has loaded."""

    def __init__(self, host: PluginHost, spec: PluginSpec, loader: Loader) -> None:
        self.id = spec.plugin_id
        self._spec = spec
        self._host = host
        self._native = host._native
        self._loader = loader
        self._handle: int | None = None
        self._opened = False
        self._closed = False
        self._waits = True  # open() does, for the first version
        self._first: PluginOutcome | None = None

    @property
    def module(self) -> ModuleType:
        """The module of the present version. It may be another one at the next look; see use().

        Raises PluginUnavailableError if no version answers.
        """
        while True:
            version = self._look()
            if version is None:
                raise self._unavailable()
            try:
                return version.module
            except RuntimeError:  # it was exchanged and unloaded just now
                continue

    @property
    def generation(self) -> int:
        """Of the present version; 0 if there is none."""
        version = self._look()
        return 0 if version is None else version.generation

    @property
    def closed(self) -> bool:
        """Whether the plugin, or its host, was closed."""
        return self._closed or self._host._manager.closed

    def use(self) -> PluginUse:
        """Pins the present version for a with block: its plugin_exit() is called after the last of them has ended.

        Until then it keeps its files: what it imports inside its functions, its data files, and what tracebacks show.

        While versions are exchanged that hand their state over or exit first, a new use waits. On the loop of asyncio
        or trio write ``async with plugin.use() as module``: other tasks run meanwhile. A use inside another use of the
        same plugin, in the same thread or task, gives the version of that one and does not wait.

        Raises PluginUnavailableError if no version answers, RuntimeError in a hook that would wait for its exchange.
        """
        return PluginUse(self._pin_one, self._pin_one_async, single=True)

    def fail(self, message: str = "", generation: int | None = None) -> None:
        """The present version (or that generation) misbehaves: goes back, and does not take it again.

        Raises PluginUnavailableError if the plugin was closed, InvalidArgumentError for a generation that is not known.
        """
        generation = self.generation if generation is None else generation
        self._native.fail(self._open_handle(), generation, message.replace("\0", "").encode("utf-8", "replace"))

    def take_without_state(self) -> None:
        """Takes the version that waits since plugin_save_state() of the present one raised, without its state.

        It does not wait for the exchange. on_outcome receives what became of it. Any thread may call it.

        Raises RuntimeError if no version waits.
        """
        try:
            self._native.take_without_state(self._open_handle())
        except ValueError as error:
            raise RuntimeError(f"plugin {self.id!r}: no version waits to be taken") from error

    def close(self) -> None:
        """Ends the watching. The present version exits and is unloaded after its last use.

        Waits until all of its versions have ended that are not in use, unless the plugin's own code calls this. Ctrl-C
        ends the waiting; the rest ends by itself.

        Raises InvalidArgumentError if other plugins need it: close these first.
        """
        manager = self._host._manager
        if manager.forked:
            return  # the versions are the parent's, where they end
        self._begin_close()
        try:
            if not manager._is_stepping():
                manager._wait_for(lambda: self._native.is_settled([self._loader]))
        finally:
            self._end()

    async def aclose(self) -> None:
        """close() for coroutines: the loop is not blocked while it waits."""
        manager = self._host._manager
        if manager.forked:
            return  # the versions are the parent's, where they end
        self._begin_close()
        try:
            if not manager._is_stepping():
                await manager._until_async(lambda: self._native.is_settled([self._loader]), Deadline(None))
        finally:
            self._end()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"generation {self.generation}"
        return f"<{type(self).__name__} {self.id!r} {state}>"

    # ------------------------------------------------------------------ opening and closing

    def _begin_close(self) -> None:
        if self.closed or self._handle is None:
            return
        self._closed = True
        try:
            self._native.close_plugin(self._handle)
        except ClosedError:
            pass  # by its host, just now
        except ValueError:
            self._closed = False
            raise
        self._host._forget(self)

    def _end(self) -> None:
        """No name stands for it any more."""
        self._loader.end()
        if self._native.workers is not None:
            self._native.workers.end(self._loader)
        self._native.forget_loader(self._loader)

    def _give_up(self) -> None:
        """open() does not wait for it any longer: what is running goes on, and is undone when it ends."""
        self._closed = True
        self._loader.given_up = True
        self._host._forget(self)  # before what follows, which waits for a validator
        if self._handle is not None:
            # By its host; or it is closed with those that need it.
            with contextlib.suppress(ClosedError, ValueError):
                self._native.close_plugin(self._handle)
        for version in list(self._loader.versions):
            version.hide()  # another plugin may have its names
        self._end()

    def _is_decided(self) -> bool:
        return not self._waits or self._first is not None or self.closed

    def _hear(self, outcome: PluginOutcome) -> None:
        if self._first is None and outcome.verdict in (Verdict.DONE, Verdict.FAILED, Verdict.REJECTED):
            self._first = outcome

    def _has_failed(self) -> bool:
        return self._first is not None and self._first.verdict is not Verdict.DONE

    def _failure(self, timeout: float | None) -> BaseException:
        """Why it could not be opened."""
        first = self._first
        if self.closed:
            return ClosedError(f"plugin {self.id!r} was closed", plugin_id=self.id)
        if first is not None:
            error = PluginLoadError(f"plugin {self.id!r}: {first.message}", plugin_id=self.id)
            error.__cause__ = first.error
            return error
        limit = math.inf if timeout is None else timeout
        condition = None if self._handle is None else self._native.condition(self._handle)
        if condition is not None and condition.exchanging:
            return TimeoutError(
                f"plugin {self.id!r}: it is still being imported or initialised after {limit:g} s; that goes on, and "
                "is undone when it ends. Give open() a longer timeout, or mend the plugin"
            )
        if condition is not None and condition.pending:
            return TimeoutError(f"plugin {self.id!r}: not open within {limit:g} s: {condition.text.decode()}")
        return TimeoutError(f"plugin {self.id!r}: the file is not complete, or not validated, within {limit:g} s")

    # ------------------------------------------------------------------ pinning

    def _open_handle(self) -> int:
        if self._handle is None or self.closed:
            raise self._unavailable()
        return self._handle

    def _unavailable(self) -> PluginUnavailableError:
        why = "it is closed"
        if not self.closed and self._handle is not None:
            try:
                why = f"no version answers: {self._native.condition(self._handle).text.decode() or 'it has none yet'}"
            except HotReloadError as error:
                why = str(error)
        return PluginUnavailableError(f"plugin {self.id!r}: {why}", plugin_id=self.id)

    def _look(self) -> Version | None:
        """The version that answers; while uses are held, the one that answered before."""
        handle = self._handle
        if handle is None or self.closed:
            return None
        found = self._native.try_acquire(handle)
        if found is not None:
            self._native.release(found[0])
            return found[1]
        try:
            active = self._native.condition(handle).active
        except HotReloadError:  # closed just now
            return None
        with self._loader.lock:
            of_it = [version for version in self._loader.versions if version.generation == active and version.loaded]
        return of_it[-1] if of_it else None

    def _try_pin(self) -> _Pin | None:
        """Without waiting; None while uses are held. Raises PluginUnavailableError if no version answers."""
        handle = self._open_handle()
        found = self._native.try_acquire(handle)
        if found is not None:
            return self._pinned(found)
        for pin in _pins.get():
            if pin.plugin is self and pin.again():
                return pin
        if not self._native.condition(handle).active:
            found = self._native.try_acquire(handle)  # it may have come in between
            if found is None:
                raise self._unavailable()
            return self._pinned(found)
        if self._host._manager._is_stepping():
            raise RuntimeError(
                f"plugin {self.id!r} is being exchanged, and its uses wait for that: a hook of a plugin that is "
                "exchanged with it cannot wait"
            )
        return None

    def _pinned(self, found: tuple[int, Version]) -> _Pin:
        handle, version = found
        with self._loader.lock:
            version.uses += 1
            version.handle = handle
        return _Pin(self, handle, version)

    def _pin_one(self) -> list[_Pin]:
        while (pin := self._try_pin()) is None:
            self._host._manager._pause(_PAUSE)
        return [pin]

    async def _pin_one_async(self) -> list[_Pin]:
        while (pin := self._try_pin()) is None:
            await sleep(_PAUSE)
        return [pin]


class _Gathering:
    """Versions that a thread of its own pins. It lets go of them if nobody waits any more when it has them."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._handles = _handles_of(plugins)
        self._lock = threading.Lock()
        self._left = False
        self._answer: list[_Pin] | BaseException | None = None
        threading.Thread(target=self._run, name="qtforge-hotreload-use", daemon=True).start()

    def _run(self) -> None:
        native = self._plugins[0]._native
        try:
            answer: list[_Pin] | BaseException = _pin_handles(self._plugins, self._handles)
        except BaseException as error:
            answer = error
        with self._lock:
            self._answer = answer
        self._let_go()
        native.on_news()

    def is_done(self) -> bool:
        return self._answer is not None

    def pins(self) -> list[_Pin]:
        """What it has pinned, or raises why it has not."""
        if self._answer is None:
            raise ClosedError("the host was closed")
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def leave(self) -> None:
        """Nobody waits any more."""
        self._left = True
        self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            if not self._left or not isinstance(self._answer, list):
                return
            pins, self._answer = self._answer, ClosedError("nobody waits for these versions")
        for pin in pins:
            pin.release()


def _handles_of(plugins: Sequence[Plugin]) -> list[int]:
    if not plugins:
        raise ValueError("name the plugins that are to be used together")
    if plugins[0]._host._manager._is_stepping():
        raise RuntimeError("a hook cannot wait until no plugin is being exchanged: use one plugin at a time")
    return [plugin._open_handle() for plugin in plugins]


def _pin_handles(plugins: Sequence[Plugin], handles: Sequence[int]) -> list[_Pin]:
    """Waits in the library."""
    found = plugins[0]._native.acquire_all(handles)
    return [plugin._pinned(each) for plugin, each in zip(plugins, found, strict=True)]


def pin_all(plugins: Sequence[Plugin]) -> list[_Pin]:
    """Versions that answered at the same moment."""
    handles = _handles_of(plugins)
    manager = plugins[0]._host._manager
    # Ctrl-C would not interrupt the library, and the exchange that it may wait for may need this thread.
    if threading.current_thread() is not threading.main_thread() and not manager._performs_here():
        return _pin_handles(plugins, handles)
    gathering = _Gathering(plugins)
    try:
        manager._wait_for(gathering.is_done)
        return gathering.pins()
    except BaseException:
        gathering.leave()
        raise


async def pin_all_async(plugins: Sequence[Plugin]) -> list[_Pin]:
    """pin_all() in a thread, so that the loop is not blocked."""
    gathering = _Gathering(plugins)
    try:
        while not gathering.is_done():
            await sleep(_PAUSE)
        return gathering.pins()
    except BaseException:  # it was cancelled, for example
        gathering.leave()
        raise


async def sleep(pause: float) -> None:
    if async_library() == "trio":
        await sys.modules["trio"].sleep(pause)
    else:
        import asyncio

        await asyncio.sleep(pause)
