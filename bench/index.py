"""What indexing costs: time and memory at 60, 600 and 6,000 documents of the size of our articles.

The documents are made of the real articles' sections, shuffled under new titles. Their vectors are random
unit vectors: computing real ones takes the same time a passage whatever the size, so that rate is measured
apart, on a sample, and multiplied. Each size runs in a process of its own, whose peak memory is read last.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings.local import LocalEmbeddings
from melancia.index.catalog import Catalog
from melancia.index.vectors import open_vectors
from melancia.knowledge.chunks import sections
from melancia.knowledge.ingest import ingest
from melancia.settings import PROJECT_DIR

SIZES = (60, 600, 6000)
MODEL = "local:enpt"
DIMENSIONS = 384
_SECTIONS = 9  # of one of our articles
_SAMPLE = 60  # passages in the embedding rate
_QUERIES = 100


def write_documents(folder: Path, count: int) -> None:
    """``count`` Markdown files with front matter and likely questions."""
    chance = random.Random(count)
    articles = sorted((PROJECT_DIR / "data" / "knowledge").glob("*.md"))
    pool = [part for path in articles for part in sections(path.read_text("utf-8").split("---\n", 2)[2])]
    for number in range(count):
        parts = chance.sample(pool, _SECTIONS)
        body = "\n\n".join(f"## {part.name} {number}\n\n{part.text}" for part in parts)
        asked = "\n".join(f'  - "{part.name} {number}?"' for part in parts)
        front = f"title: Documento {number}\ntopic: t{number % 17}\nmarketplace: [geral]\nquestions:\n{asked}"
        (folder / f"d{number:05}.md").write_text(f"---\n{front}\n---\n\n{body}\n", "utf-8")


def measure(count: int) -> dict[str, float]:
    """Index ``count`` documents and search them; seconds, and MiB at the peak."""
    found: dict[str, float] = {"documents": count}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "docs"
        folder.mkdir()
        write_documents(folder, count)
        catalog = Catalog(Path(place) / "index" / "catalog.db")
        started = time.perf_counter()
        ingest(catalog, [folder])
        found["reading"] = time.perf_counter() - started
        missing = [key for key, *_ in catalog.missing(MODEL)]
        found["chunks"] = catalog.counts(MODEL)[1]
        generator = np.random.default_rng(0)
        for start in range(0, len(missing), 5000):
            batch = missing[start : start + 5000]
            matrix = generator.normal(size=(len(batch), DIMENSIONS)).astype(np.float32)
            matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
            catalog.save_vectors(MODEL, dict(zip(batch, matrix, strict=True)))
        started = time.perf_counter()
        vectors = open_vectors(Path(place) / "index" / "chroma", catalog, MODEL)
        found["vectors"] = time.perf_counter() - started
        retriever = HybridRetriever(
            catalog=catalog, embeddings=LocalEmbeddings(), embedding_model=MODEL, vectors=vectors
        )
        started = time.perf_counter()
        retriever.refresh()
        found["lexical"] = time.perf_counter() - started
        text = (PROJECT_DIR / "data" / "questions" / "dev.jsonl").read_text("utf-8")
        asked = [json.loads(line)["question"] for line in text.splitlines()][:_QUERIES]
        retriever.search(asked[0])
        times = []
        for question in asked:
            started = time.perf_counter()
            retriever.search(question)
            times.append(time.perf_counter() - started)
        found["p50"], found["p95"] = (float(q) for q in np.percentile(times, [50, 95]))
        started = time.perf_counter()
        ingest(catalog, [folder])
        found["again"] = time.perf_counter() - started
        vectors.close()
        catalog.close()
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def embedding_rate() -> float:
    """Real passages a second, one thread, on a sample of the knowledge base."""
    with tempfile.TemporaryDirectory() as place:
        catalog = Catalog(Path(place) / "catalog.db")
        ingest(catalog, [PROJECT_DIR / "data" / "knowledge"])
        chunks = [chunk for chunk in catalog.chunks() if chunk.kind == "passage"]
        catalog.close()
    model = LocalEmbeddings()
    sample = random.Random(0).sample(chunks, _SAMPLE)
    model.embed_documents([sample[0].embed_text])
    started = time.perf_counter()
    model.embed_documents([chunk.embed_text for chunk in sample])
    return _SAMPLE / (time.perf_counter() - started)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return 0
    rate = embedding_rate()
    print(f"Vetores de verdade: {rate:.1f} trechos por segundo em uma linha de execução.")
    print(
        f"{'documentos':>10}{'trechos':>9}{'leitura':>10}{'vetores*':>10}{'Chroma':>9}{'lexical':>9}"
        f"{'reler':>8}{'busca p50':>11}{'p95':>9}{'memória':>11}"
    )
    for size in given.sizes:
        done = subprocess.run(
            [sys.executable, "-m", "bench.index", "--one", str(size)], check=True, stdout=subprocess.PIPE
        )
        row = json.loads(done.stdout)
        print(
            f"{row['documents']:>10.0f}{row['chunks']:>9.0f}{row['reading']:>8.1f} s"
            f"{row['chunks'] / rate / 60:>6.0f} min{row['vectors']:>7.1f} s{row['lexical']:>7.1f} s"
            f"{row['again']:>6.1f} s{row['p50'] * 1000:>8.0f} ms{row['p95'] * 1000:>6.0f} ms"
            f"{row['memory']:>7.0f} MiB",
            flush=True,
        )
    print("* calculado pela taxa acima; no resto, vetores aleatórios no lugar dos de verdade.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
