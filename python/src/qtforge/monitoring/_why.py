# SPDX-License-Identifier: MIT
"""``qtforge-hotreload why``: what the system says of a file, and what happens to it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import signal
from datetime import datetime

from ._manager import PluginHotReloadManager
from ._output import printable, write
from ._signals import Signalled, Signals
from ._waiting import Deadline

F_SETSIG = 10  # of Linux; Python's fcntl does not have it
TRIED = "file"
"""The id of the plugin."""


def explain(manager: PluginHotReloadManager, path: str, signals: Signals, timeout: float | None) -> bool:
    """Shows what happens to the plugin TRIED, which has this path. Returns whether a change was delivered."""
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    log = logging.getLogger("qtforge.monitoring")
    handler = _Queue(lines, signals)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    delivered: list[str] = []
    try:
        _describe(path)
        manager.set_log_level(logging.DEBUG)
        manager.set_reload_callback(delivered.append)
        write("Save the file now. Ctrl-C ends this.\n")
        deadline = Deadline(timeout)
        while not deadline.passed():
            signals.wait([manager.fileno()], deadline.left())
            if signals.check:
                signals.check = False
                manager.check_now()
            manager.process_events()
            _show(lines)
        write(manager.explain(TRIED))
    except Signalled:
        write(manager.explain(TRIED))
        raise
    finally:
        log.removeHandler(handler)
    return bool(delivered)


class _Queue(logging.Handler):
    """Keeps the lines for the main thread, and wakes it."""

    def __init__(self, lines: queue.SimpleQueue[logging.LogRecord], signals: Signals) -> None:
        super().__init__()
        self._lines = lines
        self._signals = signals

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put(record)
        self._signals.wake()


def _show(lines: queue.SimpleQueue[logging.LogRecord]) -> None:
    while not lines.empty():
        record = lines.get()
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        text = record.getMessage().removeprefix(f"{TRIED}: ")
        write(f"{clock} {printable(text)}\n")


def _describe(path: str) -> None:
    """What the system says of the file."""
    real = os.path.realpath(path)
    write(f"{printable(os.path.abspath(path))}\n")
    facts = {"leads to": "" if real == os.path.abspath(path) else real, "file system": _file_system(real)}
    facts["open writers"] = _open_writers(path)
    for name, text in facts.items():
        if text:
            write(f"  {name + ':':<19}{printable(text)}\n")


def _file_system(real: str) -> str:
    """Its type and mount point; "" where the system does not say it."""
    best = ("", "")
    try:
        with open("/proc/self/mountinfo", "rb") as mounts:  # proc_pid_mountinfo(5)
            for line in mounts:
                before, _, after = line.decode("utf-8", "surrogateescape").partition(" - ")
                mount, kind = _unescaped(before.split(" ")[4]), after.split(" ")[0]
                inside = real == mount or real.startswith(mount.rstrip("/") + "/")
                if inside and len(mount) >= len(best[0]):
                    best = (mount, kind)  # a later one of the same place hides the former
    except OSError:
        return ""
    return f"{best[1]}, mounted at {best[0]}" if best[0] else ""


def _unescaped(text: str) -> str:
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text


def _open_writers(path: str) -> str:
    """Whether the system says that a process holds the file open for writing. It is asked as the library asks."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return "this system does not tell; the quiet period decides"
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return "" if error.errno == errno.ENOENT else f"the file cannot be read: {error.strerror}"
    try:
        fcntl.fcntl(file, F_SETSIG, signal.SIGURG)  # ignored by default
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return "the system tells: a process holds the file open for writing now"
        why = "the file belongs to another user" if error.errno == errno.EACCES else error.strerror
        return f"the system does not tell ({why}); notifications and the quiet period decide"
    finally:
        os.close(file)
    return "the system tells"
