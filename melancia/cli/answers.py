"""``ask``: the assistant on the terminal, the same path as the page's."""

import asyncio
import json
import sys
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melancia.cli.knowledge import say_pending
from melancia.cli.options import AsJson, Marketplace, Topic
from melancia.errors import InputError
from melancia.records import (
    FellBack,
    Filters,
    Finished,
    FinishReason,
    Interaction,
    Retrieved,
    Token,
    Variant,
    new_id,
)

if TYPE_CHECKING:
    from melancia.app import Runtime
    from melancia.settings import Settings

_USER = "cli"


def ask(  # noqa: PLR0917 (Typer makes options of them)
    question: Annotated[str, typer.Argument(metavar="PERGUNTA", help="A pergunta.")],
    provider: Annotated[
        str | None, typer.Option(help="openai, ollama, huggingface ou extractive; pede --model.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="O modelo do provedor; veja `melancia models`.")] = None,
    marketplace: Marketplace = None,
    topic: Topic = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Não reaproveita uma resposta já dada à mesma pergunta.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Responde a uma pergunta, citando as fontes; a conversa fica gravada como as da página."""
    from melancia.app import Runtime
    from melancia.settings import load_settings

    settings = load_settings()
    variant = _variant(settings, provider, model)
    runtime = Runtime.open(settings)
    try:
        filters = Filters(marketplace, topic)
        done, mode = asyncio.run(_ask(runtime, question, filters, variant, reuse=not fresh, quiet=as_json))
        progress = runtime.index.progress()
    except KeyboardInterrupt:
        typer.echo("\nInterrompido; o que foi dito ficou gravado.", err=True)
        raise typer.Exit(130) from None
    finally:
        runtime.close()
    if as_json:
        typer.echo(json.dumps(_as_json(done, mode), ensure_ascii=False, indent=2))
    else:
        _print_sources(done)
        if done.origin is not None:
            typer.echo("(Resposta reaproveitada; com --fresh, o modelo responde de novo.)")
    say_pending(progress.vectors, progress.chunks)
    if done.answer.finish_reason in (FinishReason.ERROR, FinishReason.TIMEOUT):
        last = done.attempts[-1].message if done.attempts else "A resposta foi interrompida."
        typer.echo(f"Erro: {last}", err=True)
        raise typer.Exit(1)


def _variant(settings: "Settings", provider: str | None, model: str | None) -> Variant | None:
    if provider is None and model is None:
        return None
    if provider is None or (model is None and provider != "extractive"):
        raise InputError(
            "Informe --provider e --model juntos.", "Por exemplo: --provider ollama --model llama3.1:8b."
        )
    from melancia.llms import resolve_variant

    label = provider if model is None else f"{provider}:{model}"
    return resolve_variant(settings.model_copy(update={"variant": label}))


async def _ask(
    runtime: "Runtime",
    question: str,
    filters: Filters,
    variant: Variant | None,
    *,
    reuse: bool,
    quiet: bool,
) -> tuple[Interaction, str]:
    """Print the answer as it comes (unless ``quiet``); returns the interaction and the search mode."""
    said, mode = "", ""
    asking = runtime.assistant.ask(
        question, user=_USER, conversation=new_id(), filters=filters, variant=variant, reuse=reuse
    )
    async with aclosing(asking) as events:
        async for event in events:
            if isinstance(event, Retrieved):
                mode = event.mode
            elif isinstance(event, FellBack):
                typer.echo(f"{event.attempt.message} Responde agora: {event.next.label}.", err=True)
            elif isinstance(event, Token):
                said += event.text
                if not quiet:
                    sys.stdout.write(event.text)
                    sys.stdout.flush()
            elif isinstance(event, Finished):
                if not quiet:
                    typer.echo("")
                    _say_corrected(said, event.interaction)
                return event.interaction, mode
    raise RuntimeError("the assistant ended without its last event")


def _say_corrected(said: str, done: Interaction) -> None:
    if done.answer.invented_citations and said.strip() != done.answer.text:
        typer.echo(
            f"Atenção: {done.answer.invented_citations} citação(ões) sem fonte foram retiradas. "
            f"Texto final:\n{done.answer.text}",
            err=True,
        )


def _print_sources(done: Interaction) -> None:
    cited = [passage for passage in done.passages if passage.rank in done.answer.citations]
    if cited:
        typer.echo("\nFontes:")
    for passage in cited:
        section = f" › {passage.section}" if passage.section else ""
        typer.echo(f"[{passage.rank}] {passage.title}{section}: {passage.source}")


def _as_json(done: Interaction, mode: str) -> dict[str, Any]:
    answer = done.answer
    return {
        "id": done.id,
        "question": done.question,
        "standalone": done.standalone,
        "answer": answer.text,
        "refused": answer.refused,
        "citations": list(answer.citations),
        "invented_citations": answer.invented_citations,
        "assigned": done.assignment.variant.as_dict(),
        "answered_by": done.exposure.as_dict() if done.exposure else None,
        "fell_back": done.fell_back,
        "attempts": [asdict(attempt) for attempt in done.attempts],
        "finish_reason": answer.finish_reason.value,
        "mode": mode,
        "origin": done.origin.kind.value if done.origin else None,
        "usage": asdict(answer.usage),
        "time_to_first_token": answer.time_to_first_token,
        "total_time": answer.total_time,
        "cost": answer.cost,
        "passages": [passage.as_dict() for passage in done.passages],
    }
