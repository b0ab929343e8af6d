# SPDX-License-Identifier: MIT
"""One plugin paused; checks on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Commands
from conftest import BOUND, wait_until
from qtforge.monitoring import (
    Event,
    EventKind,
    Health,
    InvalidArgumentError,
    PluginHotReloadManager,
    PluginState,
)

DAY_MS = 86_400_000


class Pair:
    """A manager with the plugins "a" and "b"."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.files = {name: folder / name for name in "ab"}
        self.manager = PluginHotReloadManager(quiet_ms=30, raise_on_error=True, **options)  # type: ignore[arg-type]
        for name, file in self.files.items():
            file.write_text("v0")
            self.manager.enable_hot_reload(name, file)

    def replace(self, name: str, content: str) -> None:
        part = self.files[name].with_suffix(".part")
        part.write_text(content)
        part.rename(self.files[name])


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_paused_plugin_is_delivered_once_after_resuming(dispatch: str, tmp_path: Path) -> None:
    pair = Pair(tmp_path, dispatch=dispatch)
    told: list[tuple[str, str]] = []
    with pair.manager as manager:
        manager.set_reload_callback(lambda name: told.append((name, pair.files[name].read_text())))
        manager.set_plugin_paused("a")
        assert manager.is_plugin_paused("a") and not manager.is_plugin_paused("b")
        for content in ("v1", "v2"):
            pair.replace("a", content)
            pair.replace("b", content)
            assert manager.wait(BOUND) == 1
        assert told == [("b", "v1"), ("b", "v2")]
        manager.set_plugin_paused("a", False)
        assert manager.wait(BOUND) == 1
        assert told[2:] == [("a", "v2")]


def test_changes_hold_back_what_is_paused_after_its_arrival(tmp_path: Path) -> None:
    pair = Pair(tmp_path, dispatch="thread")
    with pair.manager as manager:
        changes = manager.changes(BOUND)
        pair.replace("a", "v1")
        assert manager.wait(BOUND) == 1  # it is in the mailbox
        manager.set_plugin_paused("a")
        pair.replace("b", "v1")
        assert next(changes).plugin_id == "b"
        assert list(manager.changes(0.01)) == []
        manager.set_plugin_paused("a", False)
        assert next(changes).plugin_id == "a"
        manager.set_plugin_paused("a")
        manager.disable_hot_reload("a")
        manager.enable_hot_reload("a", pair.files["a"])
        pair.replace("a", "v2")
        assert next(changes).plugin_id == "a"


def test_enabled_paused(tmp_path: Path) -> None:
    file = tmp_path / "plugin"
    file.write_text("v0")
    events: list[Event] = []
    with PluginHotReloadManager(dispatch="manual", raise_on_error=True) as manager:
        manager.set_event_callback(events.append)
        manager.enable_hot_reload("p", file, paused=True, deliver_present=True)
        assert manager.is_plugin_paused("p")
        wait_until("it waits", lambda: manager.stats().pending == 2)  # enabled, and the version
        manager.process_events()
        assert [event.kind for event in events] == [EventKind.ENABLED]
        manager.set_plugin_paused("p", False)
        wait_until("delivered", lambda: manager.process_events() == 1)
        assert events[-1].kind is EventKind.FILE_CHANGED


def test_a_pause_survives_reopening_in_the_child_of_a_fork(tmp_path: Path) -> None:
    pair = Pair(tmp_path, dispatch="manual", on_fork="reopen")
    with pair.manager as manager:
        manager.set_plugin_paused("a")
        child = os.fork()
        if child == 0:
            status = 2
            try:
                status = int([manager.is_plugin_paused(name) for name in "ab"] != [True, False])
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_not_enabled_is_named(tmp_path: Path) -> None:
    with Pair(tmp_path).manager as manager:
        for call in (manager.set_plugin_paused, manager.is_plugin_paused, manager.check_now):
            with pytest.raises(InvalidArgumentError, match=r'plugin "no\\u3164body" is not enabled') as raised:
                call("no\u3164body")
            assert raised.value.plugin_id


@pytest.mark.parametrize("which", ["a", None])
def test_check_now_finds_what_nothing_notified_of(which: str | None, tmp_path: Path) -> None:
    pair = Pair(tmp_path, dispatch="manual", force_polling=True, poll_interval_ms=DAY_MS)
    with pair.manager as manager:
        for content in ("v1", "v2"):
            pair.replace("a", content)
            manager.check_now(which)
            assert manager.wait(BOUND) == 1
        assert [change.plugin_id for change in manager.changes(0.01)] == ["a"]


@pytest.fixture
def watch() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def test_the_command_checks_at_sighup(tmp_path: Path, watch: Commands) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    running = watch("--poll", "--poll-interval", DAY_MS, file, start_new_session=True)
    running.line()
    for i in (1, 2):
        file.write_text(f"version {i}")
        running.process.send_signal(signal.SIGHUP)
        assert running.words()[0] == "changed"
    assert running.end(signal.SIGTERM) == (-signal.SIGTERM, "", "")


def test_a_pause_marker_holds_changes_back_and_is_reported_if_its_build_died(tmp_path: Path) -> None:
    told: list[str] = []
    overdue: list[Event] = []

    def on_event(event: Event) -> None:
        if event.kind is EventKind.FILE_CHANGED:
            told.append(file.read_text())
        elif event.health is Health.PAUSE_MARKER:
            overdue.append(event)

    file, marker = tmp_path / "a", tmp_path / ".building"
    file.write_text("v0")
    with PluginHotReloadManager(quiet_ms=30, marker_after_ms=20, raise_on_error=True, dispatch="thread") as manager:
        manager.set_event_callback(on_event)
        manager.enable_hot_reload("a", file, pause_marker=".building")
        marker.touch()
        wait_until("marked", lambda: manager.plugin_status("a").marked_since_ns)
        file.write_text("version 1")
        wait_until("ready", lambda: manager.plugin_status("a").state is PluginState.READY)
        assert "the pause marker is there" in manager.explain("a") and not manager.is_plugin_paused("a")
        wait_until("reported", lambda: overdue)
        assert overdue[0].path == str(marker) and "remove it" in overdue[0].message
        file.write_text("the version 2")
        assert told == []
        marker.unlink()
        wait_until("delivered", lambda: told == ["the version 2"])
        assert manager.plugin_status("a").marked_since_ns == 0
        for wrong, error in (("", "is empty"), ("a\0b", "NUL"), (7, "is no path")):
            with pytest.raises(InvalidArgumentError, match=error):
                manager.enable_hot_reload("b", file, pause_marker=wrong)  # type: ignore[arg-type]


def test_a_pause_marker_stays_in_the_child_of_a_fork(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("v0")
    (tmp_path / ".building").touch()
    with PluginHotReloadManager(on_fork="reopen", raise_on_error=True, dispatch="manual") as manager:
        manager.enable_hot_reload("a", file, pause_marker=b".building")
        child = os.fork()
        if child == 0:
            os._exit(manager.plugin_status("a").marked_since_ns == 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_command_waits_for_the_end_of_a_build(tmp_path: Path, watch: Commands) -> None:
    for name in ("building", "built"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("v0")
    waits, goes_on = (tmp_path / "building" / "a", tmp_path / "built" / "a")
    marker = waits.with_name(".building")
    marker.touch()
    for watched in (waits, waits.parent):
        marker.touch()
        running = watch("--json", "--pause-marker", ".building", watched, goes_on)
        running.line()
        waits.write_text(waits.read_text() + "v1")
        goes_on.write_text(goes_on.read_text() + "v1")
        assert running.json()["path"] == str(goes_on)
        marker.unlink()
        assert running.json()["path"] == str(waits)
