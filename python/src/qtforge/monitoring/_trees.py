# SPDX-License-Identifier: MIT
"""The files of loaded versions: links of the snapshots, in a directory of the host's own.

The library removes a snapshot when newer ones have taken its place, when its version fails, and when its plugin or the
manager is closed. A version that is in use needs its files longer than that: for imports inside its functions, for
data files, for tracebacks. So each version is loaded from links, which stay until it is released.

    SNAPSHOT_DIR/python-PROCESS-RANDOM/d/d/d/d/d/d/d/d/N/...    the files of one version
    SNAPSHOT_DIR/python-PROCESS-RANDOM/d/d/d/d/d/d/d/d/NAME     a link to the files of the present version of NAME

As the library's snapshots they lie some directories deeper than they must: what looks for files above its own, as
Path(__file__).parents[3], finds the user's own directories, and not /tmp, where others may have put such files.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl
else:
    fcntl: Any = None  # nothing is removed there that another process has left

PREFIX = "python-"
MARK = ".qtforge-monitoring"
"""A file of this name says that the directory was made here: nothing without it is ever removed."""
MARK_OF_THE_LIBRARY = ".hotreload"
"""A file of this name is in the directory that a process has below SNAPSHOT_DIR."""
DEEP = Path(*"dddddddd")


class Tree:
    """The files of one version."""

    def __init__(self, store: Store | None, root: Path) -> None:
        self._store = store
        self.root = root

    def remove(self) -> None:
        """Removes the links."""
        if self._store is not None:
            self._store.drop(self.root)


class Store:
    """The directory of one host, locked as long as the process lives: another process can tell what a dead one left."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the collector may release a version while this very thread is in here
        self._pid = os.getpid()
        self._home: Path | None = None
        self._fd = -1
        self._trees: set[Path] = set()
        self._pointers: set[str] = set()
        self._numbers = itertools.count(1)
        _stores.add(self)

    def keep(self, snapshot: Path) -> Tree:
        """Links of all that is in a snapshot's directory; where they cannot be made, the snapshot itself."""
        with self._lock:
            root: Path | None = None
            try:
                root = self._open(_base_of(snapshot)) / DEEP / str(next(self._numbers))
                _link_all(snapshot, root)
            except OSError:
                if root is not None:
                    _remove(root)
                self._close_if_empty()
                return Tree(None, snapshot)
            self._trees.add(root)
        return Tree(self, root)

    def drop(self, root: Path) -> None:
        """Removes the files of a version."""
        if os.getpid() != self._pid:
            return  # they are the parent's
        with self._lock:
            self._trees.discard(root)
            _remove(root)
            self._close_if_empty()

    def point(self, name: str, tree: Tree) -> str:
        """Where a process of the user's finds the files of the present version, from now on those in tree."""
        with self._lock:
            if self._home is None or tree.root.parent != self._home / DEEP:
                return str(tree.root)
            pointer, new = self._home / DEEP / name, self._home / DEEP / f"{name}.new"
            try:
                new.symlink_to(tree.root, target_is_directory=True)
                new.replace(pointer)
            except OSError:
                return str(tree.root)
            self._pointers.add(name)
            return str(pointer)

    def forget(self, name: str) -> None:
        """Takes back what point() has made."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._home is not None and name in self._pointers:
                self._pointers.discard(name)
                with contextlib.suppress(OSError):
                    (self._home / DEEP / name).unlink()

    def end(self) -> None:
        """Removes all files, also of versions in use."""
        if os.getpid() == self._pid:
            with self._lock:
                self._trees.clear()
                self._close()

    def abandon(self) -> None:
        """In the child of a fork: without a lock that a thread of the parent may have held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self, base: Path) -> Path:
        """The host's directory; made anew if somebody has removed it."""
        if self._home is not None and self._home.is_dir():
            return self._home
        self._close()
        home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
        if fcntl is not None:
            self._fd = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (home / MARK).touch(0o600)
        for depth in range(len(DEEP.parts)):
            home.joinpath(*DEEP.parts[: depth + 1]).mkdir(0o700)
        self._home = home
        _sweep(base, home)
        return home

    def _close_if_empty(self) -> None:
        if not self._trees:
            self._close()

    def _close(self) -> None:
        home, self._home = self._home, None
        if home is not None:
            _remove(home)
        self._pointers.clear()
        self.abandon()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _base_of(snapshot: Path) -> Path:
    """SNAPSHOT_DIR, of a snapshot in it."""
    return next((d.parent for d in snapshot.parents if (d / MARK_OF_THE_LIBRARY).is_file()), snapshot.parent.parent)


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(0o700)
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _link_all(entry, target / entry.name)
            continue
        try:
            os.link(entry, target / entry.name)
        except OSError:  # a file system without links
            shutil.copy2(entry, target / entry.name)
    target.chmod(0o500)  # as the snapshot's


def _remove(root: Path) -> None:
    for directory, _, _ in os.walk(root):
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700)
    shutil.rmtree(root, ignore_errors=True)


def _sweep(base: Path, own: Path) -> None:
    """Removes what dead processes have left."""
    if fcntl is None:
        return
    for home in base.glob(PREFIX + "*"):
        if home == own or home.is_symlink() or not (home / MARK).is_file():
            continue
        with contextlib.suppress(OSError):
            fd = os.open(home, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(home)
            finally:
                os.close(fd)


def remove_all() -> None:
    """At the end of the process."""
    for store in list(_stores):
        store.end()


def _forked() -> None:
    for store in list(_stores):
        store.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
