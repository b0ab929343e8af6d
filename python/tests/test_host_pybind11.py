# SPDX-License-Identifier: MIT
"""A module made with pybind11, which registers types once in a process: the outcome says what to do, and that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pybind11
import pytest
from hosting import Hosting

SOURCE = """
#include <pybind11/pybind11.h>
#include <cstdlib>
struct PYBIND11_EXPORT Fill { int number = 7; };
template <class... More> void define(pybind11::module_ &m, More... more)
{ pybind11::class_<Fill>(m, "Fill", more...).def(pybind11::init<>()).def_readonly("number", &Fill::number); }
PYBIND11_MODULE(plug, m)
{ if (getenv("PLUG_LOCAL")) define(m, pybind11::module_local()); else define(m); }
"""
HEADERS = Path(sysconfig.get_paths()["include"])

pytestmark = [
    pytest.mark.skipif(not (HEADERS / "Python.h").exists(), reason="Python's headers are not installed"),
    pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="there is no C++ compiler"),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("pybind11")
    source, built = directory / "plug.cpp", directory / "plug.so"
    source.write_text(SOURCE)
    flags = ["-std=c++17", "-O0", "-shared", "-fPIC", "-fvisibility=hidden"]
    include = [f"-I{HEADERS}", f"-I{pybind11.get_include()}"]
    subprocess.run([os.environ.get("CXX", "c++"), *flags, *include, str(source), "-o", str(built)], check=True)
    return built.read_bytes()


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Hosting]:
    with Hosting(tmp_path) as made:
        yield made


@pytest.mark.parametrize("local", [False, True])
def test_another_version(
    hosting: Hosting, tmp_path: Path, image: bytes, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if local:
        monkeypatch.setenv("PLUG_LOCAL", "1")
    path, new = tmp_path / "plug.so", tmp_path / "new"
    path.write_bytes(image)
    plugin = hosting.open(path, plugin_id=f"local {local}")
    before = plugin.module
    assert before.Fill().number == 7
    new.write_bytes(image + b"2")  # which is another content, and the same module
    new.rename(path)
    outcome = hosting.next()
    assert outcome.ok is local, outcome.message
    if local:  # it is a module of its own, not that of the first version
        assert plugin.module is not before and plugin.module.Fill is not before.Fill
        assert plugin.module.Fill.__module__ == plugin.module.__name__ == before.__name__
        spec = plugin.module.__spec__
        assert spec is not None and spec.name == before.__name__ and plugin.module.__file__ != before.__file__
    else:
        assert plugin.module is before
        assert 'type "Fill" is already registered' in outcome.message
        assert "declare them with py::module_local(), or use nanobind" in outcome.message
    assert plugin.module.Fill().number == before.Fill().number == 7
