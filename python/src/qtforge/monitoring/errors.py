# SPDX-License-Identifier: MIT
"""What can go wrong, as codes, exceptions and results."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal


class PluginErrorCode(IntEnum):
    """Why an operation failed. Names and numbers are those of the C++ interface: QtForge's where it has the code."""

    Success = 0
    FileNotFound = 100
    InvalidParameters = 302
    ResourceUnavailable = 306
    AlreadyExists = 307
    InvalidState = 309
    NotSupported = 314
    SystemError = 316
    PermissionDenied = 401
    InvalidPath = 10001


class HotReloadError(Exception):
    """Base of all errors of this package. They can be pickled and copied.

    Attributes: ``code``, ``message`` (names the offending value), ``plugin_id`` ("" if none is concerned), and
    ``os_error`` (errno of the failed system call, 0 if none). Those that are an OSError also have its ``errno``,
    ``strerror`` and ``filename`` (the path as it was given).
    """

    code: PluginErrorCode = PluginErrorCode.SystemError
    _errno = 0  # of an OSError for which the library names no system call

    def __init__(
        self,
        message: str,
        *,
        code: PluginErrorCode | None = None,
        plugin_id: str = "",
        os_error: int = 0,
        filename: str | bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.plugin_id = plugin_id
        self.os_error = os_error
        if code is not None:
            self.code = code
        if isinstance(self, OSError):
            _fill(self, os_error or self._errno, filename)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        fields: dict[str, Any] = {name: getattr(self, name) for name in _OS_FIELDS} if isinstance(self, OSError) else {}
        return _restored, (type(self), self.args, fields), self.__dict__


def _fill(error: OSError, number: int, filename: str | bytes | None) -> None:
    error.errno = number
    error.strerror = os.strerror(number)
    error.filename = filename


_OS_FIELDS = ("errno", "strerror", "filename")


def _restored(kind: type[HotReloadError], args: tuple[Any, ...], fields: dict[str, Any]) -> HotReloadError:
    """A pickled error; __dict__ follows. Without __init__, which subclasses may have of their own."""
    error = kind.__new__(kind, *args)
    error.args = args
    for name, value in fields.items():
        setattr(error, name, value)
    return error


class PluginFileNotFoundError(HotReloadError, FileNotFoundError):
    """The plugin's file does not exist."""

    code = PluginErrorCode.FileNotFound
    _errno = errno.ENOENT


class InvalidPathError(HotReloadError, ValueError):
    """The path is empty, too long, or does not name a regular file."""

    code = PluginErrorCode.InvalidPath


class AlreadyExistsError(HotReloadError, FileExistsError):
    """Hot reload is enabled for the plugin already."""

    code = PluginErrorCode.AlreadyExists
    _errno = errno.EEXIST


class PluginPermissionError(HotReloadError, PermissionError):
    """The file is unreadable or its directory not searchable."""

    code = PluginErrorCode.PermissionDenied
    _errno = errno.EACCES


class InvalidArgumentError(HotReloadError, ValueError):
    """An id or option is malformed or out of range."""

    code = PluginErrorCode.InvalidParameters


class ClosedError(HotReloadError, RuntimeError):
    """The manager was closed."""

    code = PluginErrorCode.InvalidState


class LoopClosedError(HotReloadError, RuntimeError):
    """The event loop or Qt application that delivers for this manager has ended; the manager itself is still open."""

    code = PluginErrorCode.InvalidState


class ForkedProcessError(HotReloadError, RuntimeError):
    """The manager was made before a fork, and this is the child."""

    code = PluginErrorCode.InvalidState


class ForkedProcessWarning(RuntimeWarning):
    """This process is the child of a fork, and a manager of its parent's delivers nothing here."""


# HRM_ERR_* of hot_reload_manager.h.
_BY_NATIVE_CODE: dict[int, tuple[type[HotReloadError], PluginErrorCode]] = {
    -1: (PluginFileNotFoundError, PluginErrorCode.FileNotFound),
    -2: (InvalidPathError, PluginErrorCode.InvalidPath),
    -3: (AlreadyExistsError, PluginErrorCode.AlreadyExists),
    -4: (PluginPermissionError, PluginErrorCode.PermissionDenied),
    -5: (InvalidArgumentError, PluginErrorCode.InvalidParameters),
    -6: (ClosedError, PluginErrorCode.InvalidState),
    -7: (HotReloadError, PluginErrorCode.SystemError),
    -8: (HotReloadError, PluginErrorCode.NotSupported),
    -9: (ForkedProcessError, PluginErrorCode.InvalidState),
    -10: (HotReloadError, PluginErrorCode.InvalidState),
    -11: (HotReloadError, PluginErrorCode.SystemError),
    -12: (HotReloadError, PluginErrorCode.ResourceUnavailable),
}


def from_native(
    code: int, message: str, plugin_id: str = "", os_error: int = 0, filename: str | bytes | None = None
) -> HotReloadError:
    """The exception for an HRM_ERR_* code."""
    if code == -6:
        message = "the manager was closed"  # between our question and the call
    kind, plugin_code = _BY_NATIVE_CODE.get(code, (HotReloadError, PluginErrorCode.SystemError))
    return kind(message, code=plugin_code, plugin_id=plugin_id, os_error=os_error, filename=filename)


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of an operation: true on success; else ``error`` says why."""

    error: HotReloadError | None

    def __bool__(self) -> bool:
        return self.error is None

    def raise_for_error(self) -> None:
        """Raises ``error`` if there is one."""
        if self.error is not None:
            raise self.error


# These two let type checkers see that `if not result:` leaves an error.


@dataclass(frozen=True, slots=True)
class Success(Result):
    """A true result."""

    error: None = None

    def __bool__(self) -> Literal[True]:
        return True


@dataclass(frozen=True, slots=True)
class Failure(Result):
    """A false result with its ``error``."""

    error: HotReloadError

    def __bool__(self) -> Literal[False]:
        return False
