"""Opens the database and brings its schema up to date; says in Portuguese why it cannot."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

from melancia.errors import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6D656C61  # PostgreSQL advisory lock: "mela"


def open_engine(url: str) -> sa.Engine:
    """An engine on a migrated database; SQLite gets WAL. Raises StoreError."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            "O endereço em MELANCIA_DATABASE_URL não é válido.",
            "Use sqlite:////caminho/arquivo.db ou postgresql://usuario:senha@servidor/banco.",
        ) from error
    file = _sqlite_file(address)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"A pasta {file.parent} não pôde ser criada.", _FOLDER_REMEDY) from error
    with translated():
        try:
            engine = sa.create_engine(address, pool_pre_ping=file is None)
        except sa.exc.NoSuchModuleError as error:
            raise StoreError(
                "O tipo de banco em MELANCIA_DATABASE_URL não é conhecido.", "Use sqlite ou postgresql."
            ) from error
        except ModuleNotFoundError as error:
            raise StoreError(
                "O driver desse banco não está instalado.",
                "Deixe MELANCIA_DATABASE_URL vazio para usar SQLite.",
            ) from error
        if file is not None:
            sa.event.listen(engine, "connect", _pragmas)
        try:
            _migrate(engine, file)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _sqlite_file(address: sa.URL) -> Path | None:
    if address.get_backend_name() != "sqlite":
        return None
    if not address.database or address.database == ":memory:":
        raise StoreError(
            "Um banco SQLite em memória perderia as conversas.",
            "Dê um arquivo em MELANCIA_DATABASE_URL, por exemplo sqlite:////dados/melancia.db.",
        )
    return Path(address.database).absolute()


def _pragmas(connection: Any, _record: object) -> None:
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=WAL",
        # With WAL, NORMAL survives the death of the process; only a power cut may cost the last commits.
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is erased is overwritten, not only forgotten
    ):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: sa.Engine, file: Path | None) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with _only_one(file), engine.begin() as connection:
        if file is None:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except (CommandError, ResolutionError) as error:
            raise StoreError(
                "O banco de dados foi criado por uma versão mais nova da MelâncIA.",
                "Atualize o projeto (git pull && make setup) ou aponte MELANCIA_DATA_DIR para outra pasta.",
            ) from error


@contextmanager
def _only_one(file: Path | None) -> Iterator[None]:
    """Two processes that open a fresh file at once must not both create its tables."""
    if file is None:
        yield
        return
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_FOLDER_REMEDY = "Confira as permissões da pasta ou aponte MELANCIA_DATA_DIR para outra."


@contextmanager
def translated() -> Iterator[None]:
    """SQLAlchemy's failures as StoreError; never with the address, which may hold a password."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, PermissionError) as error:
        said = str(getattr(error, "orig", None) or error).lower()
        raise StoreError(*_explain(said)) from error


def _explain(said: str) -> tuple[str, str]:
    if "not a database" in said or "malformed" in said:
        return "O arquivo do banco está danificado ou não é um banco SQLite.", (
            "Guarde uma cópia dele, mova-o para outro lugar e inicie de novo, ou restaure um backup."
        )
    if "locked" in said:
        return "O banco está ocupado por outro processo.", "Tente de novo em alguns segundos."
    if "full" in said:
        return "O disco está cheio: nada foi gravado.", "Libere espaço e tente de novo."
    if any(word in said for word in ("readonly", "read-only", "unable to open", "permission")):
        return "O banco não pode ser escrito.", _FOLDER_REMEDY
    if any(word in said for word in ("connect", "resolve", "refused", "closed", "timeout", "authentication")):
        return "O banco de dados não está respondendo.", (
            "Confira MELANCIA_DATABASE_URL e se o PostgreSQL está no ar (docker compose up -d postgres)."
        )
    return "O banco de dados recusou a operação.", "Veja os registros e rode `melancia doctor`."
