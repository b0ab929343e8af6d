# SPDX-License-Identifier: MIT
"""One native manager: the C functions with Python values, exceptions instead of codes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any, Literal

from . import _abi, _callbacks, _library, _output
from .errors import from_native
from .events import Decision, Event, EventKind, Health, PastDecision, PluginState, PluginStatus, Stats, Watching
from .safe import ReloadOutcome, SafeOptions, arguments


class NativeManager:
    """A handle of the C library in HRM_DISPATCH_MANUAL. Thread-safe as the library is."""

    def __init__(
        self,
        *,
        quiet_ms: int,
        max_delay_ms: int,
        poll_interval_ms: int,
        flags: int,
        safe: SafeOptions | None = None,
        snapshot_dir: bytes | None = None,
        safety_check_ms: int = 0,
        held_after_ms: int = 0,
        marker_after_ms: int = 0,
    ) -> None:
        self._library = _library.load()
        options = _abi.Options(
            ctypes.sizeof(_abi.Options),
            _abi.DISPATCH_MANUAL,
            quiet_ms,
            max_delay_ms,
            poll_interval_ms,
            flags,
            arguments(safe),
            snapshot_dir,
            safety_check_ms,
            held_after_ms,
            marker_after_ms,
        )
        self._handle = self._create(options)

    def _create(self, options: _abi.Options) -> Any:
        handle, error = _abi.Handle(), _abi.Error()
        code = self._library.hrm_manager_create(ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error))
        self._check(code, error)
        return handle

    def _check(
        self,
        code: int,
        error: _abi.Error | None = None,
        plugin_id: str = "",
        filename: str | bytes | None = None,
    ) -> int:
        if code >= 0:
            return code
        if error is not None and error.code == code:
            message = error.message.decode("utf-8", "replace")
            raise from_native(code, message, plugin_id, error.os_error, filename)
        message = self._library.hrm_strerror(code).decode()
        raise from_native(code, message, plugin_id, filename=filename)

    def destroy(self) -> None:
        self._library.hrm_manager_destroy(self._handle)

    def enable(
        self,
        plugin_id: bytes,
        path: bytes,
        *,
        quiet_ms: int,
        flags: int,
        safe: SafeOptions | None = None,
        pause_marker: bytes | None = None,
        filename: str | bytes | None = None,
    ) -> None:
        """filename is the path as the caller gave it, for errors."""
        options = _abi.EnableOptions(
            ctypes.sizeof(_abi.EnableOptions), flags, quiet_ms, 0, arguments(safe), pause_marker
        )
        error = _abi.Error()
        code = self._library.hrm_enable_hot_reload_ex(
            self._handle, plugin_id, path, ctypes.byref(options), ctypes.byref(error)
        )
        self._check(code, error, plugin_id.decode(), filename)

    def disable(self, plugin_id: bytes) -> bool:
        return self._check(self._library.hrm_disable_hot_reload(self._handle, plugin_id)) == 1

    def is_enabled(self, plugin_id: bytes) -> bool:
        return self._ask(self._library.hrm_is_hot_reload_enabled_ex, plugin_id)

    def _ask(self, question: Callable[..., int], *about: bytes) -> bool:
        yes = ctypes.c_int32(0)
        error = _abi.Error()
        self._check(
            question(self._handle, *about, ctypes.byref(yes), ctypes.byref(error)), error, *(a.decode() for a in about)
        )
        return yes.value == 1

    def plugins(self) -> list[str]:
        return self._ids(self._library.hrm_get_hot_reload_plugins)

    def _ids(self, question: Callable[..., int]) -> list[str]:
        size = ctypes.c_size_t(0)
        self._check(question(self._handle, None, ctypes.byref(size)))
        while True:  # another thread may enable more in between
            buffer = ctypes.create_string_buffer(size.value + 1)
            size.value += 1
            code = question(self._handle, buffer, ctypes.byref(size))
            if code != _abi.ERR_BUFFER_TOO_SMALL:
                self._check(code)
                return [p.decode() for p in buffer.raw[: size.value].split(b"\0")[:-1]]

    def clear(self) -> int:
        return self._check(self._library.hrm_clear(self._handle))

    def set_global(self, enabled: bool) -> None:
        self._check(self._library.hrm_set_global_hot_reload_enabled(self._handle, int(enabled)))

    def is_global(self) -> bool:
        return self._ask(self._library.hrm_is_global_hot_reload_enabled_ex)

    def set_paused(self, plugin_id: bytes, paused: bool) -> None:
        self._about(plugin_id, self._library.hrm_set_plugin_paused(self._handle, plugin_id, int(paused)))

    def is_paused(self, plugin_id: bytes) -> bool:
        return self._ask(self._library.hrm_is_plugin_paused_ex, plugin_id)

    def check_now(self, plugin_id: bytes | None) -> None:
        self._about(plugin_id, self._library.hrm_check_now(self._handle, plugin_id))

    def _about(self, plugin_id: bytes | None, code: int) -> None:
        """Checks the code of a function that describes no error, about a plugin that may not be enabled."""
        if plugin_id is not None and code == _abi.ERR_INVALID_ARGUMENT:
            name = plugin_id.decode()
            raise from_native(code, f'plugin "{_output.printable(name)}" is not enabled', name)
        self._check(code, plugin_id=(plugin_id or b"").decode())

    def enable_folder(
        self,
        folder_id: bytes,
        directory: bytes,
        options: _abi.FolderOptions,
        identify: Callable[[bytes], bytes | None] | None,
        filename: str | bytes,
    ) -> None:
        """identify receives the path of a file in the folder, on a thread of the library, and must not raise."""
        error = _abi.Error()
        if identify is not None:  # the library has it destroyed in any case
            options.id_fn = _callbacks.on_folder_id
            options.id_user_data = _callbacks.register(identify)
            options.id_destroy = _callbacks.on_destroy
        code = self._library.hrm_enable_folder(
            self._handle, folder_id, directory, ctypes.byref(options), ctypes.byref(error)
        )
        self._check(code, error, filename=filename)

    def disable_folder(self, folder_id: bytes) -> bool:
        return self._check(self._library.hrm_disable_folder(self._handle, folder_id)) == 1

    def folders(self) -> list[str]:
        return self._ids(self._library.hrm_get_folders)

    def set_folder_paused(self, folder_id: bytes, paused: bool) -> None:
        code = self._library.hrm_set_folder_paused(self._handle, folder_id, int(paused))
        if code == _abi.ERR_INVALID_ARGUMENT:
            raise from_native(code, f'folder "{_output.printable(folder_id.decode())}" is not enabled')
        self._check(code)

    def is_folder_paused(self, folder_id: bytes) -> bool:
        return bool(self._library.hrm_is_folder_paused(self._handle, folder_id) == 1)

    def set_reload_callback(self, target: Callable[[bytes], None] | None) -> None:
        """target receives the plugin's id; None removes it."""
        self._set(self._library.hrm_set_reload_callback, _abi.ReloadFn, _callbacks.on_reload, target)

    def set_event_callback(self, target: Callable[[Any], None] | None) -> None:
        """target receives the C struct; None removes it."""
        self._set(self._library.hrm_set_event_callback, _abi.EventFn, _callbacks.on_event, target)

    def set_wakeup(self, target: Callable[[], None]) -> None:
        """target is called on a thread of the library and may only signal."""
        self._set(self._library.hrm_set_wakeup_callback, _abi.PlainFn, _callbacks.on_wakeup, target)

    def set_log(self, level: int, target: Callable[[Any], None] | None) -> None:
        """target receives the C struct, on a thread of the library, and must not raise; None removes it."""

        def setter(handle: Any, function: Any, token: Any, destroy: Any) -> int:
            code: int = self._library.hrm_set_log_callback(handle, level, function, token, destroy)
            return code

        self._set(setter, _abi.LogFn, _callbacks.on_log, target)

    def set_validator(self, target: Callable[[Any], str | Literal[True]] | None) -> None:
        """target receives the C struct, on a thread of the library, and returns True or why it rejects; None removes
        it."""
        self._set(self._library.hrm_set_validator, _abi.ValidatorFn, _callbacks.on_validate, target)

    def report(self, plugin_id: bytes, generation: int, outcome: int, message: bytes) -> None:
        error = _abi.Error()
        code = self._library.hrm_report_reload(
            self._handle, plugin_id, generation, outcome, message, ctypes.byref(error)
        )
        self._check(code, error, plugin_id.decode())

    def _set(self, setter: Any, kind: Any, trampoline: Any, target: Callable[..., Any] | None) -> None:
        if target is None:
            self._check(setter(self._handle, kind(), None, _abi.PlainFn()))  # null functions
        else:
            self._check(setter(self._handle, trampoline, _callbacks.register(target), _callbacks.on_destroy))

    def dispatch(self, limit: int = 0, timeout_ms: int = 0) -> int:
        error = _abi.Error()
        code = self._library.hrm_dispatch(self._handle, limit, timeout_ms, ctypes.byref(error))
        _callbacks.raise_escaped()
        return self._check(code, error)

    def event_fd(self) -> int:
        return self._check(self._library.hrm_event_fd(self._handle))

    def event_fd_copy(self) -> int | None:
        """A descriptor of our own that polls as the library's does; None where there is none."""
        code = self._library.hrm_event_fd(self._handle)
        if code == _abi.ERR_NOT_SUPPORTED:
            return None
        return os.dup(self._check(code))

    def plugin_status(self, plugin_id: bytes) -> PluginStatus:
        out = _abi.PluginStatusStruct(ctypes.sizeof(_abi.PluginStatusStruct))
        self._about(plugin_id, self._library.hrm_plugin_status(self._handle, plugin_id, ctypes.byref(out)))
        fields = {name: getattr(out, name) for name in (f[0] for f in _abi.PluginStatusStruct._fields_[1:])}
        fields["state"] = PluginState(out.state)
        fields["paused"] = bool(out.paused)
        fields["watching"] = Watching(out.watching)
        fields["last_decision"] = Decision(out.last_decision)
        fields["last_outcome"] = ReloadOutcome(out.last_outcome) if out.last_outcome else None
        return PluginStatus(**fields)

    def plugin_decisions(self, plugin_id: bytes) -> list[PastDecision]:
        count = ctypes.c_size_t(8)
        error = _abi.Error()
        while True:  # a newer library may keep more
            found = (_abi.PastDecisionStruct * count.value)()
            found[0].struct_size = ctypes.sizeof(_abi.PastDecisionStruct)
            code = self._library.hrm_plugin_decisions(
                self._handle, plugin_id, found, ctypes.byref(count), ctypes.byref(error)
            )
            if code != _abi.ERR_BUFFER_TOO_SMALL:
                self._check(code, error, plugin_id.decode())
                return [
                    PastDecision(Decision(d.decision), d.timestamp_ns, d.times, d.reason.decode())
                    for d in found[: count.value]
                ]

    def explain(self, plugin_id: bytes) -> str:
        size = ctypes.c_size_t(4096)
        while True:  # it may become longer in between
            buffer = ctypes.create_string_buffer(size.value)
            code = self._library.hrm_explain(self._handle, plugin_id, buffer, ctypes.byref(size))
            if code != _abi.ERR_BUFFER_TOO_SMALL:
                self._about(plugin_id, code)
                return buffer.value.decode()

    def metrics(self) -> str:
        size = ctypes.c_size_t(16384)
        error = _abi.Error()
        while True:  # it may become longer in between
            buffer = ctypes.create_string_buffer(size.value)
            code = self._library.hrm_metrics(self._handle, buffer, ctypes.byref(size), ctypes.byref(error))
            if code != _abi.ERR_BUFFER_TOO_SMALL:
                self._check(code, error)
                return ctypes.string_at(buffer, size.value - 1).decode()
            size.value += size.value // 8

    def stats(self) -> Stats:
        out = _abi.StatsStruct(ctypes.sizeof(_abi.StatsStruct))
        self._check(self._library.hrm_stats(self._handle, ctypes.byref(out)))
        fields = {name: getattr(out, name) for name in (f[0] for f in _abi.StatsStruct._fields_[1:])}
        fields["failed"] = bool(fields["failed"])
        return Stats(**fields)


def event_of(raw: Any) -> Event:
    """The C struct, valid only during the callback, as an Event."""
    return Event(
        kind=EventKind(raw.kind),
        sequence=raw.sequence,
        timestamp_ns=raw.timestamp_ns,
        first_seen_ns=raw.first_seen_ns,
        plugin_id=raw.plugin_id.decode(),
        path=os.fsdecode(raw.path),
        generation=raw.generation,
        health=Health(raw.health),
        message=raw.message.decode("utf-8", "replace"),
        snapshot_path=os.fsdecode(raw.snapshot_path),
        snapshot_size=raw.snapshot_size,
        snapshot_sha256=raw.snapshot_sha256.decode(),
        trusted_comment=(raw.trusted_comment or b"").decode(),
        folder_id=(raw.folder_id or b"").decode(),
    )
