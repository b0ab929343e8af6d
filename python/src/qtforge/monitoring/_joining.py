# SPDX-License-Identifier: MIT
"""QtForge's own Python module and this distribution share the name ``qtforge``: both become one package.

The file also marks a package ``qtforge`` as this distribution's; the module ``qtforge_monitoring`` looks for it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

TOP = "qtforge"
OURS = "qtforge.monitoring"
THEIRS = "qtforge.monitoring_of_qtforge"
"""What QtForge's package ``monitoring`` is called, so that its modules do not meet ours."""

_theirs: list[ModuleType] = []  # modules with further names for qtforge.monitoring
_unloaded: list[ModuleSpec] = []  # and where one is, until somebody asks for a name


def join(names: dict[str, Any]) -> None:
    """Makes the names of QtForge's module those of our package ``qtforge``, whose names are given."""
    ours = sys.modules[OURS]
    ours.__dict__["__getattr__"] = _look_up
    path: list[str] = names["__path__"]
    origin: str | None = None
    try:
        spec = _first(TOP, sys.path, everywhere=True)
        if spec is not None:
            # An editable installation's directory is not in sys.path.
            path += [part for part in spec.submodule_search_locations or () if part not in path]
        monitoring = _first(OURS, path)
        if monitoring is not None:
            origin = monitoring.origin
            _add(_load(monitoring, THEIRS))
        if spec is None:
            return
        origin = spec.origin
        if isinstance(spec.loader, ExtensionFileLoader):
            # It fills the modules of the names it has; the one that it would find is ours.
            del sys.modules[OURS]
        module = _load(spec)
    except Exception as error:
        warnings.warn(
            f"QtForge's module {origin} cannot be imported ({type(error).__name__}: {error}); "
            "qtforge.monitoring works without it",
            ImportWarning,
            stacklevel=3,
        )
        return
    finally:
        sys.modules[OURS] = ours
        names["monitoring"] = ours
    for name, value in vars(module).items():
        if name == "monitoring" and isinstance(value, ModuleType) and value is not ours:
            _add(value)
        elif not name.startswith("__"):
            names.setdefault(name, value)


def attach(package: ModuleType, theirs: ModuleType | None = None) -> None:
    """Makes ``qtforge.monitoring`` a part of QtForge's package, which was imported first, with its own monitoring if
    that was imported already. Does nothing if the package is ours."""
    ours = sys.modules[OURS]
    ours.__dict__["__getattr__"] = _look_up
    if theirs is not None:
        _add(theirs)
    elif getattr(package, "__file__", None) != os.path.join(os.path.dirname(os.path.dirname(__file__)), "__init__.py"):
        # Later: it may be about to import ours.
        spec = _first(OURS, list(getattr(package, "__path__", ())))
        if spec is not None:
            _unloaded.append(spec)
            sys.meta_path.append(_submodules)


def is_ours(spec: ModuleSpec) -> bool:
    """Whether that is this distribution's package ``qtforge`` or ``qtforge.monitoring``, in whatever directory."""
    path = spec.submodule_search_locations
    if spec.name == TOP and path:
        inner = PathFinder.find_spec(OURS, list(path))
        path = None if inner is None else inner.submodule_search_locations
    return bool(path) and PathFinder.find_spec(f"{OURS}._joining", list(path or ())) is not None


def _first(name: str, path: Sequence[str], everywhere: bool = False) -> ModuleSpec | None:
    return next(_found(name, path, everywhere), None)


def _found(name: str, path: Sequence[str], everywhere: bool) -> Iterator[ModuleSpec]:
    """The modules of that name which are not ours, in the order in which an import would find them."""
    for finder in list(sys.meta_path) if everywhere else [PathFinder]:
        specs: list[tuple[ModuleSpec | None, str | None]]
        if finder is not PathFinder:
            find = getattr(finder, "find_spec", None)
            specs = [(None if find is None else find(name, None), None)]
        else:
            specs = [(PathFinder.find_spec(name, [entry]), entry) for entry in path]
        for spec, entry in specs:
            if spec is not None and spec.loader is not None and is_ours(spec):
                spec = None if entry is None else _beside(name, entry)
            if spec is not None and spec.loader is not None:
                yield spec


def _beside(name: str, directory: str) -> ModuleSpec | None:
    """A module beside our package: a package hides it."""
    for suffix in EXTENSION_SUFFIXES + SOURCE_SUFFIXES:
        file = os.path.join(directory or os.curdir, name.rpartition(".")[2] + suffix)
        if os.path.isfile(file):
            return spec_from_file_location(name, file)
    return None


def _load(spec: ModuleSpec, name: str = "") -> ModuleType:
    """Runs a module without leaving it in ``sys.modules``, where a module of ours has its name.

    It gets another name where it has code: an extension module's initialisation is found by its own.
    """
    code = None
    if name:
        get_code = getattr(spec.loader, "get_code", None)
        code = None if get_code is None else get_code(spec.name)
    if code is not None:
        renamed = ModuleSpec(name, _Code(code), origin=spec.origin)
        renamed.submodule_search_locations = spec.submodule_search_locations
        renamed.has_location = spec.has_location
        spec = renamed
    ours = sys.modules.get(spec.name)
    try:
        module = module_from_spec(spec)  # an extension module may enter itself into sys.modules
        sys.modules[spec.name] = ours or module
        assert spec.loader is not None
        spec.loader.exec_module(module)
    finally:
        if ours is not None:
            sys.modules[spec.name] = ours
    return module


class _Code(Loader):
    """Executes a module that was found under another name."""

    def __init__(self, code: Any) -> None:
        self._code = code

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def _add(module: ModuleType) -> None:
    _theirs.append(module)
    if getattr(module, "__path__", None) is not None and _submodules not in sys.meta_path:
        sys.meta_path.append(_submodules)


def _all_of_theirs() -> list[ModuleType]:
    while _unloaded:
        _add(_load(_unloaded.pop(), THEIRS))
    return _theirs


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("qtforge-monitoring")
    except PackageNotFoundError:  # in a frozen program or an archive
        from . import _library

        text: str = _library.load().hrm_version_string().decode()
        return text


def _look_up(name: str) -> object:
    """``__getattr__`` of ``qtforge.monitoring``."""
    if name == "__version__":
        version = _version()
        sys.modules[OURS].__dict__[name] = version
        return version
    for module in () if name.startswith("__") else _all_of_theirs():
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {OURS!r} has no attribute {name!r}")


class _Submodules(Loader):
    """Last in sys.meta_path: finds modules of QtForge's package ``monitoring`` that ours does not have."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if f"{parent}.".startswith(f"{OURS}."):
            for module in _all_of_theirs():
                inner = f"{module.__name__}{parent[len(OURS) :]}.{name}"
                if inner != fullname and hasattr(module, "__path__") and importlib.util.find_spec(inner) is not None:
                    return ModuleSpec(fullname, self, origin=inner)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        assert spec.origin is not None
        module = importlib.import_module(spec.origin)
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed under its own name, and keeps its own spec."""
        assert module.__spec__ is not None
        module.__spec__ = self._specs.pop(module.__spec__.name)

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}


_submodules: Any = _Submodules()
