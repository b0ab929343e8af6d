# SPDX-License-Identifier: MIT
"""watch() and awatch() with the arguments and results of the package watchfiles.

A program moves over by its import: ``from qtforge.monitoring.watchfiles import awatch``. docs/from-watchfiles.md says
what differs: above all, a change is told when the file is complete.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._changes import Changes, StopEvent
from ._folders import literal
from ._manager import PluginHotReloadManager
from ._waiting import Deadline
from ._watch import enable_all
from .errors import InvalidArgumentError, PluginPermissionError
from .events import Change, Event

__all__ = ["BaseFilter", "Change", "DefaultFilter", "FileChange", "PythonFilter", "awatch", "watch"]

FileChange = tuple[Change, str]
"""What has happened, and the absolute path of the file."""

WatchFilter = Callable[[Change, str], bool]
"""Says whether a change matters."""


class BaseFilter:
    """Ignores files by the names of their folders, by patterns of their own names, and by the beginning of their paths.

    Derive from it, and set the three attributes. Since 1.0.
    """

    ignore_dirs: Sequence[str] = ()
    """Names of folders. Nothing in them matters, and they are not entered."""
    ignore_entity_patterns: Sequence[str] = ()
    """Regular expressions that are searched in the name of a file."""
    ignore_paths: Sequence[str | Path] = ()
    """What the absolute path of a file begins with."""

    def __init__(self) -> None:
        self._ignore_dirs = frozenset(self.ignore_dirs)
        self._ignore_entity_regexes = tuple(re.compile(pattern) for pattern in self.ignore_entity_patterns)
        self._ignore_paths = tuple(str(path) for path in self.ignore_paths)

    def __call__(self, change: Change, path: str) -> bool:
        """Whether the change of the file at this path matters."""
        *folders, name = path.split(os.sep)
        return not (
            name in self._ignore_dirs
            or self._ignore_dirs.intersection(folders)
            or any(pattern.search(name) for pattern in self._ignore_entity_regexes)
            or path.startswith(self._ignore_paths)
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(ignore_dirs={sorted(self._ignore_dirs)}, "
            f"ignore_entity_patterns={[pattern.pattern for pattern in self._ignore_entity_regexes]}, "
            f"ignore_paths={list(self._ignore_paths)})"
        )


class DefaultFilter(BaseFilter):
    """Ignores what version control, editors and Python's tools leave. Since 1.0."""

    ignore_dirs: Sequence[str] = (
        ".git", ".hg", ".svn", ".hypothesis", ".idea", ".mypy_cache", ".pytest_cache", ".tox", ".venv", "__pycache__",
        "node_modules",
    )  # fmt: skip
    ignore_entity_patterns: Sequence[str] = (
        r"^\.#", r"^\.DS_Store$", r"^flycheck_", r"~$", r"\.___jb_(old|tmp)___$", r"___jb_(old|tmp)___$",
        r"\.py[cdo]$", r"\.sw[a-z]$",
    )  # fmt: skip

    def __init__(
        self,
        *,
        ignore_dirs: Sequence[str] | None = None,
        ignore_entity_patterns: Sequence[str] | None = None,
        ignore_paths: Sequence[str | Path] | None = None,
    ) -> None:
        """Each argument replaces the attribute of its name, unless it is None."""
        if ignore_dirs is not None:
            self.ignore_dirs = ignore_dirs
        if ignore_entity_patterns is not None:
            self.ignore_entity_patterns = ignore_entity_patterns
        if ignore_paths is not None:
            self.ignore_paths = ignore_paths
        super().__init__()


class PythonFilter(DefaultFilter):
    """Lets only Python files through, and of them what DefaultFilter lets through. Since 1.0."""

    def __init__(
        self, *, ignore_paths: Sequence[str | Path] | None = None, extra_extensions: Iterable[str] = ()
    ) -> None:
        """extra_extensions are further ends of names, such as ``".toml"``."""
        self.extensions = (".py", ".pyx", ".pyd", *extra_extensions)
        super().__init__(ignore_paths=ignore_paths)

    def __call__(self, change: Change, path: str) -> bool:
        """Whether the change of the file at this path matters."""
        return path.endswith(self.extensions) and super().__call__(change, path)


def watch(
    *paths: str | Path,
    watch_filter: WatchFilter | None = DefaultFilter(),  # noqa: B008 # nobody changes it
    debounce: int = 1600,
    step: int = 50,
    stop_event: StopEvent | None = None,
    rust_timeout: int = 5000,
    yield_on_timeout: bool = False,
    debug: bool | None = None,
    raise_interrupt: bool = True,
    force_polling: bool | None = None,
    poll_delay_ms: int = 300,
    recursive: bool = True,
    ignore_permission_denied: bool | None = None,
) -> Generator[set[FileChange], None, None]:
    """Iterates over the changes of some files and folders: sets of ``(Change, absolute path)``::

        from qtforge.monitoring.watchfiles import watch

        for changes in watch("plugins"):
            for change, path in changes:
                print(change.name, path)

    Watching begins with the first iteration. Any thread may iterate.

    Args:
        paths: the files and folders. They must exist.
        watch_filter: a function of a change and a path that says whether it matters, such as one of the filters here;
            None lets everything through.
        debounce: milliseconds that changes are collected for at the longest, and that a file without a pause is waited
            for.
        step: the quiet period in milliseconds: how long a file must be left alone before its change is told. Changes
            that settle at the same time come in one set.
        stop_event: ends the iteration when its ``is_set()`` is true, which is asked every 50 ms.
        rust_timeout: with yield_on_timeout, milliseconds without a change after which an empty set comes; 0 for never.
            The name is that of the package watchfiles. There is no Rust here.
        yield_on_timeout: whether empty sets come.
        debug: whether the library's log goes to the logger "qtforge.monitoring".
        raise_interrupt: False ends the iteration at Ctrl-C, instead of raising KeyboardInterrupt.
        force_polling: compare files instead of relying on notifications. None means False: no environment variable is
            read.
        poll_delay_ms: milliseconds between two comparisons.
        recursive: whether folders in the folders are watched, too.
        ignore_permission_denied: whether a path that may not be read is left out, instead of raising PermissionError.

    Raises FileNotFoundError, PermissionError, ValueError for a number out of range, TypeError without a path, and what
    watch_filter raises. Since 1.0. See also awatch() and qtforge.monitoring.watch().
    """
    batches = _Batches(watch_filter, debounce, step)
    with _manager(step, debounce, force_polling, poll_delay_ms, debug) as manager:
        _enable(manager, paths, watch_filter, recursive, bool(ignore_permission_denied))
        changes = _changes(manager, stop_event)
        try:
            while True:
                batches.begin(rust_timeout if yield_on_timeout else 0)
                while batches.waits(manager) and not changes.stopped:
                    changes.timeout = batches.timeout
                    batches.add(next(changes, None))
                if changes.stopped or manager.closed:
                    return
                found = batches.take()
                if found or batches.timed_out:
                    yield found
        except KeyboardInterrupt:
            if raise_interrupt:
                raise


async def awatch(
    *paths: str | Path,
    watch_filter: WatchFilter | None = DefaultFilter(),  # noqa: B008 # nobody changes it
    debounce: int = 1600,
    step: int = 50,
    stop_event: StopEvent | None = None,
    rust_timeout: int | None = None,
    yield_on_timeout: bool = False,
    debug: bool | None = None,
    raise_interrupt: bool | None = None,
    force_polling: bool | None = None,
    poll_delay_ms: int = 300,
    recursive: bool = True,
    ignore_permission_denied: bool | None = None,
) -> AsyncGenerator[set[FileChange], None]:
    """watch() for ``async for``, in asyncio and trio, without a thread::

        import asyncio

        from qtforge.monitoring.watchfiles import awatch

        async def main():
            async for changes in awatch("plugins"):
                print(sorted(path for _, path in changes))

        asyncio.run(main())

    Arguments and errors are those of watch(). A rust_timeout of None is 5000. stop_event may be an asyncio.Event,
    anyio.Event or trio.Event, too. raise_interrupt has no effect: Ctrl-C cancels the task, and the runner of the loop
    raises KeyboardInterrupt. Since 1.0.
    """
    if raise_interrupt is not None:
        warnings.warn(
            "raise_interrupt has no effect in awatch(): catch KeyboardInterrupt around asyncio.run()",
            DeprecationWarning,
            stacklevel=2,
        )
    timeout = 5000 if rust_timeout is None else rust_timeout
    batches = _Batches(watch_filter, debounce, step)
    # Closing waits for nothing, as only we deliver; and a cancelled task may not wait.
    with _manager(step, debounce, force_polling, poll_delay_ms, debug) as manager:
        _enable(manager, paths, watch_filter, recursive, bool(ignore_permission_denied))
        changes = _changes(manager, stop_event)
        while True:
            batches.begin(timeout if yield_on_timeout else 0)
            while batches.waits(manager) and not changes.stopped:
                changes.timeout = batches.timeout
                batches.add(await anext(changes, None))
            if changes.stopped or manager.closed:
                return
            found = batches.take()
            if found or batches.timed_out:
                yield found


class _Batches:
    """Collects changes into sets. It does not wait itself."""

    def __init__(self, watch_filter: WatchFilter | None, debounce: int, step: int) -> None:
        self._filter = watch_filter
        self._debounce = _milliseconds("debounce", debounce)
        self._step = _milliseconds("step", step)
        self.timeout: float | None = None
        """Seconds to wait for the next change; None for ever."""

    def begin(self, timeout_ms: int) -> None:
        """A new set. After so many milliseconds without a change it is given out empty; 0: never."""
        self._found: dict[str, Change] = {}
        self._paused = False
        self._until = Deadline(None)
        self.timeout = _milliseconds("rust_timeout", timeout_ms) or None

    def waits(self, manager: PluginHotReloadManager) -> bool:
        """Whether to wait for another change, which may belong to the set."""
        if not self._paused:
            return True
        return bool(self._found) and not self._until.passed() and _settling(manager)

    def add(self, event: Event | None) -> None:
        """A change; None if there was none in time."""
        self._paused = event is None
        if event is None or event.change is None:
            self.timeout = self._step
            return
        if not self._found:
            self._until = Deadline(self._debounce)
        self._found.pop(event.path, None)
        self._found[event.path] = event.change
        self.timeout = 0  # is there more at once?

    def take(self) -> set[FileChange]:
        found = {(change, path) for path, change in self._found.items()}
        return {pair for pair in found if self._filter(*pair)} if self._filter is not None else found

    @property
    def timed_out(self) -> bool:
        """Whether nothing has changed."""
        return not self._found


def _settling(manager: PluginHotReloadManager) -> bool:
    """Whether files are about to be told: those that are held open for writing may need long."""
    stats = manager.stats()
    return stats.settling > stats.being_written or stats.pending > 0


def _manager(
    step: int, debounce: int, force_polling: bool | None, poll_delay_ms: int, debug: bool | None
) -> PluginHotReloadManager:
    manager = PluginHotReloadManager(
        dispatch="manual",
        quiet_ms=step or -1,
        max_delay_ms=max(debounce, step, 1),
        poll_interval_ms=poll_delay_ms,
        force_polling=bool(force_polling),
        raise_on_error=True,
    )
    if debug:
        manager.set_log_level(logging.DEBUG)
    return manager


def _enable(
    manager: PluginHotReloadManager,
    paths: tuple[str | Path, ...],
    watch_filter: WatchFilter | None,
    recursive: bool,
    ignore_permission_denied: bool,
) -> None:
    if not paths:
        raise TypeError("there is no path to watch")
    exclude = [f"**/{literal(name)}" for name in _unentered(watch_filter)]
    for path in dict.fromkeys(os.path.abspath(os.fspath(path)) for path in paths):
        try:
            enable_all(manager, (path,), "**/*" if recursive else "*", exclude, deepest=True)
        except PluginPermissionError:
            if not ignore_permission_denied:
                raise


def _unentered(watch_filter: WatchFilter | None) -> Iterable[str]:
    """Names of folders in which no file passes the filter."""
    own = (BaseFilter.__call__, PythonFilter.__call__)
    if isinstance(watch_filter, BaseFilter) and type(watch_filter).__call__ in own:
        return watch_filter._ignore_dirs  # pyright: ignore[reportPrivateUsage]
    return ()


def _changes(manager: PluginHotReloadManager, stop_event: StopEvent | None) -> Changes:
    changes = manager.changes(None, removed=True, discovered=True)
    changes.stop_event = stop_event
    return changes


def _milliseconds(name: str, value: int) -> float:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: expected milliseconds as int, got {type(value).__name__}")
    if not 0 <= value <= 86_400_000:
        raise InvalidArgumentError(f"{name}={value}: expected milliseconds from 0 to 86400000")
    return value / 1000


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in ("run_process", "arun_process"):
            raise ImportError(
                f"{__name__} has no {name}(): use `qtforge-hotreload watch --restart --exec CMD PATH`, which restarts "
                "a program, or watch() and the subprocess module"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
