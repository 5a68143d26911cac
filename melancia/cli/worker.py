"""``worker``."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from melancia.records import ModelStatus
    from melancia.settings import Settings
    from melancia.worker import Round


def worker(
    once: Annotated[bool, typer.Option("--once", help="Uma rodada de tudo, com um resumo, e sai.")] = False,
) -> None:
    """Envia ao MLflow o que está gravado e mantém os modelos do Ollama. Ctrl-C para parar."""
    from melancia.llms.select import configured_ollama
    from melancia.settings import load_settings

    settings = load_settings()
    configured_ollama(settings)  # a variable that names no model is said now, not in a log
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    # A line for each request is no event.
    for chatty in ("httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
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
    lines, failed = [], False
    if not settings.mlflow_url:
        lines.append("MLflow: não configurado.")
    elif done.export is None:
        lines.append(f"MLflow: {done.export_problem}")
        failed = True
    else:
        report = done.export
        lines.append(
            f"MLflow: {report.traced} interações e {report.rated} avaliações enviadas, "
            f"{report.failed} falhas, {report.backlog} esperando envio."
        )
        failed = report.failed > 0
    if not done.models:
        lines.append("Modelos do Ollama: nenhum configurado.")
    if done.verdict is not None:
        lines.append(f"Experimento {done.verdict.verdict.experiment}: {done.verdict.verdict.text}")
    for status in done.models:
        line, bad = _model(status)
        lines.append(line)
        failed = failed or bad
    return lines, failed


def _model(status: "ModelStatus") -> tuple[str, bool]:
    from melancia.records import ModelState
    from melancia.text import gigabytes, placement

    if status.state is ModelState.READY:
        if status.error:
            return f"{status.model}: baixado, mas não responde. {status.error}", True
        where = placement(status.gpu_share, status.tokens_per_second)
        return f"{status.model}: pronto ({gigabytes(status.total)}{f'; {where}' if where else ''}).", False
    return f"{status.model}: {status.error or status.detail or 'esperando'}", True
