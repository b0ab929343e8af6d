# SPDX-License-Identifier: MIT
"""What the interpreter remembers of plugins does not grow with their versions, and nothing strange is imported."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wait_until
from hosting import Gates, Hosting, replace
from qtforge.monitoring import SafeOptions, _finding, _names

# Asks the interpreter for whatever it caches: finders of the package's directory, of directories below it and of one
# that is not there, resources, sources.
CURIOUS = """
import importlib, importlib.resources, importlib.util, inspect, linecache, pkgutil, runpy, sys, zipimport
from . import helper
VERSION = {}
for name in ("missing", "sub.missing", "helper.missing"):
    try:
        importlib.import_module(f"{{__name__}}.{{name}}")
    except ImportError:
        pass
importlib.util.find_spec(f"{{__name__}}.nothing")
found = sorted(module.name for module in pkgutil.walk_packages(__path__, __name__ + "."))
for directory in (*__path__, __path__[0] + "/sub", __path__[0] + "/none"):
    pkgutil.get_importer(directory)
runpy.run_path(helper.__file__)
importlib.resources.files(__name__).joinpath("helper.py").read_text()
inspect.getsource(helper.ask)
linecache.getlines(helper.__file__)
"""
HELPER = "def ask():\n    return {}\n"


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Hosting]:
    with Hosting(tmp_path) as h:
        yield h


def remembered(snapshots: Path) -> dict[str, int]:
    """How much the interpreter remembers, as a whole and of the files of versions."""
    of_versions = [str(path) for path in (*sys.path_importer_cache, *linecache.cache) if str(snapshots) in str(path)]
    return {
        "modules": len(sys.modules),
        "importers": len(sys.path_importer_cache),
        "lines": len(linecache.cache),
        "path": len(sys.path),
        "finders": len(sys.meta_path) + len(sys.path_hooks),
        "shared names": len(_names._shared),
        "names": len(_names._claimed) + len(_names._present) + len(_names._executing),
        "places": len(_finding._places),
        "of versions": len(of_versions),
    }


def test_nothing_grows_with_reloads_good_and_bad(hosting: Hosting, tmp_path: Path) -> None:
    directory = tmp_path / "pack"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "__init__.py").touch()
    replace(directory / "helper.py", HELPER.format(1))
    replace(directory / "__init__.py", CURIOUS.format(1))
    plugin = hosting.open(directory / "__init__.py", safe=SafeOptions(files=["helper.py", "sub/__init__.py"]))
    before: dict[str, int] = {}
    for version in range(2, 32):
        bad = version % 3 == 0
        outcome = hosting.reload(directory / "__init__.py", CURIOUS.format(version) + ("1 / 0\n" if bad else ""))
        assert outcome.ok is not bad, outcome
        assert version - (version % 3 == 0) == plugin.module.VERSION
        if version == 4:  # both kinds have been there
            before = remembered(hosting.snapshots)
    # A version that has ended may be forgotten a moment later, also at the time of the first count.
    wait_until("nothing has grown", lambda: all(n <= before[what] for what, n in remembered(hosting.snapshots).items()))
    hosting.host.close()
    left = remembered(hosting.snapshots)
    assert (left["of versions"], left["names"], left["shared names"], left["places"]) == (0, 0, 0, 0)


def test_only_what_was_validated_is_found(hosting: Hosting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    directory = tmp_path / "plugins"
    directory.mkdir()
    source = (
        "import sys, importlib\nfor name in {names!r}:\n    try:\n        importlib.import_module(name, __package__)\n"
        "    except ImportError:\n        continue\n    sys.gates.say(name)\n"
    )
    planted = "import sys\nsys.gates.say('planted')\n"
    names = ["planted", ".planted", "json_planted", ".planted_package", ".__pycache__.plug"]
    # Beside the original, which is what somebody else may write to: as source, as byte code, as a package, as a link.
    for name in ("planted.py", "json_planted.py", "planted.so", "plug.pth"):
        (directory / name).write_text(planted)
    (directory / "planted_package").mkdir()
    (directory / "planted_package" / "__init__.py").write_text(planted)
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / f"plug.{sys.implementation.cache_tag}.pyc").write_bytes(b"planted")
    replace(directory / "plug.py", source.format(names=names))
    plugin = hosting.open(directory / "plug.py")
    assert gates.said == []
    file = plugin.module.__file__
    assert file is not None
    root = Path(file).parent
    assert sorted(os.listdir(root)) == ["plug.py"]
    assert str(root) not in sys.path and str(directory) not in sys.path
    # Nothing is left beside the file of a version by importing it.
    assert hosting.reload(directory / "plug.py", source.format(names=names) + "VERSION = 2\n").ok
    file = plugin.module.__file__
    assert file is not None and sorted(os.listdir(Path(file).parent)) == ["plug.py"]
    assert gates.said == []
