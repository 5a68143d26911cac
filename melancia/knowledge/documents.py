"""Markdown files → documents with front matter."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from melancia.errors import DocumentError, InputError

MAX_BYTES = 5_000_000
_SUFFIXES = {".md", ".markdown"}


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A parsed file: its identity, front matter and body (Markdown)."""

    id: str
    path: Path
    content_hash: str
    title: str
    topic: str
    marketplaces: tuple[str, ...]
    source: str
    questions: tuple[str, ...]
    body: str


def find_files(root: Path) -> list[Path]:
    """The Markdown files of a folder (or the one file), hidden ones left out, in a stable order.

    Raises InputError when the path does not exist or is no Markdown file.
    """
    if root.is_file():
        if root.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{root} não é um arquivo Markdown.", "Passe uma pasta ou um arquivo .md.")
        return [root]
    if not root.is_dir():
        raise InputError(f"A pasta {root} não existe.", "Confira o caminho passado a `melancia ingest`.")
    return sorted(_walk(root))


def _walk(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in _SUFFIXES and not any(part.startswith(".") for part in parts):
            yield path


def load(path: Path, root: Path) -> LoadedDocument:
    """Parse one file. Raises DocumentError with the reason when it cannot be indexed."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(str(path), f"não pôde ser lido ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise DocumentError(str(path), f"é maior que {MAX_BYTES // 1_000_000} MB")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DocumentError(str(path), "não está em UTF-8; salve-o em UTF-8") from error
    if "\x00" in text:
        raise DocumentError(str(path), "contém bytes nulos; não é texto")
    front, body = _split_front_matter(text, path)
    if not body.strip():
        raise DocumentError(str(path), "está vazio")
    relative = path.name if path == root else path.relative_to(root).with_suffix("").as_posix()
    fallback_id = path.stem if path == root else relative
    return LoadedDocument(
        id=_text(front, "id", path) or fallback_id,
        path=path,
        content_hash=hashlib.sha256(raw).hexdigest(),
        title=_text(front, "title", path) or _first_heading(body) or path.stem,
        topic=_text(front, "topic", path) or "",
        marketplaces=_texts(front, "marketplace", path),
        source=_source(front, path),
        questions=_texts(front, "questions", path),
        body=body,
    )


def _split_front_matter(text: str, path: Path) -> tuple[dict[str, Any], str]:
    if not text.startswith("---\n"):
        return {}, text
    head, separator, body = text[4:].partition("\n---\n")
    if not separator:
        raise DocumentError(str(path), "o cabeçalho começa com --- e não termina")
    try:
        front = yaml.safe_load(head) or {}
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" perto da linha {line + 2}" if line is not None else ""
        raise DocumentError(str(path), f"o cabeçalho não é YAML válido{where}") from error
    if not isinstance(front, dict):
        raise DocumentError(str(path), "o cabeçalho deve ter pares “chave: valor”")
    return front, body


def _text(front: dict[str, Any], key: str, path: Path) -> str:
    value = front.get(key, "")
    if isinstance(value, list | dict):
        raise DocumentError(str(path), f"“{key}” deve ser um texto")
    return str(value or "").strip()


def _texts(front: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = front.get(key) or []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or any(isinstance(item, list | dict) for item in values):
        raise DocumentError(str(path), f"“{key}” deve ser uma lista de textos")
    return tuple(str(item).strip() for item in values if str(item).strip())


def _source(front: dict[str, Any], path: Path) -> str:
    sources = front.get("sources") or []
    first = sources[0] if isinstance(sources, list) and sources else None
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    return url if url.startswith(("https://", "http://")) else path.name


def _first_heading(body: str) -> str:
    for line in body.splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    return ""
