"""Turns whatever a library raises into our tree of failures.

The text of a foreign exception is searched for what happened and never shown: it may hold a key, an address
with a password, or the question. Foreign classes are known by name, so that no library is loaded for this.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from melancia.addresses import is_openai
from melancia.errors import (
    AuthenticationError,
    ModelNotFoundError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
    ProviderTimeoutError,
    ProviderUnavailableError,
    UnsupportedOptionError,
)
from melancia.llms.capabilities import PROVIDERS
from melancia.records import utc_now
from melancia.settings import Settings

_MAX_LINKS = 20
_CONTEXT = re.compile(
    r"context_length_exceeded|maximum context length|context (size|window|length)|exceed_context_size"
    r"|(prompt|input)[\w ]* too long|ContextOverflowError"
)
_NO_MODEL = re.compile(
    r"model_not_found|model_not_supported|model\b.*(not found|does not exist|not exist)", re.S
)
_NO_MEMORY = re.compile(r"requires more system memory|out of memory|cudaMalloc failed", re.I)
_NO_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing|credits", re.I)
_OPTION = re.compile(r"unsupported_(value|parameter)")


@dataclass(frozen=True, slots=True)
class _Subject:
    """Of whom the messages speak."""

    provider: str
    model: str
    service: str
    key_variable: str | None
    address_variable: str | None


def translate_error(
    provider: str, model: str, exc: BaseException, settings: Settings | None = None
) -> ProviderError:
    """What ``exc``, or its cause, means to people, and what they can do. One of ours passes unchanged."""
    links = list(_chain(exc))
    for link in links:
        if isinstance(link, ProviderError):
            return link
    subject = _subject(provider, model, settings)
    text = "\n".join(_text(link) for link in links)
    status = next((found for link in links if (found := _status(link)) is not None), None)
    if status is not None or _CONTEXT.search(text):
        return _from_answer(subject, status, text, links)
    return _from_transport(subject, {name for link in links for name in _names(link)}, exc)


def _from_answer(
    subject: _Subject, status: int | None, text: str, links: list[BaseException]
) -> ProviderError:
    """The server answered, with an error."""
    who = (subject.provider, subject.model)
    if _CONTEXT.search(text):
        return ProviderResponseError(
            *who,
            f"A pergunta com as suas fontes não cabe na janela de contexto do modelo {subject.model}.",
            "Reduza MELANCIA_K ou MELANCIA_MAX_TOKENS, ou escolha um modelo de janela maior.",
        )
    if status in (401, 403):
        return _refused(subject, status)
    if status == 402 or (status == 429 and _NO_QUOTA.search(text)):
        return ProviderRateLimitError(
            *who,
            f"{subject.service} diz que a cota acabou.",
            "Confira os créditos da conta, ou escolha outro modelo em MELANCIA_VARIANT.",
            _retry_after(links),
        )
    if status == 429:
        after = _retry_after(links)
        wait = "um pouco" if after is None else f"{math.ceil(after)} s"
        return ProviderRateLimitError(
            *who, f"{subject.service} pediu para ir mais devagar.", f"Espere {wait} e tente de novo.", after
        )
    if status in (400, 404) and _NO_MODEL.search(text):
        return _missing_model(subject)
    if status == 404:
        return ProviderResponseError(
            *who,
            f"{subject.service} não tem o serviço esperado neste endereço (erro 404).",
            f"Confira {subject.address_variable}: servidores compatíveis com a OpenAI terminam em /v1.",
        )
    if status in (408, 504):
        return _too_slow(subject)
    if _NO_MEMORY.search(text):
        return ProviderResponseError(
            *who,
            f"Falta memória para o modelo {subject.model}.",
            "Escolha um modelo menor (veja `melancia models`) ou reduza MELANCIA_CONTEXT_WINDOW.",
        )
    if status is not None and 400 <= status < 500:
        if _OPTION.search(text):
            return UnsupportedOptionError(
                *who,
                f"O modelo {subject.model} não aceita uma das opções pedidas{_option(links)}.",
                "Mude-a na configuração ou escolha outro modelo.",
            )
        return ProviderResponseError(
            *who, f"{subject.service} recusou o pedido (erro {status}).", "Confira o modelo e as opções."
        )
    code = f" (erro {status})" if status is not None and status >= 500 else ""
    problem = "está sobrecarregado ou fora do ar" if status in (502, 503, 529) else "falhou ao responder"
    return ProviderResponseError(
        *who, f"{subject.service} {problem}{code}.", "Tente de novo; se continuar, escolha outro modelo."
    )


def _from_transport(subject: _Subject, names: set[str], exc: BaseException) -> ProviderError:
    """No answer came, or half of one."""
    who = (subject.provider, subject.model)
    if names & {"ConnectTimeout", "ConnectError", "ConnectionRefusedError", "gaierror"}:
        return _unreachable(subject)
    if names & {"TimeoutError", "TimeoutException", "APITimeoutError"}:
        return _too_slow(subject)
    if names & {"InvalidURL", "UnsupportedProtocol"}:
        return ProviderUnavailableError(
            *who, f"O endereço em {subject.address_variable} não é válido.", "Corrija-o no arquivo .env."
        )
    dropped = {"NetworkError", "ProtocolError", "ConnectionResetError", "BrokenPipeError"}
    if names & (dropped | {"ConnectionAbortedError"}):
        return ProviderResponseError(
            *who, f"{subject.service} deixou a conexão cair no meio da resposta.", "Tente de novo."
        )
    if names & {"ConnectionError", "APIConnectionError"}:
        return _unreachable(subject)
    if names & {"JSONDecodeError", "ValidationError", "APIResponseValidationError", "UnicodeDecodeError"}:
        return ProviderResponseError(
            *who,
            f"{subject.service} respondeu algo que não se entende.",
            f"Confira se {subject.address_variable} é mesmo o endereço do serviço.",
        )
    if names & {"APIError", "ResponseError", "ContentFilterFinishReasonError"}:
        return ProviderResponseError(
            *who,
            f"{subject.service} falhou ao responder.",
            "Tente de novo; se continuar, escolha outro modelo.",
        )
    return ProviderResponseError(
        *who,
        f"{subject.service} falhou de um modo inesperado ({type(exc).__name__}).",
        "Tente de novo; se continuar, veja o registro do servidor.",
    )


def _refused(subject: _Subject, status: int | None) -> ProviderError:
    if subject.key_variable is None:
        what, remedy = (
            f"{subject.service} negou o acesso.",
            "Modelos na nuvem pedem `ollama signin`; se há um proxy, confira as permissões dele.",
        )
    elif status == 401:
        what, remedy = (
            f"{subject.service} recusou a chave.",
            f"Confira {subject.key_variable} no arquivo .env: ela pode ter expirado.",
        )
    else:
        what, remedy = (
            f"{subject.service} não deixa esta chave usar o modelo {subject.model}.",
            f"Dê essa permissão à chave de {subject.key_variable}, ou escolha outro modelo.",
        )
    return AuthenticationError(subject.provider, subject.model, what, remedy)


def _missing_model(subject: _Subject) -> ProviderError:
    if subject.provider == "ollama":
        remedy = f"Baixe-o com `ollama pull {subject.model}`."
    else:
        remedy = "Confira o nome do modelo; veja `melancia models`."
    return ModelNotFoundError(
        subject.provider, subject.model, f"{subject.service} não tem o modelo {subject.model}.", remedy
    )


def _unreachable(subject: _Subject) -> ProviderError:
    if subject.provider == "ollama":
        remedy = "Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL."
    else:
        remedy = f"Confira a internet e {subject.address_variable}."
    return ProviderUnavailableError(
        subject.provider, subject.model, f"{subject.service} não está respondendo.", remedy
    )


def _too_slow(subject: _Subject) -> ProviderError:
    return ProviderTimeoutError(
        subject.provider,
        subject.model,
        f"{subject.service} não respondeu a tempo com o modelo {subject.model}.",
        "Tente de novo, use um modelo menor ou aumente MELANCIA_FIRST_TOKEN_TIMEOUT.",
    )


def _subject(provider: str, model: str, settings: Settings | None) -> _Subject:
    known = PROVIDERS.get(provider)
    if known is None:
        return _Subject(provider, model, provider, None, None)
    service = {"openai": "A OpenAI", "huggingface": "A Hugging Face", "ollama": "O Ollama"}.get(
        provider, f"O provedor {known.title}"
    )
    address = settings.openai_base_url if settings and provider == "openai" else None
    if address and not is_openai(address):
        service = "O servidor em OPENAI_BASE_URL"
    return _Subject(provider, model, service, known.key_variable, known.address_variable)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """``exc`` and all that led to it, hidden contexts too: Ollama's client hides the response there."""
    waiting, seen = [exc], set[int]()
    while waiting and len(seen) < _MAX_LINKS:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        waiting += [found for found in (*inner, link.__cause__) if found is not None]
        # A failure of ours in the context is another provider's, whose turn had just ended.
        if link.__context__ is not None and not isinstance(link.__context__, ProviderError):
            waiting.append(link.__context__)


def _names(link: BaseException) -> set[str]:
    return {known.__name__ for known in type(link).__mro__}


def _status(link: BaseException) -> int | None:
    """The HTTP status; also the one that a stream's error object carries as its code."""
    response = getattr(link, "response", None)
    for value in (getattr(link, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(value, int) and 400 <= value < 600:
            return value
    code = getattr(link, "code", None)
    if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
        return int(code)
    return {"rate_limit_exceeded": 429, "insufficient_quota": 429, "model_not_found": 404}.get(str(code))


def _text(link: BaseException) -> str:
    return " ".join((*sorted(_names(link)), str(link), str(getattr(link, "body", ""))))


def _option(links: list[BaseException]) -> str:
    for link in links:
        name = getattr(link, "param", None)
        if isinstance(name, str) and re.fullmatch(r"[a-z_]{1,40}", name):
            return f" (“{name}”)"
    return ""


def _retry_after(links: list[BaseException]) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or either form of ``Retry-After``."""
    for link in links:
        headers = getattr(getattr(link, "response", None), "headers", None)
        if headers is not None and (seconds := _seconds(headers)) is not None:
            return seconds
    return None


def _seconds(headers: Mapping[str, Any]) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = str(headers.get(name, "")).strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return float(value) / unit
    try:
        moment = parsedate_to_datetime(str(headers.get("retry-after", "")))
    except ValueError:
        return None
    return max(0.0, (moment - utc_now()).total_seconds()) if moment.tzinfo else None
