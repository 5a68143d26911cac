"""The tab "Benchmarks": administrators start, continue and cancel them; everybody reads what they found.

The page is told once a second, and only while a benchmark is open.
"""

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.experiments import files, words
from melancia.ui import benchmark_form, benchmark_results, job_view
from melancia.ui.benchmark_files import Interrupted, interrupted
from melancia.ui.benchmark_form import Form
from melancia.ui.benchmark_results import Results
from melancia.ui.identity import Identity
from melancia.ui.job_handlers import JobHandlers, choice

_LIVE = 7  # components that change by themselves, without the results
_ABOUT = (
    "Um benchmark faz as mesmas perguntas a cada modelo e mede qualidade, relevância, latência, tokens, "
    "custo e falhas, com o extrativo como controle."
)

logger = logging.getLogger(__name__)


def benchmarks_tab(runtime: Runtime, identity: Identity, shelf: gr.Tab) -> list[Dependency]:
    """Lay the tab out; it is read anew each time that ``shelf`` is opened. What starts jobs."""
    aside: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.Markdown(_ABOUT, elem_id="bench-resumo", container=False)
    with gr.Column(visible=False, elem_id="bench-admin") as box:
        form = Form()
        start = gr.Button("Iniciar benchmark", variant="primary", size="sm", elem_id="bench-iniciar")
        with gr.Row(visible=False, elem_id="bench-retomada") as unfinished:
            about = gr.HTML("", elem_id="bench-interrompido")
            resume = gr.Button("Continuar", size="sm", elem_id="bench-continuar")
    said = gr.Markdown("", elem_id="bench-aviso", container=False)
    running = gr.HTML("", elem_id="bench-abertos")
    with gr.Row(visible=False, elem_id="bench-cancelamento") as cancelling:
        which = gr.Dropdown([], value=None, label="Benchmark em curso", visible=False, elem_id="bench-qual")
        cancel = gr.Button("Cancelar benchmark", variant="stop", size="sm", elem_id="bench-cancelar")
    results = Results(runtime, aside)
    timer = gr.Timer(1, active=False)
    seen = gr.State(())
    live: list[Any] = [running, cancelling, which, unfinished, about, timer, seen, *results.outputs]
    state = [seen, results.place]

    panel = _Panel(runtime, identity, results)
    shelf.select(panel.open, [results.place], [box, said, *live], **aside)
    shelf.select(panel.choices, None, form.read_late, **aside)
    starts = [
        start.click(panel.start, [*form.fields, *state], [said, *live], **aside),
        resume.click(panel.resume, [form.budget, *state], [said, *live], **aside),
    ]
    cancel.click(panel.cancel, [which, *state], [said, *live], **aside)
    timer.tick(panel.tick, state, live, **aside)
    return starts


class _Panel(JobHandlers):
    """``seen`` is the open benchmarks that this page shows, ``place`` the result that it shows; what is slow
    to draw, or somebody may be reading, is drawn anew only when they change.
    """

    def __init__(self, runtime: Runtime, identity: Identity, results: Results) -> None:
        super().__init__(runtime, identity)
        self._results = results
        self._folder = files.folder_of(runtime.settings)

    def open(self, place: Any, request: gr.Request) -> tuple[Any, ...]:
        """When the tab is opened."""
        said = self._look_after()
        return gr.Column(visible=self._user(request)[1]), said, *self._live(None, place, request)

    def choices(self, request: gr.Request) -> tuple[Any, ...]:
        """What can be chosen, asked for beside ``open``: a server that is away is waited for."""
        if not self._user(request)[1]:
            return gr.skip(), gr.skip(), gr.skip()
        return benchmark_form.choices(self._runtime.settings)

    # Gradio fills the request in where it stands, but not behind *given.
    def start(self, request: gr.Request, *given: Any) -> tuple[Any, ...]:
        """Queue a benchmark. ``given``: the form's fields, ``seen``, ``place``."""
        *fields, seen, place = given

        def act(user: str) -> str:
            wanted = benchmark_form.parameters(dict(zip(benchmark_form.FIELDS, fields, strict=True)))
            self._runtime.jobs.submit("benchmark", wanted, user)
            return "✅ Benchmark pedido: o andamento aparece abaixo."

        return self._act(act, seen, place, request)

    def resume(self, budget: str | None, seen: Any, place: Any, request: gr.Request) -> tuple[Any, ...]:
        """Go on with the one that was interrupted; a budget replaces its own."""

        def act(user: str) -> str:
            found = self._resumable()
            if found is None:
                return "Não há benchmark interrompido a continuar."
            money = benchmark_form.money(budget)
            wanted = {"mode": found.mode, "resume": found.id} | ({} if money is None else {"budget": money})
            self._runtime.jobs.submit("benchmark", wanted, user)
            return "✅ Continuação pedida: o andamento aparece abaixo."

        return self._act(act, seen, place, request)

    def cancel(self, job_id: str | None, seen: Any, place: Any, request: gr.Request) -> tuple[Any, ...]:
        """Cancel the chosen benchmark."""
        said = self._cancel(job_id, request)
        return said, *self._live(seen, place, request)

    def tick(self, seen: Any, place: Any, request: gr.Request) -> tuple[Any, ...]:
        """While a benchmark is open, and once when it has ended."""
        try:
            return self._live(seen, place, request)
        except MelanciaError as error:
            # The next tick asks again; a message a second would help nobody.
            logger.warning("benchmarks not shown: %s", error)
            return tuple(gr.skip() for _ in range(_LIVE + benchmark_results.WIDTH))

    def _act(self, act: Callable[[str], str], seen: Any, place: Any, request: gr.Request) -> tuple[Any, ...]:
        said = self._do(act, request)
        return said, *self._live(seen, place, request)

    def _live(self, seen: Any, place: Any, request: gr.Request) -> tuple[Any, ...]:
        """The values of what changes; ``seen`` None: of all of it."""
        jobs = self._runtime.store.jobs
        present = [job for job in jobs.open() if job.name == "benchmark"]
        ids = tuple(job.id for job in present)
        shown: tuple[Any, ...] = tuple(gr.skip() for _ in range(benchmark_results.WIDTH))
        chosen, row, about = gr.skip(), gr.skip(), gr.skip()
        if seen is None or ids != tuple(seen):
            chosen = choice(present)
            left = self._resumable()
            row, about = gr.Row(visible=left is not None), _unfinished(left)
            shown = self._results.refresh(place)
        last = jobs.list(1, name="benchmark")
        return (
            job_view.open_jobs(present) or job_view.failure(last[0] if last else None),
            gr.Row(visible=bool(present) and self._user(request)[1]),
            chosen,
            row,
            about,
            gr.Timer(active=bool(present)),
            ids,
            *shown,
        )

    def _resumable(self) -> Interrupted | None:
        """What can be gone on with: nothing while one runs, or after the documents have changed."""
        if any(job.name == "benchmark" for job in self._runtime.store.jobs.open()):
            return None
        found = interrupted(self._folder)
        return found if found is not None and found.index == self._runtime.index.version else None


def _unfinished(found: Interrupted | None) -> str:
    if found is None:
        return ""
    mode = job_view.MODES.get(found.mode, found.mode)
    done = words.plural(found.done, "resposta", "respostas")
    return (
        f"<p>Há um benchmark {job_view.text(mode)} interrompido, de {job_view.moment(found.started_at)}, com "
        f"{done} de {found.total}. Continuar usa os modelos e as perguntas dele; um orçamento em “Mais "
        "opções” substitui o seu.</p>"
    )
