# SPDX-License-Identifier: MIT
"""One loaded version of a plugin: from its snapshot to its modules, its hooks, and their end."""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from types import ModuleType

from . import _finding, _names
from ._arguments import StrPath, check_callable
from ._loading import Modules, is_package
from ._trees import Store, Tree

HOOKS = ("plugin_init", "plugin_exit", "plugin_save_state", "plugin_restore_state")


class HookError(Exception):
    """A function of a plugin has raised; the cause is what it raised."""

    def __init__(self, function: str, generation: int, cause: BaseException) -> None:
        super().__init__(f"{function}() of generation {generation} raised {text_of(cause)}")
        self.function = function
        self.cause = cause


def is_ctrl_c(error: BaseException) -> bool:
    """Whether the user has pressed Ctrl-C. Only the main thread gets it; elsewhere the plugin has raised it itself."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def text_of(error: BaseException) -> str:
    """An exception in one line, whatever it raises when it is asked."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = f"{type(error).__name__} (its text raises an exception)"
    if isinstance(error, ImportError) and "is already registered" in text:
        text += (
            ". pybind11 registers types once per process: declare them with py::module_local(), or use nanobind; "
            "until then a new version of this module needs a new process"
        )
    return text


def is_debugged() -> bool:
    """Whether a debugger traces this program."""
    tracers = [tracer for tracer in (sys.gettrace(), threading.gettrace()) if tracer is not None]
    if any("coverage" not in type(tracer).__module__ for tracer in tracers) or "pydevd" in sys.modules:
        return True
    events = getattr(sys, "monitoring", None)  # since Python 3.12
    return events is not None and events.get_tool(events.DEBUGGER_ID) is not None


@dataclass(frozen=True)
class Layout:
    """Where a plugin's own file is in its snapshots, and what its module is called."""

    depth: int
    """How many directories of the snapshot its file is in."""
    stem: str
    directory: str
    """Of the original file."""

    @classmethod
    def of(cls, file_path: StrPath, files: Sequence[StrPath]) -> Layout | None:
        """The files keep their places relative to one another: a snapshot's root is their common directory.

        None for what is no path: enabling says so.
        """
        try:
            return cls._of(file_path, files)
        except (TypeError, ValueError):
            return None

    @classmethod
    def _of(cls, file_path: StrPath, files: Sequence[StrPath]) -> Layout:
        path = os.path.abspath(os.fsdecode(file_path))
        directory = os.path.dirname(path)
        others = [os.path.normpath(os.path.join(directory, os.fsdecode(f))) for f in files]
        root = os.path.commonpath([directory, *map(os.path.dirname, others)])
        depth = len(Path(os.path.relpath(directory, root)).parts)
        name = os.path.basename(directory) if is_package(Path(path)) else os.path.basename(path)
        return cls(depth, name.split(".")[0] or "plugin", directory)

    def advice(self, error: BaseException | None, package: str, snapshot_path: str) -> str:
        """What to do if the import of a version has failed because SafeOptions.files does not name a file."""
        if not isinstance(error, ImportError) or not error.name:
            return ""
        name = error.name
        attribute = re.search(r"ImportError: cannot import name '(\w+)'", text_of(error))
        if attribute:  # "from module import attribute"
            name = f"{name}.{attribute[1]}"
        parts = name.removeprefix(f"{package}.").split(".")
        snapshot = Path(snapshot_path)
        top = os.path.dirname(self.directory) if is_package(snapshot) else self.directory
        if is_package(snapshot) and parts == [os.path.basename(self.directory)]:
            return "; name the other files of the package in SafeOptions.files"
        module = os.path.join(top, *parts)
        for end in (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES, *(f"{os.sep}__init__{s}" for s in SOURCE_SUFFIXES)):
            relative = os.path.relpath(module + end, self.directory)
            if os.path.isfile(module + end) and not (snapshot.parent / relative).exists():
                return f"; name {relative!r} in SafeOptions.files: what is not named there cannot be imported"
        return ""


class Version:
    """One loaded generation."""

    def __init__(
        self, generation: int, snapshot_path: str, package: str, layout: Layout, store: Store, debug: bool
    ) -> None:
        snapshot = Path(snapshot_path)
        root = snapshot.parents[layout.depth]
        self.generation = generation
        self.uses = 1  # of its being present, and of each use()
        self._store = store
        self._tree: Tree = store.keep(root)
        self._inner = snapshot.relative_to(root)
        self._stem = layout.stem
        original = Path(layout.directory, *[os.pardir] * layout.depth).resolve() if debug else None
        self._modules = Modules(package, self._tree.root, self._tree.root / self._inner, layout.stem, original)
        self._initialised = False

    @property
    def module(self) -> ModuleType:
        return self._modules.loaded[self._modules.name]

    def load(self) -> None:
        """Imports it, under names that stand for it in this thread only, and initialises it."""
        self._modules.load()
        for function in HOOKS:
            check_callable(function, getattr(self.module, function, None), "make it a plain function")
        self.call("plugin_init")
        self._initialised = True

    def has(self, function: str) -> bool:
        return getattr(self.module, function, None) is not None

    def call(self, function: str, *arguments: object) -> object:
        """Calls one of its functions, if it has it. Raises HookError."""
        hook: Callable[..., object] | None = getattr(self.module, function, None)
        if hook is None:
            return None
        try:
            result = hook(*arguments)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("it returned a coroutine, and nobody would await it; make it a plain function")
            return result
        except BaseException as error:
            if is_ctrl_c(error):
                raise  # the user's, not the plugin's
            raise HookError(function, self.generation, error) from error

    def activate(self) -> None:
        """Makes it what its names stand for, here and in processes that are started from now on."""
        package = self._modules.package
        pointer = self._store.point(package.rpartition(".")[2], self._tree)
        _names.activate(self._modules)
        _finding.publish(package, (pointer, str(self._inner), self._stem))

    def hide(self) -> None:
        """Its names do not stand for it any more. Code of it that is running goes on."""
        _names.withdraw(self._modules)

    def end(self, run: Callable[[Callable[[None], object]], None]) -> None:
        """Has run() call its plugin_exit() if it was initialised, and removes its modules and files."""
        leave: Callable[[], object] | None = None
        if self._initialised:
            self._initialised = False
            leave = getattr(self.module, "plugin_exit", None)
        if leave is not None:
            hook = leave

            def plugin_exit(_: None) -> None:
                hook()

            run(plugin_exit)
        self.hide()
        self._modules.forget_files()
        self._tree.remove()
