# SPDX-License-Identifier: MIT
"""Which files a plugin consists of: the directory of a package, and patterns in SafeOptions.files."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES

from ._arguments import StrPath, path_bytes
from .errors import InvalidArgumentError, InvalidPathError
from .safe import SafeOptions

_SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


def located(
    plugin_id: str, file_path: StrPath, own: SafeOptions | None, hosts: SafeOptions | None
) -> tuple[StrPath, SafeOptions | None]:
    """The plugin's own file and its options, without directories and patterns."""
    path = os.fsdecode(path_bytes(plugin_id, file_path))
    named = own if isinstance(own, SafeOptions) and own.files is not None else hosts
    files = named.files if isinstance(named, SafeOptions) else None
    if os.path.isdir(path):
        directory = path
        file_path = path = _init_of(plugin_id, directory)
        if files is None:
            files = [os.path.relpath(found, directory) for found in _modules_in(directory) if found != path]
    if files is None:
        return file_path, own
    expanded = _expanded(plugin_id, os.path.dirname(os.path.abspath(path)), os.path.basename(path), files)
    if named is not None and expanded == list(named.files or ()):
        return file_path, own
    return file_path, dataclasses.replace(own or SafeOptions(), files=expanded)


def _init_of(plugin_id: str, directory: str) -> str:
    for suffix in _SUFFIXES:
        file = os.path.join(directory, f"__init__{suffix}")
        if os.path.isfile(file):
            return file
    raise InvalidPathError(
        f"plugin {plugin_id!r}: the directory {directory!r} is no package: it has no __init__.py; name a file in it",
        plugin_id=plugin_id,
    )


def _modules_in(directory: str) -> list[str]:
    """The modules of a package and of the packages in it."""
    found: list[str] = []
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name != "__pycache__")
        found += [os.path.join(folder, name) for name in sorted(files) if _is_module(name)]
    return found


def _is_module(name: str) -> bool:
    return any(name.endswith(suffix) and name[: -len(suffix)].isidentifier() for suffix in _SUFFIXES)


def _expanded(plugin_id: str, directory: str, own: str, files: Sequence[StrPath]) -> list[StrPath]:
    return list(dict.fromkeys(file for each in files for file in _matching(plugin_id, directory, own, each)))


def _matching(plugin_id: str, directory: str, own: str, file: StrPath) -> Iterator[StrPath]:
    if not isinstance(file, (str, bytes, os.PathLike)):
        yield file  # enabling says what is wrong
        return
    pattern = os.fsdecode(file)
    if not glob.has_magic(pattern) or os.path.lexists(os.path.join(directory, pattern)):
        yield file
        return
    found = [
        name
        for name in sorted(glob.glob(pattern, root_dir=directory, recursive=True))
        if os.path.isfile(os.path.join(directory, name)) and "__pycache__" not in name.split(os.sep)
    ]
    if not found:
        raise InvalidArgumentError(
            f"plugin {plugin_id!r}: SafeOptions: files: {pattern!r} matches no file in {directory!r}",
            plugin_id=plugin_id,
        )
    yield from (name for name in found if os.path.normpath(name) != own)
