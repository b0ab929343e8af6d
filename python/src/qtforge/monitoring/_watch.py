# SPDX-License-Identifier: MIT
"""watch() and awatch(): iterate over the changes of some files; the manager behind them is hidden."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ._arguments import StrPath, paths_by_id
from ._manager import Options, PluginHotReloadManager
from .events import Event

if TYPE_CHECKING:
    from typing_extensions import Unpack


def watch(*paths: StrPath, timeout: float | None = None, **options: Unpack[Options]) -> Iterator[Event]:
    """Iterates over the changes of some files, for programs that need nothing else::

        from qtforge.monitoring import watch

        for change in watch("plugin.so"):
            print(change.path)

    Watching begins with the first iteration. Any thread may iterate.

    Args:
        paths: the files. The plugin id of each is its path where possible. A file that is given twice is watched once.
        timeout: seconds to wait for the next change; then the iteration ends. None waits for ever.
        options: the keyword arguments of PluginHotReloadManager; ``raise_on_error`` has no effect.

    Raises what enable_hot_reload() raises with ``raise_on_error``, and TypeError without a path. Since 1.0. See also
    awatch() and PluginHotReloadManager.changes().
    """
    with PluginHotReloadManager(**_for_watch(options)) as manager:
        _enable_all(manager, paths)
        yield from manager.changes(timeout)


async def awatch(*paths: StrPath, timeout: float | None = None, **options: Unpack[Options]) -> AsyncIterator[Event]:
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

    Arguments and errors are those of watch(). Since 1.0.
    """
    async with PluginHotReloadManager(**_for_watch(options)) as manager:
        _enable_all(manager, paths)
        async for change in manager.changes(timeout):
            yield change


def _for_watch(options: Options) -> Options:
    return {"dispatch": "manual", **options, "raise_on_error": True}


def _enable_all(manager: PluginHotReloadManager, paths: tuple[StrPath, ...]) -> None:
    if not paths:
        raise TypeError("there is no path to watch")
    for plugin_id, path in paths_by_id(paths).items():
        manager.enable_hot_reload(plugin_id, path)


def id_for(path: bytes, position: int) -> str:
    """The path itself if it may be an id, else its position in a list."""
    name = os.fsdecode(path)
    return name if name.isprintable() and 0 < len(path) <= 255 else f"path {position}"
