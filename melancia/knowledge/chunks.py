"""A document → sections → chunks of about 450 characters that end with a sentence."""

import hashlib
import re
from dataclasses import dataclass

from melancia.index.catalog import Chunk
from melancia.knowledge.documents import LoadedDocument
from melancia.records import content_hash
from melancia.text import normalise, sentences

TARGET_CHARS = 450  # measured best between 400 and 500; overlap is within noise
MAX_SECTION_CHARS = 2400  # what one passage may take of the model's context
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading path ("Lances › Quando baixar") and the Markdown below it."""

    name: str
    text: str


def sections(body: str) -> list[Section]:
    """Split Markdown at its headings. The document's own title (level 1) is not part of the path."""
    found: list[Section] = []
    path: dict[int, str] = {}
    lines: list[str] = []
    fenced = False

    def flush() -> None:
        text = "\n".join(lines).strip()
        lines.clear()
        if text:
            name = " › ".join(path[level] for level in sorted(path) if level > 1)
            found.extend(Section(name, part) for part in _bounded(text))

    for line in body.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        flush()
        level = len(heading[1])
        path = {lvl: name for lvl, name in path.items() if lvl < level} | {level: heading[2]}
    flush()
    return found


def _bounded(text: str) -> list[str]:
    """Cut an overlong section between paragraphs, then wherever it must."""
    parts = [""]
    for paragraph in re.split(r"\n{2,}", text):
        for start in range(0, len(paragraph), MAX_SECTION_CHARS):
            piece = paragraph[start : start + MAX_SECTION_CHARS]
            if parts[-1] and len(parts[-1]) + len(piece) > MAX_SECTION_CHARS:
                parts.append("")
            parts[-1] = f"{parts[-1]}\n\n{piece}".strip()
    return [part for part in parts if part]


def pieces(text: str) -> list[str]:
    """Group the sentences of a section into pieces of about ``TARGET_CHARS`` characters."""
    plain = _LINK.sub(r"\1", text)
    grouped: list[str] = []
    for sentence in sentences(plain):
        cleaned = normalise(sentence)
        if not re.search(r"\w", cleaned):
            continue
        if grouped and len(grouped[-1]) + len(cleaned) < TARGET_CHARS:
            grouped[-1] = f"{grouped[-1]}\n{cleaned}"
        else:
            grouped.append(cleaned)
    return grouped


def chunk(document: LoadedDocument) -> list[Chunk]:
    """The document's passages and likely questions, each with an identity made of its content."""
    made: list[Chunk] = []
    seen: set[str] = set()

    def add(kind: str, section: str, section_text: str, text: str, embed_text: str) -> None:
        # A question is embedded as questions are, so the same words as a passage have another vector.
        embedded = f"{kind}: {normalise(embed_text)}" if kind == "question" else normalise(embed_text)
        text_hash = hashlib.sha256(embedded.encode()).hexdigest()[:32]
        identity = [document.id, kind, section, text, document.topic, list(document.marketplaces)]
        id_ = content_hash(identity, 32)
        if id_ not in seen:
            seen.add(id_)
            made.append(
                Chunk(id_, document.id, len(made), kind, section, section_text, text, embed_text, text_hash)
            )

    all_sections = sections(document.body)
    for section in all_sections:
        for piece in pieces(section.text):
            head = f"{document.title} — {section.name}" if section.name else document.title
            add("passage", section.name, section.text, piece, f"{head}\n{piece}")
    if made:
        for question in document.questions:
            add("question", "", "", question, question)
    return made
