# SPDX-License-Identifier: MIT
"""The package in programs of PyInstaller and pex. ``make test-python-frozen`` runs this: each takes long to be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from archives import PROGRAM, copy_package, expect_well


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["--onedir", "--onefile"])
def test_pyinstaller_takes_the_library_along(kind: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{PROGRAM}\nmain()\n")
    places = [f"--{place}path={tmp_path / place}" for place in ("dist", "work", "spec")]
    command = [sys.executable, "-m", "PyInstaller", kind, "--log-level=WARN", *places, str(program)]
    subprocess.run(command, cwd=tmp_path, check=True)
    made = tmp_path / "dist" / "program"
    expect_well([str(made / "program" if kind == "--onedir" else made)], tmp_path)


@pytest.mark.timeout(300)
def test_pex_extracts_the_library(tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    copy_package(source)
    (source / "program.py").write_text(PROGRAM)
    made = str(tmp_path / "program.pex")
    command = [sys.executable, "-m", "pex", "--no-index", "-D", str(source), "-m", "program:main", "-o", made]
    subprocess.run([*command, "--pex-root", str(root)], cwd=tmp_path, check=True)
    expect_well([sys.executable, made], tmp_path, PEX_ROOT=str(root))
