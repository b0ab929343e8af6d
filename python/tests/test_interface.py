# SPDX-License-Identifier: MIT
"""What a reader of help(), of an editor or of a log finds."""

from __future__ import annotations

import ast
import inspect
import pydoc
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import qtforge
from archives import PLAIN, copy_package
from conftest import wait_until
from hosting import Hosting
from qtforge.monitoring import _library


def test_the_version_is_that_of_the_distribution_and_of_the_library() -> None:
    number = qtforge.monitoring.__version__
    assert number == version("qtforge-monitoring") == _library.load().hrm_version_string().decode()
    assert "__version__" in dir(qtforge.monitoring)


def test_without_the_distributions_metadata_the_version_is_the_librarys(tmp_path: Path) -> None:
    copy_package(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import qtforge; print(qtforge.monitoring.__version__)"
    )
    done = subprocess.run([*PLAIN, "-c", program], capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == (f"{qtforge.monitoring.__version__}\n", "")


def test_help_has_text_for_everything_that_is_public() -> None:
    text = pydoc.plain(pydoc.render_doc(qtforge.monitoring))
    for name in qtforge.monitoring.__all__:
        thing = getattr(qtforge.monitoring, name)
        if not isinstance(thing, int):
            assert name in text and inspect.getdoc(thing), name
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(thing, method)), f"{name}.{method}"


@pytest.mark.parametrize(
    "name",
    [
        "EventKind",
        "Health",
        "Stats",
        "ReloadOutcome",
        "SafeOptions",
        "PluginState",
        "Watching",
        "Decision",
        "PluginStatus",
        "PastDecision",
        "PluginOutcome",
        "PluginSet",
        "PluginSpec",
        "Step",
        "StepLimits",
        "Verdict",
    ],
)
def test_each_member_and_field_has_a_text_beside_it(name: str) -> None:
    thing = getattr(qtforge.monitoring, name)
    (body,) = (node.body for node in ast.parse(inspect.getsource(thing)).body if isinstance(node, ast.ClassDef))
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            constant = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert constant, f"{name}: {ast.unparse(node)}"


def test_a_host_lists_its_plugins(tmp_path: Path) -> None:
    for name in ("a", "b", "broken"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n" if name != "broken" else "raise RuntimeError\n")
    with Hosting(tmp_path) as hosting:
        host = hosting.host
        a, b = hosting.open(tmp_path / "a.py", "a"), hosting.open(tmp_path / "b.py", "b")
        with pytest.raises(qtforge.monitoring.PluginLoadError):
            host.open("broken", tmp_path / "broken.py")
        assert host.plugins == [a, b]
        assert (host.get("a"), host.get("b"), host.get("broken"), host.get("nothing")) == (a, b, None, None)
        a.close()
        assert host.plugins == [b] and host.get("a") is None
    assert host.plugins == []


def test_a_host_waits_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("VALUE = 1\n")
    with Hosting(tmp_path, dispatch="manual") as hosting:
        plugin = hosting.open(path)
        path.write_text("VALUE = 22\n")
        while plugin.module.VALUE == 1:
            assert hosting.host.wait(20)
        runner = threading.Thread(target=hosting.host.run)
        runner.start()
        path.write_text("VALUE = 333\n")
        wait_until("exchanged", lambda: plugin.module.VALUE == 333)
        hosting.host.close()
        runner.join(20)
        assert not runner.is_alive()


def test_the_module_says_what_is_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import qtforge; help(qtforge.monitoring)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stderr == "" and "PluginHost " in done.stdout and "importlib.reload() that always" in done.stdout
