# SPDX-License-Identifier: MIT
"""The modules of one version of a plugin: what they import of one another is of the same version.

Versions live side by side under the same module names. sys.modules holds those of the present version; each version has
a table of its own beside it, which the import statements of its modules use.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib.util
import itertools
import linecache
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from . import _names


class _SourceLoader(SourceFileLoader):
    """Leaves nothing beside a file, finds nothing there, and knows the text for tracebacks when the file is gone."""

    def __init__(self, modules: Modules, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._modules = modules
        self._text: bytes | None = None

    def get_data(self, path: str) -> bytes:
        try:
            data = super().get_data(path)
        except FileNotFoundError:
            if path != self.path or self._text is None:
                raise
            return self._text
        if path == self.path:
            self._text = data
        return data

    def get_code(self, fullname: str) -> CodeType:
        data = self.get_data(self.path)
        code: CodeType = self.source_to_code(data, self._modules.shown_as(self.path, data))
        return code

    def exec_module(self, module: ModuleType) -> None:
        with self._modules.taking(module):
            super().exec_module(module)


class _ExtensionLoader(ExtensionFileLoader):
    def __init__(self, modules: Modules, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._modules = modules
        self._spec: ModuleSpec | None = None  # by which the module finds out its name, if not by the usual one

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = super().create_module(spec)
        if getattr(module, "__spec__", None) is None:
            return module
        # pybind11 3 makes a module once for each name, and returns that of an older version: this one has another name.
        self._spec = ModuleSpec(f"version {next(_numbers)}.{spec.name}", self, origin=spec.origin)
        module = super().create_module(self._spec)
        module.__name__ = spec.name
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        module.__spec__ = self._spec or spec
        try:
            with self._modules.taking(module):
                super().exec_module(module)
        finally:
            module.__spec__ = spec


_numbers = itertools.count(1)


class _DirectoryLoader(Loader):
    """Of a directory without __init__.py, and of the package that all modules of a plugin are in."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        with self._modules.taking(module):
            pass


class _Taking:
    """A module that is being executed belongs to its version, unless it raises."""

    def __init__(self, modules: Modules, module: ModuleType) -> None:
        self._modules, self._module = modules, module
        self._before: ModuleType | None = None

    def __enter__(self) -> None:
        name = self._module.__name__
        self._before = self._modules.loaded.get(name)
        self._modules.loaded[name] = self._module
        if self._modules.several:
            self._module.__dict__["__builtins__"] = self._modules.builtins

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # A module that is executed anew, by importlib.reload(), stays when it fails, as any other.
        if error is not None and self._before is not self._module:
            self._modules.loaded.pop(self._module.__name__, None)


class Modules:
    """The modules of one version.

    Args:
        package: the name that all of their names begin with.
        root: the directory of the version's files.
        file: the plugin's own file, in root.
        stem: what the plugin's module is called.
        original: the directory that root is a copy of, if code is to bear the names of the original files.
    """

    def __init__(self, package: str, root: Path, file: Path, stem: str, original: Path | None = None) -> None:
        self.package = package
        self.name = f"{package}.{stem}"
        self.loaded: dict[str, ModuleType] = {}
        self.retired = False
        """Whether another version has been activated since, or none."""
        self._root = root
        self._file = file
        self._original = original
        self._lines: dict[
            str, tuple[int, None, list[str], str]
        ] = {}  # what linecache has of ours under the names of the original files
        self._is_package = is_package(file)
        directory = file.parent.parent if self._is_package else file.parent
        # Where "import helper" looks; what is beside a package is there only if it was named.
        self._beside = directory if directory == root or root in directory.parents else None
        self.several = sum(len(files) for _, _, files in os.walk(root)) > 1
        """Whether there are modules that import one another."""
        self.builtins: dict[str, Any] = {**builtins.__dict__, "__import__": self._import}
        self._siblings: dict[str, bool] = {}
        self._changed = threading.Condition()  # guards these two
        self._owners: dict[str, int] = {}  # the thread that is executing a module
        self._waiting: dict[int, str] = {}  # the module that a thread is waiting for

    # ------------------------------------------------------------------ as a whole

    def load(self) -> ModuleType:
        """The plugin's module."""
        return self.module(self.name)

    def extensions(self) -> list[str]:
        """The names of the extension modules among the modules, without their package's."""
        loaders = {n: getattr(m, "__loader__", None) for n, m in list(self.loaded.items()) if isinstance(m, ModuleType)}
        return sorted(n.rpartition(".")[2] for n, x in loaders.items() if isinstance(x, ExtensionFileLoader))

    def forget_files(self) -> None:
        """Forgets what the interpreter remembers about the files, which are to be removed."""
        prefix = os.path.join(self._root, "")
        for cache in (sys.path_importer_cache, linecache.cache):
            for path in [p for p in list(cache) if os.path.join(p, "").startswith(prefix)]:
                cache.pop(path, None)
        present = _names.version_here(self.package)
        for path, entry in self._lines.items():
            if linecache.cache.get(path) is entry:
                del linecache.cache[path]
                if present is not None and path in present._lines:  # this one was rejected
                    linecache.cache[path] = present._lines[path]

    def shown_as(self, path: str, data: bytes) -> str:
        """The name of a file in tracebacks and for debuggers; they find these lines under it, whatever it has later."""
        if self._original is None:
            return path
        name = str(self._original / os.path.relpath(path, self._root))
        with contextlib.suppress(SyntaxError, UnicodeDecodeError):  # compiling it says so
            text = importlib.util.decode_source(data)
            # Without a time, linecache does not compare it with the file.
            entry = self._lines[name] = (len(text), None, text.splitlines(keepends=True), name)
            linecache.cache[name] = entry
        return name

    def taking(self, module: ModuleType) -> _Taking:
        return _Taking(self, module)

    # ------------------------------------------------------------------ one module

    def find(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """The spec of a module in a package whose __path__ is path."""
        if fullname == self.package:
            return self._directory(fullname, [] if self._beside is None else [str(self._beside)])
        if fullname == self.name:
            suffixes = SOURCE_SUFFIXES + EXTENSION_SUFFIXES
            kind = next((k for k, s in self._details() for x in s if self._file.name.endswith(x)), None)
            if kind is None:
                raise ImportError(f"{self._file.name} is no Python module: its name ends with none of {suffixes}")
            return importlib.util.spec_from_file_location(
                fullname,
                self._file,
                loader=kind(fullname, str(self._file)),
                submodule_search_locations=[str(self._file.parent)] if self._is_package else None,
            )
        portions: list[str] = []
        for directory in path or ():
            spec = FileFinder(directory, *self._details()).find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
            if spec is not None:
                portions += spec.submodule_search_locations or ()
        return self._directory(fullname, portions) if portions else None

    def _directory(self, fullname: str, path: list[str]) -> ModuleSpec:
        spec = ModuleSpec(fullname, _DirectoryLoader(self), is_package=True)
        spec.submodule_search_locations = path
        return spec

    def _details(self) -> list[tuple[Any, list[str]]]:
        return [
            (functools.partial(_ExtensionLoader, self), EXTENSION_SUFFIXES),
            (functools.partial(_SourceLoader, self), SOURCE_SUFFIXES),
        ]

    def module(self, fullname: str) -> ModuleType:
        """A module of this version, executed first if it was not."""
        parent = fullname.rpartition(".")[0]
        if fullname != self.package and parent not in self.loaded:
            self.module(parent)
        me = threading.get_ident()
        with self._changed:
            while True:
                module, owner = self.loaded.get(fullname), self._owners.get(fullname)
                if module is not None and (owner is None or owner == me or self._waits_for(owner, me)):
                    return module  # perhaps half executed: modules that import each other, as everywhere in Python
                if owner is None:
                    break
                self._waiting[me] = fullname
                try:
                    self._changed.wait()
                finally:
                    del self._waiting[me]
            self._owners[fullname] = me
        try:
            return self._execute(fullname)
        finally:
            with self._changed:
                del self._owners[fullname]
                self._changed.notify_all()

    def _waits_for(self, thread: int, me: int) -> bool:
        """Whether a thread waits, perhaps through others, for what me is executing."""
        for _ in range(len(self._waiting)):
            owner = self._owners.get(self._waiting.get(thread, ""))
            if owner is None or owner == me:
                return owner == me
            thread = owner
        return False

    def _execute(self, fullname: str) -> ModuleType:
        parent = self.loaded.get(fullname.rpartition(".")[0])
        path = getattr(parent, "__path__", None)
        if parent is not None and path is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}; {parent.__name__!r} is not a package", name=fullname
            )
        spec = self.find(fullname, path)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        module = importlib.util.module_from_spec(spec)
        name = fullname.rpartition(".")[2]
        with _names.executing(self):
            self.loaded[fullname] = module
            _names.loaded(self, fullname)
            if parent is not None:
                # Before it is executed: "from . import x" would look into sys.modules when x is half executed.
                setattr(parent, name, module)
            try:
                spec.loader.exec_module(module)
                own = _names.put_by_itself(self, fullname)
            except BaseException:
                self.loaded.pop(fullname, None)
                _names.loaded(self, fullname)
                if parent is not None and getattr(parent, name, None) is module:
                    delattr(parent, name)
                raise
            if own is not module:
                self.loaded[fullname] = module = own
                _names.loaded(self, fullname)
                if parent is not None:
                    setattr(parent, name, module)
        return module

    # ------------------------------------------------------------------ import statements of this version

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        full = self._own(name, globals, level)
        if full is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.module(full)
        if fromlist:
            self._import_from(module, fromlist)
            return module
        if full == name:  # absolute
            return builtins.__import__(name.partition(".")[0])
        return self.module(full[: len(full) - len(name)] + name.partition(".")[0] if name else full)

    def _own(self, name: str, globals: Mapping[str, Any] | None, level: int) -> str | None:
        """The full name of a module of this version, or None."""
        importer = globals or {}
        if level:
            package = importer.get("__package__")
            if not package:
                return None
            full = importlib.util.resolve_name("." * level + name, package)
        elif self._is_beside(name.partition(".")[0], importer):
            full = f"{self.package}.{name}"
        else:
            full = name
        return full if f"{full}.".startswith(f"{self.package}.") else None

    def _is_beside(self, top: str, importer: Mapping[str, Any]) -> bool:
        full = f"{self.package}.{top}"
        if full == self.name:
            # A plugin called like a module that it wraps means that one.
            return self._is_package or importer.get("__name__") != self.name
        found = self._siblings.get(top)
        if found is None:
            spec = None if self._beside is None else self.find(full, [str(self._beside)])
            # A directory without __init__.py comes after all others, as in sys.path.
            found = spec is not None and (spec.has_location or not _is_importable(top))
            self._siblings[top] = found
        return found

    def _import_from(self, module: ModuleType, names: Sequence[str]) -> None:
        """Imports what is named after "from module import" and is a module."""
        if not hasattr(module, "__path__"):
            return
        for name in names:
            full = f"{module.__name__}.{name}"
            if name == "*":
                self._import_from(module, [n for n in getattr(module, "__all__", ()) if n != "*"])
            elif not hasattr(module, name) or full in self._owners:  # which is there before it was executed
                try:
                    self.module(full)
                except ModuleNotFoundError as error:
                    if error.name != full:
                        raise


def is_package(file: Path) -> bool:
    return file.name.split(".")[0] == "__init__"


def _is_importable(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except ValueError:  # __spec__ is None
        return True
