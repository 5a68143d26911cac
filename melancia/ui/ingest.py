"""The administrators' part of the knowledge tab: send files, index addresses, remove, watch the progress."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError, NotOwnerError
from melancia.ingest_runner import IngestStatus
from melancia.knowledge.readers import SUFFIXES
from melancia.knowledge.web import is_url
from melancia.ui import render
from melancia.ui.identity import Identity

_STAGES = {
    "waiting": "Na fila: o índice está ocupado.",
    "reading": "Lendo documentos",
    "vectors": "Calculando vetores",
}
_SHOWN_FAILURES = 10

Listing = Callable[[], tuple[Any, ...]]


def ingest_panel(
    runtime: Runtime, identity: Identity, shelf: gr.Tab, listing: Listing, outputs: Sequence[Any]
) -> None:
    """Lay the panel out, visible to administrators.

    ``listing`` gives the values of ``outputs`` anew; it is asked when the tab is opened and after a change.
    """
    panel = _Panel(runtime, identity, listing, len(outputs))
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    with gr.Column(visible=False, elem_id="base-admin") as box:
        gr.Markdown("### Acrescentar documentos", container=False)
        with gr.Row():
            send = gr.UploadButton(
                "Enviar arquivos…",
                file_types=sorted(SUFFIXES),
                file_count="multiple",
                size="sm",
                elem_id="base-enviar",
            )
            again = gr.Button("Reler pastas e endereços", size="sm", elem_id="base-reler")
        address = gr.Textbox(
            label="Endereço de uma página ou de um sitemap",
            placeholder="https://…",
            max_length=2000,
            submit_btn="Indexar",
            elem_id="base-endereco",
        )
        gone = gr.Dropdown(
            [], value=None, label="Remover um arquivo enviado ou um endereço", elem_id="base-remover"
        )
        remove = gr.Button("Remover da base", size="sm", visible=False, elem_id="base-remover-botao")
    state = gr.Markdown("", elem_id="base-andamento", container=False)
    timer = gr.Timer(1, active=False)
    shown: list[Any] = [state, timer, gone, *outputs]

    shelf.select(panel.open, None, [box, *shown], **aside)
    send.upload(panel.send, [send], shown, **aside)
    address.submit(panel.visit, [address], [address, *shown], **aside)
    again.click(panel.again, None, shown, **aside)
    gone.change(lambda name: gr.Button(visible=bool(name)), [gone], [remove], **aside)
    remove.click(panel.remove, [gone], shown, **aside)
    timer.tick(panel.tick, None, shown, **aside)


class _Panel:
    """Handlers. Each asks anew who is there: what is hidden on the page can still be called."""

    def __init__(self, runtime: Runtime, identity: Identity, listing: Listing, width: int) -> None:
        self._index = runtime.index
        self._listing = listing
        self._width = width
        self._ingests = runtime.ingests
        self._identity = identity

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """When the tab is opened."""
        status = self._ingests.status
        told = _told(status) if status else ""
        running = status is not None and status.running
        return gr.Column(visible=self._admin(request)), told, gr.Timer(active=running), *self._changed()

    def send(self, files: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        """Keep the files that were sent and index them."""

        def act() -> None:
            self._ingests.take([Path(file) for file in files or []])

        return self._act(act, request)

    def visit(self, address: str, request: gr.Request) -> tuple[Any, ...]:
        """Index a page or sitemap; the address stays in its box when it was refused."""
        shown = self._act(lambda: self._ingests.visit(address.strip()), request)
        status = self._ingests.status
        begun = status is not None and status.running
        return gr.Textbox(value="" if begun else address), *shown

    def again(self, request: gr.Request) -> tuple[Any, ...]:
        """Compare everything that was ever ingested with the index."""
        return self._act(self._ingests.start, request)

    def remove(self, name: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Remove a sent file or an address."""
        titles: list[str] = []
        shown = self._act(lambda: titles.extend(self._index.remove(name or "")), request)
        if not titles:
            return shown
        text = f"✅ Removido da base: {', '.join(render.inert(title) for title in titles)}."
        return text, gr.Timer(), *self._changed()

    def tick(self) -> tuple[Any, ...]:
        """While an ingest goes on, and once when it has ended."""
        status = self._ingests.status
        if status is None:
            return "", gr.Timer(active=False), *self._same()
        if status.running:
            return _told(status), gr.Timer(active=True), *self._same()
        return _told(status), gr.Timer(active=False), *self._changed()

    def _act(self, act: Callable[[], Any], request: gr.Request) -> tuple[Any, ...]:
        try:
            if not self._admin(request):
                raise NotOwnerError(
                    "Só quem administra a base pode mudá-la.", "Peça acesso (MELANCIA_ADMINS)."
                )
            act()
        except MelanciaError as error:
            # A file before the refused one may be on its way in: the timer tells of it after a while.
            return f"⚠️ {render.inert(str(error))}", gr.Timer(), *self._same()
        return self.tick()

    def _same(self) -> tuple[Any, ...]:
        return tuple(gr.skip() for _ in range(1 + self._width))

    def _changed(self) -> tuple[Any, ...]:
        documents = [document for document in self._index.documents() if self._index.removable(document)]
        choices = [(document.title, document.id) for document in documents]
        return gr.Dropdown(choices=choices, value=None), *self._listing()

    def _admin(self, request: gr.Request) -> bool:
        authorization = request.headers.get("authorization", "")
        return self._identity.is_admin(self._identity.user(request.cookies, authorization))


def _told(status: IngestStatus) -> str:
    """How far an ingest is, or how it ended, in Markdown."""
    if status.running:
        count = f": {status.done} de {status.total}" if status.total else ""
        item = f" ({render.inert(status.item)})" if status.item else ""
        return f"⏳ {_STAGES[status.stage]}{count}{item}"
    lines = []
    if status.error:
        lines.append(f"⚠️ {render.inert(status.error)}")
    report = status.report
    if report is not None:
        mark = "✅" if not report.failures and not status.error else "⚠️"
        lines.append(
            f"{mark} {report.added} novos, {report.changed} alterados, {report.removed} removidos, "
            f"{report.unchanged} sem mudança."
        )
        lines += [
            f"- Não indexado: {render.inert(_name(failure.path))}: {render.inert(failure.reason)}"
            for failure in report.failures[:_SHOWN_FAILURES]
        ]
        more = len(report.failures) - _SHOWN_FAILURES
        if more > 0:
            lines.append(f"- … e mais {more}.")
    return "\n".join(lines)


def _name(path: str) -> str:
    return path if is_url(path) else Path(path).name
