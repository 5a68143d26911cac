"""A user's rows: given, erased with all that names them, and erased when they are too old."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from melancia.records import (
    Action,
    Assignment,
    DriftReport,
    Feedback,
    Finding,
    Interaction,
    Job,
    JobState,
    ReportStatus,
    utc_now,
)
from melancia.store import Store
from melancia.store.tables import metadata
from tests.store.samples import EXTRACTIVE, LOCAL, answered, question

SECRET = "Meu CPF é 529.982.247-25 e o ACOS subiu"


def fill(store: Store, user: str = "ana", text: str = SECRET) -> Interaction:
    """An answered, rated and scored question."""
    done = replace(answered(question(user, f"c-{user}", text)), assignment=Assignment(LOCAL, "exp", "A"))
    store.finish(done)
    store.rate(Feedback(done.id, user, thumb=1))
    store.rate(Feedback(done.id, user, thumb=-1, comment="não ajudou"))
    store.outcomes.score(done.id, {"groundedness": 0.5}, {})
    return done


def duel(store: Store, user: str) -> None:
    """A duel that was voted on."""
    made = store.votes.begin(user, f"{user} pergunta", LOCAL, EXTRACTIVE)
    store.votes.claim(made.id, user)
    sides = [answered(question(user, made.conversation(side))) for side in ("left", "right")]
    for side in sides:
        store.finish(side)
    store.votes.answered(made.id, *sides)
    store.votes.vote(made.id, user, "left")


def report(store: Store, *examples: str, gaps: tuple[Any, ...] = ()) -> str:
    """A drift report that names interactions, and an action that came of it."""
    now = utc_now()
    finding = Finding("topic_new", drifted=True, message="novo assunto", examples=examples)
    made = DriftReport(
        ReportStatus.DRIFT, (now, now), None, "store", {"current": 1}, {}, findings=(finding,), gaps=gaps
    )
    store.reports.keep(made)
    detail = {"examples": list(examples), "parameters": {"report": made.id}}
    store.reports.plan(Action(f"k-{made.id}", made.id, "regra", "benchmark", "m", detail))
    return made.id


def everything(store: Store) -> str:
    """All rows of all tables as one text."""
    with store._engine.connect() as connection:
        return "\n".join(
            str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))
        )


def test_what_is_exported_is_all_of_the_user_and_nothing_of_others(store: Store) -> None:
    done = fill(store)
    duel(store, "ana")
    fill(store, "bia", "outra coisa")
    found = store.privacy.export("ana")
    assert {row["user_id"] for row in found["interactions"]} == {"ana"}
    assert len(found["interactions"]) == 3  # the question and both sides of the duel
    assert [row["question"] for row in found["interactions"] if row["id"] == done.id] == [SECRET]
    assert [row["thumb"] for row in found["feedback"]] == [-1]
    assert [row["thumb"] for row in found["feedback_events"]] == [1, -1]
    assert [row["winner"] for row in found["duels"]] == ["left"]
    assert [row["metric"] for row in found["scores"]] == ["groundedness"]
    assert store.privacy.counts("ana") == {
        "interactions": 3,
        "feedback": 1,
        "feedback_events": 2,
        "duels": 1,
        "scores": 1,
    }
    assert store.privacy.counts("ninguém") == {}


def test_an_erased_user_leaves_nothing_that_names_them(store: Store) -> None:
    done, other = fill(store), fill(store, "bia", "E o ROAS?")
    duel(store, "ana")
    duel(store, "bia")
    gap = {"label": "imposto", "count": 2, "examples": ["Meu CPF é [CPF] e o ACOS subiu", "E o ROAS?"]}
    alone = {"label": "", "count": 1, "examples": ["Meu CPF é [CPF] e o ACOS subiu"], "ids": [done.id]}
    kept = report(store, done.id, other.id, gaps=(gap, alone))
    store.jobs.add(Job("ingest", {}, "ana"))
    made = store.privacy.erase("ana", "hash-de-ana", "admin")
    assert made.removed == {
        "interactions": 3,
        "feedback": 1,
        "feedback_events": 2,
        "scores": 1,
        "duels": 1,
        "names": 1,
        "reports": 1,
        "actions": 1,
    }
    assert made.experiments == {"exp": 1}
    assert set(made.interactions) >= {done.id}
    left = everything(store)
    for gone in (SECRET, "529.982", "[CPF]", "não ajudou de ana", "ana pergunta", "'ana'"):
        assert gone not in left
    assert store.get(other.id).question == "E o ROAS?"
    assert store.feedback(other.id, "bia") is not None
    assert store.reports.get(kept).findings[0].examples == (other.id,)
    (left_gap,) = store.reports.get(kept).gaps
    assert left_gap["examples"] == ["E o ROAS?"]
    [action] = store.reports.actions()
    assert action.detail["examples"] == [other.id]
    assert store.votes.count() == 1
    assert store.privacy.erasures.of("hash-de-ana") == [made]
    assert store.privacy.erase("ana", "hash-de-ana", "admin").removed == {}


def ended(store: Store, name: str, log: str, result: dict[str, Any] | None = None, **parameters: Any) -> Job:
    """A job that ran and failed, as versions that printed questions left it."""
    job = Job(name, parameters, "bia")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    store.jobs.report(job.id, 0.5, log.splitlines()[-1])
    store.jobs.set_result(job.id, {"benchmark": "benchmark_20261101_100000", **(result or {})})
    store.jobs.set_log(job.id, log)
    store.jobs.finish(job.id, JobState.FAILED, exit_code=1, error=f"terminou: {log.splitlines()[-1]}")
    return store.jobs.get(job.id)


def test_logs_of_jobs_on_erased_questions_are_emptied(store: Store) -> None:
    long = "Como está o ACOS da padaria da Zuleica, no bairro e fora dele, neste mês?"
    done, other = fill(store, text=long), fill(store, "bia", "E o ROAS?")
    kept, others = report(store, done.id, other.id), report(store, other.id)
    short = "ollama:llama3.2:3b: Como está o ACOS da padaria da Zuleica, no…"
    gone = [
        ended(store, "benchmark", f"dele, neste mês?\n   2. E o ROAS?\n{short} (1 de 2)", report=kept),
        ended(store, "benchmark", f"{short} (2 de 2)", resume="benchmark_20261101_100000"),
        ended(store, "drift", f"Perguntas sem resposta na base:\n  {long}: 1", {"report": kept}),
    ]
    stay = [
        ended(store, "benchmark", "   1. E o ROAS?", report=others),
        ended(store, "benchmark", "ollama:llama3.2:3b: E o ROAS? (1 de 1)", resume="benchmark_20261101_1"),
        ended(store, "benchmark", "   1. Quais são as principais métricas?"),
        ended(store, "drift", "Mudou (1):", {"report": kept}),
        ended(store, "ingest", "3 documentos"),
    ]
    running = Job("benchmark", {"report": kept}, "bia")
    store.jobs.add(running)
    made = store.privacy.erase("ana", "h", "admin")
    assert made.removed["job_logs"] == 3
    for job in gone:
        left = store.jobs.get(job.id)
        assert left == replace(job, log_tail="", message="", error="apagado")
    assert [store.jobs.get(job.id) for job in stay] == stay
    assert store.jobs.get(running.id).state is JobState.QUEUED
    assert "Zuleica" not in everything(store)
    assert "job_logs" not in store.privacy.erase("ana", "h", "admin").removed


def test_logs_go_with_the_reports_that_are_too_old(store: Store) -> None:
    kept = report(store)
    gone = [
        ended(store, "benchmark", "   1. Como está o ACOS da padaria?", report=kept),
        ended(store, "drift", "Mudou (1):", {"report": kept}),
    ]
    other = ended(store, "benchmark", "   1. O que é Retail Media?")
    assert store.privacy.expire_reports(utc_now()) == ([kept], 2)
    assert [store.jobs.get(job.id).log_tail for job in (*gone, other)] == ["", "", other.log_tail]


def test_a_question_that_a_report_quotes_as_it_once_did_goes_too(store: Store) -> None:
    fill(store, "ana", "Meu fone:\n(11)\n3456\n7890, e o ACOS?")
    kept = report(
        store, gaps=({"label": "", "count": 1, "examples": ["Meu fone: (11) 3456 7890, e o ACOS?"]},)
    )
    store.privacy.erase("ana", "h", "admin")
    assert store.reports.get(kept).gaps == ()


def test_parts_are_settled_one_by_one_and_then_nothing_names_what_was_erased(store: Store) -> None:
    done = fill(store)
    erasures = store.privacy.erasures
    store.exports.begun(done.id)
    made = store.privacy.erase("ana", "h", "admin")
    assert made.waiting == {"cache": "", "files": "", "mlflow": "", "store": ""}
    assert made.lost == [done.id]
    erasures.settle(made.id, "cache", {"cache": 2})
    erasures.settle(made.id, "mlflow", {"traces": 1}, "não responde")
    [waiting] = erasures.waiting()
    assert waiting.waiting == {"files": "", "mlflow": "não responde", "store": ""}
    assert waiting.interactions == [done.id]
    erasures.settle(made.id, "files", {})
    erasures.settle(made.id, "store", {})
    erasures.settle(made.id, "mlflow", {"traces": 2})
    assert erasures.waiting() == []
    [ended] = erasures.of("h")
    assert ended.done
    assert (ended.removed["cache"], ended.removed["traces"]) == (2, 3)
    assert done.id not in everything(store)


def test_an_answer_that_is_being_written_does_not_come_back(store: Store) -> None:
    asked = question("ana", "c", SECRET)
    store.start(asked)
    made = store.privacy.erase("ana", "h", "admin")
    assert "store" in made.waiting
    assert made.running_until is not None
    store.finish(answered(asked))  # which the page does, whatever happened meanwhile
    assert store.privacy.remove_again(made.interactions) == 1
    assert store.privacy.counts("ana") == {}


def test_the_oldest_go_first_and_in_batches(store: Store) -> None:
    long_ago = utc_now() - timedelta(days=100)
    for number in range(5):
        store.finish(replace(answered(question("ana")), created_at=long_ago + timedelta(days=number)))
    fresh = answered(question("bia"))
    store.finish(fresh)
    before = utc_now() - timedelta(days=30)
    sizes = []
    while (made := store.privacy.expire(before, 2, "prazo")) is not None:
        sizes.append(made.removed["interactions"])
        assert made.user_hash == ""
    assert sizes == [2, 2, 1]
    assert store.get(fresh.id).user_id == "bia"
    assert store.privacy.expire_reports(before) == ([], 0)


def test_verdicts_know_how_much_was_erased_since(store: Store) -> None:
    fill(store)
    begun = utc_now()
    assert store.privacy.erasures.rows_since("exp", begun) == 0
    store.privacy.erase("ana", "h", "admin")
    assert store.privacy.erasures.rows_since("exp", begun) == 1
    assert store.privacy.erasures.rows_since("outro", begun) == 0
    assert store.privacy.erasures.rows_since("exp", utc_now()) == 0
