# SPDX-License-Identifier: MIT
"""Every method from many threads at once; free-threaded builds run them truly in parallel."""

from __future__ import annotations

import functools
import random
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BOUND, wait_until
from qtforge.monitoring import AlreadyExistsError, Event, PluginHost, PluginHotReloadManager

THREADS = 8
ROUNDS = 60


def in_parallel(count: int, body: Callable[[int], None]) -> None:
    """Runs body in threads that start together, and raises what the first of them raises."""
    raised: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait(BOUND)
            body(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_all_methods_at_once(dispatch: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.so" for n in range(4)]
    for file in files:
        file.write_text("v0")
    inside = 0
    overlaps: list[str] = []

    def callback(_: str | Event) -> None:
        nonlocal inside
        inside += 1
        if inside != 1:
            overlaps.append(f"{inside} callbacks at once")
        inside -= 1

    with PluginHotReloadManager(dispatch=dispatch, quiet_ms=-1) as manager:
        manager.set_reload_callback(callback)

        def body(number: int) -> None:
            choose = random.Random(number)
            own = f"own {number}"
            for round_ in range(ROUNDS):
                step = choose.randrange(9)
                if step == 0:
                    files[number % 4].write_text(f"{number} {round_}")
                elif step == 1:
                    assert manager.enable_hot_reload(own, files[number % 4])
                    assert manager.is_hot_reload_enabled(own)
                    assert manager.disable_hot_reload(own)
                elif step == 2:
                    result = manager.enable_hot_reload("shared", files[0])
                    assert result or isinstance(result.error, AlreadyExistsError), result
                elif step == 3:
                    manager.disable_hot_reload("shared")
                elif step == 4:
                    manager.set_reload_callback(callback)
                    manager.set_event_callback(callback if choose.random() < 0.5 else None)
                elif step == 5:
                    for _ in manager.changes(0):
                        break
                elif step == 6:
                    manager.wait(0.001)
                    manager.process_events()
                elif step == 7:
                    manager.set_global_hot_reload_enabled(choose.random() < 0.5)
                    assert manager.stats().plugins >= 0
                else:
                    assert set(manager.get_hot_reload_plugins()) <= {"shared", *(f"own {n}" for n in range(THREADS))}

        in_parallel(THREADS, body)
        # And it is in order afterwards.
        manager.set_global_hot_reload_enabled(True)
        manager.clear()
        manager.set_event_callback(None)
        told: list[str] = []
        manager.set_reload_callback(told.append)
        assert manager.enable_hot_reload("last", files[0])
        files[0].write_text("last")
        wait_until("told", lambda: (manager.wait(0.01), told)[1])
        assert set(told) == {"last"}
    assert overlaps == []


def test_managers_are_made_and_closed_at_once(tmp_path: Path) -> None:
    from qtforge.monitoring import _callbacks, _living

    (tmp_path / "plugin.so").write_text("v0")
    PluginHotReloadManager().close()
    before = (_callbacks.registered(), _living.count())

    def body(number: int) -> None:
        for _ in range(10):
            manager = PluginHotReloadManager(dispatch=("thread", "manual")[number % 2])
            manager.set_reload_callback(print)
            assert manager.enable_hot_reload("p", tmp_path / "plugin.so")
            manager.close()

    in_parallel(THREADS, body)
    assert (_callbacks.registered(), _living.count()) == before


def test_all_threads_may_close(tmp_path: Path) -> None:
    for dispatch in ("thread", "manual"):
        for _ in range(10):
            manager = PluginHotReloadManager(dispatch=dispatch)
            in_parallel(4, lambda _, manager=manager: manager.close())  # type: ignore[misc]
            assert manager.closed and manager._gone.is_set()


def test_uses_never_see_two_versions_or_one_that_has_left(tmp_path: Path) -> None:
    source = (
        "VERSION = {0}\nalive = True\ndef answer():\n    return {0}\n"
        "def plugin_exit():\n    global alive\n    alive = False\n"
    )
    path = tmp_path / "plugin.py"
    path.write_text(source.format(0))
    with PluginHost(dispatch="thread", quiet_ms=-1, snapshot_dir=tmp_path / "snapshots") as host:
        plugin = host.open("p", path)
        last = 10
        seen: set[int] = set()

        def body(number: int) -> None:
            if number == 0:
                for version in range(1, last + 1):
                    wait_until("used", functools.partial(seen.__contains__, version - 1))
                    new = path.with_suffix(".new")
                    new.write_text(source.format(version))
                    new.rename(path)
                return
            while last != plugin.module.VERSION:
                with plugin.use() as module:
                    assert module.answer() == module.VERSION and module.alive
                    seen.add(module.VERSION)

        in_parallel(4, body)
        assert seen >= set(range(last))


def test_the_interpreter_stays_as_free_threaded_as_it_was(tmp_path: Path) -> None:
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    gil = getattr(sys, "_is_gil_enabled", lambda: True)
    assert gil() is not free
