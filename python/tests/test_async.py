# SPDX-License-Identifier: MIT
"""async for change in manager.changes(), await manager.wait(): asyncio, uvloop, trio, anyio."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from conftest import BOUND, Host, as_soon_as_it_is_watched, wait_until
from loops import RUNNERS, run, wait_for
from qtforge.monitoring import Event, PluginHotReloadManager, awatch


@pytest.fixture(params=RUNNERS)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text("v0")
    return path


def open_on(file: Path, **options: Any) -> PluginHotReloadManager:
    manager = PluginHotReloadManager(quiet_ms=30, raise_on_error=True, **options)
    manager.enable_hot_reload("p", file)
    return manager


async def bounded(library: str, work: Awaitable[Any]) -> Any:
    with anyio.fail_after(BOUND):
        return await work


def test_callbacks_run_on_the_loop(library: str, tmp_path: Path) -> None:
    async def main() -> None:
        host = Host(tmp_path)
        assert host.manager.dispatch == RUNNERS[library][0]
        async with host.manager:
            for i in range(3):
                host.replace(f"v{i}")
                await wait_for(lambda: host.told)
                assert host.told == [f"v{i}"]
                host.told.clear()
        assert set(host.threads) == {threading.current_thread()}

    run(library, main)


@pytest.mark.parametrize("dispatch", ["auto", "thread", "manual"])
def test_async_for(library: str, dispatch: str, file: Path) -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        async with open_on(file, dispatch=dispatch) as manager:
            file.write_text("v1")
            async for change in manager.changes(timeout=BOUND):
                assert isinstance(change, Event)
                seen.append(file.read_text())
                if len(seen) == 3:
                    break
                file.write_text(f"v{len(seen) + 1}")
            async for change in manager.changes(timeout=0.1):
                raise AssertionError(change)
        return seen

    assert run(library, main) == ["v1", "v2", "v3"]


@pytest.mark.parametrize("dispatch", ["auto", "thread", "manual"])
def test_await_wait(library: str, dispatch: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file, dispatch=dispatch) as manager:
            told: list[str] = []
            manager.set_reload_callback(told.append)
            assert await manager.wait(0.01) == 0
            file.write_text("v1")
            assert await bounded(library, manager.wait()) == 1
            assert told == ["p"]

    run(library, main)


ASYNCIO = [name for name, (kind, _) in RUNNERS.items() if kind == "asyncio"]


@pytest.mark.parametrize("dispatch", ["auto", "thread", "manual"])
@pytest.mark.parametrize("name", ASYNCIO)
def test_wait_is_a_coroutine_for_all_that_asyncio_does_with_one(name: str, dispatch: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file, dispatch=dispatch) as manager:
            told: list[str] = []
            manager.set_reload_callback(told.append)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(manager.wait(), 0.01)
            waiting: list[Awaitable[Any]] = [
                asyncio.create_task(manager.wait(BOUND)),
                asyncio.ensure_future(manager.wait(BOUND)),
                asyncio.gather(manager.wait(BOUND), manager.wait(BOUND)),
                asyncio.shield(manager.wait(BOUND)),
                asyncio.create_task(asyncio.wait_for(manager.wait(), BOUND)),
            ]
            await asyncio.sleep(0)
            file.write_text("v1")
            counts = await asyncio.gather(*waiting)
            assert counts == [1, 1, [1, 1], 1, 1] and told == ["p"]
            cancelled = asyncio.create_task(manager.wait())
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled

    run(name, main)


def test_wait_in_a_task_group(library: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            manager.set_reload_callback(lambda _: None)
            with anyio.fail_after(BOUND):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(manager.wait)
                    tasks.start_soon(manager.wait, BOUND)
                    file.write_text("v1")

    run(library, main)


def test_wait_in_a_trio_nursery(file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            manager.set_reload_callback(lambda _: None)
            with trio.fail_after(BOUND):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(manager.wait)
                    nursery.start_soon(manager.wait, BOUND)
                    file.write_text("v1")

    trio.run(main)


def test_awaiting_wait_inside_a_callback_returns_at_once(library: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            inside: list[Any] = []
            manager.set_reload_callback(lambda _: inside.append(manager.wait()))
            file.write_text("v1")
            assert await bounded(library, manager.wait()) == 1
            assert await inside[0] == 0

    run(library, main)


@pytest.mark.parametrize("dispatch", ["auto", "thread", "manual"])
def test_await_wait_without_a_callback_receives_the_change(library: str, dispatch: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file, dispatch=dispatch) as manager:
            assert await manager.wait(0.01) == 0
            file.write_text("v1")
            assert await bounded(library, manager.wait()) == 1
            async for change in manager.changes(BOUND):
                assert change.plugin_id == "p"
                break

    run(library, main)


def test_a_manager_made_before_the_loop(library: str, file: Path) -> None:
    for dispatch in ("auto", "manual"):
        with open_on(file, dispatch=dispatch) as manager:
            assert manager.dispatch != RUNNERS[library][0]

            async def main(manager: PluginHotReloadManager = manager) -> None:
                file.write_text("v1")
                async for _ in manager.changes():
                    return

            run(library, main)


def test_a_cancelled_loop_loses_nothing(library: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            for _ in range(3):
                with anyio.move_on_after(0.02):
                    async for _ in manager.changes():
                        raise AssertionError("nothing changed")
                file.write_text("next")
                with anyio.move_on_after(0.01):  # ends before it is told
                    async for _ in manager.changes():
                        file.write_text("again")
                async for _ in manager.changes(BOUND):
                    break
                else:
                    raise AssertionError("lost")
                async for _ in manager.changes(0.2):
                    pass

    run(library, main)


def test_close_ends_the_loops_of_all_tasks(library: str, file: Path) -> None:
    async def main() -> list[str]:
        ended: list[str] = []
        manager = open_on(file)

        async def consume(name: str) -> None:
            async for _ in manager.changes():
                raise AssertionError("nothing changed")
            ended.append(name)

        async with anyio.create_task_group() as tasks:
            for name in ("a", "b"):
                tasks.start_soon(consume, name)
            await anyio.sleep(0.02)
            threading.Thread(target=manager.close).start()  # from anywhere
        return ended

    assert sorted(run(library, main)) == ["a", "b"]


def test_aclose_does_not_block_the_loop(library: str, tmp_path: Path) -> None:
    async def main() -> None:
        host = Host(tmp_path, dispatch="thread")
        entered, leave = threading.Event(), threading.Event()

        def slow(_: str) -> None:
            entered.set()
            assert leave.wait(BOUND)

        host.manager.set_reload_callback(slow)
        host.replace("v1")
        await wait_for(entered.is_set)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.manager.aclose)
            await anyio.sleep(0.02)
            leave.set()  # the loop is alive
        assert host.manager.closed

    run(library, main)


def test_awatch_in_one_line(library: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, lambda: file.write_text("v1"))

    async def main() -> str:
        changes = awatch(file, timeout=BOUND, quiet_ms=30)
        try:
            async for change in changes:
                return change.path
            return "not told"
        finally:
            await changes.aclose()  # type: ignore[attr-defined]

    assert run(library, main) == str(file)


def test_what_would_block_the_loop_is_refused(library: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            with pytest.raises(RuntimeError, match="async for"):
                manager.run()
            with pytest.raises(RuntimeError, match="async for"):
                next(manager.changes())
            with pytest.raises(TypeError, match="coroutine function"):
                manager.set_reload_callback(main)  # type: ignore[arg-type]

    run(library, main)


def test_a_wait_that_nobody_awaits_warns(file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert asyncio.iscoroutine(manager.wait())
                gc.collect()
            assert [w.category for w in caught] == [RuntimeWarning]
            assert "PluginHotReloadManager.wait' was never awaited" in str(caught[0].message)

    asyncio.run(main())


def test_another_thread_may_wait_for_a_loops_manager(library: str, file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            manager.set_reload_callback(lambda _: None)
            counted: list[int] = []
            waiting = threading.Event()

            def body() -> None:
                waiting.set()
                counted.append(manager.wait(BOUND))

            thread = threading.Thread(target=body)
            thread.start()
            waiting.wait(BOUND)
            deadline = time.monotonic() + BOUND
            while not counted and time.monotonic() < deadline:  # until the thread is at it
                file.write_text("v")
                await anyio.sleep(0.2)
            thread.join()
            assert counted == [1]

    run(library, main)


def test_loop_closed_before_the_manager(library: str, tmp_path: Path) -> None:
    async def main() -> PluginHotReloadManager:
        closed_elsewhere = PluginHotReloadManager()
        await anyio.to_thread.run_sync(closed_elsewhere.close)
        return PluginHotReloadManager()

    before = len(os.listdir("/proc/self/fd"))
    manager = run(library, main)
    with pytest.raises(RuntimeError, match="loop"):
        manager.wait(0.01)
    manager.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_is_left_after_close(library: str, file: Path) -> None:
    from qtforge.monitoring import _callbacks

    async def main() -> None:
        for dispatch in ("auto", "manual", "thread"):
            async with open_on(file, dispatch=dispatch) as manager:
                file.write_text("next")
                async for _ in manager.changes():
                    break

    run(library, main)
    gc.collect()
    threads = threading.active_count()
    before = (len(os.listdir("/proc/self/fd")), _callbacks.registered())
    for _ in range(5):
        run(library, main)
    assert (len(os.listdir("/proc/self/fd")), _callbacks.registered()) == before
    wait_until("idle worker threads end", lambda: threading.active_count() <= threads)


def test_no_loop() -> None:
    for dispatch in ("asyncio", "trio"):
        with pytest.raises(RuntimeError, match=f"no event loop of {dispatch}"):
            PluginHotReloadManager(dispatch=dispatch)


def test_sys_exit_in_a_callback_ends_the_asyncio_program(file: Path) -> None:
    async def main() -> None:
        async with open_on(file) as manager:
            manager.set_reload_callback(lambda _: exit(7))
            file.write_text("v1")
            await asyncio.sleep(BOUND)

    with pytest.raises(SystemExit) as caught:
        asyncio.run(main())
    assert caught.value.code == 7


def test_a_failed_library_ends_the_waiting(library: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtforge.monitoring import HotReloadError
    from qtforge.monitoring.errors import from_native

    async def main() -> None:
        async with open_on(file, on_error=lambda _: None) as manager:

            def broken(*_: int) -> int:
                raise from_native(-10, "contained")

            manager.set_reload_callback(lambda _: None)
            monkeypatch.setattr(manager._native, "dispatch", broken)
            file.write_text("v1")
            with pytest.raises(HotReloadError, match="contained"):
                await bounded(library, manager.wait())

    run(library, main)
