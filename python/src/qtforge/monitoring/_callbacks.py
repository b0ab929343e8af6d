# SPDX-License-Identifier: MIT
"""The functions that the native library calls.

They are made once and live for ever: a collected ctypes callback crashes its caller. What they concern is found
through a token, a plain number, so that a late call finds nothing instead of a freed object.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import Any, Literal, Protocol

from . import _abi, _abi_hosts, _verdict
from ._unraisable import unraisable

# The table needs no lock, single operations on a dict are atomic. It must not have one either: the collector may
# destroy a manager while this thread is in here, which would then wait for itself in _destroy.
_targets: dict[int, Any] = {}
_tokens = itertools.count(1)
_counting = threading.Lock()  # free-threaded builds need it; _destroy does not take it


class Host(Protocol):
    """What the library calls of a host."""

    def hear_outcome(self, raw: Any) -> None: ...

    def hear_step(self, raw: Any, result: Any) -> int: ...

    def hear_end(self) -> None: ...


def forked() -> None:
    """In the child of a fork: no thread holds the lock."""
    global _counting
    _counting = threading.Lock()


def register(target: Callable[..., Any] | Host) -> int:
    """A token for target, valid until the library calls :data:`on_destroy` with it."""
    with _counting:
        token = next(_tokens)
    _targets[token] = target
    return token


def registered() -> int:
    """How many tokens are in use."""
    return len(_targets)


def _event(event: Any, token: int | None) -> None:
    try:
        target = _targets.get(token or 0)
        if target is not None:
            target(event.contents)
    except BaseException as error:
        _escape(error)


def _reload(plugin_id: bytes, token: int | None) -> None:
    try:
        target = _targets.get(token or 0)
        if target is not None:
            target(plugin_id)
    except BaseException as error:
        _escape(error)


def _wakeup(token: int | None) -> None:
    target = _targets.get(token or 0)
    if target is not None:
        target()


def _log(record: Any, token: int | None) -> None:
    target = _targets.get(token or 0)
    if target is not None:
        target(record.contents)


def _validate(candidate: Any, reason: int, room: int, token: int | None, verdict: Any) -> None:
    target = _targets.get(token or 0)
    _judge("the validator is gone" if target is None else target(candidate.contents), reason, room, verdict)


def _check(set_id: bytes, candidates: Any, count: int, reason: int, room: int, token: int | None, verdict: Any) -> None:
    target = _targets.get(token or 0)
    _judge("the check is gone" if target is None else target(candidates, count), reason, room, verdict)


def _judge(answer: str | Literal[True], reason: int, room: int, verdict: Any) -> None:
    if answer is True:
        verdict[0] = _abi.ACCEPT
        return
    text = answer[:room].replace("\0", "\\x00").encode("utf-8", "replace")[: room - 1]
    text = text.decode("utf-8", "ignore").encode()  # no character cut in half
    ctypes.memmove(reason, text + b"\0", len(text) + 1)


def _folder_id(path: bytes, out: int, room: int, token: int | None) -> int:
    try:
        target = _targets.get(token or 0)
        plugin_id = None if target is None else target(path)
        if plugin_id is None:
            return 0
        if len(plugin_id) >= room:
            raise ValueError(f"the plugin id {plugin_id!r} has more than {room - 1} bytes")
        ctypes.memmove(out, plugin_id + b"\0", len(plugin_id) + 1)
    except BaseException as error:  # Ctrl-C, which is not for a thread of the library
        unraisable(error, _folder_id)
        return 0
    return 1


# A thread of the library calls these. Nothing may be raised into it.


def _outcome(outcome: Any, token: int | None) -> None:
    try:
        target = _targets.get(token or 0)
        if target is not None:
            target.hear_outcome(outcome.contents)
    except BaseException as error:
        unraisable(error, _outcome)


def _step(step: Any, result: Any, token: int | None) -> int:
    try:
        target = _targets.get(token or 0)
        return _abi_hosts.STEP_FAILED if target is None else int(target.hear_step(step.contents, result.contents))
    except BaseException as error:
        unraisable(error, _step)
        return _abi_hosts.STEP_FAILED


def _host_destroy(token: int | None) -> None:
    target = _targets.pop(token or 0, None)
    if target is not None:
        target.hear_end()


def hosts() -> list[Any]:
    """Those that have not ended."""
    return [target for target in list(_targets.values()) if hasattr(target, "hear_end")]


def forget(token: int) -> None:
    """The library does not call with a token any more, and calls no :data:`on_destroy`."""
    _targets.pop(token, None)


def _destroy(token: int | None) -> None:
    _targets.pop(token or 0, None)


def _escape(error: BaseException) -> None:
    """ctypes would print it and go on. Ctrl-C is meant for the program: whoever dispatches raises it."""
    _escaped.error = error


class _Escaped(threading.local):
    error: BaseException | None = None


_escaped = _Escaped()


def raise_escaped() -> None:
    """Raises what has left a delivery that this thread made."""
    error, _escaped.error = _escaped.error, None
    if error is not None:
        raise error


on_event = _abi.EventFn(_event)
on_reload = _abi.ReloadFn(_reload)
on_folder_id = _abi.FolderIdFn(_folder_id)
on_log = _abi.LogFn(_log)
on_validate = _verdict.rejecting_unless_accepted(_validate, _abi.ValidatorFn)
on_check = _verdict.rejecting_unless_accepted(_check, _abi_hosts.CheckFn)
on_outcome = _abi_hosts.OutcomeFn(_outcome)
on_step = _abi_hosts.StepFn(_step)
on_host_destroy = _abi.PlainFn(_host_destroy)
on_wakeup = _abi.PlainFn(_wakeup)
on_destroy = _abi.PlainFn(_destroy)
