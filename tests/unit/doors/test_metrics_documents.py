"""What the README says of `/metrics`, and the dashboard draws, is there; and they leave nothing out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.telemetry.metrics import Gauges, Metrics

from tests.unit.doors.doors import exposition
from tests.unit.events import ended

ROOT = Path(__file__).resolve().parents[3]
Series = dict[str, set[str]]
_LABELS = re.compile(r"\b(?:by|without) \(([^)]*)\)|\{([^}]*)\}")


@pytest.fixture
async def series() -> Series:
    """The names of all samples and of their labels, once everything has happened."""
    metrics = Metrics()
    metrics.began("main")
    event = ended(
        "messages",
        502,
        "upstream_cut",
        upstream="one",
        tokens=TokenCounts(prompt=1, completion=1),
        first_byte=0.5,
        streamed=True,
    )
    metrics.ended("main", "POST", "model", event)
    metrics.rate_limited("main")
    metrics.matched("main", "all")
    metrics.limited("project", "tokens")
    metrics.overdrawn("project", "money", 1)
    metrics.clamped("project", "money")
    metrics.crossed("token", "requests", 80)
    metrics.called("all", "one", 1.0, "upstream_cut")
    metrics.connect_failed("one", "upstream", "refused")
    metrics.retried("all", "one")
    metrics.fell_back("model", "other-model")
    metrics.breaker_changed("one", "closed", "open")
    metrics.breaker_result("one", "failure")
    metrics.asked_for_models("one", "failure")
    metrics.signed_in("wrong")
    gauges = Gauges(
        snapshot_revision=1,
        snapshot_age=1,
        journal_waiting=0,
        journal_skipped=0,
        ledger_is_shared=False,
        drain_lag=0,
        certificate_end=1,
        breakers={"one": "open"},
        calls={"one": 1},
        certificates={"one": 1.0},
        connections={"main": 1},
        look_ups={"stale": 1},
        refused={("data", "all"): 1},
        shortages={"descriptors": 1},
    )
    text = (await exposition(metrics, gauges).answer("")).body.decode()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (ROOT / "deploy/grafana/tollkeeper.json").read_text(encoding="utf-8")
    )
    return content


def _queries() -> list[str]:
    return [target["expr"] for panel in _dashboard()["panels"] for target in panel.get("targets", ())]


def test_every_series_on_the_dashboard_exists_with_its_labels(series: Series) -> None:
    for query in _queries():
        names = set(re.findall(r"\b(?:tollkeeper|process|python)_\w+", query))
        assert names, query
        assert names <= series.keys(), query
        used = {
            re.split(r"[=!]", label)[0].strip()
            for groups in _LABELS.findall(query)
            for label in "".join(groups).split(",")
        }
        assert used - {"job", "instance"} <= set().union(*(series[name] for name in names)), query


def test_the_dashboard_shows_each_of_our_families(series: Series) -> None:
    shown = " ".join(_queries())
    missing = [
        name
        for name in series
        if name.startswith("tollkeeper_") and not name.endswith(("_count", "_sum")) and name not in shown
    ]
    assert missing == []


def test_the_dashboards_panels_have_a_place_and_a_number_of_their_own() -> None:
    dashboard = _dashboard()
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels)))
    assert used <= variables | {"__rate_interval"}


def test_the_readme_lists_each_family_with_its_labels(series: Series) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    listed = {
        f"tollkeeper_{name}": set(filter(None, labels.split(", ")))
        for name, labels in re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*?) ?\|", section, re.MULTILINE)
    }
    there = {
        name.removesuffix("_count"): labels
        for name, labels in series.items()
        if name.startswith("tollkeeper_") and not name.endswith(("_bucket", "_sum"))
    }
    assert listed == there


def test_the_example_for_prometheus_can_be_read() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert job["static_configs"][0]["targets"]
    assert job.get("metrics_path", "/metrics") == "/metrics"
