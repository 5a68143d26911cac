"""What the tab "Saúde" shows, read from the store: nothing here looks for changes.

What people asked, even masked, is for those who run the assistant: the team, or whoever administers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from melancia.errors import InteractionNotFoundError
from melancia.masking import mask
from melancia.mlops import figure_names
from melancia.records import Action, ActionState, DriftReport
from melancia.settings import Settings
from melancia.store import Store
from melancia.ui.identity import Identity

ROUTE = "saude/relatorios"
"""Where the documents of reports are served, from the page's own address on."""
REPORTS = 100  # a quarter, at one a day
_ACTIONS = 200
_EXAMPLES = 3  # of a finding


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. ``reader``: may read what people asked; ``named``: models may be named."""

    admin: bool
    reader: bool
    named: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Everything shown. ``reports`` and ``actions``: the newest first; ``shown``: the report chosen.

    ``questions``: masked, of the examples of its findings, by interaction.
    """

    viewer: Viewer
    reports: Sequence[DriftReport] = ()
    shown: DriftReport | None = None
    actions: Sequence[Action] = ()
    questions: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    @property
    def open(self) -> Sequence[Action]:
        """Actions that nobody has put away."""
        return [action for action in self.actions if action.state is not ActionState.DISMISSED]

    @property
    def put_away(self) -> Sequence[Action]:
        """Actions that somebody took note of."""
        return [action for action in self.actions if action.state is ActionState.DISMISSED]

    def report(self, report_id: str | None) -> DriftReport | None:
        """The report of that id, if it is among those shown."""
        return next((one for one in self.reports if one.id == report_id), None)


def viewer(identity: Identity, user: str | None, settings: Settings) -> Viewer:
    """What ``user`` may see. With a login, only the team gets as far as this."""
    admin = identity.is_admin(user)
    member = identity.needs_login and user is not None
    return Viewer(admin=admin, reader=admin or member, named=admin or not settings.blind)


def load(store: Store, settings: Settings, who: Viewer, which: str | None) -> Health:
    """All that is shown; the newest report when ``which`` is not there. Raises StoreError."""
    reports = store.reports.list(REPORTS)
    shown = next((one for one in reports if one.id == which), reports[0] if reports else None)
    return Health(
        viewer=who,
        reports=reports,
        shown=shown,
        actions=store.reports.actions(limit=_ACTIONS),
        questions=_questions(store, shown) if shown is not None and who.reader else {},
        link=run_url(settings, shown.run_id) if shown is not None else "",
    )


def figures(reports: Sequence[DriftReport]) -> Sequence[str]:
    """The figures that reports have values of, in the order in which they are listed."""
    known = {figure_names.split(name)[0] for report in reports for name in report.figures}
    telling = [name for name in known if figure_names.figure(name).unit != "none"]
    return sorted(telling, key=figure_names.place)


def first_figure(health: Health) -> str:
    """What the trend shows first: what changed most surely in the report shown, else the first there is.

    One of two reports or more, if any is: a point is no trend.
    """
    known = [name for name in figures(health.reports) if _often(health.reports, name)] or figures(
        health.reports
    )
    drifted = [finding for finding in health.shown.drifted if finding.figure in known] if health.shown else []
    sure = min(drifted, key=lambda one: 1.0 if one.p_value is None else one.p_value, default=None)
    return sure.figure if sure is not None else next(iter(known), "")


def _often(reports: Sequence[DriftReport], figure: str) -> bool:
    told = (any(figure_names.split(name)[0] == figure for name in report.figures) for report in reports)
    return sum(told) > 1


def run_url(settings: Settings, run_id: str) -> str:
    """A report's run in MLflow, by MLflow's address for a run whose experiment is not known; "" without."""
    if not run_id or not (settings.mlflow_url or "").startswith("http"):
        return ""
    return f"{settings.mlflow_public_url.rstrip('/')}/#/runs/{run_id}"


def _questions(store: Store, report: DriftReport) -> Mapping[str, str]:
    """The examples that are still there: what a user had erased is not shown again."""
    found = {}
    for interaction_id in {name for finding in report.drifted for name in finding.examples[:_EXAMPLES]}:
        try:
            found[interaction_id] = mask(store.get(interaction_id).question)
        except InteractionNotFoundError:
            continue
    return found
