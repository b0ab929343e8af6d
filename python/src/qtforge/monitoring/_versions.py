# SPDX-License-Identifier: MIT
"""What the steps of an exchange do with a version: from its snapshot to its modules, its hooks, and their end.

Which step follows is not decided here. Each method is a step: it does it, or raises.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from types import CoroutineType, ModuleType, coroutine
from typing import Any

from . import _abi_hosts, _finding, _names
from ._arguments import StrPath, check_callable
from ._loading import Modules, is_package
from ._trees import Store, Tree

HOOKS = {
    "plugin_init": _abi_hosts.HOOK_INIT,
    "plugin_exit": _abi_hosts.HOOK_EXIT,
    "plugin_save_state": _abi_hosts.HOOK_SAVE,
    "plugin_restore_state": _abi_hosts.HOOK_RESTORE,
}
"""The functions that a plugin may have."""


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
    modules = [getattr(tracer, "__module__", None) or type(tracer).__module__ for tracer in tracers]
    if any(module.partition(".")[0] != "coverage" for module in modules) or "pydevd" in sys.modules:
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


class Loader:
    """What the versions of a plugin have in common."""

    def __init__(self, plugin_id: str, layout: Layout, store: Store, debug: bool | None, needs: Sequence[str]) -> None:
        self.id = plugin_id
        self.package = _names.claim(plugin_id)
        self.layout = layout
        self.store = store
        self.debug = debug
        self.needs = sorted(needs, key=str.encode)  # as the library sorts them
        self.versions: list[Version] = []
        """Those that have not ended, the oldest first."""
        self.failures: dict[tuple[int, int], BaseException] = {}
        """What the steps have raised, by generation and step, until their outcomes are known."""
        self.lock = threading.RLock()  # the collector may end a use while this very thread is in here
        self.opening = True
        """Until open() has returned."""
        self.ended = False
        self.given_up = False
        """Nobody waits for its versions: open() has given up."""

    def failed(self, generation: int, step: int, error: BaseException) -> None:
        """Keeps what a step has raised."""
        with self.lock:
            self.failures.pop((generation, step), None)
            self.failures[generation, step] = error
            while len(self.failures) > 8:  # nobody asks for some: of an old version, for example
                del self.failures[next(iter(self.failures))]

    def error_of(self, generation: int, step: int) -> BaseException | None:
        """What a step has raised; asked for once."""
        with self.lock:
            return self.failures.pop((generation, step), None)

    def end(self) -> None:
        """The plugin is closed, and no version of it is left."""
        self.ended = True
        _finding.withdraw(self.package)
        self.store.forget(self.package.rpartition(".")[2])
        _names.give_back(self.package)


class Version:
    """What stands for a version in the library, from its load to its end."""

    def __init__(self, loader: Loader, generation: int) -> None:
        self.loader = loader
        self.generation = generation
        self.uses = 0
        """How often the library has it pinned for uses."""
        self.handle = 0
        """By which the library knows it, if it was in use once."""
        self.needs: list[Version] = []
        self.state: object = None
        """What its plugin_save_state() has returned."""
        self._modules: Modules | None = None
        self._tree: Tree | None = None
        self._inner = Path()

    @property
    def loaded(self) -> bool:
        """Whether it has modules."""
        return self._modules is not None

    @property
    def module(self) -> ModuleType:
        if self._modules is None:
            raise RuntimeError(f"generation {self.generation} of plugin {self.loader.id!r} is not loaded")
        return self._modules.loaded[self._modules.name]

    def load(self, path: str, awaits: bool) -> int:
        """Imports it, under names that stand for it in this thread only. Returns the hooks that it has."""
        layout, snapshot = self.loader.layout, Path(path)
        debug = is_debugged() if self.loader.debug is None else self.loader.debug
        root = snapshot.parents[layout.depth]
        self._inner = snapshot.relative_to(root)
        self._tree = self.loader.store.keep(root)
        original = Path(layout.directory, *[os.pardir] * layout.depth).resolve() if debug else None
        own = self._tree.root / self._inner
        self._modules = Modules(self.loader.package, self._tree.root, own, layout.stem, original)
        try:
            with _names.executing(self._modules):
                self._modules.load()
            return self._hooks(awaits)
        except BaseException:
            self._drop()
            raise

    def _hooks(self, awaits: bool) -> int:
        bits = 0
        for name, bit in HOOKS.items():
            hook = getattr(self.module, name, None)
            if not (awaits and inspect.iscoroutinefunction(hook)):
                check_callable(
                    name,
                    hook,
                    "make it a plain function; one that is to be awaited needs a host on a running asyncio or trio "
                    "loop, and aopen() and aclose()",
                )
            bits |= 0 if hook is None else bit
        return bits

    def init(self, needs: list[Version]) -> Any:
        self.needs = needs
        modules = {plugin_id: version.module for plugin_id, version in zip(self.loader.needs, needs, strict=True)}
        hook = self._hook("plugin_init")
        return self._call(hook, *([modules] if _takes(hook, 1) and (modules or not _takes(hook, 0)) else []))

    def save(self) -> Any:
        return self._call(self._hook("plugin_save_state"))

    def restore(self, saved_by: Version) -> Any:
        return self._call(self._hook("plugin_restore_state"), saved_by.state)

    def exit(self) -> Any:
        self.needs = []
        return self._call(self._hook("plugin_exit"))

    def activate(self) -> None:
        """Makes it what its names stand for, here and in processes that are started from now on."""
        modules, tree = self._modules, self._tree
        if modules is None or tree is None:
            return
        pointer = self.loader.store.point(self.loader.package.rpartition(".")[2], tree)
        _names.activate(modules)
        _finding.publish(self.loader.package, (pointer, str(self._inner), self.loader.layout.stem))

    def hide(self) -> None:
        """Its names do not stand for it any more. Code of it that is running goes on."""
        if self._modules is not None:
            _names.withdraw(self._modules)

    def unload(self) -> str:
        """Removes its modules and files. Returns what stays in memory, and why."""
        names = [] if self._modules is None else self._modules.extensions()
        self._drop()
        return f"Python never unloads extension modules: {', '.join(names)}" if names else ""

    def _drop(self) -> None:
        modules, self._modules = self._modules, None
        tree, self._tree = self._tree, None
        if modules is not None:
            _names.withdraw(modules)
            modules.forget_files()
        if tree is not None:
            tree.remove()

    def _hook(self, name: str) -> Callable[..., object]:
        hook: Callable[..., object] = getattr(self.module, name)
        return hook

    def _call(self, hook: Callable[..., object], *arguments: object) -> Any:
        """What a hook returns; see driven() if it is a coroutine."""
        assert self._modules is not None
        with _names.executing(self._modules):
            return hook(*arguments)

    def driven(self, hook: CoroutineType[Any, Any, Any]) -> Awaitable[Any]:
        """An awaitable that runs what a hook has returned."""
        assert self._modules is not None
        return _driven(self._modules, hook)


@coroutine
def _driven(modules: Modules, inner: CoroutineType[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """A coroutine of a version. Its names stand for that version while it runs, not while it waits."""
    send: Callable[[Any], Any] = inner.send
    value: Any = None
    while True:
        try:
            with _names.executing(modules):
                awaited = send(value)
        except StopIteration as end:
            return end.value
        try:
            send, value = inner.send, (yield awaited)
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:
            send, value = inner.throw, error


def _takes(hook: Callable[..., object], count: int) -> bool:
    """Whether a hook can be called with so many arguments."""
    try:
        inspect.signature(hook).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True
