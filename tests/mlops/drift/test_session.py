"""A whole run on a real store: windows read, tests made, page and row kept, MLflow told or not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from bench.drift_simulations import TOPICS, World, slower, windows
from melancia.errors import InputError, JobError, StoreError
from melancia.mlops.drift import tracking
from melancia.mlops.drift.session import Found, finish, run_session
from melancia.records import Answer, Assignment, FinishReason, Interaction, ReportStatus, Usage, Variant
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.ports import free_port

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
VARIANT = Variant("ollama", "llama3.1:8b")
PAIR = windows(World(300, 100), np.random.default_rng(1), slower(1.0))
FOUND = Found(*PAIR, TOPICS, ({"label": "frete", "count": 2, "examples": [], "ids": []},))
# Too little for any test or picture, which take seconds.
FEW = Found(replace(PAIR[0], frame=PAIR[0].frame.iloc[:9], total=9), PAIR[1], TOPICS)


class Hashed(Embeddings):
    """Vectors that depend on nothing but the text."""

    def embed_query(self, text: str) -> list[float]:
        return [float(number) for number in np.random.default_rng(sum(text.encode())).normal(size=16)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def store(settings: Settings) -> Any:
    made = Store.open(settings.store_url)
    yield made
    made.close()


def documents(settings: Settings) -> list[Path]:
    """The files of the reports."""
    return sorted(settings.drift_dir.iterdir()) if settings.drift_dir.exists() else []


def test_a_report_is_kept_with_its_page_and_its_run(store: Store, settings: Settings) -> None:
    said: list[str] = []

    def listen(_: float, message: str) -> bool:
        said.append(message)
        return True

    kept = finish(store, settings, FOUND, progress=listen)
    assert kept.report.status is ReportStatus.DRIFT
    assert store.reports.get(kept.report.id) == kept.report
    assert documents(settings) == [settings.drift_dir / f"{kept.report.id}.html"]
    assert "Tempo de resposta" in documents(settings)[0].read_text("utf-8")
    assert kept.report.run_id  # without a server, MLflow's folder
    assert kept.report.gaps == FOUND.gaps
    assert said == ["Comparando as janelas…", "Desenhando o relatório…", "Gravando o relatório…"]


def test_an_mlflow_that_is_away_costs_the_run_and_nothing_else(store: Store, settings: Settings) -> None:
    place = f"127.0.0.1:{free_port()}"
    kept = finish(store, settings.model_copy(update={"mlflow_url": f"http://ana:senha@{place}"}), FEW)
    assert (kept.report.run_id, kept.url) == ("", "")
    [note] = [note for note in store.reports.get(kept.report.id).notes if "MLflow" in note]
    assert f"não responde em http://{place}." in note
    assert documents(settings)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_interrupted_report_leaves_nothing(store: Store, settings: Settings, share: float) -> None:
    with pytest.raises(JobError):
        finish(store, settings, FOUND, progress=lambda done, _: done < share)
    assert documents(settings) == []
    assert store.reports.list() == []


def test_a_store_that_refuses_leaves_no_page_behind(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise StoreError("O banco não responde.")

    monkeypatch.setattr(store.reports, "keep", refuse)
    with pytest.raises(StoreError):
        finish(store, settings, FEW)
    assert documents(settings) == []


def test_a_folder_that_cannot_be_written_is_told(store: Store, settings: Settings) -> None:
    settings.drift_dir.write_text("um arquivo")
    with pytest.raises(InputError, match="não pôde ser gravado"):
        finish(store, settings, FEW)
    assert store.reports.list() == []


def test_a_run_reads_the_store_and_finds_what_changed(store: Store, settings: Settings) -> None:
    fill(store, lambda day: {"total_time": 6.0 if day < 7 else 1.5})
    kept = run_session(store, settings, current="7d", reference="28d", now=NOW, embeddings=Hashed())
    report = kept.report
    assert report.status is ReportStatus.DRIFT
    assert report.current == (NOW - timedelta(days=7), NOW)
    assert report.reference == (NOW - timedelta(days=35), NOW - timedelta(days=7))
    assert report.sizes == {"current": 112, "reference": 448}
    assert {one.figure for one in report.drifted} == {"latency"}


def test_nothing_in_the_store_is_too_little(store: Store, settings: Settings) -> None:
    kept = run_session(store, settings, current="7d", reference="28d", now=NOW, embeddings=Hashed())
    assert kept.report.status is ReportStatus.TOO_LITTLE
    assert "Faltam 100 interações" in kept.report.notes[0]
    assert documents(settings)


def test_the_benchmark_and_a_file_are_references(store: Store, settings: Settings, tmp_path: Path) -> None:
    fill(store, lambda _: {})
    file = tmp_path / "perguntas.jsonl"
    file.write_text(
        "\n".join(f'{{"question": "Como medir o alcance número {n}?"}}' for n in range(80)), "utf-8"
    )
    for reference, kind in (("benchmark", "benchmark"), (str(file), "file")):
        kept = run_session(store, settings, current="7d", reference=reference, now=NOW, embeddings=Hashed())
        assert kept.report.reference_kind == kind
        tested = {one.figure for one in kept.report.findings if one.p_value is not None}
        assert "question_length" in tested
        assert "latency" not in tested


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_is_erased_while_a_report_is_made_is_not_in_it(
    store: Store, settings: Settings, share: float
) -> None:
    asked = [unanswered(user, f"A padaria de {user} emite boleto?") for user in ("zuleica", "bia")]
    for one in asked:
        store.finish(one)

    def erased_meanwhile(done: float, _: str) -> bool:
        if done >= share:
            store.privacy.erase("zuleica", "h", "admin")
        return True

    kept = run_session(
        store,
        settings,
        current="7d",
        reference="28d",
        now=NOW,
        embeddings=Hashed(),
        progress=erased_meanwhile,
    )
    for report in (kept.report, store.reports.get(kept.report.id)):
        assert [gap["examples"] for gap in report.gaps] == [[asked[1].question]]
        assert [gap["ids"] for gap in report.gaps] == [[asked[1].id]]


def test_what_is_erased_while_mlflow_is_told_does_not_come_back(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unanswered("zuleica", "A padaria da Zuleica emite boleto?")
    store.finish(asked)
    recording = tracking.record

    def erased_meanwhile(*given: Any) -> tracking.Recorded:
        store.privacy.erase("zuleica", "h", "admin")
        return recording(*given)

    monkeypatch.setattr(tracking, "record", erased_meanwhile)
    gap = {"label": "", "count": 1, "examples": [asked.question], "ids": [asked.id]}
    kept = finish(store, settings, replace(FEW, gaps=(gap,)))
    report = store.reports.get(kept.report.id)
    assert report.run_id == kept.report.run_id != ""
    assert report.gaps == ()


@pytest.mark.parametrize(
    ("current", "reference"), [("semana", "28d"), ("7d", "ontem"), ("7d", "nada.jsonl"), ("0d", "28d")]
)
def test_what_is_no_window_is_refused(store: Store, settings: Settings, current: str, reference: str) -> None:
    with pytest.raises(InputError):
        run_session(store, settings, current=current, reference=reference, now=NOW, embeddings=Hashed())
    assert store.reports.list() == []


def unanswered(user: str, text: str) -> Interaction:
    """A question that the search found nothing for."""
    return Interaction(
        user_id=user,
        conversation_id=f"c-{user}",
        question=text,
        assignment=Assignment(VARIANT),
        answer=Answer("Não sei.", refused=True, finish_reason=FinishReason.STOP),
        created_at=NOW - timedelta(days=1),
    )


def fill(store: Store, changes: Callable[[int], dict[str, Any]]) -> None:
    """Sixteen questions a day for 35 days, of 60 users; ``changes`` of the answer by days ago."""
    rng = np.random.default_rng(0)
    for day in range(35):
        for number in range(16):
            spread = float(rng.lognormal(0, 0.3))
            values = {"total_time": 1.5} | changes(day)
            answer = Answer(
                text=f"A campanha deve começar com um orçamento pequeno e crescer aos poucos {number}.",
                usage=Usage(900, 40 + number),
                time_to_first_token=0.3 * spread,
                total_time=values["total_time"] * spread,
                finish_reason=FinishReason.STOP,
            )
            interaction = Interaction(
                user_id=f"u{int(rng.integers(60))}",
                conversation_id=f"c{day}-{number}",
                question=f"Como começar uma campanha de produto patrocinado número {int(rng.integers(99))}?",
                assignment=Assignment(VARIANT),
                exposure=VARIANT,
                answer=answer,
                created_at=NOW - timedelta(days=day, hours=1 + float(rng.random()) * 20),
            )
            store.start(interaction)
            store.finish(interaction)
