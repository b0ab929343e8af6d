# SPDX-License-Identifier: MIT
"""The files that ``--build`` builds from: which of them have changed."""

from __future__ import annotations

import fnmatch
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .events import Event, EventKind

if TYPE_CHECKING:
    from ._manager import PluginHotReloadManager

LOOK = 1.0
"""Seconds between two looks for new files in the folders."""
COARSE = 2 * 10**9
"""Nanoseconds within which two changes of a folder may have the same time."""

IGNORED = (".*", "*~", "#*#", "4913", "*.tmp", "*.swp", "*___jb_old___", "*___jb_tmp___")
"""Names that are no sources: what is hidden, and what editors leave for a moment."""


class SourceError(Exception):
    """A source cannot be watched."""


class Sources:
    """The files below some folders.

    The manager says when a file was changed. New files are found by the times of the folders.
    """

    def __init__(
        self,
        manager: PluginHotReloadManager,
        paths: Iterable[str],
        *,
        excluded: Iterable[str],
        outputs: Iterable[str],
    ) -> None:
        """The manager delivers nowhere else. A file among outputs is no source. Raises SourceError."""
        self._manager = manager
        self._changes = manager.changes(0, removed=True)
        self._excluded = list(excluded)
        self._outputs = {os.path.realpath(path) for path in outputs}
        self._folders: dict[str, int] = {}
        """The time of each when it was read; 0 if it has to be read again."""
        self._ids: dict[str, str] = {}
        self._count = 0
        self._roots = list(paths)
        self._next = 0.0
        for path in self._roots:
            try:
                if os.path.isdir(path):
                    os.scandir(path).close()
                    self._folders[path] = 0
                else:
                    os.stat(path)
                    self._add(path, new=False)
            except OSError as error:
                raise SourceError(
                    f"--sources {path}: {error.strerror}; name a folder or a file to build from"
                ) from None
        self._look(new=False)

    def fileno(self) -> int:
        """Readable when changes() has something."""
        return self._manager.fileno()

    def due(self) -> float:
        """Seconds until changes() is to be called even if it has nothing."""
        return max(0.0, self._next - time.monotonic())

    def quiet(self) -> bool:
        """Whether no source is about to be delivered."""
        return self._manager.stats().settling == 0

    def changes(self) -> Iterator[Event]:
        """What has changed since the last call."""
        if self.due() == 0:
            self._look(new=True)
        self._manager.process_events()
        for event in self._changes:
            if event.kind is EventKind.FILE_REMOVED:
                self._remove(event.path)
            yield event

    def check_now(self) -> None:
        """Compares all with the disk at once."""
        self._look(new=True)
        self._manager.check_now()

    def _look(self, *, new: bool) -> None:
        """Reads the folders that have changed, and those found in them."""
        folders = list(self._folders)
        while folders:
            folder = folders.pop()
            try:
                changed = os.stat(folder).st_mtime_ns
                if changed != self._folders[folder]:
                    self._folders[folder] = changed if time.time_ns() - changed > COARSE else 0
                    folders += self._read(folder, new=new)
            except OSError:  # removed, or not ours to read; its files are reported one by one
                if folder not in self._roots:
                    del self._folders[folder]
        self._next = time.monotonic() + LOOK

    def _read(self, folder: str, *, new: bool) -> Iterator[str]:
        """Adds the files of a folder, and returns the folders in it that are new."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._is_ignored(entry.path):
                    continue
                if not entry.is_dir():
                    self._add(entry.path, new=new)
                elif not entry.is_symlink() and entry.path not in self._folders:  # links may lead in circles
                    self._folders[entry.path] = 0
                    yield entry.path

    def _is_ignored(self, path: str) -> bool:
        name = os.path.basename(path)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in IGNORED):
            return True
        parts = Path(path).parts
        below = ["/".join(parts[start:]) for start in range(len(parts))]
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self._excluded for text in below)

    def _add(self, path: str, *, new: bool) -> None:
        if path in self._ids or os.path.realpath(path) in self._outputs:
            return
        self._count += 1
        if self._manager.enable_hot_reload(str(self._count), path, deliver_present=new):
            self._ids[path] = str(self._count)

    def _remove(self, path: str) -> None:
        plugin_id = self._ids.pop(path, None)
        if plugin_id is not None:
            self._manager.disable_hot_reload(plugin_id)
