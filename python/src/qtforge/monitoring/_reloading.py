# SPDX-License-Identifier: MIT
"""reload(): importlib.reload() that is not fooled by a cached .pyc."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import linecache
import os
import sys
import threading
from collections.abc import Generator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType


class _Uncached(SourceFileLoader):
    """Compiles the source. A .pyc is judged by size and whole second, so it may be of an older version."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


class _Finder:
    """In sys.meta_path while a module is reloaded: finds it as usual, but has its source compiled."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names or threading.get_ident() != self._thread:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                if type(spec.loader) is SourceFileLoader:
                    spec.loader = _Uncached(spec.loader.name, spec.loader.path)
                return spec
        return None


def reload(module: ModuleType, *, deep: bool = False) -> ModuleType:
    """Executes a module's file again, in place, as ``importlib.reload()`` does, but always the file as it is now::

        import greeter
        from qtforge.monitoring import PluginHotReloadManager, reload

        with PluginHotReloadManager(dispatch="manual") as manager:
            manager.set_reload_callback(lambda plugin_id: print(reload(greeter).greet("you")))
            manager.enable_hot_reload("greeter", greeter.__file__)
            manager.run()  # until Ctrl-C

    ``importlib.reload()`` takes the cached ``.pyc`` if the size of the file and the second of its last change are the
    same. Two versions that are written within a second look equal to it, and it executes the old one.

    If the new version does not compile or raises, the module keeps the names and values that it had. What other modules
    have taken from it (``from greeter import greet``, instances, registered functions) stays as it was, as with
    ``importlib.reload()``; PluginHost exchanges whole versions.

    Args:
        module: what was imported. Its name must be the one in ``sys.modules``.
        deep: for a package: execute its modules that are imported, too; first those that others of them import. One
            whose file is gone is removed from ``sys.modules``. If one raises, all keep what they had.

    Returns the module that ``sys.modules`` has then. Raises TypeError for what is no module, ImportError if the module
    is not in ``sys.modules``, ModuleNotFoundError if its file is gone, and what its code raises. On any thread; two
    calls at a time wait for one another. Since 1.0.
    """
    if not isinstance(module, ModuleType):
        raise TypeError(f"module={module!r}: expected a module, got {type(module).__name__}")
    name = module.__spec__.name if module.__spec__ is not None else module.__name__
    if sys.modules.get(name) is not module:
        raise ImportError(f"the module {name!r} is not the one in sys.modules: import it first", name=name)
    with _lock:
        gone: list[str] = []
        names = [name]
        if deep:
            parts = [
                n for n in list(sys.modules) if n.startswith(f"{name}.") and isinstance(sys.modules[n], ModuleType)
            ]
            gone = [n for n in parts if _is_gone(sys.modules[n])]
            names = _in_order([name, *(n for n in parts if n not in gone)])
        with _finding(frozenset(names)), _kept([sys.modules[n] for n in names]):
            for part in names:
                _forget_cached(sys.modules[part])
                importlib.reload(sys.modules[part])
        for part in gone:
            _remove(part)
    return sys.modules[name]


_lock = threading.RLock()  # a module may reload another one


@contextlib.contextmanager
def _finding(names: frozenset[str]) -> Generator[None, None, None]:
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def _kept(modules: list[ModuleType]) -> Generator[None, None, None]:
    """If a version raises, the modules have the names that they had."""
    before = [dict(module.__dict__) for module in modules]
    try:
        yield
    except BaseException:
        for module, names in zip(modules, before, strict=True):
            for name in [n for n in module.__dict__ if n not in names]:
                del module.__dict__[name]
            module.__dict__.update(names)
        raise


def _file(module: ModuleType) -> str | None:
    return getattr(module.__spec__, "origin", None) if getattr(module.__spec__, "has_location", False) else None


def _is_gone(module: ModuleType) -> bool:
    file = _file(module)
    return file is not None and not os.path.exists(file) and os.path.isdir(os.path.dirname(file))


def _forget_cached(module: ModuleType) -> None:
    """Removes the .pyc, which another process could take for the file's, and the lines that tracebacks would show."""
    file = _file(module)
    if file is not None:
        with contextlib.suppress(OSError, NotImplementedError, ValueError):
            os.unlink(importlib.util.cache_from_source(file))
        linecache.cache.pop(file, None)


def _remove(name: str) -> None:
    module = sys.modules.pop(name, None)
    parent, _, last = name.rpartition(".")
    if module is not None and getattr(sys.modules.get(parent), last, None) is module:
        delattr(sys.modules[parent], last)


def _in_order(names: list[str]) -> list[str]:
    """Modules before those that import them, as far as they do not import each other; the first one last."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for needed in _imported(sys.modules[name], names):
            visit(needed)
        order.append(name)

    for name in [*names[1:], names[0]]:
        visit(name)
    return order


def _imported(module: ModuleType, names: list[str]) -> list[str]:
    """Which of these the module's file imports, by its import statements."""
    file = _file(module)
    try:
        with open(file or "", "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return []  # executing it says why
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
                with contextlib.suppress(ImportError):  # beyond the top; executing it says so
                    base = importlib.util.resolve_name("." * node.level + base, package)
            parts = [f"{base}.{alias.name}" for alias in node.names]
            # What imports a module from a package does not need what else the package imports.
            found += parts if all(part in names for part in parts) else [*parts, base]
    return [name for name in found if name in names and name != module.__name__]
