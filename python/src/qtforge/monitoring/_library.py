# SPDX-License-Identifier: MIT
"""Finds, loads and checks the native library, once, when it is first needed.

The child of a fork gets a copy of its own: Go's runtime has threads, which the child does not have.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from . import _abi, _abi_hosts

VARIABLE = "QTFORGE_MONITORING_LIBRARY"

_NAME = {"darwin": "libhotreload.dylib", "win32": "hotreload.dll"}.get(sys.platform, "libhotreload.so")
_MFD_EXEC = 0x10  # since Linux 6.3, which warns without it

_lock = threading.RLock()
_loaded: ctypes.CDLL | None = None
_needs_copy = False  # the parent of this process has loaded it
_parents: Path | None = None  # and from which file


def forked() -> None:
    """In the child of a fork: what is loaded belongs to the parent."""
    global _lock, _loaded, _needs_copy, _parents
    _lock = threading.RLock()
    if _loaded is not None:
        _needs_copy = True
        _parents = _parents or _file_of(_loaded)  # a copy has no file
        _loaded = None


def _candidates() -> Iterator[str]:
    named = os.environ.get(VARIABLE)
    if named:
        yield named
        return  # who names one wants that one
    yield str(Path(__file__).parent / "_lib" / _NAME)
    system = ctypes.util.find_library("hotreload")
    if system:
        yield system


def _open(path: str) -> ctypes.CDLL:
    """Loads a library, which releases the GIL during calls (PyDLL would deadlock)."""
    archived = _in_archive(path)
    if archived is not None:
        return _open_copy(archived)
    if not _needs_copy:
        return ctypes.CDLL(path)
    file = _parents if _parents is not None and _parents.is_file() else Path(path)
    return _open_copy(file.read_bytes())


def _in_archive(path: str) -> bytes | None:
    """What an archive that the package is in has at a path; None if it is in none."""
    get_data = getattr(globals().get("__loader__"), "get_data", None)
    if get_data is None or os.path.isdir(os.path.dirname(__file__)) or not path.startswith(os.path.dirname(__file__)):
        return None
    content: bytes = get_data(path)
    return content


def _open_copy(content: bytes) -> ctypes.CDLL:
    """Loads a private copy, of which no file is left."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError), _memory_file() as file:
            file.write(content)
            file.flush()
            # The loader knows libraries by their names: another process's descriptor has another one.
            return ctypes.CDLL(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    directory = tempfile.mkdtemp(prefix="qtforge-monitoring-")
    try:
        copy = Path(directory) / _NAME
        copy.write_bytes(content)
        return ctypes.CDLL(str(copy))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _memory_file() -> BinaryIO:
    try:
        fd = os.memfd_create(_NAME, os.MFD_CLOEXEC | _MFD_EXEC)
    except OSError:
        fd = os.memfd_create(_NAME, os.MFD_CLOEXEC)
    return open(fd, "wb")


class _Symbol(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p if name == "file" else ctypes.c_void_p) for name in ("file", "b", "n", "a")]


def _file_of(library: ctypes.CDLL) -> Path | None:
    """The file that a library was loaded from; None if it is gone."""
    found = _Symbol()
    with contextlib.suppress(AttributeError, OSError):
        address = ctypes.cast(library.hrm_version_number, ctypes.c_void_p)
        if ctypes.CDLL(None).dladdr(address, ctypes.byref(found)) != 0:
            file = Path(os.fsdecode(found.file))
            return file if file.is_file() else None
    return None


def _refuse_subinterpreters() -> None:
    """Callbacks from C run in the main interpreter, whichever made them."""
    api = ctypes.pythonapi
    api.PyInterpreterState_Get.restype = ctypes.c_void_p
    api.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]
    api.PyInterpreterState_GetID.restype = ctypes.c_int64
    number = api.PyInterpreterState_GetID(api.PyInterpreterState_Get())
    if number != 0:
        raise ImportError(
            f"qtforge.monitoring cannot be used in a sub-interpreter (this is number {number}): make the manager in "
            "the main interpreter, or in a process of its own"
        )


def _printable(text: str) -> str:
    """Names of files and what the loader says about them may hold anything, escape sequences included."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:4096])


def load() -> ctypes.CDLL:
    """The library. Raises ImportError that lists what was tried."""
    global _loaded
    with _lock:
        if _loaded is not None:
            return _loaded
        if sys.implementation.name == "cpython":
            _refuse_subinterpreters()
        tried: list[str] = []
        for path in _candidates():
            try:
                library = _open(path)
                _abi.declare(library)
                _abi_hosts.declare(library)
            except (OSError, AttributeError) as error:
                tried.append(_printable(f"{path}: {error}"))
                continue
            number = library.hrm_version_number()
            if number // 1_000_000 != _abi.VERSION_MAJOR:
                version = library.hrm_version_string().decode()
                tried.append(f"{_printable(path)}: version {version}, but {_abi.VERSION_MAJOR}.x is needed")
                continue
            _loaded = library
            return library
        raise ImportError(
            "libhotreload could not be loaded. Tried:\n  "
            + "\n  ".join(tried)
            + f"\n{_advice(next(_candidates()))} {VARIABLE} can name another library."
        )


def _advice(path: str) -> str:
    """What to do in this kind of program, about the library at a path."""
    needs, here = _machine(path), _machine("/proc/self/exe")
    if needs and here and needs != here:
        return f"The library is for {needs} and this Python for {here}: install the wheel for {here}."
    if "/ld-musl-" in _loaded_files():
        return (
            "This Python uses the C library musl, on which Go's runtime cannot be loaded by dlopen(): "
            "use a Python on glibc, such as the image python:3-slim instead of python:3-alpine."
        )
    if "__compiled__" in globals():
        return (
            "This program was compiled by Nuitka without the library: give --include-package-data=qtforge.monitoring."
        )
    if getattr(sys, "frozen", False):
        return (
            "This program was frozen without the library: give PyInstaller --collect-binaries=qtforge.monitoring, "
            'or cx_Freeze packages=["qtforge"].'
        )
    if not os.path.isdir(os.path.dirname(__file__)):
        return "The archive that qtforge.monitoring is in lacks the library: put all of the wheel into it."
    return "Reinstall qtforge-monitoring."


_MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "ARM64", 243: "RISC-V", 22: "S390", 21: "POWER"}


def _machine(path: str) -> str:
    """Which processors an ELF file is for; empty if the file does not say."""
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    return f"{_MACHINES.get(number, f'machine {number}')} with {64 if head[4] == 2 else 32} bits"


def _loaded_files() -> str:
    try:
        return Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return ""
