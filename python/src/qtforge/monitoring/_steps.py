# SPDX-License-Identifier: MIT
"""The steps that the library asks for: carried from its threads to where Python performs them, and the answers back.

The library decides which step follows, how long it may take, and what its failure means. A thread of the library waits
in here until the step has returned.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import sys
import threading
from _queue import SimpleQueue  # not queue's: gevent and eventlet replace that, and a thread of the library waits here
from collections.abc import Callable, Container, Coroutine
from contextvars import ContextVar
from types import CoroutineType
from typing import Any

from . import _abi_hosts as c
from ._versions import Loader, Version, is_ctrl_c, text_of

_HOOKS = {
    c.STEP_INIT: "plugin_init",
    c.STEP_SAVE: "plugin_save_state",
    c.STEP_RESTORE: "plugin_restore_state",
    c.STEP_EXIT: "plugin_exit",
}

Answer = tuple[int, str]
"""HRM_STEP_DONE and so on, and the reason."""

AT_EXIT = "the interpreter ends"


class Job:
    """One step of one version."""

    def __init__(self, kind: int, version: Version, path: str = "", saved_by: Version | None = None) -> None:
        self.kind = kind
        self.version = version
        self.path = path
        self.saved_by = saved_by
        self.needs: list[Version] = []
        self.hooks = 0
        self.is_awaited = False
        """It is a coroutine, which a loop runs."""
        self.interrupt: BaseException | None = None
        """Ctrl-C, for whoever has performed the step."""
        self.on_exit_error: Callable[[BaseException], None] = lambda _: None
        """Receives what plugin_exit() raises: too late to reject anything."""
        self.before_answer: Callable[[], None] = lambda: None
        self._answers: SimpleQueue[Answer] = SimpleQueue()

    def needs_loop(self) -> bool:
        """Whether it is a coroutine function of an open plugin, for which the loop is to be waited for."""
        name = _HOOKS.get(self.kind)
        if name is None or self.version.loader.opening or not self.version.loaded:
            return False
        return inspect.iscoroutinefunction(getattr(self.version.module, name, None))

    def wait(self) -> Answer:
        """For the thread of the library: until the step has returned."""
        return self._answers.get()

    def answer(self, code: int, reason: str = "") -> None:
        """The step has returned."""
        self.before_answer()
        self._answers.put((code, reason))

    def give_up(self, reason: str) -> None:
        """Answers for a step that goes on. Only the first answer counts."""
        self._answers.put((c.STEP_FAILED, reason))

    def perform(self, awaits: bool, spawn: Callable[[Coroutine[Any, Any, None]], object] | None) -> None:
        """Performs the step. If it is a coroutine, spawn has a loop run it; None if nobody can await it here."""
        try:
            result = self._begin(awaits)
            if inspect.iscoroutine(result):
                self._later(result, spawn)
                return
        except BaseException as error:
            self._failed(error)
        else:
            self._done(result)

    def _begin(self, awaits: bool) -> Any:
        version = self.version
        if self.kind == c.STEP_LOAD:
            self.hooks = version.load(self.path, awaits)
        elif self.kind == c.STEP_INIT:
            return version.init(self.needs)
        elif self.kind == c.STEP_SAVE:
            return version.save()
        elif self.kind == c.STEP_RESTORE:
            assert self.saved_by is not None
            return version.restore(self.saved_by)
        elif self.kind == c.STEP_EXIT:
            return version.exit()
        elif self.kind == c.STEP_UNLOAD:
            return version.unload()
        return None

    def _later(
        self, hook: CoroutineType[Any, Any, Any], spawn: Callable[[Coroutine[Any, Any, None]], object] | None
    ) -> None:
        if spawn is None:
            hook.close()
            raise TypeError(
                "it returned a coroutine, and nobody can await it here; make it a plain function, or use a host on a "
                "running asyncio or trio loop with aopen() and aclose()"
            )

        async def finish() -> None:
            _awaited.set(self)  # the task has a context of its own
            try:
                result = await self.version.driven(hook)
            except BaseException as error:
                self._failed(error)
                if _is_cancelled(error):
                    raise
            else:
                self._done(result)

        self.is_awaited = True
        spawn(finish())

    def _done(self, result: Any) -> None:
        if self.kind == c.STEP_SAVE:
            self.version.state = result
        kept = self.kind == c.STEP_UNLOAD and isinstance(result, str) and bool(result)
        self.answer(c.STEP_KEPT if kept else c.STEP_DONE, result if kept else "")

    def _failed(self, error: BaseException) -> None:
        version = self.version
        if is_ctrl_c(error):
            self.interrupt = error
            self.answer(c.STEP_NOT_NOW, "interrupted by Ctrl-C")
        elif self.is_awaited and _is_cancelled(error):  # the loop ends; the version is not at fault
            self.answer(c.STEP_NOT_NOW, "the loop that runs it has cancelled it")
        else:
            version.loader.failed(version.generation, self.kind, error)
            if self.kind == c.STEP_EXIT:
                self.on_exit_error(error)
            reason = text_of(error)
            if self.kind in (c.STEP_LOAD, c.STEP_INIT):
                reason += version.loader.layout.advice(error, version.loader.package, self.path)
            self.answer(c.STEP_FAILED, reason)


_awaited: ContextVar[Job | None] = ContextVar("qtforge.monitoring step", default=None)


def is_awaited_in(jobs: Container[Job | None]) -> bool:
    """Whether the code that calls is of the coroutine of one of these steps, or of a task that it has started."""
    return _awaited.get() in jobs


def _is_cancelled(error: BaseException) -> bool:
    kinds = [getattr(sys.modules.get(n), a, None) for n, a in (("asyncio", "CancelledError"), ("trio", "Cancelled"))]
    return any(isinstance(error, kind) for kind in kinds if kind is not None)


class Workers:
    """A thread for each plugin: what begins on it ends on it. While it is busy, the plugin gets another one."""

    def __init__(self, run: Callable[[Job], None]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._idle: dict[Loader, _Inbox] = {}
        self._busy: dict[_Inbox, Job] = {}
        self._threads: dict[_Inbox, threading.Thread] = {}
        self._ended = False

    def post(self, job: Job) -> None:
        loader = job.version.loader
        with self._lock:
            found = self._idle.pop(loader, None)
            inbox: _Inbox = SimpleQueue() if found is None else found
            if found is None:
                name = f"qtforge-hotreload-{loader.id}"
                thread = threading.Thread(target=self._work, args=(inbox,), name=name, daemon=True)
                self._threads[inbox] = thread
                thread.start()
            # Before the answer, after which the next step may come at once.
            job.before_answer = functools.partial(self._rest, loader, inbox)
            self._busy[inbox] = job
        inbox.put(job)

    def _rest(self, loader: Loader, inbox: _Inbox) -> None:
        with self._lock:
            self._busy.pop(inbox, None)
            replaced = loader in self._idle or any(job.version.loader is loader for job in self._busy.values())
            if self._ended or loader.ended or replaced:
                inbox.put(None)
            else:
                self._idle[loader] = inbox

    def end(self, loader: Loader | None = None) -> None:
        """The threads end when they have nothing to do: a plugin's, or all. Waits for those that have nothing to do."""
        ending: list[threading.Thread] = []
        with self._lock:
            self._ended = self._ended or loader is None
            for each in list(self._idle) if loader is None else [loader]:
                inbox = self._idle.pop(each, None)
                if inbox is not None:
                    ending.append(self._threads[inbox])
                    inbox.put(None)
        for thread in ending:
            if thread is not threading.current_thread():
                thread.join()

    def _work(self, inbox: _Inbox) -> None:
        while (job := inbox.get()) is not None:
            self._run(job)
            job = None
        with self._lock:
            del self._threads[inbox]

    def give_up(self, reason: str) -> None:
        """Answers for what is running; that goes on."""
        with self._lock:
            running = list(self._busy.values())
        for job in running:
            job.give_up(reason)


_Inbox = SimpleQueue[Job | None]


def job_of(raw: Any, versions: dict[int, Version]) -> Job:
    """The C struct, valid only during the callback, as a Job."""
    job = Job(
        raw.kind,
        versions[raw.data],
        "" if raw.path is None else os.fsdecode(raw.path),
        None if raw.from_data is None else versions.get(raw.from_data),
    )
    if raw.kind == c.STEP_INIT:
        job.needs = [versions[raw.needs[i]] for i in range(raw.needs_count)]
    return job


def write_reason(result: Any, reason: str) -> None:
    """Into the C struct."""
    room = result.reason_size
    if not room or not reason:
        return
    text = reason.replace("\0", "\\x00").encode("utf-8", "replace")[: room - 1].decode("utf-8", "ignore").encode()
    ctypes.memmove(result.reason, text + b"\0", len(text) + 1)
