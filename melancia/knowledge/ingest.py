"""Keep the catalog equal to the folders and sites: unchanged skipped, changed replaced, removed deleted.

Each document is one transaction, so an ingest that is killed half-way is finished by the next one, and
nothing is doubled or lost in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from melancia.errors import DocumentError
from melancia.index.catalog import Catalog, Document
from melancia.knowledge.chunks import chunk
from melancia.knowledge.documents import LoadedDocument, find_files, load
from melancia.knowledge.web import IsAllowed, is_public, is_url, load_page, pages
from melancia.records import utc_now

# Raised when the way of splitting changes, so that unchanged files are split anew.
SPLITTER = "3"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Documents added, changed, removed and unchanged, and the files that failed with the reason."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    failures: tuple[DocumentError, ...] = ()


def ingest(
    catalog: Catalog,
    roots: Sequence[Path | str],
    on_progress: Progress | None = None,
    allowed: IsAllowed = is_public,
) -> IngestReport:
    """Bring each folder, file, page or sitemap into the catalog. A bad item is reported, the others go on.

    ``on_progress(item, done, total)`` is called after each item; ``allowed`` says which IP addresses may be
    fetched from. Raises InputError for a path that does not exist, before anything is changed.
    """
    sources = [_source(root, allowed) for root in roots]
    total = sum(len(source.items) for source in sources)
    counts = {"added": 0, "changed": 0, "removed": 0, "unchanged": 0}
    failures: list[DocumentError] = []
    done = 0
    for source in sources:
        known = {document.id: document for document in catalog.documents()}
        seen: dict[str, str] = {}
        failed: set[str] = set()
        if source.failure:
            failures.append(source.failure)
        for item in source.items:
            done += 1
            try:
                document = item.load()
                _refuse_conflict(document, source.root, seen, known)
                seen[document.id] = item.name
                counts[_store(catalog, document, source.root, known.get(document.id))] += 1
            except DocumentError as error:
                failures.append(error)
                failed.add(item.key)
            if on_progress:
                on_progress(item.name, done, total)
        # What a file that is bad now said before stays until the file is mended or removed; what a site
        # that does not answer now said before stays too.
        gone = [
            document.id
            for document in known.values()
            if document.root == source.root
            and source.failure is None
            and document.id not in seen
            and document.path not in failed
        ]
        if gone:
            catalog.remove(gone)
            counts["removed"] += len(gone)
    return IngestReport(**counts, failures=tuple(failures))


@dataclass(frozen=True, slots=True)
class _Item:
    """Something to load: ``key`` is its path or address, ``name`` what people are shown."""

    key: str
    name: str
    load: Callable[[], LoadedDocument]


@dataclass(frozen=True, slots=True)
class _Source:
    """A folder, file, page or sitemap with its items, or the reason why it could not be listed."""

    root: str
    items: tuple[_Item, ...] = ()
    failure: DocumentError | None = None


def _source(root: Path | str, allowed: IsAllowed) -> _Source:
    if isinstance(root, str) and is_url(root):
        try:
            addresses, fetched = pages(root, allowed)
        except DocumentError as error:
            return _Source(root, failure=error)
        return _Source(
            root, tuple(_Item(url, url, partial(load_page, url, fetched, allowed)) for url in addresses)
        )
    folder = Path(root).expanduser().resolve()
    return _Source(
        str(folder),
        tuple(_Item(str(path), path.name, partial(load, path, folder)) for path in find_files(folder)),
    )


def _refuse_conflict(
    document: LoadedDocument, root: str, seen: dict[str, str], known: dict[str, Document]
) -> None:
    if document.id in seen:
        other = seen[document.id]
        raise DocumentError(str(document.path), f"o id “{document.id}” já é usado por {other}")
    before = known.get(document.id)
    if before and before.root != root:
        raise DocumentError(str(document.path), f"o id “{document.id}” já é usado na pasta {before.root}")


def _store(catalog: Catalog, document: LoadedDocument, root: str, before: Document | None) -> str:
    mark = f"{SPLITTER}:{document.content_hash}"
    source = f"{document.source}\n{document.path}"
    if before and before.content_hash == mark and before.source == source:
        return "unchanged"
    chunks = chunk(document)
    if not chunks:
        raise DocumentError(str(document.path), "não tem texto que se possa indexar")
    row = Document(
        document.id,
        root,
        source,
        mark,
        document.title,
        document.topic,
        document.marketplaces,
        utc_now().isoformat(timespec="seconds"),
    )
    catalog.replace(row, chunks)
    return "changed" if before else "added"
