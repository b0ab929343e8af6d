# SPDX-License-Identifier: MIT
"""The files of versions in use, and what stays on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import wait_until
from hosting import Hosting, plugin_modules
from qtforge.monitoring import KEEP_NONE, SafeOptions, _trees

SOURCE = """
from pathlib import Path
VERSION = {0}
def data():
    return Path(__file__).with_name("data.txt").read_text()
def lazy():
    import helper
    return helper.VALUE
"""
FILES = SafeOptions(files=["data.txt", "helper.py"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(SOURCE.format(1))
    (tmp_path / "data.txt").write_text("of version 1")
    (tmp_path / "helper.py").write_text("VALUE = 1")
    return path


@pytest.fixture(params=["thread", "manual"])
def hosting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hosting]:
    with Hosting(tmp_path, dispatch=request.param) as h:
        yield h


def kept(hosting: Hosting) -> int:
    """How many versions' files the host keeps."""
    return len([p for p in hosting.snapshots.glob(f"python-*/{_trees.DEEP}/*") if p.name.isdigit()])


def snapshots(hosting: Hosting) -> int:
    """How many snapshots the library keeps."""
    return len([p for p in hosting.snapshots.glob(f"[0-9]*-*/{_trees.DEEP}/*") if p.is_dir()])


def test_a_version_in_use_keeps_its_files(hosting: Hosting, path: Path, tmp_path: Path) -> None:
    plugin = hosting.open(path, safe=FILES)
    with plugin.use() as old:
        (tmp_path / "data.txt").write_text("of version 2")
        assert hosting.next().ok
        for version in range(3, 8):
            assert hosting.reload(path, SOURCE.format(version)).ok
        assert (old.data(), old.lazy(), plugin.module.data()) == ("of version 1", 1, "of version 2")
        hosting.until("the others have ended", lambda: kept(hosting) == 2)
    hosting.until("it has ended", lambda: kept(hosting) == 1)


@pytest.mark.parametrize("how", ["fail", "close the plugin", "close the host"])
def test_a_version_in_use_keeps_its_files_whatever_ends_it(
    hosting: Hosting, path: Path, tmp_path: Path, how: str
) -> None:
    plugin = hosting.open(path, safe=FILES)
    assert hosting.reload(path, SOURCE.format(2)).ok
    with plugin.use() as module:
        if how == "fail":
            plugin.fail("in use")
            assert hosting.next().present == 1
        elif how == "close the plugin":
            plugin.close()
        else:
            hosting.host.close()
        assert (module.VERSION, module.data(), module.lazy()) == (2, "of version 1", 1)
    if how == "close the host":
        wait_until("nothing is left", lambda: not list(hosting.snapshots.iterdir()))


@pytest.mark.parametrize(("keep", "good"), [(None, 2), (3, 4), (KEEP_NONE, 1)])
def test_what_stays_on_the_disk_is_bounded(hosting: Hosting, path: Path, keep: int | None, good: int) -> None:
    options = SafeOptions(files=["data.txt", "helper.py"], keep_generations=keep)
    plugin = hosting.open(path, safe=options)
    for version in range(2, 21):
        assert hosting.reload(path, SOURCE.format(version)).ok
    hosting.until("one has not ended", lambda: kept(hosting) == 1)
    wait_until("removed by the library", lambda: snapshots(hosting) <= good)
    assert snapshots(hosting) == good
    module = Path(plugin.module.__file__ or "")
    assert module.stat().st_nlink == 2  # no copy
    assert (module.stat().st_mode & 0o777, module.parent.stat().st_mode & 0o777) == (0o500, 0o500)
    plugin.close()
    wait_until("removed", lambda: kept(hosting) == snapshots(hosting) == 0)


def test_directories_above_a_plugin_are_the_users_own(hosting: Hosting, path: Path) -> None:
    plugin = hosting.open(path, safe=FILES)
    above = Path(plugin.module.__file__ or "").parents[:10]
    assert all(hosting.snapshots in (d, *d.parents) for d in above)
    assert all((d.stat().st_uid, d.stat().st_mode & 0o077) == (os.geteuid(), 0) for d in above)


def test_versions_that_fail_leave_nothing(hosting: Hosting, path: Path) -> None:
    hosting.open(path, safe=FILES)
    before = (plugin_modules(), dict(sys.path_importer_cache))
    for version in range(2, 6):
        assert not hosting.reload(path, f"import helper\n# {version}\n1 / 0").ok
    hosting.until("one has not ended", lambda: kept(hosting) == 1)
    assert (plugin_modules(), dict(sys.path_importer_cache)) == before


def test_a_file_system_without_links(hosting: Hosting, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", link)
    plugin = hosting.open(path, safe=FILES)
    with plugin.use() as old:
        for version in (2, 3, 4):
            assert hosting.reload(path, SOURCE.format(version)).ok
        assert (old.data(), old.lazy()) == ("of version 1", 1)


def test_what_a_dead_host_has_left_is_removed_and_nothing_else(path: Path, tmp_path: Path) -> None:
    died = (
        "import os, sys\nfrom qtforge.monitoring import PluginHost\n"
        "host = PluginHost(dispatch='thread', snapshot_dir=sys.argv[2])\n"
        "host.open('p', sys.argv[1], timeout=20)\nos._exit(0)"
    )
    snapshots = tmp_path / "snapshots"
    subprocess.run([sys.executable, "-c", died, str(path), str(snapshots)], check=True, timeout=50)
    (left,) = snapshots.glob("python-*")
    other = snapshots / "python-of-somebody"
    other.mkdir()
    (other / "thesis").touch()
    (snapshots / "python-link").symlink_to(tmp_path)
    (tmp_path / _trees.MARK).touch()
    with Hosting(tmp_path) as hosting, Hosting(tmp_path) as second:
        hosting.open(path, safe=FILES)
        second.open(path, safe=FILES)
        assert not left.exists() and (other / "thesis").exists() and path.exists()
        assert (kept(hosting)) == 2


def test_a_program_that_closes_nothing_leaves_nothing(path: Path, tmp_path: Path) -> None:
    forgets = (
        "import sys\nfrom qtforge.monitoring import PluginHost\n"
        "host = PluginHost(dispatch='thread', snapshot_dir=sys.argv[2])\n"
        "plugin = host.open('p', sys.argv[1], timeout=20)\nplugin.use().__enter__()\n"
    )
    snapshots = tmp_path / "snapshots"
    subprocess.run([sys.executable, "-c", forgets, str(path), str(snapshots)], check=True, timeout=50)
    assert list(snapshots.iterdir()) == []


def test_a_directory_that_somebody_has_removed_is_made_anew(hosting: Hosting, path: Path) -> None:
    hosting.open(path, safe=FILES)
    (home,) = hosting.snapshots.glob("python-*")
    _trees._remove(home)
    assert hosting.reload(path, SOURCE.format(2)).ok
    assert kept(hosting) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_removes_nothing(hosting: Hosting, path: Path) -> None:
    plugin = hosting.open(path, safe=FILES)
    with plugin.use() as old:
        assert hosting.reload(path, SOURCE.format(2)).ok
        child = os.fork() if sys.version_info < (3, 12) else 0
        if sys.version_info < (3, 12) and child == 0:
            status = 1
            try:
                with plugin.use() as module:
                    status = 0 if module.lazy() == 1 else 2
                old.lazy()
            finally:
                os._exit(status)
        if child:
            assert os.waitpid(child, 0)[1] == 0
        assert old.lazy() == 1 and plugin.module.lazy() == 1
