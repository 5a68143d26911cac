"""The folder of files that were sent through the page: kept whole, under a safe name, or not at all."""

import re
import shutil
from pathlib import Path

from melancia.errors import DocumentError, InputError, KnowledgeError
from melancia.knowledge.documents import parse
from melancia.knowledge.readers import SUFFIXES
from melancia.text import fold

_MAX_NAME = 80


def keep(folder: Path, name: str, sent: Path) -> Path:
    """Copy ``sent`` into ``folder`` under a safe form of ``name``; one of that name is replaced.

    Raises InputError for a kind that cannot be read, DocumentError when this file cannot (what was there
    before stays), KnowledgeError when it cannot be written.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"O arquivo “{Path(name).name}” é de um tipo que não se sabe ler.",
            f"Envie um arquivo {', '.join(sorted(SUFFIXES))}.",
        )
    stem = re.sub(r"[^a-z0-9]+", "-", fold(Path(name).stem)).strip("-")[:_MAX_NAME] or "documento"
    target = folder / f"{stem}{suffix}"
    partial = folder / f".{target.name}.partial"  # hidden files are not indexed
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sent, partial)
        parse(partial.read_bytes(), suffix, Path(name).name, stem, target.name)
        partial.replace(target)
    except DocumentError:
        partial.unlink(missing_ok=True)
        raise
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise KnowledgeError(
            f"O arquivo não pôde ser guardado ({error.strerror}).",
            f"Confira o espaço e as permissões de {folder}.",
        ) from error
    return target


def discard(folder: Path, path: str) -> None:
    """Delete a file of ``folder``; one that is gone already is no error. Raises KnowledgeError."""
    target = Path(path)
    if target.parent != folder:
        raise KnowledgeError(f"{path} não foi enviado pela página.", "Apague-o na pasta de origem.")
    try:
        target.unlink(missing_ok=True)
    except OSError as error:
        raise KnowledgeError(
            f"O arquivo {target.name} não pôde ser apagado ({error.strerror}).",
            f"Confira as permissões de {folder}.",
        ) from error
