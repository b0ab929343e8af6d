# SPDX-License-Identifier: MIT
"""Whoever stops waiting for a PluginHost leaves nothing behind, and its hooks do not wait for themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BOUND, wait_until
from hosting import Gates, Hosting, replace
from loops import run, wait_for
from qtforge.monitoring import Plugin, StepLimits, Verdict

SOURCE = """
import sys
VERSION = {0}
def plugin_save_state(): pass
def plugin_restore_state(state):
    if VERSION == 2: sys.gates.wait()
"""
CLOSES = """
import sys
async def plugin_init():
    await sys.gates.pause()
    await sys.gates.aclose()
    sys.gates.say("closed")
"""


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    yield gates
    gates.leave.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(SOURCE.format(1))
    return path


def is_pinned(plugin: Plugin) -> bool:
    return any(version.uses for version in plugin._loader.versions)


def test_ctrl_c_ends_the_waiting_for_a_use_of_several(path: Path, tmp_path: Path, gates: Gates) -> None:
    with Hosting(tmp_path) as hosting:
        plugins = [hosting.open(path, "p"), hosting.open(path, "q")]
        replace(path, SOURCE.format(2))
        assert gates.entered.wait(BOUND)
        late = threading.Timer(BOUND, gates.leave.set)  # if Ctrl-C does not end it
        late.start()
        asks = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        asks.start()
        with pytest.raises(KeyboardInterrupt), hosting.host.use("p", "q"):
            pass
        late.cancel()
        assert not gates.leave.is_set()
        gates.leave.set()
        assert hosting.next().ok and hosting.next().ok
        wait_until("the versions were let go", lambda: not any(map(is_pinned, plugins)))


def test_a_cancelled_use_of_several_lets_go_of_the_versions(path: Path, tmp_path: Path, gates: Gates) -> None:
    async def main() -> None:
        hosting = Hosting(tmp_path)
        async with hosting.host as host:
            plugins = [await host.aopen(each, path, timeout=BOUND) for each in ("p", "q")]
            replace(path, SOURCE.format(2))
            await wait_for(gates.entered.is_set)

            async def use() -> None:
                async with host.use("p", "q"):
                    pass

            user = asyncio.create_task(use())
            await asyncio.sleep(0)
            user.cancel()
            with pytest.raises(asyncio.CancelledError):
                await user
            gates.leave.set()
            await wait_for(lambda: all(plugin.generation == 2 for plugin in plugins))
            waiting = [t for t in threading.enumerate() if t.name == "qtforge-hotreload-use"]
            await wait_for(lambda: not any(thread.is_alive() for thread in waiting))
            assert not any(map(is_pinned, plugins))

    asyncio.run(main())


@pytest.mark.parametrize("library", ["asyncio", "trio"])
@pytest.mark.parametrize("what", ["host", "plugin"])
def test_a_hook_that_is_awaited_may_close_its_host(
    library: str, what: str, path: Path, tmp_path: Path, gates: Gates
) -> None:
    async def main() -> None:
        async def pause() -> None:
            await wait_for(gates.leave.is_set)

        gates.leave.set()
        gates.pause = pause  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        host = Hosting(tmp_path, dispatch="auto").host
        plugin = await host.aopen("p", path, limits=StepLimits(init=1), timeout=BOUND)
        gates.aclose = {"host": host, "plugin": plugin}[what].aclose  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        replace(path, CLOSES)
        await wait_for(lambda: gates.said == ["closed"])
        await host.aclose()

    run(library, main)


def test_a_plain_function_that_raises_a_cancellation_has_failed(path: Path, tmp_path: Path) -> None:
    with Hosting(tmp_path) as hosting:
        hosting.open(path)
        outcome = hosting.reload(path, "import asyncio\nraise asyncio.CancelledError")
        assert outcome.verdict is Verdict.FAILED and "CancelledError" in outcome.message


def test_a_plugin_is_not_waited_for_in_the_child_of_a_fork(path: Path, tmp_path: Path) -> None:
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(path)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)  # ends a child that waits for ever
            hosting.host.close()
            plugin.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert plugin.module.VERSION == 1
