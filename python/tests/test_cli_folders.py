# SPDX-License-Identifier: MIT
"""``watch FOLDER``: its files come and go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Commands


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "my plugins"
    (folder / "old").mkdir(parents=True)
    (folder / "a.so").write_text("v0")
    return folder


@pytest.fixture
def watch() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def test_files_of_a_folder_come_and_go(plugins: Path, watch: Commands) -> None:
    running = watch("my plugins/", "--include", "**/*.so", "--exclude", "old", cwd=plugins.parent)
    assert running.words() == ["watching", "my", "plugins/"]
    for noise in ("note.txt", ".hidden.so", "a.so~", "old/b.so"):
        (plugins / noise).write_text("noise")
    (plugins / "b.so").write_text("v1")
    assert running.words() == ["added", "my", "plugins/b.so", "version", "1"]
    (plugins / "a.so").write_text("v1")
    assert running.words() == ["changed", "my", "plugins/a.so", "version", "1"]
    (plugins / "fx").mkdir()
    (plugins / "fx" / "c.so").write_text("v1")
    assert running.words()[:3] == ["added", "my", "plugins/fx/c.so"]
    (plugins / "b.so").unlink()
    assert running.words() == ["removed", "my", "plugins/b.so"]
    assert running.end(signal.SIGTERM) == (-signal.SIGTERM, "", "")


def test_json_and_a_command(plugins: Path, watch: Commands) -> None:
    running = watch("--json", "--once", "--exec", 'test "$(cat "$HOTRELOAD_PATH")" = v1', plugins)
    assert running.json() == {"event": "watching", "paths": [str(plugins)]}
    (plugins / "b.so").write_text("v1")
    added = running.json()
    assert (added["event"], added["path"], added["generation"]) == ("added", str(plugins / "b.so"), 1)
    assert running.json()["status"] == 0
    assert running.end() == (0, "", "")


def test_a_folder_that_is_not_there(plugins: Path, watch: Commands) -> None:
    for arguments, text in ((["missing/"], '"missing'), ([plugins, "--include", "["], 'the include pattern "["')):
        status, out, err = watch(*arguments, cwd=plugins.parent).end()
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"qtforge-hotreload: {text}")
    running = watch("later/", "--allow-missing", "--once", cwd=plugins.parent)
    running.line()
    (plugins.parent / "later").mkdir()
    (plugins.parent / "later" / "a.so").write_text("v1")
    words = running.words()
    while words[0] == "health":  # that it is missing, and that it is there
        words = running.words()
    assert words[:2] == ["added", "later/a.so"]
    assert running.end()[0] == 0


def test_a_build_fills_a_folder(plugins: Path, watch: Commands) -> None:
    (plugins.parent / "src").mkdir()
    build = "for f in src/*.c; do cp $f 'my plugins/'$(basename $f .c).so; done"
    running = watch("--json", "--sources", ".", "--build", build, "my plugins/", cwd=plugins.parent)
    running.json()
    (plugins / "a.so").touch()  # what is built is no source
    assert running.json()["event"] == "changed"
    (plugins.parent / "src" / "b.c").write_text("v1")
    lines = [running.json() for _ in range(3)]
    assert [lines[0]["event"], lines[0]["sources"]] == ["building", ["./src/b.c"]]
    assert {line["event"] for line in lines[1:]} == {"built", "added"}
