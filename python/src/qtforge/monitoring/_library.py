# SPDX-License-Identifier: MIT
"""Finds, loads and checks the native library, once, when it is first needed."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from . import _abi

VARIABLE = "QTFORGE_MONITORING_LIBRARY"

_lock = threading.RLock()
_loaded: ctypes.CDLL | None = None


def _candidates() -> Iterator[str]:
    named = os.environ.get(VARIABLE)
    if named:
        yield named
        return  # who names one wants that one
    names = {"darwin": "libhotreload.dylib", "win32": "hotreload.dll"}
    yield str(Path(__file__).parent / "_lib" / names.get(sys.platform, "libhotreload.so"))
    system = ctypes.util.find_library("hotreload")
    if system:
        yield system


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
                # CDLL releases the GIL during calls; PyDLL would deadlock.
                library = ctypes.CDLL(path)
                _abi.declare(library)
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
            + f"\nReinstall qtforge-monitoring, or name the library in {VARIABLE}."
        )
