"""Which two variants meet, and on which side: by chance alone, whoever asks and whatever is asked."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from melancia.app import Runtime
from melancia.errors import InputError, ProviderError
from melancia.llms.capabilities import capabilities
from melancia.llms.catalog import among
from melancia.llms.keys import required_key
from melancia.llms.sharing import own_server
from melancia.records import ModelState, PolicyMode, Variant
from melancia.settings import Settings


class Chance(Protocol):
    """What draws: ``random.Random`` or the system's."""

    def sample(self, population: Sequence[Variant], k: int) -> list[Variant]:
        """``k`` different members, in random order."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may meet, all different. ``experiment``: whose arms they are; None outside experiments."""

    variants: tuple[Variant, ...]
    experiment: str | None = None


def candidates(runtime: Runtime) -> Candidates:
    """The open arms of the running experiment if there are two, else whoever the settings name.

    Models that are still to be pulled, or whose key is missing, are left out. May ask Ollama. Raises
    InputError when there are not two of them, StoreError, SettingsError.
    """
    missing = [status.model for status in runtime.store.models.list() if status.state is not ModelState.READY]
    policy = runtime.store.policies.running()
    if policy is not None and policy.mode is not PolicyMode.FORCED:
        arms = [arm.variant for arm in policy.arms if not arm.paused and arm.weight > 0]
        present = _present(arms, missing, runtime.settings)
        if len(present) > 1:
            return Candidates(present, policy.experiment)
    present = _present(runtime.models.chain(), missing, runtime.settings)
    if len(present) < 2:
        raise InputError(
            "A arena precisa de dois modelos, e só um responde agora.",
            "Configure outro em MELANCIA_FALLBACKS ou comece um experimento (`melancia experiment create`).",
        )
    return Candidates(present)


def draw(among: Sequence[Variant], chance: Chance | None = None) -> tuple[Variant, Variant]:
    """Left and right: every ordered pair of different variants is as likely as any other."""
    left, right = (chance or random.SystemRandom()).sample(among, 2)
    return left, right


def at_once(left: Variant, right: Variant, settings: Settings) -> bool:
    """Whether both may answer at the same time without slowing each other: not on one own server."""
    return left.provider != right.provider or not own_server(left.provider, settings)


def _present(variants: Sequence[Variant], missing: Sequence[str], settings: Settings) -> tuple[Variant, ...]:
    """Those that can answer, each once."""
    found = [variant for variant in variants if _can_answer(variant, missing, settings)]
    return tuple(dict.fromkeys(found))


def _can_answer(variant: Variant, missing: Sequence[str], settings: Settings) -> bool:
    if variant.provider == "ollama":
        return not among(variant.model, missing)
    if not capabilities(variant.provider, variant.model).needs_key:
        return True
    try:
        required_key(variant.provider, variant.model, settings)
    except ProviderError:
        return False
    return True
