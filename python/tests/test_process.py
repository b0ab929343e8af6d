# SPDX-License-Identifier: MIT
"""A polite guest in the host's process."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from qtforge.monitoring import PluginHotReloadManager

FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forking with threads
import multiprocessing, qtforge
file = sys.argv[1]
manager = qtforge.monitoring.PluginHotReloadManager(dispatch=sys.argv[2], quiet_ms=30, on_fork="ignore")
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
    manager.close()
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

REFERENCE = """
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
"""


CHILD_OUTLIVES = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import qtforge
manager = qtforge.monitoring.PluginHotReloadManager(dispatch="manual")
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
threading.Timer(0.2, manager.close).start()
assert manager.wait(30) == 0
os.kill(child, 9)
os.waitpid(child, 0)
print("ended")
"""

DESCRIPTORS = """
import asyncio, os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import qtforge
def count():
    return len(os.listdir("/proc/self/fd"))
def child_has(fewer):
    parents = 0
    while parents != count():  # a new manager reads what is mounted
        parents = count()
        time.sleep(0.05)
    child = os.fork()
    if child == 0:
        os._exit(0 if count() == parents - fewer else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
async def on_a_loop():
    with qtforge.monitoring.PluginHotReloadManager(quiet_ms=30) as manager:
        child_has(fewer=1)
        assert manager.enable_hot_reload("p", sys.argv[1])  # the loop of the parent is unharmed
        with open(sys.argv[1], "w") as f:
            f.write("v1")
        async for change in manager.changes(20):
            break
        else:
            raise AssertionError("not told")
with qtforge.monitoring.PluginHotReloadManager(dispatch="manual"):
    child_has(fewer=3)
asyncio.run(on_a_loop())
print("given back")
"""

FORK_IN_A_CALLBACK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import qtforge
manager = qtforge.monitoring.PluginHotReloadManager(dispatch="manual", quiet_ms=30, on_fork="ignore")
def fork(plugin_id):
    if os.fork() == 0:
        manager.close()
        try:
            manager.stats()
        except qtforge.monitoring.ForkedProcessError:
            os._exit(7)
        os._exit(1)
manager.set_reload_callback(fork)
assert manager.enable_hot_reload("p", sys.argv[1])
with open(sys.argv[1], "w") as f:
    f.write("v1")
assert manager.wait(20) == 1
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""

# multiprocessing imports this module in the new process.
WORKER = """
import multiprocessing, sys
from pathlib import Path
import qtforge

def work(path, answers):
    with qtforge.monitoring.PluginHotReloadManager(quiet_ms=30, raise_on_error=True) as manager:
        manager.enable_hot_reload("p", path)
        changes = manager.changes(20)
        answers.put("ready")
        answers.put(next(changes).plugin_id)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    # A manager of the parent's own, with its thread, is no obstacle.
    with qtforge.monitoring.PluginHotReloadManager(quiet_ms=30) as manager:
        answers = context.Queue()
        workers = [context.Process(target=work, args=(sys.argv[1], answers)) for _ in range(2)]
        for worker in workers:
            worker.start()
        assert [answers.get(timeout=30) for _ in workers] == ["ready"] * 2
        Path(sys.argv[1]).write_text("v1")
        assert [answers.get(timeout=30) for _ in workers] == ["p"] * 2
        for worker in workers:
            worker.join(20)
            assert worker.exitcode == 0, worker.exitcode
        answers.close()
        answers.join_thread()
    print("all told")
"""

EXITS = {
    "a daemon thread that iterates": """
import threading
changes = manager.changes()
def body():
    for change in changes:
        pass
threading.Thread(target=body, daemon=True).start()
""",
    "a daemon thread that waits": """
import threading
threading.Thread(target=manager.wait, daemon=True).start()
""",
    "a cycle": """
class Host:
    pass
host = Host()
host.manager, manager.host = manager, host
manager.set_reload_callback(lambda _: host)
""",
    "a finalizer that uses it": """
class Host:
    def __del__(self, manager=manager):
        manager.close()
keep = Host()
""",
    "an exit handler that uses it": """
import atexit
atexit.register(lambda: manager.get_hot_reload_plugins())
""",
    "a callback that is running": """
import threading
entered = threading.Event()
def slow(_):
    entered.set()
    threading.Event().wait(0.2)
manager.set_reload_callback(slow)
with open(sys.argv[1], "w") as f:
    f.write("v1")
assert entered.wait(20)
""",
    "a module that goes first": """
del sys.modules["qtforge"], sys.modules["qtforge.monitoring"]
""",
    "sys.exit": """
sys.exit(0)
""",
}

ASYNC_EXIT = """
import asyncio, sys, qtforge
async def main():
    global manager
    manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
    assert manager.enable_hot_reload("p", sys.argv[1])
    async for change in manager.changes(0.05):
        pass
asyncio.run(main())
print("leaving")
"""

SIGNALS = """
import os, signal, sys, threading
import qtforge
manager = qtforge.monitoring.PluginHotReloadManager(dispatch=sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: manager.close())
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
manager.run()
assert manager.closed
print("closed")
"""

FAULTHANDLER = """
import ctypes, faulthandler, os, resource, sys
import qtforge
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if sys.argv[2] == "before":
    faulthandler.enable()
manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
if sys.argv[2] == "after":
    faulthandler.enable()
faulthandler.dump_traceback_later(0.05, repeat=True, file=open(os.devnull, "w"))
assert manager.enable_hot_reload("p", sys.argv[1])
with open(sys.argv[1], "w") as f:
    f.write("v1")
assert next(manager.changes(20)).plugin_id == "p"
print("told", flush=True)
def crash():
    ctypes.string_at(0)
crash()
"""

SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inner = interpreters.create()
interpreters.run_string(inner, f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import qtforge
    qtforge.monitoring.PluginHotReloadManager()
except ImportError as error:
    print("refused:", error)
''')
interpreters.destroy(inner)
import qtforge
with qtforge.monitoring.PluginHotReloadManager():
    print("well")
"""


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
os.environ["QTFORGE_MONITORING_LIBRARY"] = "/no/such/libhotreload.so\\x1b[2J\\n"
import qtforge
try:
    qtforge.monitoring.PluginHotReloadManager()
except ImportError as error:
    assert "\\x1b" not in str(error) and r"\\x1b[2J\\n:" in str(error), error
    assert "/no/such/libhotreload.so" in str(error) and "QTFORGE_MONITORING_LIBRARY" in str(error), error
    print("said so")
"""
    assert run(program) == "said so\n"


def test_a_forked_child_that_lives_on_does_not_hold_the_parent(tmp_path: Path) -> None:
    assert run(CHILD_OUTLIVES) == "ended\n"


def test_a_forked_child_gives_back_what_python_duplicated(tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    assert run(DESCRIPTORS, str(file)) == "given back\n"


def test_fork_in_a_callback(tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    assert run(FORK_IN_A_CALLBACK, str(file)) == "7\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    file, program = tmp_path / "plugin.so", tmp_path / "worker.py"
    file.write_text("v0")
    program.write_text(WORKER)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), str(file), method],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == ("all told\n", "")


def test_a_manager_cannot_be_sent_to_another_process() -> None:
    with PluginHotReloadManager() as manager:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="make one in each process"):
                attempt(manager)


@pytest.mark.parametrize("what", EXITS)
def test_exit_with(what: str, tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    program = """
import sys, qtforge
manager = qtforge.monitoring.PluginHotReloadManager(quiet_ms=30)
assert manager.enable_hot_reload("p", sys.argv[1])
""" + EXITS[what]
    assert run(program, str(file)) == ""


def test_exit_with_a_manager_of_a_loop_that_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    assert run(ASYNC_EXIT, str(file)) == "leaving\n"


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_signal_handler_may_close(dispatch: str) -> None:
    for _ in range(5):
        assert run(SIGNALS, dispatch) == "closed\n"


@pytest.mark.parametrize("order", ["before", "after"])
def test_faulthandler_still_reports_a_crash_of_the_host(order: str, tmp_path: Path) -> None:
    file = tmp_path / "plugin.so"
    file.write_text("v0")
    done = subprocess.run(
        [sys.executable, "-c", FAULTHANDLER, str(file), order], capture_output=True, text=True, timeout=50
    )
    assert done.stdout == "told\n", done.stderr
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr and "in crash" in done.stderr, done.stderr


def test_subinterpreters_are_refused() -> None:
    refused, well = run(SUBINTERPRETER).splitlines()
    assert refused.startswith("refused: qtforge.monitoring")
    assert "subinterpreter" in refused.replace("-", "")
    assert well == "well"
