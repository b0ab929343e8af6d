# SPDX-License-Identifier: MIT
"""The C interface as ctypes sees it. The only place that names the library's symbols."""

from __future__ import annotations

try:
    import ctypes
except ImportError as error:  # ctypes of Python 3.12 refuses sub-interpreters that have a lock of their own
    raise ImportError(f"qtforge.monitoring needs ctypes, which cannot be imported here: {error}") from error
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

OK = 0
ERR_INVALID_ARGUMENT = -5
ERR_INVALID_HANDLE = -6
ERR_BUFFER_TOO_SMALL = -7
ERR_NOT_SUPPORTED = -8

DISPATCH_THREAD = 0
DISPATCH_MANUAL = 1
NO_QUIET = -1
CHECK_IMAGE = 1
IGNORE_UNCHANGED_CONTENT = 2
FORCE_POLLING = 4
DELIVER_HELD = 8
ENABLE_ALLOW_MISSING = 1
ENABLE_DELIVER_PRESENT = 2
ENABLE_PAUSED = 4
SAFE_IMAGE = 1
SAFE_STRICT_MODES = 2
SAFE_ACCEPT_ON_TIMEOUT = 4
SAFE_NO_IMAGE = 8
SAFE_NO_STRICT_MODES = 16
SAFE_REJECT_ON_TIMEOUT = 32
SAFE_RISING_VERSION = 64
SAFE_ANY_VERSION = 128
SAFE_LIST_NAMES = 256
SAFE_NO_LIST_NAMES = 512
SAFE_NO_UNIQUE = 1024
SAFE_ALLOW_UNIQUE = 2048
FOLDER_ALLOW_MISSING = 1
FOLDER_DELIVER_PRESENT = 2
FOLDER_PAUSED = 4
FOLDER_SHORT_IDS = 8
FOLDER_ALL_NAMES = 16
LOG_ERROR = 1
LOG_WARNING = 2
LOG_INFO = 3
LOG_DEBUG = 4
REJECT = 0
ACCEPT = 1
VERSION_MAJOR = 1


class Error(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("os_error", c_int32),
        ("message", c_char * 512),
    ]

    def __init__(self) -> None:
        super().__init__(struct_size=ctypes.sizeof(Error))


class SafeOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("files", POINTER(c_char_p)),
        ("symbols", POINTER(c_char_p)),
        ("allow_list", c_char_p),
        ("public_keys", POINTER(c_char_p)),
        ("signature", c_char_p),
        ("reserved_pointer", c_void_p),
        ("validator_timeout_ms", c_int32),
        ("report_timeout_ms", c_int32),
        ("retries", c_int32),
        ("retry_delay_ms", c_int32),
        ("keep_generations", c_int32),
        ("reserved", c_int32),
        ("max_size", c_int64),
        ("plugin_name", c_char_p),
        ("min_version", c_char_p),
        ("version_dir", c_char_p),
        ("manifest", c_char_p),
    ]


class Options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("dispatch_mode", c_int32),
        ("quiet_ms", c_int32),
        ("max_delay_ms", c_int32),
        ("poll_interval_ms", c_int32),
        ("flags", c_uint32),
        ("safe", POINTER(SafeOptions)),
        ("snapshot_dir", c_char_p),
        ("safety_check_ms", c_int32),
        ("held_after_ms", c_int32),
        ("marker_after_ms", c_int32),
        ("reserved", c_int32),
    ]


class EnableOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("quiet_ms", c_int32),
        ("reserved", c_int32),
        ("safe", POINTER(SafeOptions)),
        ("pause_marker", c_char_p),
    ]


class EventStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_int32),
        ("health", c_int32),
        ("reserved", c_uint32),
        ("sequence", c_uint64),
        ("timestamp_ns", c_int64),
        ("first_seen_ns", c_int64),
        ("generation", c_uint64),
        ("snapshot_size", c_uint64),
        ("plugin_id", c_char_p),
        ("path", c_char_p),
        ("message", c_char_p),
        ("snapshot_path", c_char_p),
        ("snapshot_sha256", c_char_p),
        ("trusted_comment", c_char_p),
        ("folder_id", c_char_p),
        ("reserved_pointer", c_void_p),
    ]


class CandidateStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("generation", c_uint64),
        ("snapshot_size", c_uint64),
        ("plugin_id", c_char_p),
        ("path", c_char_p),
        ("snapshot_path", c_char_p),
        ("snapshot_sha256", c_char_p),
        ("trusted_comment", c_char_p),
        ("reserved_pointer", c_void_p),
    ]


class StatsStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("failed", c_int32),
        ("plugins", c_uint64),
        ("watched_directories", c_uint64),
        ("polled_directories", c_uint64),
        ("pending", c_uint64),
        ("settling", c_uint64),
        ("being_written", c_uint64),
        ("incomplete_images", c_uint64),
        ("notifications", c_uint64),
        ("overflows", c_uint64),
        ("deliveries", c_uint64),
        ("removals", c_uint64),
        ("unchanged", c_uint64),
        ("superseded", c_uint64),
        ("last_delivery_ns", c_int64),
        ("unreadable", c_uint64),
        ("snapshots", c_uint64),
        ("snapshot_bytes", c_uint64),
        ("validating", c_uint64),
        ("rejected", c_uint64),
        ("reloads_ok", c_uint64),
        ("reloads_failed", c_uint64),
        ("rollbacks", c_uint64),
        ("suppressed", c_uint64),
        ("retries", c_uint64),
        ("unreported", c_uint64),
        ("snapshot_failures", c_uint64),
        ("watched_files", c_uint64),
        ("polled_files", c_uint64),
        ("unreliable", c_uint64),
        ("safety_checks", c_uint64),
        ("missed", c_uint64),
        ("held_open", c_uint64),
        ("writers_unknown", c_uint64),
    ]


class PluginStatusStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("state", c_int32),
        ("since_ns", c_int64),
        ("due_ns", c_int64),
        ("paused", c_int32),
        ("watching", c_int32),
        ("last_decision", c_int32),
        ("last_outcome", c_int32),
        ("last_decision_ns", c_int64),
        ("last_notification_ns", c_int64),
        ("last_check_ns", c_int64),
        ("last_delivery_ns", c_int64),
        ("last_report_ns", c_int64),
        ("generation", c_uint64),
        ("writer_pid", c_int64),
        ("marked_since_ns", c_int64),
    ]


class PastDecisionStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("decision", c_int32),
        ("timestamp_ns", c_int64),
        ("times", c_uint64),
        ("reason", c_char * 512),
    ]


class LogRecordStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("level", c_int32),
        ("timestamp_ns", c_int64),
        ("plugin_id", c_char_p),
        ("message", c_char_p),
    ]


class ManagerStruct(Structure):
    """Incomplete for ever: a handle is a key."""


Handle = POINTER(ManagerStruct)
ReloadFn = CFUNCTYPE(None, c_char_p, c_void_p)
EventFn = CFUNCTYPE(None, POINTER(EventStruct), c_void_p)
LogFn = CFUNCTYPE(None, POINTER(LogRecordStruct), c_void_p)
PlainFn = CFUNCTYPE(None, c_void_p)
ValidatorFn = CFUNCTYPE(c_int32, POINTER(CandidateStruct), c_void_p, c_size_t, c_void_p)

FolderIdFn = CFUNCTYPE(c_int32, c_char_p, c_void_p, c_size_t, c_void_p)


class FolderOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("include", POINTER(c_char_p)),
        ("exclude", POINTER(c_char_p)),
        ("max_depth", c_int32),
        ("max_files", c_int32),
        ("quiet_ms", c_int32),
        ("reserved", c_int32),
        ("safe", POINTER(SafeOptions)),
        ("pause_marker", c_char_p),
        ("id_fn", FolderIdFn),
        ("id_user_data", c_void_p),
        ("id_destroy", PlainFn),
    ]


_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "hrm_manager_create": (c_int32, [POINTER(Options), POINTER(Handle), POINTER(Error)]),
    "hrm_manager_destroy": (c_int32, [Handle]),
    "hrm_enable_hot_reload_ex": (
        c_int32,
        [Handle, c_char_p, c_char_p, POINTER(EnableOptions), POINTER(Error)],
    ),
    "hrm_disable_hot_reload": (c_int32, [Handle, c_char_p]),
    "hrm_is_hot_reload_enabled_ex": (c_int32, [Handle, c_char_p, POINTER(c_int32), POINTER(Error)]),
    "hrm_get_hot_reload_plugins": (c_int32, [Handle, c_void_p, POINTER(c_size_t)]),
    "hrm_clear": (c_int32, [Handle]),
    "hrm_set_global_hot_reload_enabled": (c_int32, [Handle, c_int32]),
    "hrm_is_global_hot_reload_enabled_ex": (c_int32, [Handle, POINTER(c_int32), POINTER(Error)]),
    "hrm_set_plugin_paused": (c_int32, [Handle, c_char_p, c_int32]),
    "hrm_is_plugin_paused_ex": (c_int32, [Handle, c_char_p, POINTER(c_int32), POINTER(Error)]),
    "hrm_plugin_status": (c_int32, [Handle, c_char_p, POINTER(PluginStatusStruct)]),
    "hrm_plugin_decisions": (
        c_int32,
        [Handle, c_char_p, POINTER(PastDecisionStruct), POINTER(c_size_t), POINTER(Error)],
    ),
    "hrm_explain": (c_int32, [Handle, c_char_p, c_void_p, POINTER(c_size_t)]),
    "hrm_metrics": (c_int32, [Handle, c_void_p, POINTER(c_size_t), POINTER(Error)]),
    "hrm_set_log_callback": (c_int32, [Handle, c_int32, LogFn, c_void_p, PlainFn]),
    "hrm_check_now": (c_int32, [Handle, c_char_p]),
    "hrm_enable_folder": (c_int32, [Handle, c_char_p, c_char_p, POINTER(FolderOptions), POINTER(Error)]),
    "hrm_disable_folder": (c_int32, [Handle, c_char_p]),
    "hrm_get_folders": (c_int32, [Handle, c_void_p, POINTER(c_size_t)]),
    "hrm_set_folder_paused": (c_int32, [Handle, c_char_p, c_int32]),
    "hrm_is_folder_paused": (c_int32, [Handle, c_char_p]),
    "hrm_set_reload_callback": (c_int32, [Handle, ReloadFn, c_void_p, PlainFn]),
    "hrm_set_event_callback": (c_int32, [Handle, EventFn, c_void_p, PlainFn]),
    "hrm_set_wakeup_callback": (c_int32, [Handle, PlainFn, c_void_p, PlainFn]),
    "hrm_set_validator": (c_int32, [Handle, ValidatorFn, c_void_p, PlainFn]),
    "hrm_report_reload": (c_int32, [Handle, c_char_p, c_uint64, c_int32, c_char_p, POINTER(Error)]),
    "hrm_dispatch": (c_int32, [Handle, c_int32, c_int32, POINTER(Error)]),
    "hrm_event_fd": (c_int32, [Handle]),
    "hrm_stats": (c_int32, [Handle, POINTER(StatsStruct)]),
    "hrm_strerror": (c_char_p, [c_int32]),
    "hrm_printable": (c_int32, [c_char_p, c_char_p, c_size_t]),
    "hrm_version_number": (c_int32, []),
    "hrm_version_string": (c_char_p, []),
}


def declare(library: ctypes.CDLL) -> None:
    """Gives every function its types; AttributeError names one that is missing."""
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
