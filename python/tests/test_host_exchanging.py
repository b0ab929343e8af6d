# SPDX-License-Identifier: MIT
"""What PluginHost gains from the engine: exit first, needs, together, limits of time, coroutines as hooks."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from hosting import Gates, Hosting, plugin_modules, replace
from loops import RUNNERS, run, wait_for
from qtforge.monitoring import (
    Candidate,
    Event,
    EventKind,
    InvalidArgumentError,
    InvalidPathError,
    Plugin,
    PluginHost,
    PluginLoadError,
    PluginSet,
    PluginSpec,
    PluginUnavailableError,
    SafeOptions,
    Step,
    StepLimits,
    Verdict,
)

SOURCE = """
import sys
VERSION = {0}
state = None
def plugin_init(needs=None):
    sys.gates.say('init {0}' + (' with ' + ' '.join(f'{{n}} {{m.VERSION}}' for n, m in needs.items()) if needs else ''))
def plugin_exit(): sys.gates.say('exit {0}')
"""
STATE = """
def plugin_save_state(): return f'state of {0}'
def plugin_restore_state(saved):
    global state
    state = saved
"""


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    yield gates
    gates.leave.set()


@pytest.fixture(params=["thread", "manual"])
def hosting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hosting]:
    with Hosting(tmp_path, dispatch=request.param) as h:
        yield h


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(SOURCE.format(1))
    return path


def is_held(plugin: Plugin) -> bool:
    """Whether uses of a plugin would wait."""
    found = plugin._native.try_acquire(plugin._handle or 0)
    if found is not None:
        plugin._native.release(found[0])
    return found is None


def test_the_old_version_exits_first(hosting: Hosting, path: Path, gates: Gates) -> None:
    source = (
        SOURCE + "import socket\nlistener = None\ndef plugin_init():\n    global listener\n"
        "    listener = socket.create_server(('127.0.0.1', PORT))\n"
        "def plugin_exit(): listener.close()\nPORT = {1}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    path.write_text(source.format(1, number))
    plugin = hosting.open(path, mode="exit_first")
    assert hosting.reload(path, source.format(2, number)).ok and plugin.module.VERSION == 2
    bad = source.format(3, number) + "def plugin_init(): raise OSError('no configuration')"
    outcome = hosting.reload(path, bad)
    assert str(outcome) == "p: generation 3 failed: init: OSError: no configuration; generation 2 goes on"
    assert (outcome.verdict, outcome.step, outcome.present) == (Verdict.FAILED, Step.INIT, 2)
    with socket.create_connection(("127.0.0.1", number)):  # it listens again
        assert plugin.module.VERSION == 2


def test_the_old_version_is_unloaded_first(hosting: Hosting, path: Path, gates: Gates) -> None:
    source = SOURCE + "assert not sys.gates.entered.is_set()\nsys.gates.entered.set()\n"
    source += "def plugin_exit(): sys.gates.entered.clear()\n"
    path.write_text(source.format(1))
    plugin = hosting.open(path, mode="unload_first")
    assert hosting.reload(path, source.format(2)).ok and plugin.module.VERSION == 2
    assert not hosting.reload(path, "1 / 0\n" + source.format(3)).ok
    assert plugin.module.VERSION == 2 and sys.modules[plugin.module.__name__] is plugin.module


def test_a_plugin_is_exchanged_with_what_it_needs(hosting: Hosting, path: Path, tmp_path: Path, gates: Gates) -> None:
    view = tmp_path / "view.py"
    view.write_text(SOURCE.format(10))
    hosting.open(path, "data")
    plugin = hosting.open(view, "view", needs=["data"])
    assert gates.said == ["init 1", "init 10 with data 1"]
    gates.said.clear()
    first, second = hosting.reload(path, SOURCE.format(2)), hosting.next()
    assert (str(first), str(second)) == (
        "data: generation 2 answers now",
        "view: generation 1 answers again, restarted for data generation 2",
    )
    hosting.until("ended", lambda: len(gates.said) == 4)
    assert gates.said == ["init 2", "exit 10", "init 10 with data 2", "exit 1"]
    with hosting.host.use("data", "view") as (data, using):
        assert (data.VERSION, using) == (2, plugin.module)
    with pytest.raises(InvalidArgumentError, match="view"):
        hosting.host.get("data").close()  # type: ignore[union-attr]
    with pytest.raises(InvalidArgumentError, match="nothing"):
        hosting.host.open("x", path, needs=["nothing"], timeout=BOUND)
    plugin.close()
    assert [each.id for each in hosting.host.plugins] == ["data"]


def test_a_set_is_exchanged_when_its_check_agrees(hosting: Hosting, tmp_path: Path, gates: Gates) -> None:
    certificate, key = tmp_path / "certificate.py", tmp_path / "key.py"
    certificate.write_text("PAIR = 1")
    key.write_text("PAIR = 1")

    def check(versions: dict[str, Candidate]) -> object:
        pairs = {Path(version.snapshot_path).read_text() for version in versions.values()}
        return True if len(pairs) == 1 else "the key does not belong to the certificate"

    specs = [PluginSpec("certificate", certificate), PluginSpec("key", key)]
    pair = hosting.host.open_all(specs, together=PluginSet("tls", check, wait=0.3), timeout=BOUND)
    assert [hosting.next().ok, hosting.next().ok] == [True, True]
    replace(certificate, "PAIR = 2")
    outcome = hosting.next()
    assert outcome.waiting and str(outcome) == (
        "certificate: generation 2 waits: the set tls does not fit after 300ms: "
        "the key does not belong to the certificate; generation 1 goes on"
    )
    assert [plugin.module.PAIR for plugin in pair] == [1, 1]
    replace(key, "PAIR = 2")
    assert {str(hosting.next()), str(hosting.next())} == {
        "certificate: generation 2 answers now, together with key generation 2",
        "key: generation 2 answers now, together with certificate generation 2",
    }
    with hosting.host.use("certificate", "key") as used:
        assert [module.PAIR for module in used] == [2, 2]


def test_all_are_opened_or_none(hosting: Hosting, path: Path, tmp_path: Path, gates: Gates) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("1 / 0")
    with pytest.raises(PluginLoadError, match="'bad': ZeroDivisionError"):
        hosting.host.open_all([PluginSpec("good", path), PluginSpec("bad", bad)], timeout=BOUND)
    assert hosting.host.plugins == [] and hosting.host.manager.get_hot_reload_plugins() == []
    hosting.until("ended", lambda: plugin_modules() == [])


def test_a_step_that_takes_too_long_fails_and_is_undone_late(path: Path, tmp_path: Path, gates: Gates) -> None:
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(path, limits=StepLimits(init=0.05, exit=math.inf))
        gates.said.clear()
        outcome = hosting.reload(path, SOURCE.format(2) + "def plugin_init(): sys.gates.wait()")
        assert str(outcome) == (
            "p: generation 2 failed: init: did not return within 50ms; generation 1 goes on; "
            "generation 2 stays loaded until its init returns"
        )
        assert plugin.module.VERSION == 1 and hosting.reload(path, SOURCE.format(3)).ok
        gates.leave.set()
        hosting.until("it exits", lambda: "exit 2" in gates.said)


def test_uses_wait_while_a_state_is_handed_over(path: Path, tmp_path: Path, gates: Gates) -> None:
    path.write_text((SOURCE + STATE).format(1))
    slow = (SOURCE + STATE).format(2).replace("global state", "global state; sys.gates.wait()")
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(path)
        replace(path, slow)
        assert gates.entered.wait(BOUND)
        assert plugin.module.VERSION == 1  # a look does not wait
        used: list[Any] = []

        def use() -> None:
            with plugin.use() as module:
                used.append(module.state)

        user = threading.Thread(target=use)
        user.start()
        user.join(0.02)
        assert user.is_alive() and used == []
        gates.leave.set()
        user.join(BOUND)
        assert used == ["state of 1"] and hosting.next().ok


def test_busy_is_not_bad(hosting: Hosting, path: Path, gates: Gates) -> None:
    path.write_text((SOURCE + STATE).format(1))
    plugin = hosting.open(path, limits=StepLimits(hand_over=0.05))
    with plugin.use() as old:
        outcome = hosting.reload(path, (SOURCE + STATE).format(2))
        assert (outcome.verdict, outcome.attempt, outcome.retry) == (Verdict.POSTPONED, 1, 1.0)
        with plugin.use() as again:
            assert again is old
    assert hosting.next().ok and plugin.module.state == "state of 1"


def test_a_use_in_a_use_does_not_wait(path: Path, tmp_path: Path, gates: Gates) -> None:
    """Otherwise an exchange that waits for the outer one would be postponed again and again."""
    path.write_text((SOURCE + STATE).format(1))
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(path, limits=StepLimits(hand_over=BOUND))
        with plugin.use() as outer:
            replace(path, (SOURCE + STATE).format(2))
            wait_until("held", lambda: is_held(plugin))
            with plugin.use() as inner:
                assert inner is outer and inner.VERSION == 1
        assert hosting.next().ok and plugin.module.state == "state of 1"


def test_a_hook_does_not_wait_for_its_own_exchange(hosting: Hosting, path: Path, gates: Gates) -> None:
    path.write_text((SOURCE + STATE).format(1))
    plugin = hosting.open(path)
    gates.plugin = plugin  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    own = "def plugin_restore_state(_):\n    with sys.gates.plugin.use(): pass\n"
    outcome = hosting.reload(path, SOURCE.format(2) + own)
    assert not outcome.ok and "plugin 'p' is being exchanged" in outcome.message


ASYNC = """
import asyncio, sys
VERSION = {0}
def say(what): sys.gates.say(what)
async def plugin_init():
    say('begins {0}')
    await sys.gates.pause()
    assert sys.modules[__name__].VERSION == VERSION
    say('init {0}')
async def plugin_exit(): say('exit {0}')
async def plugin_save_state(): return VERSION
async def plugin_restore_state(saved):
    global state
    state = saved
"""


@pytest.mark.parametrize("library", RUNNERS)
def test_hooks_are_awaited_on_a_loop(library: str, path: Path, gates: Gates, tmp_path: Path) -> None:
    async def main() -> None:
        async def pause() -> None:
            await wait_for(gates.leave.is_set)

        gates.pause = pause  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        gates.leave.set()
        path.write_text(ASYNC.format(1))
        hosting = Hosting(tmp_path, dispatch="auto")
        async with hosting.host as host:
            plugin = await host.aopen("p", path, timeout=BOUND)
            gates.leave.clear()
            replace(path, ASYNC.format(2))
            await wait_for(lambda: "begins 2" in gates.said)  # the loop goes on
            assert plugin.module.VERSION == 1
            gates.leave.set()
            await wait_for(lambda: plugin.module.VERSION == 2)
            async with plugin.use() as module:
                assert module.state == 1
            with pytest.raises(PluginLoadError, match="aopen"):
                host.open("q", path, timeout=BOUND)  # which blocks the loop
        assert set(gates.said[-2:]) == {"exit 1", "exit 2"}

    run(library, main)


def test_on_a_loop_others_run_while_uses_wait(path: Path, gates: Gates, tmp_path: Path) -> None:
    async def main() -> None:
        path.write_text((SOURCE + STATE).format(1))
        async with Hosting(tmp_path, dispatch="auto").host as host:
            plugin = await host.aopen("p", path, limits=StepLimits(hand_over=BOUND), timeout=BOUND)
            entered, leave = asyncio.Event(), asyncio.Event()

            async def request() -> int:
                async with plugin.use() as module:
                    entered.set()
                    await leave.wait()
                    return int(module.VERSION)

            first = asyncio.create_task(request())
            await entered.wait()
            replace(path, (SOURCE + STATE).format(2))
            await wait_for(lambda: is_held(plugin))
            second = asyncio.create_task(request())
            await asyncio.sleep(0.01)
            leave.set()
            assert (await first, await second) == (1, 2)

    asyncio.run(main())


def test_a_file_that_is_missing_is_waited_for(hosting: Hosting, tmp_path: Path) -> None:
    late = tmp_path / "late.py"
    plugin = hosting.host.open("late", late, allow_missing=True)
    assert hosting.host.plugins == [plugin] and plugin.generation == 0
    with pytest.raises(PluginUnavailableError, match="no version answers"), plugin.use():
        pass
    late.write_text("VALUE = 1")
    assert hosting.next().ok and plugin.module.VALUE == 1
    with pytest.raises(FileNotFoundError):
        hosting.host.open("never", tmp_path / "never.py")


def test_a_directory_is_a_package_with_all_of_its_modules(hosting: Hosting, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    (pack / "sub" / "__pycache__").mkdir(parents=True)
    (pack / "__init__.py").write_text("from .sub.deep import VALUE\n")
    for name in ("sub/__init__.py", "sub/__pycache__/deep.py", "notes.txt", "not-a-module.py"):
        (pack / name).touch()
    (pack / "sub" / "deep.py").write_text("VALUE = 1\n")
    plugin = hosting.open(pack)
    assert plugin.module.VALUE == 1 and plugin.module.__name__.endswith(".p.pack")
    files = sorted(p.name for p in Path(plugin.module.__file__ or "").parent.rglob("*.*"))
    assert files == ["__init__.py", "__init__.py", "deep.py"]
    assert hosting.reload(pack / "sub" / "deep.py", "VALUE = 2\n").ok and plugin.module.VALUE == 2
    with pytest.raises(InvalidPathError, match=r"no __init__\.py"):
        hosting.host.open("q", tmp_path)


def test_patterns_name_companion_files(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text("import helper\nfrom pathlib import Path\nVALUE = Path(__file__).with_name('a.txt').read_text()")
    (tmp_path / "helper.py").touch()
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "odd[1].txt").touch()
    options = SafeOptions(files=["*.py", "[a-b].txt", "odd[1].txt"])
    module = hosting.open(path, safe=options).module
    assert module.VALUE == "text"
    assert sorted(p.name for p in Path(module.__file__ or "").parent.iterdir()) == [
        "a.txt", "helper.py", "odd[1].txt", "plug.py",
    ]  # fmt: skip
    with pytest.raises(InvalidArgumentError, match=r"'\*\.json' matches no file"):
        hosting.host.open("q", path, safe=SafeOptions(files=["*.json"]))


def test_events_are_heard_beside_the_outcomes(path: Path, tmp_path: Path, gates: Gates) -> None:
    events: list[Event] = []
    with Hosting(tmp_path, on_event=events.append) as hosting:
        hosting.open(path)
        assert hosting.reload(path, SOURCE.format(2)).ok
        changed = [e.generation for e in events if e.kind is EventKind.FILE_CHANGED]
        assert changed == [1, 2]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: StepLimits(init=0), InvalidArgumentError),
        (lambda: StepLimits(hand_over=math.inf), InvalidArgumentError),
        (lambda: StepLimits(load="1"), TypeError),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        (lambda: PluginSpec("p", "p.py", needs="abc"), TypeError),
        (lambda: PluginSpec("p", "p.py", mode="never"), ValueError),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        (lambda: PluginSet("s", wait=0), InvalidArgumentError),
        (lambda: PluginHost(on_event=5), TypeError),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ],
)
def test_what_is_no_option_is_named(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="="):
        wrong()
