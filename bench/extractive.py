"""The floor that every model must beat: what the extractive answerer gets right on a split.

An answerable question counts when every key fact stands in the answer (case and accents aside); a question
without an answer in the base counts when it is refused. Intervals are Wilson's, 95 %.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from math import sqrt
from pathlib import Path
from typing import Any

from melancia.app import Runtime
from melancia.records import Finished, Interaction, new_id
from melancia.settings import PROJECT_DIR, load_settings
from melancia.text import fold

_Z = 1.96


def wilson(hits: int, total: int) -> str:
    """``hits ÷ total`` with Wilson's 95 % interval (Wilson 1927)."""
    if not total:
        return "–"
    share, spread = hits / total, _Z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return f"{hits}/{total} = {share:.2f} [{middle - half:.2f}; {middle + half:.2f}]"


async def answered(runtime: Runtime, item: dict[str, Any]) -> Interaction:
    """The extractive answer, the history told through the store as a conversation is."""
    user, conversation = new_id(), new_id()
    for turn in item["history"]:
        await _ask(runtime, turn["question"], user, conversation)
    return await _ask(runtime, item["question"], user, conversation)


async def _ask(runtime: Runtime, question: str, user: str, conversation: str) -> Interaction:
    async for event in runtime.assistant.ask(question, user=user, conversation=conversation):
        if isinstance(event, Finished):
            last = event.interaction
    return last


async def measure(runtime: Runtime, items: list[dict[str, Any]]) -> None:
    """Print the shares, by category and over all."""
    complete: dict[str, list[bool]] = defaultdict(list)
    refused: dict[bool, list[bool]] = defaultdict(list)
    for item in items:
        answer = (await answered(runtime, item)).answer
        refused[bool(item["gold"])].append(answer.refused)
        if item["key_facts"]:
            said = fold(answer.text)
            complete[item["category"]].append(all(fold(fact) in said for fact in item["key_facts"]))
    print("Respostas com todos os fatos-chave")
    for category, results in sorted(complete.items()):
        print(f"  {category:<18} {wilson(sum(results), len(results))}")
    everything = [result for results in complete.values() for result in results]
    print(f"  {'todas':<18} {wilson(sum(everything), len(everything))}")
    print(f"Recusas certas (sem resposta na base):   {wilson(sum(refused[False]), len(refused[False]))}")
    print(f"Recusas erradas (com resposta na base):  {wilson(sum(refused[True]), len(refused[True]))}")


def main() -> int:
    """Measure a split."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    split = parser.parse_args().split
    text = (PROJECT_DIR / "data" / "questions" / f"{split}.jsonl").read_text("utf-8")
    items = [json.loads(line) for line in text.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(_env_file=None, data_dir=Path(folder), variant="extractive")
        runtime = Runtime.open(settings)
        runtime.index.compute_vectors()
        print(f"{split}: {len(items)} perguntas")
        asyncio.run(measure(runtime, items))
        runtime.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
