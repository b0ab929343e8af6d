# SPDX-License-Identifier: MIT
"""A web service that exchanges its plugin under load: no request is dropped, and none sees two versions.

    pip install ./python fastapi uvicorn    # in a clone of the project: the package is not on an index yet
    uvicorn --app-dir examples/python/service service:app

Open http://127.0.0.1:8000/greet/you, change greeter.py, open it again. A version that cannot be imported is not taken;
http://127.0.0.1:8000/plugin says why. GREETER names another plugin.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from qtforge.monitoring import Plugin, PluginHost, PluginOutcome

PATH = Path(os.environ.get("GREETER") or Path(__file__).with_name("greeter.py"))

greeter: Plugin
last: PluginOutcome | None = None


def on_outcome(outcome: PluginOutcome) -> None:
    global last
    last = outcome


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    global greeter
    # On a thread: while a version is being imported, the event loop goes on answering.
    async with PluginHost(dispatch="thread", on_outcome=on_outcome) as host:
        greeter = await host.aopen("greeter", PATH)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/greet/{name}")
async def greet(name: str) -> dict[str, Any]:
    # What is used here stays what it is until the block ends, and its plugin_exit() waits for that.
    with greeter.use() as module:
        return {"version": module.VERSION, "greeting": await module.greet(name)}


@app.get("/plugin")
async def plugin() -> dict[str, Any]:
    return {
        "generation": greeter.generation,
        "refused": None if last is None or last.ok else last.message,
    }
