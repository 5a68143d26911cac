"""The models of Ollama that experiments need: which to pull, and which are still to come."""

from collections.abc import Iterable, Sequence

from melancia.agent.router import taking_part
from melancia.llms.catalog import among, each_once
from melancia.llms.select import configured_ollama
from melancia.records import Arm, ModelState, ModelStatus, Policy, PolicyMode, PolicyState
from melancia.settings import Settings

_OLLAMA = "ollama"


def wanted(settings: Settings, policies: Iterable[Policy]) -> tuple[str, ...]:
    """The models of Ollama that ``settings`` name, then those that ``policies`` need, each once.

    Raises SettingsError.
    """
    return each_once((*configured_ollama(settings), *needed(policies)))


def needed(policies: Iterable[Policy]) -> tuple[str, ...]:
    """The models of Ollama of the experiments that have not ended, each once, in their order.

    A paused arm may come back at any moment. Of a promoted experiment only the arm that answers everybody
    counts: who took the other one's model away shall not get it back.
    """
    live = [policy for policy in policies if policy.state is not PolicyState.ENDED]
    arms = [
        arm
        for policy in live
        for arm in (taking_part(policy) if policy.mode is PolicyMode.FORCED else policy.arms)
    ]
    return tuple(dict.fromkeys(_models(arms)))


def awaited(policy: Policy, statuses: Sequence[ModelStatus], *, pulled: bool) -> list[str]:
    """The models of the arms that take part which Ollama does not have yet, each once.

    ``pulled``: a worker pulls and tells of each model, so that one it has not told of is still to come.
    Without such a worker it counts as there.
    """
    told = [status.model for status in statuses]
    missing = [status.model for status in statuses if status.state is not ModelState.READY]
    return [
        model
        for model in dict.fromkeys(_models(taking_part(policy)))
        if among(model, missing) or (pulled and not among(model, told))
    ]


def _models(arms: Iterable[Arm]) -> list[str]:
    return [arm.variant.model for arm in arms if arm.variant.provider == _OLLAMA]
