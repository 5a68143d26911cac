"""Reports: too little data, the page, Evidently's silent passes, and what MLflow gets."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.drift_simulations import TOPICS, World, slower, windows
from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.client import connect
from melancia.mlops.drift import evidently_report, tracking
from melancia.mlops.drift.frame import Window, empty
from melancia.mlops.drift.report import LEAST_WINDOW, build
from melancia.mlops.drift.summary import lines, markdown, page
from melancia.records import ReportStatus
from melancia.settings import Settings, load_settings
from tests.mlflow_server import MlflowServer
from tests.mlops.drift.test_checks import changed
from tests.ports import free_port

PAIR = windows(World(400, 100), np.random.default_rng(1), slower(1.0))
GAPS = (
    {"label": "frete", "count": 3, "examples": []},
    {"label": "", "count": 1, "examples": ["Como abro uma MEI?"]},
    {"label": "", "count": 2, "examples": ["Emite boleto?"]},
)
REPORT = build(*PAIR, TOPICS, gaps=GAPS, notes=("nota",))


def cut(window: Window, rows: int) -> Window:
    """The first rows of a window."""
    return replace(window, frame=window.frame.iloc[:rows], total=rows, sampled=window.sampled[:0])


def test_a_report_says_what_changed_and_keeps_every_test() -> None:
    assert REPORT.status is ReportStatus.DRIFT
    assert REPORT.sizes == {"current": 400, "reference": 1600}
    assert REPORT.current == (PAIR[0].since, PAIR[0].until)
    assert REPORT.figures["latency"] > 1.5 * (next(one for one in REPORT.drifted).reference or 0)
    assert {"latency.a", "latency.b", "documents_never"} <= set(REPORT.figures)
    assert all(math.isfinite(value) for value in REPORT.figures.values())
    said = "\n".join(lines(REPORT))
    for part in (
        "Situação: mudou",
        "400 interações",
        "1.600 interações",
        "Tempo de resposta",
        "frete: 3",
        "sem outra parecida: 3",
        "nota",
    ):
        assert part in said
    assert "Não testado" in said
    for written in (said, markdown(REPORT), page(REPORT, "")):
        assert not {"MEI", "boleto"} & set(re.findall(r"\w+", written)), "nobody's own words"


def test_the_same_windows_give_the_same_report() -> None:
    first, second = (build(*PAIR, TOPICS, seed=4) for _ in range(2))
    assert (first.findings, first.figures) == (second.findings, second.figures)
    assert first.id != second.id


def test_without_drift_the_report_is_stable() -> None:
    calm = build(*windows(World(300, 100), np.random.default_rng(2)), TOPICS)
    assert calm.status is ReportStatus.STABLE
    assert not calm.drifted
    assert "Sem mudança que importe" in "\n".join(lines(calm))


@pytest.mark.parametrize(("now", "then"), [(0, 0), (37, 1600), (400, 99)])
def test_too_little_data_says_how_much_is_missing_and_tests_nothing(now: int, then: int) -> None:
    report = build(cut(PAIR[0], now), cut(PAIR[1], then), TOPICS)
    assert report.status is ReportStatus.TOO_LITTLE
    assert report.findings == ()
    missing = [LEAST_WINDOW - size for size in (now, then) if size < LEAST_WINDOW]
    assert [int(number) for number in re.findall(r"Faltam (\d+)", " ".join(report.notes))] == missing
    assert "<h1>Relatório de mudanças</h1>" in page(report, "")


def test_an_empty_window_is_a_report_too() -> None:
    nothing = replace(cut(PAIR[0], 0), frame=empty())
    assert build(nothing, nothing, {}).status is ReportStatus.TOO_LITTLE


def test_the_page_has_the_findings_above_evidently_s_pictures_and_no_question() -> None:
    secret = replace(PAIR[0], frame=PAIR[0].frame.assign(question="ana@exemplo.com"))
    picture = evidently_report.draw(secret, PAIR[1], {**TOPICS, 0: "</script><b>"}, 0)
    html = page(replace(REPORT, notes=("<img src=x>",)), picture.html)
    assert html.count("<body>") == 1
    assert html.index("Tempo de resposta") < html.index("drawDashboard(metric")
    assert 'lang="pt-BR"' in html[:200]
    assert "&lt;img src=x&gt;" in html
    assert "<img src=x>" not in html
    assert "ana@exemplo.com" not in html + json.dumps(picture.data)
    assert "u12" not in html[-200_000:]
    # Nothing is loaded from outside.
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)
    assert "</script><b>" not in html
    assert picture.left_out == ()
    assert any("Tempo de resposta" in str(metric) for metric in picture.data["metrics"])


def test_columns_that_evidently_would_pass_in_silence_are_left_out_by_name() -> None:
    current = changed(PAIR[0], cost=np.nan, groundedness=np.where(np.arange(400) < 3, 0.5, np.nan))
    picture = evidently_report.draw(current, PAIR[1], TOPICS, 0)
    assert picture.left_out == ("Fundamentação das respostas", "Custo por resposta")
    values = [metric["value"] for metric in picture.data["metrics"]]
    assert all(value is not None for value in values)


def test_a_sample_is_drawn_of_large_windows() -> None:
    world = World(evidently_report.SAMPLE + 1000, 2000)
    current, reference = windows(world, np.random.default_rng(3))
    first, second = (evidently_report.draw(current, reference, TOPICS, 7) for _ in range(2))
    assert first.data == second.data
    assert len(first.html) < 8_000_000


def test_mlflow_has_a_run_with_documents_metrics_and_passes(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    settings = _settings(mlflow_server.url, tmp_path)
    documents = tracking.Documents(
        "<html>é</html>", {"metrics": []}, {"atual": ["i1", "i2"], "referencia": ["i0"]}
    )
    recorded = tracking.record(settings, REPORT, documents, {"seed": 3})
    connection = connect(settings)
    run = connection.client.get_run(recorded.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == naming.drift_run(REPORT.created_at)
    assert run.data.tags[naming.KIND_TAG] == "drift"
    assert run.data.tags[naming.REPORT_TAG] == REPORT.id
    assert run.data.tags[naming.STATUS_TAG] == "drift"
    assert run.data.params["seed"] == "3"
    assert run.data.metrics["latency"] == pytest.approx(REPORT.figures["latency"])
    assert (run.data.metrics["ok.latency"], run.data.metrics["ok.failed"]) == (0, 1)
    assert run.data.metrics["size.current"] == 400
    assert set(REPORT.figures) <= set(run.data.metrics)
    tested = [one for one in REPORT.findings if one.p_value is not None]
    assert run.data.metrics["tests"] == len(tested)
    files = {item.path for item in connection.client.list_artifacts(recorded.run_id)}
    assert files == {"relatorio.html", "evidently.json", "achados.json", "resumo.md", "janelas"}
    ids = connection.client.download_artifacts(recorded.run_id, "janelas/atual.txt", str(tmp_path))
    assert Path(ids).read_text() == "i1\ni2"
    assert recorded.url.endswith(f"/runs/{recorded.run_id}")
    assert tracking.record(settings, REPORT, documents, {"seed": 3}).run_id == recorded.run_id


def test_an_mlflow_that_is_away_is_a_tracking_error(tmp_path: Path) -> None:
    settings = _settings(f"http://127.0.0.1:{free_port()}", tmp_path)
    with pytest.raises(TrackingError):
        tracking.record(settings, REPORT, tracking.Documents("", {}, {}), {})


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_arm_and_topic_makes_a_name_that_mlflow_takes(arm: str, topic: str) -> None:
    assert re.fullmatch(r"thumbs_down(\.[a-z0-9_-]+){0,2}", naming.drift_figure("thumbs_down", arm, topic))


def test_the_markdown_has_a_row_a_test() -> None:
    rows = [line for line in markdown(REPORT).splitlines() if line.startswith("| ")]
    assert len(rows) == len(REPORT.findings) + 1


def _settings(url: str, folder: Path) -> Settings:
    return load_settings(_env_file=None, data_dir=folder, mlflow_url=url, mlflow_experiment=uuid4().hex)
