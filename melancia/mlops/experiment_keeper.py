"""What is done for the running experiment while nobody looks: scores, guardrails, weights, verdicts."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from melancia.agent.router import propensities
from melancia.errors import ConflictError
from melancia.evals.case import Case
from melancia.evals.evaluate import Evaluator
from melancia.mlops import policies, verdicts
from melancia.mlops.decide import guardrails
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import Guardrail
from melancia.mlops.decide.verdict import adaptive_weights
from melancia.records import Action, Interaction, Outcome, Policy, PolicyMode, PolicyState
from melancia.store import Store

AUTHOR = "proteção"
_BATCH = 20  # answers scored between two looks at whether to stop: two seconds
_LEAST_CHANGE = 0.02  # of an arm's share: less is no reason for another version

logger = logging.getLogger(__name__)


class ExperimentKeeper:
    """Each method is one round. For one thread at a time."""

    def __init__(self, store: Store, evaluator: Callable[[], Evaluator], stop: threading.Event) -> None:
        """``evaluator`` makes the metrics on first use: they load a model."""
        self._store = store
        self._make = evaluator
        self._stop = stop
        self._evaluator: Evaluator | None = None
        self._guarded: tuple[Any, ...] = ()

    def score(self) -> int:
        """Score the answers of experiments that no metric has looked at; how many. Raises StoreError."""
        scored = 0
        while not self._stop.is_set():
            waiting = self._store.outcomes.unscored(_BATCH)
            for interaction in waiting:
                self._score(interaction)
            scored += len(waiting)
            if len(waiting) < _BATCH:
                break
        return scored

    def guard(self) -> list[Guardrail]:
        """Pause the arms that breach a guardrail, at once; what was breached. Raises StoreError."""
        policy = self._store.policies.running()
        if policy is None or not policy.guardrails:
            return []
        present = (policy.experiment, policy.version, *self._store.outcomes.change(policy.experiment))
        if present == self._guarded:
            return []  # nothing has happened since
        breached = [found for found in watched(self._store, policy) if found.state == "breached"]
        for arm in dict.fromkeys(found.arm for found in breached):
            self._pause(policy.experiment, arm, [found for found in breached if found.arm == arm])
        self._guarded = present  # only now: a pause that failed is tried again at the next look
        return breached

    def adapt(self) -> Policy | None:
        """In adaptive mode, a version with the weights that were learnt; None when nothing would change.

        Raises StoreError.
        """
        policy = self._store.policies.running()
        if policy is None or policy.mode is not PolicyMode.ADAPTIVE:
            return None
        learnt = adaptive_weights(policy, self._store.outcomes.of(policy.experiment))
        total = sum(arm.weight for arm in policy.arms if not arm.paused) or 1.0
        shares = {arm.name: arm.weight / total for arm in policy.arms if not arm.paused}
        if all(abs(learnt[name] - share) < _LEAST_CHANGE for name, share in shares.items()):
            return None
        told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in learnt.items() if name in shares)
        arms = tuple(
            arm if arm.paused else replace(arm, weight=round(learnt[arm.name], 4)) for arm in policy.arms
        )

        def edit(before: Policy) -> Policy:
            if before.version != policy.version:
                # ``arms`` are those of then: they would open again what was paused meanwhile.
                raise ConflictError(f"O experimento {policy.experiment} mudou enquanto isso.")
            return replace(before, arms=arms)

        reason = f"Pesos pelo que se aprendeu: {told}."
        try:
            return policies.change(self._store, policy.experiment, "modo adaptativo", reason, edit)
        except ConflictError:
            return None  # somebody changed it just now: the next round looks again

    def conclude(self) -> verdicts.Kept | None:
        """A verdict on the running experiment, into the ledger; None without one. Raises StoreError."""
        policy = self._store.policies.running()
        return verdicts.conclude(self._store, policy.experiment) if policy else None

    def _score(self, interaction: Interaction) -> None:
        if self._evaluator is None:
            self._evaluator = self._make()
        try:
            found = self._evaluator.evaluate(Case.of(interaction))
        except Exception as error:
            logger.exception("the answer %s has no scores", interaction.id)
            reason = f"A métrica falhou ({type(error).__name__})."
            self._store.outcomes.score(interaction.id, {}, {"quality": reason})
        else:
            self._store.outcomes.score(interaction.id, found.values, found.failures)

    def _pause(self, experiment: str, arm: str, found: list[Guardrail]) -> None:
        reason = " ".join(told(one) for one in found)
        policy = policies.newest(self._store, experiment)
        if policy.state is not PolicyState.RUNNING:
            return
        # The last arm that users are given cannot give them to another: then nobody is in the experiment.
        arms = tuple(replace(one, paused=one.paused or one.name == arm) for one in policy.arms)
        which = arm if propensities(replace(policy, arms=arms)) else ""
        try:
            paused = policies.pause(self._store, experiment, AUTHOR, reason, which)
        except ConflictError:
            logger.info("experiment %s changed while its arm %s was being paused", experiment, arm)
        else:
            logger.warning("experiment %s: arm %s is paused. %s", experiment, arm, reason)
            self._tell(paused, arm, which)

    def _tell(self, paused: Policy, arm: str, which: str) -> None:
        """An alert, for the page and the webhook: whoever does actions sends it."""
        what = f"O braço {which}" if which else "O experimento inteiro"
        self._store.reports.plan(
            Action(
                key=f"{AUTHOR}|{paused.experiment}|{paused.version}",
                report_id=None,
                rule=AUTHOR,
                kind="alert",
                message=f"{what} foi pausado em {paused.experiment}. {paused.reason}",
                detail={"severity": "critical", "experiment": paused.experiment, "arm": arm},
            )
        )


def watched(store: Store, policy: Policy) -> tuple[Guardrail, ...]:
    """What the guardrails of ``policy`` say of its open arms, each since it was last resumed."""
    arms = [arm.name for arm in policy.arms if not arm.paused]
    since = policies.open_since(store, policy)
    rows = (row for row in store.outcomes.of(policy.experiment) if _counts(row, since))
    return guardrails.batch(rows, arms, policy.guardrails, Configuration().guardrail_alpha)


def told(found: Guardrail) -> str:
    """A breach in Portuguese."""
    name = policies.GUARDRAILS[found.name]
    value = "" if found.value is None else f": {found.value:.3g} em {found.count} respostas".replace(".", ",")
    bound = f"{found.bound:g}".replace(".", ",")
    return f"{found.arm} passou da proteção “{name}”, {bound}{value}."


def _counts(row: Outcome, since: Mapping[str, datetime]) -> bool:
    return row.arm in since and row.created_at >= since[row.arm]
