"""What happens on the tab "Experimentos". Each handler asks anew who is there: the hidden can be called."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import InputError, MelanciaError, NotOwnerError
from melancia.mlops import policies, verdicts
from melancia.ui import experiment_change as changes
from melancia.ui import experiment_charts as charts
from melancia.ui import experiment_data as data
from melancia.ui import experiment_details as details
from melancia.ui import experiment_form as form
from melancia.ui import experiment_history, experiment_view, experiment_words
from melancia.ui.experiment_change import Change
from melancia.ui.experiment_data import Shown
from melancia.ui.identity import Identity
from melancia.ui.job_handlers import warning
from melancia.ui.job_view import moment, text
from melancia.ui.render import inert

WIDTH = 12  # components that show an experiment
_TEAM = "equipe:"
_DONE = "✅ Feito: {name}, versão {version}."
Values = tuple[Any, ...]


class Handlers:
    """The values that a handler returns: see ``experiment_tab``."""

    def __init__(self, runtime: Runtime, identity: Identity) -> None:
        self._runtime = runtime
        self._identity = identity
        self._store = runtime.store

    def open(self, which: str | None, request: gr.Request) -> Values:
        """When the tab is opened, or read anew: admin's boxes, what is said, the experiment."""
        admin = self._user(request)[1]
        conclude = gr.Button(visible=admin and data.can_conclude())
        return gr.Column(visible=admin), conclude, "", *self._show(which, request)

    def choices(self, request: gr.Request) -> Values:
        """The models and prompts that can be compared, asked for beside ``open``: a server that is away is
        waited for.
        """
        if not self._user(request)[1]:
            return (gr.skip(),) * 4
        return tuple(form.choices(self._runtime.settings))

    def choose(self, which: str | None, request: gr.Request) -> Values:
        """Another experiment; what waited to be confirmed was of the one before."""
        return "", *_unasked(), *self._show(which, request)

    def conclude(self, which: str | None, request: gr.Request) -> Values:
        """A verdict now, into the ledger."""

        def act(_author: str) -> str:
            if not data.can_conclude():
                raise InputError("Aqui não há como calcular.", "O worker calcula a cada hora.")
            kept = verdicts.conclude(self._store, which or "")
            return f"✅ Veredito {kept.line}, com o que se sabia em {moment(kept.as_of)}."

        return self._do(act, request), *self._show(which, request)

    # Gradio fills the request in where it stands, but not behind *given.
    def propose(self, request: gr.Request, *given: Any) -> Values:
        """Say what a change would do. ``given``: experiment, kind, arm, weights, version, guardrails, mode,
        reason.
        """
        which, kind, arm, weights, to, bounds, mode, why = given

        def make() -> Change:
            policy = policies.newest(self._store, which or "")
            return changes.propose(
                policy, kind, arm=arm, weights=weights, to=to, bounds=bounds, mode=mode, why=why
            )

        return self._propose(make, request)

    def propose_new(self, request: gr.Request, *given: Any) -> Values:
        """Say what a new experiment would do. ``given``: the values of the form's fields."""

        def make() -> Change:
            fields = dict(zip(form.FIELDS, given, strict=True))
            settings = self._runtime.settings
            return changes.creation(form.wanted(fields, settings), settings)

        return self._propose(make, request)

    def confirm(self, waiting: Change | None, which: str | None, request: gr.Request) -> Values:
        """Make the change that was confirmed; reasons are emptied, since the next change has its own."""
        done: list[str] = []

        def act(author: str) -> str:
            if waiting is None:
                raise InputError("Não há o que confirmar.", "Escolha primeiro o que mudar.")
            made = changes.apply(self._store, waiting, author)
            done.append(made.experiment)
            return _DONE.format(name=made.experiment, version=made.version)

        said = self._do(act, request)
        reasons = ("", "") if done else (gr.skip(), gr.skip())
        shown = self._show(next(iter(done), which), request)
        return said, *_unasked(), *reasons, *shown

    @staticmethod
    def cancel() -> Values:
        """Nothing is changed."""
        return "", *_unasked()

    @staticmethod
    def fields(kind: str | None) -> Values:
        """The fields that a kind of change needs; and no confirmation of another one."""
        return (
            gr.Dropdown(visible=kind in changes.OF_ARMS),
            gr.Textbox(visible=kind == changes.WEIGHTS),
            gr.Dropdown(visible=kind == changes.ROLLBACK),
            gr.Textbox(visible=kind == changes.GUARD),
            gr.Dropdown(visible=kind == changes.MODE),
            "",
            *_unasked(),
        )

    def _propose(self, make: Callable[[], Change], request: gr.Request) -> Values:
        """What is said, and the confirmation: its row, what will happen, its button, the change itself."""
        try:
            self._author(request)
            change = make()
            newest = next(iter(data.ledger(self._store, change.experiment, 1)), None)
            told, button = changes.told(change, newest, self._store.policies.running())
        except MelanciaError as error:
            return warning(error), *_unasked()
        return "", gr.Column(visible=True), inert(told), gr.Button(value=button), change

    def _do(self, act: Callable[[str], str], request: gr.Request) -> str:
        try:
            return act(self._author(request))
        except MelanciaError as error:
            return warning(error)

    def _show(self, which: str | None, request: gr.Request) -> Values:
        """The experiment, as far as this visitor may see it; the first one to see if ``which`` is gone."""
        admin = self._user(request)[1]
        try:
            known, first = data.listed(self._store)
            name = which if which in [value for _, value in known] else first
            if not name:
                return gr.Dropdown(choices=[], value=None), experiment_view.NONE, *_empty()
            settings = self._runtime.settings
            named = admin or not settings.blind
            shown = data.load(self._store, name, named=named, pulled=settings.has_worker)
        except MelanciaError as error:
            return gr.skip(), f'<p class="alerta">⚠️ {text(str(error))}</p>', *_empty()
        return gr.Dropdown(choices=known, value=name), *_drawn(shown), *_choices(shown)

    def _author(self, request: gr.Request) -> str:
        """Who changes something. Raises NotOwnerError for all who do not administer."""
        user, admin = self._user(request)
        if user is None or not admin:
            raise NotOwnerError(
                "Só quem administra pode mudar experimentos.", "Peça acesso (MELANCIA_ADMINS)."
            )
        # Somebody without a name is told apart by the beginning of their identifier.
        return user.removeprefix(_TEAM) if user.startswith(_TEAM) else f"página ({user[:8]})"

    def _user(self, request: gr.Request) -> tuple[str | None, bool]:
        user = self._identity.user(request.cookies, request.headers.get("authorization", ""))
        return user, self._identity.is_admin(user)


def _unasked() -> Values:
    """No confirmation: its box, what would happen, its button, the change."""
    return gr.Column(visible=False), "", gr.skip(), None


def _drawn(shown: Shown) -> Values:
    over_time, forest = charts.over_time(shown), charts.forest(shown)
    return (
        experiment_view.overview(shown) + details.lead(shown),
        gr.Plot(value=over_time, visible=over_time is not None),
        details.difference(shown),
        gr.Plot(value=forest, visible=forest is not None),
        details.secondary(shown) + details.checks(shown),
        experiment_history.history(shown),
        gr.Column(visible=True),
    )


def _choices(shown: Shown) -> Values:
    """What an administrator can choose of it: arm, weights, version, guardrails."""
    versions = changes.versions(shown.history)
    return (
        gr.Dropdown(choices=[arm.name for arm in shown.policy.arms], value=None),
        experiment_words.weights(shown.policy),
        gr.Dropdown(choices=versions, value=versions[0][1] if versions else None),
        experiment_words.guardrails(shown.policy),
    )


def _empty() -> Values:
    hidden = gr.Plot(value=None, visible=False)
    return hidden, "", hidden, "", "", gr.Column(visible=False), *[gr.skip()] * 4
