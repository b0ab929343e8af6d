# SPDX-License-Identifier: MIT
"""Standard output and standard error, also where they are closed, full or left; foreign text made printable."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import sys
from typing import IO

from . import _library

PROGRAM = "qtforge-hotreload"
LONGEST = 1000  # characters of a message
LONGEST_OUTPUT = 2**20  # bytes of a build's output that are shown
LONGEST_ESCAPE = 4  # bytes that a byte of a text becomes at most: \\xff


class OutputError(BaseException):
    """Standard output cannot be written.

    No Exception: the manager reports these itself when they leave a callback.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.reader_has_gone = isinstance(error, BrokenPipeError)
        self.reason = error.strerror or str(error)


def prepare() -> None:
    """Descriptors 0 to 2 are open afterwards, so that nothing else gets their numbers; commands inherit them."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Writes to standard output, at once. Raises OutputError."""
    try:
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] # it was closed when Python started
            raise OSError(errno.EBADF, "it is closed")
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise OutputError(error) from None


def complain(message: str) -> None:
    """One line on standard error, if somebody can be reached there."""
    write_error(f"{PROGRAM}: {short(message)}\n")


def write_error(text: str) -> None:
    """Writes to standard error; does nothing if that is closed, full or left."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stderr.write(text)
            sys.stderr.flush()


def copy_error(file: IO[bytes]) -> None:
    """Copies the end of a file to standard error, as it is; does nothing if that is closed, full or left."""
    left_out = max(0, file.seek(0, os.SEEK_END) - LONGEST_OUTPUT)
    file.seek(left_out)
    if left_out:
        write_error(f"{PROGRAM}: the first {left_out} bytes of the output are left out\n")
    with contextlib.suppress(OSError):
        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            shutil.copyfileobj(file, sys.stderr.buffer)
            sys.stderr.flush()


def printable(text: str) -> str:
    """The text in one line that cannot drive a terminal, as the library's own messages have it: control and invisible
    characters, and bytes that are not UTF-8, as escapes."""
    if text.isascii() and text.isprintable():
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")  # bytes that are not UTF-8 as they are, as os.fsdecode() has them
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    raw = raw.replace(b"\0", b"\\x00")
    out = ctypes.create_string_buffer(LONGEST_ESCAPE * len(raw) + 1)
    _library.load().hrm_printable(raw, out, len(out))
    return out.value.decode()


def without_number(message: str) -> str:
    """The message of an error, without the id that the command line has given a file or folder: its path says more."""
    return re.sub(r'^(plugin|folder) "\d+": ', "", message)


def short(text: str) -> str:
    """printable(), and not longer than a terminal's user reads."""
    text = printable(text[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
