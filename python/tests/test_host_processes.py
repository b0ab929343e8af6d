# SPDX-License-Identifier: MIT
"""Plugins and multiprocessing: what a worker process imports by the name of a plugin's module."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND
from hosting import PACKAGE, Hosting
from qtforge.monitoring import SafeOptions, _finding

SOURCE = """
import dataclasses, helper, os
VERSION = {0}
@dataclasses.dataclass
class Task:
    number: int
    def run(self):
        from late import twice
        return VERSION, helper.VERSION, twice(self.number), __name__, os.getpid()
def work(task):
    return task.run()
def put(queue, task):
    queue.put(work(task))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(SOURCE.format(1))
    (tmp_path / "helper.py").write_text("VERSION = 1")
    (tmp_path / "late.py").write_text("def twice(x): return 2 * x")
    return path


FILES = SafeOptions(files=["helper.py", "late.py"])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_functions_and_objects_of_a_plugin_reach_worker_processes(method: str, path: Path, tmp_path: Path) -> None:
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(path, safe=FILES)
        context: Any = multiprocessing.get_context(method)
        module = plugin.module
        queue = context.Queue()
        process = context.Process(target=module.put, args=(queue, module.Task(4)))
        process.start()
        answer = queue.get(timeout=BOUND)
        process.join(BOUND)
        assert answer == (1, 1, 8, f"{PACKAGE}.p.plug", process.pid)
        assert process.exitcode == 0
        assert hosting.reload(path, SOURCE.format(2)).ok
        module = plugin.module
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(module.work, module.Task(5)).result(BOUND)[:3] == (2, 1, 10)
    assert _finding._places == {}


SCRIPT = """
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from qtforge.monitoring import PluginHost

if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text("def work(x): return 2 * x")
    with PluginHost(dispatch="thread", snapshot_dir=path.parent / "snapshots") as host:
        module = host.open("p", path, timeout=20).module
        with get_context("spawn").Pool(2) as pool:
            print(pool.map(module.work, range(4)))
"""


def test_a_pool_of_a_program(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path / "plug.py")],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 2, 4, 6]\n", "")
