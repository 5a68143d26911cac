"""The results part of the tab "Benchmarks": one benchmark, its answers, and how it compares with another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.experiments import files
from melancia.ui import benchmark_answers, benchmark_compare, benchmark_files, benchmark_view
from melancia.ui.benchmark_files import Stamp
from melancia.ui.job_view import text

WIDTH = 8  # components that ``refresh`` fills
_NONE = '<p class="tarefa-nota">Nenhum benchmark foi salvo ainda.</p>'
_JOBS = 50  # among which the link to a result is looked for


@dataclass(frozen=True, slots=True)
class Place:
    """What a page shows: benchmark ``shown``, written at ``written``, when ``newest`` was the newest one."""

    shown: str
    newest: str
    written: Stamp | None


class Results:
    """Lays itself out where it is made. Everybody may read: results hold nothing of users."""

    def __init__(self, runtime: Runtime, aside: Mapping[str, Any]) -> None:
        self._runtime = runtime
        self._folder = files.folder_of(runtime.settings)
        gr.Markdown("### Resultados", container=False)
        self._saved = gr.Dropdown([], value=None, label="Benchmark", elem_id="bench-salvos")
        self._result = gr.HTML(_NONE, elem_id="bench-resultado")
        with gr.Column(visible=False, elem_id="bench-detalhes") as self._details:
            with gr.Accordion("Respostas, pergunta a pergunta", open=False, elem_id="bench-respostas"):
                self._question = gr.Dropdown(
                    [], value=None, label="Pergunta", num_choices_shown=None, elem_id="bench-pergunta"
                )
                self._answers = gr.HTML("", elem_id="bench-respondido")
            with gr.Accordion("Comparar com outro benchmark", open=False, elem_id="bench-comparar"):
                self._other = gr.Dropdown([], value=None, label="Comparar com", elem_id="bench-outro")
                self._comparison = gr.HTML("", elem_id="bench-comparacao")
        self.place = gr.State(None)
        own = [self._result, self._details, self._question, self._answers, self._other, self._comparison]
        self.outputs: list[Any] = [self._saved, *own, self.place]
        # Not ``change``, which what the server itself sets would trigger too.
        self._saved.input(self.show, [self._saved, self.place], [*own, self.place], **aside)
        self._question.input(self.answers, [self._question, self.place], [self._answers], **aside)
        self._other.input(self.compare, [self._other, self.place], [self._comparison], **aside)

    def refresh(self, place: Place | None) -> tuple[Any, ...]:
        """The list anew, and the newest benchmark unless an older one was chosen; what is read stays."""
        names = benchmark_files.listed(self._folder)
        known = [name for _, name in names]
        newest = known[0] if known else ""
        chosen = place is not None and place.shown != place.newest and place.shown in known
        shown = place.shown if place is not None and chosen else newest
        now = self._at(shown, newest)
        saved = gr.Dropdown(choices=names, value=shown or None)
        if now == place:
            return saved, *(gr.skip() for _ in range(WIDTH - 1))
        return saved, *self._show(shown), now

    def show(self, name: str | None, place: Place | None) -> tuple[Any, ...]:
        """The benchmark that was chosen from the list."""
        newest = place.newest if place else ""
        return *self._show(name or ""), self._at(name or "", newest)

    def answers(self, question: str | None, place: Place | None) -> str:
        """The answers to a question."""
        if place is None or not question:
            return ""
        try:
            report = benchmark_files.load(self._folder, place.shown)
            return benchmark_answers.answers(report, question, self._titles())
        except MelanciaError as error:
            return _problem(error)

    def compare(self, other: str | None, place: Place | None) -> str:
        """The benchmark that is shown, beside another."""
        if place is None or not other:
            return ""
        try:
            now, then = (benchmark_files.load(self._folder, name) for name in (place.shown, other))
        except MelanciaError as error:
            return _problem(error)
        return benchmark_compare.compare(now, then)

    def _at(self, shown: str, newest: str) -> Place:
        return Place(shown, newest, benchmark_files.stamp(self._folder, shown))

    def _show(self, name: str) -> tuple[Any, ...]:
        """The values of the components of one benchmark, "" for none."""
        nothing = (gr.Column(visible=False), gr.skip(), "", gr.skip(), "")
        if not name:
            return _NONE, *nothing
        try:
            report = benchmark_files.load(self._folder, name)
        except MelanciaError as error:
            return _problem(error), *nothing
        drawn = [path.name for path in (self._folder / name).glob("*.png")]
        questions = benchmark_answers.questions(report)
        first = questions[0][1] if questions else ""
        others = [item for item in benchmark_files.listed(self._folder) if item[1] != name]
        return (
            benchmark_view.result(report, drawn, self._link(name)),
            gr.Column(visible=True),
            gr.Dropdown(choices=questions, value=first or None),
            benchmark_answers.answers(report, first, self._titles()),
            gr.Dropdown(choices=others, value=None),
            "",
        )

    def _link(self, name: str) -> str:
        """The benchmark's run in MLflow, or all experiments there; "" without MLflow."""
        for job in self._runtime.store.jobs.list(_JOBS, name="benchmark"):
            if job.result and job.result.get("benchmark") == name and job.result.get("link"):
                return str(job.result["link"])
        settings = self._runtime.settings
        if not (settings.mlflow_url or "").startswith("http"):
            return ""
        return f"{settings.mlflow_public_url.rstrip('/')}/#/experiments"

    def _titles(self) -> Mapping[str, str]:
        return {document.id: document.title for document in self._runtime.index.documents()}


def _problem(error: MelanciaError) -> str:
    return f'<p class="alerta">⚠️ {text(str(error))}</p>'
