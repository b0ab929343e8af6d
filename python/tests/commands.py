# SPDX-License-Identifier: MIT
"""The command as a process, and a terminal for it: for the tests of the command line."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import BOUND, wait_until

MODULE = [sys.executable, "-W", "error", "-m", "qtforge.monitoring"]
SCRIPT = [str(Path(sys.executable).with_name("qtforge-hotreload"))]
# Runs a statement and then a program.
AFTER = [MODULE[0], "-c", "import fcntl, os, sys, termios; exec(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"]
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]

# If a shell started the tests as a background job, SIGINT and SIGQUIT are ignored, here and in all children; nohup has
# SIGHUP ignored.
for _number in [*ENDING, signal.SIGHUP]:
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


class Command:
    """The running command with its output as a pipe."""

    def __init__(self, *arguments: object, command: list[str] = MODULE, **options: Any) -> None:
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], text=True, errors="surrogateescape", **settings
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        text: str = self.process.stdout.readline()
        return text.rstrip("\n")

    def words(self) -> list[str]:
        """A line without its time."""
        return self.line().split()[1:]

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """(status, the rest of the output, errors)."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=BOUND)
        return self.process.returncode, out, err


class Commands:
    """Starts ``watch``; ends what a failed test leaves."""

    def __init__(self) -> None:
        self._started: list[Command] = []

    def __call__(self, *arguments: object, **options: Any) -> Command:
        self._started.append(Command("watch", "--quiet", 30, *arguments, **options))
        return self._started[-1]

    def close(self) -> None:
        for command in self._started:
            process = command.process
            process.terminate()  # so that it ends its own command
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(BOUND)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def state_of(process: int) -> str:
    """The letter of a process; "" if there is none any more. A zombie has ended."""
    try:
        letter = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if letter in "ZX" else letter


class Terminal:
    """A person's terminal: tmux with one window."""

    def __init__(self, folder: Path, width: int = 120, height: int = 30, **environment: str) -> None:
        self._tmux = [shutil.which("tmux") or "tmux", "-S", str(folder / "tmux"), "-f", "/dev/null", "-u"]
        unset = ("NO_COLOR", "CI", "COLUMNS", "LINES")
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        self._run(
            "new-session", "-d", "-x", str(width), "-y", str(height), "sh",
            env={**inherited, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"},
        )  # fmt: skip
        settings = "".join(f"export {name}={value}; " for name, value in environment.items())
        self.type(f"cd '{folder}'; PS1='$ '; {settings}clear; echo ready")
        self.shows("\nready")
        self.type("clear")
        wait_until("a clear screen", lambda: "ready" not in self.screen())

    def _run(self, *arguments: str, **options: Any) -> str:
        command = [*self._tmux, *arguments]
        return str(subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)
        self.key("Enter")

    def key(self, name: str) -> None:
        self._run("send-keys", name)

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        return "\n" + self._run("capture-pane", "-p")

    def lines(self) -> list[str]:
        return self.screen().rstrip().splitlines()[1:]

    def shows(self, *texts: str) -> str:
        wait_until(f"the screen shows {texts}:\n{self.screen()}", lambda: all(t in self.screen() for t in texts))
        return self.screen()

    def does_not_show(self, text: str) -> str:
        wait_until(f"the screen does not show {text!r}:\n{self.screen()}", lambda: text not in self.screen())
        return self.screen()

    def watch(self, arguments: str) -> None:
        self.type(f"{shlex.quote(SCRIPT[0])} watch --quiet 30 {arguments}")

    def close(self) -> None:
        self._run("kill-server")
