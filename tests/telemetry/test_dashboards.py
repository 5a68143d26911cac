"""The dashboard and the alerts speak of metrics that exist, of all of them; Prometheus takes its files."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from melancia.api.gauges import exposition
from melancia.records import FinishReason, JobState, ModelState, OriginKind, ReportStatus
from tests.api.conftest import open_runtime
from tests.prometheus import program
from tests.telemetry import samples

INFRA = Path(__file__).parents[2] / "infra"
DASHBOARD = json.loads((INFRA / "grafana/dashboards/melancia.json").read_text("utf-8"))
ALERTS = yaml.safe_load((INFRA / "prometheus/alerts.yml").read_text("utf-8"))
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
_METRIC = re.compile(r"\b(?:melancia|process)_[a-z_]+")
_SELECTOR = re.compile(r"(melancia_[a-z_]+)(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_FROM_PROMETHEUS = {"le", "alertname"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """Every sample that ``/metrics`` may tell → its labels, after answers of every kind."""
    runtime = open_runtime(tmp_path_factory.mktemp("data"))
    for done in (samples.direct(), samples.reserved(), samples.failed(), samples.again()):
        runtime.telemetry.metrics.ended(done)
    runtime.telemetry.metrics.ended(samples.direct(cost=None))
    runtime.telemetry.metrics.spans("exported", 1)
    yield known(exposition(runtime, lambda: 0))
    runtime.close()


def known(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Sample → labels; a gauge that has no value now is known by its family."""
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        found.setdefault(family.name, set(getattr(family, "_labelnames", ())))
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels but for the rows."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every query of the dashboard and the alerts."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*asked, *(rule["expr"] for rule in RULES)]


def test_every_metric_that_is_asked_for_exists(told: Mapping[str, set[str]]) -> None:
    asked = {name for expression in expressions() for name in _METRIC.findall(expression)}
    assert len(asked) > 25
    assert asked <= set(told)


def test_every_metric_of_ours_is_shown(told: Mapping[str, set[str]]) -> None:
    shown = {
        name for panel in panels() for target in panel["targets"] for name in _METRIC.findall(target["expr"])
    }
    families = {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in shown}
    ours = {
        re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in told if name.startswith("melancia")
    }
    assert ours <= families


def test_every_label_that_is_asked_for_exists(told: Mapping[str, set[str]]) -> None:
    for expression in expressions():
        for name, selector in _SELECTOR.findall(expression):
            used = set(re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", selector))
            assert used <= told[name] | {"job"}, expression
        labels = {label for name in _METRIC.findall(expression) for label in told[name]}
        for grouped in _GROUPED.findall(expression):
            assert {part.strip() for part in grouped.split(",")} <= labels | _FROM_PROMETHEUS, expression


def test_every_value_that_is_asked_for_can_come() -> None:
    values: dict[str, set[str]] = {
        "finish_reason": {reason.value for reason in FinishReason},
        "origin": {"direct", *(kind.value for kind in OriginKind)},
        "status": {status.value for status in ReportStatus},
        "refused": {"true", "false"},
        "fell_back": {"true", "false"},
        "state": {one.value for kind in (JobState, ModelState) for one in kind} | {"planned", "done"},
        "job": {"melancia"},
        "alertstate": {"firing", "pending"},
    }
    for expression in expressions():
        for label, wanted in re.findall(r'([a-z_]+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"', expression):
            assert set(wanted.split("|")) <= values[label], expression


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["uid"] == "melancia"
    assert DASHBOARD["schemaVersion"] >= 39
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    source = yaml.safe_load((INFRA / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    [prometheus] = source["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["title"]
    for panel in panels():
        assert panel["targets"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": prometheus["uid"]}


def test_each_alert_says_what_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["action"]


def test_prometheus_takes_its_files_and_each_alert_fires_on_what_it_is_for(tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    shutil.copytree(INFRA / "prometheus", folder)
    (tmp_path / "token").write_text("segredo")
    file = folder / "prometheus.yml"
    file.write_text(file.read_text("utf-8").replace("/run/metrics/token", str(tmp_path / "token")), "utf-8")
    asked = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions())]
    (folder / "panels.yml").write_text(
        json.dumps({"groups": [{"name": "panels", "rules": asked}]}).replace("$__rate_interval", "1m")
    )
    for command in (
        ["check", "config", str(file)],
        ["check", "rules", str(folder / "alerts.yml"), str(folder / "panels.yml")],
        ["test", "rules", str(folder / "alerts_test.yml")],
    ):
        done = subprocess.run([program("promtool"), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    fired = yaml.safe_load((folder / "alerts_test.yml").read_text("utf-8"))["tests"][-1]["promql_expr_test"]
    named = re.findall(r'alertname="(\w+)"', json.dumps(fired).replace('\\"', '"'))
    assert set(named) == {rule["alert"] for rule in RULES}
