# SPDX-License-Identifier: MIT
"""A thread of the host's own that imports versions, so that whoever waits for an import can stop waiting for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class _Run:
    """A job that somebody waits for."""

    def __init__(self, job: Job, subject: object) -> None:
        self.job = job
        self.subject = subject
        self.over = threading.Event()
        self.done = False


class Importer:
    """Runs one job after another on one thread, and on another one after a job was let go."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the collector may end a use() while this very thread is in here
        self._jobs: queue.SimpleQueue[_Run | None] | None = None
        self._thread: threading.Thread | None = None
        self._run: _Run | None = None
        self._turn = threading.RLock()

    def run(self, job: Job, subject: object) -> bool:
        """Runs a job; in here if this is its thread already. False if it was let go, and goes on."""
        if self.inside():
            job()
            return True
        with self._turn:
            run = _Run(job, subject)
            with self._lock:
                if self._jobs is None:
                    self._jobs = queue.SimpleQueue()
                    self._thread = threading.Thread(
                        target=_work, args=(self._jobs,), name="qtforge-hotreload-import", daemon=True
                    )
                    self._thread.start()
                self._run = run
                self._jobs.put(run)
            run.over.wait()
            with self._lock:
                if self._run is run:
                    self._run = None
            return run.done

    def inside(self) -> bool:
        """Whether this is the thread that runs a job which somebody waits for."""
        thread = self._thread
        return thread is not None and thread is threading.current_thread() and self._run is not None

    def let_go(self, subject: object = None) -> None:
        """Nobody waits any longer for the job that is running, if it is about subject (None: any)."""
        with self._lock:
            run = self._run
            if run is None or (subject is not None and run.subject is not subject) or run.over.is_set():
                return
            self._run = None
            self._end_thread()
            run.over.set()

    def close(self) -> None:
        """Ends the thread once it has nothing to do, and waits for that unless it is this one."""
        with self._lock:
            thread = self._end_thread()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __del__(self) -> None:
        self._end_thread()

    def _end_thread(self) -> threading.Thread | None:
        jobs, self._jobs = self._jobs, None
        thread, self._thread = self._thread, None
        if jobs is not None:
            jobs.put(None)
        return thread


def _work(jobs: queue.SimpleQueue[_Run | None]) -> None:
    while (run := jobs.get()) is not None:
        try:
            run.job()
        finally:
            run.done = True
            run.over.set()
        run = None
