"""The tab "Base de conhecimento": what the assistant knows, to be browsed, read and searched."""

import re
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.index.catalog import Document
from melancia.ui import render
from melancia.ui.names import marketplace_name, topic_name

_RESULTS = 8
_EXCERPT = 240
_MARKS = re.compile(r"[|*`#]+|^\s*(?:[-+]|\d+\.)\s|\[|\]\([^)]*\)|-{3,}", re.MULTILINE)


def knowledge_tab(runtime: Runtime, shelf: gr.Tab) -> None:
    """Lay the tab out; the list is read anew each time that ``shelf`` is opened."""
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
    shelf.select(lambda: _list(runtime), None, [summary, choice], **aside)
    query.submit(lambda text: _search(runtime, text), [query], [found], **aside)
    choice.change(lambda name: _article(runtime, name), [choice], [article], **aside)


def _list(runtime: Runtime) -> tuple[str, Any]:
    documents = sorted(runtime.index.documents(), key=lambda d: (topic_name(d.topic), d.title))
    progress = runtime.index.progress()
    choices = [(f"{topic_name(d.topic)} · {d.title}" if d.topic else d.title, d.id) for d in documents]
    text = (
        f"{progress.documents} documentos em {progress.chunks} trechos "
        f"({progress.vectors} com vetor de significado)."
    )
    return text, gr.Dropdown(choices=choices)


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
    source = document.source.partition("\n")[0]
    link = f"[referência]({source})" if source.startswith(("https://", "http://")) else render.inert(source)
    return " · ".join(
        part for part in (topic_name(document.topic) if document.topic else "", places, link) if part
    )
