# SPDX-License-Identifier: MIT
"""In real servers: gunicorn with preloading and with gevent's worker, uvicorn with its own reloading."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "check"))

from expected import TEXTS  # noqa: E402

# Not imported: eventlet changes what a fork does.
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("gunicorn", "gevent", "uvicorn"))), reason="needs gunicorn, gevent, uvicorn"
)

# A WSGI application: answers with its process, where it delivers, and how many changes it knows of; and its hook.
APPLICATION, HOOK = (TEXTS[f"docs/python-programs.md python {number}"] for number in (2, 3))
ASGI = """
import contextlib, os
from qtforge.monitoring import PluginHost

@contextlib.asynccontextmanager
async def hosting():
    async with PluginHost(quiet_ms=20) as host:
        yield await host.aopen("p", os.environ["PLUGIN"])

async def app(scope, receive, send):
    global context, plugin
    if scope["type"] == "lifespan":
        await receive()
        context = hosting()
        plugin = await context.__aenter__()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await context.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"{os.getpid()} {VERSION} {plugin.module.VALUE}"
    await send({"type": "http.response.body", "body": body.encode()})
"""


class Connection(http.client.HTTPConnection):
    """To a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=BOUND)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Server:
    def __init__(self, folder: Path, address: Path, process: subprocess.Popen[str]) -> None:
        self.folder, self.process, self._address = folder, process, address

    def ask(self) -> list[str]:
        """The words of one answer; none while the server cannot answer."""
        assert self.process.poll() is None, self.process.communicate()
        connection = Connection(self._address)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode().split()
        except (OSError, http.client.HTTPException):
            return []
        finally:
            connection.close()

    def await_answers(self, workers: int, *words: str) -> set[str]:
        """Until so many processes answer with these words; which they are."""
        seen: dict[str, list[str]] = {}

        def all_say_so() -> bool:
            answer = self.ask()
            if answer:
                seen[answer[0]] = answer[1:]
            return sum(answer == list(words) for answer in seen.values()) == workers

        wait_until(f"{words} of {workers}", all_say_so)
        return {process for process, answer in seen.items() if answer == list(words)}


@contextlib.contextmanager
def serving(folder: Path, *command: str, **environment: Any) -> Generator[Server, None, None]:
    with tempfile.TemporaryDirectory(prefix="s") as short:  # a socket's path may have 107 characters
        address = Path(short) / "socket"
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.replace("SOCKET", str(address)) for word in command)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Server(folder, address, process)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=BOUND)
        finally:
            process.kill()
            process.communicate()


def gunicorn(folder: Path, on_fork: str, *options: str) -> contextlib.AbstractContextManager[Server]:
    (folder / "application.py").write_text(APPLICATION.replace('"ignore"', repr(on_fork)))
    (folder / "plugin.txt").write_text("v0")
    command = ["gunicorn", "-b", "unix:SOCKET", *options, "application:app"]
    return serving(folder, *command)


@pytest.mark.parametrize(
    ("worker", "on_fork", "dispatch"), [("gthread", "reopen", "thread"), ("gevent", "ignore", "gevent")]
)
def test_gunicorn_with_preloading(worker: str, on_fork: str, dispatch: str, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("" if on_fork == "reopen" else HOOK)
    with gunicorn(tmp_path, on_fork, "-w", "2", "-k", worker, "--preload") as server:
        workers = server.await_answers(2, dispatch, "0")
        (tmp_path / "plugin.txt").write_text("version 1")
        assert server.await_answers(2, dispatch, "1") == workers
        os.kill(int(min(workers)), signal.SIGKILL)
        new = server.await_answers(2, dispatch, "1")  # the master knows of that change, too, and makes another worker
        assert max(workers) in new and min(workers) not in new
        (tmp_path / "plugin.txt").write_text("version 22")
        assert server.await_answers(2, dispatch, "2") == new


def test_gunicorn_with_preloading_and_without_the_hook_warns(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "warn", "-w", "1", "--preload") as server:
        server.await_answers(1, "True", "0")
        server.process.send_signal(signal.SIGTERM)
        said, _ = server.process.communicate(timeout=BOUND)
        assert said.count("ForkedProcessWarning: ") == 1 and "Call its reopen()" in said, said


def test_a_gevent_worker_that_makes_the_manager_itself(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "warn", "-w", "1", "-k", "gevent") as server:
        workers = server.await_answers(1, "gevent", "0")
        (tmp_path / "plugin.txt").write_text("version 1")
        assert server.await_answers(1, "gevent", "1") == workers


def test_uvicorn_reloads_the_program_and_the_host_its_plugins(tmp_path: Path) -> None:
    source, plugins = tmp_path / "source", tmp_path / "plugins"
    source.mkdir()
    plugins.mkdir()
    (source / "application.py").write_text(f"VERSION = 1\n{ASGI}")
    (plugins / "plugin.py").write_text("VALUE = 1\n")
    command = ["uvicorn", "--uds", "SOCKET", "--reload", "--reload-dir", str(source), "application:app"]
    with serving(source, *command, PLUGIN=str(plugins / "plugin.py")) as server:
        first = server.await_answers(1, "1", "1")
        (plugins / "plugin.py").write_text("VALUE = 22\n")
        assert server.await_answers(1, "1", "22") == first  # in the process that runs
        (source / "application.py").write_text(f"VERSION = 22\n{ASGI}")
        second = server.await_answers(1, "22", "22")
        assert second != first
        (plugins / "plugin.py").write_text("VALUE = 333\n")
        assert server.await_answers(1, "22", "333") == second
