# SPDX-License-Identifier: MIT
"""The files that ``--build`` builds from: which of them have changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ._folders import literal
from ._output import without_number
from ._watch import DEEPEST, MOST
from .errors import Failure, Success
from .events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._manager import PluginHotReloadManager


class SourceError(Exception):
    """A source cannot be watched."""


class Sources:
    """Files, and the files in folders, at every depth."""

    def __init__(
        self,
        manager: PluginHotReloadManager,
        paths: Iterable[str],
        *,
        excluded: Iterable[str],
        outputs: Iterable[str],
        health: Callable[[Event], None],
    ) -> None:
        """The manager delivers nowhere else. A file among outputs is no source. Raises SourceError."""
        self._manager = manager
        self._changes = manager.changes(0, removed=True, discovered=True)
        self._outputs = {os.path.realpath(path) for path in outputs}
        manager.set_event_callback(lambda event: health(event) if event.kind is EventKind.HEALTH else None)
        below = [f"**/{pattern.removeprefix('/')}" for pattern in excluded]
        for number, path in enumerate(dict.fromkeys(paths)):
            result: Success | Failure = Success()
            if os.path.isdir(path):
                result = manager.enable_folder(
                    str(number),
                    path,
                    include="**/*",
                    exclude=[*below, *self._outputs_below(path)],
                    max_depth=DEEPEST,
                    max_files=MOST,
                )
            elif os.path.realpath(path) not in self._outputs:
                result = manager.enable_hot_reload(str(number), path)
            if result.error is not None:
                raise SourceError(f"--sources {path}: {without_number(result.error.message)}")

    def fileno(self) -> int:
        """Readable when changes() has something."""
        return self._manager.fileno()

    def quiet(self) -> bool:
        """Whether no source is about to be delivered."""
        stats = self._manager.stats()
        return stats.settling == 0 and stats.pending == 0

    def changes(self) -> Iterator[Event]:
        """What has changed since the last call."""
        self._manager.process_events()
        return self._changes

    def check_now(self) -> None:
        """Compares all with the disk at once."""
        self._manager.check_now()

    def _outputs_below(self, folder: str) -> Iterator[str]:
        """Patterns of what is built in a folder."""
        for output in self._outputs:
            path = os.path.relpath(output, os.path.realpath(folder))
            if not path.startswith(os.pardir):
                yield literal(path)
