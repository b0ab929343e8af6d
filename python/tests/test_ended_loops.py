# SPDX-License-Identifier: MIT
"""A manager whose loop has ended says so; it never falls silent."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, Host, wait_until
from loops import RUNNERS, run, wait_for
from qtforge.monitoring import Event, HotReloadError, LoopClosedError, PluginHotReloadManager, ReloadOutcome


@pytest.fixture(params=RUNNERS)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def left_behind(library: str, tmp_path: Path, **options: Any) -> Host:
    """A host whose manager delivered on a loop that has ended."""

    async def main() -> Host:
        host = Host(tmp_path, **options)
        assert host.manager.dispatch == RUNNERS[library][0]
        host.replace("on the loop")
        await wait_for(lambda: host.told)
        host.told.clear()
        return host

    host = run(library, main)
    assert isinstance(host, Host)
    return host


def test_the_first_change_afterwards_is_reported_once(library: str, tmp_path: Path) -> None:
    errors: list[Exception] = []
    host = left_behind(library, tmp_path, on_error=errors.append)
    with host.manager:
        assert errors == []  # nothing was missed so far
        host.replace("unheard")
        wait_until("reported", lambda: errors)
        assert isinstance(errors[0], LoopClosedError) and "has ended" in str(errors[0])
        host.replace("unheard, too")
        with pytest.raises(LoopClosedError):
            host.manager.wait(BOUND)
        assert len(errors) == 1 and host.told == []


def test_without_an_error_handler_there_is_a_warning(library: str, tmp_path: Path) -> None:
    host = left_behind(library, tmp_path)
    with host.manager, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        host.replace("unheard")
        wait_until("warned", lambda: caught)
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "nothing is delivered any more" in str(caught[0].message)


def test_what_needs_delivery_raises_and_the_rest_works(library: str, tmp_path: Path) -> None:
    host = left_behind(library, tmp_path)
    manager = host.manager
    for call in (
        manager.wait,
        manager.run,
        manager.changes,
        lambda: manager.set_reload_callback(print),
        lambda: manager.set_event_callback(print),
        lambda: manager.enable_hot_reload("q", host.file).raise_for_error(),
    ):
        with pytest.raises(LoopClosedError, match="close the manager and make another"):
            call()
    manager.set_reload_callback(None)
    assert manager.get_hot_reload_plugins() == ["p"] and manager.is_hot_reload_enabled("p")
    assert manager.stats().plugins == 1
    with pytest.raises(HotReloadError, match="safe reload"):
        manager.report_reload("p", 1, ReloadOutcome.OK)
    assert manager.disable_hot_reload("p")
    assert not manager.closed
    manager.close()
    manager.close()

    async def again() -> None:
        other = Host(tmp_path)
        async with other.manager:
            other.replace("a second loop")
            await wait_for(lambda: other.told == ["a second loop"])

    run(library, again)


def test_who_waits_in_another_thread_is_given_the_error(library: str, tmp_path: Path) -> None:
    errors: list[BaseException] = []
    inside = threading.Event()
    threads: list[threading.Thread] = []

    def waiting(changes: Any) -> None:
        inside.set()
        try:
            list(changes)
        except HotReloadError as error:
            errors.append(error)

    async def main() -> Host:
        host = Host(tmp_path, on_error=lambda _: None)
        threads.append(threading.Thread(target=waiting, args=(host.manager.changes(),)))
        threads[0].start()
        await wait_for(inside.is_set)
        return host

    host = run(library, main)
    with host.manager:
        host.replace("unheard")
        threads[0].join(BOUND)
        assert [type(error) for error in errors] == [LoopClosedError]


def test_a_loop_that_is_awaited_in_another_is_given_the_error(library: str, tmp_path: Path) -> None:
    host = left_behind(library, tmp_path)

    async def other() -> None:
        with pytest.raises(LoopClosedError):
            await host.manager.wait()
        with pytest.raises(LoopClosedError):
            async for _ in host.manager.changes():
                pass

    with host.manager:
        run(library, other)


def test_a_closed_manager_reports_nothing(library: str, tmp_path: Path) -> None:
    errors: list[Exception] = []

    async def main() -> None:
        async with Host(tmp_path, on_error=errors.append).manager:
            pass

    run(library, main)
    (tmp_path / "plugin.so").write_text("unheard")
    with PluginHotReloadManager(dispatch="manual", quiet_ms=30) as witness:
        assert witness.enable_hot_reload("p", tmp_path / "plugin.so")
        (tmp_path / "plugin.so").write_text("noticed by another")
        assert witness.wait(BOUND) == 1
    assert errors == []


def test_a_failed_library_is_reported_to_hosts_that_only_have_callbacks(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtforge.monitoring.errors import from_native

    async def main(dispatch: str) -> list[Exception]:
        errors: list[Exception] = []
        host = Host(tmp_path, on_error=errors.append, dispatch=dispatch)
        async with host.manager:

            def broken(*_: int) -> int:
                raise from_native(-10, "contained")

            monkeypatch.setattr(host.manager._native, "dispatch", broken)
            host.replace("unheard")
            await wait_for(lambda: errors)
        return errors

    for dispatch in ("auto", "thread"):
        assert [str(error) for error in run(library, lambda d=dispatch: main(d))] == ["contained"]  # type: ignore[misc]


def test_events_that_wait_for_an_iterator_come_before_the_error(library: str, tmp_path: Path) -> None:
    async def main() -> tuple[Host, Any]:
        host = Host(tmp_path)
        changes = host.manager.changes()
        host.replace("on the loop")
        await wait_for(lambda: host.told)
        return host, changes

    host, changes = run(library, main)
    with host.manager:
        assert isinstance(next(changes), Event)
        with pytest.raises(LoopClosedError):
            next(changes)


def test_a_thread_that_another_one_ends_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    errors: list[Exception] = []
    host = Host(tmp_path, on_error=errors.append, dispatch="thread")
    with host.manager:

        def ended(*_: int) -> int:
            raise SystemExit

        monkeypatch.setattr(host.manager._native, "dispatch", ended)
        host.replace("wakes it")
        wait_until("reported", lambda: errors)
        assert "ended by SystemExit" in str(errors[0])
        with pytest.raises(HotReloadError, match="ended by SystemExit"):
            host.manager.wait(BOUND)
