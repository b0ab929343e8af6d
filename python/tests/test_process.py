"""A polite guest in the host's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forking with threads
import multiprocessing, qtforge
file = sys.argv[1]
manager = qtforge.monitoring.PluginHotReloadManager(dispatch=sys.argv[2], quiet_ms=30)
told = []
manager.set_reload_callback(told.append)
assert manager.enable_hot_reload("p", file)

def child():
    result = manager.enable_hot_reload("q", file)
    assert not result and "fork" in result.error.message, result
    assert isinstance(result.error, qtforge.monitoring.ForkedProcessError)
    for call in (manager.stats, manager.clear, manager.get_hot_reload_plugins, manager.wait):
        try:
            call()
        except qtforge.monitoring.ForkedProcessError:
            continue
        raise AssertionError(call)
    try:
        qtforge.monitoring.PluginHotReloadManager()
    except qtforge.monitoring.ForkedProcessError:
        pass
    else:
        raise AssertionError("made in the child of a fork")
    manager.close()

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(20)
assert process.exitcode == 0, process.exitcode
with open(file, "w") as f:
    f.write("v1")
assert manager.wait(20) == 1
assert told == ["p"]
print("parent and child are well")
"""

EXIT = """
import sys, qtforge
manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
manager.set_reload_callback(print)
assert manager.enable_hot_reload("p", sys.argv[1])
with open(sys.argv[1], "w") as f:
    f.write("v1")
print("leaving")
"""

REFERENCE = '''
import qtforge

# Create hot reload manager
hot_reload = qtforge.monitoring.PluginHotReloadManager()

# Set up reload callback
def handle_reload(plugin_id):
    print(f"Plugin {plugin_id} needs reload")
    # Handle reload logic

hot_reload.set_reload_callback(handle_reload)

# Enable hot reload for a plugin
result = hot_reload.enable_hot_reload("my_plugin", "/path/to/plugin.so")
if result:
    print("Hot reload enabled")

# Check status
plugins = hot_reload.get_hot_reload_plugins()
print(f"Monitored plugins: {plugins}")

# Global control
hot_reload.set_global_hot_reload_enabled(True)
'''


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr)
    return done.stdout


def test_fork(tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    for dispatch in ("thread", "manual"):
        file.write_text("v0")
        assert run(FORK, str(file), dispatch) == "parent and child are well\n"


def test_exit_with_a_live_manager_and_a_pending_change(tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    for _ in range(5):
        file.write_text("v0")
        assert run(EXIT, str(file)).splitlines()[0] == "leaving"


def test_the_example_of_the_reference_runs_unchanged(tmp_path: Path) -> None:
    assert run(REFERENCE) == "Monitored plugins: []\n"
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    out = run(REFERENCE.replace("/path/to/plugin.so", str(file)))
    assert out == "Hot reload enabled\nMonitored plugins: ['my_plugin']\n"


def test_library_that_cannot_be_loaded_says_what_was_tried(tmp_path: Path) -> None:
    program = """
import os
os.environ["QTFORGE_MONITORING_LIBRARY"] = "/no/such/libhotreload.so"
import qtforge
try:
    qtforge.monitoring.PluginHotReloadManager()
except ImportError as error:
    assert "/no/such/libhotreload.so" in str(error) and "QTFORGE_MONITORING_LIBRARY" in str(error), error
    print("said so")
"""
    assert run(program) == "said so\n"
