"""Does what was planned: each action once in effect, tried again with growing pauses while it fails."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from melancia.errors import InputError, MelanciaError, SettingsError
from melancia.jobs.queue import enqueue
from melancia.masking import mask
from melancia.mlops import policies
from melancia.mlops.actions import gaps, webhook
from melancia.mlops.actions.planning import Circumstances, plan, subject_of
from melancia.mlops.actions.rules import load
from melancia.records import Action, ActionState, PolicyMode, utc_now
from melancia.settings import Settings
from melancia.store import Store

AUTHOR = "saúde"
_ORDER = ("pause", "hold", "gaps", "benchmark", "alert")  # what protects users first, what may hang last
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(hours=1)
_TRIES = 30  # a day of them

logger = logging.getLogger(__name__)


class Actions:
    """For one thread at a time; two at once, in whatever process, do each action once all the same."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def run(self) -> list[Action]:
        """One round: plan for new reports, then do what is due; what was tried, as it was before.

        Raises StoreError; SettingsError for a rule table that does not hold, after doing what was planned.
        """
        problem: SettingsError | None = None
        try:
            self.plan()
        except SettingsError as error:
            problem = error
        tried = self.perform()
        if problem is not None:
            raise problem
        return tried

    def plan(self) -> int:
        """Apply the rules to the reports that have not been looked at; how many actions that gave.

        Raises StoreError, SettingsError.
        """
        count = 0
        waiting = self._store.reports.unplanned()
        rules = load(self._settings.rules_file) if waiting else ()
        longest = max((rule.cooldown for rule in rules), default=timedelta())
        for report in waiting:
            now = utc_now()
            planned = plan(report, rules, self._circumstances(now - longest), now)
            if self._store.reports.plan_report(report.id, planned):
                count += len(planned)
                for action in planned:
                    logger.info("report %s: action %s (%s) planned", report.id, action.id, action.kind)
        return count

    def perform(self) -> list[Action]:
        """Try what is due; what was tried, as it was before. Raises StoreError."""
        tried = []
        for action in self._due(utc_now()):
            if not self._store.reports.claim(action):
                continue  # somebody else does it
            tried.append(action)
            if not self._try(action) and action.kind == "alert":
                break  # who does not answer now is asked again in the next round, not for each alert
        return tried

    def _circumstances(self, since: datetime) -> Circumstances:
        policy = self._store.policies.running()
        recent = self._store.reports.actions(since=since, limit=None)
        held = self._store.reports.holds(policy.experiment) if policy else ()
        return Circumstances(
            policy,
            {subject_of(action): action.created_at for action in reversed(recent)},
            frozenset(str(action.detail.get("arm", "")) for action in held),
        )

    def _due(self, now: datetime) -> list[Action]:
        states = [ActionState.PLANNED, ActionState.FAILED]
        waiting = self._store.reports.actions(states=states, limit=None)
        due = [action for action in waiting if now >= _next(action) and action.attempts < _TRIES]
        return sorted(due, key=lambda one: (_ORDER.index(one.kind), one.attempts, one.created_at))

    def _try(self, action: Action) -> bool:
        """Whether it was done. What went wrong is kept with it."""
        cause = f"report {action.report_id}" if action.report_id else "a guardrail"
        try:
            done = self._do(action)
        except MelanciaError as error:
            said = str(error)
            logger.warning("%s: action %s (%s) failed: %s", cause, action.id, action.kind, said)
        except Exception as error:
            # The others must not wait for it; the row and the trace say what happened.
            said = f"Falha inesperada ({type(error).__name__}). Veja os registros."
            logger.exception("%s: action %s (%s) failed", cause, action.id, action.kind)
        else:
            detail = {**action.detail, **done}
            self._store.reports.settle(action.id, ActionState.DONE, detail=detail)
            logger.info("%s: action %s (%s) done", cause, action.id, action.kind)
            return True
        self._store.reports.settle(action.id, ActionState.FAILED, error=mask(said), detail=action.detail)
        return False

    def _do(self, action: Action) -> Mapping[str, Any]:
        """Do it; what came of it, for its detail."""
        match action.kind:
            case "alert":
                return self._alert(action)
            case "benchmark":
                return self._benchmark(action)
            case "pause":
                return self._pause(action)
            case "gaps":
                report = self._store.reports.get(str(action.report_id))
                return {"file": gaps.write(report, self._settings.drift_dir)}
            case _:
                return {}  # a hold holds from when it is written down until it is dismissed

    def _alert(self, action: Action) -> Mapping[str, Any]:
        address = self._settings.alert_webhook
        if address is None:
            return {"result": "Só na página: não há webhook configurado."}
        status = webhook.send(address.get_secret_value(), action)
        return {"result": f"O webhook recebeu o aviso (HTTP {status})."}

    def _benchmark(self, action: Action) -> Mapping[str, Any]:
        """Queue it, for whoever runs jobs: the page or the launcher. The job's id is the action's: once."""
        enqueue(self._store, "benchmark", action.detail["parameters"], AUTHOR, job_id=action.id)
        return {"job": action.id, "result": "O benchmark está entre as tarefas."}

    def _pause(self, action: Action) -> Mapping[str, Any]:
        experiment, arm = str(action.detail["experiment"]), str(action.detail["arm"])
        policy = self._store.policies.running()
        if policy is None or policy.experiment != experiment or policy.mode is PolicyMode.FORCED:
            return {"result": "Nada a pausar: o experimento não distribui mais usuários."}
        since = policies.open_since(self._store, policy)
        if arm not in since:
            return {"result": f"O braço {arm} já estava pausado."}
        if since[arm] > self._store.reports.get(str(action.report_id)).created_at:
            return {"result": f"Alguém abriu o braço {arm} depois do relatório: fica aberto."}
        try:
            policies.pause(self._store, experiment, AUTHOR, action.message, arm)
        except InputError as error:  # the last arm that users are given to
            return {"result": f"O braço {arm} fica aberto. {error}"}
        return {"result": f"O braço {arm} foi pausado."}


def _next(action: Action) -> datetime:
    """When to try: at once the first time, then after pauses that double."""
    if not action.attempts:
        return action.created_at
    doublings: int = min(action.attempts - 1, 10)
    return action.updated_at + min(_LONGEST, _FIRST * (1 << doublings))
