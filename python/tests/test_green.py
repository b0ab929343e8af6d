# SPDX-License-Identifier: MIT
"""After monkey.patch_all() of gevent or eventlet: everything on the hub, callbacks in greenlets."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

# Not imported: eventlet changes what a fork does.
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("gevent", "eventlet"))), reason="needs gevent, eventlet"
)

PATCHED = {
    "gevent": "from gevent import monkey; monkey.patch_all(); from gevent import sleep, spawn, Timeout, getcurrent",
    "eventlet": "import warnings; warnings.simplefilter('ignore')\n"  # it is deprecated
    "import eventlet; eventlet.monkey_patch(); warnings.simplefilter('error')\n"
    "from eventlet import sleep, spawn, Timeout, getcurrent",
}
BEGIN = """
import os, sys
from pathlib import Path
import qtforge
from qtforge.monitoring import PluginHost, PluginHotReloadManager
file = Path(sys.argv[1])
file.write_text("v0")

def until(condition):
    with Timeout(20):
        while not condition():
            sleep(0.002)
"""

OTHERS_RUN = """
turns = 0
def others():
    global turns
    while True:
        turns += 1
        sleep(0)
spawn(others)
main, told = getcurrent(), []
def reload(plugin_id):
    before = turns
    until(lambda: turns > before + 3)
    told.append((plugin_id, getcurrent() is not main))
with PluginHotReloadManager(quiet_ms=20) as manager:
    assert manager.dispatch == NAME
    manager.set_reload_callback(reload)
    assert manager.enable_hot_reload("p", file)
    file.write_text("version 1")
    before = turns
    assert manager.wait(20) == 1 and told == [("p", True)] and turns > before
    changes = manager.changes(20)
    file.write_text("version 22")
    assert next(changes).generation == 2
    until(lambda: len(told) == 2)
    spawn(manager.close)
    manager.run()
    assert manager.closed
print("well")
"""

DISABLE_WAITS = """
entered, left, told = [], [], []
def reload(plugin_id):
    entered.append(plugin_id)
    sleep(0.05)
    left.append(plugin_id)
with PluginHotReloadManager(quiet_ms=20) as manager:
    manager.set_reload_callback(reload)
    for end in (lambda: manager.disable_hot_reload("p"), manager.clear, lambda: manager.set_reload_callback(None),
                manager.close):
        if not manager.is_hot_reload_enabled("p"):
            assert manager.enable_hot_reload("p", file)
        entered.clear(), left.clear()
        manager.set_reload_callback(reload)
        file.write_text(file.read_text() + "x")
        until(lambda: entered)
        end()
        assert left == ["p"], end
# In an event callback: the reload callback of the same event is dropped.
with PluginHotReloadManager(quiet_ms=20) as manager:
    def event(event):
        told.append(event.kind.name)
        if event.kind.name == "FILE_CHANGED":
            manager.disable_hot_reload("p")
    manager.set_event_callback(event)
    manager.set_reload_callback(told.append)
    assert manager.enable_hot_reload("p", file)
    file.write_text(file.read_text() + "x")
    until(lambda: "DISABLED" in told)
assert told == ["ENABLED", "FILE_CHANGED", "DISABLED"], told
# The same of a folder.
folder = file.with_name("folder")
folder.mkdir()
told.clear()
with PluginHotReloadManager(quiet_ms=20) as manager:
    def event(event):
        told.append(event.kind.name)
        if event.kind.name == "DISCOVERED":
            manager.disable_folder("f")
    manager.set_event_callback(event)
    manager.set_reload_callback(told.append)
    assert manager.enable_folder("f", folder)
    (folder / "new.py").write_text("x")
    until(lambda: "DISABLED" in told)
assert told == ["DISCOVERED", "DISABLED"], told
with PluginHotReloadManager(quiet_ms=20) as manager:
    manager.set_reload_callback(reload)
    entered.clear(), left.clear()
    assert manager.enable_folder("f", folder)
    (folder / "new.py").write_text("xx")
    until(lambda: entered)
    manager.disable_folder("f")
    assert left == ["f/new.py"]
print("well")
"""

# Were the library on the stack while callbacks run, these would return to it in the wrong order.
TWO_MANAGERS = """
files = [file, file.with_name("other")]
files[1].write_text("v0")
entered, may, left = [], set(), []
def reloads(number):
    def reload(plugin_id):
        entered.append(number)
        until(lambda: number in may)
        left.append(number)
    return reload
managers = [PluginHotReloadManager(quiet_ms=1, dispatch=d) for d in ("auto", "manual")]
for number, manager in enumerate(managers):
    manager.set_reload_callback(reloads(number))
    assert manager.enable_hot_reload("p", files[number])
spawn(managers[1].run)
for order in ([0, 1], [1, 0]) * 20:
    entered.clear(), may.clear(), left.clear()
    for number in order:
        files[number].write_text(files[number].read_text() + "x")
        until(lambda: number in entered)
    assert [manager.stats().plugins for manager in managers] == [1, 1]
    for number in order:  # the first to enter is the first to leave
        may.add(number)
        until(lambda: number in left)
for manager in managers:
    manager.close()
print("well")
"""

INTERRUPTED = """
raised, failed = [KeyboardInterrupt, SystemExit], []
def reload(plugin_id):
    if raised:
        raise raised.pop(0)
    told.append(plugin_id)
told = []
with PluginHotReloadManager(quiet_ms=20, on_error=failed.append) as manager:
    manager.set_reload_callback(reload)
    assert manager.enable_hot_reload("p", file)
    for kind in (KeyboardInterrupt, SystemExit):
        file.write_text(file.read_text() + "x")
        try:
            with Timeout(20):
                while True:
                    sleep(0.01)
        except kind:
            pass
    file.write_text(file.read_text() + "x")
    until(lambda: told)
    manager._dispatcher._greenlet.kill()
    until(lambda: failed)
    assert "greenlet that delivers was killed" in str(failed[0]), failed
    try:
        manager.wait(20)
    except qtforge.monitoring.HotReloadError as error:
        assert "was killed" in str(error)
    else:
        raise AssertionError("waits for nobody")
print("well")
"""

HOST = """
file = file.with_name("plugin.py")
file.write_text("import time\\ntime.sleep(0.02)\\nVALUE = 1\\ndef plugin_save_state(): return VALUE\\n")
outcomes, turns = [], []
for dispatch in ("auto", "thread", "manual"):
    file.write_text("import time\\ntime.sleep(0.02)\\nVALUE = 1\\n")
    with PluginHost(on_outcome=outcomes.append, quiet_ms=20, dispatch=dispatch,
                    snapshot_dir=file.with_name("snapshots")) as host:
        plugin = host.open("p", file)
        assert plugin.module.VALUE == 1 and outcomes.pop().ok
        file.write_text("import time\\ntime.sleep(0.02)\\nVALUE = 2\\nNEW = True\\n")
        if dispatch == "manual":
            spawn(host.manager.run)
        until(lambda: outcomes)
        assert outcomes.pop().ok and plugin.module.VALUE == 2
print("well")
"""

FORK = """
import warnings
warnings.simplefilter("ignore")
with PluginHotReloadManager(quiet_ms=20) as manager:
    assert manager.enable_hot_reload("p", file)
    sleep(0)
    parents = len(os.listdir("/proc/self/fd"))
    child = os.fork()
    if child == 0:
        until(lambda: len(os.listdir("/proc/self/fd")) <= parents - 5)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    changes = manager.changes(20)
    file.write_text("version 1")
    assert next(changes).plugin_id == "p"
print("well")
"""

PROGRAMS = {
    "others_run": OTHERS_RUN,
    "disable_waits": DISABLE_WAITS,
    "two_managers": TWO_MANAGERS,
    "interrupted": INTERRUPTED,
    "plugin_host": HOST,
    "fork": FORK,
}


def run(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program, str(tmp_path / "plugin.so")],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == ("well\n", ""), done.stderr


@pytest.mark.parametrize("name", PATCHED)
@pytest.mark.parametrize("what", PROGRAMS)
def test_after_monkey_patching(what: str, name: str, tmp_path: Path) -> None:
    run(f"{PATCHED[name]}\nNAME = {name!r}\n{BEGIN}{PROGRAMS[what]}", tmp_path)


def test_gevent_without_monkey_patching(tmp_path: Path) -> None:
    unpatched = "from gevent import sleep, spawn, Timeout, getcurrent\nNAME = 'gevent'"
    run(f"{unpatched}\n{BEGIN}{OTHERS_RUN.replace('(quiet', '(dispatch=NAME, quiet')}", tmp_path)


def test_the_package_may_be_imported_before_the_patching(tmp_path: Path) -> None:
    run(f"import qtforge\n{PATCHED['gevent']}\nNAME = 'gevent'\n{BEGIN}{OTHERS_RUN}", tmp_path)
