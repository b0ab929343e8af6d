# SPDX-License-Identifier: MIT
"""A program that uses the package, for the type checkers (and, run, for the tests)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import qtforge
from qtforge.monitoring import (
    Change,
    Event,
    EventKind,
    HotReloadError,
    PluginErrorCode,
    PluginHotReloadManager,
    Result,
    Stats,
    awatch,
    watch,
    watchfiles,
)


def on_reload(plugin_id: str) -> None:
    print(plugin_id.upper())


def on_event(event: Event) -> None:
    kind: EventKind = event.kind
    print(kind.name, event.path, event.generation, event.timestamp_ns)


def on_error(error: Exception) -> None:
    print(error)


def callbacks(path: Path) -> int:
    with qtforge.monitoring.PluginHotReloadManager(quiet_ms=50, dispatch="manual", on_error=on_error) as manager:
        manager.set_reload_callback(on_reload)
        manager.set_event_callback(on_event)
        for file in (path, str(path), bytes(path)):
            result = manager.enable_hot_reload(f"id {file!r}", file)
            if not result:
                error: HotReloadError = result.error
                code: PluginErrorCode = error.code
                print(code.name, error.message)
            any_result: Result = result
            any_result.raise_for_error()
        stats: Stats = manager.stats()
        plugins: list[str] = manager.get_hot_reload_plugins()
        told: int = manager.wait(0.01)
        told += manager.process_events()
        return told + stats.deliveries + len(plugins)


def iteration(manager: PluginHotReloadManager) -> list[str]:
    paths = [change.path for change in manager.changes(timeout=0.01)]
    paths += [change.path for change in watch(__file__, timeout=0.01, check_image=False)]
    return paths


def folders(manager: PluginHotReloadManager, directory: Path) -> list[str]:
    def identify(path: str) -> str | None:
        return None if path.startswith("test") else path

    if not manager.enable_folder("plugins", directory, include="*.py", exclude=["old", "*.bak"], plugin_id=identify):
        return []
    kinds: list[Change | None] = [event.change for event in manager.changes(0.01, discovered=True, removed=True)]
    was_enabled: bool = manager.disable_folder("plugins")
    return [kind.name for kind in kinds if kind is not None and was_enabled]


def sets(directory: Path) -> set[str]:
    def wanted(change: Change, path: str) -> bool:
        return change is not Change.deleted

    for changes in watchfiles.watch(directory, watch_filter=wanted, rust_timeout=10, yield_on_timeout=True):
        return {path for _, path in changes}
    return set()


async def asynchronous() -> int:
    async with PluginHotReloadManager(raise_on_error=True) as manager:
        manager.enable_hot_reload("me", __file__, quiet_ms=10, allow_missing=True)
        async for change in manager.changes(timeout=0.01):
            print(change.plugin_id)
        async for change in awatch(__file__, timeout=0.01, quiet_ms=20):
            print(change.plugin_id)
        told: int = await manager.wait(0.01)
        return told


if __name__ == "__main__":
    assert callbacks(Path(sys.argv[0])) >= 3
    with PluginHotReloadManager() as manager:
        assert iteration(manager) == []
        assert folders(manager, Path(sys.argv[0]).parent) == []
    assert sets(Path(sys.argv[0]).parent) == set()
    assert asyncio.run(asynchronous()) == 0
    print("used")
