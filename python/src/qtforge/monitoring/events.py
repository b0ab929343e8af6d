# SPDX-License-Identifier: MIT
"""What a manager tells: events and figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .safe import ReloadOutcome


class OpenEnum(IntEnum):
    """Has a member also for a number that only a newer library knows."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class EventKind(OpenEnum):
    """What an event is about."""

    FILE_CHANGED = 1
    """The file has a new, complete version."""
    ENABLED = 2
    """Hot reload was enabled."""
    DISABLED = 3
    """Hot reload was disabled; the last event of its plugin."""
    FILE_REMOVED = 4
    """The file is gone; if something else than a file stands there, ``Event.message`` says what."""
    HEALTH = 5
    """The library degraded or recovered; ``Event.message`` says how."""
    REJECTED = 6
    """Safe reload: a version was refused; ``Event.message`` says why."""
    ROLLBACK = 7
    """Safe reload: a version failed; ``Event.snapshot_path`` is the last good one, "" if there is none."""
    DISCOVERED = 8
    """A folder has found a plugin and enabled it: just before the FILE_CHANGED of its first version, with generation 1;
    with generation 0 for a file that was there when the folder was enabled and is not delivered."""


class Change(IntEnum):
    """What has happened to a file: :attr:`Event.change`. The names and numbers are those of the package watchfiles."""

    added = 1
    """A folder has found the file."""
    modified = 2
    """The file has a new version."""
    deleted = 3
    """The file is gone."""
    removed = 3
    """The same as deleted."""

    def raw_str(self) -> str:
        """The name: "added", "modified" or "deleted"."""
        return self.name


class Health(OpenEnum):
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
    HELD_OPEN = 15
    """A process holds a plugin's file open for writing and does not write; ``Event.message`` names it."""
    FOLDER_LIMIT = 16
    """A folder has more files or directories than max_files, or directories deeper than max_depth."""
    FOLDER_SKIPPED = 17
    """A file of a folder is not enabled; ``Event.message`` says why. It is tried again."""
    FOLDER_UNREADABLE = 18
    """A directory of a folder is missing or cannot be listed. It is waited for."""
    FOLDER_READABLE = 19
    """The directory can be listed again."""
    PAUSE_MARKER = 20
    """The pause marker at Event.path is there for long: its build may have died. Its plugins wait."""


METRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The media type of what ``metrics()`` returns."""


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
    folder_id: str = ""
    """The folder that has found the plugin, or that a health event is about; "" for a plugin that the host enabled."""

    @property
    def change(self) -> Change | None:
        """What has happened to the file; None if the event is about something else."""
        return _CHANGES.get(self.kind)


_CHANGES = {
    EventKind.DISCOVERED: Change.added,
    EventKind.FILE_CHANGED: Change.modified,
    EventKind.FILE_REMOVED: Change.deleted,
}


class PluginState(OpenEnum):
    """What a plugin is doing."""

    IDLE = 1
    """The file is at the version that the host knows."""
    SETTLING = 2
    """The file may have changed; the quiet period runs, or a check."""
    WRITING = 3
    """A process holds the file open for writing, as far as is known."""
    UNREADABLE = 4
    """The file cannot be read; it is tried again."""
    INCOMPLETE = 5
    """The file is not a complete image (check_image); the next version is waited for."""
    MISSING = 6
    """There is no file."""
    VALIDATING = 7
    """Safe reload: a version is being copied and validated."""
    REJECTED = 8
    """Safe reload: the version was rejected; the next one is waited for."""
    RETRYING = 9
    """Safe reload: the version could not be copied, or lacks a file; it is tried again."""
    READY = 10
    """A change waits to be delivered."""
    DELIVERING = 11
    """The host's callback runs."""
    HANGING = 12
    """The file system does not answer."""


class Watching(OpenEnum):
    """How a plugin's path is watched."""

    PENDING = 0
    """Not yet."""
    NOTIFIED = 1
    """The system notifies of changes."""
    POLLED = 2
    """It is compared every poll_interval_ms, at least in part."""


class Decision(OpenEnum):
    """What kind of thing happened to a plugin last."""

    NONE = 0
    """Nothing is known."""
    NOTICED = 1
    """The file may have changed."""
    WAITING = 2
    """A check found the file not complete yet."""
    UNCHANGED = 3
    """There is nothing to deliver."""
    COMPLETE = 4
    """There is a complete, new version."""
    REJECTED = 5
    """The version is not delivered."""
    UNREADABLE = 6
    """The file cannot be read."""
    REMOVED = 7
    """The file is gone."""
    SUPERSEDED = 8
    """A version was taken back because the file may have changed."""
    DELIVERED = 9
    """A change was delivered."""
    REPORTED = 10
    """The host reported on a generation."""
    PAUSED = 11
    """The plugin was paused or resumed."""


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What is known of a plugin at one moment. Times are nanoseconds since 1970 UTC; 0 means never, or not known.

    What happened (the fields that begin with last_) is kept of the 1024 plugins to which something happened last. See
    ``hrm_plugin_status_info`` in the C header.
    """

    state: PluginState
    """What the plugin is doing."""
    since_ns: int
    """Since when."""
    due_ns: int
    """When the file is checked next; 0 if nothing is due."""
    paused: bool
    """Whether it is paused by set_plugin_paused()."""
    watching: Watching
    """How its path is watched."""
    last_decision: Decision
    """What happened last."""
    last_outcome: ReloadOutcome | None
    """Safe reload: the latest report."""
    last_decision_ns: int
    """When last_decision was made."""
    last_notification_ns: int
    """When a sign of a change came last."""
    last_check_ns: int
    """When the file was checked last."""
    last_delivery_ns: int
    """When a change was delivered last."""
    last_report_ns: int
    """When the host last reported on a generation."""
    generation: int
    """Of the latest delivered version; 0 before the first."""
    writer_pid: int
    """PluginState.WRITING: a process that holds the file open for writing; 0 if none is known."""
    marked_since_ns: int
    """Since when the plugin's pause marker is there, or may be; 0 if it is not."""


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One decision about a plugin."""

    decision: Decision
    """What it was."""
    timestamp_ns: int
    """When, in nanoseconds since 1970 UTC; the last time, if there were several in a row."""
    times: int
    """How often in a row, from 1."""
    reason: str
    """Why, for people: one printable line."""


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
    held_open: int
    """Plugins whose file a process holds open for writing without a change: see Health.HELD_OPEN."""
    writers_unknown: int
    """Of deliveries: those where the system did not say whether a process had the file open for writing."""
