# SPDX-License-Identifier: MIT
"""Folders of a manager: which plugins they find, and what of them is delivered."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from qtforge.monitoring import (
    AlreadyExistsError,
    Change,
    Event,
    EventKind,
    InvalidArgumentError,
    InvalidPathError,
    PluginFileNotFoundError,
    PluginHotReloadManager,
)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    (folder / "fx").mkdir(parents=True)
    for name in ("a.py", "b.py", "fx/echo.py", "note.txt"):
        (folder / name).write_text("v0")
    return folder


@pytest.fixture(params=["thread", "manual"])
def manager(request: pytest.FixtureRequest) -> Iterator[PluginHotReloadManager]:
    with PluginHotReloadManager(quiet_ms=30, dispatch=request.param, raise_on_error=True) as manager:
        yield manager


def changes(manager: PluginHotReloadManager, count: int) -> list[tuple[str, int, str]]:
    """The next changes: what has happened, the generation, and the plugin's id."""
    found = manager.changes(BOUND, removed=True, discovered=True)
    events = [next(found) for _ in range(count)]
    return [(event.change.name if event.change else "", event.generation, event.plugin_id) for event in events]


def test_what_happens_to_the_files_of_a_folder_is_delivered(manager: PluginHotReloadManager, plugins: Path) -> None:
    assert manager.enable_folder("plugins", plugins, include="*.py")
    assert manager.get_hot_reload_plugins() == ["plugins/a.py", "plugins/b.py"]
    events: list[Event] = []
    manager.set_event_callback(events.append)
    (plugins / "c.py").write_text("v1")
    assert changes(manager, 1) == [("added", 1, "plugins/c.py")]
    (plugins / "c.py").write_text("v2")
    assert changes(manager, 1) == [("modified", 2, "plugins/c.py")]
    (plugins / "c.py").unlink()
    assert changes(manager, 1) == [("deleted", 2, "plugins/c.py")]
    (plugins / "note.txt").write_text("v1")
    (plugins / "fx" / "echo.py").write_text("v1")
    (plugins / "a.py").write_text("v1")
    assert changes(manager, 1) == [("modified", 1, "plugins/a.py")]
    kinds = [event.kind for event in events if event.plugin_id == "plugins/c.py"]
    assert [kind for kind in kinds if kind is not EventKind.ENABLED] == [
        EventKind.DISCOVERED, EventKind.FILE_CHANGED, EventKind.FILE_CHANGED, EventKind.FILE_REMOVED,
        EventKind.DISABLED,
    ]  # fmt: skip
    assert {event.folder_id for event in events} == {"plugins"}
    assert {event.path for event in events if event.plugin_id == "plugins/c.py"} == {str(plugins / "c.py")}


def test_patterns_say_which_files_and_folders_matter(manager: PluginHotReloadManager, plugins: Path) -> None:
    (plugins / "old").mkdir()
    (plugins / "old" / "x.py").write_text("v0")
    manager.enable_folder("f", plugins, include=["**/*.py", "*.txt"], exclude=["b.*", "old"], short_ids=True)
    assert sorted(manager.get_hot_reload_plugins()) == ["a", "fx/echo", "note"]


def test_present_files_are_delivered_if_asked(manager: PluginHotReloadManager, plugins: Path) -> None:
    manager.enable_folder("f", plugins, include="*.py", deliver_present=True)
    assert sorted(changes(manager, 2)) == [("added", 1, "f/a.py"), ("added", 1, "f/b.py")]


def test_a_function_may_give_the_ids(
    manager: PluginHotReloadManager, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    threads: set[int] = set()

    def identify(path: str) -> str | None:
        threads.add(threading.get_ident())
        if path == "b.py":
            return "x" * 256
        return None if path == "note.txt" else path.upper()

    manager.enable_folder("f", plugins, plugin_id=identify)
    assert manager.get_hot_reload_plugins() == ["A.PY"]
    assert ["has more than 255 bytes" in str(argument.exc_value) for argument in raised] == [True]
    assert threading.get_ident() not in threads
    (plugins / "c.py").write_text("v1")
    assert changes(manager, 1) == [("added", 1, "C.PY")]


def test_what_a_function_says_that_is_no_id_is_a_health_event(manager: PluginHotReloadManager, plugins: Path) -> None:
    health: list[Event] = []
    manager.set_event_callback(lambda event: health.append(event) if event.kind is EventKind.HEALTH else None)
    manager.enable_folder("f", plugins, include="a.py", plugin_id=lambda _: "two\nlines")
    while not health:
        assert manager.wait(BOUND)
    assert (health[0].health.name, health[0].folder_id) == ("FOLDER_SKIPPED", "f")
    assert manager.get_hot_reload_plugins() == []


def test_a_folder_that_ends_drops_what_waits(manager: PluginHotReloadManager, plugins: Path) -> None:
    manager.enable_folder("f", plugins, include="*.py")
    manager.enable_hot_reload("other", plugins / "note.txt")
    found = manager.changes(0.3)
    (plugins / "a.py").write_text("v1")
    (plugins / "note.txt").write_text("v1")
    wait_until("both", lambda: manager.stats().pending == 2 or manager.stats().deliveries == 2)
    assert manager.get_folders() == ["f"]
    assert manager.disable_folder("f") and not manager.disable_folder("f")
    assert [event.plugin_id for event in found] == ["other"]
    assert (manager.get_folders(), manager.get_hot_reload_plugins()) == ([], ["other"])


def test_a_paused_folder_delivers_afterwards(manager: PluginHotReloadManager, plugins: Path) -> None:
    manager.enable_folder("f", plugins, include="*.py", paused=True)
    assert manager.is_folder_paused("f")
    (plugins / "a.py").write_text("v1")
    (plugins / "c.py").write_text("v1")
    assert list(manager.changes(0.3)) == []
    manager.set_folder_paused("f", False)
    assert sorted(changes(manager, 2)) == [("added", 1, "f/c.py"), ("modified", 1, "f/a.py")]
    manager.changes(0)
    (plugins / "b.py").write_text("v1")
    wait_until("it waits", lambda: manager.stats().pending or manager.stats().deliveries == 3)
    manager.set_folder_paused("f")
    assert list(manager.changes(0.1)) == []
    manager.set_folder_paused("f", False)
    assert changes(manager, 1) == [("modified", 1, "f/b.py")]
    assert not manager.is_folder_paused("f") and not manager.is_folder_paused("unknown")


def test_a_marker_pauses_a_folder(manager: PluginHotReloadManager, plugins: Path) -> None:
    (plugins / ".building").touch()
    manager.enable_folder("f", plugins, include="*.py", pause_marker=".building")
    wait_until("paused", lambda: manager.is_folder_paused("f"))
    (plugins / "a.py").write_text("v1")
    assert list(manager.changes(0.3)) == []
    (plugins / ".building").unlink()
    assert changes(manager, 1) == [("modified", 1, "f/a.py")]


def test_clear_ends_folders(manager: PluginHotReloadManager, plugins: Path) -> None:
    manager.enable_folder("f", plugins)
    assert manager.clear() == 3
    assert (manager.get_folders(), manager.get_hot_reload_plugins()) == ([], [])


def test_a_change_nobody_asked_for_in_time_is_still_an_added_file(
    manager: PluginHotReloadManager, plugins: Path
) -> None:
    manager.enable_folder("f", plugins, include="*.py")
    manager.changes(0)
    (plugins / "c.py").write_text("v1")
    wait_until("it waits", lambda: manager.stats().pending or manager.stats().deliveries == 1)
    (plugins / "c.py").write_text("v22")
    wait_until("again", lambda: manager.stats().superseded == 1 or manager.stats().deliveries == 2)
    wait_until("settled", lambda: not manager.stats().settling)
    ((kind, _, plugin_id),) = changes(manager, 1)
    assert (kind, plugin_id) == ("added", "f/c.py")


def test_bad_input_is_named(manager: PluginHotReloadManager, plugins: Path) -> None:
    with pytest.raises(PluginFileNotFoundError, match="missing"):
        manager.enable_folder("f", plugins / "missing")
    assert manager.enable_folder("later", plugins / "later", allow_missing=True)
    with pytest.raises(AlreadyExistsError):
        manager.enable_folder("later", plugins)
    for path in (plugins / "a.py", "nul\0", 5):
        with pytest.raises(InvalidPathError):
            manager.enable_folder("f", path)  # type: ignore[arg-type, unused-ignore]
    values: list[dict[str, Any]] = [
        {"include": "["}, {"exclude": "nul\0"}, {"max_depth": 101}, {"max_files": -1}, {"quiet_ms": -2},
    ]  # fmt: skip
    types: list[dict[str, Any]] = [
        {"include": b"*.py"}, {"exclude": 5}, {"include": [5]}, {"plugin_id": "x"}, {"pause_marker": 5},
    ]  # fmt: skip
    for options in values:
        with pytest.raises(InvalidArgumentError):
            manager.enable_folder("f", plugins, **options)
    for options in types:
        with pytest.raises(TypeError):
            manager.enable_folder("f", plugins, **options)
    for call in (manager.set_folder_paused, manager.disable_folder, manager.is_folder_paused):
        with pytest.raises(InvalidArgumentError):
            call(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match='"unknown" is not enabled'):
        manager.set_folder_paused("unknown")
    assert manager.get_folders() == ["later"]


def test_without_raise_on_error_there_is_a_result(plugins: Path) -> None:
    with PluginHotReloadManager(dispatch="manual") as manager:
        result = manager.enable_folder("f", plugins / "missing")
        assert not result and result.error is not None and result.error.code.name == "FileNotFound"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_reopens_folders(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plugins.parent)
    with PluginHotReloadManager(quiet_ms=30, dispatch="manual", on_fork="reopen", raise_on_error=True) as manager:
        manager.enable_folder("f", "plugins", include="*.py")
        manager.enable_folder("paused", plugins, include="*.txt", paused=True)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                (plugins / "c.py").write_text("v1")
                found = changes(manager, 1) == [("added", 1, "f/c.py")]
                status = 0 if found and manager.is_folder_paused("paused") else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_kinds_of_change() -> None:
    assert [(change.name, change.value, change.raw_str()) for change in Change] == [
        ("added", 1, "added"), ("modified", 2, "modified"), ("deleted", 3, "deleted"),
    ]  # fmt: skip
    assert Change["removed"] is Change.deleted
