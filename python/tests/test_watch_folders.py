# SPDX-License-Identifier: MIT
"""watch() and awatch() of folders: what they give out, and every way in which they end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from conftest import BOUND, as_soon_as_it_is_watched, wait_until
from loops import RUNNERS, run
from qtforge.monitoring import Change, Event, PluginHotReloadManager, _living, awatch, watch
from qtforge.monitoring import watchfiles as compatible


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my plugins" / "fx").mkdir(parents=True)
    (tmp_path / "my plugins" / "a.py").write_text("v0")
    return tmp_path / "my plugins"


@pytest.fixture(params=list(RUNNERS))
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def seen(event: Event) -> tuple[Change | None, str]:
    return event.change, event.path


def test_what_happens_in_a_folder_is_iterated_over(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, lambda: (plugins / "b.py").write_text("v1"))
    (plugins / "single").write_text("v0")
    found = watch("my plugins/", "my plugins/single", include="*.py", timeout=BOUND, quiet_ms=30)
    event = next(found)
    assert (*seen(event), event.plugin_id) == (Change.added, "my plugins/b.py", "my plugins/b.py")
    (plugins / "single").unlink()  # no change of a file that is named
    (plugins / "b.py").write_text("v2")
    assert seen(next(found)) == (Change.modified, "my plugins/b.py")
    (plugins / "b.py").unlink()
    assert seen(next(found)) == (Change.removed, "my plugins/b.py")
    (plugins / "single").write_text("v1")
    assert seen(next(found)) == (Change.modified, "my plugins/single")


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_file_that_a_folder_finds_and_that_is_named_too_is_watched_once(
    plugins: Path, monkeypatch: pytest.MonkeyPatch, folder_first: bool
) -> None:
    paths = ["my plugins", "my plugins/a.py"]
    as_soon_as_it_is_watched(monkeypatch, lambda: (plugins / "a.py").write_text("v1"))
    found = watch(*(paths if folder_first else reversed(paths)), timeout=BOUND, quiet_ms=30)
    assert seen(next(found)) == (Change.modified, "my plugins/a.py")
    (plugins / "b.py").write_text("v1")
    assert seen(next(found)) == (Change.added, "my plugins/b.py")
    (plugins / "a.py").unlink()
    assert seen(next(found)) == (Change.removed, "my plugins/a.py")


def test_a_stop_event_ends_the_iteration(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    as_soon_as_it_is_watched(monkeypatch, stop.set)
    assert list(watch(plugins, stop_event=stop)) == []
    assert list(compatible.watch(plugins, stop_event=stop)) == []
    assert _living.count() == 0


def test_several_watches_at_once_in_threads(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Barrier(4, timeout=BOUND)
    as_soon_as_it_is_watched(monkeypatch, ready.wait)
    found: dict[int, set[tuple[Change, str]]] = {}

    def consume(number: int) -> None:
        found[number] = next(compatible.watch(plugins))

    threads = [threading.Thread(target=consume, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    (plugins / "b.py").write_text("v1")
    for thread in threads:
        thread.join(BOUND)
    assert found == {number: {(Change.added, str(plugins / "b.py"))} for number in range(3)}


@pytest.mark.parametrize("kind", [watch, compatible.watch])
def test_ctrl_c_leaves_the_loop(kind: Any, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    as_soon_as_it_is_watched(monkeypatch, timer.start)
    with pytest.raises(KeyboardInterrupt):
        next(kind(plugins))
    timer.join()
    assert _living.count() == 0


def test_inside_a_running_loop_it_blocks_as_every_iterator_does(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, lambda: (plugins / "b.py").write_text("v1"))

    async def main() -> set[tuple[Change, str]]:
        return next(compatible.watch(plugins))

    assert asyncio.run(main()) == {(Change.added, str(plugins / "b.py"))}


async def first(changes: AsyncIterator[Any]) -> Any:
    async with aclosing(cast(Any, changes)) as closing:
        async for change in closing:
            return change
    return None


def test_on_every_loop(library: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [plugins / "b.py", plugins / "fx" / "c.py"]
    left = iter(files)
    as_soon_as_it_is_watched(monkeypatch, lambda: next(left).write_text("v1"))

    async def main() -> None:
        assert seen(await first(awatch(plugins, quiet_ms=30))) == (Change.added, str(files[0]))
        assert await first(compatible.awatch(plugins)) == {(Change.added, str(files[1]))}

    run(library, main)
    assert _living.count() == 0


@pytest.mark.parametrize("kind", [awatch, compatible.awatch])
def test_a_stop_event_of_the_loop(kind: Any, library: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        stop = anyio.Event()
        as_soon_as_it_is_watched(monkeypatch, stop.set)
        async for _ in kind(plugins, stop_event=stop):
            pytest.fail("nothing has changed")

    run(library, main)


@pytest.mark.parametrize("kind", [awatch, compatible.awatch])
def test_cancelled(kind: Any, library: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with anyio.move_on_after(BOUND) as scope:
            as_soon_as_it_is_watched(monkeypatch, scope.cancel)
            async for _ in kind(plugins):
                pytest.fail("nothing has changed")
        assert scope.cancel_called

    run(library, main)
    wait_until("closed", lambda: _living.count() == 0)


@pytest.mark.parametrize("kind", [awatch, compatible.awatch])
@pytest.mark.filterwarnings("default")  # trio says that a generator was not closed
def test_left_early_without_closing(kind: Any, library: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, lambda: (plugins / "b.py").write_text("v1"))

    async def main() -> None:
        async for _ in kind(plugins):
            break
        gc.collect()
        await anyio.sleep(0)

    run(library, main)
    gc.collect()
    wait_until("closed", lambda: _living.count() == 0)


def test_several_at_once_on_one_loop(library: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching: list[PluginHotReloadManager] = []

    async def main() -> None:
        found: list[Any] = []

        async def consume() -> None:
            found.append(await first(compatible.awatch(plugins)))

        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(consume)
                while len(watching) < 3:
                    await anyio.sleep(0.002)
                (plugins / "b.py").write_text("v1")
        assert found == [{(Change.added, str(plugins / "b.py"))}] * 3

    as_soon_as_it_is_watched(monkeypatch, lambda: watching.append(cast(Any, None)))
    run(library, main)


def test_ctrl_c_in_asyncio(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    as_soon_as_it_is_watched(monkeypatch, timer.start)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(cast(Any, first(compatible.awatch(plugins))))
    timer.join()
    assert _living.count() == 0
