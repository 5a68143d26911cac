"""Write the vectors that come with the project: those of ``data/knowledge``, computed where missing."""

import sys
import tempfile
from pathlib import Path

from melancia.embeddings.local import LocalEmbeddings
from melancia.index import ready_vectors
from melancia.index.catalog import Catalog
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import ingest
from melancia.settings import PROJECT_DIR

MODEL = "local:enpt"


def main() -> int:
    """Say how many there are, and how many were computed."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog.db")
        ingest(catalog, [PROJECT_DIR / "data" / "knowledge"])
        ready_vectors.lend(catalog, MODEL)
        computed = compute_missing(catalog, LocalEmbeddings(), MODEL, threads=2)
        names, matrix = catalog.vectors(MODEL)
        catalog.close()
    file = ready_vectors.file_of(MODEL)
    ready_vectors.write(file, dict(zip(names, matrix, strict=True)))
    print(f"{file.relative_to(PROJECT_DIR)}: {len(names)} vetores, {computed} calculados agora.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
