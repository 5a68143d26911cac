"""The first experiment, from the settings: after that, people change it with the command or the page."""

import logging

from melancia.errors import SettingsError
from melancia.llms import resolve_variant
from melancia.mlops.policies import create
from melancia.records import Arm, Policy
from melancia.settings import Settings
from melancia.store import Store

NAME = "principal"

logger = logging.getLogger(__name__)


def seed(settings: Settings, store: Store) -> Policy | None:
    """Begin the experiment of MELANCIA_VARIANT_A and _B, unless there ever was one.

    None when there is nothing to begin. Raises SettingsError when only one arm is set or a label is none;
    InputError, StoreError.
    """
    labels = (settings.variant_a.strip(), settings.variant_b.strip())
    if not any(labels):
        return None
    if not all(labels):
        raise SettingsError(
            "Só um dos braços do experimento está definido.",
            "Defina MELANCIA_VARIANT_A e MELANCIA_VARIANT_B, ou nenhum dos dois.",
        )
    if store.policies.list():
        return None
    weights = [float(part) for part in settings.weights.split(",")]
    arms = tuple(
        Arm(name, resolve_variant(settings.model_copy(update={"variant": label})), weight)
        for name, label, weight in zip("AB", labels, weights, strict=True)
    )
    made = create(
        store, Policy(NAME, arms, "", author="configuração", reason="Definido em MELANCIA_VARIANT_A e _B.")
    )
    logger.info("experiment %s begins: %s against %s", NAME, *labels)
    return made
