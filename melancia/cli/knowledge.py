"""``ingest`` and ``search``."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.logs import log_as_job
from melancia.cli.options import AsJson, Marketplace, Topic
from melancia.records import Filters

if TYPE_CHECKING:
    from melancia.knowledge.ingest import IngestReport
    from melancia.knowledge_base import KnowledgeIndex


def ingest(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PASTA|ARQUIVO|ENDEREÇO]...",
            help="Markdown, texto, HTML, PDF ou DOCX; página da web ou sitemap.",
        ),
    ] = None,
) -> None:
    """Indexa documentos (sem argumento: data/knowledge) e calcula os vetores."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    index = _open()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        reading = bars.add_task("Documentos", total=None)
        report = index.ingest(
            paths or [], lambda _name, done, total: bars.update(reading, completed=done, total=total)
        )
        embedding = bars.add_task("Vetores", total=None)
        index.compute_vectors(lambda done, total: bars.update(embedding, completed=done, total=total))
    progress = index.progress()
    typer.echo(
        f"{report.added} novos, {report.changed} alterados, {report.removed} removidos, "
        f"{report.unchanged} sem mudança; {progress.documents} documentos e {progress.vectors} vetores "
        "no índice."
    )
    _name_failures(report)
    index.close()
    if report.failures:
        raise typer.Exit(1)


def search(
    query: Annotated[str, typer.Argument(metavar="TEXTO", help="O que procurar.")],
    k: Annotated[int, typer.Option(min=1, max=50, help="Quantos trechos.")] = 5,
    marketplace: Marketplace = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Mostra os trechos recuperados para uma pergunta, com documento e pontuação."""
    index = _open()
    if not index.progress().documents:
        _name_failures(index.ensure_ingested())
    found = index.retriever.search(query, k, Filters(marketplace, topic))
    progress = index.progress()
    if as_json:
        answer = {
            "query": query,
            "mode": found.mode,
            "supported": found.supported,
            "vectors": {"done": progress.vectors, "total": progress.chunks},
            "passages": [passage.as_dict() for passage in found.passages],
        }
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for passage in found.passages:
            place = f"{passage.title} › {passage.section}" if passage.section else passage.title
            typer.echo(f"{passage.rank}. [{passage.score:.2f}] {place} ({passage.document_id})")
            typer.echo(f"   {' '.join(passage.chunk.split())[:200]}")
        if not found.supported:
            typer.echo(
                "Atenção: a base não tem evidência suficiente para responder a esta pergunta.", err=True
            )
    say_pending(progress.vectors, progress.chunks)
    index.close()


def say_pending(done: int, total: int) -> None:
    """Say on standard error that vectors are missing, if they are."""
    if done < total:
        typer.echo(
            f"Vetores: {done} de {total}. Rode `melancia ingest` para calcular os que faltam.", err=True
        )


def _open() -> "KnowledgeIndex":
    from melancia.knowledge_base import KnowledgeIndex
    from melancia.settings import load_settings

    settings = load_settings()
    log_as_job(settings)
    return KnowledgeIndex(settings)


def _name_failures(report: "IngestReport") -> None:
    for failure in report.failures:
        typer.echo(f"Não indexado: {failure.path}: {failure.reason}", err=True)
