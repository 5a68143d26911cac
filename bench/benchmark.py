"""The benchmark's own cost: wall time against the ideal, and memory as questions grow.

Scripted models of known latency stand in for two own models, two of one cloud provider and one of another.
The ideal is what the slowest lane takes if nothing but its models' latency passes: own models one question at
a time, a cloud provider's as many at once as asked for. Search, scoring and writing are real, over
data/knowledge. Memory is the process's own, after a run of few questions and after one of many.
"""

import asyncio
import gc
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from langchain_core.language_models import BaseChatModel

from melancia.embeddings.local import LocalEmbeddings
from melancia.evals.evaluate import Evaluator
from melancia.experiments.plan import Options
from melancia.experiments.questions import Question, questions
from melancia.experiments.session import Parts, Session
from melancia.knowledge_base import KnowledgeIndex
from melancia.records import Variant
from melancia.settings import Settings, load_settings
from tests.standins.scripted import Scripted

FLOOR = 1.15
ASKED = 12
AT_ONCE = 4
OWN, CLOUD = 2.0, 3.0  # seconds an answer: quick for a model on a laptop, usual for a cloud
SECONDS = {
    Variant("ollama", "a"): OWN,
    Variant("ollama", "b"): OWN,
    Variant("openai", "gpt-4o-mini"): CLOUD,
    Variant("openai", "gpt-4o"): CLOUD,
    Variant("huggingface", "c"): CLOUD,
}
FEW, MANY = 40, 440
REPLY = (
    "O ACOS é o gasto em anúncios dividido pela receita atribuída a eles [1]. Um ACOS de 20% quer dizer que "
    "cada R$ 100,00 vendidos custaram R$ 20,00 de anúncio [1]. Compare-o com a margem de contribuição: acima "
    "dela, a venda dá prejuízo [2]."
)


def ideal() -> float:
    """Seconds of the slowest lane. A warm-up ends at the first token, half-way."""
    lanes: dict[str, float] = {}
    for variant, seconds in SECONDS.items():
        at_once = 1 if variant.provider == "ollama" else AT_ONCE
        lanes[variant.provider] = lanes.get(variant.provider, 0.0) + seconds * (ASKED / at_once + 0.5)
    return max(lanes.values())


def run(
    index: KnowledgeIndex, settings: Settings, asked: Sequence[Question], seconds: dict[Variant, float]
) -> float:
    """Seconds that a whole benchmark took."""

    def model(variant: Variant, _seed: int | None) -> BaseChatModel:
        return Scripted(say=lambda _question: REPLY, seconds=seconds[variant])

    parts = Parts(
        settings=settings,
        searcher=lambda: index.retriever,
        index_version=lambda: index.version,
        make_model=model,
        evaluator=Evaluator(LocalEmbeddings(), index.retriever.idf),
    )
    started = time.perf_counter()
    session = Session.begin(
        parts,
        settings.data_dir / "experiments",
        mode="full",
        variants=list(seconds),
        questions=asked,
        options=Options(concurrency=AT_ONCE),
    )
    stopped = asyncio.run(session.measure(lambda _step: True))
    took = time.perf_counter() - started
    answers = session.answers
    session.close()
    if stopped or len(answers) != len(asked) * len(seconds) or not all(one.scores for one in answers):
        raise RuntimeError("the benchmark did not go as scripted")
    return took


def many(count: int) -> list[Question]:
    """So many questions: those of the test split, again and again under other names."""
    known = questions("full")
    chosen = [known[number % len(known)] for number in range(count)]
    return [Question(f"q{n}", one.text, reference=one.reference) for n, one in enumerate(chosen)]


def resident() -> float:
    """MiB of this process."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> int:
    """Print both; 1 when the floor is missed."""
    logging.disable(logging.WARNING)  # nobody is there to unload the scripted models
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            _env_file=None, data_dir=Path(folder), ollama_base_url="http://127.0.0.1:9", openai_base_url=None
        )
        index = KnowledgeIndex(settings)
        index.ensure_ingested()
        print(f"Preparando o índice ({index.progress().chunks} trechos)…", flush=True)
        index.compute_vectors()
        run(index, settings, many(2), dict.fromkeys(SECONDS, 0.0))  # loads what is loaded once
        took, best = run(index, settings, many(ASKED), SECONDS), ideal()
        ratio = took / best
        print(
            f"Tempo: {took:.1f} s; ideal, a fila mais lenta: {best:.1f} s; razão {ratio:.3f} (piso {FLOOR})"
        )
        instant = {Variant("ollama", "a"): 0.0}
        run(index, settings, many(FEW), instant)
        before = resident()
        spent = run(index, settings, many(MANY), instant)
        after = resident()
        print(
            f"Memória: {before:.0f} MiB depois de {FEW} perguntas, {after:.0f} MiB depois de {MANY} "
            f"({(after - before) / (MANY - FEW) * 1024:.0f} KiB por pergunta); "
            f"{1000 * spent / MANY:.0f} ms por resposta sem o modelo"
        )
        index.close()
    return int(ratio > FLOOR)


if __name__ == "__main__":
    sys.exit(main())
