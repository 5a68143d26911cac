"""What happens on the tab "Saúde". Each handler asks anew who is there: the hidden can be called."""

import logging
from typing import Any

import gradio as gr

from melancia.errors import InputError, MelanciaError
from melancia.records import ActionState
from melancia.ui import health_actions as actions
from melancia.ui import health_charts as charts
from melancia.ui import health_data as data
from melancia.ui import health_view as view
from melancia.ui import health_words as names
from melancia.ui import job_view
from melancia.ui.health_data import Health
from melancia.ui.job_handlers import JobHandlers
from melancia.ui.job_view import text

JOB = "drift"
LIVE = 3  # components that say whether a search is open
WIDTH = 10  # components that show a report, and all of them together
Values = tuple[Any, ...]

logger = logging.getLogger(__name__)


class Handlers(JobHandlers):
    """The values that a handler returns: see ``health_tab``.

    ``which`` is the report chosen, ``figure`` that of the trend, ``seen`` the open searches that the page
    shows.
    """

    def open(self, which: str | None, figure: str | None, request: gr.Request) -> Values:
        """When the tab is opened, or read anew."""
        said = self._look_after() if self._user(request)[1] else ""
        admin = self._user(request)[1]
        return gr.Column(visible=admin), said, *self._live(), *self._show(which, figure, request)

    def choose(self, which: str | None, request: gr.Request) -> Values:
        """Another report; the trend begins with what changed in it."""
        return self._show(which, None, request)

    def start(
        self, current: str | None, reference: str | None, which: str | None, request: gr.Request
    ) -> Values:
        """Queue a search."""

        def act(user: str) -> str:
            settings = self._runtime.settings
            usual = {"current": settings.drift_current, "reference": settings.drift_reference}
            given = {"current": (current or "").strip(), "reference": (reference or "").strip()}
            # What is left out is as the settings say: a file, which nobody may name on the page, too.
            wanted = {name: value for name, value in given.items() if value not in ("", usual[name])}
            if any(job.name == JOB for job in self._runtime.store.jobs.open()):
                raise InputError("Já há uma busca em curso.", "Espere que ela termine.")
            self._runtime.jobs.submit(JOB, wanted, user)
            return "✅ Busca pedida: o andamento aparece abaixo."

        return self._do(act, request), *self._live(), *self._show(which, None, request)

    def tick(self, seen: Any, which: str | None, figure: str | None, request: gr.Request) -> Values:
        """While a search is open, and once when it has ended: then the newest report is shown."""
        try:
            live = self._live()
            if live[-1] == tuple(seen):
                return *live, *(gr.skip() for _ in range(WIDTH))
            return *live, *self._show(None, None, request)
        except MelanciaError as error:
            # The next tick asks again; a message a second would help nobody.
            logger.warning("drift reports not shown: %s", error)
            return tuple(gr.skip() for _ in range(LIVE + WIDTH))

    def pressed(
        self, which: str | None, figure: str | None, event: gr.EventData, request: gr.Request
    ) -> Values:
        """A button of an action: take note of it, or see the report that led to it."""
        asked = event._data if isinstance(event._data, dict) else {}
        asks, of = asked.get("pede"), str(asked.get("id") or "")
        if asks == actions.REPORT:
            return "", *self._show(of, None, request)

        def act(_user: str) -> str:
            store = self._runtime.store.reports
            states = [state for state in ActionState if state is not ActionState.DISMISSED]
            if asks != actions.SEEN or of not in [action.id for action in store.actions(states=states)]:
                raise InputError("Essa ação já não está em aberto.", "Atualize a aba.")
            store.dismiss(of)
            return "✅ Feito: está no histórico."

        return self._do(act, request), *self._show(which, figure, request)

    def trend(self, figure: str | None) -> Values:
        """Another figure over the reports."""
        try:
            reports = self._runtime.store.reports.list(data.REPORTS)
        except MelanciaError as error:
            return gr.Plot(value=None, visible=False), _problem(error)
        chosen = figure or ""
        drawn = charts.trend(reports, chosen)
        return gr.Plot(value=drawn, visible=drawn is not None), charts.numbers(reports, chosen)

    def _live(self) -> Values:
        """The progress of open searches, the clock, and which they are."""
        jobs = self._runtime.store.jobs
        present = [job for job in jobs.open() if job.name == JOB]
        last = jobs.list(1, name=JOB)
        return (
            job_view.open_jobs(present) or job_view.failure(last[0] if last else None),
            gr.Timer(active=bool(present)),
            tuple(job.id for job in present),
        )

    def _show(self, which: str | None, figure: str | None, request: gr.Request) -> Values:
        """The report, and what all of them say together, as far as this visitor may see it."""
        settings = self._runtime.settings
        who = data.viewer(self._identity, self._user(request)[0], settings)
        try:
            health = data.load(self._runtime.store, settings, who, which)
        except MelanciaError as error:
            return gr.skip(), _problem(error), *(gr.skip() for _ in range(WIDTH - 2))
        choices = [(names.called(report), report.id) for report in health.reports]
        document = view.document(health)
        return (
            gr.Dropdown(
                choices=choices, value=health.shown.id if health.shown else None, visible=bool(choices)
            ),
            view.overview(health, settings),
            actions.actions(health),
            *self._figures(health, figure),
            actions.gaps(health.shown, reader=who.reader),
            gr.Button(visible=bool(health.shown and health.shown.gaps and who.reader)),
            gr.Accordion(visible=bool(document)),
            document,
        )

    @staticmethod
    def _figures(health: Health, figure: str | None) -> Values:
        """What can be shown over time, and the trend of what was chosen."""
        known = data.figures(health.reports)
        chosen = figure if figure and figure in known else data.first_figure(health)
        listed = [(names.listed(name), name) for name in known]
        drawn = charts.trend(health.reports, chosen)
        return (
            gr.Dropdown(choices=listed, value=chosen or None, visible=bool(listed)),
            gr.Plot(value=drawn, visible=drawn is not None),
            charts.numbers(health.reports, chosen),
        )


def _problem(error: MelanciaError) -> str:
    return f'<p class="alerta">⚠️ {text(str(error))}</p>'
