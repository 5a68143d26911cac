"""The key of this installation: signs the cookies, and makes codes of names that nobody else can make."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from melancia.errors import SettingsError
from melancia.records import new_id
from melancia.settings import Settings


def signing_key(settings: Settings) -> str:
    """MELANCIA_SECRET_KEY, or the one that the data folder keeps. Raises SettingsError."""
    given = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return given or _kept_key(settings.data_dir / "secret_key")


def code_of(settings: Settings, name: str) -> str:
    """A code that whoever has the key and the name finds again, and that gives neither away (HMAC-SHA256).

    Raises SettingsError.
    """
    return hmac.new(signing_key(settings).encode(), name.encode(), hashlib.sha256).hexdigest()


def _kept_key(file: Path) -> str:
    """The key that this data folder's cookies are signed with, made on first use, readable by its owner."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{new_id()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(48))
        try:
            os.link(fresh, file)  # whole, and only if nobody was first
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return file.read_text()
    except OSError as error:
        raise SettingsError(
            f"A chave que assina os cookies não pôde ser guardada em {file}.",
            "Confira as permissões da pasta ou defina MELANCIA_SECRET_KEY.",
        ) from error
