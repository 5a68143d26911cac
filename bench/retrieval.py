"""Does retrieval find the right document? The hybrid against each leg alone and against RRF.

On the answerable questions of a split (``--split``, default test), every system ranks documents through the
same selection of passages. Intervals are percentile bootstraps over questions (2,000 resamples, paired:
the difference to the hybrid is taken question by question). A second row asks the same questions with
the accents stripped and one typing error each.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.extractive import wilson

# The legs are private to the retriever; only this comparison takes them apart.
from melancia.agent.memory import standalone
from melancia.agent.retriever import HybridRetriever, _fuse, _select
from melancia.knowledge_base import KnowledgeIndex
from melancia.records import Filters, Turn
from melancia.settings import PROJECT_DIR, load_settings
from melancia.text import fold, normalise

DEPTH = 10
RESAMPLES = 2000
RRF_CONSTANT = 60
_POOL = 50
Ranker = Callable[[str], list[str]]
Scores = dict[str, NDArray[np.float64]]


def questions(split: str) -> list[dict[str, Any]]:
    """The questions of a split, each with its ``query`` (references resolved)."""
    text = (PROJECT_DIR / "data" / "questions" / f"{split}.jsonl").read_text("utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    for item in found:
        history = [Turn(turn["question"], turn["answer"]) for turn in item["history"]]
        item["query"] = standalone(item["question"], history)
    return found


def rankers(retriever: HybridRetriever) -> dict[str, Ranker]:
    """Each system: a query → at most ``DEPTH`` passages' documents, without repeats, best first."""
    snapshot = retriever._current()

    def ranked(fused: Sequence[tuple[int, float]]) -> list[str]:
        chosen = _select(fused, snapshot, DEPTH)
        return list(dict.fromkeys(passage.document_id for passage in chosen))

    def dense(query: str) -> list[tuple[int, float]]:
        hits = retriever._legs(normalise(query), Filters(), snapshot).dense
        return [(snapshot.row_of[key], cosine) for key, cosine in hits if key in snapshot.row_of]

    def lexical(query: str) -> list[tuple[int, float]]:
        scores = snapshot.lexical.scores(normalise(query))
        rows = np.argsort(-scores, kind="stable")[:_POOL]
        return [(int(row), float(scores[row])) for row in rows if scores[row] > 0]

    def hybrid(query: str) -> list[str]:
        return ranked(_fuse(retriever._legs(normalise(query), Filters(), snapshot), snapshot))

    def rrf(query: str) -> list[str]:
        total: dict[int, float] = {}
        for leg in (dense(query), lexical(query)):
            for rank, (row, _) in enumerate(leg, 1):
                total[row] = total.get(row, 0.0) + 1 / (RRF_CONSTANT + rank)
        return ranked(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    return {
        "híbrida": hybrid,
        "só densa": lambda query: ranked(dense(query)),
        "só lexical": lambda query: ranked(lexical(query)),
        "RRF": rrf,
    }


def scored(rank: Ranker, items: Sequence[dict[str, Any]], change: Callable[[str], str]) -> Scores:
    """Per question: hit@1, hit@5, reciprocal rank and nDCG (binary relevance), all at document level."""
    rows = []
    for item in items:
        relevant = [document in item["gold"] for document in rank(change(item["query"]))][:DEPTH]
        first = relevant.index(True) if True in relevant else None
        gain = sum(1 / np.log2(place + 2) for place, hit in enumerate(relevant) if hit)
        best = sum(1 / np.log2(place + 2) for place in range(min(len(item["gold"]), DEPTH)))
        rows.append(
            (
                first == 0,
                first is not None and first < 5,
                0 if first is None else 1 / (first + 1),
                gain / best,
            )
        )
    table = np.asarray(rows, float)
    return dict(zip(("hit@1", "hit@5", "MRR@10", "nDCG@10"), table.T, strict=True))


def interval(values: NDArray[np.float64], generator: np.random.Generator) -> tuple[float, float]:
    """The central 95 % of the mean's bootstrap distribution."""
    picks = generator.integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def mistyped(query: str) -> str:
    """Without accents, and with two letters of the longest word exchanged; the same one every time."""
    words = fold(query).split()
    longest = max(range(len(words)), key=lambda place: len(words[place]))
    word = words[longest]
    if len(word) > 3:
        at = random.Random(query).randrange(1, len(word) - 2)
        words[longest] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def report(title: str, results: dict[str, Scores]) -> None:
    """Print one table: means with intervals, and the difference in MRR@10 to the hybrid."""
    generator = np.random.default_rng(0)
    base = results["híbrida"]["MRR@10"]
    print(f"\n{title} ({len(base)} perguntas; intervalos de 95 %)")
    head = "".join(f"{name:>22}" for name in next(iter(results.values())))
    print(f"{'sistema':<12}{head}   híbrida − sistema (MRR@10)")
    for name, scores in results.items():
        cells = ""
        for values in scores.values():
            low, high = interval(values, generator)
            cells += f"{values.mean():>9.3f} [{low:.2f}; {high:.2f}]"
        line = f"{name:<12}{cells}"
        if name != "híbrida":
            difference = base - scores["MRR@10"]
            low, high = interval(difference, generator)
            verdict = "" if low > 0 or high < 0 else "  não se distinguem"
            line += f"   {difference.mean():+.3f} [{low:+.2f}; {high:+.2f}]{verdict}"
        print(line)


def abstention(retriever: HybridRetriever, split: str) -> None:
    """Print how often the evidence threshold, calibrated on the index itself, is wrong each way."""
    refused: dict[bool, list[bool]] = {True: [], False: []}
    for item in questions(split):
        refused[bool(item["gold"])].append(not retriever.search(item["query"]).supported)
    missed = [not value for value in refused[False]]
    print(f"\n{split}: limiar de evidência (calibrado no índice, sem estas perguntas)")
    print(f"  recusas erradas (a base responde):        {wilson(sum(refused[True]), len(refused[True]))}")
    print(f"  aceitações erradas (a base não responde): {wilson(sum(missed), len(missed))}")


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    split = parser.parse_args().split
    with tempfile.TemporaryDirectory() as folder:
        index = KnowledgeIndex(load_settings(_env_file=None, data_dir=Path(folder)))
        index.ensure_ingested()
        print(f"Preparando o índice ({index.progress().documents} documentos)…", flush=True)
        index.compute_vectors()
        items = [item for item in questions(split) if item["gold"]]
        systems = rankers(index.retriever)
        for title, change in (("Como escritas", str), ("Sem acentos e com um erro", mistyped)):
            report(f"{split}: {title}", {name: scored(rank, items, change) for name, rank in systems.items()})
        abstention(index.retriever, split)
        index.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
