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
from qtforge.monitoring import Event, EventKind, InvalidArgumentError, PluginHotReloadManager

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
