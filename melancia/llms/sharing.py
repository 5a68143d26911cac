"""Which models share a server of ours, where one that answers slows the others."""

from melancia.addresses import is_own
from melancia.llms.capabilities import capabilities
from melancia.settings import Settings


def own_server(provider: str, settings: Settings) -> bool:
    """Whether the provider's models run on our own machines, and not where capacity is bought."""
    if provider == "openai":
        return bool(settings.openai_base_url) and is_own(settings.openai_base_url or "")
    return capabilities(provider).local
