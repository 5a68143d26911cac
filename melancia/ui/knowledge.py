"""The tab "Base de conhecimento": what the assistant knows, to be browsed, read and searched."""

import re
from datetime import datetime, timedelta
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.index.catalog import Contribution, Document
from melancia.records import utc_now
from melancia.ui import render
from melancia.ui.identity import Identity
from melancia.ui.ingest import ingest_panel
from melancia.ui.names import marketplace_name, topic_name

_RESULTS = 8
_EXCERPT = 240
_USAGE_DAYS = 30
_MARKS = re.compile(r"[|*`#]+|^\s*(?:[-+]|\d+\.)\s|\[|\]\([^)]*\)|-{3,}", re.MULTILINE)


def knowledge_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> None:
    """Lay the tab out; the list is read anew each time that ``shelf`` is opened, and after a change."""
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    summary = gr.Markdown("", elem_id="base-resumo", container=False)
    query = gr.Textbox(
        label="Buscar na base",
        placeholder="Por exemplo: prazo do Full, ACOS de equilíbrio…",
        max_length=300,
        submit_btn="Buscar",
        elem_id="base-busca",
    )
    found = gr.Markdown("", visible=False, elem_id="base-resultados")
    choice = gr.Dropdown([], value=None, label="Ler um documento", elem_id="base-documento")
    article = gr.Markdown("", elem_id="base-artigo", latex_delimiters=[])
    with gr.Accordion("O que cada documento contribui", open=False, elem_id="base-contribuicao"):
        table = gr.Markdown("", elem_id="base-tabela", latex_delimiters=[])
    ingest_panel(runtime, identity, shelf, lambda: _list(runtime), [summary, choice, table])
    query.submit(lambda text: _search(runtime, text), [query], [found], **aside)
    choice.change(lambda name: _article(runtime, name), [choice], [article], **aside)


def _list(runtime: Runtime) -> tuple[str, Any, str]:
    documents = sorted(runtime.index.documents(), key=lambda d: (topic_name(d.topic), d.title))
    progress = runtime.index.progress()
    choices = [(f"{topic_name(d.topic)} · {d.title}" if d.topic else d.title, d.id) for d in documents]
    checked = _moment(runtime.index.last_ingest)
    text = (
        f"{progress.documents} documentos em {progress.chunks} trechos "
        f"({progress.vectors} com vetor de significado)."
        f"{f' Última verificação: {checked}.' if checked else ''}"
    )
    return text, gr.Dropdown(choices=choices), _table(runtime, documents)


def _table(runtime: Runtime, documents: list[Document]) -> str:
    used = runtime.store.document_usage(utc_now() - timedelta(days=_USAGE_DAYS))
    added = runtime.index.contributions()
    rows = [
        "| Documento | Assunto | Trechos | Perguntas prováveis | Recuperado | Citado | Indexado em |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for document in documents:
        own = added.get(document.id, Contribution(0, 0))
        retrieved, cited = used.get(document.id, (0, 0))
        cells = (
            render.inert(document.title).replace("|", "\\|"),
            topic_name(document.topic) if document.topic else "",
            str(own.passages),
            str(own.questions),
            str(retrieved),
            str(cited),
            _moment(document.indexed_at),
        )
        rows.append(f"| {' | '.join(cells)} |")
    note = f"Recuperado e citado: em quantas respostas dos últimos {_USAGE_DAYS} dias."
    return "\n".join([*rows, "", note])


def _moment(text: str) -> str:
    """An ISO instant as people here write it, in the server's zone; "" stays empty."""
    return datetime.fromisoformat(text).astimezone().strftime("%d/%m/%Y %H:%M") if text else ""


def _search(runtime: Runtime, text: str) -> Any:
    try:
        passages = runtime.index.retriever.search(text, _RESULTS).passages
    except MelanciaError as error:
        return gr.Markdown(value=f"⚠️ {render.inert(str(error))}", visible=True)
    if not passages:
        return gr.Markdown(value="Nada encontrado.", visible=True)
    lines = [
        f"{passage.rank}. **{render.inert(passage.title)}**"
        f"{f' › {render.inert(passage.section)}' if passage.section else ''} "
        f"({passage.score:.2f})  \n   {render.inert(_excerpt(passage.chunk))}"
        for passage in passages
    ]
    return gr.Markdown(value="\n".join(lines), visible=True)


def _excerpt(text: str) -> str:
    """The beginning as running text: Markdown's marks would start lists inside the list."""
    return " ".join(_MARKS.sub(" ", text).split())[:_EXCERPT] + " …"


def _article(runtime: Runtime, name: str | None) -> str:
    document = next((item for item in runtime.index.documents() if item.id == name), None)
    if document is None:
        return ""
    parts = [f"# {render.inert(document.title)}", _about(document)]
    for section, text in runtime.index.sections(document.id):
        parts.append(f"## {render.inert(section)}\n\n" if section else "")
        parts.append(render.readable(text))
    return "\n\n".join(part for part in parts if part)


def _about(document: Document) -> str:
    places = ", ".join(marketplace_name(name) for name in document.marketplaces)
    source = document.reference
    link = f"[referência]({source})" if source.startswith(("https://", "http://")) else render.inert(source)
    return " · ".join(
        part for part in (topic_name(document.topic) if document.topic else "", places, link) if part
    )
