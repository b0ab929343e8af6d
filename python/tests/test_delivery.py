# SPDX-License-Identifier: MIT
"""On which thread, and what callbacks may do."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, Host, wait_until
from qtforge.monitoring import Event, PluginHotReloadManager, create_hot_reload_manager
from qtforge.monitoring._delivering import Delivering


def test_thread(host: Host) -> None:
    assert host.manager.dispatch == "thread"
    for i in range(3):
        host.replace(f"v{i}")
        host.expect(f"v{i}")
    assert len(set(host.threads)) == 1
    assert host.threads[0] is not threading.main_thread()
    assert host.threads[0] in [host.threads[0]] and host.threads[0].name == "qtforge-hotreload"
    assert host.manager.process_events() == 0


def test_wait_for_the_thread(host: Host) -> None:
    assert host.manager.wait(0.01) == 0
    host.replace("v1")
    assert host.manager.wait(BOUND) == 1
    assert host.told == ["v1"]


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_wait_without_a_callback_receives_the_change(dispatch: str, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("v0")
    with PluginHotReloadManager(quiet_ms=30, dispatch=dispatch) as manager:
        assert manager.enable_hot_reload("p", file)
        assert manager.wait(0.01) == 0  # that it was enabled is no change
        for content in ("v1", "v2"):
            file.write_text(content)
            assert manager.wait(BOUND) == 1
        kept = manager.changes(0.01)
        assert [(change.plugin_id, change.generation) for change in kept] == [("p", 2)]  # the newest of each plugin
        told: list[str] = []
        manager.set_reload_callback(told.append)
        file.write_text("v3")
        assert manager.wait(BOUND) == 1
        assert told == ["p"]


def test_what_wait_returns_is_a_number_and_a_finished_coroutine(host: Host) -> None:
    assert host.manager.wait(0) == 0 and isinstance(host.manager.wait(0), int)
    assert asyncio.run(host.manager.wait(0)) == 0  # waited before there was a loop


def test_run_leaves_changes_pending_until_a_callback_is_set(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("v0")
    with PluginHotReloadManager(quiet_ms=30, dispatch="manual") as manager:
        assert manager.enable_hot_reload("p", file)
        thread = threading.Thread(target=manager.run)
        thread.start()
        file.write_text("v1")
        wait_until("pending", lambda: manager.stats().pending)
        told: list[str] = []
        manager.set_reload_callback(told.append)
        wait_until("told", lambda: told == ["p"])
    thread.join(BOUND)
    assert not thread.is_alive()


def test_manual_delivers_only_when_asked(tmp_path: Path) -> None:
    host = Host(tmp_path, dispatch="manual")
    with host.manager as manager:
        assert manager.process_events() == 0
        host.replace("v1")
        assert select.select([manager.fileno()], [], [], BOUND)[0]
        assert host.told == []
        assert manager.process_events() == 1
        host.expect("v1")
        assert host.threads == [threading.current_thread()]
        assert not select.select([manager.fileno()], [], [], 0)[0]
        host.replace("v2")
        assert manager.wait(BOUND) == 1
        host.expect("v2")
        assert manager.wait(0) == 0


def test_close_in_another_thread_ends_wait_and_run(tmp_path: Path) -> None:
    for end in ("wait", "run"):
        host = Host(tmp_path, dispatch="manual")
        ended = threading.Event()

        def body(host: Host = host, end: str = end, ended: threading.Event = ended) -> None:
            getattr(host.manager, end)()
            ended.set()

        thread = threading.Thread(target=body)
        thread.start()
        host.replace("v1")  # the thread is at it when this is told
        host.await_told()
        host.manager.close()
        assert ended.wait(BOUND)
        thread.join()


def test_run_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    for dispatch in ("manual", "thread"):
        host = Host(tmp_path, dispatch=dispatch)
        with host.manager:
            host.manager.set_reload_callback(lambda _: os.kill(os.getpid(), signal.SIGINT))
            threading.Timer(0.05, lambda host=host: host.replace("v1")).start()
            host.manager.run()


def test_exceptions_go_to_the_handler(tmp_path: Path) -> None:
    caught: list[Exception] = []
    host = Host(tmp_path, on_error=caught.append)
    with host.manager:

        def fail(plugin_id: str) -> None:
            host.reload(plugin_id)
            raise RuntimeError("from the callback")

        host.manager.set_reload_callback(fail)
        for v in ("v1", "v2"):
            host.replace(v)
            host.expect(v)
        wait_until("handled", lambda: len(caught) == 2)
        assert str(caught[0]) == "from the callback"


def test_exceptions_without_a_handler_go_to_unraisablehook(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: seen.append(str(info.exc_value)))

    def fail(event: Event) -> None:
        raise RuntimeError("from the callback")

    host.manager.set_event_callback(fail)
    host.replace("v1")
    host.expect("v1")  # the reload callback still runs
    wait_until("seen", lambda: seen)
    assert seen == ["from the callback"]


def test_every_method_inside_a_callback(tmp_path: Path) -> None:
    for dispatch in ("thread", "manual"):
        errors: list[Exception] = []
        host = Host(tmp_path, dispatch=dispatch, on_error=errors.append)
        manager = host.manager
        done = threading.Event()

        def everything(
            plugin_id: str,
            manager: PluginHotReloadManager = manager,
            done: threading.Event = done,
            host: Host = host,
        ) -> None:
            assert manager.enable_hot_reload("inner", host.file)
            assert manager.get_hot_reload_plugins() == ["p", "inner"]
            assert manager.is_hot_reload_enabled("inner")
            manager.set_global_hot_reload_enabled(False)
            assert not manager.is_global_hot_reload_enabled()
            manager.set_event_callback(print)
            manager.set_event_callback(None)
            assert manager.process_events() == 0
            assert manager.wait() == 0
            with pytest.raises(RuntimeError):
                manager.run()
            assert manager.stats().plugins == 2
            assert manager.fileno() >= 0
            manager.set_reload_callback(None)
            assert manager.disable_hot_reload("p")
            assert manager.clear() == 1
            manager.close()
            done.set()

        manager.set_reload_callback(everything)
        host.replace("v1")
        if dispatch == "manual":
            assert manager.wait(BOUND) == 1
        assert done.wait(BOUND), errors
        assert not errors


def test_disable_waits_for_the_running_callback(host: Host) -> None:
    entered, leave = threading.Event(), threading.Event()
    left = []

    def slow(plugin_id: str) -> None:
        entered.set()
        assert leave.wait(BOUND)
        left.append(True)

    host.manager.set_reload_callback(slow)
    host.replace("v1")
    assert entered.wait(BOUND)
    threading.Timer(0.05, leave.set).start()
    assert host.manager.disable_hot_reload("p")
    assert left == [True]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    from qtforge.monitoring import _callbacks

    Host(tmp_path).manager.close()  # the library loads and starts its own threads
    gc.collect()
    before, running = (open_descriptors(), _callbacks.registered()), threads()
    for dispatch in ("thread", "manual") * 10:
        host = Host(tmp_path, dispatch=dispatch)
        host.replace("v1")
        host.manager.wait(BOUND)
        host.manager.close()
    assert (open_descriptors(), _callbacks.registered()) == before
    assert threads() <= running  # another library's idle thread may have ended meanwhile


def test_forgotten_manager_is_collected_with_a_warning(tmp_path: Path) -> None:
    before = threads()
    host = Host(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del host
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning]
    assert threads() <= before


def test_create_hot_reload_manager() -> None:
    with create_hot_reload_manager(dispatch="manual") as manager:
        assert isinstance(manager, PluginHotReloadManager)
        assert "manual" in repr(manager)
    assert "closed" in repr(manager)


def test_ctrl_c_between_the_library_and_a_callback_reaches_whoever_dispatches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ctypes alone would print it and go on."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivering, "_on_reload", interrupted)
    host = Host(tmp_path, dispatch="manual")
    with host.manager:
        host.replace("v1")
        with pytest.raises(KeyboardInterrupt):
            host.manager.wait(BOUND)
        assert host.manager.wait(0) == 0
