# SPDX-License-Identifier: MIT
"""Finds the modules of plugins by their names: for importlib, and in processes that multiprocessing starts.

A process that is started by "spawn" or "forkserver" gets the places of the present versions with the Process object, in
the configuration that every process object inherits, before its target and arguments are unpickled.
"""

from __future__ import annotations

import multiprocessing.process
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from . import _names
from ._loading import Modules

Place = tuple[str, str, str]
"""A link to the directory of the present version's files, its own file in there, what its module is called."""


class Finder:
    """For sys.meta_path: finds what begins with the name of a plugin's package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_names.PACKAGE + "."):
            return None
        package = ".".join(fullname.split(".")[: _names.PACKAGE.count(".") + 2])
        modules = _names.version_here(package) or _from_parent(package)
        if modules is None:
            return None
        return modules.find(fullname, path)


class _Places(dict[str, Place]):
    """Where the present versions are, by package. Unpickled in another process it makes them known there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return adopt, (dict(self),)


_places = _Places()
_KEY = _names.PACKAGE


def publish(package: str, place: Place) -> None:
    """Has processes that are started from now on find a version."""
    _places[package] = place
    _configuration()[_KEY] = _places


def withdraw(package: str) -> None:
    """Takes that back."""
    _places.pop(package, None)


def adopt(places: dict[str, Place]) -> _Places:
    """In the new process."""
    _places.update(places)
    _configuration()[_KEY] = _places  # for processes that this one starts
    return _places


def _configuration() -> dict[str, Any]:
    """What process objects inherit from the process that makes them."""
    configuration: dict[str, Any] = getattr(multiprocessing.process.current_process(), "_config", {})
    return configuration


def _from_parent(package: str) -> Modules | None:
    """The version that is present in the process that has started this one."""
    place = _places.get(package)
    if place is None:
        return None
    pointer, file, stem = place
    root = Path(os.path.realpath(pointer))
    if not root.is_dir():
        raise ModuleNotFoundError(
            f"the plugin {package!r} is not loaded any more by the process that has started this one", name=package
        )
    modules = Modules(package, root, root / file, stem)
    modules.module(package)
    _names.activate(modules)
    return modules


finder = Finder()


def install() -> None:
    """Has import statements use the finder: before all others, which would look into the plugins' directories."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
