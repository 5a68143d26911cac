"""The providers' keys: present, missing or a placeholder; never in a message."""

from melancia.addresses import OPENAI_URL, is_openai, normalised
from melancia.errors import AuthenticationError, ProviderUnavailableError
from melancia.llms.capabilities import capabilities
from melancia.provider_keys import NO_KEY, key_of
from melancia.settings import Settings

_PAGES = {
    "openai": "https://platform.openai.com/api-keys",
    "huggingface": "https://huggingface.co/settings/tokens",
}
_EXAMPLES = {"openai": "sk-...", "huggingface": "hf_..."}


def needs_key(provider: str, settings: Settings, base_url: str | None = None) -> bool:
    """Whether calls need a key: not at a server other than OpenAI's own."""
    if provider != "openai":
        return capabilities(provider).needs_key
    return is_openai(base_url or settings.openai_base_url or OPENAI_URL)


def required_key(provider: str, model: str, settings: Settings, base_url: str | None = None) -> str:
    """The key to send, or a stand-in where none is needed.

    Raises ProviderUnavailableError when it is missing, AuthenticationError when it cannot be one.
    """
    known = capabilities(provider, model)
    key = key_of(provider, settings)
    if key is None:
        if not needs_key(provider, settings, base_url):
            return NO_KEY
        raise ProviderUnavailableError(
            provider, model, f"Falta a chave do provedor {known.title}.", missing_key_remedy(provider)
        )
    # Such a key cannot go into a header, and the library's complaint would quote it.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationError(
            provider,
            model,
            f"A chave em {known.key_variable} tem caracteres que uma chave não pode ter.",
            f"Copie-a de novo de {_PAGES[provider]} para o arquivo .env, sem espaços nem aspas.",
        )
    return key


def missing_key_remedy(provider: str) -> str:
    """How to set the key of ``provider``."""
    variable, example = capabilities(provider).key_variable, _EXAMPLES[provider]
    return f"Crie uma em {_PAGES[provider]} e escreva {variable}={example} no arquivo .env."


def address_of(provider: str, model: str, settings: Settings, base_url: str | None = None) -> str:
    """The provider's address, normalised. Raises ProviderUnavailableError when it cannot be one."""
    configured = {
        "openai": settings.openai_base_url or OPENAI_URL,
        "huggingface": settings.huggingface_base_url,
        "ollama": settings.ollama_base_url,
    }[provider]
    address = normalised(base_url or configured)
    if address is None:
        variable = capabilities(provider).address_variable
        raise ProviderUnavailableError(
            provider,
            model,
            f"O endereço em {variable} não é válido.",
            "Corrija-o no arquivo .env: deve começar com http:// ou https:// e ter o nome do servidor.",
        )
    return address
