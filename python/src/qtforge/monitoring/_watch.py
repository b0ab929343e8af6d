"""watch() and awatch(): the changes of some files, without a manager to see."""

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
    """Iterates over the changes of some files, for programs that need nothing else.

        for change in watch("plugin.so"):
            print(change.path)

    Ends when nothing has changed for timeout seconds (None: never). The ids are the paths where possible; a file that
    is given twice is watched once. Takes the options of PluginHotReloadManager, except that errors are raised. Watching
    begins with the first iteration.
    """
    with PluginHotReloadManager(**_for_watch(options)) as manager:
        _enable_all(manager, paths)
        yield from manager.changes(timeout)


async def awatch(*paths: StrPath, timeout: float | None = None, **options: Unpack[Options]) -> AsyncIterator[Event]:
    """watch() for ``async for``, in asyncio and trio.

    Who may leave the loop early says when the watching ends, as with every asynchronous generator:

        async with contextlib.aclosing(awatch("plugin.so")) as changes:
            async for change in changes:
                ...
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
