# SPDX-License-Identifier: MIT
"""The managers that are open: closed at the end of the interpreter, abandoned in the child of a fork."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import TYPE_CHECKING

from . import _callbacks, _library

if TYPE_CHECKING:
    from ._manager import PluginHotReloadManager

# By id(). A plain dict, as its single operations are atomic: other threads may make managers while the program ends.
_open: dict[int, weakref.ref[PluginHotReloadManager]] = {}


def add(manager: PluginHotReloadManager) -> None:
    _open[id(manager)] = weakref.ref(manager)


def remove(manager: PluginHotReloadManager) -> None:
    _open.pop(id(manager), None)


def count() -> int:
    """How many managers are open."""
    return len(_open)


@atexit.register
def close_all() -> None:
    for manager in _managers():
        manager.close()


def _forked() -> None:
    _library.forked()
    _callbacks.forked()
    for manager in _managers():
        manager._abandon()
    for manager in _managers():
        manager._after_fork()


def _managers() -> list[PluginHotReloadManager]:
    return [manager for weak in list(_open.values()) if (manager := weak()) is not None]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
