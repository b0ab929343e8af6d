# SPDX-License-Identifier: MIT
"""What is asked of a host is asked of each of its plugins, on open() and on reload."""

from __future__ import annotations

import _bisect
import _heapq
import hashlib
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from hosting import Hosting, replace
from qtforge.monitoring import InvalidArgumentError, PluginHost, PluginLoadError, SafeOptions

KEY = "RWRweWhvc3R0dOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
SIGNED = "VERSION = 1\n"
SIGNATURE = """untrusted comment: of a key for this test
RWRweWhvc3R0dE6rJCDNebuiyAq0BKWSQF3240ypz+saY4+VhZ0LaLEbmJHgHLixaVXWo8SF2xmq6i8An4l1KPBtSuajG3iwZQY=
trusted comment: test
k31oVZSgLbIkapdPwteiWiC3WT5CEprTsJa/saWPzKqMPkKZJa36aBDD9tKVztI1Sn4h2y7kYh7wE7gqluHXAw==
"""
HEAPQ, BISECT = (Path(getattr(m, "__file__", "")) for m in (_heapq, _bisect))


class Case:
    """A safeguard: a version that passes it, one that does not, and why."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "plug.py"

    def good(self) -> SafeOptions:
        raise NotImplementedError

    def bad(self) -> str:
        raise NotImplementedError


class Image(Case):
    def good(self) -> SafeOptions:
        self.path = self.directory / HEAPQ.name
        shutil.copy(HEAPQ, self.path)
        return SafeOptions(image=True)

    def bad(self) -> str:
        replace(self.path, "no image")
        return "ELF"


class Symbols(Image):
    def good(self) -> SafeOptions:
        super().good()
        return SafeOptions(symbols=["PyInit__heapq"])

    def bad(self) -> str:
        shutil.copy(BISECT, self.directory / "new")
        os.replace(self.directory / "new", self.path)
        return "PyInit__heapq"


class AllowList(Case):
    def good(self) -> SafeOptions:
        self.path.write_text(SIGNED)
        sums = self.directory / "SHA256SUMS"
        sums.write_text(f"{hashlib.sha256(SIGNED.encode()).hexdigest()}  plug.py\n")
        return SafeOptions(allow_list=sums)

    def bad(self) -> str:
        replace(self.path, "VERSION = 2")
        return "allow-list"


class PublicKeys(Case):
    def good(self) -> SafeOptions:
        self.path.write_text(SIGNED)
        self.path.with_name("plug.py.minisig").write_text(SIGNATURE)
        return SafeOptions(public_keys=[KEY])

    def bad(self) -> str:
        replace(self.path, "VERSION = 2")
        return "sign"


class StrictModes(Case):
    def good(self) -> SafeOptions:
        self.path.write_text(SIGNED)
        self.path.chmod(0o644)
        return SafeOptions(strict_modes=True)

    def bad(self) -> str:
        replace(self.path, "VERSION = 2")
        self.path.chmod(0o666)
        return "writable by others"


CASES = [Image, Symbols, AllowList, PublicKeys, StrictModes]


@pytest.fixture(params=CASES)
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param in (Image, Symbols) and not HEAPQ.is_file():
        pytest.skip("this Python has its extension modules built in")
    if request.param is not StrictModes:
        yield request.param(tmp_path)
        return
    # Directories of all users are not strict, and pytest's are in one.
    with tempfile.TemporaryDirectory(dir=Path.home()) as directory:
        writable = [p for p in Path(directory).resolve().parents if p.stat().st_mode & 0o022]
        if writable:
            pytest.skip(f"{writable[0]} is writable by others")
        yield request.param(Path(directory))


@pytest.mark.parametrize("own", [None, SafeOptions()], ids=["no options", "options that name nothing"])
def test_a_safeguard_of_the_host_holds_for_a_plugin_that_does_not_name_it(
    case: Case, own: SafeOptions | None, tmp_path: Path
) -> None:
    with Hosting(tmp_path, safe=case.good()) as hosting:
        plugin = hosting.open(case.path, safe=own)
        reason = case.bad()
        outcome = hosting.next()
        assert not outcome.ok and reason in outcome.message, outcome
        assert outcome.present == 1 and plugin.generation == 1
        plugin.close()
        with pytest.raises(PluginLoadError, match=reason):
            hosting.host.open("p", case.path, safe=own, timeout=BOUND)


def test_a_plugin_that_names_its_signature_keeps_the_keys_of_the_host(tmp_path: Path) -> None:
    case = PublicKeys(tmp_path)
    options = case.good()
    elsewhere = tmp_path / "elsewhere"
    case.path.with_name("plug.py.minisig").rename(elsewhere)
    with Hosting(tmp_path, safe=options) as hosting:
        plugin = hosting.open(case.path, safe=SafeOptions(signature=elsewhere))
        case.bad()
        assert "sign" in hosting.next().message and plugin.generation == 1


def test_a_validator_that_takes_too_long_is_a_rejection(tmp_path: Path) -> None:
    path, gate = tmp_path / "plug.py", threading.Event()
    path.write_text("VERSION = 1")
    asked = itertools.count()
    with Hosting(tmp_path, safe=SafeOptions(validator_timeout_ms=50)) as hosting:
        hosting.host.manager.set_validator(lambda _: next(asked) % 2 == 0 or gate.wait(BOUND))
        plugin = hosting.open(path)
        outcome = hosting.reload(path, "VERSION = 2")
        assert "no verdict within 50ms" in outcome.message and plugin.module.VERSION == 1
        gate.set()


def test_the_other_fields_of_the_host_hold_too(tmp_path: Path) -> None:
    path, gate = tmp_path / "plug.py", threading.Event()
    path.write_text("import part\nVERSION = part.VERSION")
    (tmp_path / "part.py").write_text("VERSION = 1")
    options = SafeOptions(
        validator_timeout_ms=50,
        accept_on_timeout=True,
        retries=2,
        retry_delay_ms=1,
        keep_generations=3,
    )
    with Hosting(tmp_path, safe=options) as hosting:
        hosting.host.manager.set_validator(lambda _: gate.wait(BOUND))
        plugin = hosting.open(path, safe=SafeOptions(files=["part.py"]))
        gate.set()
        for version in range(2, 7):
            assert hosting.reload(tmp_path / "part.py", f"VERSION = {version}").ok
            assert version == plugin.module.VERSION
        wait_until("removed", lambda: hosting.host.manager.stats().snapshots == 4)
        replace(tmp_path / "part.py", "1 / 0")
        failed = [hosting.next(), hosting.next(), hosting.next()]
        assert [o.ok for o in failed] == [False] * 3 and [o.generation for o in failed] == [7, 8, 9]


@pytest.mark.parametrize(
    ("host", "own", "works"),
    [
        (SafeOptions(image=True), SafeOptions(image=False), True),
        (SafeOptions(image=True), SafeOptions(files=[]), False),
        (SafeOptions(image=False), SafeOptions(image=True), False),
        (SafeOptions(symbols=["a"]), SafeOptions(image=False), False),
    ],
)
def test_a_plugins_own_options_replace_what_they_name(
    tmp_path: Path, host: SafeOptions, own: SafeOptions, works: bool
) -> None:
    path = tmp_path / "plug.py"
    path.write_text("VERSION = 1")
    with Hosting(tmp_path, safe=host) as hosting:
        if works:
            assert hosting.open(path, safe=own).module.VERSION == 1
        else:
            with pytest.raises(PluginLoadError):
                hosting.host.open("p", path, safe=own, timeout=BOUND)


@pytest.mark.parametrize(
    "named",
    [
        lambda: SafeOptions(allow_list=""),
        lambda: SafeOptions(public_keys=[]),
        lambda: SafeOptions(symbols=[""]),
        lambda: SafeOptions(symbols=[]),
    ],
)
def test_an_empty_safeguard_is_an_error(tmp_path: Path, named: Callable[[], SafeOptions]) -> None:
    path = tmp_path / "plug.py"
    path.write_text("VERSION = 1")
    with pytest.raises(InvalidArgumentError):
        PluginHost(safe=named(), snapshot_dir=tmp_path / "snapshots")
    with Hosting(tmp_path) as hosting, pytest.raises(InvalidArgumentError):
        hosting.host.open("p", path, safe=named())


def test_what_is_no_options_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text("")
    wrong: Any = {"image": True}
    with pytest.raises(TypeError, match="SafeOptions"):
        PluginHost(safe=wrong)
    with Hosting(tmp_path) as hosting:
        with pytest.raises(TypeError, match="SafeOptions"):
            hosting.host.open("p", path, safe=wrong)
        hosting.open(path)
        wait_until("disabled", lambda: hosting.host.manager.get_hot_reload_plugins() == ["p"])
