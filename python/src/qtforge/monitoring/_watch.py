# SPDX-License-Identifier: MIT
"""watch() and awatch(): iterate over the changes of some files and folders; the manager behind them is hidden."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ._arguments import StrPath, paths_by_id
from ._changes import Changes, StopEvent
from ._folders import Patterns
from ._manager import Options, PluginHotReloadManager
from .errors import AlreadyExistsError
from .events import Event, EventKind

if TYPE_CHECKING:
    from typing_extensions import Unpack

DEEPEST, MOST = 100, 1_000_000  # the greatest max_depth and max_files


def watch(
    *paths: StrPath,
    timeout: float | None = None,
    stop_event: StopEvent | None = None,
    include: Patterns = (),
    exclude: Patterns = (),
    **options: Unpack[Options],
) -> Iterator[Event]:
    """Iterates over the changes of some files and folders, for programs that need nothing else::

        from qtforge.monitoring import watch

        for change in watch("plugin.so"):
            print(change.path)

    Of a folder, files that are new and files that are removed are changes, too::

        from qtforge.monitoring import watch

        for event in watch("plugins", include="*.py"):
            print(event.kind.name, event.path)  # DISCOVERED, FILE_CHANGED or FILE_REMOVED

    Watching begins with the first iteration. Any thread may iterate.

    Args:
        paths: the files and folders. The plugin id of each file is its path where possible. What is given twice is
            watched once, also a file that is in a given folder and spelled as there.
        timeout: seconds to wait for the next change; then the iteration ends. None waits for ever.
        stop_event: a threading.Event, or the like, that ends the iteration. It is asked every 50 ms.
        include: of folders, a pattern or several of the files: as in PluginHotReloadManager.enable_folder().
        exclude: patterns of files and folders that do not matter, likewise.
        options: the keyword arguments of PluginHotReloadManager; ``raise_on_error`` has no effect.

    Raises what enable_hot_reload() and enable_folder() raise with ``raise_on_error``, and TypeError without a path.
    Since 1.0. See also awatch(), PluginHotReloadManager.changes(), and qtforge.monitoring.watchfiles, which has these
    functions with the arguments of the package watchfiles.
    """
    with PluginHotReloadManager(**_for_watch(options)) as manager:
        enable_all(manager, paths, include, exclude)
        for event in _changes(manager, timeout, stop_event):
            if _is_wanted(event):
                yield event


async def awatch(
    *paths: StrPath,
    timeout: float | None = None,
    stop_event: StopEvent | None = None,
    include: Patterns = (),
    exclude: Patterns = (),
    **options: Unpack[Options],
) -> AsyncIterator[Event]:
    """watch() for ``async for``, in asyncio and trio.

    A program that leaves the loop early must say when the watching ends, as with every asynchronous generator::

        import asyncio
        from contextlib import aclosing

        from qtforge.monitoring import awatch

        async def first_change():
            async with aclosing(awatch("plugin.so")) as changes:
                async for change in changes:
                    return change

        print(asyncio.run(first_change()).path)

    Arguments and errors are those of watch(); stop_event may be an asyncio.Event or trio.Event, too. Since 1.0.
    """
    with PluginHotReloadManager(**_for_watch(options)) as manager:  # closing waits for nothing: only we deliver
        enable_all(manager, paths, include, exclude)
        async for event in _changes(manager, timeout, stop_event):
            if _is_wanted(event):
                yield event


def _for_watch(options: Options) -> Options:
    return {"dispatch": "manual", **options, "raise_on_error": True}


def _changes(manager: PluginHotReloadManager, timeout: float | None, stop_event: StopEvent | None) -> Changes:
    changes = manager.changes(timeout, removed=True, discovered=True)
    changes.stop_event = stop_event
    return changes


def _is_wanted(event: Event) -> bool:
    """Whether watch() gives it out. The removal of a single file is none: the next change is waited for."""
    return bool(event.folder_id) or event.kind is EventKind.FILE_CHANGED


def enable_all(
    manager: PluginHotReloadManager,
    paths: tuple[StrPath, ...],
    include: Patterns = (),
    exclude: Patterns = (),
    *,
    deepest: bool = False,
) -> None:
    """Enables files and folders. With deepest, folders are watched as deep and whatever the names as is possible."""
    if not paths:
        raise TypeError("there is no path to watch")
    files: dict[str, str | bytes] = {}
    for plugin_id, path in paths_by_id(paths).items():
        if not os.path.isdir(path):
            files[plugin_id] = path
            continue
        manager.enable_folder(
            plugin_id.rstrip("/") or plugin_id,
            path,
            include=include,
            exclude=exclude,
            max_depth=DEEPEST if deepest else 0,
            max_files=MOST if deepest else 0,
            all_names=deepest,
        )
    for plugin_id, path in files.items():
        with contextlib.suppress(AlreadyExistsError):  # one of the folders has found it
            manager.enable_hot_reload(plugin_id, path)
