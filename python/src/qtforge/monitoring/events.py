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
    """The event is of another kind."""
    OVERFLOW = 1
    """The system dropped notifications; every plugin was compared again."""
    POLLING = 2
    """A directory, or a file that is a mount point, cannot be watched, and is polled."""
    WATCHING = 3
    """A polled directory or file is watched again."""
    IMAGE_INCOMPLETE = 4
    """check_image rejected a version; its completion is waited for."""
    PANIC = 5
    """The library contained a fault of its own: close the manager."""
    UNREADABLE = 6
    """A plugin's file cannot be read at the moment; it is waited for."""
    READABLE = 7
    """The file can be read again."""
    SNAPSHOT_FAILED = 8
    """Safe reload: no snapshot could be made; it is tried again."""
    NO_REPORT = 9
    """Safe reload: report_reload() was not called within report_timeout_ms."""
    HANGING = 10
    """The file system at Event.path does not answer; its plugins wait until it does. Plugins elsewhere do not wait."""
    ANSWERING = 11
    """The file system at Event.path answers again; what changed there meanwhile is delivered."""
    DESCRIPTORS = 12
    """The process closed descriptors of the library, which opened others and compared every plugin with the disk."""
    STALE_MOUNT = 13
    """What was mounted at a plugin's file or directory was deleted or replaced; mount it again."""
    MISSED = 14
    """A change was found that no notification reported; the watch is asked for anew, and polled at the next time."""


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
    trusted_comment: str = ""
    """Of the signature, which was verified; printable, with a space for each tab. "" if none was asked for."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a manager at one moment: how many there are now, or were since the manager was made.

    See ``hrm_statistics`` in the C header.
    """

    failed: bool
    """Whether the library contained a fault of its own."""
    plugins: int
    """Enabled ids."""
    watched_directories: int
    """Directories that the system notifies of."""
    polled_directories: int
    """Directories that are compared every poll_interval_ms instead."""
    pending: int
    """Events that wait to be delivered."""
    settling: int
    """Plugins whose file has changed and is not yet quiet and complete."""
    being_written: int
    """Of these: held open for writing by a process."""
    incomplete_images: int
    """Of these: rejected by check_image so far."""
    notifications: int
    """Notifications read from the system."""
    overflows: int
    """Times that the system dropped notifications."""
    deliveries: int
    """Changes that were delivered."""
    removals: int
    """Removals that were delivered."""
    unchanged: int
    """Times that a file settled with nothing to deliver: chmod, noise, identical content."""
    superseded: int
    """Complete versions that a newer one replaced before they were delivered."""
    last_delivery_ns: int
    """Time of the last delivery, nanoseconds since 1970 UTC; 0 if there was none."""
    unreadable: int
    """Plugins whose file has changed and cannot be read at the moment."""
    snapshots: int
    """Safe reload: generations on the disk."""
    snapshot_bytes: int
    """Their size in bytes."""
    validating: int
    """Versions that are being copied or validated."""
    rejected: int
    """Versions that the validation rejected."""
    reloads_ok: int
    """Generations reported as ReloadOutcome.OK."""
    reloads_failed: int
    """Generations reported as ReloadOutcome.FAILED."""
    rollbacks: int
    """Of these: with a good generation to go back to."""
    suppressed: int
    """Versions not delivered because their content is known to fail."""
    retries: int
    """Failed versions that were delivered again."""
    unreported: int
    """Generations that were not reported on in time."""
    snapshot_failures: int
    """Attempts to make a snapshot that failed."""
    watched_files: int
    """Files that are mount points, with a watch of their own."""
    polled_files: int
    """Files that are mount points and are compared every poll_interval_ms instead."""
    unreliable: int
    """Directories and files that the safety check compares."""
    safety_checks: int
    """Times that it has compared them."""
    missed: int
    """Changes that were found although a notification ought to have come."""
