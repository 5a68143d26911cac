"""The secret that the page and the launcher share, kept in a file."""

from pathlib import Path

from melancia.errors import SettingsError

MIN_CHARS = 32
_REMEDY = (
    f"Grave em MELANCIA_LAUNCHER_TOKEN_FILE um segredo de ao menos {MIN_CHARS} caracteres, "
    "por exemplo com: openssl rand -hex 32."
)


def read_token(path: Path | None) -> str:
    """The token, as the file holds it now: a changed file counts at once, on both sides.

    Raises SettingsError for a file that is missing, empty, short or no text for a header.
    """
    if path is None:
        raise SettingsError("Falta o segredo do launcher.", _REMEDY)
    try:
        token = path.read_bytes().decode("ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"O segredo do launcher não pode ser lido em {path} ({error.strerror}).", _REMEDY
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"O segredo do launcher em {path} não é texto ASCII.", _REMEDY) from error
    if len(token) < MIN_CHARS or not token.isprintable() or " " in token:
        raise SettingsError(f"O segredo do launcher em {path} é curto demais ou não vale.", _REMEDY)
    return token
