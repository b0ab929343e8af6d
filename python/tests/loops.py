# SPDX-License-Identifier: MIT
"""The event loops that a host may have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import trio
import uvloop
from conftest import BOUND

Main = Callable[[], Awaitable[Any]]


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """As Windows' proactor loop and PySide6.QtAsyncio are."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


def run_on(factory: Callable[[], asyncio.AbstractEventLoop], main: Main) -> Any:
    loop = factory()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def run_readerless(main: Main) -> Any:
    # The loop itself needs a reader for its own pipe, which it adds through another method.
    return run_on(LoopWithoutReaders, main)


RUNNERS: dict[str, tuple[str, Callable[[Main], Any]]] = {
    "asyncio": ("asyncio", lambda main: asyncio.run(main())),  # type: ignore[arg-type]
    "uvloop": ("asyncio", lambda main: run_on(uvloop.new_event_loop, main)),
    "loop without add_reader": ("asyncio", run_readerless),
    "trio": ("trio", lambda main: trio.run(main)),
    "anyio": ("asyncio", lambda main: anyio.run(main, backend="asyncio")),
    "anyio on trio": ("trio", lambda main: anyio.run(main, backend="trio")),
}


def run(library: str, main: Main) -> Any:
    return RUNNERS[library][1](main)


async def wait_for(condition: Callable[[], object]) -> None:
    with anyio.fail_after(BOUND):
        while not condition():
            await anyio.sleep(0.002)
