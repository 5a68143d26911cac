"""The key that a provider was given, if it is one."""

from melancia.settings import Settings

NO_KEY = "sem-chave"  # the SDK insists on a key, servers of one's own on none


def key_of(provider: str, settings: Settings) -> str | None:
    """The provider's key without surrounding blanks; None when missing or still the guide's ``sk-...``."""
    secret = {"openai": settings.openai_api_key, "huggingface": settings.huggingface_api_token}.get(provider)
    key = secret.get_secret_value().strip() if secret else ""
    return None if not key or key.endswith(("...", "…")) else key
