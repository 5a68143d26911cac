"""What must not stand in a log or a message: the secrets of the settings, and what looks like one."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from melancia.settings import Settings

HIDDEN = "[segredo]"
_SHORTEST = 4  # a shorter one would blank half a log, and protects nothing
# A key of a provider, a header, an address with a password: also those that are not ours.
_LOOKS = re.compile(
    r"\b(?:sk-|hf_)[A-Za-z0-9_-]{12,}"
    r"|(?<=\bBearer )[\w.~+/=-]{8,}"
    r"|(?<=\bBasic )[\w+/=]{8,}={0,2}"
    r"|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"
)
# All up to the last “@”: a password may hold any of the signs that end it elsewhere.
_LOGIN = re.compile(r"(?<=://)\S*@")


def without_login(text: str) -> str:
    """An address, or a text that quotes some, without user and password."""
    return _LOGIN.sub("", text)


class Redactor:
    """Takes secrets out of text. Knows those that the settings held when it was made."""

    def __init__(self, settings: Settings) -> None:
        forms = {form for secret in _secrets(settings) for form in (secret, quote(secret, safe=""))}
        known = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """``text`` without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _LOOKS.sub(HIDDEN, text)


def _secrets(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    for member in settings.auth.get_secret_value().split(",") if settings.auth else ():
        yield member.strip().partition(":")[2]
    for address in (
        settings.database_url,
        settings.chroma_url,
        settings.mlflow_url,
        settings.launcher_url,
        settings.openai_base_url,
        settings.huggingface_base_url,
        settings.ollama_base_url,
    ):
        yield unquote(urlsplit(address or "").password or "")
    for file in (settings.launcher_token_file, settings.metrics_token_file):
        yield _content(file)


def _content(file: Path | None) -> str:
    """What the file holds; nothing when it cannot be read: whoever needs it says so."""
    try:
        return file.read_text("utf-8").strip() if file is not None else ""
    except (OSError, UnicodeDecodeError):
        return ""
