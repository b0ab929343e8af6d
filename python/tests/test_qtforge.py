# SPDX-License-Identifier: MIT
"""QtForge's own Python module has the name of our package; both are used in one program."""

from __future__ import annotations

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
