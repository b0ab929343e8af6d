# SPDX-License-Identifier: MIT
"""A safeguard of the manager's holds for every plugin that does not name the very field; an empty one is an error."""

from __future__ import annotations

import ctypes
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from qtforge.monitoring import (
    KEEP_NONE,
    SAFE_NONE,
    Candidate,
    Event,
    EventKind,
    Health,
    InvalidArgumentError,
    PluginHotReloadManager,
    ReloadOutcome,
    SafeOptions,
    _library,
)

SIGNED = b"plugin v1\n"
KEY = "RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR"
OTHER_KEY = "RWStPtZVUyIEzJH/A9YIvL+9rncdPQ/5MAYxjYv3J4pqQswed6/GL7C9"
SIGNATURE = """untrusted comment: signature from minisign secret key
RURY1qxhqSfXuw1FyMVkF+fmfcADlPE9jfoNofKvA0vCd4dkmw7KV/nM3KRKdfkxyKMcl4/1nTZc5pKYo1RpcImGr4DjEFgJiw0=
trusted comment: plugin 1
jFeMX1z11nHDqj+6X/qNR4sWERfUNdjZZeAtZjvVW3ZsfFQyCQb8O3TtTVZFWo7qJz4r/3Q/JO2At5ijxt/XBw==
"""
SUM = "c31ef152e0ebdf064fa5d311f643013280d92cc1c37d1ce089658bc62d455b2b  plugin.so\n"


class Host:
    """A manager in manual dispatch, with safeguards of its own, and a signed plugin."""

    def __init__(self, directory: Path, safe: SafeOptions, file: Path | None = None) -> None:
        self.file = file or directory / "plugin.so"
        if file is None:
            self.file.write_bytes(SIGNED)
        self.events: list[Event] = []
        self.manager = PluginHotReloadManager(
            dispatch="manual", quiet_ms=30, snapshot_dir=directory / "snapshots", safe=safe, raise_on_error=True
        )
        self.manager.set_event_callback(self.events.append)

    def open(self, plugin_id: str, safe: SafeOptions | None) -> None:
        self.manager.enable_hot_reload(plugin_id, self.file, safe=safe, deliver_present=True)

    def await_event(self, plugin_id: str, *kinds: EventKind) -> Event:
        end = time.monotonic() + BOUND
        while True:
            for event in self.events:
                if event.plugin_id == plugin_id and event.kind in kinds:
                    self.events.remove(event)
                    return event
            assert time.monotonic() < end, (plugin_id, kinds, self.events)
            self.manager.wait(0.05)

    def verdict(self, plugin_id: str, safe: SafeOptions | None) -> str:
        """Of the present version: why it is rejected, "" if it is delivered."""
        self.open(plugin_id, safe)
        event = self.await_event(plugin_id, EventKind.FILE_CHANGED, EventKind.REJECTED)
        return event.message if event.kind is EventKind.REJECTED else ""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def host(safe: SafeOptions, file: Path | None = None) -> Host:
        made.append(Host(tmp_path, safe, file))
        return made[-1]

    yield host
    for each in made:
        each.manager.close()


ELSEWHERE = SafeOptions(retry_delay_ms=5)
"""A plugin's own options, which name another field."""


def holds_and_is_replaced(host: Host, message: str, own: SafeOptions) -> None:
    for number, safe in enumerate((None, SafeOptions(), ELSEWHERE)):
        assert message in host.verdict(f"without {number}", safe)
    assert host.verdict("with", own) == ""


def test_image(make: Callable[..., Host]) -> None:
    holds_and_is_replaced(make(SafeOptions(image=True)), "neither an ELF", SafeOptions(image=False))


def test_symbols(make: Callable[..., Host]) -> None:
    library = Path(_library.load()._name)
    host = make(SafeOptions(symbols=["nobody_exports_this"]), library)
    holds_and_is_replaced(host, "nobody_exports_this", SafeOptions(symbols=["hrm_version_number"]))


def test_allow_list(make: Callable[..., Host], tmp_path: Path) -> None:
    nothing, this = tmp_path / "nothing", tmp_path / "this"
    nothing.write_text("# nothing\n")
    this.write_text(SUM)
    holds_and_is_replaced(make(SafeOptions(allow_list=nothing)), "not in the allow-list", SafeOptions(allow_list=this))


def test_public_keys_and_signature(make: Callable[..., Host], tmp_path: Path) -> None:
    host = make(SafeOptions(public_keys=[OTHER_KEY]))
    (tmp_path / "plugin.so.minisig").write_text(SIGNATURE)
    holds_and_is_replaced(host, "key", SafeOptions(public_keys=[KEY]))
    host = make(SafeOptions(public_keys=[KEY]))
    assert host.verdict("beside", SafeOptions()) == ""
    (tmp_path / "plugin.so.minisig").rename(tmp_path / "elsewhere")
    assert "plugin.so.minisig" in host.verdict("gone", SafeOptions())
    assert host.verdict("elsewhere", SafeOptions(signature=tmp_path / "elsewhere")) == ""


def test_strict_modes(make: Callable[..., Host], tmp_path: Path) -> None:
    host = make(SafeOptions(strict_modes=True))
    host.file.chmod(0o666)  # and /tmp is on the way
    holds_and_is_replaced(host, "exchange", SafeOptions(strict_modes=False))


SIGNER = "RWQBAAAAAAAAAItOU+f232FbfyjeucMszgp0NXsURuBdSA7AAG0xLO34"
"""The first key of core/internal/signtest, which made these signatures."""
GREETER_1 = """untrusted comment: signature from minisign secret key
RUQBAAAAAAAAAKT9udQSkGRhsqBQmcviszhq9wacEiwCHgc0qDs9RixmyPhkSuEoesnkW3Inu9tEKoEEztowvPWtfrfd5pnHOws=
trusted comment: plugin:greeter version:1.0
7m2yMdkb2y4mlXohFSMZ/4Y6TsD7+TCaDDHsDiuapLlJnG0mGAH97dF01QZ6atDo4P3IStNqPRyH1MuRb6XTBw==
"""
GREETER_2 = """untrusted comment: signature from minisign secret key
RUQBAAAAAAAAAONPYHtQM7p5Ovw5olHnPVEpsUsPr3Fkt7lnbpKWfhQQ1OVwngqO70G6yTzzFUJGdkZxeTSUUHLwTLQ6QVjrfgA=
trusted comment: plugin:greeter\tversion:2
7EvITwGx5olT+0gr4OLOvKWvOjR84lZCS6ljIUIvrvXZGdsDydg0KKaSlmDxIuOKrp8u4mB7YfD6AGm6pN7gCw==
"""
MANIFEST = f"{SUM}d75a4a58732ef6d2f87d76278f2fab264a2ce7b56069473a52823f4067fdb6c9  words\n"
OF_MANIFEST = """untrusted comment: signature from minisign secret key
RUQBAAAAAAAAAJJhd+Loj+k523Z2tv6eubm/v73MTJYOIXaEL2EXUT/o2j3WcBM9Vfc+7QFZ7zweWLBrHG1J0S54Xv3puSJVKwo=
trusted comment: manifest:greeter version:1
ljZkr+Q4Cau95Qwp5njSi0o8HTupIzKSBrpUSd7WRJ0r5AmtPk+9I+4pf32EpGKNOfu7oJPxSgxsMkruWpkWAg==
"""


def test_list_names(make: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "list").write_text(SUM.replace("plugin.so", "other.so"))
    host = make(SafeOptions(allow_list=tmp_path / "list", list_names=True))
    holds_and_is_replaced(host, "not for a file of this name", SafeOptions(list_names=False))


@pytest.mark.skipif(sys.platform != "linux", reason="its libraries are no ELF images")
def test_no_unique(make: Callable[..., Host], tmp_path: Path) -> None:
    # The C++ library itself has such symbols.
    with open("/proc/self/maps") as maps:
        ctypes.CDLL("libstdc++.so.6")
        library = next(Path(line.split()[-1]) for line in maps if "libstdc++.so" in line)
    host = make(SafeOptions(no_unique=True), library)
    holds_and_is_replaced(host, "compile it with -fno-gnu-unique", SafeOptions(no_unique=False))


def test_plugin_name_and_trusted_comment(make: Callable[..., Host], tmp_path: Path) -> None:
    host = make(SafeOptions(public_keys=[SIGNER]))
    (tmp_path / "plugin.so.minisig").write_text(GREETER_1)
    asked: list[Candidate] = []

    def validator(candidate: Candidate) -> bool:
        asked.append(candidate)
        return True

    host.manager.set_validator(validator)
    host.open("greeter", SafeOptions(plugin_name="greeter"))
    assert host.await_event("greeter", EventKind.FILE_CHANGED).trusted_comment == "plugin:greeter version:1.0"
    assert [candidate.trusted_comment for candidate in asked] == ["plugin:greeter version:1.0"]
    host.open("painter", SafeOptions(plugin_name="painter"))
    event = host.await_event("painter", EventKind.REJECTED)
    assert 'is for plugin "greeter", not for "painter"' in event.message
    assert event.trusted_comment == "plugin:greeter version:1.0"
    host = make(SafeOptions())
    host.open("unsigned", None)
    assert host.await_event("unsigned", EventKind.FILE_CHANGED).trusted_comment == ""


def test_min_version(make: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "plugin.so.minisig").write_text(GREETER_1)
    host = make(SafeOptions(public_keys=[SIGNER], min_version="1.0.1"))
    holds_and_is_replaced(host, "version 1 is older than 1.0.1", SafeOptions(min_version="1"))


def test_rising_version_and_version_dir(make: Callable[..., Host], tmp_path: Path) -> None:
    safe = SafeOptions(public_keys=[SIGNER], rising_version=True, version_dir=tmp_path / "versions")
    host = make(safe)
    (tmp_path / "plugin.so.minisig").write_text(GREETER_2)
    host.file.write_bytes(b"plugin v2\n")
    host.open("p", None)
    host.manager.report_reload("p", host.await_event("p", EventKind.FILE_CHANGED).generation)
    host.manager.close()
    (tmp_path / "plugin.so.minisig").write_text(GREETER_1)
    host = make(safe)  # the first version is in place again
    assert "version 1 is older than version 2" in host.verdict("p", None)
    host.manager.disable_hot_reload("p")
    assert host.verdict("p", SafeOptions(rising_version=False)) == ""
    host.manager.disable_hot_reload("p")
    assert host.verdict("p", SafeOptions(version_dir=tmp_path / "elsewhere")) == ""


def test_manifest(make: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "words").write_text("words 1\n")
    (tmp_path / "manifest").write_text(MANIFEST)
    (tmp_path / "manifest.minisig").write_text(OF_MANIFEST)
    host = make(SafeOptions(public_keys=[SIGNER]))
    safe = SafeOptions(files=["words"], manifest=tmp_path / "manifest", plugin_name="greeter")
    assert host.verdict("whole", safe) == ""
    (tmp_path / "words").write_text("words 2\n")
    assert '"words" (SHA-256' in host.verdict("mixed", safe)


def test_max_size(make: Callable[..., Host]) -> None:
    host = make(SafeOptions(max_size=1))
    holds_and_is_replaced(host, "limit of 1 ", SafeOptions(max_size=2**40))
    for name, size in (("no limit", 0), ("no limit either", SAFE_NONE)):
        assert host.verdict(name, SafeOptions(max_size=size)) == ""


def test_what_a_validators_timeout_means(make: Callable[..., Host]) -> None:
    def slow(candidate: Candidate) -> bool:
        time.sleep(0.15)  # longer than the timeout, which is what is tested
        return True

    rejecting = make(SafeOptions(validator_timeout_ms=1))
    rejecting.manager.set_validator(slow)
    holds_and_is_replaced(rejecting, "no verdict within 1ms", SafeOptions(validator_timeout_ms=0))
    assert rejecting.verdict("none", SafeOptions(validator_timeout_ms=SAFE_NONE)) == ""
    assert rejecting.verdict("accepting", SafeOptions(accept_on_timeout=True)) == ""
    accepting = make(SafeOptions(validator_timeout_ms=1, accept_on_timeout=True))
    accepting.manager.set_validator(slow)
    assert accepting.verdict("without", SafeOptions()) == accepting.verdict("without own", None) == ""
    assert "no verdict" in accepting.verdict("with", SafeOptions(accept_on_timeout=False))


def test_report_timeout(make: Callable[..., Host]) -> None:
    host = make(SafeOptions(report_timeout_ms=50))
    assert host.verdict("exempt", SafeOptions(report_timeout_ms=0)) == ""  # before the others, whose time ends later
    for number, safe in enumerate((None, SafeOptions(), ELSEWHERE)):
        assert host.verdict(f"{number}", safe) == ""
    for number in range(3):
        assert host.await_event(f"{number}", EventKind.HEALTH).health is Health.NO_REPORT
    assert not [event for event in host.events if event.plugin_id == "exempt" and event.kind is EventKind.HEALTH]


def test_retries_and_their_delay(make: Callable[..., Host]) -> None:
    host = make(SafeOptions(retries=1, retry_delay_ms=1))
    for name, own in (("exempt", SafeOptions(retries=0)), ("late", SafeOptions(retry_delay_ms=86400000))):
        assert host.verdict(name, own) == ""
        host.manager.report_reload(name, 1, ReloadOutcome.FAILED)
    host.await_event("exempt", EventKind.ROLLBACK)
    for number, safe in enumerate((None, SafeOptions(), SafeOptions(keep_generations=2))):
        assert host.verdict(f"{number}", safe) == ""
        host.manager.report_reload(f"{number}", 1, ReloadOutcome.FAILED)
        assert host.await_event(f"{number}", EventKind.FILE_CHANGED).generation == 2
    assert not [e for e in host.events if e.plugin_id in ("exempt", "late") and e.kind is EventKind.FILE_CHANGED]


def test_keep_generations(make: Callable[..., Host]) -> None:
    host = make(SafeOptions(keep_generations=KEEP_NONE))
    own: dict[str, SafeOptions | None] = {
        "without": None,
        "nothing": SafeOptions(),
        "other": ELSEWHERE,
        "with": SafeOptions(keep_generations=1),
    }
    first: dict[str, Path] = {}
    for name, safe in own.items():
        host.open(name, safe)
        event = host.await_event(name, EventKind.FILE_CHANGED)
        first[name] = Path(event.snapshot_path)
        host.manager.report_reload(name, 1)
    host.file.write_bytes(b"plugin v2\n")
    for name in own:
        host.manager.report_reload(name, host.await_event(name, EventKind.FILE_CHANGED).generation)
    for name in ("without", "nothing", "other"):
        wait_until(f"{name} is gone", lambda name=name: not first[name].exists())  # type: ignore[misc]
    assert first["with"].exists()
    zero = make(SafeOptions())
    zero.open("zero", SafeOptions(keep_generations=0))  # none, as KEEP_NONE


def test_every_field_has_a_test_here() -> None:
    """files and the signature are of one plugin; the rest is above."""
    assert [field.name for field in dataclasses.fields(SafeOptions)] == [
        "files",
        "image",
        "symbols",
        "allow_list",
        "public_keys",
        "signature",
        "strict_modes",
        "validator_timeout_ms",
        "accept_on_timeout",
        "report_timeout_ms",
        "retries",
        "retry_delay_ms",
        "keep_generations",
        "max_size",
        "list_names",
        "manifest",
        "plugin_name",
        "min_version",
        "rising_version",
        "version_dir",
        "no_unique",
    ]
    assert all(field.default is None for field in dataclasses.fields(SafeOptions))


EMPTY: list[tuple[str, Any]] = [
    ("allow_list", ""),
    ("allow_list", b""),
    ("signature", ""),
    ("public_keys", []),
    ("public_keys", [""]),
    ("public_keys", ()),
    ("symbols", []),
    ("symbols", [""]),
    ("symbols", ["plugin_init", ""]),
    ("files", [""]),
    ("manifest", ""),
    ("plugin_name", ""),
    ("min_version", ""),
    ("version_dir", b""),
]


@pytest.mark.parametrize(("field", "value"), EMPTY)
def test_an_empty_value_is_an_error_that_names_the_field(
    make: Callable[..., Host], tmp_path: Path, field: str, value: Any
) -> None:
    host = make(SafeOptions())
    with pytest.raises(InvalidArgumentError, match=field):
        host.open("p", SafeOptions(**{field: value}))
    assert host.manager.get_hot_reload_plugins() == []
    with pytest.raises(InvalidArgumentError, match=field):
        make(SafeOptions(**{field: value}))


def test_no_companion_files_are_no_error(make: Callable[..., Host]) -> None:
    assert make(SafeOptions()).verdict("p", SafeOptions(files=[])) == ""


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rising_version", 1, "rising_version=1: expected True, False or None, got int"),
        ("list_names", "", "list_names='': expected True, False or None, got str"),
        ("no_unique", 1, "no_unique=1: expected True, False or None, got int"),
        ("image", "", "image='': expected True, False or None, got str"),
        ("strict_modes", 0, "strict_modes=0: expected True, False or None, got int"),
        ("accept_on_timeout", "no", "accept_on_timeout='no': expected True, False or None, got str"),
        ("public_keys", KEY, "expected a list, got str"),
        ("symbols", 5, "symbols=5: expected a list, got int"),
        ("files", Path("x"), "expected a list, got PosixPath"),
        ("retries", "1", "retries='1': expected int, got str"),
        ("retries", True, "retries=True: expected int, got bool"),
        ("validator_timeout_ms", 1.5, "validator_timeout_ms=1.5: expected int, got float"),
    ],
)
def test_values_of_other_types_are_named_when_given(field: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        SafeOptions(**{field: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("symbols", ["a\0b"], r"symbols: b'a\\x00b' contains a NUL"),
        ("symbols", ["\ud800"], r"symbols: '\\ud800' cannot be encoded"),
        ("allow_list", "a\0b", r"allow_list: b'a\\x00b' contains a NUL"),
        ("allow_list", "\ud800", r"allow_list: the path '\\ud800' cannot be encoded"),
        ("retries", 2**31, "retries=2147483648 is out of range"),
        ("retry_delay_ms", 0, "retry_delay_ms=0: give at least 1, or None"),
        ("validator_timeout_ms", -2, "validator_timeout.* -2"),
        ("keep_generations", 1001, "keep_generations.* 1001"),
        ("max_size", 2**63, "max_size=9223372036854775808 is out of range"),
        ("max_size", -2, "max_size of -2"),
        ("plugin_name", "a\0b", r"plugin_name: b'a\\x00b' contains a NUL"),
        ("plugin_name", "a b", 'plugin_name is "a b"'),
        ("min_version", "1.x", 'min_version: "1.x" is no version'),
        ("version_dir", "\ud800", r"version_dir: the path '\\ud800' cannot be encoded"),
        ("manifest", "a\0b", r"manifest: b'a\\x00b' contains a NUL"),
    ],
)
def test_values_out_of_range_are_named_when_enabling(
    make: Callable[..., Host], field: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make(SafeOptions()).open("p", SafeOptions(**{field: value}))


def test_lists_are_copied(make: Callable[..., Host]) -> None:
    keys = [OTHER_KEY]
    options = SafeOptions(public_keys=keys)
    keys.clear()
    assert options.public_keys == (OTHER_KEY,)
    once = SafeOptions(public_keys=(key for key in [OTHER_KEY]))  # type: ignore[arg-type]
    host = make(SafeOptions())
    for name in ("first", "second"):  # the generator is not used up
        assert "minisig" in host.verdict(name, once)
