# SPDX-License-Identifier: MIT
"""In a zip, frozen, on another machine: the library is loaded, or an error names the case."""

from __future__ import annotations

import os
import shutil
import zipapp
from pathlib import Path

import pytest
from archives import PACKAGE, PLAIN, PROGRAM, copy_package, expect_well, run
from qtforge.monitoring import _library

LIBRARY = PACKAGE / "monitoring" / "_lib" / "libhotreload.so"


def application(tmp_path: Path, *, library: bool = True, before: str = "") -> list[str]:
    """A zipapp; before runs first."""
    source = tmp_path / "source"
    copy_package(source, library=library)
    (source / "program.py").write_text(f"import sys, os\n{before}\n{PROGRAM}")
    zipapp.create_archive(source, tmp_path / "application.pyz", main="program:main", compressed=True)
    return [*PLAIN, str(tmp_path / "application.pyz")]


@pytest.mark.parametrize("before", ["", "del os.memfd_create"], ids=["", "without memfd"])
def test_a_zipapp_runs_and_leaves_no_file(tmp_path: Path, before: str) -> None:
    expect_well(application(tmp_path, before=before), tmp_path)


@pytest.mark.parametrize(
    ("before", "advice"),
    [
        ("", "The archive that qtforge.monitoring is in lacks the library: put all of the wheel into it."),
        ("sys.frozen = True", "This program was frozen without the library: give PyInstaller --collect-binaries"),
    ],
)
def test_a_program_without_the_library_names_the_case(tmp_path: Path, before: str, advice: str) -> None:
    done = run(application(tmp_path, library=False, before=before), tmp_path)
    assert done.returncode == 1 and "Reinstall" not in done.stderr
    assert "ImportError: libhotreload could not be loaded" in done.stderr and advice in done.stderr, done.stderr


def test_a_library_for_another_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = bytearray(LIBRARY.read_bytes())
    machines = {62: (183, "x86-64", "ARM64"), 183: (62, "ARM64", "x86-64")}
    other, here, there = machines[int.from_bytes(image[18:20], "little")]
    image[18:20] = other.to_bytes(2, "little")
    (tmp_path / "libhotreload.so").write_bytes(image)
    monkeypatch.setenv(_library.VARIABLE, str(tmp_path / "libhotreload.so"))
    monkeypatch.setattr(_library, "_loaded", None)
    with pytest.raises(ImportError, match=f"is for {there} with 64 bits and this Python for {here} with 64 bits: "):
        _library.load()


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(12) + b"\x03", b"no library at all" * 9]
)
def test_a_file_that_is_no_library_is_no_reason_to_fall(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libhotreload.so").write_bytes(content)
    monkeypatch.setenv(_library.VARIABLE, str(tmp_path / "libhotreload.so"))
    monkeypatch.setattr(_library, "_loaded", None)
    with pytest.raises(ImportError, match="Reinstall qtforge-monitoring"):
        _library.load()


def test_a_python_on_musl_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_library.VARIABLE, "/no/such/library.so")
    monkeypatch.setattr(_library, "_loaded", None)
    monkeypatch.setattr(_library, "_loaded_files", lambda: "7f00-7f01 r--p 0 08:01 1 /lib/ld-musl-x86_64.so.1\n")
    with pytest.raises(ImportError, match=r"uses the C library musl.*python:3-slim"):
        _library.load()


# Root writes where nothing may be written, unless it has given up the right.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(UNPRIVILEGED) and shutil.which("setpriv") is None, reason="root needs setpriv of util-linux")
def test_packages_that_cannot_be_written_are_enough(tmp_path: Path) -> None:
    site = tmp_path / "site"
    copy_package(site)
    program = PROGRAM.replace(', snapshot_dir=folder / "snapshots"', "")
    (site / "program.py").write_text(f"{program}\ntry:\n    open(__file__, 'ab')\nexcept OSError:\n    main()\n")
    for directory, _, files in os.walk(site):
        for name in (*files, "."):
            os.chmod(os.path.join(directory, name), 0o555)
    home = tmp_path / "home"
    home.mkdir(0o555)
    expect_well([*UNPRIVILEGED, *PLAIN, str(site / "program.py")], tmp_path, HOME=str(home))
