"""Who is asking: a stable anonymous user by signed cookie, or a team member by HTTP Basic login."""

import base64
import binascii
import secrets
from collections.abc import Mapping

from itsdangerous import BadSignature, Signer

from melancia.errors import SettingsError
from melancia.records import new_id
from melancia.settings import Settings
from melancia.signing import signing_key

COOKIE = "melancia_user"
COOKIE_AGE = 365 * 24 * 3600  # seconds
_TEAM = "equipe:"


class Identity:
    """Signs and reads the cookie; checks the team's passwords, if there is a team."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when MELANCIA_AUTH or MELANCIA_ADMINS is wrong or the key cannot be kept."""
        self._signer = Signer(signing_key(settings), salt="melancia.user")
        self._team = _team(settings.auth.get_secret_value()) if settings.auth else {}
        self._admins = _admins(settings.admins, self._team)
        # Nobody but this machine's own users can reach an unpublished page on the loopback address.
        self._own_machine = (
            not self._team
            and settings.host in ("127.0.0.1", "::1", "localhost")
            and not settings.allowed_origins.strip()
        )

    @property
    def needs_login(self) -> bool:
        """Whether only team members may come in."""
        return bool(self._team)

    def issue(self) -> str:
        """A cookie value for a new anonymous user."""
        return self._signer.sign(new_id()).decode()

    def anonymous(self, cookies: Mapping[str, str]) -> str | None:
        """The user of a genuine cookie."""
        try:
            return self._signer.unsign(cookies.get(COOKIE, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def member(self, authorization: str) -> str | None:
        """The team member whose name and password an ``Authorization`` header carries."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # A wrong name costs the same comparison as a wrong password.
        expected = self._team.get(name, "")
        same = secrets.compare_digest(expected.encode(), password.encode())
        return f"{_TEAM}{name}" if same and name in self._team else None

    def is_admin(self, user: str | None) -> bool:
        """Whether ``user`` may change what the assistant knows."""
        if user is None:
            return False
        if not self._admins:
            return self._own_machine
        return "*" in self._admins or user in self._admins

    def user(self, cookies: Mapping[str, str], authorization: str = "") -> str | None:
        """Who is asking; None when neither cookie nor login say."""
        return self.member(authorization) if self.needs_login else self.anonymous(cookies)


def _team(text: str) -> dict[str, str]:
    team: dict[str, str] = {}
    for entry in text.split(","):
        name, separator, password = entry.strip().partition(":")
        if not separator or not name or not password:
            raise SettingsError(
                "A variável MELANCIA_AUTH está malformada.",
                "Escreva usuario:senha; com mais pessoas, separe-as com vírgulas.",
            )
        team[name] = password
    return team


def _admins(text: str, team: Mapping[str, str]) -> frozenset[str]:
    names = {name.strip() for name in text.split(",")} - {""}
    unknown = sorted(names - {"*", *team})
    if unknown:
        raise SettingsError(
            f"MELANCIA_ADMINS cita “{unknown[0]}”, que não está em MELANCIA_AUTH.",
            "Inclua essa pessoa em MELANCIA_AUTH, corrija o nome ou use *.",
        )
    return frozenset(name if name == "*" else f"{_TEAM}{name}" for name in names)
