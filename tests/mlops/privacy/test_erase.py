"""Erasure reaches the store, MLflow, the cache and files; what cannot be reached now is finished later."""

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from melancia.agent.cache import AnswerCache
from melancia.agent.cache_entry import CacheKey
from melancia.agent.cache_place import CachePlace
from melancia.embeddings.local import LocalEmbeddings
from melancia.errors import InputError
from melancia.mlops import exporter, naming, privacy, retention, verdicts
from melancia.mlops.client import connect
from melancia.mlops.drift.gaps import gaps
from melancia.mlops.drift.windows import read_window
from melancia.mlops.exporter import Exporter
from melancia.records import (
    Answer,
    Arm,
    DriftReport,
    Feedback,
    FinishReason,
    Interaction,
    Policy,
    ReportStatus,
    utc_now,
)
from melancia.settings import Settings
from melancia.store import Store
from tests.ports import free_port
from tests.store.samples import EXTRACTIVE, LOCAL, answered, question
from tests.store.test_privacy import report

SECRET = "Como está o ACOS da padaria da Zuleica no bairro?"
WITH_DATA = "Meu e-mail é zuleica@padaria.com.br e o CPF 529.982.247-25: e o ACOS?"


def cacheable(text: str, user: str) -> Interaction:
    """An answer that may be kept for others."""
    done = answered(question(user, "c1", text))
    answer = Answer("É gasto sobre receita [1].", (1,), finish_reason=FinishReason.STOP)
    return replace(done, exposure=LOCAL, attempts=(), answer=answer)


def key_of(done: Interaction) -> CacheKey:
    """Under which it is kept."""
    return CacheKey.of(LOCAL, done.index_version)


def open_cache(settings: Settings, store: Store) -> AnswerCache:
    """The cache as the page has it, for exact questions."""
    cache = AnswerCache(CachePlace(settings.answers_dir, "exact"), None, store.get)
    assert cache.ready()
    return cache


def traces(settings: Settings) -> list[Any]:
    """What MLflow has."""
    connection = connect(settings)
    return list(connection.client.search_traces([connection.experiment_id]))


def benchmark_of(settings: Settings, done: Interaction, name: str) -> None:
    """The files of a benchmark that asked the question of a user."""
    folder = settings.data_dir / "experiments"
    (folder / name).mkdir(parents=True)
    (folder / name / "custo.png").write_bytes(b"png")
    document = {"schema": 1, "questions": [{"id": done.id, "text": done.question}]}
    for suffix in (".json", ".csv", ".log", ".config.json"):
        (folder / f"{name}{suffix}").write_text(json.dumps(document))


def holding(folder: Path, text: str) -> list[str]:
    """The files that hold a text."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_everything_of_a_user_is_erased_and_counted(settings: Settings, store: Store, tmp_path: Path) -> None:
    done, other = cacheable(SECRET, "zuleica"), cacheable("E o ROAS?", "bia")
    for one in (done, other):
        store.finish(one)
        store.rate(Feedback(one.id, one.user_id, thumb=-1, comment=f"comentário de {one.user_id}"))
    Exporter(settings, store).run()
    assert len(traces(settings)) == 2
    cache = open_cache(settings, store)
    assert all(cache.keep(key_of(one), one) for one in (done, other))
    cache.close()
    benchmark_of(settings, done, "benchmark_20261101_100000")
    benchmark_of(settings, other, "benchmark_20261101_100000_2")
    connection = connect(settings)
    run = connection.client.create_run(
        connection.experiment_id, tags={naming.BENCHMARK_ID_TAG: "benchmark_20261101_100000"}
    )
    file = settings.data_dir / "experiments" / "benchmark_20261101_100000.json"
    connection.client.log_artifact(run.info.run_id, str(file))
    kept = report(store, done.id, other.id)
    settings.drift_dir.mkdir()
    (settings.drift_dir / f"{kept}-lacunas.csv").write_text(SECRET)

    exported = privacy.export(settings, store, privacy.user_named(settings, store, "zuleica"))
    assert [row["question"] for row in exported["interactions"]] == [SECRET]
    assert [entry["question"] for entry in exported["cache"]] == [SECRET]
    assert exported["exports"][0]["trace_id"]
    assert exported["reports"] == [kept]
    assert exported["benchmarks"] == ["benchmark_20261101_100000"]
    assert json.dumps(exported, ensure_ascii=False)

    made = privacy.erase(settings, store, "zuleica", "admin")
    assert made.done, made.waiting
    assert made.removed == {
        "interactions": 1,
        "feedback": 1,
        "feedback_events": 1,
        "reports": 1,
        "actions": 1,
        "cache": 1,
        "runs": 1,
        "benchmarks": 1,
        "gap_lists": 1,
        "traces": 1,
    }
    [left] = traces(settings)
    assert left.info.tags[exporter.INTERACTION_TAG] == other.id
    assert connection.client.list_artifacts(run.info.run_id) == []
    names = {path.name for path in (settings.data_dir / "experiments").iterdir()}
    assert names == {
        f"benchmark_20261101_100000_2{suffix}" for suffix in ("", ".json", ".csv", ".log", ".config.json")
    }
    # Not a byte of it in the database, its journal, the cache or a file.
    for text in (SECRET, "comentário de zuleica", "zuleica"):
        assert holding(tmp_path, text) == []
    cache = open_cache(settings, store)
    assert cache.find(key_of(done), SECRET) is None
    cache.close()
    with pytest.raises(InputError, match="já foram apagados em"):
        privacy.user_named(settings, store, "zuleica")
    with pytest.raises(InputError, match="Não há nada guardado"):
        privacy.user_named(settings, store, "ninguém")


def test_mlflow_being_away_is_finished_later(settings: Settings, store: Store) -> None:
    done = cacheable(SECRET, "zuleica")
    store.finish(done)
    Exporter(settings, store).run()
    away = settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})
    made = privacy.erase(away, store, "zuleica", "admin")
    assert set(made.waiting) == {"mlflow"}
    assert "não responde" in made.waiting["mlflow"]
    assert store.privacy.counts("zuleica") == {}
    [still] = privacy.finish_pending(away, store)
    assert set(still.waiting) == {"mlflow"}
    [ended] = privacy.finish_pending(settings, store)
    assert ended.done
    assert ended.removed["traces"] == 1
    assert traces(settings) == []
    assert privacy.finish_pending(settings, store) == []


def test_a_trace_that_was_on_its_way_is_found_and_looked_for_again(settings: Settings, store: Store) -> None:
    done = cacheable(SECRET, "zuleica")
    store.finish(done)
    store.exports.begun(done.id)
    exporter._send(connect(settings), done)  # and the worker dies before it can write down that it did
    made = privacy.erase(settings, store, "zuleica", "admin")
    assert traces(settings) == []
    assert set(made.waiting) == {"mlflow"}
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        [ended] = privacy.finish_pending(settings, store)
    assert ended.done


def test_an_answer_that_ends_during_the_erasure_leaves_no_trace(settings: Settings, store: Store) -> None:
    asked = question("zuleica", "c1", SECRET)
    store.start(asked)
    made = privacy.erase(settings, store, "zuleica", "admin")
    assert set(made.waiting) == {"store", "mlflow"}
    store.finish(answered(asked))  # the row is back
    assert Exporter(settings, store).run().traced == 1
    [still] = privacy.finish_pending(settings, store)
    assert "sendo escrita" in still.waiting["mlflow"]
    assert traces(settings) == []
    store.finish(answered(asked))  # as late as it may be
    Exporter(settings, store).run()
    with time_machine.travel(utc_now() + timedelta(minutes=16)):
        [ended] = privacy.finish_pending(settings, store)
    assert ended.done
    assert ended.removed == {"interactions": 3, "traces": 2}
    assert traces(settings) == []
    assert store.privacy.counts("zuleica") == {}


def test_without_mlflow_an_answer_under_way_does_not_keep_an_erasure_open(
    settings: Settings, store: Store
) -> None:
    store.start(question("zuleica", "c1", SECRET))
    alone = settings.model_copy(update={"mlflow_url": None})
    assert "mlflow" in privacy.erase(alone, store, "zuleica", "admin").waiting
    with time_machine.travel(utc_now() + timedelta(minutes=16)):
        [ended] = privacy.finish_pending(alone, store)
    assert ended.done


def test_what_is_erased_while_it_is_told_is_taken_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, other = cacheable(SECRET, "zuleica"), cacheable("E o ROAS?", "bia")
    for one in (done, other):
        store.finish(one)
    sending = exporter._send

    def erased_meanwhile(connection: Any, interaction: Interaction) -> str:
        if interaction.id == done.id:
            store.privacy.erase("zuleica", "h", "admin")
        return sending(connection, interaction)

    monkeypatch.setattr(exporter, "_send", erased_meanwhile)
    told = Exporter(settings, store).run()
    assert (told.traced, told.failed) == (1, 0)
    [left] = traces(settings)
    assert left.info.tags[exporter.INTERACTION_TAG] == other.id


def test_the_journal_of_sqlite_is_emptied_once_nobody_reads_it(settings: Settings, store: Store) -> None:
    store.finish(cacheable(SECRET, "zuleica"))
    reader = sqlite3.connect(settings.data_dir / "melancia.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM interactions").fetchone()
    made = privacy.erase(settings, store, "zuleica", "admin")
    assert set(made.waiting) == {"store"}
    assert "leitura" in made.waiting["store"]
    assert holding(settings.data_dir, SECRET)
    reader.close()
    [ended] = privacy.finish_pending(settings, store)
    assert ended.done
    assert holding(settings.data_dir, SECRET) == []


def test_an_open_cache_is_emptied_by_the_process_that_has_it(settings: Settings, store: Store) -> None:
    done = cacheable(SECRET, "zuleica")
    store.finish(done)
    page = open_cache(settings, store)
    assert page.keep(key_of(done), done)
    made = privacy.erase(settings, store, "zuleica", "admin")  # the command line, beside the page
    assert "outro processo" in made.waiting["cache"]
    assert page.find(key_of(done), SECRET) is None  # never served, even before
    [ended] = privacy.finish_pending(settings, store, page)
    assert ended.done
    assert page.count() == 0
    assert not page.keep(key_of(done), done)  # an answer that ends only now
    page.close()


def test_traces_hold_no_personal_data_and_the_store_keeps_the_words(settings: Settings, store: Store) -> None:
    done = cacheable(WITH_DATA, "equipe:zuleica@padaria.com.br")
    store.finish(done)
    store.rate(Feedback(done.id, done.user_id, thumb=-1, comment="ligue (11) 98765-4321"))
    Exporter(settings, store).run()
    store.rate(Feedback(done.id, done.user_id, comment="melhor: (11) 98765-4322"))
    Exporter(settings, store).run()
    [trace] = traces(settings)
    told = json.dumps(trace.to_dict(), ensure_ascii=False, default=str)
    for secret in ("zuleica@padaria", "529.982", "98765"):
        assert secret not in told, told[max(0, told.index(secret) - 200) :][:300]
    assert "Meu e-mail é [e-mail] e o CPF [CPF]: e o ACOS?" in told
    assert sorted(item.name for item in trace.info.assessments) == ["comment", "thumbs"]
    assert store.get(done.id).question == WITH_DATA


def test_a_question_with_line_breaks_is_masked_listed_and_erased(settings: Settings, store: Store) -> None:
    broken = "Posso anunciar sem CNPJ? Meu fone:\n(11)\n3456\n7890, CPF:\n529.982.247-25"
    asked = question("zuleica", "c1", broken)
    refused = Answer("Não sei.", refused=True, finish_reason=FinishReason.STOP)
    store.finish(replace(asked, answer=refused))
    now = utc_now()
    day = timedelta(days=1)
    recent = read_window(store, settings, now - day, now + day, embeddings=LocalEmbeddings())
    found = gaps(recent)
    (example,) = found[0]["examples"]
    assert example == "Posso anunciar sem CNPJ? Meu fone: [telefone], CPF: [CPF]"
    made = DriftReport(ReportStatus.STABLE, (now, now), None, "store", {"current": 1}, {}, gaps=tuple(found))
    store.reports.keep(made)
    assert privacy.export(settings, store, "zuleica")["reports"] == [made.id]
    privacy.erase(settings, store, "zuleica", "admin")
    assert store.reports.get(made.id).gaps == ()


def test_a_verdict_that_can_no_longer_be_recomputed_says_why(settings: Settings, store: Store) -> None:
    arms = (Arm("A", LOCAL), Arm("B", EXTRACTIVE))
    store.policies.add(Policy("exp", arms, "sal"), None)
    for number in range(20):
        user = "zuleica" if number % 4 == 0 else f"u{number}"
        asked = question(user, f"c{number}")
        arm = arms[number % 2]
        given = replace(asked.assignment, variant=arm.variant, experiment="exp", arm=arm.name)
        store.finish(replace(answered(asked), assignment=given, exposure=arm.variant, attempts=()))
    with time_machine.travel(utc_now()) as clock:
        clock.shift(60)  # the latest half a minute is left out
        line = verdicts.conclude(store, "exp").line
        assert verdicts.verify(store, "exp") == [verdicts.Checked(line, same=True, erased=0)]
        privacy.erase(settings, store, "zuleica", "admin")
        assert verdicts.verify(store, "exp") == [verdicts.Checked(line, same=False, erased=5)]
        clock.shift(60)
        after = verdicts.conclude(store, "exp").line
        assert verdicts.verify(store, "exp")[0] == verdicts.Checked(after, same=True, erased=0)


def test_the_retention_reaches_the_same_places(settings: Settings, store: Store) -> None:
    old = replace(cacheable(SECRET, "zuleica"), created_at=utc_now() - timedelta(days=31))
    fresh = cacheable("E o ROAS?", "zuleica")
    for one in (old, fresh):
        store.finish(one)
    Exporter(settings, store).run()
    cache = open_cache(settings, store)
    assert all(cache.keep(key_of(one), one) for one in (old, fresh))
    cache.close()
    assert retention.purge(store, settings).summary == "Nada passou do prazo."
    kept = settings.model_copy(update={"retention_days": 30})
    stopped = retention.purge(store, kept, stop=lambda: True)
    assert not stopped.complete
    purged = retention.purge(store, kept)
    assert purged.removed == {"interactions": 1}
    assert purged.summary == "Removidos pelo prazo: 1 pergunta com sua resposta."
    [left] = traces(settings)
    assert left.info.tags[exporter.INTERACTION_TAG] == fresh.id
    assert store.privacy.erasures.waiting() == []
    assert retention.purge(store, kept).removed == {}
    later = retention.purge(store, kept, now=utc_now() + timedelta(days=60))
    assert later.removed == {"interactions": 1}
