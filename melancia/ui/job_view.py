"""Jobs as HTML for the page: only our own elements, numbers, and escaped text."""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from melancia.experiments import words
from melancia.records import Job, JobState, utc_now

_NAMES = {"benchmark": "Benchmark", "drift": "Busca de mudanças", "ingest": "Indexação"}
MODES = {"quick": "rápido", "full": "completo"}
_STATES = {
    JobState.QUEUED: ("⏳", "na fila"),
    JobState.RUNNING: ("▶", "em andamento"),
    JobState.SUCCEEDED: ("✅", "concluída"),
    JobState.FAILED: ("❌", "falhou"),
    JobState.CANCELLED: ("⏹", "cancelada"),
}
_OPEN_LINES, _KEPT_LINES = 12, 40
# Beside HTML's own: what the component's templates could take for a placeholder.
_INERT = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;"})


def title(job: Job) -> str:
    """What was asked for, as plain text."""
    name, given = _NAMES.get(job.name, job.name), job.parameters
    if job.name == "benchmark":
        mode = given.get("mode")
        asked = (
            "das perguntas de um relatório" if given.get("report") else MODES.get(str(mode or "quick"), mode)
        )
        name = f"{name} {asked}"
    if given.get("resume"):
        return f"{name}, continuação"
    models, limit = given.get("models"), given.get("limit")
    if isinstance(models, list) and models:
        name = f"{name}, {words.plural(len(models), 'modelo', 'modelos')} e o controle"
    return f"{name}, até {limit} {'pergunta' if limit == 1 else 'perguntas'}" if limit else name


def open_jobs(jobs: Sequence[Job]) -> str:
    """Queued and running jobs with their progress bars; "" when there is none."""
    return "".join(_open(job) for job in jobs)


def log(job: Job | None) -> str:
    """The end of a job's log."""
    return _lines(job, _OPEN_LINES) or '<p class="tarefa-nota">Ainda não há registro.</p>'


def ended_jobs(jobs: Sequence[Job]) -> str:
    """Jobs that ended, newest first, the first one unfolded."""
    if not jobs:
        return '<p class="tarefa-nota">Nenhuma tarefa terminou ainda.</p>'
    return "".join(_ended(job, unfolded=number == 0) for number, job in enumerate(jobs))


def failure(job: Job | None) -> str:
    """What became of a job that failed; "" of any other."""
    if job is None or job.state is not JobState.FAILED:
        return ""
    when, why = moment(job.ended_at or job.created_at), job.error or "sem motivo conhecido"
    return (
        f'<p class="alerta">❌ {text(title(job))}, de {when}, falhou: {text(why)} O registro está na aba '
        "Tarefas.</p>"
    )


def _open(job: Job) -> str:
    mark, state = _STATES[job.state]
    if job.cancel_requested:
        state = "cancelando"
    since = f" há {span(utc_now() - job.started_at)}" if job.started_at else ""
    name, message = text(title(job)), text(job.message)
    known = job.state is JobState.RUNNING and job.progress is not None
    percent = round(100 * min(1.0, max(0.0, job.progress or 0.0)))
    value = f' aria-valuenow="{percent}"' if known else ""
    return (
        f'<div class="tarefa"><p><strong>{mark} {name}</strong> · {state}{since}</p>'
        f'<div class="barra" role="progressbar" aria-label="{name}" aria-valuemin="0" aria-valuemax="100"'
        f'{value} aria-valuetext="{f"{percent} %: " if known else ""}{message or state}">'
        f'<span style="width: {percent}%"></span></div>'
        f'<p class="tarefa-nota">{f"{percent} % · " if known else ""}{message}</p></div>'
    )


def _ended(job: Job, *, unfolded: bool) -> str:
    mark, state = _STATES[job.state]
    took = f" em {span(job.ended_at - job.started_at)}" if job.started_at and job.ended_at else ""
    when = job.ended_at or job.created_at
    head = f"<strong>{mark} {text(title(job))}</strong> · {state}{took} · {moment(when)}"
    parts = [f"<p>{text(job.error[:1].upper() + job.error[1:])}</p>"] if job.error else []
    if job.result:
        parts.append(_result(job.result))
    lines = _lines(job, _KEPT_LINES)
    if lines:
        parts.append(f"<details><summary>Registro</summary>{lines}</details>")
    if job.requested_by.startswith("equipe:"):
        parts.append(f'<p class="tarefa-nota">Pedida por {text(job.requested_by.partition(":")[2])}.</p>')
    begin = f'<details class="tarefa"{" open" if unfolded else ""}><summary>{head}</summary>'
    return f"{begin}{''.join(parts)}</details>"


def _result(found: Mapping[str, Any]) -> str:
    rows = "".join(_row(model) for model in found.get("models", ()))
    parts = []
    if rows:
        parts.append(
            '<table><thead><tr><th scope="col">Modelo</th><th scope="col">Qualidade</th>'
            '<th scope="col">Latência média</th><th scope="col">Sucesso</th><th scope="col">Custo</th></tr>'
            "</thead>"
            f"<tbody>{rows}</tbody></table>"
        )
    link = str(found.get("link") or "")
    if link.startswith(("http://", "https://")):
        parts.append(f'<p><a href="{text(link)}" target="_blank" rel="noopener">Ver no MLflow</a></p>')
    if found.get("benchmark"):
        parts.append('<p class="tarefa-nota">Tudo sobre este resultado está na aba Benchmarks.</p>')
    return "".join(parts)


def _row(model: Mapping[str, Any]) -> str:
    cost = model.get("cost_total")
    cells = (
        words.score(model.get("quality_avg")),
        words.seconds(model.get("latency_avg")),
        words.share(model.get("success_rate")),
        "não se sabe" if cost is None else words.money(cost),
    )
    shown = "".join(f"<td>{text(cell)}</td>" for cell in cells)
    name = str(model.get("model", "")).removeprefix("extractive:")
    return f'<tr><th scope="row">{text(name)}</th>{shown}</tr>'


def _lines(job: Job | None, count: int) -> str:
    tail = "\n".join(job.log_tail.strip().splitlines()[-count:]) if job else ""
    return f'<pre class="tarefa-registro">{text(tail)}</pre>' if tail else ""


def text(value: str) -> str:
    """``value`` as HTML text or attribute that nothing can be smuggled into."""
    return html.escape(value).translate(_INERT)


def span(length: timedelta) -> str:
    """A length of time: ``12 s``, ``5 min 02 s``."""
    whole = max(0, round(length.total_seconds()))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def moment(instant: datetime) -> str:
    """An instant as people here write it, in the server's zone."""
    return instant.astimezone().strftime("%d/%m/%Y %H:%M")
