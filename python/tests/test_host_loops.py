# SPDX-License-Identifier: MIT
"""PluginHost on event loops: where versions are loaded, and what open() and close() wait for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import BOUND, wait_until
from loops import RUNNERS, run, wait_for
from qtforge.monitoring import ClosedError, PluginHost, PluginLoadError, PluginOutcome, Verdict

LIBRARY = pytest.mark.parametrize("library", RUNNERS)

SOURCE = "import threading\nTHREAD = threading.current_thread()\nVERSION = {}\n"


def replace(path: Path, content: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(content)
    new.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text(SOURCE.format(1))
    return path


def new_host(path: Path, **options: Any) -> PluginHost:
    return PluginHost(quiet_ms=30, snapshot_dir=path.parent / "snapshots", **options)


@LIBRARY
def test_versions_are_loaded_on_the_loop(library: str, path: Path) -> None:
    async def main() -> None:
        outcomes: list[PluginOutcome] = []
        async with new_host(path, on_outcome=outcomes.append) as host:
            assert host.manager.dispatch == RUNNERS[library][0]
            for plugin in (host.open("open", path, timeout=BOUND), await host.aopen("aopen", path, timeout=BOUND)):
                assert (1, threading.current_thread()) == (plugin.module.VERSION, plugin.module.THREAD)
            outcomes.clear()
            replace(path, SOURCE.format(2))
            await wait_for(lambda: len(outcomes) == 2)
            for plugin in host._plugins.values():
                assert (2, threading.current_thread()) == (plugin.module.VERSION, plugin.module.THREAD)

    run(library, main)


@LIBRARY
def test_a_version_that_fails_cannot_be_opened(library: str, path: Path) -> None:
    async def main() -> None:
        path.write_text("1 / 0")
        async with new_host(path) as host:
            with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
                host.open("p", path)
            with pytest.raises(PluginLoadError, match="ZeroDivisionError") as caught:
                await host.aopen("p", path)
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
            assert host.manager.get_hot_reload_plugins() == []

    run(library, main)


@LIBRARY
@pytest.mark.parametrize("dispatch", ["auto", "thread", "manual"])
def test_a_cancelled_aopen_leaves_nothing(library: str, dispatch: str, path: Path) -> None:
    async def main() -> None:
        asked = threading.Event()

        def validator(_: object) -> bool:
            if not asked.is_set():
                asked.set()
                wait_until("being closed", lambda: not host._plugins)  # which waits for this
            return True

        async with new_host(path, dispatch=dispatch) as host:
            host.manager.set_validator(validator)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(host.aopen, "p", path)
                await wait_for(asked.is_set)
                tasks.cancel_scope.cancel()
            assert host.manager.get_hot_reload_plugins() == []
            plugin = await host.aopen("p", path)
            assert plugin.module.VERSION == 1

    run(library, main)


@LIBRARY
def test_aclose_lets_the_loop_go_on_while_a_thread_loads(library: str, path: Path, monkeypatch: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    def gate() -> None:
        entered.set()
        assert leave.wait(BOUND)

    monkeypatch.setattr(sys, "gate", gate, raising=False)

    async def main() -> None:
        host = new_host(path, dispatch="thread")
        await host.aopen("p", path)
        replace(path, "import sys\nsys.gate()")
        await wait_for(entered.is_set)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.aclose)
            await wait_for(lambda: host.manager.closed)
            leave.set()  # the loop is alive
        assert host._plugins == {}

    run(library, main)


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_open_inside_a_callback_is_refused(dispatch: str, path: Path) -> None:
    refused: list[BaseException] = []

    def on_outcome(_: PluginOutcome) -> None:
        with pytest.raises(RuntimeError, match="inside a callback") as caught:
            host.open("q", path)
        refused.append(caught.value)

    with new_host(path, dispatch=dispatch, on_outcome=on_outcome) as host:
        host.open("p", path)
        wait_until("refused", lambda: refused)
        assert host.manager.get_hot_reload_plugins() == ["p"]


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_closing_in_another_thread_ends_open(dispatch: str, path: Path) -> None:
    asked = threading.Event()
    host = new_host(path, dispatch=dispatch)

    def validator(_: object) -> bool:
        asked.set()
        wait_until("being closed", lambda: not host._plugins)
        return True

    def close() -> None:
        asked.wait(BOUND)
        host.close()

    host.manager.set_validator(validator)
    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(ClosedError):
        host.open("p", path, timeout=BOUND)
    thread.join()


def next_outcome(host: PluginHost, outcomes: list[PluginOutcome], count: int) -> PluginOutcome:
    wait_until("outcome", lambda: (host.manager.wait(0.01), len(outcomes) >= count)[1])
    return outcomes[count - 1]


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_an_exit_that_raises_does_not_take_the_new_version_back(dispatch: str, path: Path) -> None:
    outcomes: list[PluginOutcome] = []
    errors: list[Exception] = []
    path.write_text("VERSION = 1\ndef plugin_exit():\n    raise RuntimeError('still busy')")
    with new_host(path, dispatch=dispatch, on_outcome=outcomes.append, on_error=errors.append) as host:
        plugin = host.open("p", path)
        next_outcome(host, outcomes, 1)
        replace(path, "VERSION = 2")
        assert next_outcome(host, outcomes, 2).ok
        assert (plugin.module.VERSION, plugin.generation) == (2, 2)
        note = next_outcome(host, outcomes, 3)
        assert (note.verdict, note.ok, note.generation) == (Verdict.NOTED, True, 1)
        wait_until("on_error is called", lambda: (host.manager.wait(0.01), errors)[1])
        assert [str(e) for e in errors] == ["still busy"]
        assert host.manager.stats().reloads_failed == 0


def test_ctrl_c_while_a_version_is_loaded_reaches_who_dispatches(path: Path) -> None:
    outcomes: list[PluginOutcome] = []
    with new_host(path, dispatch="manual", on_outcome=outcomes.append) as host:
        plugin = host.open("p", path)
        replace(path, "raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            host.manager.wait(BOUND)
        assert plugin.module.VERSION == 1

        def told() -> bool:
            with contextlib.suppress(KeyboardInterrupt):  # the version is tried again, which is interrupted again
                host.manager.wait(0.01)
            return [o.reason for o in outcomes[:2]] == ["", "interrupted by Ctrl-C"]

        wait_until("the outcome", told)


def test_a_plugin_that_closes_itself_is_left(path: Path, monkeypatch: Any) -> None:
    left: list[int] = []
    monkeypatch.setattr(sys, "left", left, raising=False)
    outcomes: list[PluginOutcome] = []
    with new_host(path, dispatch="manual", on_outcome=outcomes.append) as host:
        plugin = host.open("p", path)
        monkeypatch.setattr(sys, "plugin", plugin, raising=False)
        replace(path, "import sys\ndef plugin_init(): sys.plugin.close()\ndef plugin_exit(): sys.left.append(2)")
        wait_until("closed", lambda: (host.manager.wait(0.01), left)[1])
        assert (left, plugin.generation, host.manager.get_hot_reload_plugins()) == ([2], 0, [])
        assert not [name for name in sys.modules if name.startswith("_hotreload_")]


QT = """
import importlib, sys, threading
from pathlib import Path
core = importlib.import_module(sys.argv[2] + ".QtCore")
from qtforge.monitoring import PluginHost
app = core.QCoreApplication([])
path = Path(sys.argv[1])
source = path.read_text()
told = []
def on_outcome(outcome):
    assert outcome.ok, outcome
    module = outcome.present and host._plugins["p"].module
    assert module.THREAD is threading.main_thread()
    told.append(module.VERSION)
    if module.VERSION == 2:
        app.quit()
with PluginHost(quiet_ms=30, on_outcome=on_outcome) as host:
    assert host.manager.dispatch == "qt"
    assert host.open("p", path).module.VERSION == 1  # before the loop runs
    core.QTimer.singleShot(0, lambda: path.write_text(source.replace("VERSION = 1", "VERSION = 2")))
    core.QTimer.singleShot(20000, app.quit)
    app.exec()
print(told)
"""


@pytest.mark.parametrize("binding", ["PySide6", "PyQt6", "PyQt5"])
def test_versions_are_loaded_on_the_qt_main_loop(binding: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QT, str(path), binding],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1, 2]\n", "")
