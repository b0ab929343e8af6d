# SPDX-License-Identifier: MIT
"""Delivery on the Qt main loop, whatever the binding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qtforge.monitoring import PluginHotReloadManager

MAIN_LOOP = """
import importlib, sys, threading
from pathlib import Path
core = importlib.import_module(sys.argv[2] + ".QtCore")
import qtforge
app = core.QCoreApplication([])
file = Path(sys.argv[1])
file.write_text("v0")
manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
assert manager.dispatch == "qt"
try:
    manager.wait()
except RuntimeError as error:
    assert "qt loop" in str(error), error
else:
    raise AssertionError("blocked")
told = []
def on_reload(plugin_id):
    assert core.QThread.currentThread() == app.thread()
    assert threading.current_thread() is threading.main_thread()
    told.append(file.read_text())
    if len(told) == 3:
        manager.close()
        app.quit()
    else:
        file.write_text(f"v{len(told) + 1}")
manager.set_reload_callback(on_reload)
assert manager.enable_hot_reload("p", file)
core.QTimer.singleShot(0, lambda: file.write_text("v1"))
core.QTimer.singleShot(20000, app.quit)
app.exec()
assert told == ["v1", "v2", "v3"], told

# Made, and later closed, in another thread.
made_elsewhere = []
keep = []
def elsewhere():
    other = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
    other.set_reload_callback(lambda _: (made_elsewhere.append(threading.current_thread()), app.quit()))
    assert other.enable_hot_reload("q", file)
    keep.append(other)
    file.write_text("other")
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
app.exec()
assert made_elsewhere == [threading.main_thread()], made_elsewhere
thread = threading.Thread(target=keep[0].close)
thread.start()
thread.join()
app.processEvents()

# Other threads may iterate.
seen = []
with qtforge.monitoring.PluginHotReloadManager(quiet_ms=30) as shared:
    assert shared.enable_hot_reload("r", file)
    def consume():
        for change in shared.changes():
            seen.append(change.plugin_id)
            break
        core.QMetaObject.invokeMethod(app, "quit", core.Qt.ConnectionType.QueuedConnection)
    thread = threading.Thread(target=consume)
    thread.start()
    file.write_text("shared")
    app.exec()
    thread.join()
assert seen == ["r"], seen

# The application goes, and the manager says so at the next change.
errors = []
reported = threading.Event()
late = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30, on_error=lambda e: (errors.append(e), reported.set()))
late.set_reload_callback(print)
assert late.enable_hot_reload("late", file)
getattr(app, "shutdown", lambda: None)()  # PySide keeps it alive otherwise
del app
assert core.QCoreApplication.instance() is None
file.write_text("unheard")
assert reported.wait(20)
assert [type(e).__name__ for e in errors] == ["LoopClosedError"], errors
assert "Qt application" in str(errors[0])

# Another application does not deliver for it, and does so for new managers.
app = core.QCoreApplication([])
for call in (late.wait, late.changes, late.run, lambda: late.set_reload_callback(print)):
    try:
        call()
    except qtforge.monitoring.LoopClosedError:
        pass
    else:
        raise AssertionError(call)
late.close()
again = []
with qtforge.monitoring.PluginHotReloadManager(quiet_ms=30) as manager:
    assert manager.dispatch == "qt"
    manager.set_reload_callback(lambda _: (again.append(file.read_text()), app.quit()))
    assert manager.enable_hot_reload("p", file)
    core.QTimer.singleShot(0, lambda: file.write_text("again"))
    core.QTimer.singleShot(20000, app.quit)
    app.exec()
assert again == ["again"], again
app.processEvents()

# Closed after the application is gone.
late = qtforge.monitoring.PluginHotReloadManager()
getattr(app, "shutdown", lambda: None)()  # PySide keeps it alive otherwise
del app
late.close()
print("well")
"""

ASYNCIO_ON_QT = """
import asyncio, sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
import qasync, qtforge
app = QCoreApplication([])
file = Path(sys.argv[1])
file.write_text("v0")

async def main():
    manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
    assert manager.dispatch == "asyncio"
    assert manager.enable_hot_reload("p", file)
    seen = []
    file.write_text("v1")
    async for change in manager.changes(20):
        seen.append(file.read_text())
        if len(seen) == 3:
            break
        file.write_text(f"v{len(seen) + 1}")
    manager.close()
    print(seen)

with qasync.QEventLoop(app) as loop:
    loop.run_until_complete(main())
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("binding", ["PySide6", "PyQt6", "PyQt5"])
def test_main_loop(binding: str, tmp_path: Path) -> None:
    assert run(MAIN_LOOP, str(tmp_path / "plugin.so"), binding) == "well\n"


def test_asyncio_on_qt(tmp_path: Path) -> None:
    assert run(ASYNCIO_ON_QT, str(tmp_path / "plugin.so")) == "['v1', 'v2', 'v3']\n"


def test_no_application() -> None:
    with pytest.raises(RuntimeError, match="no Qt application"):
        PluginHotReloadManager(dispatch="qt")
