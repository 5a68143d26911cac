"""Bytes of each kind of file → Markdown. Parsing is the libraries' work; this names what went wrong."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from melancia.errors import DocumentError

_MAX_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Content:
    """A document's Markdown, and its title if the format itself carries one."""

    markdown: str
    title: str = ""


def read(raw: bytes, suffix: str, where: str) -> Content:
    """The content of a file of kind ``suffix`` (".pdf"). Raises DocumentError with the reason."""
    content = _READERS[suffix](raw, where)
    if "\x00" in content.markdown:
        raise DocumentError(where, "contém bytes nulos; não é texto")
    return content


def _text(raw: bytes, where: str) -> Content:
    try:
        return Content(raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise DocumentError(where, "não está em UTF-8; salve-o em UTF-8") from error


def _html(raw: bytes, where: str) -> Content:
    import trafilatura
    from trafilatura.metadata import extract_metadata

    # Given bytes, the library finds the encoding that the page declares or seems to have.
    tree = trafilatura.load_html(raw)
    if tree is None:
        raise DocumentError(where, "não é uma página HTML que se possa ler")
    found = extract_metadata(tree)
    text = trafilatura.extract(
        raw, output_format="markdown", include_tables=True, include_comments=False, favor_recall=True
    )
    if not text:
        raise DocumentError(where, "não tem texto que se possa extrair (página montada por JavaScript?)")
    return Content(text, (found.title or "").strip() if found else "")


def _pdf(raw: bytes, where: str) -> Content:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError(where, "está protegido por senha; salve uma cópia sem senha")
        if len(reader.pages) > _MAX_PAGES:
            raise DocumentError(where, f"tem mais de {_MAX_PAGES} páginas; divida-o")
        pages = [_joined_lines(page.extract_text()) for page in reader.pages]
        title = str((reader.metadata.title if reader.metadata else "") or "").strip()
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(where, "não é um PDF que se possa ler (danificado?)") from error
    text = "\n\n".join(f"## Página {number}\n\n{page}" for number, page in enumerate(pages, 1) if page)
    if not text:
        raise DocumentError(where, "não tem texto (documento digitalizado?); passe-o por um OCR")
    return Content(text, title)


def _docx(raw: bytes, where: str) -> Content:
    import zipfile

    import mammoth
    from markdownify import markdownify

    try:
        html = mammoth.convert_to_html(io.BytesIO(raw), convert_image=_no_image).value
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError, OSError) as error:
        raise DocumentError(where, "não é um DOCX que se possa ler (danificado ou protegido?)") from error
    return Content(markdownify(html, heading_style="ATX", strip=["img"]).strip())


def _no_image(_image: object) -> list[object]:
    return []


def _joined_lines(text: str) -> str:
    """A page's lines as paragraphs: PDF breaks every line, and words at its end."""
    unbroken = re.sub(r"(\w)-\n(?=[a-zà-ü])", r"\1", text.replace("\r\n", "\n"))
    paragraphs = re.split(r"\n\s*\n|(?<=[.!?:])\n(?=[A-ZÀ-Ü0-9•-])", unbroken)
    return "\n\n".join(" ".join(part.split()) for part in paragraphs if part.strip())


_READERS: Mapping[str, Callable[[bytes, str], Content]] = {
    ".md": _text,
    ".markdown": _text,
    ".txt": _text,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _docx,
}
SUFFIXES = frozenset(_READERS)
