# SPDX-License-Identifier: MIT
"""How plugin files change, and what a host hears of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Host, wait_until
from qtforge.monitoring import Event, EventKind, Health, PluginHotReloadManager


def test_atomic_replacement_is_told_once_each(host: Host) -> None:
    for i in range(5):
        host.replace(f"v{i}")
        host.expect(f"v{i}")
    host.quiet()


def test_in_place_rewrite(host: Host) -> None:
    for i in range(3):
        host.file.write_text(f"v{i}" * 100_000)
        host.expect(f"v{i}" * 100_000)
    host.quiet()


def test_slow_writer_is_told_once_and_whole(host: Host) -> None:
    with host.file.open("w") as f:
        f.write("first half, ")
        f.flush()
        wait_until("being written", lambda: host.manager.stats().being_written == 1)
        f.write("second half")
    host.expect("first half, second half")
    host.quiet()


def test_delete_and_recreate_is_one_change(host: Host) -> None:
    for i in range(3):
        host.file.unlink()
        host.file.write_text(f"v{i}")
        host.expect(f"v{i}")
    host.quiet()


def test_chmod_readers_and_siblings_tell_nothing(host: Host) -> None:
    host.file.chmod(0o600)
    host.file.read_bytes()
    sibling = host.file.with_name("sibling.so")
    sibling.write_text("x")
    sibling.unlink()
    host.quiet()


def test_touch_is_told_unless_unchanged_content_is_ignored(host: Host, tmp_path: Path) -> None:
    host.file.touch()
    host.expect("v0")
    other = tmp_path / "other"
    other.mkdir()
    ignoring = Host(other, ignore_unchanged_content=True)
    with ignoring.manager:
        ignoring.file.touch()
        ignoring.replace("v0")
        ignoring.quiet()


def test_two_ids_on_one_file_both_hear(host: Host) -> None:
    told: list[str] = []
    host.manager.set_reload_callback(told.append)
    assert host.manager.enable_hot_reload("q", str(host.file))
    host.replace("v1")
    wait_until("both told", lambda: len(told) == 2)
    assert sorted(told) == ["p", "q"]
    assert host.manager.get_hot_reload_plugins() == ["p", "q"]


def test_pause_and_resume_tell_once(host: Host) -> None:
    assert host.manager.is_global_hot_reload_enabled()
    host.manager.set_global_hot_reload_enabled(False)
    assert not host.manager.is_global_hot_reload_enabled()
    for i in range(3):
        host.replace(f"v{i}")
        wait_until("settled", lambda: host.manager.stats().pending == 1)
    assert host.told == []
    host.manager.set_global_hot_reload_enabled(True)
    host.expect("v2")
    host.quiet()


def test_disabled_plugin_is_not_told(host: Host, tmp_path: Path) -> None:
    assert host.manager.is_hot_reload_enabled("p")
    assert host.manager.disable_hot_reload("p") is True
    assert host.manager.disable_hot_reload("p") is False
    assert not host.manager.is_hot_reload_enabled("p")
    host.replace("unheard")
    assert host.manager.enable_hot_reload("p", host.file)
    host.quiet()
    assert host.manager.clear() == 1
    assert host.manager.get_hot_reload_plugins() == []


def test_changes_stay_pending_until_there_is_a_callback(host: Host) -> None:
    host.manager.set_reload_callback(None)
    host.replace("v1")
    wait_until("pending", lambda: host.manager.stats().pending == 1)
    host.manager.set_reload_callback(host.reload)
    host.expect("v1")


def test_missing_file_may_be_waited_for(host: Host, tmp_path: Path) -> None:
    late = tmp_path / "later" / "plugin.py"
    assert host.manager.enable_hot_reload("late", late, allow_missing=True)
    told: list[str] = []
    host.manager.set_reload_callback(told.append)
    late.parent.mkdir()
    late.write_text("here")
    wait_until("told", lambda: told)
    assert told == ["late"]


def test_polling(tmp_path: Path) -> None:
    polled = Host(tmp_path, force_polling=True, poll_interval_ms=20)
    with polled.manager:
        for i in range(3):
            polled.replace(f"v{i}")
            polled.expect(f"v{i}")
        assert polled.manager.stats().watched_directories == 0


def test_events(host: Host) -> None:
    events: list[Event] = []
    host.manager.set_event_callback(events.append)
    host.replace("v1")
    host.expect("v1")
    host.file.unlink()
    wait_until("removal", lambda: len(events) == 2)
    host.manager.disable_hot_reload("p")
    wait_until("disabled", lambda: len(events) == 3)
    assert [e.kind for e in events] == [EventKind.FILE_CHANGED, EventKind.FILE_REMOVED, EventKind.DISABLED]
    assert [e.sequence for e in events] == sorted({e.sequence for e in events})
    change = events[0]
    assert (change.plugin_id, change.path, change.generation) == ("p", str(host.file), 1)
    assert 0 < change.first_seen_ns <= change.timestamp_ns
    assert change.health is Health.NONE
    with pytest.raises(AttributeError):
        change.path = "frozen"  # type: ignore[misc]


def test_a_file_that_is_held_open_is_named_and_waited_for(tmp_path: Path) -> None:
    host = Host(tmp_path, held_after_ms=100)
    events: list[Event] = []
    host.manager.set_event_callback(events.append)
    with host.manager:
        with host.file.open("w") as f:
            f.write("v1")
            f.flush()
            wait_until("named", lambda: [e for e in events if e.health is Health.HELD_OPEN])
            assert f"process {os.getpid()} (" in events[-1].message
            assert host.manager.stats().held_open == 1
        host.expect("v1")
        assert host.manager.stats().held_open == 0
        assert host.manager.stats().writers_unknown == 0
        assert [e.kind for e in events] == [EventKind.HEALTH, EventKind.FILE_CHANGED]


def test_a_file_that_is_held_open_is_delivered_if_the_host_asked_for_that(tmp_path: Path) -> None:
    host = Host(tmp_path, held_after_ms=100, deliver_held=True)
    with host.manager, host.file.open("w") as f:
        f.write("v1")
        f.flush()
        host.expect("v1")


def test_a_directory_in_the_place_of_a_file_is_a_removal(host: Host) -> None:
    events: list[Event] = []
    host.manager.set_event_callback(events.append)
    host.file.unlink()
    host.file.mkdir()
    wait_until("removal", lambda: events)
    assert events[0].kind is EventKind.FILE_REMOVED
    assert "a directory is at its path" in events[0].message
    host.file.rmdir()
    host.replace("v1")
    host.expect("v1")


def test_half_a_library_is_refused(tmp_path: Path) -> None:
    import sys

    image = Path(os.path.realpath(sys.executable)).read_bytes()
    file = tmp_path / "plugin.so"
    file.write_bytes(image)
    told: list[str] = []
    events: list[Event] = []
    with PluginHotReloadManager(check_image=True, quiet_ms=30) as manager:
        manager.set_reload_callback(told.append)
        manager.set_event_callback(events.append)
        assert manager.enable_hot_reload("p", file)
        file.write_bytes(image[: len(image) // 2])
        wait_until("refused", lambda: any(e.health is Health.IMAGE_INCOMPLETE for e in events))
        assert told == []
        file.write_bytes(image)
        wait_until("told", lambda: told)
        assert told == ["p"]
