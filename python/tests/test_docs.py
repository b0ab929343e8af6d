# SPDX-License-Identifier: MIT
"""Every Python snippet and every command of the Python package in the documentation does what its reader expects."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from qtforge.monitoring import _library

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "check"))

from drive import Script, Step, drive, heed_interrupts  # noqa: E402
from expected import PYTHON, PYTHON_SHELL, TEXTS  # noqa: E402
from links import dead_links  # noqa: E402
from snippets import snippets, snippets_of  # noqa: E402

SCRIPTS = Path(sysconfig.get_path("scripts"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the plugins that the documentation speaks of."""
    heed_interrupts()
    (greeter,) = {s.text for s in snippets() if s.file == "plugins/greeter.py"}
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "greeter.py").write_text(greeter)
    (tmp_path / "plugins" / "stranger.py").write_text("")
    sums = f"{hashlib.sha256(greeter.encode()).hexdigest()}  greeter.py\n"
    (tmp_path / "plugins" / "SHA256SUMS").write_text(sums)
    (tmp_path / "greeter.py").write_text(greeter)
    (tmp_path / "plugin.so").write_text("version 0")
    (tmp_path / "plugin.py").write_text("version = 0\n")
    (tmp_path / "Makefile").write_text(
        "restart:\n\t@echo restarted\nplugin.so: src/plugin.c\n\tcp src/plugin.c plugin.so\n"
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "plugin.c").write_text("version 0\n")
    (tmp_path / "server").write_text('#!/bin/sh\necho "serving $(cat plugin.so)"\nexec sleep 600\n')
    (tmp_path / "server").chmod(0o755)
    (tmp_path / "python").symlink_to(ROOT / "python")
    return tmp_path


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", PYTHON)
def test_a_program_of_the_documentation_runs_as_it_stands(name: str, folder: Path) -> None:
    (folder / "host.py").write_text(TEXTS[name])
    drive([sys.executable, "-u", "-W", "error", "host.py"], folder, PYTHON[name], {"QT_QPA_PLATFORM": "offscreen"})


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", [name for name in PYTHON_SHELL if "pip install" not in TEXTS[name]])
def test_a_command_of_the_documentation_runs_as_it_stands(name: str, folder: Path) -> None:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    drive(["sh", "-e", "-c", TEXTS[name]], folder, PYTHON_SHELL[name], {"PATH": path, "PYTHONUNBUFFERED": "1"})


@pytest.mark.timeout(180)
@pytest.mark.parametrize("command", dict.fromkeys(TEXTS[n] for n in PYTHON_SHELL if "pip install" in TEXTS[n]))
def test_the_command_that_installs_the_package_does(command: str, folder: Path) -> None:
    commands = folder / "commands"
    commands.mkdir()
    (commands / "python3").write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    (commands / "python3").chmod(0o755)
    bin = folder / "environment" / "bin"
    environment = {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PIP_REQUIRE_VIRTUALENV": "1",  # distributions let pip install nowhere else
        # Building the library is tested elsewhere, and takes long.
        "QTFORGE_MONITORING_PREBUILT": str(Path(_library.__file__).parent / "_lib" / "libhotreload.so"),
        "PIP_QUIET": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    drive(["sh", "-e", "-c", command], folder, Script([]), environment)
    drive([str(bin / "python"), "-c", "import qtforge.monitoring"], folder, Script([]))
    drive([str(bin / "qtforge-hotreload"), "watch", "--help"], folder, Script([Step(r"(?s).+")]))
    has_table = subprocess.run([str(bin / "python"), "-c", "import wcwidth"], stderr=subprocess.DEVNULL).returncode == 0
    assert has_table == ("[cli]" in command)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.md", "```rust\nfn\n```\n", "rust"),
        ("a.md", "```\ntext\n```\n", "no language"),
        ("a.md", "```text\nmake lib\n```\n", "no picture"),
        ("a.md", "```c\nint x;\n", "has no end"),
        ("a.h", "/*\n *   hrm_manager_destroy(m);\n */\n", "outside of"),
        ("a.h", "/*\n *   \\code\n *   int x;\n */\n", "without"),
        ("a.py", 'def f():\n    """Does.\n\n        f()\n\n    """\n', 'no "::" introduces'),
        ("a.py", '"""Does.\n\n>>> f()\n"""\n', ">>>"),
    ],
)
def test_code_that_no_test_could_find_is_an_error(name: str, text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=what):
        snippets_of(tmp_path / name, tmp_path)


def test_each_kind_of_block_is_found(tmp_path: Path) -> None:
    documents = {
        "a.md": "<!-- file: x.c -->\n```c\nint x;\n```\n<!-- adds to: x.c -->\n```c\nint y;\n```\n"
        "- item\n\n      not code\n\nText:\n\n    make lib\n```text\na ──► b\n```\n",
        "a.h": "/* A.\n *   \\code\n *   int x;\n *\n *   int y;\n *   \\endcode\n */\n",
        "a.py": 'class A:\n    """Does::\n\n        f()\n\n        g()\n\n    Then:\n\n        a/b  text\n    """\n',
        "a.ipynb": '{"cells": [{"cell_type": "code", "source": ["x = 1\\n", "x"]}]}',
    }
    found: list[tuple[str, str, str | None, bool]] = []
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
        found += [(s.name, s.text, s.file, s.added) for s in snippets_of(tmp_path / name, tmp_path)]
    assert found == [
        ("a.md c 1", "int x;\n", "x.c", False),
        ("a.md c 2", "int y;\n", "x.c", True),
        ("a.md sh 1", "make lib\n", None, False),
        ("a.h c 1", "int x;\n\nint y;\n", None, False),
        ("a.py python 1", "f()\n\ng()\n", None, False),
        ("a.ipynb python 1", "x = 1\nx\n", None, False),
    ]


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    text = "# A b: `c`\n## A b: c\n[x](#a-b-c-1) [x](#gone) [x](gone.md) [x](README.md#a-b-c) [x](https://gone)\n"
    (tmp_path / "README.md").write_text(text)
    assert dead_links(tmp_path) == ["README.md: #gone", "README.md: gone.md"]
