"""Safe reload: what is told are private, validated snapshots, and how their loading went is reported."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from . import _abi
from ._arguments import StrPath, milliseconds
from .errors import InvalidArgumentError

KEEP_NONE = -1


@dataclass(frozen=True)
class SafeOptions:
    """What is asked of every version before it is told; see ``docs/safe-reload.md``. The defaults ask for nothing."""

    files: Sequence[StrPath] = ()
    """What else belongs to this plugin, relative to its directory. Copied along; a change of any is a change of it."""
    image: bool = False
    """Refuse what is no whole ELF, PE or Mach-O image for this machine."""
    symbols: Sequence[str] = ()
    """That the image must export."""
    allow_list: StrPath | None = None
    """A file of SHA-256 sums, as sha256sum writes it."""
    public_keys: Sequence[str] = ()
    """minisign's; one of them must have signed the file."""
    signature: StrPath | None = None
    """Of this plugin's file; by default its path with .minisig appended."""
    strict_modes: bool = False
    """Refuse a file that somebody else than its user and root could exchange."""
    validator_timeout_ms: int = 0
    accept_on_timeout: bool = False
    report_timeout_ms: int = 0
    retries: int = 0
    retry_delay_ms: int = 0
    keep_generations: int = 0
    """Good ones kept beside the present one: 0 is the default (1), KEEP_NONE none."""


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


Validator = Callable[[Candidate], object]
"""Returns True to accept; anything else refuses, and a str says why. So does an exception."""


def arguments(options: SafeOptions | None) -> Any:
    """The options as the C library takes them: a pointer, or None."""
    if options is None:
        return None
    if not isinstance(options, SafeOptions):
        raise TypeError(f"safe={options!r} is no SafeOptions")
    raw = _abi.SafeOptions(
        ctypes.sizeof(_abi.SafeOptions),
        (_abi.SAFE_IMAGE if options.image else 0)
        | (_abi.SAFE_STRICT_MODES if options.strict_modes else 0)
        | (_abi.SAFE_ACCEPT_ON_TIMEOUT if options.accept_on_timeout else 0),
        _list("files", [_path("files", f) for f in _items("files", options.files)]),
        _list("symbols", [_text("symbols", s) for s in _items("symbols", options.symbols)]),
        None if options.allow_list is None else _path("allow_list", options.allow_list),
        _list("public_keys", [_text("public_keys", k) for k in _items("public_keys", options.public_keys)]),
        None if options.signature is None else _path("signature", options.signature),
    )
    for name in ("validator_timeout_ms", "report_timeout_ms", "retries", "retry_delay_ms", "keep_generations"):
        setattr(raw, name, milliseconds(name, getattr(options, name)))
    return ctypes.pointer(raw)


def _items(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name}={value!r} is one value; give a list")
    return list(value)


def _list(name: str, values: list[bytes]) -> Any:
    return (ctypes.c_char_p * (len(values) + 1))(*values, None)


def _path(name: str, value: Any) -> bytes:
    return _without_nul(name, os.fsencode(value))


def _text(name: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is no str")
    return _without_nul(name, value.encode())


def _without_nul(name: str, value: bytes) -> bytes:
    if b"\0" in value:
        raise InvalidArgumentError(f"{name}: {value!r} contains a NUL character")
    return value


def candidate_of(raw: Any) -> Candidate:
    """The C struct, valid only during the callback, as a Candidate."""
    return Candidate(
        plugin_id=raw.plugin_id.decode(),
        path=os.fsdecode(raw.path),
        snapshot_path=os.fsdecode(raw.snapshot_path),
        snapshot_size=raw.snapshot_size,
        snapshot_sha256=raw.snapshot_sha256.decode(),
        generation=raw.generation,
    )


def verdict_of(validator: Validator, raw: Any) -> str | None:
    """Why the validator refuses; None if it accepts."""
    try:
        answer = validator(candidate_of(raw))
    except BaseException as error:  # nothing may leave: it would count as acceptance
        return f"{type(error).__name__}: {error}"
    if answer is True:
        return None
    return answer if isinstance(answer, str) and answer else f"the validator returned {answer!r}, not True"
