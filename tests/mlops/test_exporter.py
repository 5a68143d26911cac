"""Interactions become traces, ratings become assessments: once each, whatever happens in between."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest

from melancia.errors import TrackingError
from melancia.mlops import exporter
from melancia.mlops.client import connect
from melancia.mlops.exporter import Exporter
from melancia.records import Assignment, Feedback, FinishReason, Interaction, utc_now
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.mlflow_server import MlflowServer
from tests.store.samples import LOCAL, answered, question


def finished(store: Store, **changes: Any) -> Interaction:
    """An answered interaction, in the store."""
    done = replace(answered(question()), retrieval_time=0.05, **changes)
    store.finish(done)
    return done


def traces(settings: Settings) -> list[Any]:
    """What MLflow has."""
    connection = connect(settings)
    return list(connection.client.search_traces([connection.experiment_id]))


def test_a_trace_holds_question_passages_answer_and_real_times(settings: Settings, store: Store) -> None:
    # As a float of nanoseconds, this instant is one of the millisecond before.
    begun = datetime(2026, 12, 1, 9, 4, 35, 517_000, tzinfo=UTC)
    done = finished(store, assignment=Assignment(LOCAL, "exp-1", "A"), created_at=begun)
    report = Exporter(settings, store).run()
    assert (report.traced, report.failed, report.backlog) == (1, 0, 0)
    [trace] = traces(settings)
    assert trace.info.trace_id == store.exports.trace_id(done.id)
    assert trace.info.request_time == 1_796_115_875_517
    assert trace.info.execution_duration == 900
    assert trace.info.token_usage == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    wanted = {"policy": "exp-1", "arm": "A", "variant": "ollama:llama3.1:8b", "fell_back": "true"}
    assert wanted.items() <= trace.info.tags.items()
    spans = {span.name: span for span in trace.data.spans}
    assert set(spans) == {"resposta", "retrieval", "generation"}
    assert spans["retrieval"].outputs[0]["metadata"]["doc_uri"] == "acos"
    assert spans["retrieval"].end_time_ns - spans["retrieval"].start_time_ns == pytest.approx(5e7, abs=1e4)
    assert spans["generation"].outputs == done.answer.text
    assert spans["generation"].get_attribute("cost_usd") == 0.001
    assert spans["generation"].get_attribute("time_to_first_token") == 0.2
    assert spans["resposta"].inputs["question"] == done.question


def test_a_second_run_adds_nothing(settings: Settings, store: Store) -> None:
    finished(store)
    Exporter(settings, store).run()
    report = Exporter(settings, store).run()
    assert (report.traced, report.rated) == (0, 0)
    assert len(traces(settings)) == 1


def test_a_failed_answer_is_an_error_and_a_refusal_has_no_generation(
    settings: Settings, store: Store
) -> None:
    done = answered(question())
    finished(store, answer=replace(done.answer, finish_reason=FinishReason.ERROR))
    finished(store, exposure=None, attempts=(), answer=replace(done.answer, refused=True))
    Exporter(settings, store).run()
    found = {trace.info.tags["refused"]: trace for trace in traces(settings)}
    assert str(found["false"].info.state.value) == "ERROR"
    assert {span.name for span in found["true"].data.spans} == {"resposta", "retrieval"}


def rate(store: Store, done: Interaction, thumb: int | None, comment: str | None, minute: int) -> None:
    """Rate ``done``, ``minute`` minutes from now."""
    at = utc_now() + timedelta(minutes=minute)
    store.rate(Feedback(done.id, done.user_id, thumb, comment, at))


def assessed(settings: Settings) -> dict[str, tuple[Any, str | None]]:
    """The only trace's valid assessments: name → value and rationale."""
    [trace] = traces(settings)
    return {item.name: (item.value, item.rationale) for item in trace.info.assessments}


def test_thumbs_and_comments_arrive_change_and_are_withdrawn(settings: Settings, store: Store) -> None:
    done = finished(store)
    rate(store, done, 1, None, 0)
    assert Exporter(settings, store).run().rated == 1
    assert assessed(settings) == {"thumbs": (True, None)}
    rate(store, done, -1, "Faltou a fórmula", 1)
    Exporter(settings, store).run()
    assert assessed(settings) == {
        "thumbs": (False, "Faltou a fórmula"),
        "comment": ("Faltou a fórmula", None),
    }
    [trace] = traces(settings)
    assert {str(item.source.source_type) for item in trace.info.assessments} == {"HUMAN"}
    rate(store, done, 0, "", 2)
    Exporter(settings, store).run()
    assert assessed(settings) == {}
    assert Exporter(settings, store).run().rated == 0


def test_a_rating_that_comes_later_finds_its_trace(settings: Settings, store: Store) -> None:
    done = finished(store)
    Exporter(settings, store).run()
    rate(store, done, 1, "ótimo", 0)
    Exporter(settings, store).run()
    assert assessed(settings)["thumbs"] == (True, "ótimo")


def test_a_crash_after_the_trace_was_sent_makes_no_second_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = finished(store)
    monkeypatch.setattr(store.exports, "traced", _die)
    with pytest.raises(KeyboardInterrupt):
        Exporter(settings, store).run()
    monkeypatch.undo()
    assert store.exports.trace_id(done.id) is None
    assert Exporter(settings, store).run().traced == 1
    assert [trace.info.trace_id for trace in traces(settings)] == [store.exports.trace_id(done.id)]


def test_a_crash_after_the_rating_was_sent_makes_no_second_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = finished(store)
    rate(store, done, 1, None, 0)
    monkeypatch.setattr(store.exports, "rated", _die)
    with pytest.raises(KeyboardInterrupt):
        Exporter(settings, store).run()
    monkeypatch.undo()
    Exporter(settings, store).run()
    [trace] = traces(settings)
    assert [item.name for item in trace.info.assessments] == ["thumbs"]


def test_one_bad_row_does_not_hold_up_the_others(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = finished(store, created_at=utc_now() - timedelta(hours=1))
    good = finished(store)
    send: Callable[..., str] = exporter._send

    def refuse(connection: Any, interaction: Interaction) -> str:
        if interaction.id == bad.id:
            raise ValueError("estragado em http://ana:senha@mlflow:5000/api")
        return send(connection, interaction)

    monkeypatch.setattr(exporter, "_send", refuse)
    report = Exporter(settings, store).run()
    assert (report.traced, report.failed, report.backlog) == (1, 1, 1)
    assert store.exports.trace_id(good.id) is not None
    assert store.exports.last_error().endswith("estragado em http://mlflow:5000/api")


def test_an_outage_loses_nothing_and_is_said(tmp_path: Path) -> None:
    server = MlflowServer(tmp_path / "server")
    settings = load_settings(_env_file=None, data_dir=tmp_path, mlflow_url=server.url)
    store = Store.open(settings.store_url)
    made = [finished(store) for _ in range(3)]
    rate(store, made[0], 1, None, 0)
    with pytest.raises(TrackingError, match="docker compose up -d mlflow"):
        Exporter(settings, store).run()
    assert store.exports.backlog() == 3
    server.start()
    report = Exporter(settings, store).run()
    assert (report.traced, report.rated, report.backlog) == (3, 1, 0)
    server.stop()
    finished(store)
    with pytest.raises(TrackingError):
        Exporter(settings, store).run()
    server.start()
    assert Exporter(settings, store).run().traced == 1
    assert len(traces(settings)) == 4
    server.stop()
    store.close()


def test_without_an_address_it_says_so(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        connect(settings)


def test_an_experiment_that_is_made_at_the_same_moment_is_shared(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, theirs = mlflow.MlflowClient.get_experiment_by_name, list[str]()

    def too_early(client: mlflow.MlflowClient, name: str) -> Any:
        found = known(client, name)
        if found is None:
            theirs.append(client.create_experiment(name))
        return found

    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", too_early)
    assert [connect(settings).experiment_id] == theirs


def _die(*_arguments: object) -> None:
    raise KeyboardInterrupt
