# SPDX-License-Identifier: MIT
"""What the library wants done where the steps and callbacks of a host run."""

from __future__ import annotations

import contextlib
import os
import sys
from _queue import Empty, SimpleQueue  # not queue's: gevent and eventlet replace that
from collections import deque
from collections.abc import Callable
from typing import Any

from ._steps import Job
from .errors import ClosedError

Call = Callable[[], None]

_system: Any = sys.modules.get("posix", os)  # eventlet replaces os.read() by one that waits


class _Pipe:
    """Closed when nobody has it any more: a thread that is about to write must not meet another file's descriptor."""

    __slots__ = ("reads", "writes")

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        for fd in (self.reads, self.writes):
            os.set_blocking(fd, False)

    def __del__(self) -> None:
        os.close(self.reads)
        os.close(self.writes)


class Inbox:
    """What is to be done, and a descriptor that polls readable while there is something. It has no lock: threads of the
    library, signal handlers and the collector may come in between."""

    def __init__(self) -> None:
        self.steps: deque[Job] = deque()
        self.calls: deque[tuple[str, str, Call]] = deque()
        """With the ids of the plugin and of the folder that they are about."""
        self.closed = False
        self._rings: SimpleQueue[None] = SimpleQueue()
        self._pipe: _Pipe | None = _Pipe()

    def ring(self) -> None:
        self._rings.put(None)
        pipe = self._pipe
        if pipe is not None:
            with contextlib.suppress(BlockingIOError):  # it is full, and so readable
                _system.write(pipe.writes, b"x")

    def quiet(self) -> None:
        """Not readable any more, unless somebody rings."""
        with contextlib.suppress(Empty):
            while True:
                self._rings.get_nowait()
        pipe = self._pipe
        if pipe is not None:
            with contextlib.suppress(BlockingIOError):
                while len(_system.read(pipe.reads, 4096)) == 4096:
                    pass

    def wait(self, timeout: float | None) -> None:
        """Until somebody rings, or the time is over. Rings that came before count, too."""
        if not self.closed:
            with contextlib.suppress(Empty):
                self._rings.get(timeout=timeout)

    def fileno(self) -> int:
        pipe = self._pipe
        if pipe is None:
            raise ClosedError("the manager was closed")
        return pipe.reads

    def copy(self) -> int:
        """A descriptor of the caller's own that polls as this one does."""
        pipe = self._pipe
        if pipe is None:
            raise ClosedError("the manager was closed")
        return os.dup(pipe.reads)

    def close(self) -> None:
        """Nothing more is to be done here. Also in the child of a fork."""
        self.closed = True
        self._pipe = None
        self._rings.put(None)
