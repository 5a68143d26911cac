"""What an experiment costs a user: the assistant that routes against one that does not, and one that forgets.

Both search data/knowledge, by words alone, and stream the same instant scripted model to 50 users at once.
One takes its route from a running experiment in a real store, one has a fixed route, and both record every
question there; the third has a fixed route too and keeps nothing. They take turns, round by round.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
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

    async def one(user: int) -> float:
        question = questions[(round_ + user) % len(questions)]
        started, text = time.perf_counter(), ""
        async for event in asked.ask(question, user=f"u{user}", conversation=new_id()):
            if isinstance(event, Finished):
                text = event.interaction.answer.text
        if text != " ".join(REPLY).strip():
            raise RuntimeError("an answer was lost")
        return time.perf_counter() - started

    return await asyncio.gather(*(one(user) for user in range(USERS)))


async def main() -> int:
    """Print the table; 1 when routing costs more than it may, or an answer was lost."""
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
        times: dict[str, list[float]] = {name: [] for name in systems}
        for round_ in range(ROUNDS):
            order = list(systems.items())
            for name, asked in order if round_ % 2 else reversed(order):
                times[name] += await crowd(asked, questions, round_)
        print(f"{USERS} pessoas ao mesmo tempo, resposta inteira de um modelo instantâneo (ms)")
        for name, values in times.items():
            p50, p95 = (1000 * float(np.percentile(values, share)) for share in (50, 95))
            print(f"{name:<16} p50 {p50:7.1f}  p95 {p95:7.1f}  ({len(values)} respostas)")
        tails = {
            name: [float(np.percentile(part, 95)) for part in np.split(np.array(values), ROUNDS)]
            for name, values in times.items()
        }
        added = float(np.median(np.subtract(tails["com experimento"], tails["sem experimento"])))
        kept = float(np.median(np.subtract(tails["com experimento"], tails["não grava"])))
        recorded = Counter(outcome.arm for outcome in store.outcomes.of("carga"))
        expected = USERS * (ROUNDS + 1)
        print(f"a mais no p95 por distribuir (mediana): {1000 * added:.1f} ms (até {1000 * MOST:.0f})")
        print(f"a mais por distribuir e gravar: {1000 * kept:.1f} ms")
        print(f"gravadas: {recorded.total()} de {expected} ({dict(recorded)})")
        store.close()
        index.close()
    return int(added > MOST or recorded.total() != expected)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
