# SPDX-License-Identifier: MIT
"""Breakpoints, tracebacks and sources of plugins, with a debugger."""

from __future__ import annotations

import bdb
import inspect
import linecache
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hosting import Hosting, replace
from qtforge.monitoring import PluginLoadError, SafeOptions

SOURCE = """
from . import helper

def work():
    value = helper.help()  # line {0} of the plugin
    return value
"""
HELPER = """
def help():
    return {0}  # line {0} of the helper
"""


class Debugger(bdb.Bdb):
    """Counts the stops at breakpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.stops: list[tuple[str, int]] = []

    def user_line(self, frame: FrameType) -> None:
        if self.break_here(frame):
            self.stops.append((Path(frame.f_code.co_filename).name, frame.f_lineno))
        self.set_continue()


def write(folder: Path, version: int) -> Path:
    """A plugin of two files."""
    (folder / "helper.py").write_text(HELPER.format(version))
    replace(folder / "plugin.py", SOURCE.format(version))
    return folder / "plugin.py"


def open_manually(folder: Path, **options: Any) -> Hosting:
    """A host that loads on the thread that waits."""
    return Hosting(folder, dispatch="manual", **options)


def test_breakpoints_in_the_original_files_bind_in_every_version(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    debugger = Debugger()
    assert not debugger.set_break(str(path), 5) and not debugger.set_break(str(tmp_path / "helper.py"), 3)

    def debugged() -> None:
        with open_manually(tmp_path) as hosting:
            plugin = hosting.open(path, safe=SafeOptions(files=["helper.py"]))
            assert plugin.module.work() == 1
            assert debugger.stops == [("plugin.py", 5), ("helper.py", 3)]
            write(tmp_path, 2)
            assert hosting.next().ok
            assert plugin.module.work() == 2
            assert debugger.stops == [("plugin.py", 5), ("helper.py", 3)] * 2
            assert Path(plugin.module.__file__ or "").is_relative_to(hosting.snapshots)

    tracer = sys.gettrace()
    try:
        debugger.runcall(debugged)
    finally:
        sys.settrace(tracer)


def test_lines_are_those_of_the_version_whatever_the_file_has(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    with open_manually(tmp_path, debug=True) as hosting:
        plugin = hosting.open(path, safe=SafeOptions(files=["helper.py"]))
        hosting.host.manager.set_global_hot_reload_enabled(False)
        path.write_text("# another version\n" * 9)
        assert "# line 1 of the plugin" in inspect.getsource(plugin.module.work)
        plugin.module.helper.help = lambda: 1 / 0
        with pytest.raises(ZeroDivisionError) as caught:
            plugin.module.work()
        text = "".join(traceback.format_exception(caught.value))
        assert f'File "{path}", line 5' in text and "# line 1 of the plugin" in text
    assert str(path) not in linecache.cache


def test_a_version_that_is_rejected_takes_no_lines_away(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    with open_manually(tmp_path, debug=True) as hosting:
        plugin = hosting.open(path, safe=SafeOptions(files=["helper.py"]))
        assert not hosting.reload(path, "raise RuntimeError('no')\n").ok
        assert "# line 1 of the plugin" in inspect.getsource(plugin.module.work)


def test_without_a_debugger_code_has_the_names_of_the_snapshot(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    # A debugger or a measurement of this test run itself.
    debug = False if sys.gettrace() is not None or "pydevd" in sys.modules else None
    with open_manually(tmp_path, debug=debug) as hosting:
        plugin = hosting.open(path, safe=SafeOptions(files=["helper.py"]))
        assert Path(plugin.module.work.__code__.co_filename).is_relative_to(hosting.snapshots)


def test_a_debugger_of_new_threads_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    before = threading.gettrace()
    threading.settrace(lambda *_: None)
    try:
        with Hosting(tmp_path) as hosting:
            plugin = hosting.open(path, safe=SafeOptions(files=["helper.py"]))
            assert plugin.module.work.__code__.co_filename == str(path)
    finally:
        threading.settrace(before)


def test_the_first_version_that_fails_shows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("\nraise RuntimeError('no')  # here\n")
    with open_manually(tmp_path, debug=True) as hosting:
        with pytest.raises(PluginLoadError) as caught:
            hosting.host.open("p", path)
        text = "".join(traceback.format_exception(caught.value.__cause__))
        assert f'File "{path}", line 2' in text and "# here" in text
