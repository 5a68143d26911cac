"""Verdicts from stored rows, and their ledger, which can be recomputed line by line."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from melancia.errors import InputError
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import Verdict
from melancia.mlops.decide.verdict import decide
from melancia.mlops.policies import newest
from melancia.records import utc_now
from melancia.store import Store

# Rows are dated before they are written, which waits for others: ten seconds, and in line behind as many.
_SETTLED = timedelta(seconds=30)
_VERSIONS = 100_000  # all of them: a verdict that knew only the latest could not be recomputed later


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict in the ledger: its line, and the instant up to which it knows."""

    line: int
    as_of: datetime
    verdict: Verdict


def conclude(store: Store, experiment: str) -> Kept:
    """What the evidence says, kept in the ledger: as of half a minute ago, when all that was dated is there.

    Raises InputError, StoreError.
    """
    policy, as_of = newest(store, experiment), utc_now() - _SETTLED
    history = store.policies.history(experiment, _VERSIONS)
    verdict = decide(policy, store.outcomes.of(experiment, as_of), history=history)
    line = store.outcomes.keep_verdict(experiment, policy.version, as_of, verdict.hash, verdict.as_dict())
    return Kept(line, as_of, verdict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A line of the ledger, and whether the stored rows still give the very same verdict.

    ``erased``: rows of the experiment that were erased since, at a user's wish or by the retention: without
    them nobody can tell whether it was right.
    """

    line: int
    same: bool
    erased: int


def verify(store: Store, experiment: str, limit: int = 100) -> list[Checked]:
    """The newest lines of the ledger, recomputed.

    Raises InputError when there is no such experiment, StoreError.
    """
    newest(store, experiment)
    history = store.policies.history(experiment, _VERSIONS)
    versions = {policy.version: policy for policy in history}
    checked = []
    for line in store.outcomes.ledger(experiment, limit):
        policy = versions.get(line["policy_version"])
        if policy is None:
            raise InputError(f"Falta a versão {line['policy_version']} de {experiment}.", "Restaure o banco.")
        # By the rules of its day.
        rules = Configuration.from_dict(line["content"]["configuration"])
        rows = store.outcomes.of(experiment, line["until"], given_up=rules.given_up)
        again = decide(policy, rows, rules, history=history)
        erased = store.privacy.erasures.rows_since(experiment, line["until"])
        checked.append(Checked(int(line["id"]), again.hash == line["hash"], erased))
    return checked
