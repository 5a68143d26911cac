"""The schedule in whole processes: killed, doubled, alone, once; and what the doctor says of it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from melancia.doctor.agenda import agenda
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.processes import Processes
from melancia.jobs.timetable import DRIFT
from melancia.records import JobState, ReportStatus, utc_now
from melancia.settings import Settings, load_settings
from melancia.store import Store
from melancia.store.schedule import RunState
from melancia.store.tables import schedule_runs
from melancia.worker import Pace, Worker
from tests.jobs.helpers import fake_package
from tests.waiting import until
from tests.worker_process import Start, environment, once

EVERY_MINUTE = "* * * * *"
QUICK = Pace(lead=0.2, heartbeat=5, schedule=0.2, guard=60, score=60, arena=60, pulls=60)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Its store."""
    made = Store.open(url)
    yield made
    made.close()


def just_due() -> str:
    """Each hour, last a minute ago: it is not due again while a test looks at what became of that."""
    return f"{(utc_now() - timedelta(minutes=1)).minute} * * * *"


def seen(store: Store, cron: str = EVERY_MINUTE, minutes: float = 3) -> None:
    """As if a worker had first seen the schedule that long ago, and then ended."""
    store.schedule.note(DRIFT, [utc_now() - timedelta(minutes=minutes)], cron, RunState.SEEN, "vista")


def settings(tmp_path: Path, url: str, schedule: str = EVERY_MINUTE) -> Settings:
    """A worker without models or MLflow."""
    return load_settings(
        _env_file=None, data_dir=tmp_path, database_url=url, variant="extractive", drift_schedule=schedule
    )


def test_a_worker_makes_up_for_what_was_due_and_says_it(store: Store, url: str, tmp_path: Path) -> None:
    seen(store)
    worker = Worker(settings(tmp_path, url), store, QUICK)
    worker.start()
    run = until(lambda: store.schedule.last_begun(DRIFT), "it did it")
    until(lambda: store.schedule.runs(DRIFT)[0].ended_at, "it ended")
    worker.stop()
    job = store.jobs.get(run.job_id)
    assert (job.name, job.state, job.requested_by) == ("drift", JobState.QUEUED, "agenda")
    assert len([row for row in store.schedule.runs(DRIFT) if row.state is RunState.SKIPPED]) >= 1
    rows = {row.due_at: row for row in store.schedule.runs(DRIFT)}
    assert rows[run.due_at].outcome == f"Tarefa {job.id[:8]} na fila."


def test_two_workers_and_a_restart_queue_each_report_once(store: Store, url: str, tmp_path: Path) -> None:
    seen(store)
    workers = [Worker(settings(tmp_path, url), store, QUICK) for _ in range(2)]
    for worker in workers:
        worker.start()
    until(lambda: any(worker.leading for worker in workers), "one leads")
    until(lambda: store.jobs.list(name="drift"), "a report is queued")
    leader = next(worker for worker in workers if worker.leading)
    other = next(worker for worker in workers if worker is not leader)
    leader.stop()
    until(lambda: other.leading, "the other takes over")
    other.stop()
    done = [row.due_at for row in store.schedule.runs(DRIFT) if row.state is RunState.DONE]
    assert len(store.jobs.list(name="drift")) == len(done) == len(set(done))


DIES = """
import sys, time
from melancia.jobs.timetable import Cron, Timed
from melancia.mlops.schedule import Agenda, queue_drift
from melancia.store import Store

url, when = sys.argv[1:]
store = Store.open(url)

def hang(run):
    if when == "after":
        queue_drift(store, run)
    print("hangs", flush=True)
    time.sleep(120)

Agenda(store, [Timed("drift", "", Cron("* * * * *", "X"))], {"drift": hang}).look("drift")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_whose_process_was_killed_is_done_again_and_queues_one_report(
    store: Store, url: str, tmp_path: Path, when: str
) -> None:
    seen(store)
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, url, when], stdout=subprocess.PIPE, env=environment(tmp_path, url)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"hangs\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    process.stdout.close()
    killed = store.schedule.last_begun(DRIFT)
    assert killed is not None
    assert killed.state is RunState.RUNNING
    assert len(store.jobs.list()) == (1 if when == "after" else 0)

    (found,) = [one for one in agenda(settings(tmp_path, url)) if "mudanças" in one.message]
    assert found.level == "ok", "it may still be at it"
    # Ten minutes later.
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(schedule_runs.update().values(started_at=utc_now() - timedelta(minutes=11)))
    engine.dispose()
    (found,) = [one for one in agenda(settings(tmp_path, url)) if "mudanças" in one.message]
    assert found.level == "warning"
    assert "refaz" in found.remedy

    worker = Worker(settings(tmp_path, url), store, QUICK)
    worker.start()

    def row() -> bool:
        rows = {run.due_at: run for run in store.schedule.runs(DRIFT)}
        return rows[killed.due_at].state is RunState.DONE and rows[killed.due_at].attempts == 2

    until(row, "it was done again")
    worker.stop()
    assert [job.id for job in store.jobs.list()].count(killed.job_id) == 1


def test_a_schedule_that_cannot_be_read_ends_the_worker_at_its_start(tmp_path: Path) -> None:
    done = once(tmp_path, MELANCIA_DRIFT_SCHEDULE="0 99 * * *", MELANCIA_VARIANT="extractive")
    assert done.returncode == 1
    assert "MELANCIA_DRIFT_SCHEDULE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_that_the_worker_queued_is_run_by_whoever_looks_at_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The launcher and the page have the same loop over the same table, with containers or with these.
    url = f"sqlite:///{tmp_path / 'melancia.db'}"
    monkeypatch.setenv("PYTHONPATH", str(fake_package(tmp_path / "falso")))
    empty = tmp_path / "vazia"
    empty.mkdir()
    monkeypatch.chdir(empty)
    store = Store.open(url)
    schedule = just_due()
    seen(store, schedule)
    given = settings(tmp_path, url, schedule)
    worker, dispatcher = Worker(given, store, QUICK), Dispatcher(store.jobs, Processes(given), every=0.1)
    worker.start()
    dispatcher.start()
    done = until(
        lambda: [job for job in store.jobs.list(name="drift") if job.state is JobState.SUCCEEDED], "it ran"
    )
    worker.stop()
    dispatcher.stop()
    assert 'argumentos: ["drift"]' in done[0].log_tail
    (found,) = [one for one in agenda(given) if "mudanças" in one.message]
    assert (found.level, "terminou bem" in found.message) == ("ok", True)
    store.close()


def test_a_lone_worker_runs_the_report_itself(tmp_path: Path, start: Start) -> None:
    url = f"sqlite:///{tmp_path / 'melancia.db'}"
    store = Store.open(url)
    schedule = just_due()
    seen(store, schedule)
    worker = start("alone", environment(tmp_path, url, MELANCIA_DRIFT_SCHEDULE=schedule))
    job = until(
        lambda: next((one for one in store.jobs.list(name="drift") if one.state.final), None), "it ended", 120
    )
    assert job.state is JobState.SUCCEEDED, job.error
    assert store.reports.list()[0].status is ReportStatus.TOO_LITTLE
    assert worker.end(signal.SIGTERM) == 0
    store.close()


def test_once_does_what_is_due_runs_it_and_fails_with_it(tmp_path: Path) -> None:
    variables = {"MELANCIA_VARIANT": "extractive", "MELANCIA_DRIFT_SCHEDULE": EVERY_MINUTE}
    first = once(tmp_path, **variables)
    assert first.returncode == 0, first.stderr
    assert "Agenda: nada a fazer agora." in first.stdout

    store = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    age(store)
    failed = once(tmp_path, **variables, MELANCIA_DRIFT_CURRENT="ontem")
    assert failed.returncode == 1
    assert "Agenda, relatório de mudanças: Tarefa" in failed.stdout
    assert "): falhou: " in failed.stdout
    assert "Escreva dias ou horas" in failed.stdout
    store.close()


def age(store: Store) -> None:
    """As if all that happened by the clock had happened five minutes earlier."""
    with store._engine.begin() as connection:
        for name, due in connection.execute(sa.select(schedule_runs.c.name, schedule_runs.c.due_at)).all():
            this = (schedule_runs.c.name == name) & (schedule_runs.c.due_at == due)
            connection.execute(
                schedule_runs.update().where(this).values(due_at=due - timedelta(minutes=5, seconds=1))
            )


def test_the_doctor_says_when_each_thing_is_due_and_what_nobody_did(tmp_path: Path) -> None:
    given = settings(tmp_path, f"sqlite:///{tmp_path / 'melancia.db'}", "nunca")
    assert [one.message.partition(":")[0] for one in agenda(given)] == [
        "relatório de mudanças",
        "veredito do experimento",
        "limpeza por prazo",
    ]
    assert next(iter(agenda(given))).message.endswith("desligado")
    assert not (tmp_path / "melancia.db").exists(), "an examination creates nothing"

    given = given.model_copy(update={"drift_schedule": EVERY_MINUTE})
    store = Store.open(given.store_url)
    seen(store, minutes=5)
    (found, *_) = agenda(given)
    assert (found.level, "ainda não houve" in found.message) == ("ok", True)
    with store._engine.begin() as connection:
        connection.execute(schedule_runs.delete())
    seen(store, minutes=30)
    (found, *_) = agenda(given)
    assert (found.level, "não há worker" in found.message) == ("warning", True)
    run = store.schedule.claim(DRIFT, utc_now(), EVERY_MINUTE)
    assert run is not None
    store.schedule.finish(run, RunState.FAILED, "A tarefa foi recusada.")
    (found, *_) = agenda(given)
    assert (found.level, "A tarefa foi recusada." in found.message) == ("warning", True)
    store.close()
