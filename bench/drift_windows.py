"""What reading a drift window costs: time and memory at 1,000, 10,000, 100,000 and 200,000 interactions.

The store is SQLite, its rows are made of real questions and of real articles' sections, so that a row is as
large as one of ours; every question differs, so that none is embedded for another. Each size runs in a
process of its own, whose peak memory is read last. The last size is above the limit: what sampling costs.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from melancia.embeddings.local import LocalEmbeddings
from melancia.knowledge.chunks import sections
from melancia.mlops.drift.gaps import gaps
from melancia.mlops.drift.topics import assign_topics
from melancia.mlops.drift.windows import read_window
from melancia.records import (
    Answer,
    Assignment,
    FinishReason,
    Interaction,
    Passage,
    Usage,
    Variant,
    content_hash,
)
from melancia.settings import PROJECT_DIR, load_settings
from melancia.store import Store
from melancia.store.database import open_engine
from melancia.store.rows import interaction_row
from melancia.store.tables import interactions

SIZES = (1_000, 10_000, 100_000, 200_000)
_START = datetime(2026, 11, 1, tzinfo=UTC)
_WINDOW = timedelta(days=7)
_BATCH = 2000
_MODEL = Variant("ollama", "llama3.1:8b")


def fill(url: str, count: int) -> None:
    """Put ``count`` interactions of a week into an empty database."""
    engine = open_engine(url)
    rows = _rows(count)
    with engine.begin() as connection:
        while batch := [row for _, row in zip(range(_BATCH), rows, strict=False)]:
            connection.execute(interactions.insert(), batch)
    engine.dispose()


def _rows(count: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(count)
    asked = [
        json.loads(line)["question"]
        for name in ("dev", "test")
        for line in (PROJECT_DIR / "data" / "questions" / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]
    passages = list(_passages())
    for number in range(count):
        found = chance.sample(passages, 5)
        refused = chance.random() < 0.05
        row = interaction_row(
            Interaction(
                user_id=f"usuario-{chance.randrange(count // 10 + 1)}",
                conversation_id=f"c{number}",
                question=f"{chance.choice(asked)} (loja {number})",
                assignment=Assignment(_MODEL),
                id=content_hash(number, 32),
                created_at=_START + _WINDOW * (number / count),
                passages=tuple(found),
                exposure=None if refused else _MODEL,
                answer=Answer(
                    text="Não encontrei isso na base." if refused else f"{found[0].text[:700]} [1]",
                    citations=() if refused else (1,),
                    refused=refused,
                    usage=Usage(2000, 200),
                    time_to_first_token=chance.lognormvariate(0, 0.5),
                    total_time=chance.lognormvariate(2, 0.5),
                    cost=0.0,
                    finish_reason=FinishReason.STOP,
                ),
            )
        )
        yield row


def _passages() -> Iterator[Passage]:
    for path in sorted((PROJECT_DIR / "data" / "knowledge").glob("*.md")):
        for place, part in enumerate(sections(path.read_text("utf-8").split("---\n", 2)[2])):
            yield Passage(
                1, 0.9, path.stem, f"{path.stem}#{place}", path.stem, part.name, part.text, part.text[:500],
                "metricas", ("geral",), path.name,
            )  # fmt: skip


def measure(count: int) -> dict[str, float]:
    """Fill a store, read it, find its topics; seconds, and MiB at the peak."""
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/melancia.db"
        # Elsewhere: its memory is not the reader's.
        subprocess.run([sys.executable, "-m", "bench.drift_windows", "--fill", url, str(count)], check=True)
        settings = load_settings(data_dir=Path(place))
        store = Store.open(url)
        embeddings = LocalEmbeddings()
        embeddings.embed_query("aquecer")
        found: dict[str, float] = {"interactions": count, "store": Path(place, "melancia.db").stat().st_size}
        until = _START + _WINDOW
        clock = time.perf_counter
        started = clock()
        read_window(store, settings, _START, until, embeddings=embeddings, sample=0, scored=0)
        found["rows"] = clock() - started
        started = clock()
        window = read_window(store, settings, _START, until, embeddings=embeddings)
        found["whole"] = clock() - started
        found["read"], found["sampled"] = len(window), len(window.sampled)
        found["grounded"] = int(window.frame["groundedness"].notna().sum())
        started = clock()
        assign_topics(store, window, window, settings.embedding_model)
        found["topics"] = clock() - started
        started = clock()
        gaps(window)
        found["gaps"] = clock() - started
        store.close()
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.fill[0], int(given.fill[1]))
        return 0
    if given.one:
        print(json.dumps(measure(given.one)))
        return 0
    print(
        f"{'interações':>10}{'lidas':>9}{'banco':>10}{'linhas':>9}{'janela':>9}{'vetores':>9}{'apoio':>7}"
        f"{'assuntos*':>11}{'lacunas':>9}{'memória':>10}"
    )
    for size in given.sizes:
        done = subprocess.run(
            [sys.executable, "-m", "bench.drift_windows", "--one", str(size)],
            check=True,
            stdout=subprocess.PIPE,
        )
        row = json.loads(done.stdout)
        print(
            f"{row['interactions']:>10.0f}{row['read']:>9.0f}{row['store'] / 2**20:>6.0f} MiB"
            f"{row['rows']:>7.1f} s{row['whole']:>7.1f} s{row['sampled']:>9.0f}{row['grounded']:>7.0f}"
            f"{row['topics']:>9.1f} s{row['gaps']:>7.1f} s{row['memory']:>6.0f} MiB",
            flush=True,
        )
    print(
        "* de duas janelas desse tamanho, na primeira vez; a janela inteira inclui linhas, vetores e apoio."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
