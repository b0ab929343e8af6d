# SPDX-License-Identifier: MIT
"""The package in archives, and a program that uses it there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import qtforge

PACKAGE = Path(qtforge.__path__[0])

# Reloads a plugin and hears of a change; its argument is a folder of its own.
PROGRAM = """
import ctypes.util, sys
ctypes.util.find_library = lambda name: None  # one that is installed on the system is another one
from pathlib import Path
from qtforge.monitoring import PluginHost, PluginHotReloadManager

def main():
    folder = Path(sys.argv[1])
    file = folder / "plugin.py"
    file.write_text("VALUE = 1\\n")
    with PluginHotReloadManager(quiet_ms=20, raise_on_error=True) as manager:
        manager.enable_hot_reload("p", file)
        changes = manager.changes(20)
        file.write_text("VALUE = 22\\n")
        assert next(changes).plugin_id == "p"
    outcomes = []
    with PluginHost(quiet_ms=20, on_outcome=outcomes.append, snapshot_dir=folder / "snapshots") as host:
        plugin = host.open("p", file)
        assert plugin.module.VALUE == 22
        file.write_text("VALUE = 333\\n")
        while len(outcomes) < 2:
            host.manager.wait(20)
        assert outcomes[1].ok and plugin.module.VALUE == 333, outcomes
    print("well")
"""


def copy_package(target: Path, *, library: bool = True) -> None:
    """The package as a wheel has it."""
    ignored = shutil.ignore_patterns("__pycache__", *(() if library else ("_lib",)))
    shutil.copytree(PACKAGE, target / "qtforge", ignore=ignored)
    shutil.copy(PACKAGE.parent / "qtforge_monitoring.py", target)


def run(command: list[str], tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program without this Python's packages; nothing may be left in the folder for temporary files."""
    scratch, folder = tmp_path / "tmp", tmp_path / "folder"
    for made in (scratch, folder):
        made.mkdir(exist_ok=True)
    done = subprocess.run(
        [*command, str(folder)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(scratch), **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    left = [
        str(path.relative_to(scratch)) for path in scratch.rglob("*") if path.is_file()
    ]  # the library keeps its directory for snapshots
    assert not left, left
    return done


def expect_well(command: list[str], tmp_path: Path, **environment: str) -> None:
    done = run(command, tmp_path, **environment)
    assert (done.stdout, done.stderr) == ("well\n", ""), done.stderr


PLAIN = [sys.executable, "-S", "-W", "error"]
