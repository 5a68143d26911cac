"""What the answer cache hits, rightly and wrongly, on the labelled pairs of ``data/cache``; its cost in time.

A lookup asks one question of a cache that holds every cached question of its split. Served with another
question's answer, it is a false hit: for a negative, any hit; for a positive, a hit on another base. The
threshold is the highest at which, on dev, at most ``BUDGET`` of all lookups are false hits and at least
``KEPT`` of the right hits that the guard alone would give are kept. Intervals are Wilson's, 95 %.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from langchain_core.embeddings import Embeddings

from bench.extractive import wilson
from melancia.agent.cache import THRESHOLDS, AnswerCache, open_cache
from melancia.agent.cache_entry import CacheKey
from melancia.agent.cache_guard import difference
from melancia.agent.cache_place import CachePlace
from melancia.embeddings.local import LocalEmbeddings
from melancia.records import Answer, Assignment, FinishReason, Interaction, Variant
from melancia.settings import PROJECT_DIR

BUDGET = 0.01
KEPT = 0.95
MODEL = "local:enpt"
SIZES = (1000, 10_000)
_GRID = [round(0.80 + step / 100, 2) for step in range(20)]
_PAIRS = PROJECT_DIR / "data" / "cache" / "pairs.jsonl"
_VARIANT = Variant("extractive", "extractive")
_KEY = CacheKey.of(_VARIANT, "bench")
_LOOKUPS = 200


@dataclass(frozen=True, slots=True)
class Lookup:
    """A labelled pair with its question's neighbours: (cosine, base, what the guard says), best first."""

    pair: dict[str, Any]
    neighbours: tuple[tuple[float, str, str], ...]

    def served(self, threshold: float, *, guarded: bool) -> str:
        """The base whose answer is served; "" on a miss."""
        for cosine, base, why in self.neighbours:
            if cosine < threshold:
                break
            if not guarded or not why:
                return base
        return ""

    def false(self, threshold: float, *, guarded: bool) -> bool:
        """Whether another question's answer is served."""
        served = self.served(threshold, guarded=guarded)
        return bool(served) and (not self.pair["same"] or served != self.pair["base"])

    def right(self, threshold: float, *, guarded: bool) -> bool:
        """Whether its own answer is served."""
        return bool(self.pair["same"]) and self.served(threshold, guarded=guarded) == self.pair["base"]


def read_pairs(split: str) -> list[dict[str, Any]]:
    """The labelled pairs of a split."""
    rows = [json.loads(line) for line in _PAIRS.read_text("utf-8").splitlines()]
    return [row for row in rows if row["split"] == split]


def lookups(pairs: list[dict[str, Any]], model: Embeddings) -> list[Lookup]:
    """Every pair looked up among all cached questions of its split."""
    bases = {row["base"]: row["cached"] for row in pairs}
    stored = np.array([model.embed_query(text) for text in bases.values()])
    found = []
    for row in pairs:
        cosines = stored @ np.array(model.embed_query(row["asked"]))
        near = sorted(zip(cosines.tolist(), bases, strict=True), reverse=True)[:8]
        found.append(
            Lookup(row, tuple((cos, base, difference(row["asked"], bases[base])) for cos, base in near))
        )
    return found


def choose(found: list[Lookup]) -> float:
    """The highest threshold that keeps to the budget and loses next to none of the guard's right hits."""
    best = _GRID[0]
    most = sum(item.right(best, guarded=True) for item in found)
    for threshold in _GRID:
        false = sum(item.false(threshold, guarded=True) for item in found)
        right = sum(item.right(threshold, guarded=True) for item in found)
        if false <= BUDGET * len(found) and right >= KEPT * most:
            best = threshold
    return best


def report(name: str, found: list[Lookup], threshold: float) -> None:
    """Print hits by kind, with and without the guard."""
    print(f"\n{name}, limiar {threshold:.2f}".replace(".", ","))
    print(f"{'':<24}{'com a guarda':>32}{'só o cosseno':>32}")
    for same, title in ((True, "acertos em paráfrases"), (False, "acertos indevidos")):
        kinds: dict[str, list[Lookup]] = defaultdict(list)
        for item in found:
            if item.pair["same"] is same:
                kinds[item.pair["kind"]].append(item)
        everything = [item for items in kinds.values() for item in items]
        hard = [item for item in everything if item.pair["kind"] != "unrelated"]
        groups = {title: everything} | ({} if same else {"difíceis": hard}) | dict(sorted(kinds.items()))
        for group, items in groups.items():
            print(f"{group:<24}" + "".join(f"{_share(items, threshold, same, g):>32}" for g in (True, False)))
        if same:
            for guarded in (True, False):
                wrong = sum(item.false(threshold, guarded=guarded) for item in everything)
                print(f"paráfrases com a resposta de outra, {'com' if guarded else 'sem'} guarda: {wrong}")


def _share(items: Iterable[Lookup], threshold: float, same: bool, guarded: bool) -> str:
    outcomes = [
        item.right(threshold, guarded=guarded) if same else item.false(threshold, guarded=guarded)
        for item in items
    ]
    return wilson(sum(outcomes), len(outcomes))


def natural(model: Embeddings, threshold: float) -> None:
    """Print who is served whom among questions that nobody wrote for the cache: each against all others."""
    asked = []
    for path in sorted((PROJECT_DIR / "data" / "knowledge").glob("*.md")):
        asked += yaml.safe_load(path.read_text("utf-8").split("---\n")[1]).get("questions", [])
    lines = (PROJECT_DIR / "data" / "questions" / "dev.jsonl").read_text("utf-8").splitlines()
    asked += [row["question"] for row in map(json.loads, lines) if not row["history"]]
    asked = list(dict.fromkeys(asked))
    matrix = np.array([model.embed_query(text) for text in asked], np.float32)
    cosines = matrix @ matrix.T
    near = served = 0
    print(f"\n{len(asked)} perguntas da base e do conjunto dev, cada uma contra todas as outras:")
    for row, text in enumerate(asked):
        order = [other for other in np.argsort(-cosines[row])[:9] if other != row]
        near += cosines[row, order[0]] >= threshold
        hits = [o for o in order if cosines[row, o] >= threshold and not difference(text, asked[o])]
        served += bool(hits)
        if hits:
            print(f"  {cosines[row, hits[0]]:.3f}  {text}  ←  {asked[hits[0]]}")
    print(f"  com a guarda {wilson(served, len(asked))}; só o cosseno {wilson(near, len(asked))}")


class _Random(Embeddings):
    """Unit vectors that depend on the text alone: what a lookup costs beside the embedding."""

    def embed_query(self, text: str) -> list[float]:
        """A random unit vector (384)."""
        vector = np.random.default_rng(abs(hash(text)) % 2**32).normal(size=384)
        return [float(value) for value in vector / np.linalg.norm(vector)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Those of several texts."""
        return [self.embed_query(text) for text in texts]


def _answered(question: str) -> Interaction:
    return Interaction(
        user_id="u",
        conversation_id="c",
        question=question,
        assignment=Assignment(_VARIANT),
        exposure=_VARIANT,
        index_version="bench",
        answer=Answer(text="Resposta [1].", citations=(1,), finish_reason=FinishReason.STOP),
    )


def timing(size: int) -> None:
    """Print what finding and keeping cost with ``size`` entries, embeddings apart."""
    stored: dict[str, Interaction] = {}
    with tempfile.TemporaryDirectory() as place:
        place_of = CachePlace(Path(place) / "chroma", "random")
        cache = AnswerCache(place_of, _Random(), stored.get, threshold=0.9, capacity=size)
        cache.ready()
        keeping = []
        for number in range(_LOOKUPS):
            interaction = _answered(f"Qual a resposta da pergunta de número {number} do banco?")
            stored[interaction.id] = interaction
            started = time.perf_counter()
            cache.keep(_KEY, interaction)
            keeping.append(time.perf_counter() - started)
        # Keeping one by one takes minutes; the rest are copies under new questions, put in at once.
        place_of.use(lambda chroma: _fill(chroma, size - _LOOKUPS), None)
        if cache.count() != size:
            raise RuntimeError("the cache lost entries")
        exact = _times(cache, [item.question for item in stored.values()])
        missed = _times(cache, [f"Outra pergunta, a {number}?" for number in range(_LOOKUPS)])
        cache.close()
    print(
        f"{size:>7} respostas: acerto exato p50 {_ms(exact, 50)}, p95 {_ms(exact, 95)}; falta (exata e "
        f"semântica) p50 {_ms(missed, 50)}, p95 {_ms(missed, 95)}; guardar p50 {_ms(keeping, 50)}"
    )


def _fill(chroma: Any, count: int) -> None:
    row = chroma.get(limit=1, include=["metadatas"])["metadatas"][0]
    texts = [f"Pergunta {number}" for number in range(count)]
    for start in range(0, count, 5000):
        batch = texts[start : start + 5000]
        vectors = _Random().embed_documents(batch)
        chroma.add(ids=batch, embeddings=vectors, metadatas=[{**row, "question": text} for text in batch])


def _times(cache: AnswerCache, questions: list[str]) -> list[float]:
    times = []
    for question in questions:
        started = time.perf_counter()
        cache.find(_KEY, question)
        times.append(time.perf_counter() - started)
    return times


def _ms(seconds: list[float], percentile: int) -> str:
    return f"{np.percentile(seconds, percentile) * 1000:.1f} ms".replace(".", ",")


def through_chroma(pairs: list[dict[str, Any]], model: Embeddings) -> tuple[int, int]:
    """(right hits, false hits) of the same lookups through the cache itself."""
    stored: dict[str, Interaction] = {}
    right = false = 0
    with tempfile.TemporaryDirectory() as place:
        cache = open_cache(Path(place) / "chroma", MODEL, model, stored.get)
        cache.ready()
        base_of = {}
        for base, text in {row["base"]: row["cached"] for row in pairs}.items():
            interaction = _answered(text)
            stored[interaction.id], base_of[interaction.id] = interaction, base
            cache.keep(_KEY, interaction)
        for row in pairs:
            hit = cache.find(_KEY, row["asked"])
            if hit is not None:
                own = row["same"] and base_of[hit.interaction.id] == row["base"]
                right, false = right + own, false + (not own)
        cache.close()
    return right, false


def main() -> int:
    """Print the tables. The test split is looked at once, at the end, with the threshold in use."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    given = parser.parse_args()
    model = LocalEmbeddings()
    used = THRESHOLDS[MODEL]
    dev = lookups(read_pairs("dev"), model)
    print(
        f"Limiar pelo orçamento de {BUDGET:.0%} no dev: {choose(dev):.2f}; em uso: {used:.2f}".replace(
            ".", ","
        )
    )
    report("dev", dev, used)
    if given.split == "test":
        pairs = read_pairs("test")
        found = lookups(pairs, model)
        report("test", found, used)
        right, false = through_chroma(pairs, model)
        print(f"as mesmas consultas pelo cache de verdade: {right} acertos, {false} indevidos")
    natural(model, used)
    started = time.perf_counter()
    for row in read_pairs("dev")[:100]:
        model.embed_query(row["asked"])
    print(f"\nvetor de uma pergunta: {(time.perf_counter() - started) * 10:.1f} ms".replace(".", ","))
    for size in given.sizes:
        timing(size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
