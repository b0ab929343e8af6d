# SPDX-License-Identifier: MIT
"""The manager of a PluginHost: where the steps of plugins run, and how threads and coroutines wait for that."""

from __future__ import annotations

import functools
import os
import sys
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, cast

from . import _green
from ._delivering import _Delivery
from ._host_native import HostNative
from ._manager import Options, PluginHotReloadManager
from ._steps import Workers, is_awaited_in
from ._waiting import Deadline
from .errors import HotReloadError
from .outcomes import PluginOutcome

_SLICE = 0.02  # seconds; who waits and performs steps meanwhile looks so often whether they were the last


class HostManager(PluginHotReloadManager):
    """A manager whose native one belongs to a native host."""

    _fork_advice = "Make a PluginHost"
    _native_kind = HostNative

    def __init__(self, on_outcome: Callable[[PluginOutcome], None], options: Options) -> None:
        """on_outcome must not keep its host alive."""
        self._hear = on_outcome
        self._tasks: set[Any] = set()
        self._closing = False
        self._turning = False  # the loop that delivers is at it
        super().__init__(**options)

    def __del__(self) -> None:
        pass  # its host closes it

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, "PluginHost's manager")

    @property
    def native(self) -> HostNative:
        return cast(HostNative, self._native)

    def _begin(self) -> None:
        super()._begin()
        native, weak = self.native, weakref.ref(self)

        def on_outcome(outcome: PluginOutcome) -> None:
            manager = weak()
            if manager is not None:
                manager._deliver_outcome(outcome)

        def on_exit_error(error: BaseException) -> None:
            manager = weak()
            if manager is not None:
                native.call_later("", functools.partial(manager._call, _raising(error), None))

        def on_interrupt(error: BaseException) -> None:
            manager = weak()
            if manager is not None and manager._turning:
                manager._leave(error, manager)
            elif manager is not None:
                manager._interrupt = error  # for who waits and performs steps meanwhile

        bell = self._bell

        def on_news() -> None:
            native.inbox.ring()
            if bell.green is None and _green.active() is None:
                bell.ring()
            else:  # only the thread of the hub may wake greenlets
                native.call_later("", bell.ring)

        native.on_outcome, native.on_exit_error = on_outcome, on_exit_error
        native.on_interrupt, native.on_news = on_interrupt, on_news
        if self._green is not None:
            native.ident = self._green.ident
        native.awaits = self.dispatch in ("asyncio", "trio")
        if self.dispatch == "thread":
            native.workers = Workers(native.perform)

    def _deliver_outcome(self, outcome: PluginOutcome) -> None:
        with _Delivery(self):
            self._hear(outcome)

    def _has_audience(self) -> bool:
        return True  # its host has

    def reopen(self) -> None:
        """A host's plugins are loaded, from files of the parent's."""
        if self.forked:
            raise RuntimeError("a PluginHost cannot be reopened in the child of a fork: make one here")
        super().reopen()

    def _abandon(self) -> None:
        super()._abandon()
        self.native.inbox.close()

    # ------------------------------------------------------------------ where steps run

    def _is_stepping(self) -> bool:
        """Whether the code that calls is a plugin's, in a step."""
        return self.native.ident() in self.native.stepping or is_awaited_in(self.native.awaited)

    def _is_inside(self) -> bool:
        return super()._is_inside() or self._is_stepping()

    def _turn(self) -> None:
        """One turn of the loop, which can run coroutines."""
        native = self.native
        native.spawn, self._turning = self._spawn if native.awaits else None, True
        try:
            super()._turn()
        finally:
            native.spawn, self._turning = None, False

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self.dispatch == "trio":

            async def run() -> None:
                await coroutine

            sys.modules["trio"].lowlevel.spawn_system_task(run)
            return
        import asyncio

        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _until(self, satisfied: Callable[[], bool], deadline: Deadline, *, pump: bool = False) -> None:
        """open(): while it holds the loop up, what the loop must run waits for the loop."""
        self.native.defers = self.native.awaits
        try:
            super()._until(satisfied, deadline, pump=pump)
        finally:
            self.native.resume_deferred()

    def _performs_here(self) -> bool:
        """Whether it is this thread that performs steps, so that who waits here must do so meanwhile."""
        if self.native.exits or self.dispatch == "manual":
            return True
        return self._dispatcher.here() or self._dispatcher.ended() is not None

    def _pause(self, pause: float) -> None:
        """Lets steps run, here or elsewhere."""
        if self._performs_here():
            self._perform_steps()
        green = self._green or _green.active()
        if green is not None:
            self._bell.wait(lambda: False, Deadline(pause))
        else:
            time.sleep(pause)

    def _perform_steps(self) -> None:
        """Performs the steps that wait. The loop does not run meanwhile, so they must not be coroutines."""
        native = self.native
        spawn, native.spawn = native.spawn, None
        turning, self._turning = self._turning, False
        try:
            native.perform_steps()
            native.give_up_awaited("its coroutine cannot run while this thread waits: use aopen() and aclose()")
        finally:
            native.spawn, self._turning = spawn, turning
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds that steps bring about."""
        while not condition():
            if self._performs_here():
                self._perform_steps()
                if not condition():
                    self._pause_for_steps()
                continue
            try:
                self._bell.wait(condition, Deadline(None))
            except HotReloadError:
                continue  # the loop that dispatched has ended
            if self._bell.ended:
                return

    def _pause_for_steps(self) -> None:
        if self._green is not None:
            self._pause(_SLICE)
        else:
            self.native.inbox.wait(_SLICE)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        if self._closed or self._gone.is_set() or os.getpid() != self._pid:
            super().close()
            return
        interrupt: BaseException | None = None
        self._begin_close()
        try:
            if not self._is_stepping():
                self._wait_for(self.native.is_settled)
        except BaseException as error:  # Ctrl-C: the rest ends by itself
            interrupt = error
        super().close()
        for loader in list(self.native.loaders.values()):
            loader.end()
        if interrupt is not None:
            raise interrupt

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closing or self._closed

    def _begin_close(self) -> None:
        """Has open() end first: a validator may wait for that, and what follows waits for the validator."""
        self._closing = True
        self.native.inbox.ring()
        self._bell.ring()
        self.native.begin_end()

    async def aclose(self) -> None:
        if not self._closed and os.getpid() == self._pid:
            self._begin_close()
            if not self._is_stepping():
                await self._until_async(self.native.is_settled, Deadline(None))
        self.close()

    def close_at_exit(self) -> None:
        """At the end of the interpreter no import is waited for."""
        self.native.exit_now()
        self.close()


def _raising(error: BaseException) -> Callable[[None], object]:
    def plugin_exit(_: None) -> None:
        raise error

    return plugin_exit
