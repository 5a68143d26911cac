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
            vectors = pool.map(lambda item: embeddings.embed_documents([item[1]])[0], batch)
            hashes = [text_hash for text_hash, _ in batch]
            catalog.save_vectors(model, dict(zip(hashes, vectors, strict=True)))
            done += len(batch)
            if on_progress:
                on_progress(done, len(missing))
    return done
