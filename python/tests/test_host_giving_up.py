# SPDX-License-Identifier: MIT
"""open() and close() return at their time while an import is running, and what comes late is undone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import BOUND, wait_until
from hosting import Gates, Hosting, plugin_modules, replace
from loops import RUNNERS, run, wait_for
from qtforge.monitoring import AlreadyExistsError, SafeOptions, Verdict

HANGS_IN = {
    "import": "import sys, helper\nsys.gates.wait()\n",
    "init": "import sys, helper\ndef plugin_init(): sys.gates.wait()\n",
}
EXIT = "def plugin_exit(): sys.gates.say('exit')\n"
FILES = SafeOptions(files=["helper.py"])


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    yield gates
    gates.leave.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(HANGS_IN["import"] + EXIT)
    (tmp_path / "helper.py").write_text("VALUE = 1")
    return path


EXITS = {"import": [], "init": ["exit"]}
"""plugin_exit() is called of what was initialised."""


def undone(hosting: Hosting, gates: Gates, exits: list[str]) -> None:
    """What follows when the import has ended."""
    gates.leave.set()
    wait_until("removed", lambda: not list(hosting.snapshots.glob("python-*")))
    assert gates.said == exits and plugin_modules() == [] and hosting.errors == []


@pytest.mark.parametrize("where", HANGS_IN)
def test_open_raises_when_the_time_is_over(where: str, path: Path, tmp_path: Path, gates: Gates) -> None:
    path.write_text(HANGS_IN[where] + EXIT)
    with Hosting(tmp_path) as hosting:
        with pytest.raises(TimeoutError, match="still being imported"):
            hosting.host.open("p", path, safe=FILES, timeout=0.2)
        assert gates.entered.is_set() and not gates.leave.is_set()
        assert hosting.host.manager.get_hot_reload_plugins() == [] and plugin_modules() == []
        # The host is not held up; the id is taken until the import has ended.
        replace(path, "import helper\nVALUE = helper.VALUE")
        assert hosting.open(path, "q", safe=FILES).module.VALUE == 1
        with pytest.raises(AlreadyExistsError):
            hosting.host.open("p", path, safe=FILES, timeout=0.1)
        hosting.host.close()
        undone(hosting, gates, EXITS[where])


def test_an_id_is_free_when_what_was_given_up_has_ended(path: Path, tmp_path: Path, gates: Gates) -> None:
    path.write_text("import sys\nsys.gates.wait()\nimport helper\nsys.gates.say('late')\n1 / 0")
    with Hosting(tmp_path) as hosting:
        with pytest.raises(TimeoutError):
            hosting.host.open("p", path, safe=FILES, timeout=0.2)
        replace(path, "VALUE = 2")
        gates.leave.set()
        assert hosting.open(path, "p").module.VALUE == 2  # waits for that
        assert gates.said == ["late"] and len(plugin_modules()) == 2
    assert [(o.verdict, o.ok) for o in hosting.outcomes] == [(Verdict.WITHDRAWN, False), (Verdict.DONE, True)]
    assert str(hosting.outcomes[0]) == "p: generation 1 is not used: p was removed"


@pytest.mark.parametrize("library", RUNNERS)
def test_a_cancelled_aopen_raises_at_once(library: str, path: Path, tmp_path: Path, gates: Gates) -> None:
    async def main() -> None:
        hosting = Hosting(tmp_path)
        async with hosting.host as host:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: host.aopen("p", path, safe=FILES, timeout=BOUND))
                await wait_for(gates.entered.is_set)
                tasks.cancel_scope.cancel()
            with pytest.raises(TimeoutError):
                await host.aopen("q", path, safe=FILES, timeout=0.2)
        gates.leave.set()
        await wait_for(lambda: not list(hosting.snapshots.glob("python-*")))
        assert plugin_modules() == []

    run(library, main)


def test_open_in_another_thread_than_the_loop_that_imports(path: Path, tmp_path: Path, gates: Gates) -> None:
    raised: list[BaseException] = []

    async def main() -> None:
        async with Hosting(tmp_path, dispatch="auto").host as host:

            def open_it() -> None:
                with pytest.raises(TimeoutError) as caught:
                    host.open("p", path, safe=FILES, timeout=0.2)
                raised.append(caught.value)
                with pytest.raises(AlreadyExistsError):  # until the import has ended
                    host.open("p", path, safe=FILES, timeout=0.2)
                gates.leave.set()

            await asyncio.to_thread(open_it)
            await wait_for(lambda: host._native.loaders == {})
            assert host.manager.get_hot_reload_plugins() == []

    asyncio.run(main())
    assert len(raised) == 1 and gates.said == [] and plugin_modules() == []


def test_close_waits_for_a_reload_but_not_for_what_open_has_given_up(path: Path, tmp_path: Path, gates: Gates) -> None:
    with Hosting(tmp_path) as hosting:
        path.write_text("VALUE = 1")
        plugin = hosting.open(path)
        replace(path, HANGS_IN["init"].replace(", helper", "") + EXIT)
        assert gates.entered.wait(BOUND)
        closer = threading.Thread(target=hosting.host.close)
        closer.start()
        wait_until("closing", lambda: plugin.closed)
        assert closer.is_alive()
        gates.leave.set()
        closer.join(BOUND)
        assert not closer.is_alive()
        assert gates.said == ["exit"] and plugin_modules() == []


def test_a_plugin_may_call_anything_while_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plug.py"
    with Hosting(tmp_path) as hosting:
        host, manager = hosting.host, hosting.host.manager
        other = tmp_path / "other.py"
        other.write_text("VERSION = 1")
        hosting.open(other, "q")

        def open_inside() -> None:
            with pytest.raises(RuntimeError, match="being loaded"):
                host.open("r", path)

        calls: list[Any] = [
            lambda: manager.wait(),
            lambda: manager.set_reload_callback(None),
            lambda: manager.is_hot_reload_enabled("p"),
            lambda: manager.disable_hot_reload("q"),
            open_inside,
            lambda: manager.clear(),
            lambda: host.close(),
        ]
        monkeypatch.setattr(sys, "calls", calls, raising=False)
        done: list[int] = []
        monkeypatch.setattr(sys, "done", done, raising=False)
        for number in range(len(calls)):
            path.write_text(f"import sys\nsys.calls[{number}]()\nsys.done.append({number})")
            try:
                host.open("p", path, timeout=BOUND).close()
            except Exception as error:
                assert number == len(calls) - 1, error
        wait_until("done", lambda: done == list(range(len(calls))))


def test_open_from_its_own_thread_lets_ctrl_c_through_the_import(path: Path, tmp_path: Path, gates: Gates) -> None:
    path.write_text("import sys\ndef plugin_init():\n    raise KeyboardInterrupt\n" + EXIT)
    with Hosting(tmp_path, dispatch="manual") as hosting, pytest.raises(KeyboardInterrupt):
        hosting.host.open("p", path, timeout=BOUND)
    assert {o.verdict for o in hosting.outcomes} <= {Verdict.POSTPONED, Verdict.WITHDRAWN}
    assert plugin_modules() == [] and gates.said == []


@pytest.mark.parametrize("library", RUNNERS)
def test_ctrl_c_leaves_open_on_a_loop(library: str, path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        path.write_text("raise KeyboardInterrupt")
        async with Hosting(tmp_path, dispatch="auto").host as host:
            with pytest.raises(KeyboardInterrupt):
                host.open("p", path, timeout=BOUND)
            path.write_text("VALUE = 1")
            assert (await host.aopen("p", path, timeout=BOUND)).module.VALUE == 1

    run(library, main)


PROGRAM = """
import sys, threading
from pathlib import Path
from qtforge.monitoring import PluginHost
path = Path(sys.argv[1])
def reload():
    path.write_text("VALUE = 1")
    host.open("p", path)
    path.write_text("print('imported', flush=True)\\nimport time\\nwhile True: time.sleep(1)")
{0}
"""
WITH = """
try:
    with PluginHost(dispatch="thread", snapshot_dir=sys.argv[2]) as host:
        {0}
except (TimeoutError, KeyboardInterrupt) as error:
    print(type(error).__name__, flush=True)
"""
PROGRAMS = {
    "timeout": WITH.format("host.open('p', path, timeout=0.2)"),
    "interrupted": WITH.format("host.open('p', path, timeout=60)"),
    "interrupted while it closes": WITH.format("reload(); sys.stdin.read()"),
    "closes nothing": """
host = PluginHost(dispatch="thread", snapshot_dir=sys.argv[2])
reload()
sys.stdin.read()
print("ends", flush=True)
""",
}


ENDS = {"timeout": "TimeoutError\n", "interrupted": "KeyboardInterrupt\n", "closes nothing": "ends\n"}


def started(how: str, tmp_path: Path) -> subprocess.Popen[str]:
    """A program whose plugin is being imported for ever."""
    path = tmp_path / "plug.py"
    path.write_text("print('imported', flush=True)\nimport time\nwhile True: time.sleep(1)")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(PROGRAMS[how]), str(path), str(tmp_path / "snapshots")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout and program.stdout.readline() == "imported\n"
    return program


@pytest.mark.parametrize("how", ENDS)
def test_a_program_ends_although_an_import_never_does(how: str, tmp_path: Path) -> None:
    with started(how, tmp_path) as program:
        try:
            if how == "interrupted":
                program.send_signal(signal.SIGINT)
            output, errors = program.communicate(timeout=BOUND)
        finally:
            program.kill()
    assert (program.returncode, output, errors) == (0, ENDS[how], "")
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_ctrl_c_ends_the_waiting_in_close(tmp_path: Path) -> None:
    with started("interrupted while it closes", tmp_path) as program:
        assert program.stdin and program.stdout
        try:
            program.stdin.close()

            def ended() -> bool:
                program.send_signal(signal.SIGINT)  # the first may come before the waiting
                return program.poll() is not None

            wait_until("ended", ended)
        finally:
            program.kill()
