# SPDX-License-Identifier: MIT
"""The metrics as their readers take them: Prometheus' own parser, the dashboard, the manual, the example endpoint."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from qtforge.monitoring import (
    METRICS_CONTENT_TYPE,
    ClosedError,
    Event,
    EventKind,
    PluginHotReloadManager,
    ReloadOutcome,
    SafeOptions,
)

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {"counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """The samples, by name and labels. The parser raises ValueError for what is no OpenMetrics."""
    samples: Samples = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        assert family.documentation and family.type in SUFFIXES, family
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def names(text: str) -> set[str]:
    """The names of all samples that there may be."""
    return {
        family + suffix
        for family, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
        for suffix in SUFFIXES[kind]
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.so"
    path.write_text("v0")
    return path


@pytest.fixture
def manager() -> Iterator[PluginHotReloadManager]:
    with PluginHotReloadManager(quiet_ms=30, dispatch="manual", raise_on_error=True) as manager:
        yield manager


def test_metrics_of_a_manager_without_plugins(manager: PluginHotReloadManager) -> None:
    samples = read(manager.metrics())
    assert value(samples, "hotreload_plugins") == 0
    assert value(samples, "hotreload_health_events_total", code="overflow") == 0


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash\\n", "你 \u2028 ü", 'x"} 1 # {', "a,b={}"])
def test_whatever_a_plugins_id_is_the_label_is_that(manager: PluginHotReloadManager, file: Path, name: str) -> None:
    manager.enable_hot_reload(name, file)
    assert value(read(manager.metrics()), "hotreload_plugin_generation", plugin=name) == 0


def test_metrics_follow_a_reload_and_a_failure(manager: PluginHotReloadManager, file: Path) -> None:
    outcomes = iter([ReloadOutcome.OK, ReloadOutcome.FAILED])

    def on_event(event: Event) -> None:
        if event.kind is EventKind.FILE_CHANGED:
            hashes.append(event.snapshot_sha256)
            manager.report_reload("p", event.generation, next(outcomes))

    hashes: list[str] = []
    manager.set_event_callback(on_event)
    manager.enable_hot_reload("p", file, safe=SafeOptions())
    for number in (1, 2):
        file.write_text(f"version {number}")
        wait_until("delivered", lambda: manager.process_events() >= 0 and len(hashes) == number)  # noqa: B023
        samples = read(manager.metrics())
        assert value(samples, "hotreload_plugin_generation", plugin="p") == number
        assert value(samples, "hotreload_plugin_last_reload_successful", plugin="p") == 2 - number
        assert value(samples, "hotreload_plugin_good_generation", plugin="p") == 1
        assert value(samples, "hotreload_plugin_version_info", plugin="p", sha256=hashes[-1]) == 1
        assert value(samples, "hotreload_plugin_delivery_latency_seconds_count", plugin="p") == number
    latency = value(samples, "hotreload_delivery_latency_seconds_sum")
    assert latency is not None and 0.06 <= latency < BOUND
    wait_until(
        "rolled back",
        lambda: (
            manager.process_events() >= 0
            and value(read(manager.metrics()), "hotreload_plugin_rollbacks_total", plugin="p") == 1
        ),
    )


def test_metrics_of_a_closed_manager(manager: PluginHotReloadManager) -> None:
    manager.close()
    with pytest.raises(ClosedError):
        manager.metrics()


def test_every_metric_of_the_dashboard_exists(manager: PluginHotReloadManager) -> None:
    dashboard = json.loads((ROOT / "examples" / "grafana" / "hotreload.json").read_text())

    def queries(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, inner in node.items():
                if key in ("expr", "query") and isinstance(inner, str):
                    yield inner
                yield from queries(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from queries(inner)

    used = {name for query in queries(dashboard) for name in re.findall(r"\bhotreload_\w+", query)}
    assert len(used) > 20
    assert used <= names(manager.metrics()), used - names(manager.metrics())


def test_the_manual_names_every_metric_and_no_other(manager: PluginHotReloadManager) -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    tables = set(re.findall(r"^\| `(hotreload_\w+)(?:\{\w+\})?` \|", text, re.MULTILINE))
    families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", manager.metrics(), re.MULTILINE))
    assert tables == {name + ("" if kind == "histogram" else SUFFIXES[kind][0]) for name, kind in families.items()}
    others = set(re.findall(r"\bhotreload_\w+", text)) - tables - {"hotreload_"}
    assert others <= names(manager.metrics()), others


def test_example_endpoint(file: Path) -> None:
    endpoint = ROOT / "examples" / "python" / "metrics" / "endpoint.py"
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(endpoint), "0", str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            address = re.fullmatch(r"http://(.+)/metrics\n", process.stdout.readline())
            assert address

            def get(path: str) -> tuple[int, str | None, str]:
                connection = http.client.HTTPConnection(address[1], timeout=BOUND)
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    return answer.status, answer.headers["Content-Type"], answer.read().decode()
                finally:
                    connection.close()

            assert get("/else")[0] == 404
            status, kind, text = get("/metrics")
            assert (status, kind) == (200, METRICS_CONTENT_TYPE)
            assert value(read(text), "hotreload_plugin_generation", plugin="plugin.so") == 0
            os.replace(_written(file, "v1"), file)
            assert process.stdout.readline() == "plugin.so needs a reload\n"
            assert value(read(get("/metrics")[2]), "hotreload_plugin_generation", plugin="plugin.so") == 1
        finally:
            process.terminate()


def _written(file: Path, content: str) -> Path:
    new = file.with_name("new")
    new.write_text(content)
    return new
