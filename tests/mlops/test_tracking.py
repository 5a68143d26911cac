"""The guide's tracker on a real MLflow: on its server, and on the local folder with no server at all."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from melancia.errors import InputError, TrackingError
from melancia.experiments.figures import FIGURES
from melancia.mlops import naming
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, record
from melancia.mlops.client import connect
from melancia.mlops.local_store import tracked
from melancia.mlops.tracking import ExperimentTracker
from melancia.records import Variant, utc_now
from melancia.settings import Settings, load_settings
from tests.mlflow_server import MlflowServer
from tests.ports import free_port

CONTROL = Variant("extractive", "extractive", temperature=0.0, context_window=None)
GOOD = Variant("openai", "gpt-4o-mini")
CHEAP = Variant("ollama", "llama3.1:8b")


@dataclass
class Past:
    """Benchmarks that were recorded, a minute apart."""

    settings: Settings
    moment: datetime = field(default_factory=lambda: utc_now() - timedelta(days=1))

    def add(
        self, models: dict[Variant, dict[str, float]], mode: str = "quick", complete: bool = True
    ) -> datetime:
        """Record one; when it began."""
        self.moment += timedelta(minutes=1)
        result = BenchmarkResult(
            benchmark_id=uuid4().hex,
            mode=mode,
            started_at=self.moment,
            ended_at=self.moment + timedelta(seconds=30),
            complete=complete,
            models=[ModelResult(variant, metrics) for variant, metrics in models.items()],
            files=[],
            params={},
        )
        record(self.settings, result)
        return self.moment


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: making its tables takes seconds."""
    return tmp_path_factory.mktemp("dados")


@pytest.fixture(params=["server", "folder"])
def past(request: pytest.FixtureRequest, data: Path) -> Past:
    """An experiment of this test's own, without a benchmark; in the folder, no server is told of anything."""
    settings = load_settings(_env_file=None, data_dir=data, mlflow_experiment=uuid4().hex)
    if request.param == "folder":
        return Past(tracked(settings))
    server: MlflowServer = request.getfixturevalue("mlflow_server")
    settings = settings.model_copy(update={"mlflow_url": server.url})
    connect(settings)
    return Past(settings)


def tracker(past: Past) -> ExperimentTracker:
    """As people make it, with the settings of the test."""
    return ExperimentTracker(past.settings.mlflow_experiment, past.settings)


def test_the_best_run_is_that_of_the_best_model_of_all_benchmarks(past: Past) -> None:
    past.add({GOOD: {"quality_avg": 0.87, "latency_avg": 2.0}, CHEAP: {"quality_avg": 0.82}})
    past.add({CHEAP: {"quality_avg": 0.7, "latency_avg": 1.0}, CONTROL: {"success_rate": 1.0}})
    best = tracker(past).get_best_run(metric="quality_avg")
    assert best["params.model"] == "gpt-4o-mini"
    assert best["metrics.quality_avg"] == 0.87
    assert best["params.variant_hash"] == GOOD.hash
    assert connect(past.settings).client.get_run(best["run_id"]).data.metrics["quality_avg"] == 0.87
    assert best["status"] == "FINISHED"
    assert (best["end_time"] - best["start_time"]) == timedelta(seconds=30)
    assert tracker(past).get_best_run("latency_avg")["params.model"] == "llama3.1:8b"


def test_what_is_better_is_as_the_benchmark_itself_says() -> None:
    """The two packages may not import each other, so each has its own word on it."""
    known = {name: figure.lower_is_better for name, figure in FIGURES.items()}
    said = {name: naming.lower_is_better(name) for name, lower in known.items() if lower is not None}
    assert said == {name: lower for name, lower in known.items() if lower is not None}


def test_the_newest_of_equal_runs_is_the_best_one(past: Past) -> None:
    for _ in range(2):
        past.add({GOOD: {"quality_avg": 0.87}})
    newest = past.add({GOOD: {"quality_avg": 0.87}})
    began = tracker(past).get_best_run()["start_time"]
    assert abs(began - newest) < timedelta(milliseconds=1)


def test_interrupted_benchmarks_other_modes_and_the_control_can_stay_out(past: Past) -> None:
    past.add({CONTROL: {"quality_avg": 0.9}, CHEAP: {"quality_avg": 0.6}})
    past.add({GOOD: {"quality_avg": 0.5}}, mode="full")
    past.add({GOOD: {"quality_avg": 1.0}}, complete=False)
    seen = tracker(past)
    assert seen.get_best_run()["params.model"] == "extractive"
    assert seen.get_best_run(include_control=False)["params.model"] == "llama3.1:8b"
    assert seen.get_best_run(mode="full")["params.model"] == "gpt-4o-mini"
    assert seen.get_best_run(mode="full")["metrics.quality_avg"] == 0.5


def test_a_metric_that_nobody_has_is_refused_with_those_that_there_are(past: Past) -> None:
    past.add({GOOD: {"quality_avg": 0.5, "latency_avg": 1.0}})
    with pytest.raises(InputError, match="a métrica beleza") as caught:
        tracker(past).get_best_run("beleza")
    assert caught.value.remedy == "Há: latency_avg, quality_avg."


def test_without_a_complete_benchmark_it_says_what_to_do(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking into an experiment that does not exist makes none."""
    past.add({CONTROL: {"quality_avg": 0.5}})
    with pytest.raises(InputError, match="além do controle"):
        tracker(past).get_best_run(include_control=False)
    nowhere = ExperimentTracker(name := uuid4().hex, past.settings)
    with pytest.raises(InputError, match="benchmark --mode quick"):
        nowhere.get_best_run()
    nowhere.print_summary()
    assert "nenhum benchmark" in capsys.readouterr().out
    assert connect(past.settings).client.get_experiment_by_name(name) is None


def test_the_summary_shows_the_newest_benchmarks_and_their_models(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    past.add({GOOD: {"quality_avg": 0.11}})
    stopped = past.add({CONTROL: {}}, complete=False)
    whole = {
        "quality_avg": 0.874,
        "relevance_avg": 0.92,
        "latency_avg": 1.25,
        "tokens_avg": 450.4,
        "cost_total": 0.0023,
        "success_rate": 1.0,
    }
    newest = past.add({CONTROL: {"quality_avg": 0.5}, GOOD: whole}, mode="full")
    tracker(past).print_summary(limit=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"🔬 {past.settings.mlflow_experiment}: benchmarks mais recentes",
        "",
        f"{newest.astimezone():%d/%m/%Y %H:%M} · full · completo",
        "  Modelo                 Qualidade  Relevância  Latência  Tokens       Custo  Sucesso",
        "  openai:gpt-4o-mini          0,87        0,92    1,25 s     450  US$ 0,0023     100%",
        "  extractive:extractive       0,50           –         –       –           –        –",
        "",
        f"{stopped.astimezone():%d/%m/%Y %H:%M} · quick · interrompido",
        "  Modelo                 Qualidade  Relevância  Latência  Tokens  Custo  Sucesso",
        "  extractive:extractive          –           –         –       –      –        –",
    ]


def test_the_local_folder_is_found_with_no_address_and_holds_its_artifacts(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path / "dados", mlflow_experiment="loja/um")
    with pytest.raises(TrackingError, match="Nenhum benchmark") as caught:
        ExperimentTracker("loja/um", settings).get_best_run()
    assert "melancia benchmark" in caught.value.remedy
    assert not (tmp_path / "dados").exists()  # reading makes nothing
    file = tmp_path / "benchmark_1.json"
    file.write_text("conteúdo", "utf-8")
    now = utc_now()
    models = [ModelResult(GOOD, {"quality_avg": 0.5})]
    result = BenchmarkResult("a", "quick", now, now, True, models, [file], {})
    recorded = record(tracked(settings), result)
    assert recorded.url == ""  # nobody shows it to browsers
    (kept,) = (settings.data_dir / "mlflow" / "artifacts").rglob("benchmark_1.json")
    assert kept.read_text("utf-8") == "conteúdo"
    assert ExperimentTracker("loja/um", settings).get_best_run()["params.model"] == "gpt-4o-mini"


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "mlflow").write_text("um arquivo", "utf-8")
    with pytest.raises(TrackingError, match="não pode ser usada"):
        tracked(load_settings(_env_file=None, data_dir=tmp_path))


def test_a_server_that_is_away_is_said_within_seconds(tmp_path: Path) -> None:
    away = load_settings(_env_file=None, data_dir=tmp_path, mlflow_url=f"http://127.0.0.1:{free_port()}")
    begun = time.monotonic()
    with pytest.raises(TrackingError, match="não responde") as caught:
        ExperimentTracker("melancia-retail-media", away).print_summary()
    assert "docker compose up -d mlflow" in caught.value.remedy
    assert time.monotonic() - begun < 15
