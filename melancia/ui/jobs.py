"""The tab "Tarefas": every job, how it goes and how it ended; administrators cancel.

The page is told once a second, and only while a job is open.
"""

import logging
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.ui import job_view
from melancia.ui.identity import Identity
from melancia.ui.job_handlers import JobHandlers, choice

_ENDED = 10
_LIVE = 8  # components that change by themselves
_ABOUT = (
    "O que roda fora da conversa: benchmarks, que são iniciados na aba Benchmarks, e indexações. Uma tarefa "
    "roda de cada vez; as outras esperam na fila."
)

logger = logging.getLogger(__name__)


def jobs_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab, starts: Sequence[Dependency]) -> None:
    """Lay the tab out; it is read anew each time that ``shelf`` is opened, and after ``starts``.

    Who starts a job in another tab may be here before the job is.
    """
    panel = _Panel(runtime, identity)
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.Markdown(_ABOUT, elem_id="tarefas-resumo", container=False)
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

    shelf.select(panel.open, None, [said, *live], **aside)
    cancel.click(panel.cancel, [which, seen], [said, *live], **aside)
    timer.tick(panel.tick, [seen], live, **aside)
    for start in starts:
        start.then(panel.tick, [seen], live, **aside)


class _Panel(JobHandlers):
    """``seen`` is the open jobs that this page shows; what is slow to draw, or somebody may have unfolded, is
    drawn anew only when they change.
    """

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """When the tab is opened."""
        said = self._look_after()
        return said, *self._live(None, request)

    def cancel(self, job_id: str | None, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """Cancel the chosen job."""
        said = self._cancel(job_id, request)
        return said, *self._live(seen, request)

    def tick(self, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """While a job is open, once when it has ended, and when one was asked for."""
        try:
            return self._live(seen, request)
        except MelanciaError as error:
            # The next tick asks again; a message a second would help nobody.
            logger.warning("jobs not shown: %s", error)
            return tuple(gr.skip() for _ in range(_LIVE))

    def _live(self, seen: Any, request: gr.Request) -> tuple[Any, ...]:
        """The values of what changes; ``seen`` None: of all of it."""
        jobs = self._runtime.store.jobs
        present = list(jobs.open())
        ids = tuple(job.id for job in present)
        chosen: Any = gr.skip()
        ended: Any = gr.skip()
        if seen is None or ids != tuple(seen):
            chosen = choice(present)
            kept = [job for job in jobs.list(_ENDED + len(present)) if job.state.final]
            ended = job_view.ended_jobs(kept[:_ENDED])
        return (
            job_view.open_jobs(present),
            gr.Accordion(visible=bool(present)),
            job_view.log(present[0] if present else None),
            gr.Row(visible=bool(present) and self._user(request)[1]),
            chosen,
            ended,
            gr.Timer(active=bool(present)),
            ids,
        )
