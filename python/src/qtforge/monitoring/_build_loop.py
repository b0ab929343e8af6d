# SPDX-License-Identifier: MIT
"""Builds that change their own sources: each of them would start the next one, for ever."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .events import Event

IN_A_ROW = 3
"""What changes during so many builds in a row is taken for changed by the build."""
LATE = 200 * 10**6
"""Nanoseconds after the end of a build within which a change of its own is noticed at the latest."""


QUICKLY = 1.0
"""Seconds after the end of a build within which a change comes quickly."""
QUICK_ONES = 20
"""After so many builds for changes of the same files that came quickly, the next one for these files has to wait."""
PAUSE = 10.0
"""Seconds that it waits."""


class BuildLoop:
    """Tells which changes came during a build, and when such a change is to start no further build.

    Nobody says who has changed a file. A file that changes during three builds in a row counts as changed by the build,
    until a build does not change it. If three builds in a row were started by nothing but changes during the one
    before, the next one waits for a change at another time.

    What a build leaves in the background may write a source after its end. That looks like a person who saves the same
    file again and again, so that no change is left out: builds that follow each other quickly are slowed down.
    """

    def __init__(self) -> None:
        self._number = 0
        """Of the latest build."""
        self._followers = 0
        """Builds until now that were started only by changes during the one before."""
        self._began_ns = self._ended_ns = 0
        self._rounds: dict[str, tuple[int, int]] = {}
        """Of each file that changed during a build: the number of the latest such build, and how many in a row."""
        self._quick_ones = 0
        """Builds until now for changes of the same files that came quickly."""
        self._causes: set[str] = set()
        """Of the latest build."""
        self._ended = self._noticed = 0.0
        self._reported: set[str] = set()
        self._unreported: set[str] = set()

    def noticed(self) -> None:
        """The first change for the next build was noticed."""
        self._noticed = time.monotonic()

    def waits(self, causes: Mapping[str, bool]) -> float:
        """Seconds until a build with these causes may begin."""
        if self._quick_ones < QUICK_ONES or not self._is_quick(causes):
            return 0.0
        left = self._ended + PAUSE - time.monotonic()
        if left > 0:
            self._unreported |= set(causes)
        return max(0.0, left)

    def begins(self, causes: Mapping[str, bool]) -> None:
        """A build begins. Its causes are files, and whether each changed during the build before."""
        self._followers = self._followers + 1 if causes and all(causes.values()) else 0
        self._quick_ones = self._quick_ones + 1 if self._is_quick(causes) else 0
        self._causes = set(causes)
        self._number += 1
        self._began_ns, self._ended_ns = time.time_ns(), 0

    def _is_quick(self, causes: Mapping[str, bool]) -> bool:
        return self._number > 0 and set(causes) == self._causes and self._noticed - self._ended < QUICKLY

    def ends(self) -> None:
        """The build has ended."""
        self._ended_ns = time.time_ns()
        self._ended = time.monotonic()

    def is_during(self, event: Event) -> bool:
        """Whether a change came during the latest build. It may be reported later."""
        if self._number == 0 or self._ended_ns == 0:
            return self._number > 0
        noticed = event.first_seen_ns or event.timestamp_ns
        if noticed <= self._ended_ns + LATE:
            return True
        with contextlib.suppress(OSError):  # found late where files are compared
            return self._began_ns <= os.stat(event.path).st_mtime_ns <= self._ended_ns
        return False

    def starts_another(self, path: str) -> bool:
        """Whether a change during the latest build is to start one more."""
        number, rounds = self._rounds.get(path, (0, 0))
        if number < self._number:
            rounds = rounds + 1 if number == self._number - 1 else 1
            self._rounds[path] = (self._number, rounds)
            if rounds == 1:
                self._reported.discard(path)
        if rounds < IN_A_ROW and self._followers < IN_A_ROW:
            return True
        self._unreported.add(path)
        return False

    def take_unreported(self) -> list[str]:
        """The files whose change started no further build, each once."""
        new = sorted(self._unreported - self._reported)
        self._reported |= self._unreported
        self._unreported.clear()
        return new
