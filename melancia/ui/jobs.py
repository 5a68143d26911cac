"""The tab "Tarefas": administrators start and cancel benchmarks; everybody sees how they go and end.

The page is told once a second, and only while a job is open.
"""

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import InputError, MelanciaError, NotOwnerError
from melancia.ui import job_view, render
from melancia.ui.identity import Identity

_MODES = [("Rápido: as três perguntas do guia", "quick"), ("Completo: as perguntas de teste", "full")]
_MAX_LIMIT = 1000
_ENDED = 10
_LIVE = 8  # components that change by themselves
_ABOUT = (
    "Um benchmark faz as mesmas perguntas a cada modelo disponível e mede latência, tokens, custo e falhas, "
    "com o extrativo como controle."
)

logger = logging.getLogger(__name__)


def jobs_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> None:
    """Lay the tab out; it is read anew each time that ``shelf`` is opened."""
    panel = _Panel(runtime, identity)
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.Markdown(_ABOUT, elem_id="tarefas-resumo", container=False)
    with gr.Column(visible=False, elem_id="tarefas-admin") as box:
        with gr.Row():
            mode = gr.Radio(_MODES, value="quick", label="Benchmark", elem_id="tarefas-modo")
            # Not a Number: an empty one sends 0.
            limit = gr.Textbox(
                label="No máximo tantas perguntas (opcional)",
                placeholder="todas",
                max_length=6,
                elem_id="tarefas-limite",
            )
        start = gr.Button("Iniciar benchmark", variant="primary", size="sm", elem_id="tarefas-iniciar")
    said = gr.Markdown("", elem_id="tarefas-aviso", container=False)
    running = gr.HTML("", elem_id="tarefas-abertas")
    with gr.Row(visible=False, elem_id="tarefas-cancelamento") as cancelling:
        which = gr.Dropdown([], value=None, label="Tarefa", visible=False, elem_id="tarefas-qual")
        cancel = gr.Button("Cancelar tarefa", variant="stop", size="sm", elem_id="tarefas-cancelar")
    with gr.Accordion("Registro da tarefa", open=False, visible=False, elem_id="tarefas-registro") as journal:
        log = gr.HTML("", elem_id="tarefas-linhas")
    gr.Markdown("### Tarefas terminadas", container=False)
    ended = gr.HTML("", elem_id="tarefas-terminadas")
    timer = gr.Timer(1, active=False)
    seen = gr.State(())
    live: list[Any] = [running, journal, log, cancelling, which, ended, timer, seen]

    shelf.select(panel.open, None, [box, said, *live], **aside)
    start.click(panel.start, [mode, limit, seen], [said, *live], **aside)
    cancel.click(panel.cancel, [which, seen], [said, *live], **aside)
    timer.tick(panel.tick, [seen], live, **aside)


class _Panel:
    """Handlers. Each asks anew who is there: what is hidden on the page can still be called.

    ``seen`` is the open jobs that this page shows; what is slow to draw, or somebody may have unfolded, is
    drawn anew only when they change.
    """

    def __init__(self, runtime: Runtime, identity: Identity) -> None:
        self._runtime = runtime
        self._identity = identity

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """When the tab is opened."""
        said = ""
        try:
            # Whoever runs jobs also tells how those of an earlier process ended.
            _ = self._runtime.jobs
        except MelanciaError as error:
            said = _warning(error)
        return gr.Column(visible=self._user(request)[1]), said, *self._live(None, request)

    def start(self, mode: str, limit: str | None, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """Queue a benchmark."""

        def act(user: str) -> str:
            given = {"mode": mode, **_checked(limit)}
            self._runtime.jobs.submit("benchmark", given, user)
            return "✅ Benchmark pedido: o andamento aparece abaixo."

        return self._act(act, seen, request)

    def cancel(self, job_id: str | None, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """Cancel the chosen job."""

        def act(_user: str) -> str:
            job = self._runtime.jobs.cancel(job_id or "")
            if job.state.final and not job.cancel_requested:
                return "Essa tarefa já tinha terminado."
            return "⏹ Cancelamento pedido; o que já foi medido fica guardado."

        return self._act(act, seen, request)

    def tick(self, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """While a job is open, and once when it has ended."""
        try:
            return self._live(seen, request)
        except MelanciaError as error:
            # The next tick asks again; a message a second would help nobody.
            logger.warning("jobs not shown: %s", error)
            return tuple(gr.skip() for _ in range(_LIVE))

    def _act(self, act: Callable[[str], str], seen: Any, request: gr.Request) -> tuple[Any, ...]:
        try:
            user, admin = self._user(request)
            if user is None or not admin:
                raise NotOwnerError(
                    "Só quem administra pode iniciar ou cancelar tarefas.", "Peça acesso (MELANCIA_ADMINS)."
                )
            said = act(user)
        except MelanciaError as error:
            said = _warning(error)
        return said, *self._live(seen, request)

    def _live(self, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """The values of what changes; ``seen`` None: of all of it."""
        jobs = self._runtime.store.jobs
        present = list(jobs.open())
        ids = tuple(job.id for job in present)
        # The oldest is the one that runs.
        first = present[0] if present else None
        chosen: Any = gr.skip()
        ended: Any = gr.skip()
        if seen is None or ids != tuple(seen):
            choices = [(job_view.title(job), job.id) for job in present]
            chosen = gr.Dropdown(choices=choices, value=first.id if first else None, visible=len(present) > 1)
            kept = [job for job in jobs.list(_ENDED + len(present)) if job.state.final]
            ended = job_view.ended_jobs(kept[:_ENDED])
        return (
            job_view.open_jobs(present),
            gr.Accordion(visible=bool(present)),
            job_view.log(first),
            gr.Row(visible=bool(present) and self._user(request)[1]),
            chosen,
            ended,
            gr.Timer(active=bool(present)),
            ids,
        )

    def _user(self, request: gr.Request) -> tuple[str | None, bool]:
        """Who is there, and whether they administer."""
        user = self._identity.user(request.cookies, request.headers.get("authorization", ""))
        return user, self._identity.is_admin(user)


def _checked(limit: str | None) -> dict[str, int]:
    """The limit as the job takes it. Raises InputError."""
    written = (limit or "").strip()
    if not written:
        return {}
    # isascii: a superscript is a digit, too, and no number.
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= _MAX_LIMIT):
        raise InputError(
            "O limite de perguntas não vale.",
            f"Escreva um número inteiro de 1 a {_MAX_LIMIT} ou deixe-o vazio.",
        )
    return {"limit": int(written)}


def _warning(error: MelanciaError) -> str:
    return f"⚠️ {render.inert(str(error))}"
