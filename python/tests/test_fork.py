# SPDX-License-Identifier: MIT
"""In the child of a fork: a manager of the parent's says that it is silent, and managers can be made and reopened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import logging, os, sys, warnings
from pathlib import Path
warnings.filterwarnings("ignore", "This process .* is multi-threaded")  # Python 3.12's, of forking with threads
import qtforge
from qtforge.monitoring import ForkedProcessWarning, PluginHost, PluginHotReloadManager
file = Path(sys.argv[1])
file.write_text("v0")
lines = []
class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("qtforge.monitoring").addHandler(Lines())

def write(text):
    file.write_text(text)

def in_child(function, status=0):
    \"\"\"Runs a function in the child of a fork; the warnings that the fork has caused there are its argument.\"\"\"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ForkedProcessWarning)
        child = os.fork()
        if child == 0:
            try:
                function([w for w in said if issubclass(w.category, ForkedProcessWarning)])
                os._exit(0)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
"""

WARNS = """
manager = PluginHotReloadManager(dispatch=sys.argv[2], quiet_ms=20)
manager.enable_hot_reload("p", file)
def silent(said):
    assert not said and not lines, said
def warned(said):
    assert manager.forked and "forked" in repr(manager)
    (warning,), (line,) = said, lines
    assert warning.filename == "<string>", warning.filename
    assert str(warning.message) == line and "reopen()" in line and "forked" in line, line
in_child(silent)  # nobody listens
manager.set_reload_callback(print)
in_child(warned)
manager.set_reload_callback(None)
manager.set_event_callback(print)
in_child(warned)
assert not manager.forked and not lines
manager.close()
in_child(silent)
quiet = PluginHotReloadManager(quiet_ms=20, on_fork="ignore")
quiet.set_reload_callback(print)
in_child(silent)
quiet.close()
print("well")
"""

WARNING_AS_ERROR = """
warnings.simplefilter("error", ForkedProcessWarning)
unraisable = []
sys.unraisablehook = lambda u: unraisable.append(u.exc_value)
manager = PluginHotReloadManager(quiet_ms=20)
manager.set_reload_callback(print)
child = os.fork()
if child == 0:
    os._exit(0 if [type(e) for e in unraisable] == [ForkedProcessWarning] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
manager.close()
print("well")
"""

REOPENED = """
told, validated, present = [], [], file.with_name("present")
missing, gone = file.with_name("missing"), file.with_name("gone")
present.write_text("v0"), gone.write_text("v0")
os.chdir(file.parent)
manager = PluginHotReloadManager(dispatch=sys.argv[2], quiet_ms=20, on_fork="ignore", snapshot_dir=file.with_name("s"))
manager.set_reload_callback(told.append)
manager.enable_hot_reload("p", file.name)
manager.enable_hot_reload("safe", present, safe=qtforge.monitoring.SafeOptions())
manager.enable_hot_reload("q", file)
manager.enable_hot_reload("gone", gone)
manager.enable_hot_reload("missing", missing, allow_missing=True)
manager.disable_hot_reload("q")
manager.set_validator(lambda candidate: validated.append(candidate.plugin_id) or True)
manager.set_global_hot_reload_enabled(False)
manager.reopen()  # nothing is to be done here
gone.unlink()
def child(said):
    assert not said
    os.chdir("/")
    for call in (manager.stats, manager.clear):
        try:
            call()
        except qtforge.monitoring.ForkedProcessError as error:
            assert "reopen()" in str(error)
        else:
            raise AssertionError(call)
    manager.reopen()
    assert not manager.forked and manager.dispatch == sys.argv[2]
    assert manager.get_hot_reload_plugins() == ["p", "safe", "gone", "missing"]
    assert not manager.is_global_hot_reload_enabled()
    manager.set_global_hot_reload_enabled(True)
    for number, (written, plugin_id) in enumerate(
        [(file, "p"), (present, "safe"), (gone, "gone"), (missing, "missing")], 1
    ):
        written.write_text("in the child")
        while len(told) < number:
            assert manager.wait(20)
        assert told[-1] == plugin_id, told
    assert validated == ["safe"]
    manager.close()
in_child(child)
assert not told
manager.set_global_hot_reload_enabled(True)
while len(told) < 4:
    assert manager.wait(20)
assert sorted(told) == ["gone", "missing", "p", "safe"], told
manager.close()
in_child(lambda said: None)
print("well")
"""

BY_ITSELF = """
manager = PluginHotReloadManager(quiet_ms=20, on_fork="reopen")
assert manager.enable_hot_reload("p", file)
parents = manager.changes(20)
def grandchild(said):
    changes = manager.changes(20)
    write("version 2 ")
    assert next(changes).plugin_id == "p"
def child(said):
    assert not said and not manager.forked
    write("version 1")
    assert next(parents).plugin_id == "p"  # what iterates goes on in the child
    in_child(grandchild)
in_child(child)
in_child(child)
manager.close()
try:
    PluginHost(on_fork="reopen")
except ValueError as error:
    assert "in the process that needs it" in str(error)
print("well")
"""

MADE_IN_THE_CHILD = """
if sys.argv[2] == "without memfd":
    del os.memfd_create
plugin_file = file.with_name("plugin.py")
plugin_file.write_text("VALUE = 1")
parents = PluginHotReloadManager(quiet_ms=20)  # without any the child loads the library as it is
def child(said):
    with PluginHotReloadManager(quiet_ms=20) as manager:
        assert manager.enable_hot_reload("p", file)
        changes = manager.changes(20)
        write("in the child")
        assert next(changes).plugin_id == "p"
    outcomes = []
    with PluginHost(on_outcome=outcomes.append, quiet_ms=20, snapshot_dir=file.with_name("snapshots")) as host:
        plugin = host.open("p", plugin_file)
        assert plugin.module.VALUE == 1
        plugin_file.write_text("VALUE = 22")
        while len(outcomes) < 2:
            host.manager.wait(20)
        assert plugin.module.VALUE == 22 and host.manager.stats().plugins == 1
        def grandchild(said):
            (warning,) = said
            assert "PluginHost's manager forked" in str(warning.message), warning
            assert "Make a PluginHost here" in str(warning.message), warning
            try:
                host.manager.reopen()
            except RuntimeError as error:
                assert "make one here" in str(error)
                return
            raise AssertionError("a host was reopened")
        in_child(grandchild)
    plugin_file.write_text("VALUE = 1")
in_child(child)
def crash(said):
    import ctypes, resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with PluginHotReloadManager():
        ctypes.string_at(0)
in_child(crash, -11)
assert not list(Path(os.environ["TMPDIR"]).iterdir())
parents.close()
print("well")
"""

POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def work(path):
    with PluginHotReloadManager(quiet_ms=20, raise_on_error=True) as manager:
        manager.enable_hot_reload("p", path)
        changes = manager.changes(20)
        Path(path).write_text(f"by {os.getpid()}")
        return next(changes).plugin_id

def others(number):
    other = file.with_name(str(number))
    other.write_text("v0")
    return other

manager = PluginHotReloadManager(quiet_ms=20, on_fork="ignore")
manager.set_reload_callback(print)
with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(work, map(others, range(4)))) == ["p"] * 4
manager.close()
print("well")
"""


def run(program: str, tmp_path: Path, *arguments: str) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + program, str(tmp_path / "plugin.so"), *arguments],
        env={"TMPDIR": str(scratch), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == ("well\n", ""), done.stderr


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_manager_that_somebody_listens_to_warns_in_the_child(dispatch: str, tmp_path: Path) -> None:
    run(WARNS, tmp_path, dispatch)


def test_a_warning_that_is_an_error_does_not_get_lost(tmp_path: Path) -> None:
    run(WARNING_AS_ERROR, tmp_path)


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_reopened_manager_has_what_the_parents_had(dispatch: str, tmp_path: Path) -> None:
    run(REOPENED, tmp_path, dispatch)


def test_a_manager_may_reopen_by_itself_also_in_grandchildren(tmp_path: Path) -> None:
    run(BY_ITSELF, tmp_path)


@pytest.mark.parametrize("how", ["with memfd", "without memfd"])
def test_a_manager_and_a_host_can_be_made_in_the_child(how: str, tmp_path: Path) -> None:
    run(MADE_IN_THE_CHILD, tmp_path, how)


def test_workers_that_multiprocessing_forks_make_their_own(tmp_path: Path) -> None:
    run(POOL, tmp_path)
