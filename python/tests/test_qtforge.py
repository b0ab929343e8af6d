# SPDX-License-Identifier: MIT
"""QtForge's own Python module has the name of our package; both are used in one program."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import qtforge

# What QtForge's module is: in Python, and as an extension module with submodules, as pybind11 makes them.
MODULE = """
import sys, types
class PluginManager: pass
for name in ("core", "monitoring"):
    module = types.ModuleType("qtforge." + name)
    sys.modules[module.__name__] = module
    globals()[name] = module
core.Loader = type("Loader", (), {})
monitoring.PluginHotReloadManager = type("Theirs", (), {})
monitoring.PluginMetricsCollector = type("PluginMetricsCollector", (), {})
"""
EXTENSION = """
#include <Python.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "qtforge", NULL, -1, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_qtforge(void) {
    PyObject *m = PyModule_Create(&def);
    PyObject *core = PyImport_AddModule("qtforge.core");
    PyObject *monitoring = PyImport_AddModule("qtforge.monitoring");
    PyModule_AddStringConstant(m, "PluginManager", "theirs");
    PyModule_AddStringConstant(core, "Loader", "theirs");
    PyModule_AddStringConstant(monitoring, "PluginHotReloadManager", "theirs");
    PyModule_AddStringConstant(monitoring, "PluginMetricsCollector", "theirs");
    Py_INCREF(core); Py_INCREF(monitoring);
    PyModule_AddObject(m, "core", core);
    PyModule_AddObject(m, "monitoring", monitoring);
    return m;
}
"""
PACKAGE = {
    "__init__.py": "from . import core, monitoring\nfrom .core import PluginManager\n"
    "from .monitoring import PluginHotReloadManager, PluginMetricsCollector\n",
    "core.py": "class PluginManager: pass\nclass Loader: pass\n",
    "monitoring/__init__.py": "from ..core import Loader\nfrom .metrics import PluginMetricsCollector\n"
    "class PluginHotReloadManager: pass\n",
    "monitoring/metrics.py": "class PluginMetricsCollector: pass\n",
}
# Both orders of what a program imports first.
IMPORTS = ["import qtforge.core, qtforge.monitoring", "import qtforge.monitoring, qtforge.core", "import qtforge"]
CHECK = """
import sys, qtforge
from qtforge.monitoring import PluginHotReloadManager, PluginMetricsCollector
assert qtforge.monitoring.PluginHotReloadManager is PluginHotReloadManager
assert PluginHotReloadManager.__module__.startswith("qtforge.monitoring"), PluginHotReloadManager.__module__
assert hasattr(PluginHotReloadManager, "enable_hot_reload")
assert sys.modules["qtforge.monitoring"] is qtforge.monitoring and sys.modules["qtforge"] is qtforge
assert qtforge.PluginManager and qtforge.core.Loader and qtforge.monitoring.PluginMetricsCollector
from qtforge.core import Loader
with PluginHotReloadManager() as manager:
    assert manager.enable_hot_reload("p", sys.executable)
try:
    qtforge.monitoring.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError("a name that nobody has")
"""


MODULE_FILE = Path(importlib.import_module("qtforge_monitoring").__file__ or "")


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments, "-c", code], capture_output=True, text=True, timeout=60)


def with_path(directory: Path, code: str) -> subprocess.CompletedProcess[str]:
    return run(f"import sys\nsys.path.append({str(directory)!r})\n{code}", "-W", "error")


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize("imports", IMPORTS)
@pytest.mark.parametrize(
    "files", [{"qtforge.py": MODULE}, {f"qtforge/{k}": v for k, v in PACKAGE.items()}], ids=["module", "package"]
)
def test_both_are_reachable_and_ours_is_monitoring(tmp_path: Path, files: dict[str, str], imports: str) -> None:
    write(tmp_path, files)
    done = with_path(tmp_path, imports + CHECK)
    assert done.returncode == 0, done.stderr


# QtForge as the kinds of module that a distribution may be.
KINDS: dict[str, dict[str, str]] = {
    "module": {"qtforge.py": MODULE},
    "package": {f"qtforge/{k}": v for k, v in PACKAGE.items()},
    "pkgutil package": {
        **{f"qtforge/{k}": v for k, v in PACKAGE.items()},
        "qtforge/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
        + PACKAGE["__init__.py"],
    },
    "namespace package": {f"qtforge/{k}": v for k, v in PACKAGE.items() if k != "__init__.py"},
}
# A namespace package has no names of its own.
CHECK_OF = dict.fromkeys(KINDS, CHECK) | {
    "namespace package": CHECK.replace("assert qtforge.PluginManager and", "import qtforge.core\nassert")
}
# How it comes to stand before ours.
EARLIER = {
    "sys.path": "sys.path.insert(0, directory)",
    "sys.path, in a zip": "sys.path.insert(0, archive)",
    "a finder": """
from importlib.machinery import PathFinder
class Editable:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [directory]) if name == "qtforge" else None
sys.meta_path.insert(1, Editable)  # as if both were put first when the interpreter started, ours last
""",
}
PREPARED = """
import sys
directory, archive = sys.argv[1:]
"""


def earlier(tmp_path: Path, kind: str) -> list[str]:
    """A directory and a zip with QtForge in it."""
    write(tmp_path / "theirs", KINDS[kind])
    return [str(tmp_path / "theirs"), shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "theirs")]


def check(arguments: list[str], code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments[:-2], "-c", PREPARED + code, *arguments[-2:]],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("imports", IMPORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_stands_earlier_does_not_hide_ours(tmp_path: Path, kind: str, imports: str) -> None:
    check(earlier(tmp_path, kind), EARLIER["sys.path"] + "\n" + imports + CHECK_OF[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_of_qtforge_that_stands_earlier_does_not_hide_ours(tmp_path: Path, kind: str) -> None:
    check(earlier(tmp_path, kind), EARLIER["sys.path, in a zip"] + CHECK_OF[kind])


@pytest.mark.parametrize("kind", ["module", "package", "pkgutil package"])
def test_an_editable_installation_of_qtforge_does_not_hide_ours(tmp_path: Path, kind: str) -> None:
    check(earlier(tmp_path, kind), EARLIER["a finder"] + CHECK_OF[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_pythonpath_and_isolated_mode(tmp_path: Path, kind: str) -> None:
    theirs = earlier(tmp_path, kind)
    check(theirs, CHECK_OF[kind], PYTHONPATH=theirs[0])
    check(["-I", *theirs], EARLIER["sys.path"] + CHECK_OF[kind])


@pytest.mark.parametrize("first", ["", "import qtforge", "import qtforge.core"])
@pytest.mark.parametrize("kind", KINDS)
def test_without_site_the_module_qtforge_monitoring_does_it(tmp_path: Path, kind: str, first: str) -> None:
    if (kind, first) == ("module", "import qtforge.core"):
        first = "import qtforge\nimport qtforge.core"  # its submodules are there when it was imported
    code = f"sys.path += {sys.path!r}\n{EARLIER['sys.path']}\n{first}\nimport qtforge_monitoring{CHECK_OF[kind]}"
    check(["-S", *earlier(tmp_path, kind)], code)


def test_a_module_of_their_monitoring_is_reachable_and_runs_once(tmp_path: Path) -> None:
    code = """
import qtforge.monitoring.metrics as metrics
from qtforge.monitoring import PluginMetricsCollector
assert metrics.PluginMetricsCollector is PluginMetricsCollector
assert sys.modules["qtforge.monitoring.metrics"] is metrics
try:
    import qtforge.monitoring.nothing
except ModuleNotFoundError as error:
    assert error.name == "qtforge.monitoring.nothing"
else:
    raise AssertionError("a module that nobody has")
import importlib
importlib.reload(metrics)
"""
    check(earlier(tmp_path, "package"), EARLIER["sys.path"] + code)


def test_install_joins_ours_to_one_that_a_finder_before_ours_has_found(tmp_path: Path) -> None:
    code = EARLIER["a finder"].replace("insert(1", "insert(0") + "import qtforge, qtforge_monitoring"
    check(earlier(tmp_path, "package"), f"{code}\nqtforge_monitoring.install()\n{CHECK}")


def test_a_checkout_in_the_path_comes_before_the_installed_package(tmp_path: Path) -> None:
    shutil.copytree(Path(qtforge.__path__[0]), tmp_path / "checkout" / "qtforge", ignore=shutil.ignore_patterns("*.so"))
    code = f"sys.path.insert(0, {str(tmp_path / 'checkout')!r})\nimport qtforge\nassert 'checkout' in qtforge.__file__"
    check(["", ""], code)


@pytest.mark.parametrize("kind", KINDS)
def test_ours_in_a_zip_joins_one_that_stands_earlier(tmp_path: Path, kind: str) -> None:
    ours = tmp_path / "ours"
    library = Path(qtforge.monitoring.__file__ or "").parent / "_lib" / "libhotreload.so"
    shutil.copytree(Path(qtforge.__path__[0]), ours / "qtforge", ignore=shutil.ignore_patterns("_lib", "__pycache__"))
    shutil.copy(MODULE_FILE, ours)
    archive = shutil.make_archive(str(tmp_path / "ours"), "zip", ours)
    code = f"sys.path.append({archive!r})\n{EARLIER['sys.path']}\nimport qtforge_monitoring{CHECK_OF[kind]}"
    check(["-S", *earlier(tmp_path, kind)], code, QTFORGE_MONITORING_LIBRARY=str(library))


def test_the_interpreter_starts_without_a_word_when_the_module_is_gone(tmp_path: Path) -> None:
    line = MODULE_FILE.with_suffix(".pth").read_text()
    done = run(
        f"import sys\nsys.meta_path.clear(); sys.modules['qtforge_monitoring'] = None\n{line}", "-W", "error", "-S"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("imports", IMPORTS)
def test_an_extension_module_beside_ours(tmp_path: Path, imports: str) -> None:
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        pytest.skip("the headers of this Python are not installed")
    (tmp_path / "qtforge.c").write_text(EXTENSION)
    library = tmp_path / ("qtforge" + sysconfig.get_config_var("EXT_SUFFIX"))
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-I{include}", str(tmp_path / "qtforge.c"), "-o", str(library)], check=True
    )
    done = with_path(tmp_path, imports + CHECK)
    assert done.returncode == 0, done.stderr
    # In the very directory of ours, too, where a package goes before an extension module.
    (tmp_path / "qtforge").symlink_to(Path(qtforge.__path__[0]))
    done = run(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + imports + CHECK, "-W", "error")
    assert done.returncode == 0, done.stderr


def test_one_that_cannot_be_imported_is_named_and_ours_works(tmp_path: Path) -> None:
    write(tmp_path, {"qtforge.py": "raise RuntimeError('no Qt here')"})
    code = "import warnings\nwarnings.simplefilter('always')\nfrom qtforge.monitoring import PluginHotReloadManager"
    done = run(f"import sys\nsys.path.append({str(tmp_path)!r})\n{code}")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "qtforge.py") in done.stderr and "RuntimeError: no Qt here" in done.stderr


def test_without_qtforge_nothing_changes() -> None:
    done = run(
        "import qtforge\nassert qtforge.monitoring.PluginHotReloadManager\nqtforge.monitoring.nothing", "-W", "error"
    )
    assert done.returncode == 1 and "has no attribute 'nothing'" in done.stderr
