"""What an experiment costs a user: the assistant that routes against one that does not, and one that forgets.

Both search data/knowledge, by words alone, and stream the same instant scripted model to 50 users at once.
One takes its route from a running experiment in a real store, one has a fixed route, and both record every
question there; the third has a fixed route too and keeps nothing. They take turns, round by round.

Two loads. With pauses: each user reads an answer before the next question (exponential, ``READING`` seconds
in the mean, still far faster than people read), which is what 50 users at once are. Without: all 50 ask in
the same instant, again and again; the processor is then always full, so by Little's law the time of an answer
is 50 times its processor time, and says how much a machine can take, not what a user waits for.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.assistant import QUESTIONS, REPLY, VARIANT, Instant
from melancia.agent.assistant import Assistant, Recorder
from melancia.agent.router import Route
from melancia.experiments.asking import Unrecorded
from melancia.knowledge_base import KnowledgeIndex
from melancia.mlops import policies
from melancia.records import Arm, Assignment, Finished, Policy, Variant, new_id
from melancia.routes import Routes
from melancia.settings import load_settings
from melancia.store import Store

USERS, ROUNDS = 50, 12
READING, SPELLS, SPELL = 2.0, 6, 12.0  # seconds of reading; how often each system is used, and for how long
MOST = 0.015  # seconds that routing and recording may add to the p95
OTHER = Variant("extractive", "other", context_window=None)


def assistant(index: KnowledgeIndex, settings: Any, recorder: Recorder, route: Any) -> Assistant:
    """The assistant with an instant model."""
    return Assistant(
        settings=settings,
        recorder=recorder,
        retriever=lambda: index.retriever,
        index_version=lambda: index.version,
        route=route,
        make_model=lambda _variant: Instant(),
    )


async def crowd(asked: Assistant, questions: Sequence[str], round_: int) -> list[float]:
    """Seconds of each user's whole answer, all at once. Raises RuntimeError when one is not whole."""

    return await asyncio.gather(
        *(answered(asked, questions[(round_ + user) % len(questions)], user) for user in range(USERS))
    )


async def readers(asked: Assistant, questions: Sequence[str], spell: int) -> list[float]:
    """Seconds of each whole answer while the users ask, read and ask again for ``SPELL`` seconds."""
    end = time.perf_counter() + SPELL

    async def one(user: int) -> list[float]:
        # The same pauses for every system.
        chance = np.random.default_rng([spell, user])
        taken: list[float] = []
        while True:
            await asyncio.sleep(chance.exponential(READING))
            if time.perf_counter() >= end:
                return taken
            taken.append(await answered(asked, questions[(user + len(taken)) % len(questions)], user))

    return [value for taken in await asyncio.gather(*(one(user) for user in range(USERS))) for value in taken]


async def answered(asked: Assistant, question: str, user: int) -> float:
    """Seconds until the whole answer is there. Raises RuntimeError when it is not whole."""
    started, text = time.perf_counter(), ""
    async for event in asked.ask(question, user=f"u{user}", conversation=new_id()):
        if isinstance(event, Finished):
            text = event.interaction.answer.text
    if text != " ".join(REPLY).strip():
        raise RuntimeError("an answer was lost")
    return time.perf_counter() - started


def p95(values: Sequence[float]) -> float:
    """Their 95th percentile."""
    return float(np.percentile(values, 95))


def report(title: str, times: Mapping[str, Sequence[Sequence[float]]]) -> float:
    """Print a table; what routing and recording add to the p95, the median over the rounds, in seconds."""
    print(title)
    for name, rounds in times.items():
        values = [value for part in rounds for value in part]
        middle = float(np.median(values))
        print(
            f"{name:<16} p50 {1000 * middle:7.1f}  p95 {1000 * p95(values):7.1f}  ({len(values)} respostas)"
        )
    tails = {name: np.array([p95(part) for part in rounds]) for name, rounds in times.items()}
    routing = float(np.median(tails["com experimento"] - tails["sem experimento"]))
    both = float(np.median(tails["com experimento"] - tails["não grava"]))
    print(f"a mais no p95, mediana das rodadas: distribuir {1000 * routing:.1f} ms, ", end="")
    print(f"distribuir e gravar {1000 * both:.1f} ms\n")
    return both


async def main() -> int:
    """Print the tables; 1 when routing and recording cost users more than they may, or an answer was lost."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(_env_file=None, data_dir=Path(folder))
        index = KnowledgeIndex(settings)
        index.ensure_ingested()
        store = Store.open(settings.store_url)
        arms = (Arm("A", VARIANT), Arm("B", OTHER))
        policies.create(store, Policy("carga", arms, "", reason="medir"))
        fixed = Route(Assignment(VARIANT), (VARIANT,))
        routes = Routes(settings, store, lambda: VARIANT)
        systems = {
            "não grava": assistant(index, settings, Unrecorded(()), lambda _wanted, _user: fixed),
            "sem experimento": assistant(index, settings, store, lambda _wanted, _user: fixed),
            "com experimento": assistant(index, settings, store, routes.route),
        }
        # A refusal would not reach the model.
        questions = [one for one in QUESTIONS if index.retriever.search(one, VARIANT.k).supported]
        for asked in systems.values():
            await crowd(asked, questions, 0)
        spells: dict[str, list[list[float]]] = {name: [] for name in systems}
        for spell in range(SPELLS):
            for name, asked in _turns(systems, spell):
                spells[name].append(await readers(asked, questions, spell))
        added = report(
            f"{USERS} pessoas que leem {READING:.0f} s em média entre uma pergunta e outra, "
            "resposta inteira de um modelo instantâneo (ms)",
            spells,
        )
        rounds: dict[str, list[list[float]]] = {name: [] for name in systems}
        for round_ in range(ROUNDS):
            for name, asked in _turns(systems, round_):
                rounds[name].append(await crowd(asked, questions, round_))
        report(f"{USERS} pessoas que perguntam no mesmo instante, sem pausa (ms)", rounds)
        recorded = Counter(outcome.arm for outcome in store.outcomes.of("carga"))
        expected = USERS * (ROUNDS + 1) + sum(len(part) for part in spells["com experimento"])
        print(f"limite para distribuir e gravar, com pausas: {1000 * MOST:.0f} ms")
        print(f"gravadas: {recorded.total()} de {expected} ({dict(recorded)})")
        store.close()
        index.close()
    return int(added > MOST or recorded.total() != expected)


def _turns(systems: Mapping[str, Assistant], round_: int) -> list[tuple[str, Assistant]]:
    """Whose turn it is, in the other order every other time."""
    order = list(systems.items())
    return order if round_ % 2 else order[::-1]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
