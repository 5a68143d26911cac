"""Whether the arms of an experiment that is about to begin can answer at all, and what is still to come."""

from melancia.agent.arm_models import needed
from melancia.errors import InputError, ProviderError
from melancia.llms.catalog import among
from melancia.llms.keys import address_of, required_key
from melancia.llms.ollama import pulled_models
from melancia.llms.select import EXTRACTIVE
from melancia.records import Policy
from melancia.settings import Settings


def check_arms(policy: Policy, settings: Settings) -> list[str]:
    """What whoever begins ``policy`` should know of its models of Ollama, in Portuguese. Asks Ollama once.

    Raises InputError for an arm that could answer nobody: its provider's key is missing or no key, or its
    address is none.
    """
    for arm in policy.arms:
        provider, model = arm.variant.provider, arm.variant.model
        if provider == EXTRACTIVE:
            continue
        try:
            required_key(provider, model, settings)
            address_of(provider, model, settings)
        except ProviderError as error:
            raise InputError(
                f"O braço {arm.name} não responderia a ninguém. {error.message}", error.remedy
            ) from error
    return _of_ollama(needed([policy]), settings)


def _of_ollama(models: tuple[str, ...], settings: Settings) -> list[str]:
    if not models:
        return []
    server = pulled_models(settings)
    if not server.reachable:
        until = (
            "Enquanto isso, o experimento não distribui ninguém."
            if settings.has_worker
            else "Enquanto isso, as perguntas dos braços que o usam contam como falhas."
        )
        return [
            f"O Ollama não responde. Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL no .env. {until}"
        ]
    there = [model.name for model in server.models]
    return [_to_come(name, pulled=settings.has_worker) for name in models if not among(name, there)]


def _to_come(name: str, *, pulled: bool) -> str:
    if pulled:
        return (
            f"O Ollama ainda não tem {name}: o worker o baixa sozinho, e até lá o experimento não distribui "
            "ninguém. Acompanhe com `melancia doctor`."
        )
    return (
        f"O Ollama não tem {name}, e aqui nenhum worker o baixa: baixe-o com `ollama pull {name}`. "
        "Até lá, as perguntas desse braço contam como falhas."
    )
