# SPDX-License-Identifier: MIT
"""What a plugin is doing and why; the log."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BOUND, wait_until
from qtforge.monitoring import Decision, InvalidArgumentError, PluginHotReloadManager, PluginState, Watching, _callbacks

LOG = logging.getLogger("qtforge.monitoring")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.so"
    path.write_text("v0")
    return path


@pytest.fixture
def manager(file: Path) -> Iterator[PluginHotReloadManager]:
    with PluginHotReloadManager(quiet_ms=30, dispatch="manual", raise_on_error=True) as manager:
        manager.enable_hot_reload("p", file)
        yield manager


def test_status_follows_a_change(manager: PluginHotReloadManager, file: Path) -> None:
    assert manager.plugin_status("p").last_delivery_ns == 0
    with file.open("w") as writer:
        writer.write("v1")
        writer.flush()
        wait_until("written", lambda: manager.plugin_status("p").state is PluginState.WRITING)
        assert "held open for writing" in manager.explain("p")
    wait_until("ready", lambda: manager.plugin_status("p").state is PluginState.READY)
    status = manager.plugin_status("p")
    assert (status.last_decision, status.watching, status.paused) == (Decision.COMPLETE, Watching.NOTIFIED, False)
    assert 0 < status.last_notification_ns <= status.last_check_ns <= time.time_ns()
    assert "no callback is set" in manager.explain("p")
    manager.set_reload_callback(lambda name: None)
    assert manager.wait(BOUND) == 1
    status = manager.plugin_status("p")
    assert (status.state, status.generation, status.last_decision) == (PluginState.IDLE, 1, Decision.DELIVERED)
    assert status.last_outcome is None and status.last_delivery_ns >= status.last_check_ns
    assert "delivered: generation 1\n" in manager.explain("p")


def test_the_last_decisions_are_data(manager: PluginHotReloadManager, file: Path) -> None:
    assert manager.plugin_decisions("p") == []
    manager.set_plugin_paused("p")
    for _ in range(3):
        manager.check_now("p")
    first, second = manager.plugin_decisions("p")
    assert (first.decision, first.reason, first.times) == (Decision.PAUSED, "paused", 1)
    assert (second.decision, second.times) == (Decision.NOTICED, 3) and second.reason in manager.explain("p")
    assert 0 < first.timestamp_ns <= second.timestamp_ns <= time.time_ns()
    for _ in range(5):
        manager.set_plugin_paused("p", False)
        manager.set_plugin_paused("p")
    assert len(manager.plugin_decisions("p")) == 8


def test_what_is_not_enabled_is_named(manager: PluginHotReloadManager) -> None:
    for question in (manager.plugin_status, manager.explain, manager.plugin_decisions):
        with pytest.raises(InvalidArgumentError, match='"nobody" is not enabled'):
            question("nobody")


def test_the_explanation_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J\u202e\udcff"
    path.write_text("v0")
    with PluginHotReloadManager(dispatch="manual", raise_on_error=True) as manager:
        manager.enable_hot_reload("p", path)
        assert all(line.isprintable() for line in manager.explain("p").splitlines())


def test_the_log_is_that_of_the_logging_module(
    file: Path, caplog: pytest.LogCaptureFixture, manager: PluginHotReloadManager
) -> None:
    manager.set_log_level(logging.INFO)
    with caplog.at_level(logging.DEBUG, "qtforge.monitoring"):
        file.write_text("v1")
        wait_until("logged", lambda: "p: complete: a new version is complete" in caplog.messages)
        record = next(r for r in caplog.records if "complete" in r.message)
        assert (record.levelno, record.name, record.plugin_id) == (logging.INFO, LOG.name, "p")  # type: ignore[attr-defined]
        assert not any("noticed" in message for message in caplog.messages)
        manager.set_log_level(logging.DEBUG)
        file.write_text("version 2")
        wait_until("all is logged", lambda: any("noticed" in message for message in caplog.messages))
        manager.set_log_level(None)
        before = len(caplog.records)
        manager.set_plugin_paused("p")
        assert len(caplog.records) == before


def test_a_manager_logs_by_itself_where_the_logger_is_enabled(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = _callbacks.registered()
    PluginHotReloadManager(dispatch="manual").close()
    caplog.set_level(logging.INFO, "qtforge.monitoring")
    with PluginHotReloadManager(dispatch="manual", raise_on_error=True) as manager:
        manager.enable_hot_reload("p", file)
        wait_until("logged", lambda: any(m.endswith("plugin.so: enabled") for m in caplog.messages))
    assert _callbacks.registered() == before


def test_a_handler_may_call_every_method_and_may_fail(
    manager: PluginHotReloadManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[threading.Thread] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            calls.append(threading.current_thread())
            manager.explain("p")
            manager.set_log_level(None)
            manager.close()
            raise RuntimeError("the handler fails")

    seen: list[BaseException | None] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))
    handler = Handler()
    caplog.set_level(logging.INFO, LOG.name)
    LOG.addHandler(handler)
    try:
        manager.set_log_level(logging.INFO)
        manager.set_plugin_paused("p")
        wait_until("closed", lambda: manager.closed and seen != [])
    finally:
        LOG.removeHandler(handler)
    assert len(calls) == 1 and calls[0] is not threading.main_thread()
    assert str(seen[0]) == "the handler fails"


def test_levels_are_checked(manager: PluginHotReloadManager) -> None:
    with pytest.raises(TypeError, match="level='INFO'"):
        manager.set_log_level("INFO")  # type: ignore[arg-type]
    for level in (logging.NOTSET, 5, 15, 45, logging.CRITICAL, 100):
        manager.set_log_level(level)


def test_the_log_goes_on_in_the_child_of_a_fork(file: Path) -> None:
    with PluginHotReloadManager(dispatch="manual", on_fork="reopen", raise_on_error=True) as manager:
        manager.enable_hot_reload("p", file)
        manager.set_log_level(logging.INFO)
        child = os.fork()
        if child == 0:
            status = 2
            try:
                status = int(manager._log_level != logging.INFO)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
