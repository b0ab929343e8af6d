# SPDX-License-Identifier: MIT
"""Safe reload: private, validated snapshots are delivered, and the host reports how their loading went."""

from __future__ import annotations

import ctypes
import inspect
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, cast

from . import _abi
from ._arguments import StrPath, check_int, int32, int64
from .errors import InvalidArgumentError

SAFE_NONE = -1
"""For the timeouts, retries, keep_generations and max_size of SafeOptions: explicitly none."""
KEEP_NONE = SAFE_NONE
"""For keep_generations of SafeOptions: explicitly none."""


@dataclass(frozen=True)
class SafeOptions:
    """What is asked of every version before it is delivered; see ``docs/safe-reload.md``.

    A field that is None is not named. A field that the manager's options name holds for every plugin, unless the
    plugin's own options name the same field: then the plugin's value replaces the manager's. What neither names is not
    asked, or has its default. ``SafeOptions()`` names nothing: a plugin enabled with it keeps all of the manager's
    safeguards.

    An empty value is an error, never "no safeguard": "" and [] are named, and enabling (or making the manager) fails
    with InvalidArgumentError. Only ``files`` may be empty. False exempts a plugin from the manager's image,
    strict_modes, accept_on_timeout, rising_version, list_names or no_unique; 0 and SAFE_NONE exempt it from the
    manager's timeouts, retries, old generations and size limit. The manager's symbols, allow_list, public_keys,
    min_version and version_dir can be replaced, not switched off: a plugin that is to have none of them needs another
    manager.

    Raises TypeError for a value of another type. Lists are copied: later changes of them have no effect.
    """

    files: Sequence[StrPath] | None = None
    """Companion files, relative to the plugin's directory. Copied along; a change of any is a change of the plugin."""
    image: bool | None = None
    """Reject files that are not complete ELF, PE or Mach-O images for this machine."""
    symbols: Sequence[str] | None = None
    """Reject images that do not export each of these."""
    allow_list: StrPath | None = None
    """A file of SHA-256 sums, as sha256sum writes it. Reject files whose sum is not in it."""
    public_keys: Sequence[str] | None = None
    """minisign's; reject files that none of them has signed."""
    signature: StrPath | None = None
    """Of this plugin's file, or of its manifest; by default the path of that with .minisig appended."""
    strict_modes: bool | None = None
    """Reject a file that a user other than its owner and root could exchange."""
    validator_timeout_ms: int | None = None
    """Longest time for one call of the validator, 1 to 86400000; by default there is no limit."""
    accept_on_timeout: bool | None = None
    """Accept a version whose validator takes longer than validator_timeout_ms; by default it is rejected."""
    report_timeout_ms: int | None = None
    """A report that is missing for so long is noted (Health.NO_REPORT), 1 to 86400000; by default none is missed."""
    retries: int | None = None
    """How often a version that failed is delivered again, up to 1000; by default never."""
    retry_delay_ms: int | None = None
    """Before the first retry, then doubling, 1 to 86400000; 1000 by default."""
    keep_generations: int | None = None
    """Good generations kept beside the present one, up to 1000; 1 by default."""
    max_size: int | None = None
    """Bytes of all files of a plugin together; a larger version is rejected unread. 1 GiB by default, 0: no limit."""
    list_names: bool | None = None
    """Reject files that allow_list has for another name only."""
    manifest: StrPath | None = None
    """A file that lists the plugin, its companion files and nothing else, as sha256sum writes it in the plugin's
    directory. It is signed in their place, with a trusted comment that begins with "manifest:" and the plugin's name.
    It needs public_keys."""
    plugin_name: str | None = None
    """Reject a version whose signature's trusted comment does not begin with the word "plugin:" and this name, or
    that of its manifest with "manifest:" and this name."""
    min_version: str | None = None
    """Reject an older version: 1 to 8 numbers with dots between them. The trusted comment must give the version among
    its first words, "version:1.2.3"."""
    rising_version: bool | None = None
    """Reject a version older than one that was delivered and did not fail, and one with its number and another
    content."""
    version_dir: StrPath | None = None
    """Where rising_version remembers across restarts what was reported as OK: a directory that is made if it is
    missing, and that must be the user's alone. By default versions are remembered while the plugin is enabled."""
    no_unique: bool | None = None
    """Reject ELF images with symbols that the process has once (STB_GNU_UNIQUE): all versions would share the objects
    of the first one. g++ makes them unless it is given -fno-gnu-unique."""

    def __post_init__(self) -> None:
        for name in ("image", "strict_modes", "accept_on_timeout", "rising_version", "list_names", "no_unique"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise TypeError(f"SafeOptions: {name}={value!r}: expected True, False or None, got {_kind(value)}")
        for name in ("files", "symbols", "public_keys"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _items(name, value))
        for name, _ in _NUMBERS:
            value = getattr(self, name)
            if value is not None:
                check_int(f"SafeOptions: {name}", value)


# With what 0 means: None is the default, so a 0 was named, and C takes it for a field that is not.
_NUMBERS = (
    ("validator_timeout_ms", SAFE_NONE),
    ("report_timeout_ms", SAFE_NONE),
    ("retries", SAFE_NONE),
    ("keep_generations", SAFE_NONE),
    ("retry_delay_ms", None),
    ("max_size", SAFE_NONE),
)


class ReloadOutcome(IntEnum):
    """How the loading of a generation went."""

    OK = 1
    """It is the good one now."""
    FAILED = 2
    """It does not work (any more): go back, and do not tell these bytes again."""
    RELEASED = 3
    """Its snapshot is needed no more."""


@dataclass(frozen=True)
class Candidate:
    """What a validator is asked about."""

    plugin_id: str
    path: str
    """As registered; by now it may hold another version."""
    snapshot_path: str
    """What will be loaded."""
    snapshot_size: int
    snapshot_sha256: str
    generation: int
    trusted_comment: str = ""
    """Of the signature, which was verified; printable, with a space for each tab. "" if none was asked for."""


Validator = Callable[[Candidate], object]
"""Returns True to accept. Anything else rejects, an exception included; a str says why."""


def arguments(options: SafeOptions | None) -> Any:
    """The options as the C library takes them: a pointer, or None."""
    if options is None:
        return None
    if not isinstance(options, SafeOptions):
        raise TypeError(f"safe={options!r}: expected SafeOptions, got {_kind(options)}")
    raw = _abi.SafeOptions(
        ctypes.sizeof(_abi.SafeOptions),
        _flag(options.image, _abi.SAFE_IMAGE, _abi.SAFE_NO_IMAGE)
        | _flag(options.strict_modes, _abi.SAFE_STRICT_MODES, _abi.SAFE_NO_STRICT_MODES)
        | _flag(options.accept_on_timeout, _abi.SAFE_ACCEPT_ON_TIMEOUT, _abi.SAFE_REJECT_ON_TIMEOUT)
        | _flag(options.rising_version, _abi.SAFE_RISING_VERSION, _abi.SAFE_ANY_VERSION)
        | _flag(options.list_names, _abi.SAFE_LIST_NAMES, _abi.SAFE_NO_LIST_NAMES)
        | _flag(options.no_unique, _abi.SAFE_NO_UNIQUE, _abi.SAFE_ALLOW_UNIQUE),
        _list("files", options.files, _path),
        _list("symbols", options.symbols, _text),
        None if options.allow_list is None else _path("allow_list", options.allow_list),
        _list("public_keys", options.public_keys, _text),
        None if options.signature is None else _path("signature", options.signature),
    )
    for name, encode in (("plugin_name", _text), ("min_version", _text), ("version_dir", _path), ("manifest", _path)):
        value = getattr(options, name)
        if value is not None:
            setattr(raw, name, encode(name, value))
    for name, zero in _NUMBERS:
        value = getattr(options, name)
        if value == 0:
            if zero is None:
                raise InvalidArgumentError(f"SafeOptions: {name}=0: give at least 1, or None for the default")
            value = zero
        convert = int64 if name == "max_size" else int32
        setattr(raw, name, 0 if value is None else convert(f"SafeOptions: {name}", value))
    return ctypes.pointer(raw)


def _flag(value: bool | None, on: int, off: int) -> int:
    return 0 if value is None else on if value else off


def _items(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, os.PathLike)) or not isinstance(value, Iterable):
        raise TypeError(f"SafeOptions: {name}={value!r}: expected a list, got {_kind(value)}")  # pyright: ignore[reportUnknownArgumentType]
    return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _list(name: str, values: Sequence[Any] | None, encode: Callable[[str, Any], bytes]) -> Any:
    """NULL-terminated; None, which is NULL, is not named, while a list without entries is."""
    if values is None:
        return None
    return (ctypes.c_char_p * (len(values) + 1))(*(encode(name, value) for value in values), None)


def _path(name: str, value: Any) -> bytes:
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"SafeOptions: {name}: expected a path (str, bytes or os.PathLike), got {value!r}")
    try:
        return _without_nul(name, os.fsencode(value))  # pyright: ignore[reportUnknownArgumentType]
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"SafeOptions: {name}: the path {value!r} cannot be encoded") from None


def _text(name: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"SafeOptions: {name}: expected str, got {value!r}")
    try:
        return _without_nul(name, value.encode())
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"SafeOptions: {name}: {value!r} cannot be encoded as UTF-8") from None


def _without_nul(name: str, value: bytes) -> bytes:
    if b"\0" in value:
        raise InvalidArgumentError(f"SafeOptions: {name}: {value!r} contains a NUL character")
    return value


def _kind(value: object) -> str:
    return type(value).__name__


def candidate_of(raw: Any) -> Candidate:
    """The C struct, valid only during the callback, as a Candidate."""
    return Candidate(
        plugin_id=raw.plugin_id.decode(),
        path=os.fsdecode(raw.path),
        snapshot_path=os.fsdecode(raw.snapshot_path),
        snapshot_size=raw.snapshot_size,
        snapshot_sha256=raw.snapshot_sha256.decode(),
        generation=raw.generation,
        trusted_comment=(raw.trusted_comment or b"").decode() if raw.struct_size >= ctypes.sizeof(raw) else "",
    )


def verdict_of(validator: Validator, inside: set[int], raw: Any) -> str | Literal[True]:
    """True if the validator accepts, else why it rejects. Meanwhile its thread is in inside."""
    return _verdict("validator", lambda: validator(candidate_of(raw)), inside)


def verdict_of_set(
    check: Callable[[dict[str, Candidate]], object], inside: set[int], raw: Sequence[Any]
) -> str | Literal[True]:
    """True if a set's check says that these candidates fit, else why not. Meanwhile its thread is in inside."""
    candidates = {candidate.plugin_id: candidate for candidate in map(candidate_of, raw)}
    return _verdict("check", lambda: check(candidates), inside)


def _verdict(name: str, ask: Callable[[], object], inside: set[int]) -> str | Literal[True]:
    thread = threading.get_ident()
    try:
        inside.add(thread)
        answer = ask()
        return True if answer is True else _rejection(name, answer)
    except BaseException as error:
        return _shown(type(error), error)
    finally:
        inside.discard(thread)


def _rejection(name: str, answer: object) -> str:
    if issubclass(type(answer), str):
        text = str.__str__(cast(str, answer))  # an exact str, whatever methods a subclass has
        if text:
            return text
    if inspect.iscoroutine(answer):
        answer.close()  # else the interpreter warns that nobody awaited it
        return f"the {name} returned a coroutine, which nobody awaits, not True; give a function without async"
    return f"the {name} returned {_shown(None, answer)}, not True"


def _shown(kind: type | None, value: object) -> str:
    """An exception of that kind, or a value, as text, whatever its methods do."""
    try:
        text = str.__str__(repr(value) if kind is None else str(value))
        return text if kind is None else f"{kind.__name__}: {text}"
    except BaseException:
        name = type.__dict__["__name__"].__get__(type(value))  # a metaclass may have another
        return f"{name} (which cannot be shown: making its text raised an exception)"
