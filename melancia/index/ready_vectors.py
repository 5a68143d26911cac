"""Vectors that come with the project, so that its own knowledge base needs no minutes of computing at first.

A file holds those of one embedding model by the hash of their text: a text that was changed has another hash
and is computed as ever. ``python -m scripts.ready_vectors`` (``make vectors``) writes it.
"""

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melancia.index.catalog import Catalog
from melancia.settings import PROJECT_DIR

logger = logging.getLogger(__name__)

FOLDER = PROJECT_DIR / "data" / "vectors"


def file_of(model: str, folder: Path = FOLDER) -> Path:
    """Where the vectors of ``model`` (as in MELANCIA_EMBEDDING_MODEL) are."""
    return folder / f"{model.replace(':', '-').replace('/', '-')}.npz"


def write(file: Path, vectors: Mapping[str, NDArray[np.float32]]) -> None:
    """Keep ``vectors`` (hash of the text → vector) in half precision: a cosine changes by less than 0.001."""
    hashes = sorted(vectors)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        file,
        hashes=np.array(hashes, dtype=str),
        vectors=np.stack([vectors[name] for name in hashes]).astype(np.float16),
    )


def lend(catalog: Catalog, model: str, folder: Path = FOLDER) -> int:
    """Give ``catalog`` those of its missing vectors that are ready; how many. A bad file lends none."""
    file = file_of(model, folder)
    if not file.exists():
        return 0
    missing = {text_hash for text_hash, _, _ in catalog.missing(model)}
    if not missing:
        return 0
    try:
        with np.load(file, allow_pickle=False) as kept:
            names, matrix = kept["hashes"].tolist(), kept["vectors"].astype(np.float32)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        logger.warning("%s cannot be read, its vectors are computed: %s", file, error)
        return 0
    found = {name: row for name, row in zip(names, matrix, strict=False) if name in missing}
    if found:
        catalog.save_vectors(model, found)
    return len(found)
