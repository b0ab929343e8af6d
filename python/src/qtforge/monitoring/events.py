# SPDX-License-Identifier: MIT
"""What a manager tells: events and figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class _OpenEnum(IntEnum):
    """Has a member also for a number that only a newer library knows."""

    @classmethod
    def _missing_(cls, value: object) -> _OpenEnum | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class EventKind(_OpenEnum):
    """What an event is about."""

    FILE_CHANGED = 1
    """The file has a new, complete version."""
    ENABLED = 2
    """Hot reload was enabled."""
    DISABLED = 3
    """Hot reload was disabled; the last event of its plugin."""
    FILE_REMOVED = 4
    """The file is gone."""
    HEALTH = 5
    """The library degraded or recovered; ``Event.message`` says how."""
    REJECTED = 6
    """Safe reload: a version was refused; ``Event.message`` says why."""
    ROLLBACK = 7
    """Safe reload: a version failed; ``Event.snapshot_path`` is the last good one, "" if there is none."""


class Health(_OpenEnum):
    """What an event of kind HEALTH is about."""

    NONE = 0
    OVERFLOW = 1
    POLLING = 2
    WATCHING = 3
    IMAGE_INCOMPLETE = 4
    PANIC = 5
    UNREADABLE = 6
    READABLE = 7
    SNAPSHOT_FAILED = 8
    NO_REPORT = 9


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Times are nanoseconds since 1970 UTC, as ``time.time_ns()``."""

    kind: EventKind
    sequence: int
    """1, 2, … per manager, in the order of delivery."""
    timestamp_ns: int
    """When this was decided; for a change, when the file was whole."""
    first_seen_ns: int
    """For a change: when its first sign was noticed."""
    plugin_id: str
    path: str
    """As it was registered; undecodable bytes as surrogates (``os.fsencode`` restores them)."""
    generation: int
    """For a change: how many versions of this plugin were told, from 1."""
    health: Health
    message: str
    snapshot_path: str = ""
    """Safe reload, for a change: what to load instead of ``path``; for a rollback: what to go back to."""
    snapshot_size: int = 0
    snapshot_sha256: str = ""
    """In hexadecimal; also of what was rejected."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a manager at one moment; see ``hrm_statistics`` in the C header."""

    failed: bool
    plugins: int
    watched_directories: int
    polled_directories: int
    pending: int
    settling: int
    being_written: int
    incomplete_images: int
    notifications: int
    overflows: int
    deliveries: int
    removals: int
    unchanged: int
    superseded: int
    last_delivery_ns: int
    unreadable: int
    snapshots: int
    snapshot_bytes: int
    validating: int
    rejected: int
    reloads_ok: int
    reloads_failed: int
    rollbacks: int
    suppressed: int
    retries: int
    unreported: int
    snapshot_failures: int
