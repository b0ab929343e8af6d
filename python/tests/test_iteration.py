# SPDX-License-Identifier: MIT
"""for change in manager.changes()."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from conftest import BOUND, Host, as_soon_as_it_is_watched, wait_until
from qtforge.monitoring import Event, EventKind, PluginFileNotFoundError, PluginHotReloadManager, watch

DISPATCH = pytest.mark.parametrize("dispatch", ["thread", "manual"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text("v0")
    return path


def open_on(file: Path, dispatch: str, **options: bool) -> PluginHotReloadManager:
    manager = PluginHotReloadManager(quiet_ms=30, dispatch=dispatch, raise_on_error=True, **options)  # type: ignore[arg-type]
    manager.enable_hot_reload("p", file)
    return manager


def pending(manager: PluginHotReloadManager, dispatch: str) -> None:
    """Until a change waits to be asked for."""
    if dispatch == "thread":
        mailbox = manager._mailbox
        assert mailbox is not None
        wait_until("told", lambda: len(mailbox))
    else:
        wait_until("pending", lambda: manager.stats().pending)


@DISPATCH
def test_each_change_once_until_the_timeout(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        seen: list[str] = []
        file.write_text("v1")
        for change in manager.changes(timeout=0.5):
            assert isinstance(change, Event)
            assert (change.kind, change.plugin_id, change.path) == (EventKind.FILE_CHANGED, "p", str(file))
            assert change.generation == len(seen) + 1
            seen.append(file.read_text())
            if len(seen) < 3:
                file.write_text(f"v{len(seen) + 1}")
        assert seen == ["v1", "v2", "v3"]
        assert not manager.closed


@DISPATCH
def test_what_changes_between_two_loops_is_not_lost(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        for _ in range(3):
            file.write_text("next")
            for change in manager.changes(BOUND):
                assert change.plugin_id == "p"
                break
            else:
                pytest.fail("not told")


@DISPATCH
def test_changes_that_nobody_asks_for_merge_into_the_newest(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        changes = manager.changes(0.3)
        for i in range(1, 4):

            def there(i: int = i) -> bool:
                stats = manager.stats()
                if dispatch == "thread":
                    return stats.deliveries == i
                return (stats.superseded, stats.pending) == (i - 1, 1)

            file.write_text(f"v{i}")
            wait_until("there", there)
        told = list(changes)
        # A delivery is counted just before its callback runs, so that the last may come on its own.
        assert [c.plugin_id for c in told] == ["p"] * len(told) and 0 < len(told) < 3
        assert dispatch == "manual" or told[-1].generation == 3


@DISPATCH
def test_disabling_drops_what_waits(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        for drop in (lambda: manager.disable_hot_reload("p"), manager.clear):
            changes = manager.changes(0.2)
            file.write_text("unheard")
            pending(manager, dispatch)
            drop()
            assert list(changes) == []
            manager.enable_hot_reload("p", file)


@DISPATCH
def test_a_pause_holds_what_waits(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        changes = manager.changes(0.2)
        file.write_text("v1")
        pending(manager, dispatch)
        manager.set_global_hot_reload_enabled(False)
        assert list(changes) == []
        manager.set_global_hot_reload_enabled(True)
        assert len(list(changes)) == 1


def test_a_pause_before_the_first_loop_holds_too(file: Path) -> None:
    with open_on(file, "thread") as manager:
        manager.set_global_hot_reload_enabled(False)
        changes = manager.changes(0.2)
        file.write_text("v1")
        assert list(changes) == []
        manager.set_global_hot_reload_enabled(True)
        assert len(list(changes)) == 1


@DISPATCH
def test_removals_only_for_who_asks(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        file.unlink()
        assert [c.kind for c in manager.changes(0.4, removed=True)] == [EventKind.FILE_REMOVED]
        file.write_text("back")
        assert [c.kind for c in manager.changes(0.4, removed=True)] == [EventKind.FILE_CHANGED]
        file.unlink()
        assert list(manager.changes(0.4)) == []


@DISPATCH
def test_close_in_another_thread_ends_the_loop(file: Path, dispatch: str) -> None:
    manager = open_on(file, dispatch)
    seen: list[Event] = []
    thread = threading.Thread(target=lambda: seen.extend(manager.changes()))
    thread.start()
    file.write_text("v1")
    wait_until("seen", lambda: seen)
    manager.close()
    thread.join(BOUND)
    assert not thread.is_alive()
    assert len(seen) == 1


@DISPATCH
def test_ctrl_c_leaves_the_loop(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            for _ in manager.changes():
                pytest.fail("nothing changed")
        timer.join()
        file.write_text("v1")  # and it still works
        assert next(manager.changes(BOUND)).generation == 1


@DISPATCH
def test_callbacks_are_called_beside_the_loop(file: Path, dispatch: str) -> None:
    with open_on(file, dispatch) as manager:
        told: list[str] = []
        manager.set_reload_callback(told.append)
        file.write_text("v1")
        assert next(manager.changes(BOUND)).plugin_id == "p"
        wait_until("told", lambda: told == ["p"])


def test_two_threads_share_the_changes(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.py" for i in range(20)]
    seen: list[str] = []
    with PluginHotReloadManager(quiet_ms=30, dispatch="thread") as manager:
        for path in files:
            path.write_text("v0")
            assert manager.enable_hot_reload(path.name, path)

        def consume() -> None:
            for change in manager.changes():
                seen.append(change.plugin_id)

        threads = [threading.Thread(target=consume) for _ in range(2)]
        for thread in threads:
            thread.start()
        for path in files:
            path.write_text("v1")
        wait_until("all seen", lambda: len(seen) >= len(files))
        manager.close()
        for thread in threads:
            thread.join(BOUND)
    assert sorted(seen) == sorted(p.name for p in files)


def test_inside_a_callback_it_says_so(tmp_path: Path) -> None:
    caught: list[Exception] = []
    host = Host(tmp_path, on_error=caught.append, dispatch="manual")
    with host.manager as manager:
        manager.set_reload_callback(lambda _: next(manager.changes()))
        host.replace("v1")
        manager.wait(BOUND)
    assert [type(e) for e in caught] == [RuntimeError]
    assert "inside a callback" in str(caught[0])


def test_bad_timeouts(host: Host) -> None:
    for bad in ("1", True, b"1"):
        with pytest.raises(TypeError, match="timeout="):
            host.manager.changes(bad)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="timeout="):
            host.manager.wait(bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nan"):
        host.manager.changes(float("nan"))
    assert list(host.manager.changes(-1)) == []
    assert host.manager.wait(-1.5) == 0
    threading.Timer(0.1, host.manager.close).start()
    assert list(host.manager.changes(1e300)) == []


def test_watch_in_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        as_soon_as_it_is_watched(patch, lambda: file.write_text("v1"))
        changes = watch(file, bytes(file), timeout=BOUND, quiet_ms=30)
        assert next(changes).path == str(file)
        changes.close()  # type: ignore[attr-defined]
    with pytest.raises(PluginFileNotFoundError):
        next(watch(file / "missing"))
    with pytest.raises(TypeError, match="no path"):
        next(watch())
    deep = file.parent / ("d" * 200) / ("e" * 200)  # too long for an id
    deep.parent.mkdir()
    deep.write_text("v0")
    assert list(watch(deep, timeout=0.05)) == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_no_path_collides_with_an_id_that_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """A path that may not be an id gets another, whatever the other paths are called."""
    monkeypatch.chdir(tmp_path)
    given: list[str | bytes] = ["path 0", "path 1", "path 2", "path 1 (2)", "path 2 (2)", b"path 3"]
    given.insert(position, b"un\xffdecodable")
    given.append("line\nfeed")
    for path in given:
        Path(os.fsdecode(path)).write_text("v0")

    def write_all() -> None:
        for path in given:
            Path(os.fsdecode(path)).write_text("v1")

    as_soon_as_it_is_watched(monkeypatch, write_all)
    changes = watch(*given, timeout=BOUND, quiet_ms=30)
    seen = {next(changes).path for _ in given}
    assert seen == {os.fsdecode(path) for path in given}


def test_a_file_that_is_given_in_several_ways_is_watched_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ways = (
        file.name,
        bytes(file),
        file,
        os.fspath(file),
        f"./{file.name}",
        f"{tmp_path}//{file.name}",
        Path(file.name),
    )
    as_soon_as_it_is_watched(monkeypatch, lambda: file.write_text("v1"))
    changes = list(watch(*ways, timeout=1, quiet_ms=30))
    assert [change.path for change in changes] == [file.name]
    for bad in (5, None):
        with pytest.raises(TypeError, match="PathLike"):
            next(watch(file, bad))  # type: ignore[arg-type]
