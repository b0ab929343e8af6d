# SPDX-License-Identifier: MIT
"""reload(): always the file as it is now."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from qtforge.monitoring import reload


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(file: Path, text: str) -> None:
    """A version whose size and time are those of all others of that length."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    os.utime(file, (1_700_000_000, 1_700_000_000))


def imported(name: str) -> Any:
    importlib.invalidate_caches()
    return importlib.import_module(name)


def test_two_versions_of_one_size_and_second(folder: Path) -> None:
    write(folder / "plain.py", "VALUE = 1\n")
    module = imported("plain")
    for value in range(2, 9):
        write(folder / "plain.py", f"VALUE = {value}\n")
        assert value - 1 == importlib.reload(module).VALUE, "importlib is not fooled any more"
        assert reload(module) is module
        assert value == module.VALUE
        importlib.reload(module)  # writes a .pyc that is right now


def test_another_process_finds_no_old_pyc(folder: Path) -> None:
    write(folder / "plain.py", "VALUE = 1\n")
    module = imported("plain")
    assert Path(module.__cached__).exists()
    write(folder / "plain.py", "VALUE = 2\n")
    reload(module)
    assert not Path(module.__cached__).exists()


@pytest.mark.parametrize("text", ["VALUE = (\n", "NEW = VALUE = 2\nraise RuntimeError('no')\n"])
def test_a_version_that_fails_changes_nothing(folder: Path, text: str) -> None:
    write(folder / "plain.py", "VALUE = 1\n")
    module = imported("plain")
    write(folder / "plain.py", text)
    with pytest.raises((SyntaxError, RuntimeError)):
        reload(module)
    assert module.VALUE == 1 and not hasattr(module, "NEW")
    write(folder / "plain.py", "VALUE = 3\n")
    assert reload(module).VALUE == 3


def test_what_is_no_imported_module_is_named(folder: Path) -> None:
    with pytest.raises(TypeError, match="module='plain': expected a module, got str"):
        reload("plain")  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=r"'stray' is not the one in sys\.modules"):
        reload(ModuleType("stray"))
    write(folder / "plain.py", "VALUE = 1\n")
    module = imported("plain")
    (folder / "plain.py").unlink()
    with pytest.raises(ModuleNotFoundError, match="plain"):
        reload(module)
    assert module.VALUE == 1 and sys.modules["plain"] is module


def package(folder: Path, value: int, **others: str) -> None:
    """Each module computes from those that it imports."""
    files = {
        "__init__": "from .z_sum import SUM\n",
        "z_sum": "from .middle import NUMBER\nimport pack.a_base as base\nSUM = NUMBER + base.BASE\n",
        "middle": "from . import a_base\nNUMBER = 10 * a_base.BASE\n",
        "a_base": f"BASE = {value}\n",
        **others,
    }
    for name, text in files.items():
        write(folder / "pack" / f"{name}.py", text)


def test_a_package_alone_and_with_its_modules(folder: Path) -> None:
    package(folder, 1)
    pack = imported("pack")
    assert pack.SUM == 11
    package(folder, 2)
    assert reload(pack).SUM == 11  # as importlib.reload()
    assert reload(pack, deep=True).SUM == 22
    assert sys.modules["pack.a_base"].BASE == 2


def test_modules_that_import_each_other_and_one_that_is_new(folder: Path) -> None:
    package(folder, 1, cycle="import pack.a_base\n", a_base="import pack.cycle\nBASE = 1\n")
    pack = imported("pack")
    package(
        folder, 3, a_base="import pack.cycle\nfrom .new import BASE\n", new="BASE = 3\n", cycle="import pack.a_base\n"
    )
    assert reload(pack, deep=True).SUM == 33


def test_a_module_of_a_package_that_fails_changes_none(folder: Path) -> None:
    package(folder, 1)
    pack = imported("pack")
    package(folder, 2, z_sum="raise RuntimeError('no')\n")
    with pytest.raises(RuntimeError):
        reload(pack, deep=True)
    assert (pack.SUM, sys.modules["pack.a_base"].BASE, sys.modules["pack.middle"].NUMBER) == (11, 1, 10)


def test_a_module_of_a_package_whose_file_is_gone_is_removed(folder: Path) -> None:
    package(folder, 1)
    pack = imported("pack")
    package(folder, 2, z_sum="from . import a_base\nSUM = a_base.BASE\n")
    (folder / "pack" / "middle.py").unlink()
    assert reload(pack, deep=True).SUM == 2
    assert "pack.middle" not in sys.modules and not hasattr(pack, "middle")


def test_other_threads_import_as_usual_meanwhile(folder: Path) -> None:
    write(folder / "other.py", "VALUE = 1\n")
    write(folder / "plain.py", "import threading\nVALUE = 1\n")
    module = imported("plain")
    seen: list[int] = []
    threading.meanwhile = lambda: seen.append(imported("other").VALUE)  # type: ignore[attr-defined] # pyright: ignore
    run = "t = threading.Thread(target=threading.meanwhile); t.start(); t.join()\n"
    write(folder / "plain.py", f"import threading\n{run}VALUE = 2\n")
    try:
        assert reload(module).VALUE == 2 and seen == [1]
    finally:
        del threading.meanwhile  # type: ignore[attr-defined] # pyright: ignore
    assert not any(type(finder).__module__ == "qtforge.monitoring._reloading" for finder in sys.meta_path)
