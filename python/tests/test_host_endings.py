# SPDX-License-Identifier: MIT
"""How a host ends that nobody closes, and what open() says when it is closed meanwhile."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from conftest import BOUND, wait_until
from hosting import Gates, Hosting, plugin_modules
from qtforge.monitoring import ClosedError, InvalidArgumentError, PluginHost

EXIT = "import sys\ndef plugin_exit(): sys.gates.say('exit')\n"


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Gates:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    return gates


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(EXIT)
    return path


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_forgotten_host_is_collected_with_a_warning(dispatch: str, path: Path, tmp_path: Path, gates: Gates) -> None:
    """Its plugins are unloaded: no module, file or thread is left."""
    before = set(threading.enumerate())
    snapshots = tmp_path / "snapshots"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PluginHost(dispatch=dispatch, snapshot_dir=snapshots).open("p", path, timeout=BOUND)

        def collected() -> bool:
            gc.collect()  # the delivery of the first version may not have returned yet
            return bool(caught)

        wait_until("collected", collected)
    assert [(w.category, "PluginHost" in str(w.message)) for w in caught] == [(ResourceWarning, True)]
    assert gates.said == ["exit"] and plugin_modules() == [] and list(snapshots.iterdir()) == []
    assert set(threading.enumerate()) <= before


def test_a_closed_host_is_collected_in_silence(path: Path, tmp_path: Path, gates: Gates) -> None:
    with Hosting(tmp_path) as hosting:
        hosting.open(path)
    del hosting
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert gates.said == ["exit"]


PROGRAM = """
import os, sys
from qtforge.monitoring import PluginHost
host = PluginHost(dispatch={0!r}, snapshot_dir=sys.argv[2])
plugin = host.open("p", sys.argv[1])
{1}
print("ends", flush=True)
"""
WAYS = {
    "falls through": "",
    "sys.exit": "print('ends', flush=True); sys.exit()",
    "a child of a fork ends, too": """
if not (child := os.fork()):
    sys.exit()  # the child's plugins are the parent's
os.waitpid(child, 0)
""",
}


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
@pytest.mark.parametrize("how", WAYS)
def test_the_end_of_the_interpreter_unloads_plugins(how: str, dispatch: str, path: Path, tmp_path: Path) -> None:
    path.write_text("def plugin_exit(): print('exit', flush=True)")
    program = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(dispatch, WAYS[how]), path, tmp_path / "snapshots"],
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "ends\nexit\n", "")
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_open_says_that_the_host_was_closed(path: Path, tmp_path: Path, gates: Gates) -> None:
    path.write_text("import sys\nsys.gates.wait()")
    ended: list[type[BaseException]] = []
    with Hosting(tmp_path) as hosting:

        def opening() -> None:
            with pytest.raises(Exception, match="closed") as caught:
                hosting.host.open("p", path, timeout=None)  # for ever
            ended.append(caught.type)

        opener = threading.Thread(target=opening)
        opener.start()
        assert gates.entered.wait(BOUND)
        plugin = hosting.host._plugins["p"]
        closer = threading.Thread(target=hosting.host.close)
        closer.start()
        wait_until("closing", lambda: plugin.closed)
        gates.leave.set()
        closer.join(BOUND)
        opener.join(BOUND)
    assert ended == [ClosedError]


@pytest.mark.parametrize(
    ("timeout", "error"), [("1", TypeError), (True, TypeError), (float("nan"), InvalidArgumentError)]
)
def test_a_timeout_that_is_no_time_is_an_error(
    timeout: float, error: type[Exception], path: Path, tmp_path: Path
) -> None:
    with Hosting(tmp_path) as hosting:
        with pytest.raises(error, match="timeout="):
            hosting.host.open("p", path, timeout=timeout)
        assert hosting.host.manager.get_hot_reload_plugins() == [] and hosting.outcomes == []
