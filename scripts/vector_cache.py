"""Vectors kept between runs of tests and benchmarks, by content hash, in ``.cache`` (ignored by git).

Computing those of the whole knowledge base takes minutes; a changed text is computed anew all the same.
Delete the folder after the embedding package has changed.
"""

from pathlib import Path

from melancia.index.catalog import Catalog
from melancia.knowledge_base import KnowledgeIndex

CACHE = Path(__file__).parent.parent / ".cache" / "vectors.db"


def give(catalog: Catalog, model: str) -> None:
    """Put what is kept into ``catalog``."""
    if not CACHE.exists():
        return
    kept = Catalog(CACHE)
    _copy(kept, catalog, model)
    kept.close()


def keep(catalog: Catalog, model: str) -> None:
    """Keep the vectors of ``catalog`` for the next run."""
    kept = Catalog(CACHE)
    _copy(catalog, kept, model)
    kept.close()


def prepare(index: KnowledgeIndex) -> None:
    """Compute the vectors that are not kept, and keep them."""
    catalog = Catalog(index.folder / "catalog.db")
    give(catalog, index.embedding_model)
    index.compute_vectors()
    keep(catalog, index.embedding_model)
    catalog.close()


def _copy(source: Catalog, target: Catalog, model: str) -> None:
    hashes, matrix = source.vectors(model)
    if hashes:
        target.save_vectors(model, dict(zip(hashes, matrix.tolist(), strict=True)))
