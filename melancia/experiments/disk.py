"""What is said when the disk does not take a benchmark's files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from melancia.errors import InputError

REMEDY = "Confira as permissões e o espaço em disco."


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Writing into ``folder``: an OSError becomes an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Os resultados não puderam ser escritos em {folder}.", REMEDY) from error
