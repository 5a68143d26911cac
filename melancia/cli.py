"""The command line. Heavy packages are imported by the command that needs them."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melancia import __version__
from melancia.errors import MelanciaError
from melancia.records import Filters

if TYPE_CHECKING:
    from melancia.app import KnowledgeIndex
    from melancia.knowledge.ingest import IngestReport

app = typer.Typer(
    name="melancia",
    help="MelâncIA: assistente de Retail Media em português, com fontes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Marketplace = Annotated[str | None, typer.Option(help="Só documentos deste marketplace (e os gerais).")]
Topic = Annotated[str | None, typer.Option(help="Só documentos deste tópico.")]
AsJson = Annotated[bool, typer.Option("--json", help="Escreve JSON na saída padrão.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"melancia {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Versão.")
    ] = False,
) -> None:
    """MelâncIA: assistente de Retail Media em português, com fontes."""


@app.command("ingest")
def ingest_command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Pastas ou arquivos Markdown.")] = None,
) -> None:
    """Indexa pastas de documentos (sem caminho: data/knowledge) e calcula os vetores."""
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


@app.command("search")
def search_command(
    query: Annotated[str, typer.Argument(help="O que procurar.")],
    k: Annotated[int, typer.Option(min=1, max=50, help="Quantos trechos.")] = 5,
    marketplace: Marketplace = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Mostra os trechos recuperados para uma pergunta, com documento e pontuação."""
    index = _ready()
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
    _say_pending(progress.vectors, progress.chunks)
    index.close()


@app.command("ask")
def ask_command(
    question: Annotated[str, typer.Argument(help="A pergunta.")],
    marketplace: Marketplace = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Responde com as frases da base que melhor respondem (extrativo), citando as fontes."""
    from melancia.llms.extractive import NOT_FOUND, extract

    index = _ready()
    found = index.retriever.search(question, None, Filters(marketplace, topic))
    embeddings = index.embeddings if found.mode == "hybrid" else None
    text = extract(question, found.passages, embeddings) if found.supported else NOT_FOUND
    if as_json:
        passages = [passage.as_dict() for passage in found.passages]
        answer = {"question": question, "answer": text, "mode": found.mode, "passages": passages}
        typer.echo(json.dumps(answer | {"supported": found.supported}, ensure_ascii=False, indent=2))
    elif found.supported:
        typer.echo(text)
        typer.echo("\nFontes:")
        for passage in found.passages:
            if f"[{passage.rank}]" in text:
                section = f" › {passage.section}" if passage.section else ""
                typer.echo(f"[{passage.rank}] {passage.title}{section}: {passage.source}")
    else:
        typer.echo(text)
        titles = list(dict.fromkeys(passage.title for passage in found.passages))
        if titles:
            typer.echo("A base trata de temas como: " + "; ".join(titles[:3]) + ".")
    progress = index.progress()
    _say_pending(progress.vectors, progress.chunks)
    index.close()


def _open() -> "KnowledgeIndex":
    from melancia.app import KnowledgeIndex
    from melancia.settings import load_settings

    return KnowledgeIndex(load_settings())


def _ready() -> "KnowledgeIndex":
    """The index; on a fresh install the knowledge folder is read first (lexical results at once)."""
    index = _open()
    if not index.progress().documents:
        _name_failures(index.ensure_ingested())
    return index


def _name_failures(report: "IngestReport") -> None:
    for failure in report.failures:
        typer.echo(f"Não indexado: {failure.path}: {failure.reason}", err=True)


def _say_pending(done: int, total: int) -> None:
    if done < total:
        typer.echo(
            f"Vetores: {done} de {total}. Rode `melancia ingest` para calcular os que faltam.", err=True
        )


def main() -> None:
    """Run the command line; expected failures become a message in Portuguese and exit code 1."""
    try:
        app()
    except MelanciaError as error:
        typer.echo(f"Erro: {error.message}", err=True)
        if error.remedy:
            typer.echo(error.remedy, err=True)
        sys.exit(1)
