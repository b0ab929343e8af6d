# SPDX-License-Identifier: MIT
"""Folders: what of PluginHotReloadManager finds plugins by their names."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from . import _abi
from ._arguments import StrPath, check_callable, directory_bytes, id_bytes, int32
from ._delivering import Delivering
from ._unraisable import unraisable
from .errors import Failure, HotReloadError, InvalidArgumentError, InvalidPathError, Success
from .safe import SafeOptions, arguments

if TYPE_CHECKING:
    from ._native import NativeManager

Patterns = str | Iterable[str]
Identify = Callable[[str], "str | None"]


class Folder(NamedTuple):
    """What enable_folder() was called with."""

    directory: bytes
    absolute: bytes
    filename: str | bytes
    include: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    max_depth: int
    max_files: int
    quiet_ms: int
    flags: int
    safe: SafeOptions | None
    pause_marker: bytes | None
    plugin_id: Identify | None

    def options(self) -> _abi.FolderOptions:
        """As the C library takes them."""
        options = _abi.FolderOptions(ctypes.sizeof(_abi.FolderOptions))
        options.flags = self.flags
        options.include, options.exclude = _list(self.include), _list(self.exclude)
        options.max_depth, options.max_files = self.max_depth, self.max_files
        options.quiet_ms = self.quiet_ms
        options.safe = arguments(self.safe)
        options.pause_marker = self.pause_marker
        return options


class Folders(Delivering):
    """What is between Delivering and PluginHotReloadManager."""

    _raise_on_error: bool
    _folders: dict[str, Folder]

    def enable_folder(
        self,
        folder_id: str,
        directory: StrPath,
        *,
        include: Patterns = (),
        exclude: Patterns = (),
        max_depth: int = 0,
        max_files: int = 0,
        quiet_ms: int = 0,
        allow_missing: bool = False,
        deliver_present: bool = False,
        paused: bool = False,
        short_ids: bool = False,
        all_names: bool = False,
        safe: SafeOptions | None = None,
        pause_marker: str | None = None,
        plugin_id: Identify | None = None,
    ) -> Success | Failure:
        """Begins to find plugins in a directory: each file that the patterns name is enabled while it is there.

        A new file is delivered when it is complete: an event of kind DISCOVERED, then its FILE_CHANGED. A file that is
        removed is reported after the quiet period (FILE_REMOVED) and disabled. Temporary, backup, lock and hidden files
        of editors and other tools are no plugins. docs/folders.md is the manual.

        Args:
            folder_id: the folder's name. Folders and plugins have names apart.
            directory: the directory; a relative path is resolved now.
            include: a pattern, or several, of the paths in the folder: ``"*.so"``; ``"**/*.so"`` also names files in
                folders below. Default: every file in the folder itself.
            exclude: patterns of files that are no plugins, and of directories that are not entered.
            max_depth: how many directories below the folder are entered; 0 is the default (16), otherwise 1 to 100.
            max_files: how many plugins, and directories, the folder may have; 0 is the default (100000).
            quiet_ms: the quiet period of each plugin, as in enable_hot_reload().
            allow_missing: accept a directory that does not exist yet.
            deliver_present: deliver what is there now, too, as first versions; otherwise it counts as known.
            paused: begin as set_folder_paused() leaves it.
            short_ids: ids without the folder and the last extension: "fx/echo" instead of "plugins/fx/echo.so".
            all_names: names that temporary, backup, lock and hidden files have may be plugins, too.
            safe: safe reload of each plugin, as in enable_hot_reload().
            pause_marker: the name of a file in the folder: while it is there, the folder is paused.
            plugin_id: gives a file, named by its path in the folder, its id, or None if it is no plugin.
                It runs on a thread of the library, and enable_folder() waits for it: hold no lock that it takes. An
                exception counts as None and goes to ``sys.unraisablehook``.
                Default: the folder's id, "/", and the path in the folder.

        Returns a result as enable_hot_reload() does, and raises with ``raise_on_error`` as it does. Codes:
        FileNotFound, InvalidPath, AlreadyExists, PermissionDenied, InvalidParameters, InvalidState. Raises TypeError
        for what is no pattern or no function. Since 1.0. See also disable_folder().
        """
        check_callable("plugin_id", plugin_id, "give a plain function")
        try:
            self._usable()
            self._delivers()
            native_id = folder_id_bytes(folder_id)
            path = _directory(folder_id, directory)
            folder = Folder(
                path,
                os.path.abspath(path),
                os.fspath(directory),
                _patterns("include", include),
                _patterns("exclude", exclude),
                int32("max_depth", max_depth),
                int32("max_files", max_files),
                int32("quiet_ms", quiet_ms),
                (_abi.FOLDER_ALLOW_MISSING if allow_missing else 0)
                | (_abi.FOLDER_DELIVER_PRESENT if deliver_present else 0)
                | (_abi.FOLDER_PAUSED if paused else 0)
                | (_abi.FOLDER_SHORT_IDS if short_ids else 0)
                | (_abi.FOLDER_ALL_NAMES if all_names else 0),
                safe,
                None if pause_marker is None else _text("pause_marker", pause_marker),
                plugin_id,
            )
            self._enable_folder(native_id, folder)
            self._folders[folder_id] = folder
            if paused:
                self._note_folder_paused(folder_id, True)
        except HotReloadError as error:
            if self._raise_on_error:
                raise
            return Failure(error)
        return Success()

    def disable_folder(self, folder_id: str) -> bool:
        """Ends the search for plugins in a folder, disables those that it has found, and says whether it was enabled.

        When it returns, nothing about a plugin of the folder is being delivered, except to a caller inside that
        delivery. Raises InvalidArgumentError, ClosedError, ForkedProcessError. Since 1.0. See also enable_folder().
        """
        self._usable()
        was_enabled = self._native.disable_folder(folder_id_bytes(folder_id))
        self._folders.pop(folder_id, None)
        self._paused_folders.discard(folder_id)
        self._settle(folder_id=folder_id)
        if self._mailbox is not None:
            self._mailbox.drop_folder(folder_id)
        return was_enabled

    def get_folders(self) -> list[str]:
        """The ids of the enabled folders, sorted. Raises ClosedError, ForkedProcessError. Since 1.0."""
        self._usable()
        return self._native.folders()

    def set_folder_paused(self, folder_id: str, paused: bool = True) -> None:
        """Pauses or resumes the delivery of a folder's plugins, as set_plugin_paused() of one. New files wait, too.

        Raises InvalidArgumentError for a folder that is not enabled, ClosedError, ForkedProcessError. Since 1.0. See
        also is_folder_paused().
        """
        self._usable()
        self._native.set_folder_paused(folder_id_bytes(folder_id), bool(paused))
        self._note_folder_paused(folder_id, bool(paused))
        self._await_turn()

    def is_folder_paused(self, folder_id: str) -> bool:
        """Whether a folder is paused, by set_folder_paused() or by its marker; False if it is not enabled.

        Raises InvalidArgumentError for what is no id, ClosedError, ForkedProcessError. Since 1.0.
        """
        self._usable()
        return self._native.is_folder_paused(folder_id_bytes(folder_id))

    def _enable_folder(self, folder_id: bytes, folder: Folder) -> None:
        native: NativeManager = self._native
        identify = (
            None if folder.plugin_id is None else functools.partial(_identify, folder.plugin_id, self._validating)
        )
        native.enable_folder(folder_id, folder.directory, folder.options(), identify, folder.filename)

    def _note_folder_paused(self, folder_id: str, paused: bool) -> None:
        (self._paused_folders.add if paused else self._paused_folders.discard)(folder_id)
        mailbox = self._mailbox
        if mailbox is not None:
            (mailbox.paused_folders.add if paused else mailbox.paused_folders.discard)(folder_id)
            self._bell.ring()


def literal(path: str) -> str:
    """The pattern that names this path and no other."""
    return re.sub(r"[*?\[\]{}\\]", r"\\\g<0>", path)


def _identify(function: Identify, inside: set[int], path: bytes) -> bytes | None:
    """Asks the host's function. Meanwhile its thread is in inside, so that it waits for no callback of its own."""
    thread = threading.get_ident()
    try:
        inside.add(thread)
        plugin_id = function(os.fsdecode(path))
        return None if plugin_id is None else id_bytes(plugin_id)
    except BaseException as error:
        unraisable(error, function)
        return None
    finally:
        inside.discard(thread)


def folder_id_bytes(folder_id: object) -> bytes:
    try:
        return id_bytes(folder_id)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"folder_id: {error}") from None


def _directory(folder_id: str, directory: object) -> bytes:
    try:
        return directory_bytes(f"folder {folder_id!r}", directory)
    except InvalidArgumentError as error:
        raise InvalidPathError(str(error)) from None


def _patterns(name: str, patterns: Patterns) -> tuple[bytes, ...]:
    if isinstance(patterns, str):
        return (_text(name, patterns),)
    if isinstance(patterns, (bytes, os.PathLike)) or not isinstance(patterns, Iterable):
        raise TypeError(f"{name}={patterns!r}: expected a pattern, or several, as str")
    return tuple(_text(name, pattern) for pattern in patterns)


def _text(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{name}: {text!r} is no str")
    if "\0" in text:
        raise InvalidArgumentError(f"{name}: {text!r} contains a NUL character")
    return os.fsencode(text)


def _list(items: tuple[bytes, ...]) -> ctypes.Array[ctypes.c_char_p] | None:
    """NULL-terminated; None for the default."""
    return (ctypes.c_char_p * (len(items) + 1))(*items, None) if items else None
