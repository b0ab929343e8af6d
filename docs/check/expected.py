# SPDX-License-Identifier: MIT
"""What the reader of each snippet sees. A snippet that is not in here fails the check."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from drive import Change, Script, Step
from snippets import snippets

TEXTS = {snippet.name: snippet.text for snippet in snippets()}


def rewrite(name: str, content: str = "version = {}\n") -> Change:
    """Another version of a text file, written in place."""

    def change(folder: Path, number: int) -> None:
        (folder / name).write_text(content.replace("{}", str(number)))

    return change


def remove(name: str) -> Change:
    """A file is deleted."""
    return lambda folder, number: (folder / name).unlink(missing_ok=True)


def publish(name: str, content: str) -> Change:
    """Another version of a text file, exchanged at once."""

    def change(folder: Path, number: int) -> None:
        new = folder / f"{name}.new"
        new.write_text(content.replace("{}", str(number)))
        os.replace(new, folder / name)

    return change


def shell(name: str) -> Change:
    """What the documentation has the reader type in another terminal."""

    def change(folder: Path, number: int) -> None:
        subprocess.run(["sh", "-e", "-c", TEXTS[name]], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    return change


def library(answer: int) -> Change:
    """A version of the C plugin of the documentation, exchanged at once."""

    def change(folder: Path, number: int) -> None:
        (folder / "plugin.c").write_text(TEXTS["docs/safe-reload.md c 2"])
        command = f"cc -shared -fPIC -DANSWER={answer} plugin.c -o new.so && mv new.so plugin.so"
        subprocess.run(["sh", "-c", command], cwd=folder, check=True)

    return change


def greeter(word: str) -> Change:
    """Another version of a Python plugin, and its sum in the allow-list first."""

    def change(folder: Path, number: int) -> None:
        content = f"def greet(name):\n    return f'{word} {{name}}'\n# {number}\n"
        with (folder / "plugins" / "SHA256SUMS").open("a") as sums:
            sums.write(f"{hashlib.sha256(content.encode()).hexdigest()}  greeter.py\n")
        publish("plugins/greeter.py", content)(folder, number)

    return change


def without_qt(folder: Path) -> None:
    """CMake has not searched for Qt."""
    cache = (folder / "build" / "hosts" / "CMakeCache.txt").read_text()
    assert "HotReload_DIR" in cache and "Qt" not in cache, cache


PLUGIN_SO = Step("my_plugin needs a reload", rewrite("plugin.so"))
PLUGIN_PY = Step("plugin.py has a new version", rewrite("plugin.py"))
CMAKE = Step(r"(-- |\[).*")
OUTCOME = r"greeter: generation \d+ answers now"

IN_PLUGINS = Script(
    [Step("modified .*/plugins/greeter.py", rewrite("plugins/greeter.py"))],
    "interrupt",
    also=r"modified .*/plugins/greeter\.py",
)

# Run with the installed Python package.
PYTHON: dict[str, Script] = {
    "README.md python 1": Script([PLUGIN_SO], "interrupt"),
    "docs/python.md python 1": Script([PLUGIN_PY], "interrupt"),
    "docs/python.md python 2": Script(
        [
            Step("modified plugins/greeter.py", rewrite("plugins/greeter.py")),
            Step("added plugins/new.py", rewrite("plugins/new.py")),
        ],
        "interrupt",
        also=r"(modified|added) plugins/(greeter|new)\.py",
    ),
    "docs/python.md python 3": Script([Step("my_plugin needs a reload", rewrite("plugin.py"))], "interrupt"),
    "docs/python.md python 5": Script(
        [
            Step("greeter version 1: works"),
            Step("Hello you"),
            Step(r"greeter version [2-9]: works", greeter("Good day")),
            Step(r"greeter version \d: SyntaxError: .*", publish("plugins/greeter.py", "def greet(:\n# {}\n")),
        ],
        "interrupt",
    ),
    "docs/python.md python 6": Script([Step("PluginFileNotFoundError FileNotFound")]),
    "docs/python.md python 7": Script([Step("0 so far"), Step(r"p \d+", rewrite("plugin.py"))]),
    "docs/python.md python 8": Script([Step("plugin.py", rewrite("plugin.py"))]),
    "docs/python.md python 9": Script([Step("p", rewrite("plugin.py"))]),
    "docs/python.md python 10": Script([Step("p\n1 delivered", rewrite("plugin.py"))]),
    "docs/python.md python 11": Script(
        [Step("greeter is on the list"), Step("rejected: plugin 'stranger': .*allow-list.*")]
    ),
    "docs/metrics.md python 1": Script([Step(r"1(\.0)? plugin")]),
    "docs/from-watchfiles.md python 1": IN_PLUGINS,
    "docs/python-programs.md python 1": Script(
        [Step("p needs a reload, says gevent", rewrite("plugin.py"))],
        "interrupt",
        also=r"KeyboardInterrupt\n[-\d]+T[:\d]+Z",  # the hub says so
    ),
    "docs/qtforge.md python 1": Script([Step("<class 'qtforge.monitoring._manager.PluginHotReloadManager'>")]),
    "docs/safe-reload.md python 1": Script(
        [
            Step(r"version 0\n"),
            Step(r"version [1-9]\d*\n", rewrite("plugin.py")),
            Step("rejected: .*uses eval", rewrite("plugin.py", "eval('{}')\n")),
            Step(r"back to generation \d+", rewrite("plugin.py", "raise RuntimeError({})\n")),
            Step(r"version 9\d+", rewrite("plugin.py", "version = 9{}\n")),
        ],
        "interrupt",
    ),
    "docs/safe-reload.md python 2": Script(
        [
            Step("Hello you"),
            Step(OUTCOME.replace(r"\d+", "2"), greeter("Good day")),
            Step(OUTCOME),
        ],
        "interrupt",
    ),
    "python/README.md python 1": Script([PLUGIN_PY], "interrupt"),
    "python/README.md python 3": Script(
        [Step("Hello you"), Step("Good day you", greeter("Good day")), Step(OUTCOME)], "interrupt"
    ),
    "python/src/qtforge/monitoring/_reloading.py python 1": Script(
        [Step("Good day you", publish("greeter.py", "def greet(name):\n    return 'Good day ' + name\n# {}\n"))],
        "interrupt",
    ),
    "python/src/qtforge/monitoring/_watch.py python 1": Script([Step("plugin.so", rewrite("plugin.so"))], "interrupt"),
    "python/src/qtforge/monitoring/_watch.py python 2": Script(
        [Step("FILE_CHANGED plugins/greeter.py", rewrite("plugins/greeter.py"))], "interrupt", also="FILE_CHANGED .*"
    ),
    "python/src/qtforge/monitoring/_watch.py python 3": Script([Step("plugin.so", rewrite("plugin.so"))]),
    "python/src/qtforge/monitoring/watchfiles.py python 1": IN_PLUGINS,
    "python/src/qtforge/monitoring/watchfiles.py python 2": Script(
        [Step(r"\['.*/plugins/greeter.py'\]", rewrite("plugins/greeter.py"))],
        "interrupt",
        also=r"\['.*/plugins/greeter.py'\]",
    ),
}

# Shell commands, with the installed Python package. The command line says what it does; make may be interrupted.
LOG = r".*(plugin\.py|make: ).*"
BUILD = Script(
    [Step("serving version 0"), Step(r"serving version [1-9]\d*", rewrite("src/plugin.c", "version {}\n"))],
    "interrupt",
    also=r".*(plugin\.so|server|make: ).*",
)
PYTHON_SHELL: dict[str, Script] = {
    "README.md sh 6": Script([]),
    "docs/python.md sh 1": Script([]),
    "docs/python.md sh 2": Script([Step("restarted", rewrite("plugin.py"))], "interrupt", also=LOG),
    "docs/python.md sh 3": Script([Step(r'\{.*"changed".*"plugin.py".*\}', rewrite("plugin.py"))], also=LOG),
    "docs/python.md sh 4": BUILD,
    "python/README.md sh 1": Script([]),
    "python/README.md sh 2": Script([Step("restarted", rewrite("plugin.py"))], "interrupt", also=LOG),
    "python/README.md sh 3": BUILD,
}

# Each document in one folder, from top to bottom: programs are saved under their names, commands are run.
NATIVE: dict[str, Script] = {
    "README.md sh 2": Script([PLUGIN_SO], "enter"),
    "README.md sh 3": Script([PLUGIN_SO], "enter"),
    "README.md sh 4": Script([CMAKE, PLUGIN_SO], "enter", after=without_qt),
    "README.md sh 5": Script([CMAKE, PLUGIN_SO, Step('"my_plugin" "plugin.so"')], "interrupt"),
    "docs/safe-reload.md sh 1": Script(
        [Step("the plugin answers 42"), Step("the plugin answers 43", shell("docs/safe-reload.md sh 2"))], "enter"
    ),
    "docs/safe-reload.md sh 3": Script(
        [
            CMAKE,
            Step('"greeter" 1 "Hello"'),
            Step(r'"greeter" \d "Good day"', shell("docs/safe-reload.md sh 4")),
        ],
        "interrupt",
    ),
    "docs/folders.md c 1": Script(
        [
            Step(r"plugins/echo\.so was found\n", rewrite("plugins/echo.so")),
            Step(r"plugins/echo\.so: load generation [1-9]\d* of plugins/echo\.so\n"),
            Step(r"plugins/echo\.so is gone\n", remove("plugins/echo.so")),
        ],
        "enter",
        before=lambda folder, number: (folder / "plugins").mkdir(),
    ),
    "docs/metrics.md c 1": Script([Step(r"(?s)# TYPE hotreload_failed gauge.*\nhotreload_plugins 0\n.*# EOF")]),
    "docs/security-model.md c 1": Script([Step("rejected: there is no signature .*plugin.so.minisig.*")], "enter"),
    "docs/packaging.md sh 1": Script([]),
    "docs/packaging.md sh 2": Script([CMAKE]),
    "include/hot_reload_canary.h c 1": Script([Step("it loads, and its init succeeds")], before=library(42)),
    "include/hot_reload_manager.h c 1": Script([PLUGIN_SO], "enter"),
    "include/hot_reload_plugin.h c 1": Script(
        [Step("the plugin answers 42"), Step("the plugin answers 43", library(43), types="\n")],
        "eof",
        before=library(42),
    ),
}

# Run as a part of the one named.
PART_OF = {
    "docs/safe-reload.md sh 2": "docs/safe-reload.md sh 1",
    "docs/safe-reload.md sh 4": "docs/safe-reload.md sh 3",
}

# Run by another test, which is named.
ELSEWHERE = {
    "docs/python-programs.md python 2": "python/tests/test_servers.py",
    "docs/python-programs.md python 3": "python/tests/test_servers.py",
    "docs/qtforge.md cmake 1": "capi/qt/qtforge/installed",
    "docs/qtforge.md cmake 2": "capi/qt/qtforge/installed",
    "docs/qtforge.md cpp 1": "capi/qt/qtforge/installed",
    "examples/python/notebook/notebook.ipynb python 1": "python/tests/test_example_hosts.py",
}

# Too long to be run here, or in need of another machine: their targets, options and files exist.
NAMED_ONLY = (
    "README.md sh 1",
    "docs/benchmarks.md sh 1",
    "docs/performance.md sh 1",
    "docs/performance.md sh 2",
    "docs/performance.md sh 3",
    "docs/quiet-period.md sh 1",
)
