"""Examines the schedule: when each thing is due next, and what came of it last."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

from melancia.doctor.findings import Finding
from melancia.doctor.services import store_exists
from melancia.errors import JobNotFoundError
from melancia.jobs.timetable import Timed, timetable
from melancia.records import Job, JobState, utc_now
from melancia.settings import Settings
from melancia.store import Store
from melancia.store.schedule import RunState, ScheduledRun

_NAME = "Agenda"
_LATE = timedelta(minutes=10)  # a worker looks four times a minute, and whoever runs jobs each second
_START = "Inicie a página ou `melancia worker`; na pilha, docker compose up -d worker launcher."
_SEE = "Veja o registro do worker (na pilha, docker compose logs worker)."


def agenda(settings: Settings) -> Iterator[Finding]:
    """A finding for each thing that is done by the clock. Raises SettingsError, StoreError."""
    known = timetable(settings)
    if not store_exists(settings):
        for timed in known:
            yield Finding(_NAME, "ok", f"{timed.title}: {_next(timed)}")
        return
    with closing(Store.open(settings.store_url)) as store:
        for timed in known:
            yield _examine(timed, store)


def _examine(timed: Timed, store: Store) -> Finding:
    newest, last = store.schedule.newest(timed.name), store.schedule.last_begun(timed.name)
    text = f"{timed.title}: {_next(timed)}"
    if last is None:
        text += "; ainda não houve"
    else:
        job = _job(store, last)
        text += f"; a de {_instant(last.due_at)} {_told(last, job)}"
        if trouble := _trouble(last, job):
            return Finding(_NAME, "warning", text, trouble)
    if timed.cron is not None and newest is not None and newest.cron == timed.cron.text:
        missed = timed.cron.due(newest.due_at, utc_now() - _LATE, 1)
        if missed:
            return Finding(
                _NAME, "warning", f"{text}; a de {_instant(missed[0])} não foi feita: não há worker", _START
            )
    return Finding(_NAME, "ok", text)


def _next(timed: Timed) -> str:
    following = timed.cron.next(utc_now()) if timed.cron else None
    return f"próxima {_instant(following)} UTC" if following else "desligado"


def _told(run: ScheduledRun, job: Job | None) -> str:
    if job is not None:
        match job.state:
            case JobState.QUEUED:
                return "está na fila"
            case JobState.RUNNING:
                return "está em andamento"
            case JobState.SUCCEEDED:
                return "terminou bem"
            case JobState.FAILED:
                return f"falhou: {job.error}"
            case JobState.CANCELLED:
                return "foi cancelada"
    if run.state is RunState.RUNNING:
        return "está em andamento" if utc_now() - run.started_at < _LATE else "foi interrompida"
    return f"{'falhou' if run.state is RunState.FAILED else 'foi feita'}: {run.outcome}"


def _trouble(run: ScheduledRun, job: Job | None) -> str:
    """What to do about the last run; "" when there is nothing to do."""
    if run.state is RunState.FAILED:
        return _SEE
    if run.state is RunState.RUNNING and utc_now() - run.started_at > _LATE:
        return f"O próximo worker a refaz. {_START}"
    if job is None:
        return ""
    if job.state is JobState.QUEUED and utc_now() - job.created_at > _LATE:
        return f"Ninguém inicia as tarefas que esperam. {_START}"
    return "Veja o registro da tarefa, na aba Tarefas." if job.state is JobState.FAILED else ""


def _job(store: Store, run: ScheduledRun) -> Job | None:
    """The job that a run queued, if it did."""
    try:
        return store.jobs.get(run.job_id)
    except JobNotFoundError:
        return None


def _instant(at: datetime) -> str:
    return at.strftime("%d/%m %H:%M")
