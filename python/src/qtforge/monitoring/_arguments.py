# SPDX-License-Identifier: MIT
"""What callers pass in, checked: errors name the value and what is wrong with it."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import InvalidArgumentError, InvalidPathError

StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def check_callable(name: str, value: object, instead: str = 'use "async for change in manager.changes()"') -> None:
    if value is None:
        return
    if not callable(value):
        raise TypeError(f"{name}={value!r} is neither callable nor None")
    for function in (value, getattr(type(value), "__call__", None)):
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{name}={value!r} is a coroutine function, and nobody would await it; {instead}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{name}={value!r} is a generator function, and nobody would iterate; {instead}")


def check_int(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: expected int, got {type(value).__name__}")


def int32(name: str, value: int) -> int:
    """A number for the C library, which knows the range that makes sense."""
    return _integer(name, value, 31)


def int64(name: str, value: int) -> int:
    return _integer(name, value, 63)


def _integer(name: str, value: int, bits: int) -> int:
    check_int(name, value)
    if not -(2**bits) <= value < 2**bits:
        raise InvalidArgumentError(f"{name}={value} is out of range")
    return value


def seconds(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is neither a number of seconds nor None")
    if value != value:
        raise InvalidArgumentError(f"{name}={value!r} is no time")
    return float(value)


def id_bytes(plugin_id: object) -> bytes:
    if not isinstance(plugin_id, str):
        raise InvalidArgumentError(f"plugin_id={plugin_id!r} is no str")
    if "\0" in plugin_id:
        raise InvalidArgumentError(f"the plugin id {plugin_id!r} contains a NUL character")
    try:
        return plugin_id.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"the plugin id {plugin_id!r} cannot be encoded as UTF-8") from None


def path_bytes(plugin_id: str, path: object) -> bytes:
    """The path of a plugin."""
    try:
        return _encoded_path(path)
    except ValueError as error:
        raise InvalidPathError(f"plugin {plugin_id!r}: {error}", plugin_id=plugin_id) from None


def directory_bytes(name: str, path: object) -> bytes:
    """The path of a directory that an option names."""
    try:
        return _encoded_path(path)
    except ValueError as error:
        raise InvalidArgumentError(f"{name}: {error}") from None


def _encoded_path(path: object) -> bytes:
    try:
        encoded = os.fsencode(path)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{path!r} is no path: expected str, bytes or os.PathLike") from None
    except UnicodeEncodeError:
        raise ValueError(f"the path {path!r} cannot be encoded") from None
    if b"\0" in encoded:
        raise ValueError(f"the path {path!r} contains a NUL character")
    return encoded


def paths_by_id(paths: Iterable[StrPath]) -> dict[str, str | bytes]:
    """Each file once, under an id: its path if that may be an id, else a name that no path has.

    The same file given twice, as str, bytes or Path, relative or absolute, counts once, under the first path.
    """
    distinct: dict[str, str | bytes] = {}
    for given in paths:
        path = os.fspath(given)
        name = os.fsdecode(path)
        distinct.setdefault(os.fspath(Path(name).absolute()) if name else "", path)
    names = [os.fsdecode(path) for path in distinct.values()]
    taken = set(names)
    ids: list[str] = []
    for position, name in enumerate(names, 1):
        if not (name.isprintable() and 0 < len(os.fsencode(name)) <= 255):
            name = next(free for free in _invented(position) if free not in taken)
            taken.add(name)
        ids.append(name)
    return dict(zip(ids, distinct.values(), strict=True))


def _invented(position: int) -> Iterator[str]:
    yield f"path {position}"
    for again in itertools.count(2):
        yield f"path {position} ({again})"
