"""The catalog of the knowledge index: documents, chunks and vectors by content hash, in one SQLite file.

It is the truth about what is indexed; Chroma is made from it and can be thrown away. Everything here can
be rebuilt from the documents, so a file of another schema version is simply started afresh.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from melancia.errors import KnowledgeError
from melancia.records import new_id

SCHEMA_VERSION = "2"

_meta = sa.MetaData()
_documents = sa.Table(
    "documents",
    _meta,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("root", sa.Text, nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("marketplaces", sa.JSON, nullable=False),
    sa.Column("indexed_at", sa.Text, nullable=False, server_default=""),
)
_chunks = sa.Table(
    "chunks",
    _meta,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("document_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("section", sa.Text, nullable=False),
    sa.Column("section_text", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("embed_text", sa.Text, nullable=False),
    sa.Column("text_hash", sa.Text, nullable=False, index=True),
)
_vectors = sa.Table(
    "vectors",
    _meta,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("text_hash", sa.Text, primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
)
_facts = sa.Table(
    "facts", _meta, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece to be found: ``kind`` is "passage", or "question" (a likely question of its document)."""

    id: str
    document_id: str
    ordinal: int
    kind: str
    section: str
    section_text: str
    text: str
    embed_text: str
    text_hash: str


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of an indexed document.

    ``root`` is the folder, file or address that it was ingested from; ``source`` holds the reference shown to
    readers and, on a second line, the path; ``indexed_at`` is an ISO 8601 instant in UTC.
    """

    id: str
    root: str
    source: str
    content_hash: str
    title: str
    topic: str
    marketplaces: tuple[str, ...]
    indexed_at: str = ""

    @property
    def path(self) -> str:
        """The file or address that it was read from."""
        return self.source.partition("\n")[2]

    @property
    def reference(self) -> str:
        """Where readers are sent."""
        return self.source.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a document adds to the index: passages and likely questions."""

    passages: int
    questions: int


class Catalog:
    """Documents and chunks in SQLite (WAL). Thread-safe; several processes may read and write."""

    def __init__(self, path: Path) -> None:
        """Raises KnowledgeError when it cannot be opened."""
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        sa.event.listen(self._engine, "connect", _configure)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare()
        except (OSError, sa.exc.DBAPIError) as error:
            self.close()
            raise KnowledgeError(
                f"O índice em {path} não pôde ser aberto.",
                "Se está danificado, apague essa pasta, que é refeita; se não, confira MELANCIA_DATA_DIR.",
            ) from error

    def _prepare(self) -> None:
        with self._engine.begin() as db:
            _meta.create_all(db)
        found = self.fact("schema")
        with self._engine.begin() as db:
            if found == "1":
                db.execute(sa.text("ALTER TABLE documents ADD COLUMN indexed_at TEXT NOT NULL DEFAULT ''"))
            elif found not in {None, SCHEMA_VERSION}:
                _meta.drop_all(db)
                _meta.create_all(db)
        self.set_fact("schema", SCHEMA_VERSION)

    def fact(self, name: str) -> str | None:
        """A named value kept beside the documents (version, calibration), or None."""
        with self._engine.connect() as db:
            return db.scalar(sa.select(_facts.c.value).where(_facts.c.name == name))

    def set_fact(self, name: str, value: str) -> None:
        """Store a named value."""
        with self._engine.begin() as db:
            _set_fact(db, name, value)

    @property
    def version(self) -> str:
        """Changes whenever a document or chunk changes; "" while nothing was ever indexed."""
        return self.fact("version") or ""

    def roots(self) -> list[str]:
        """Folders that were ingested, whether or not documents remain."""
        with self._engine.connect() as db:
            names = db.scalars(sa.select(_facts.c.name).where(_facts.c.name.startswith("root:")))
            return sorted(name.removeprefix("root:") for name in names)

    def documents(self, root: str | None = None) -> list[Document]:
        """The indexed documents, all or those of one root, by id."""
        query = sa.select(_documents).order_by(_documents.c.id)
        if root is not None:
            query = query.where(_documents.c.root == root)
        with self._engine.connect() as db:
            rows = db.execute(query).mappings().all()
        return [Document(**{**row, "marketplaces": tuple(row["marketplaces"])}) for row in rows]

    def replace(self, document: Document, chunks: Sequence[Chunk]) -> None:
        """Put a document with its chunks in place of what was there, in one transaction."""
        values = {name: getattr(document, name) for name in Document.__slots__}
        with self._engine.begin() as db:
            db.execute(sa.delete(_documents).where(_documents.c.id == document.id))
            db.execute(sa.insert(_documents).values({**values, "marketplaces": list(document.marketplaces)}))
            if chunks:
                rows = [{name: getattr(chunk, name) for name in Chunk.__slots__} for chunk in chunks]
                db.execute(sa.insert(_chunks), rows)
            _set_fact(db, f"root:{document.root}", "1")
            _set_fact(db, "version", new_id())

    def remove(self, ids: Iterable[str]) -> None:
        """Delete documents and their chunks."""
        with self._engine.begin() as db:
            for id_ in ids:
                db.execute(sa.delete(_documents).where(_documents.c.id == id_))
            _set_fact(db, "version", new_id())

    def forget(self, root: str) -> None:
        """Delete what came from ``root``, and that it was ever ingested."""
        with self._engine.begin() as db:
            db.execute(sa.delete(_documents).where(_documents.c.root == root))
            db.execute(sa.delete(_facts).where(_facts.c.name == f"root:{root}"))
            _set_fact(db, "version", new_id())

    def contributions(self) -> dict[str, Contribution]:
        """What each document adds, by document id."""
        passage = _chunks.c.kind == "passage"
        query = sa.select(
            _chunks.c.document_id,
            sa.func.sum(sa.case((passage, 1), else_=0)),
            sa.func.sum(sa.case((passage, 0), else_=1)),
        ).group_by(_chunks.c.document_id)
        with self._engine.connect() as db:
            return {row[0]: Contribution(*row[1:]) for row in db.execute(query)}

    def chunks(self) -> list[Chunk]:
        """Every chunk, by document and position."""
        query = sa.select(_chunks).order_by(_chunks.c.document_id, _chunks.c.kind, _chunks.c.ordinal)
        with self._engine.connect() as db:
            return [Chunk(**row) for row in db.execute(query).mappings()]

    def counts(self, model: str) -> tuple[int, int, int]:
        """(documents, chunks, chunks that have a vector of ``model``)."""
        have = sa.select(_vectors.c.text_hash).where(_vectors.c.model == model)
        with self._engine.connect() as db:
            documents = db.scalar(sa.select(sa.func.count()).select_from(_documents)) or 0
            chunks = db.scalar(sa.select(sa.func.count()).select_from(_chunks)) or 0
            done = db.scalar(
                sa.select(sa.func.count()).select_from(_chunks).where(_chunks.c.text_hash.in_(have))
            )
        return documents, chunks, done or 0

    def missing(self, model: str) -> list[tuple[str, str, str]]:
        """(text hash, text, kind) of the chunks without a vector of ``model``, likely questions first."""
        have = sa.select(_vectors.c.text_hash).where(_vectors.c.model == model)
        query = (
            sa.select(_chunks.c.text_hash, sa.func.min(_chunks.c.embed_text), sa.func.min(_chunks.c.kind))
            .where(_chunks.c.text_hash.not_in(have))
            .group_by(_chunks.c.text_hash)
            .order_by(sa.func.min(_chunks.c.kind).desc(), sa.func.min(_chunks.c.ordinal))
        )
        with self._engine.connect() as db:
            return [(row[0], row[1], row[2]) for row in db.execute(query)]

    def save_vectors(self, model: str, vectors: Mapping[str, Sequence[float] | NDArray[np.float32]]) -> None:
        """Keep vectors by the hash of their text; one that is there already stays."""
        rows = [
            {"model": model, "text_hash": key, "vector": np.asarray(vector, "<f4").tobytes()}
            for key, vector in vectors.items()
        ]
        with self._engine.begin() as db:
            db.execute(sa.insert(_vectors).prefix_with("OR IGNORE"), rows)

    def vectors(self, model: str) -> tuple[list[str], NDArray[np.float32]]:
        """(text hashes, matrix n × d) of ``model``."""
        query = sa.select(_vectors.c.text_hash, _vectors.c.vector).where(_vectors.c.model == model)
        with self._engine.connect() as db:
            rows = db.execute(query).all()
        if not rows:
            return [], np.zeros((0, 0), np.float32)
        return [row[0] for row in rows], np.stack([np.frombuffer(row[1], "<f4") for row in rows])

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _set_fact(db: sa.Connection, name: str, value: str) -> None:
    db.execute(sa.insert(_facts).prefix_with("OR REPLACE").values(name=name, value=value))


def _configure(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
