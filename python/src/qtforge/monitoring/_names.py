# SPDX-License-Identifier: MIT
"""What the names of plugins' modules stand for in sys.modules.

A name stands for the present version's module. While another version executes its modules they must find themselves in
sys.modules (dataclasses, typing and many others look there), and all other threads must find the present version's.
"""

from __future__ import annotations

import contextlib
import hashlib
import keyword
import re
import sys
import threading
from collections.abc import Generator
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._loading import Modules

PACKAGE = "qtforge.monitoring.plugins"

_lock = threading.RLock()  # guards what follows, and what sys.modules has of plugins
_claimed: set[str] = set()
_present: dict[str, Modules] = {}  # by package
_executing: dict[str, dict[int, Modules]] = {}  # by package and thread: versions that are not the present one
_shared: dict[str, _Shared] = {}  # in sys.modules now


class _Shared(ModuleType):
    """In sys.modules: the present version's module, and another version's in the threads that execute it."""

    __slots__ = ("active", "kept_by", "package")
    active: bool
    """Whether it is in sys.modules."""
    kept_by: Modules | None
    """The version that has looked at it, and may have kept it."""
    package: str

    def __init__(self, name: str, package: str) -> None:
        super().__init__(name)
        for attribute, value in (("active", True), ("kept_by", None), ("package", package)):
            object.__setattr__(self, attribute, value)

    def __getattribute__(self, name: str) -> Any:
        return getattr(_module_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_module_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_module_of(self), name)

    def __dir__(self) -> Any:
        return dir(_module_of(self))

    def __repr__(self) -> str:
        return repr(_module_of(self))


def _module_of(shared: _Shared) -> ModuleType:
    name: str = object.__getattribute__(shared, "__dict__")["__name__"]
    package: str = object.__getattribute__(shared, "package")
    modules = _executing.get(package, {}).get(threading.get_ident())
    if modules is not None:
        object.__setattr__(shared, "kept_by", modules)
    elif not object.__getattribute__(shared, "active"):
        modules = object.__getattribute__(shared, "kept_by")
    modules = modules or _present.get(package)
    if modules is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = modules.loaded.get(name)
    return modules.module(name) if module is None else module


# ---------------------------------------------------------------------- the names of plugins


def claim(plugin_id: str) -> str:
    """The package of a plugin's modules: the same for the same id, unless another plugin of this process has it."""
    name = plugin_id
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__"):
        digest = hashlib.sha256(plugin_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{re.sub(r'[^0-9A-Za-z]', '_', plugin_id)}_{digest}"
        name = name if name.isidentifier() else f"_{name}"
    with _lock:
        number, package = 1, f"{PACKAGE}.{name}"
        while package in _claimed or package in _present:
            number += 1
            package = f"{PACKAGE}.{name}_{number}"
        _claimed.add(package)
    return package


def give_back(package: str) -> None:
    """Another plugin may have the name from now on."""
    with _lock:
        _claimed.discard(package)


def version_here(package: str) -> Modules | None:
    """The version that a package's names stand for in this thread."""
    return _executing.get(package, {}).get(threading.get_ident()) or _present.get(package)


# ---------------------------------------------------------------------- sys.modules


def enter(modules: Modules) -> Modules | None:
    """The names stand for this version in this thread. Returns what leave() takes."""
    package, me = modules.package, threading.get_ident()
    with _lock:
        before = _executing.get(package, {}).get(me)
        if before is not modules and _present.get(package) is not modules:
            _executing.setdefault(package, {})[me] = modules
            _settle_all(package)
        return before


def leave(modules: Modules, before: Modules | None) -> None:
    """The names stand for what they did before, in this thread."""
    package, me = modules.package, threading.get_ident()
    with _lock:
        threads = _executing.get(package, {})
        if threads.get(me) is modules and before is not modules:
            if before is None or before.retired:
                del threads[me]
            else:
                threads[me] = before
            _settle_all(package)


@contextlib.contextmanager
def executing(modules: Modules) -> Generator[None, None, None]:
    """The names stand for this version in this thread meanwhile."""
    before = enter(modules)
    try:
        yield
    finally:
        leave(modules, before)


def loaded(modules: Modules, name: str) -> None:
    """A version has, or has no more, a module of that name."""
    with _lock:
        _settle(modules.package, name)


def put_by_itself(modules: Modules, name: str) -> ModuleType:
    """After a module was executed: what it has put into its place in sys.modules, else the module."""
    with _lock:
        module, now = modules.loaded[name], sys.modules.get(name)
        if now is None or now is module or now is _shared.get(name) or now is _module(modules.package, name):
            return module
        return now


def activate(modules: Modules) -> None:
    """The names stand for this version from now on."""
    with _lock:
        old = _present.get(modules.package)
        _present[modules.package] = modules
        if old is not None:
            old.retired = True
        _forget(modules)
        parent, _, name = modules.package.rpartition(".")
        setattr(sys.modules[parent], name, modules.loaded[modules.package])


def withdraw(modules: Modules) -> None:
    """The names do not stand for this version any more."""
    with _lock:
        modules.retired = True
        if _present.get(modules.package) is modules:
            del _present[modules.package]
            parent, _, name = modules.package.rpartition(".")
            vars(sys.modules[parent]).pop(name, None)
        _forget(modules)


def _forget(modules: Modules) -> None:
    threads = _executing.get(modules.package, {})
    for thread in [t for t, m in threads.items() if m is modules]:
        del threads[thread]
    _settle_all(modules.package)


def _settle_all(package: str) -> None:
    names = {name for name in list(sys.modules) if f"{name}.".startswith(f"{package}.")}
    for modules in (_present.get(package), *_executing.get(package, {}).values()):
        names.update(() if modules is None else modules.loaded)
    for name in names:
        _settle(package, name)
    if not _executing.get(package):
        _executing.pop(package, None)


def _settle(package: str, name: str) -> None:
    """Puts into sys.modules what a name stands for now."""
    module = _module(package, name)
    if module is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = module
    shared = _shared.get(name)
    if shared is not None and shared is not module:
        del _shared[name]
        object.__setattr__(shared, "active", False)


def _module(package: str, name: str) -> ModuleType | None:
    present, others = _present.get(package), set(_executing.get(package, {}).values())
    versions = others if present is None else others | {present}
    having = [modules for modules in versions if name in modules.loaded]
    if not having:
        return None
    if len(versions) == 1:
        return having[0].loaded[name]
    shared = _shared.get(name)
    if shared is None:
        shared = _shared[name] = _Shared(name, package)
    return shared
