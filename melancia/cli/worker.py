"""``worker``."""

from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.logs import start_logging

if TYPE_CHECKING:
    from melancia.records import Job, ModelStatus
    from melancia.settings import Settings
    from melancia.worker import Round


def worker(
    once: Annotated[bool, typer.Option("--once", help="Uma rodada de tudo, com um resumo, e sai.")] = False,
) -> None:
    """Cuida da agenda, do MLflow, dos experimentos e dos modelos do Ollama. Ctrl-C para parar."""
    from melancia.llms.select import configured_ollama
    from melancia.settings import load_settings

    settings = load_settings()
    configured_ollama(settings)  # a variable that names no model is said now, not in a log
    start_logging(settings)
    if not once:
        from melancia.worker import run_worker

        run_worker(settings)
        return
    from melancia.worker import run_once

    done = run_once(settings)
    lines, failed = _summary(done, settings)
    for line in lines:
        typer.echo(line)
    if failed:
        raise typer.Exit(1)


def _summary(done: "Round", settings: "Settings") -> tuple[list[str], bool]:
    """What a round came to, in Portuguese, and whether something failed."""
    from melancia.jobs.timetable import timetable
    from melancia.store.schedule import RunState

    lines, failed = [], False
    if not settings.mlflow_url:
        lines.append("MLflow: não configurado.")
    elif done.export_problem:
        # Said of the registry, too, which comes after what was sent.
        lines.append(f"MLflow: {done.export_problem}")
        failed = True
    if done.export is not None:
        report = done.export
        lines.append(
            f"MLflow: {report.traced} interações e {report.rated} avaliações enviadas, "
            f"{report.failed} falhas, {report.backlog} esperando envio."
        )
        failed = failed or report.failed > 0
    lines += _missed(done)
    if not done.models:
        lines.append("Modelos do Ollama: nenhum configurado.")
    if done.verdict is not None:
        lines.append(f"Experimento {done.verdict.verdict.experiment}: {done.verdict.verdict.text}")
    for status in done.models:
        line, bad = _model(status)
        lines.append(line)
        failed = failed or bad
    if not done.runs:
        lines.append("Agenda: nada a fazer agora.")
    titles = {timed.name: timed.title for timed in timetable(settings)}
    for run in done.runs:
        lines.append(f"Agenda, {titles[run.name]}: {run.outcome}")
        failed = failed or run.state is RunState.FAILED
    for job in done.jobs:
        line, bad = _job(job, settings)
        lines.append(f"Tarefa {job.name} ({job.id[:8]}): {line}")
        failed = failed or bad
    return lines, failed


def _missed(done: "Round") -> list[str]:
    """What MLflow was told of late; empty when it had missed nothing."""
    kinds = (
        (done.missed_benchmarks, "benchmark", "benchmarks"),
        (done.missed_reports, "relatório de saúde", "relatórios de saúde"),
    )
    told = [f"{count} {one if count == 1 else many}" for count, one, many in kinds if count]
    return [f"MLflow: {' e '.join(told)} com registro atrasado, agora em dia."] if told else []


def _job(job: "Job", settings: "Settings") -> tuple[str, bool]:
    from melancia.records import JobState

    match job.state:
        case JobState.SUCCEEDED:
            return "concluída.", False
        case JobState.FAILED:
            return f"falhou: {job.error}", True
        case JobState.CANCELLED:
            return "cancelada.", True
        case _:
            # Not run here, so by somebody else.
            waits = "o launcher a inicia" if settings.launcher_url else "espera uma página ou um launcher"
            return ("em andamento." if job.state is JobState.RUNNING else f"na fila; {waits}."), False


def _model(status: "ModelStatus") -> tuple[str, bool]:
    from melancia.records import ModelState
    from melancia.text import gigabytes, placement

    if status.state is ModelState.READY:
        if status.error:
            return f"{status.model}: baixado, mas não responde. {status.error}", True
        where = placement(status.gpu_share, status.tokens_per_second)
        return f"{status.model}: pronto ({gigabytes(status.total)}{f'; {where}' if where else ''}).", False
    return f"{status.model}: {status.error or status.detail or 'esperando'}", True
