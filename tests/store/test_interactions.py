"""Interactions: written when they happen, read back whole, safe from death and from other processes."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from melancia.errors import InteractionNotFoundError, StoreError
from melancia.records import FinishReason, utc_now
from melancia.store import Store
from tests.store.samples import answered, question


def test_an_interaction_comes_back_as_it_was(store: Store) -> None:
    done = answered(question())
    store.start(done)
    store.finish(done)
    assert store.get(done.id) == done


def test_finish_alone_records_and_repeats_change_nothing(store: Store) -> None:
    done = answered(question())
    store.finish(done)
    store.finish(done)
    store.start(question())
    store.start(done)
    assert store.get(done.id) == done
    assert store.counts()["interactions"] == 2


def test_a_late_checkpoint_does_not_touch_a_finished_answer(store: Store) -> None:
    done = answered(question())
    store.finish(done)
    store.checkpoint(done.id, "parcial")
    assert store.get(done.id).answer.text == done.answer.text


def test_turns_are_the_last_answered_ones_of_that_user_oldest_first(store: Store) -> None:
    for text in ("um", "dois", "três"):
        store.finish(answered(question(text=text), f"resposta {text}"))
    store.start(question(text="sem resposta"))
    store.finish(answered(question(user="bia", text="de outra")))
    assert [turn.question for turn in store.turns("c1", "ana", 2)] == ["dois", "três"]
    assert store.turns("c1", "caio", 5) == []


def test_a_conversation_is_only_its_users(store: Store) -> None:
    mine = answered(question())
    store.finish(mine)
    store.finish(answered(question(user="bia")))
    assert [(item.id, rating) for item, rating in store.conversation("c1", "ana")] == [(mine.id, None)]
    store.finish(answered(question(conversation="c2")))
    assert store.latest_conversation("ana") == "c2"
    assert store.latest_conversation("ninguém") is None


def test_an_unknown_interaction_is_said_so(store: Store) -> None:
    with pytest.raises(InteractionNotFoundError):
        store.get("nada")


def test_kill_in_mid_answer_leaves_question_and_partial_text(url: str) -> None:
    code = (
        "import sys; from melancia.store import Store; from tests.store.samples import question\n"
        "store = Store.open(sys.argv[1]); asked = question(); store.start(asked)\n"
        "store.checkpoint(asked.id, 'ACOS é o gasto'); print(asked.id, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, url], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    identifier = process.stdout.readline().strip()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    store = Store.open(url)
    left = store.get(identifier)
    store.close()
    assert (left.question, left.answer.text) == ("O que é ACOS?", "ACOS é o gasto")
    assert left.answer.finish_reason is FinishReason.RUNNING


def test_sqlite_runs_with_wal(url: str) -> None:
    Store.open(url).close()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_processes_that_open_a_fresh_database_at_once_all_succeed(url: str) -> None:
    code = "import sys; from melancia.store import Store; Store.open(sys.argv[1]).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


def test_threads_write_at_once_and_nothing_is_lost(store: Store) -> None:
    asked = [question(text=str(number)) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.start, asked))
        list(pool.map(lambda one: store.finish(answered(one)), asked))
    assert store.counts()["interactions"] == 40
    assert all(store.get(one.id).answer.finish_reason is FinishReason.STOP for one in asked)


def test_a_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "melancia.db"
    file.write_text("isto não é um banco " * 100)
    with pytest.raises(StoreError, match="danificado"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text().startswith("isto não é")


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    Store.open(url).close()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="mais nova"):
        Store.open(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nada", "banco://x/y"])
def test_an_address_that_cannot_hold_conversations_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        Store.open(url)


def test_a_failure_never_shows_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql://ana:segredo123@127.0.0.1:1/melancia")
    assert "segredo123" not in str(caught.value)


def test_microseconds_and_zone_survive(store: Store) -> None:
    done = answered(question())
    store.finish(replace(done, created_at=done.created_at.replace(microsecond=123456)))
    assert store.get(done.id).created_at.isoformat().endswith(".123456+00:00")


def test_usage_counts_answers_that_retrieved_and_cited_a_document(store: Store) -> None:
    done = answered(question())
    store.finish(done)
    store.finish(replace(answered(question()), answer=replace(done.answer, citations=())))
    store.start(question())
    assert store.document_usage(done.created_at) == {"acos": (2, 1)}
    assert store.document_usage(utc_now()) == {}
