# SPDX-License-Identifier: MIT
"""Whatever goes wrong around a validator is a rejection."""

from __future__ import annotations

import ctypes
import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from qtforge.monitoring import (
    Candidate,
    Event,
    EventKind,
    PluginHotReloadManager,
    SafeOptions,
    _abi,
    _callbacks,
    safe,
)


class Raises:
    """An answer whose text cannot be made."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("from __repr__")


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt("from __str__")


class NoText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class Twisted(str):
    """A str whose every method raises."""

    def __bool__(self) -> bool:
        raise RuntimeError("from __bool__")

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        raise RuntimeError("from encode")

    def __getitem__(self, _: object) -> str:
        raise RuntimeError("from __getitem__")

    def replace(self, *_: object) -> str:
        raise RuntimeError("from replace")

    __str__ = __repr__ = __len__ = __format__ = __bool__  # type: ignore[assignment]


def _no_name(_: type) -> str:
    raise RuntimeError("no name")


Nameless: Any = type("Nameless", (type,), {"__name__": property(_no_name)})
Strange: Any = Nameless("Strange", (Exception,), {})


class Pretender:
    """Says that it is a str, and equal to everything."""

    __class__ = str  # type: ignore[assignment]

    def __eq__(self, _: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


class Yes(int):
    """Equal to True, and no True."""


class Endless:
    def __repr__(self) -> str:
        return repr(self)


async def accept(_: Candidate) -> bool:
    return True


def throw(error: BaseException) -> Callable[[Candidate], object]:
    def validator(_: Candidate) -> object:
        raise error

    return validator


def answer(value: object) -> Callable[[Candidate], object]:
    return lambda _: value


# Each with a part of the reason that the host is given.
HOSTILE: dict[str, tuple[Callable[[Candidate], object], str]] = {
    "repr raises": (answer(Raises(ValueError)), "Raises (which cannot be shown"),
    "repr raises Ctrl-C": (answer(Raises(KeyboardInterrupt)), "Raises (which cannot be shown"),
    "repr raises SystemExit": (answer(Raises(SystemExit)), "Raises (which cannot be shown"),
    "str of the exception raises": (throw(Mute()), "Mute (which cannot be shown"),
    "str of the exception is no str": (throw(NoText()), "NoText (which cannot be shown"),
    "class without a name": (throw(Strange("x")), "Strange (which cannot be shown"),
    "Ctrl-C": (throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "exit": (throw(SystemExit(3)), "SystemExit: 3"),
    "GeneratorExit": (throw(GeneratorExit()), "GeneratorExit"),
    "no memory": (throw(MemoryError()), "MemoryError"),
    "endless recursion": (lambda _: repr(Endless()), "RecursionError"),
    "endless recursion in repr": (answer(Endless()), "Endless (which cannot be shown"),
    "str with methods of its own": (answer(Twisted("twisted")), "twisted"),
    "empty str with methods of its own": (answer(Twisted("")), "cannot be shown"),
    "pretends to be a str": (answer(Pretender()), "Pretender object"),
    "lone surrogates": (answer("\ud800 bad"), "? bad"),
    "NUL": (answer("\0bad"), r"\x00bad"),
    "long": (answer("ü" * 10_000_000), "üüü"),
    "1": (answer(1), "returned 1, not True"),
    "equal to True": (answer(Yes(1)), "returned 1, not True"),
    "empty": (answer(""), "returned '', not True"),
    "True, as text": (answer("True"), "True"),
    "async": (lambda candidate: accept(candidate), "returned a coroutine"),
    "generator": (lambda _: (yield), "generator object"),
    "wrong signature": (lambda: True, "TypeError"),  # type: ignore[dict-item, misc]
}


def raw_candidate() -> Any:
    return _abi.CandidateStruct(
        struct_size=ctypes.sizeof(_abi.CandidateStruct),
        generation=1,
        snapshot_size=1,
        plugin_id=b"p",
        path=b"/p",
        snapshot_path=b"/s/p",
        snapshot_sha256=b"0" * 64,
    )


class Caller:
    """Calls what the library calls, as the library does: through its address."""

    def __init__(self, target: Callable[[Any], Any]) -> None:
        self.token = _callbacks.register(target)
        self.function = _abi.ValidatorFn(ctypes.cast(_callbacks.on_validate, ctypes.c_void_p).value)  # type: ignore[arg-type]
        self.reason = ctypes.create_string_buffer(512)

    def __call__(self, candidate: Any = None) -> int:
        candidate = candidate or raw_candidate()
        result = self.function(ctypes.byref(candidate), ctypes.addressof(self.reason), 512, self.token)
        assert isinstance(result, int)
        return result

    def close(self) -> None:
        _callbacks.on_destroy(self.token)


@pytest.fixture
def caller() -> Iterator[Callable[[Callable[[Any], Any]], Caller]]:
    made: list[Caller] = []

    def make(target: Callable[[Any], Any]) -> Caller:
        made.append(Caller(target))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_library_is_given_a_rejection_and_a_reason(
    name: str, caller: Callable[[Callable[[Any], Any]], Caller]
) -> None:
    validator, reason = HOSTILE[name]
    call = caller(lambda raw: safe.verdict_of(validator, set(), raw))
    assert call() == _abi.REJECT
    text = call.reason.value.decode()  # whole characters, as no decoder complains
    assert reason in text and len(text.encode()) < 512
    gc.collect()  # a coroutine that was dropped would warn, which is an error here


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_what_fails_outside_of_the_validator_is_a_rejection_too(
    error: type[BaseException],
    caller: Callable[[Callable[[Any], Any]], Caller],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: seen.append(info.exc_type))

    def broken(_: object) -> object:
        raise error

    call = caller(broken)
    assert call() == _abi.REJECT
    assert seen == [error]
    for nonsense in (None, 0, b"", object()):  # no verdict of ours
        assert caller(answer(nonsense))() == _abi.REJECT


def test_a_candidate_that_cannot_be_decoded_is_rejected(caller: Callable[[Callable[[Any], Any]], Caller]) -> None:
    call = caller(lambda raw: safe.verdict_of(answer(True), set(), raw))
    assert call() == _abi.ACCEPT
    candidate = raw_candidate()
    candidate.plugin_id = b"\xff"
    assert call(candidate) == _abi.REJECT
    assert call.reason.value.startswith(b"UnicodeDecodeError")


def test_a_validator_that_was_removed_meanwhile_rejects(caller: Callable[[Callable[[Any], Any]], Caller]) -> None:
    call = caller(answer(True))
    assert call() == _abi.ACCEPT
    call.close()
    assert call() == _abi.REJECT
    assert call.reason.value == b"the validator is gone"


class Bomb(Exception):
    pass


def test_exceptions_that_another_thread_sets_are_rejections(
    caller: Callable[[Callable[[Any], Any]], Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a time limit around the validator may set them: at any moment, the very first included."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # they end the thread here and there
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception.argtypes = [ctypes.c_ulong, ctypes.py_object]
    call = caller(lambda raw: safe.verdict_of(answer(False), set(), raw))
    results: list[int] = []
    rounds = 10_000

    def calling() -> None:
        while len(results) < rounds:
            results.append(call())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        end = time.monotonic() + BOUND
        while len(results) < rounds and time.monotonic() < end:
            thread = threading.Thread(target=calling, daemon=True)
            thread.start()
            assert thread.ident is not None
            while thread.is_alive() and len(results) < rounds:
                set_exception(thread.ident, Bomb)
            thread.join(BOUND)
    finally:
        sys.setswitchinterval(interval)
    assert len(results) > 100 and set(results) == {_abi.REJECT}


class Versions:
    """A manager with many plugins on one file, so that every one of them is a version to validate."""

    def __init__(self, tmp_path: Path, validator: Callable[[Candidate], object]) -> None:
        self.file = tmp_path / "plugin.py"
        self.file.write_text("VERSION = 1")
        self.manager = PluginHotReloadManager(
            dispatch="manual", quiet_ms=-1, safe=SafeOptions(), snapshot_dir=tmp_path / "snapshots"
        )
        self.events: dict[EventKind, list[Event]] = {}
        self.manager.set_event_callback(lambda e: self.events.setdefault(e.kind, []).append(e))
        self.manager.set_validator(validator)

    def offer(self, count: int) -> None:
        for number in range(count):
            assert self.manager.enable_hot_reload(f"p{number}", self.file, deliver_present=True)

    def decided(self) -> int:
        return sum(len(self.events.get(kind, ())) for kind in (EventKind.FILE_CHANGED, EventKind.REJECTED))

    def wait(self, count: int) -> None:
        end = time.monotonic() + BOUND
        while self.decided() < count:
            assert time.monotonic() < end, self.decided()
            self.manager.wait(0.1)


def test_of_hundreds_of_versions_none_is_let_through(tmp_path: Path) -> None:
    turns = itertools.cycle(HOSTILE)

    def validator(candidate: Candidate) -> object:
        return HOSTILE[next(turns)][0](candidate)

    versions = Versions(tmp_path, validator)
    with versions.manager:
        versions.offer(300)
        versions.wait(300)
    assert EventKind.FILE_CHANGED not in versions.events
    reasons = {event.message for event in versions.events[EventKind.REJECTED]}
    assert all(any(part in reason for reason in reasons) for _, part in HOSTILE.values())
    assert all(reason.isprintable() for reason in reasons)


def test_functions_that_would_never_run_are_rejected_when_set() -> None:
    class Later:
        async def __call__(self, _: Candidate) -> bool:
            return True

    def generator(_: object) -> Iterator[bool]:
        yield True

    async def async_generator(_: object) -> Any:
        yield True

    with PluginHotReloadManager(dispatch="manual") as manager:
        for validator in (accept, Later(), generator, async_generator):
            with pytest.raises(TypeError, match=r"(coroutine|generator) function.*plain function"):
                manager.set_validator(validator)
            for setter in (manager.set_reload_callback, manager.set_event_callback):
                with pytest.raises(TypeError, match=r"(coroutine|generator) function.*async for"):
                    setter(validator)  # type: ignore[arg-type]


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_validator_may_call_the_manager_while_it_is_closed(dispatch: str, tmp_path: Path) -> None:
    """Closing waits for the validator, so nothing in the validator may wait for the closing."""
    (tmp_path / "plugin.so").write_text("v1")
    entered, asked = threading.Event(), threading.Event()
    with PluginHotReloadManager(dispatch=dispatch, safe=SafeOptions(), snapshot_dir=tmp_path / "snapshots") as manager:
        done: list[object] = []

        def validator(_: Candidate) -> bool:
            done.append(manager.wait())
            with pytest.raises(RuntimeError, match="inside"):
                manager.run()
            entered.set()
            assert asked.wait(BOUND)
            manager.close()
            done.append("closed")
            return True

        manager.set_validator(validator)
        assert manager.enable_hot_reload("p", tmp_path / "plugin.so", deliver_present=True)
        assert entered.wait(BOUND)
        closer = threading.Thread(target=manager.close)
        closer.start()
        wait_until("closing", lambda: manager.closed)
        asked.set()
        closer.join(BOUND)
        assert not closer.is_alive() and done == [0, "closed"]
