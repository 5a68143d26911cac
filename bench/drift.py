"""How often drift reports cry wolf, what they find, and what a whole report takes.

Exit 1 when more than ``ALPHA`` of the runs without drift have a finding, beyond the simulation's own error
(the lower end of a one-sided 99 % Clopper–Pearson interval).
"""

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.drift_simulations import (
    NEW_TOPIC,
    TOPICS,
    Drift,
    World,
    broken_retrieval,
    foreigners,
    language,
    new_topic,
    replaced,
    slower,
    windows,
)
from bench.verdict_simulations import Rate
from melancia.mlops.drift.checks import ALPHA, check
from melancia.mlops.drift.frame import Window

LABELS: Mapping[int, str] = {**TOPICS, NEW_TOPIC: "assunto que não havia"}
SMALL, MEDIUM, LARGE, TEAM = World(200, 60), World(1000, 200), World(3000, 500), World(400, 8)
SIZES = (1_000, 10_000, 100_000)
MOST_MEMORY = 3072  # MB
_MODEL = "openai:gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Injected:
    """A drift with its size, and the figures of which one must be found."""

    name: str
    drift: Drift
    figures: tuple[str, ...]


DRIFTS: Sequence[Injected] = (
    Injected("assunto novo em 10 % das perguntas", new_topic(0.1), ("topic_new",)),
    Injected("assunto novo em 20 % das perguntas", new_topic(0.2), ("topic_new",)),
    Injected("10 % das perguntas em espanhol", language(0.1), ("question_language",)),
    Injected("25 % dos usuários passam ao espanhol", foreigners(0.25), ("question_language",)),
    Injected("modelo trocado: respostas 40 % mais longas", replaced(_MODEL, 1.4), ("model_replaced",)),
    Injected("modelo trocado: respostas 2 vezes mais longas", replaced(_MODEL, 2.0), ("model_replaced",)),
    Injected("30 % mais lento", slower(0.3), ("latency",)),
    Injected("busca quebrada", broken_retrieval, ("top_score",)),
)


def found(world: World, seed: int, drift: Drift | None = None, *, naive: bool = False) -> set[str]:
    """The figures that a run calls drifted. ``naive``: rows are taken for independent."""
    current, reference = windows(world, np.random.default_rng(seed), drift)
    if naive:
        current, reference = _of_nobody(current), _of_nobody(reference)
    return {one.figure for one in check(current, reference, LABELS, seed=seed) if one.drifted}


def false_alarms(pairs: int, spread: "Spread", worlds: Sequence[World]) -> Iterator[Rate]:
    """Runs without drift that found some: users who differ from each other, and who do not."""
    for world in worlds:
        for alike in (0.0, 1.0):
            of = replace(world, alike=alike)
            alarmed = spread(_alarm, [(of, seed, False) for seed in range(pairs)])
            yield Rate(_named(of), sum(alarmed), pairs, ALPHA)
            if alike == 1.0:
                naive = spread(_alarm, [(of, seed, True) for seed in range(pairs // 3)])
                yield Rate("   o mesmo, linhas tidas por independentes", sum(naive), len(naive))


def detections(pairs: int, spread: "Spread", worlds: Sequence[World]) -> Iterator[Rate]:
    """Runs with an injected drift that found it."""
    for number, injected in enumerate(DRIFTS):
        for world in worlds:
            of = replace(world, alike=0.5)
            seen = spread(_detect, [(of, 10_000 + seed, number) for seed in range(pairs)])
            yield Rate(f"{injected.name}; {world.rows} linhas, {world.users} usuários", sum(seen), pairs)


Spread = Callable[[Callable[..., bool], Sequence[tuple[object, ...]]], list[bool]]


def serially(work: Callable[..., bool], cases: Sequence[tuple[object, ...]]) -> list[bool]:
    """All cases, here."""
    return [work(*case) for case in cases]


def _alarm(world: World, seed: int, naive: bool) -> bool:
    return bool(found(world, seed, naive=naive))


def _detect(world: World, seed: int, number: int) -> bool:
    injected = DRIFTS[number]
    return bool(found(world, seed, injected.drift) & set(injected.figures))


def whole_report(rows: int) -> int:
    """Time and memory of one report over ``rows`` interactions in all, a fifth of them now."""
    from melancia.mlops.drift.session import Found, finish
    from melancia.settings import load_settings
    from melancia.store import Store

    current, reference = windows(World(rows // 5, max(50, rows // 25), 0.5), np.random.default_rng(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(_env_file=None, data_dir=Path(folder))
        store = Store.open(settings.store_url)
        kept = finish(store, settings, Found(current, reference, LABELS))
        store.close()
        size = (settings.drift_dir / kept.report.file).stat().st_size
    took, worked = time.perf_counter() - started, time.process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tested = sum(one.p_value is not None for one in kept.report.findings)
    print(
        f"  {rows:>7} linhas: {took:6.1f} s ({worked:.1f} s de processador), memória {most / 1024:.0f} MB "
        f"({before / 1024:.0f} antes), {tested} testes, página de {size / 1e6:.1f} MB",
        flush=True,
    )
    return int(most / 1024 > MOST_MEMORY)


def _of_nobody(window: Window) -> Window:
    return replace(window, frame=window.frame.assign(user=""))


def _named(world: World) -> str:
    alike = "muito diferentes entre si" if world.alike else "iguais entre si"
    return f"{world.rows} linhas agora, {4 * world.rows} antes; {world.users} usuários {alike}"


def main() -> int:
    """Print all tables; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--part", choices=("alarms", "found", "size", "rows", "all"), default="all")
    parser.add_argument("--rows", type=int, default=1000, help="of --part rows: one report, here")
    told = parser.parse_args()
    code = 0
    if told.part == "rows":
        return whole_report(told.rows)
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=gc.freeze) as pool:

        def spread(work: Callable[..., bool], cases: Sequence[tuple[object, ...]]) -> list[bool]:
            return list(pool.map(work, *zip(*cases, strict=True), chunksize=10))

        if told.part in ("alarms", "all"):
            print(f"Relatórios com algum achado, sem mudança nenhuma ({told.pairs} pares de janelas):")
            for rate in false_alarms(told.pairs, spread, (SMALL, MEDIUM, LARGE, TEAM)):
                print(rate.line(), flush=True)
                code |= int(rate.exceeded)
        if told.part in ("found", "all"):
            pairs = max(10, told.pairs // 6)
            print(f"Mudanças encontradas ({pairs} pares de janelas; usuários diferentes entre si):")
            for rate in detections(pairs, spread, (SMALL, MEDIUM, LARGE, TEAM)):
                print(rate.line(), flush=True)
    if told.part in ("size", "all"):
        print(
            "Um relatório inteiro (testes, desenho e página; janelas prontas), um processo cada:", flush=True
        )
        for rows in SIZES:
            command = [sys.executable, "-m", "bench.drift", "--part", "rows", "--rows", str(rows)]
            code |= subprocess.run(command, check=False).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
