"""Files → documents: Markdown with front matter, text, HTML, PDF, DOCX."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from melancia.errors import DocumentError, InputError
from melancia.knowledge.readers import SUFFIXES, Content, read

MAX_BYTES = 20_000_000
_MARKDOWN = {".md", ".markdown"}
_HTML = {".html", ".htm"}


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A parsed file: its identity, front matter and body (Markdown)."""

    id: str
    path: Path | str
    content_hash: str
    title: str
    topic: str
    marketplaces: tuple[str, ...]
    source: str
    questions: tuple[str, ...]
    body: str


def find_files(root: Path) -> list[Path]:
    """The readable files of a folder (or the one file), hidden ones left out, in a stable order.

    Raises InputError when the path does not exist or is of a kind that cannot be read.
    """
    if root.is_file():
        if root.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{root} é de um tipo que não se sabe ler.",
                f"Passe uma pasta ou um arquivo {', '.join(sorted(SUFFIXES))}.",
            )
        return [root]
    if not root.is_dir():
        raise InputError(f"A pasta {root} não existe.", "Confira o caminho passado a `melancia ingest`.")
    return sorted(_walk(root))


def _walk(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in parts):
            yield path


def load(path: Path, root: Path) -> LoadedDocument:
    """Parse one file. Raises DocumentError with the reason when it cannot be indexed."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(str(path), f"não pôde ser lido ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise DocumentError(str(path), f"é maior que {MAX_BYTES // 1_000_000} MB")
    relative = path.name if path == root else path.relative_to(root).as_posix()
    fallback_id = str(Path(relative).with_suffix("")) if path.suffix.lower() in _MARKDOWN else relative
    return parse(raw, path.suffix.lower(), path, fallback_id, path.name)


def parse(raw: bytes, suffix: str, path: Path | str, fallback_id: str, place: str) -> LoadedDocument:
    """A document from a file's or a page's bytes. ``place`` is where readers are sent when it has no source.

    Raises DocumentError with the reason when it cannot be indexed.
    """
    where = str(path)
    try:
        content = read(raw, suffix, where)
    except DocumentError:
        raise
    except Exception as error:
        # A damaged file makes its reader fail in any way; it must not keep the other documents out.
        raise DocumentError(where, f"não pôde ser lido; está danificado? ({type(error).__name__})") from error
    front: dict[str, Any] = {}
    if suffix in _MARKDOWN:
        front, body = _split_front_matter(content.markdown, where)
        content = Content(body, content.title)
    if not content.markdown.strip():
        raise DocumentError(where, "está vazio")
    return LoadedDocument(
        id=_text(front, "id", where) or fallback_id,
        path=path,
        # A page's bytes change with every visit (tokens, dates); its text does not.
        content_hash=hashlib.sha256(
            f"{content.title}\n{content.markdown}".encode() if suffix in _HTML else raw
        ).hexdigest(),
        title=_text(front, "title", where)
        or content.title
        or _first_heading(content.markdown)
        or Path(fallback_id).stem,
        topic=_text(front, "topic", where) or "",
        marketplaces=_texts(front, "marketplace", where),
        source=_source(front) or place,
        questions=_texts(front, "questions", where),
        body=content.markdown,
    )


def _split_front_matter(text: str, path: str) -> tuple[dict[str, Any], str]:
    if not text.startswith("---\n"):
        return {}, text
    head, separator, body = text[4:].partition("\n---\n")
    if not separator:
        raise DocumentError(path, "o cabeçalho começa com --- e não termina")
    try:
        front = yaml.safe_load(head) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that does not exist, say
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" perto da linha {line + 2}" if line is not None else ""
        raise DocumentError(path, f"o cabeçalho não é YAML válido{where}") from error
    if not isinstance(front, dict):
        raise DocumentError(path, "o cabeçalho deve ter pares “chave: valor”")
    return front, body


def _text(front: dict[str, Any], key: str, path: str) -> str:
    value = front.get(key, "")
    if isinstance(value, list | dict):
        raise DocumentError(path, f"“{key}” deve ser um texto")
    return str(value or "").strip()


def _texts(front: dict[str, Any], key: str, path: str) -> tuple[str, ...]:
    value = front.get(key) or []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or any(isinstance(item, list | dict) for item in values):
        raise DocumentError(path, f"“{key}” deve ser uma lista de textos")
    return tuple(str(item).strip() for item in values if str(item).strip())


def _source(front: dict[str, Any]) -> str:
    sources = front.get("sources") or []
    first = sources[0] if isinstance(sources, list) and sources else None
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    return url if url.startswith(("https://", "http://")) else ""


def _first_heading(body: str) -> str:
    for line in body.splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    return ""
