# SPDX-License-Identifier: MIT
"""The part of the C interface that is in hot_reload_plugin.h, as ctypes sees it."""

from __future__ import annotations

import ctypes
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

from . import _abi

PLUGIN_ALLOW_MISSING = 1
PLUGIN_DO_NOT_WAIT = 2
PLUGIN_STATE_OPTIONAL = 4
NO_LIMIT = -1
STEP_LOAD = 1
STEP_INIT = 2
STEP_SAVE = 4
STEP_EXIT = 5
STEP_UNLOAD = 6
STEP_RESTORE = 7
STEP_ACTIVATE = 9
STEP_FORGET = 12
STEP_DONE = 0
STEP_FAILED = 1
STEP_NOT_NOW = 2
STEP_KEPT = 3
HOOK_INIT = 1
HOOK_EXIT = 2
HOOK_SAVE = 4
HOOK_RESTORE = 8


class OutcomeStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("verdict", c_int32),
        ("generation", c_uint64),
        ("active", c_uint64),
        ("at_generation", c_uint64),
        ("retry_ms", c_int64),
        ("attempt", c_int32),
        ("step", c_int32),
        ("plugin_id", c_char_p),
        ("at_plugin", c_char_p),
        ("reason", c_char_p),
        ("down", c_char_p),
        ("notes", c_char_p),
        ("message", c_char_p),
    ]


class StepStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_int32),
        ("generation", c_uint64),
        ("instance", c_uint64),
        ("needs_count", c_uint64),
        ("plugin_id", c_char_p),
        ("path", c_char_p),
        ("plugin_data", c_void_p),
        ("data", c_void_p),
        ("from_data", c_void_p),  # "from" in C
        ("needs", POINTER(c_void_p)),
    ]


class StepResultStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("hooks", c_uint32),
        ("reason_size", c_uint64),
        ("reason", c_void_p),
        ("data", c_void_p),
    ]


# Handles of hosts, plugins and versions are keys: c_void_p.
OutcomeFn = CFUNCTYPE(None, POINTER(OutcomeStruct), c_void_p)
StepFn = CFUNCTYPE(c_int32, POINTER(StepStruct), POINTER(StepResultStruct), c_void_p)
CheckFn = CFUNCTYPE(c_int32, c_char_p, POINTER(_abi.CandidateStruct), c_size_t, c_void_p, c_size_t, c_void_p)


class HostOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("manager", POINTER(_abi.Options)),
        ("outcome", OutcomeFn),
        ("step", StepFn),
        ("user_data", c_void_p),
        ("destroy", _abi.PlainFn),
    ]


class PluginOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("mode", c_int32),
        ("quiet_ms", c_int32),
        ("open_timeout_ms", c_int32),
        ("canary_timeout_ms", c_int32),
        ("hand_over_timeout_ms", c_int32),
        ("in_use_ms", c_int32),
        ("load_timeout_ms", c_int32),
        ("init_timeout_ms", c_int32),
        ("save_timeout_ms", c_int32),
        ("restore_timeout_ms", c_int32),
        ("prepare_timeout_ms", c_int32),
        ("exit_timeout_ms", c_int32),
        ("unload_timeout_ms", c_int32),
        ("reserved", c_int32),
        ("symbols", POINTER(c_char_p)),
        ("needs", POINTER(c_char_p)),
        ("init", c_char_p),
        ("exit", c_char_p),
        ("save_state", c_char_p),
        ("restore_state", c_char_p),
        ("safe", POINTER(_abi.SafeOptions)),
        ("validator", _abi.ValidatorFn),
        ("validator_data", c_void_p),
        ("canary_program", c_char_p),
        ("connect", c_void_p),
        ("prepare", c_void_p),
        ("dispose", c_void_p),
        ("prepare_data", c_void_p),
    ]


class Opening(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("plugin_id", c_char_p),
        ("path", c_char_p),
        ("options", POINTER(PluginOptions)),
        ("plugin", c_void_p),
    ]


class SetOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("wait_ms", c_int32),
        ("id", c_char_p),
        ("check", CheckFn),
        ("user_data", c_void_p),
    ]


class PluginCondition(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("step", c_int32),
        ("active", c_uint64),
        ("pending", c_uint64),
        ("exchanging", c_uint64),
        ("old", c_uint64),
        ("last_ns", c_int64),
        ("last_verdict", c_int32),
        ("reserved", c_int32),
        ("last_generation", c_uint64),
        ("text", c_char * 512),
    ]


_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "hrm_host_create": (c_int32, [POINTER(HostOptions), POINTER(c_void_p), POINTER(_abi.Error)]),
    "hrm_host_destroy": (c_int32, [c_void_p, c_int32, POINTER(_abi.Error)]),
    "hrm_host_manager": (_abi.Handle, [c_void_p]),
    "hrm_host_open_all": (
        c_int32,
        [c_void_p, POINTER(Opening), c_size_t, POINTER(SetOptions), POINTER(_abi.Error)],
    ),
    "hrm_plugin_close": (c_int32, [c_void_p, c_int32, POINTER(_abi.Error)]),
    "hrm_plugin_acquire_all": (c_int32, [POINTER(c_void_p), c_size_t, POINTER(c_void_p)]),
    "hrm_plugin_fail": (c_int32, [c_void_p, c_uint64, c_char_p, POINTER(_abi.Error)]),
    "hrm_plugin_take_without_state": (c_int32, [c_void_p, POINTER(_abi.Error)]),
    "hrm_plugin_state": (c_int32, [c_void_p, POINTER(PluginCondition), POINTER(_abi.Error)]),
}

# These neither wait nor call back: they keep the GIL, and so cost less.
_QUICK: dict[str, tuple[Any, list[Any]]] = {
    "hrm_plugin_try_acquire": (c_void_p, [c_void_p]),
    "hrm_plugin_release": (c_int32, [c_void_p]),
    "hrm_plugin_data": (c_void_p, [c_void_p]),
}


def declare(library: ctypes.CDLL) -> None:
    """Gives every function its types; AttributeError names one that is missing."""
    _declare(library, _PROTOTYPES)


def quick(library: ctypes.CDLL) -> ctypes.PyDLL:
    """The functions of a library that are called without letting other threads run."""
    same = ctypes.PyDLL(library._name, handle=library._handle)
    _declare(same, _QUICK)
    return same


def _declare(library: ctypes.CDLL, prototypes: dict[str, tuple[Any, list[Any]]]) -> None:
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
