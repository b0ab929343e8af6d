# SPDX-License-Identifier: MIT
"""The larger examples, as their users run them: a web service under load, a window, a notebook."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def publish(path: Path, content: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(content)
    os.replace(new, path)


# ------------------------------------------------------------------------------------------ the service

GREETER = """
import asyncio
import functools
from pathlib import Path
VERSION = {version}
async def greet(name):
    while name == "slow" and not Path({gate!r}).exists():
        Path({pinned!r}).touch()
        await asyncio.sleep(0.002)
    await asyncio.sleep(0)  # others run, and may be answered by the next version
    return f"Hello {{name}} from {{VERSION}}"
def plugin_exit():
    with open({log!r}, "a") as log:
        print(VERSION, file=log)
"""


class Client:
    """One connection that is kept alive, as a proxy's; every answer that is not what it must be counts as failed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.answers: list[dict[str, Any]] = []
        self.failed: list[str] = []

    @classmethod
    async def connect(cls, socket: Path) -> Client:
        return cls(*await asyncio.open_unix_connection(str(socket)))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def get(self, path: str) -> dict[str, Any]:
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: example\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await self.reader.readexactly(length)
        if " 200 " not in head.partition("\r\n")[0]:
            raise AssertionError(f"{head}{body!r}")
        return dict(json.loads(body))

    async def greet(self, name: str) -> None:
        try:
            answer = await self.get(f"/greet/{name}")
            assert answer["greeting"] == f"Hello {name} from {answer['version']}", answer
            self.answers.append(answer)
        except Exception as error:
            self.failed.append(f"{name}: {error!r}")
            raise


async def until(what: str, condition: Callable[[], Any]) -> None:
    async def ask() -> None:
        while True:
            answer = condition()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.002)

    try:
        await asyncio.wait_for(ask(), BOUND)
    except asyncio.TimeoutError:
        raise AssertionError(f"{what}: not within {BOUND} s") from None


def test_no_request_fails_while_the_service_exchanges_its_plugin(tmp_path: Path) -> None:
    plugin, gate, log, socket = (tmp_path / n for n in ("greeter.py", "gate", "log", "socket"))
    pinned = tmp_path / "pinned"

    def source(version: int) -> str:
        return GREETER.format(version=version, gate=str(gate), pinned=str(pinned), log=str(log))

    plugin.write_text(source(1))
    clients: list[Client] = []
    stop = False

    async def load(client: Client) -> None:
        while not stop:
            await client.greet("you")

    async def listening() -> bool:
        assert server.poll() is None
        try:
            await (await Client.connect(socket)).close()
        except OSError:
            return False
        return True

    def used_by_all(version: int) -> bool:
        return all(client.answers[-1]["version"] == version for client in clients)

    async def main() -> None:
        nonlocal stop
        await until("listening", listening)
        clients.extend([await Client.connect(socket) for _ in range(8)])
        slow, control = await Client.connect(socket), await Client.connect(socket)
        tasks = [asyncio.create_task(load(client)) for client in clients]
        held = asyncio.create_task(slow.greet("slow"))
        await until("version 1 is pinned", pinned.exists)
        await until("version 1 is used by all", lambda: all(client.answers for client in clients))
        for version in range(2, 12):
            if version % 3 == 0:
                publish(plugin, f"VERSION = {version}\ndef greet(:")

                async def refused() -> bool:
                    return "SyntaxError" in ((await control.get("/plugin"))["refused"] or "")

                await until("refused", refused)
                continue
            publish(plugin, source(version))
            await until("used by all", functools.partial(used_by_all, version))
        assert "1" not in log.read_text().split()  # still in use
        gate.touch()
        await held
        assert [a["version"] for a in slow.answers] == [1]
        await until("left", lambda: "1" in log.read_text().split())
        stop = True
        await asyncio.gather(*tasks)
        for client in (*clients, slow, control):
            await client.close()

    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "service:app", "--uds", str(socket), "--log-level", "warning"],
        cwd=EXAMPLES / "service",
        env={**os.environ, "GREETER": str(plugin), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            asyncio.run(main())
            server.terminate()
            output, _ = server.communicate(timeout=BOUND)
        finally:
            server.kill()
    failed = [failure for client in clients for failure in client.failed]
    answers = [answer["version"] for client in clients for answer in client.answers]
    assert failed == [] and output == "", (failed, output)
    assert set(answers) == {1, 2, 4, 5, 7, 8, 10, 11}
    exited = log.read_text().split()
    assert sorted(exited, key=int) == ["1", "2", "4", "5", "7", "8", "10", "11"]
    assert exited[-1] == "11" and exited[:5] == ["2", "4", "5", "7", "8"]  # 10 ends when it does: nobody waits for that


# ------------------------------------------------------------------------------------------ the window


def test_the_window_shows_each_version_that_works(tmp_path: Path) -> None:
    face = tmp_path / "face.py"
    source = (EXAMPLES / "window" / "face.py").read_text()
    face.write_text(source)
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / "window" / "window.py"), str(face), "4"],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as window:
        assert window.stdout and window.stderr
        lines = iter(window.stdout.readline, "")
        assert next(lines) == "showing version 1\n"
        publish(face, source.replace("version 1", "version 2"))
        assert next(lines) == "showing version 2\n"
        publish(face, source.replace("def make_widget", "def make_widget(:"))
        assert next(lines).startswith("kept: SyntaxError")
        publish(face, source.replace("button = QPushButton", "button = NoSuchButton"))  # loads, and cannot be shown
        assert next(lines) == "showing version 2\n"
        publish(face, source.replace("version 1", "version 3"))
        assert next(lines) == "showing version 3\n"
        assert window.wait(BOUND) == 0, window.stderr.read()
        # The platform that draws nowhere says so.
        assert [line for line in window.stderr if "propagateSizeHints" not in line] == []


# ------------------------------------------------------------------------------------------ the notebook

EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = []
for cell in notebook.cells:
    if cell.cell_type == "code":
        outputs.append("".join(o.get("text") or o["data"]["text/plain"] for o in cell.outputs).strip())
print(json.dumps(outputs))
"""


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(EXAMPLES / "notebook" / "notebook.ipynb"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"},
    )
    assert done.returncode == 0, done.stderr
    made, changed, refused, followed, closed = json.loads(done.stdout)
    assert (made, changed, closed) == ("41", "42", "")
    assert refused.startswith("SyntaxError") and refused.endswith("42")
    assert followed == "data.csv 3,4"


@pytest.mark.parametrize("module", ["service/greeter.py", "window/face.py"])
def test_the_examples_own_plugins_load(module: str, tmp_path: Path) -> None:
    from qtforge.monitoring import PluginHost

    copy = shutil.copy(EXAMPLES / module, tmp_path)
    with PluginHost(dispatch="manual", snapshot_dir=tmp_path / "snapshots") as host:
        assert host.open("p", copy).module.__doc__
