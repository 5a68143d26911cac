"""Compute the vectors that are missing, a batch at a time, so that being killed loses one batch at most."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from langchain_core.embeddings import Embeddings

from melancia.index.catalog import Catalog

_BATCH = 16


def compute_missing(
    catalog: Catalog,
    embeddings: Embeddings,
    model: str,
    *,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Embed every chunk without a vector of ``model``; returns how many were computed.

    ``on_progress(done, total)`` after each batch; ``stopped()`` is asked between batches.
    """
    missing = catalog.missing(model)
    done = 0
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for start in range(0, len(missing), _BATCH):
            if stopped():
                break
            batch = missing[start : start + _BATCH]
            vectors = pool.map(lambda item: _embed(embeddings, item[1], item[2]), batch)
            hashes = [text_hash for text_hash, _, _ in batch]
            catalog.save_vectors(model, dict(zip(hashes, vectors, strict=True)))
            done += len(batch)
            if on_progress:
                on_progress(done, len(missing))
    return done


def _embed(embeddings: Embeddings, text: str, kind: str) -> list[float]:
    """A likely question is compared with questions, so it is embedded as one."""
    return embeddings.embed_query(text) if kind == "question" else embeddings.embed_documents([text])[0]
