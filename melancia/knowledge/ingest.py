"""Keep the catalog equal to the folders: unchanged skipped, changed replaced, removed deleted.

Each document is one transaction, so an ingest that is killed half-way is finished by the next one, and
nothing is doubled or lost in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from melancia.errors import DocumentError
from melancia.index.catalog import Catalog, Document
from melancia.knowledge.chunks import chunk
from melancia.knowledge.documents import LoadedDocument, find_files, load

# Raised when the way of splitting changes, so that unchanged files are split anew.
SPLITTER = "2"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Documents added, changed, removed and unchanged, and the files that failed with the reason."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    failures: tuple[DocumentError, ...] = ()


def ingest(catalog: Catalog, roots: Sequence[Path], on_progress: Progress | None = None) -> IngestReport:
    """Bring each folder (or file) into the catalog. A bad file is reported and the others go on.

    ``on_progress(file, done, total)`` is called after each file. Raises InputError for a path that does
    not exist, before anything is changed.
    """
    found = [(root.expanduser().resolve(), find_files(root.expanduser().resolve())) for root in roots]
    total = sum(len(files) for _, files in found)
    counts = {"added": 0, "changed": 0, "removed": 0, "unchanged": 0}
    failures: list[DocumentError] = []
    done = 0
    for root, files in found:
        known = {document.id: document for document in catalog.documents()}
        sources: dict[str, Path] = {}
        failed: set[str] = set()
        for path in files:
            done += 1
            try:
                document = load(path, root)
                _refuse_conflict(document, root, sources, known)
                sources[document.id] = path
                counts[_store(catalog, document, root, known.get(document.id))] += 1
            except DocumentError as error:
                failures.append(error)
                failed.add(str(path))
            if on_progress:
                on_progress(path.name, done, total)
        # What a file that is bad now said before stays until the file is mended or removed.
        gone = [
            document.id
            for document in known.values()
            if document.root == str(root)
            and document.id not in sources
            and document.source.partition("\n")[2] not in failed
        ]
        if gone:
            catalog.remove(gone)
            counts["removed"] += len(gone)
    return IngestReport(**counts, failures=tuple(failures))


def _refuse_conflict(
    document: LoadedDocument, root: Path, sources: dict[str, Path], known: dict[str, Document]
) -> None:
    if document.id in sources:
        other = sources[document.id].name
        raise DocumentError(str(document.path), f"o id “{document.id}” já é usado por {other}")
    before = known.get(document.id)
    if before and before.root != str(root):
        raise DocumentError(str(document.path), f"o id “{document.id}” já é usado na pasta {before.root}")


def _store(catalog: Catalog, document: LoadedDocument, root: Path, before: Document | None) -> str:
    mark = f"{SPLITTER}:{document.content_hash}"
    source = f"{document.source}\n{document.path}"
    if before and before.content_hash == mark and before.source == source:
        return "unchanged"
    chunks = chunk(document)
    if not chunks:
        raise DocumentError(str(document.path), "não tem texto que se possa indexar")
    row = Document(
        document.id, str(root), source, mark, document.title, document.topic, document.marketplaces
    )
    catalog.replace(row, chunks)
    return "changed" if before else "added"
