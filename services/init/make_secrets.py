"""Make the passwords and the token that the services share, once, each readable only by those who need it.

Nothing is asked of the user and nothing has a default: a secret that exists is kept, so running again changes
nothing. libpq insists that a password file is its reader's own (mode 0600); the others are group-readable.
"""

import os
import secrets
from pathlib import Path

VOLUMES = Path("/volumes")
ROLES = ("melancia", "mlflow")
READERS = {"melancia": "secrets-database", "mlflow": "secrets-mlflow"}


def keep(file: Path, text: str, mode: int) -> str:
    """The content of ``file``, made of ``text`` if there is none yet; whole or not at all."""
    if not file.exists():
        partial = file.with_name(f".{file.name}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        partial.chmod(mode)
        partial.replace(file)
    return file.read_text()


def main() -> None:
    """Make what is missing."""
    server = VOLUMES / "secrets-postgres"
    keep(server / "postgres", secrets.token_urlsafe(32), 0o440)
    for role in ROLES:
        password = keep(server / role, secrets.token_urlsafe(32), 0o440)
        keep(VOLUMES / READERS[role] / "pgpass", f"*:*:*:{role}:{password}\n", 0o600)
    keep(VOLUMES / "secrets-launcher" / "token", secrets.token_urlsafe(48), 0o440)
    keep(VOLUMES / "secrets-metrics" / "token", secrets.token_urlsafe(48), 0o440)
    # Grafana's own user is not ours, and may be in our group.
    keep(VOLUMES / "secrets-grafana" / "admin", secrets.token_urlsafe(24), 0o440)
    print("Segredos prontos.")


if __name__ == "__main__":
    main()
