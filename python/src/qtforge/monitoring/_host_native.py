# SPDX-License-Identifier: MIT
"""One native host: the C functions with Python values, and the queue of what the library wants done here.

The library calls on threads of its own. What it wants is carried to where the host's steps and callbacks run.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from . import _abi, _callbacks
from . import _abi_hosts as c
from ._inbox import Call, Inbox
from ._native import NativeManager, event_of
from ._steps import AT_EXIT, Job, Workers, job_of, write_reason
from ._versions import Loader, Version
from ._waiting import Deadline
from .errors import ClosedError, from_native
from .outcomes import OK, PluginOutcome, Step, Verdict, message_of

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class HostNative(NativeManager):
    """A host of the C library, whose steps are Python's, and its manager."""

    def __init__(self, **options: Any) -> None:
        self.inbox = Inbox()
        self.loaders: dict[str, Loader] = {}
        """The plugins that are open, or that have not ended."""
        self.versions: dict[int, Version] = {}
        """By what the library knows them by."""
        self.workers: Workers | None = None
        """Where steps run, unless whoever dispatches performs them."""
        self.awaits = False
        """Whether hooks may be coroutine functions."""
        self.spawn: Spawn | None = None
        """Has the loop that dispatches run a coroutine; None where it is not the loop that does."""
        self.defers = False
        """Whether steps that a loop must run wait for that."""
        self._deferred: list[Job] = []
        self.awaited: set[Job] = set()
        """The steps that are such coroutines."""
        self.stepping: set[int] = set()
        """The threads, or greenlets, that perform a step."""
        self.ended = False
        """Everything has ended."""
        self.ident: Callable[[], int] = threading.get_ident
        self.on_outcome: Callable[[PluginOutcome], None] = lambda _: None
        self.on_exit_error: Callable[[BaseException], None] = lambda _: None
        self.on_interrupt: Callable[[BaseException], None] = lambda _: None
        self.on_news: Call = self.inbox.ring
        """Called when a version has ended, and when everything has."""
        self.woken: Call = lambda: None
        self._keys = itertools.count(1)
        self._tokens: list[int] = []
        self._turn = threading.RLock()
        self._delivering: int | None = None
        self._folder = ""  # of the event that came last
        self._alone = False  # nobody dispatches any more
        self.exits = False
        """The interpreter ends: whoever closes the host performs the steps."""
        self.exited = False
        """The host was closed for that."""
        self._host: int | None = None
        self.pid = os.getpid()
        super().__init__(**options)

    def _create(self, options: _abi.Options) -> Any:
        options.dispatch_mode = _abi.DISPATCH_THREAD
        handle, error, token = ctypes.c_void_p(), _abi.Error(), _callbacks.register(self)
        host = c.HostOptions(
            ctypes.sizeof(c.HostOptions),
            0,
            ctypes.pointer(options),
            _callbacks.on_outcome,
            _callbacks.on_step,
            token,
            _callbacks.on_host_destroy,
        )
        code = self._library.hrm_host_create(ctypes.byref(host), ctypes.byref(handle), ctypes.byref(error))
        self._check(code, error)
        self._host = handle.value
        self._quick = c.quick(self._library)
        return self._library.hrm_host_manager(self._host)

    # ------------------------------------------------------------------ plugins

    def open_all(
        self, openings: Sequence[tuple[bytes, bytes, c.PluginOptions]], together: c.SetOptions | None, filename: Any
    ) -> list[int]:
        """Returns the handles. It waits for no version."""
        array = (c.Opening * len(openings))()
        for opening, (plugin_id, path, options) in zip(array, openings, strict=True):
            opening.struct_size = ctypes.sizeof(c.Opening)
            opening.plugin_id, opening.path = plugin_id, path
            options.flags |= c.PLUGIN_DO_NOT_WAIT
            opening.options = ctypes.pointer(options)
        error = _abi.Error()
        together_ref = None if together is None else ctypes.byref(together)
        code = self._library.hrm_host_open_all(self._host, array, len(openings), together_ref, ctypes.byref(error))
        self._check(code, error, openings[0][0].decode() if len(openings) == 1 else "", filename)
        return [opening.plugin for opening in array]

    def set_options(
        self, set_id: bytes, wait_ms: int, check: Callable[[Any, int], str | Literal[True]] | None
    ) -> c.SetOptions:
        """check receives the C structs and how many there are, on a thread of the library, as a validator does."""
        options = c.SetOptions(ctypes.sizeof(c.SetOptions), wait_ms, set_id)
        if check is not None:
            token = _callbacks.register(check)
            self._tokens.append(token)
            options.check, options.user_data = _callbacks.on_check, token
        return options

    def close_plugin(self, plugin: int) -> None:
        """Begins to close it."""
        error = _abi.Error()
        self._check(self._library.hrm_plugin_close(plugin, 0, ctypes.byref(error)), error)

    def fail(self, plugin: int, generation: int, message: bytes) -> None:
        error = _abi.Error()
        code = self._library.hrm_plugin_fail(plugin, generation, message, ctypes.byref(error))
        self._check(code, error)

    def take_without_state(self, plugin: int) -> None:
        error = _abi.Error()
        self._check(self._library.hrm_plugin_take_without_state(plugin, ctypes.byref(error)), error)

    def condition(self, plugin: int) -> c.PluginCondition:
        out, error = c.PluginCondition(ctypes.sizeof(c.PluginCondition)), _abi.Error()
        self._check(self._library.hrm_plugin_state(plugin, ctypes.byref(out), ctypes.byref(error)), error)
        return out

    def try_acquire(self, plugin: int) -> tuple[int, Version] | None:
        """Pins the version that answers, without waiting."""
        handle = self._quick.hrm_plugin_try_acquire(plugin)
        return None if handle is None else (handle, self.versions[self._quick.hrm_plugin_data(handle)])

    def acquire_all(self, plugins: Sequence[int]) -> list[tuple[int, Version]]:
        """Versions that answered at the same moment. It waits while uses are held."""
        count = len(plugins)
        handles = (ctypes.c_void_p * count)()
        code = self._library.hrm_plugin_acquire_all((ctypes.c_void_p * count)(*plugins), count, handles)
        if code < 0:
            raise from_native(code, "no version of one of these plugins answers")
        return [(handle, self.versions[self._quick.hrm_plugin_data(handle)]) for handle in handles if handle]

    def release(self, version: int) -> None:
        self._quick.hrm_plugin_release(version)

    def release_use(self, version: int) -> None:
        """Ends a use. At the end of the interpreter nobody performs steps any more: then the version stays."""
        if not self.exited:
            self._quick.hrm_plugin_release(version)

    # ------------------------------------------------------------------ called on threads of the library

    def hear_outcome(self, raw: Any) -> None:
        plugin_id, at_plugin = raw.plugin_id.decode(), raw.at_plugin.decode()
        verdict, step = Verdict(raw.verdict), Step(raw.step)
        loader = self.loaders.get(at_plugin or plugin_id)
        failed = raw.at_generation or raw.generation
        error = None if loader is None or not raw.step else loader.error_of(failed, raw.step)
        reason, down, notes = (text.decode("utf-8", "replace") for text in (raw.reason, raw.down, raw.notes))
        outcome = PluginOutcome(
            plugin_id=plugin_id,
            ok=verdict in OK,
            generation=raw.generation,
            present=raw.active,
            message=message_of(verdict, step, failed, reason, down, notes, error),
            error=error,
            waiting=verdict is Verdict.WAITING,
            verdict=verdict,
            step=step,
            at_plugin=at_plugin,
            at_generation=raw.at_generation,
            reason=reason,
            down=down,
            notes=notes,
            attempt=raw.attempt,
            retry=raw.retry_ms / 1000,
            line=raw.message.decode("utf-8", "replace"),
        )
        self.call_later(plugin_id, functools.partial(self.on_outcome, outcome))

    def hear_step(self, raw: Any, result: Any) -> int:
        """Performs a step, and waits until it has returned."""
        if self.exited and raw.kind != c.STEP_FORGET:
            return c.STEP_DONE  # no code of a plugin runs any more
        if raw.kind == c.STEP_FORGET:
            self._forget(raw.data)
            return c.STEP_DONE
        if raw.kind == c.STEP_ACTIVATE:
            self.versions[raw.data].activate()
            return c.STEP_DONE
        if raw.kind == c.STEP_LOAD and raw.data is None:
            loader = self.loaders[raw.plugin_id.decode()]
            key, version = next(self._keys), Version(loader, raw.generation)
            with loader.lock:
                loader.versions.append(version)
            self.versions[key] = version
            raw.data = result.data = key
        job = job_of(raw, self.versions)
        job.on_exit_error = self.on_exit_error
        self._carry(job)
        code, reason = job.wait()
        self.awaited.discard(job)
        result.hooks = job.hooks
        write_reason(result, reason)
        return code

    def _forget(self, key: int | None) -> None:
        version = None if key is None else self.versions.pop(key, None)
        if version is not None:
            loader = version.loader
            with loader.lock:
                loader.versions.remove(version)
            self.forget_loader(loader)
            self.on_news()

    def forget_loader(self, loader: Loader) -> None:
        """If it has ended, and its versions have: another plugin may have the id."""
        if loader.ended and not loader.versions and self.loaders.get(loader.id) is loader:
            del self.loaders[loader.id]

    def hear_end(self) -> None:
        """The library calls nothing of this host any more."""
        for token in self._tokens:
            _callbacks.forget(token)
        self.ended = True
        self.on_news()

    def _carry(self, job: Job) -> None:
        if self.workers is not None and not self._alone and not self.exits:
            self.workers.post(job)
            return
        self.inbox.steps.append(job)
        self.inbox.ring()
        self.woken()
        if self._alone:
            self.perform_steps()

    def call_later(self, plugin_id: str, call: Call, folder_id: str = "") -> None:
        """Has a callback called where callbacks run."""
        if not self._alone:
            self.inbox.calls.append((plugin_id, folder_id, call))
            self.inbox.ring()
            self.woken()

    # ------------------------------------------------------------------ where steps and callbacks run

    def perform(self, job: Job) -> None:
        me = self.ident()
        outermost = me not in self.stepping
        self.stepping.add(me)
        try:
            job.perform(self.awaits, self.spawn)
        finally:
            if outermost:
                self.stepping.discard(me)
        if job.is_awaited:
            self.awaited.add(job)
        if job.interrupt is not None:
            self.on_interrupt(job.interrupt)

    def perform_steps(self) -> None:
        """Performs the steps that wait, on this thread."""
        while self.inbox.steps:
            job = None
            try:
                job = self.inbox.steps.popleft()
                if self.defers and self.spawn is None and job.needs_loop():
                    self._deferred.append(job)
                else:
                    self.perform(job)
            except BaseException as error:
                if job is not None:
                    job.give_up("interrupted")
                if not isinstance(error, IndexError):  # another thread was faster
                    raise

    def resume_deferred(self) -> None:
        """The loop runs again."""
        self.defers = False
        if self._deferred:
            self.inbox.steps.extend(self._deferred)
            self._deferred.clear()
            self.inbox.ring()
            self.woken()

    def dispatch(self, limit: int = 0, timeout_ms: int = 0) -> int:
        """Performs steps and calls up to limit callbacks (0: all). Waits for ever if timeout_ms is less than 0."""
        if self._delivering == self.ident():
            return 0  # callbacks do not nest
        count = 0
        while True:
            if self.inbox.closed:
                raise ClosedError("the manager was closed")
            self.perform_steps()
            with self._turn:
                self._delivering = self.ident()
                try:
                    count += self._call_some(limit)
                finally:
                    self._delivering = None
            if count or timeout_ms == 0:
                return count
            self.inbox.wait(None)

    def _call_some(self, limit: int) -> int:
        count = 0
        while not limit or count < limit:
            try:
                *_, call = self.inbox.calls.popleft()
            except IndexError:
                self.inbox.quiet()
                if not self.inbox.calls and not self.inbox.steps:  # or it has come just now
                    break
                self.perform_steps()
                continue
            call()
            count += 1
            self.perform_steps()
        return count

    def set_wakeup(self, target: Call) -> None:
        self.woken = target

    def set_event_callback(self, target: Callable[[Any], None] | None) -> None:
        def later(raw: Any) -> None:
            assert target is not None
            event = event_of(raw)
            self._folder = event.folder_id
            self.call_later(event.plugin_id, functools.partial(target, event), event.folder_id)

        super().set_event_callback(None if target is None else later)

    def set_reload_callback(self, target: Callable[[bytes], None] | None) -> None:
        def later(plugin_id: bytes) -> None:
            assert target is not None
            self.call_later(plugin_id.decode(), functools.partial(target, plugin_id), self._folder)

        super().set_reload_callback(None if target is None else later)

    def disable(self, plugin_id: bytes) -> bool:
        was_enabled = super().disable(plugin_id)
        self._drop(lambda plugin, _: plugin == plugin_id.decode())
        return was_enabled

    def disable_folder(self, folder_id: bytes) -> bool:
        was_enabled = super().disable_folder(folder_id)
        self._drop(lambda _, folder: folder == folder_id.decode())
        return was_enabled

    def clear(self) -> int:
        count = super().clear()
        self._drop(lambda _plugin, _folder: True)
        return count

    def _drop(self, concerns: Callable[[str, str], bool]) -> None:
        """Drops the callbacks that wait, and waits for one that runs."""
        calls = [self.inbox.calls.popleft() for _ in range(len(self.inbox.calls))]
        self.inbox.calls.extend(call for call in calls if not concerns(call[0], call[1]))
        if self._delivering not in (None, self.ident()) and self.ident() not in self.stepping:
            with self._turn:
                pass

    def event_fd(self) -> int:
        return self.inbox.fileno()

    def event_fd_copy(self) -> int | None:
        return self.inbox.copy()

    # ------------------------------------------------------------------ the end

    def begin_end(self) -> None:
        """Begins to close everything."""
        host, self._host = self._host, None
        if host is not None:
            self._library.hrm_host_destroy(host, 0, None)

    def destroy(self) -> None:
        """Nobody dispatches any more: what is left runs on threads of the library."""
        self.begin_end()
        self._alone = True
        self.inbox.calls.clear()
        self.perform_steps()
        if self.workers is not None:
            self.workers.end()
        self.inbox.close()

    def exit_now(self) -> None:
        """At the end of the interpreter: no step is waited for any more."""
        self.exits = True
        if self.workers is not None:
            self.workers.give_up(AT_EXIT)
        self.give_up_awaited(AT_EXIT)

    def end(self) -> None:
        """At the end of the interpreter, after the close: versions in use are left without their plugin_exit()."""
        self.exit_now()
        self.exited = True
        for version in list(self.versions.values()):
            for _ in range(version.uses):
                self._quick.hrm_plugin_release(version.handle)
        deadline = Deadline(2.0)  # it takes a moment
        while not self.ended and not deadline.passed():
            time.sleep(0.001)

    def give_up_awaited(self, reason: str) -> None:
        """Answers for coroutines that nobody runs."""
        for job in list(self.awaited):
            job.give_up(reason)

    def is_settled(self, loaders: Sequence[Loader] | None = None) -> bool:
        """Whether nothing is left to be waited for of closed plugins, or of all.

        Their versions have ended, but for those that are in use, and those of plugins that nobody waits for.
        """
        if loaders is None:
            if self.ended:
                return True
            left = list(self.versions.values())
            return bool(left) and all(map(self._stays, left))
        return all(self._stays(version) for loader in loaders for version in list(loader.versions))

    def _stays(self, version: Version) -> bool:
        if version.uses > 0 or version.loader.given_up:
            return True
        return any(version in other.needs and self._stays(other) for other in list(self.versions.values()))


def end_all() -> None:
    """At the end of the interpreter: no host of this process calls Python any more."""
    for native in _callbacks.hosts():
        if isinstance(native, HostNative) and native.pid == os.getpid():
            native.end()
