"""Which providers are sent text without personal data, by MELANCIA_MASK_PROVIDERS."""

import difflib

from melancia.errors import SettingsError
from melancia.settings import Settings

SENDING = ("openai", "huggingface", "ollama")
"""The providers to which text is sent; the extractive one answers in this process."""
NONE = "nenhum"


def masked_providers(settings: Settings) -> frozenset[str]:
    """The providers that are sent masked text. Raises SettingsError for one that there is not."""
    names = [name.strip().lower() for name in settings.mask_providers.split(",") if name.strip()]
    if names == [NONE]:
        return frozenset()
    for name in names:
        if name not in SENDING:
            near = difflib.get_close_matches(name, SENDING, n=1)
            hint = f"Quis dizer {near[0]}? " if near else ""
            raise SettingsError(
                f"MELANCIA_MASK_PROVIDERS cita “{name}”, que não é um provedor que recebe textos.",
                f"{hint}Há: {', '.join(SENDING)}; “{NONE}”, sozinho, desliga.",
            )
    return frozenset(names)
