"""How often verdicts are wrong, and how soon they come: thousands of simulated experiments.

Every experiment is looked at after every answer, as the page does. Exit 1 when a promised bound is exceeded
by more than the simulation's own error (the lower end of a one-sided 99 % Clopper–Pearson interval).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from bench.pair_simulations import shadow_false_positives, shadow_power
from bench.verdict_simulations import (
    CONFIGURATION,
    Peeked,
    Rate,
    World,
    adaptive,
    answers,
    bets,
    peek,
    percent,
    rate,
    ratios,
)

GUARDRAILS = 4  # that bet: the level is split among them
_BASES = (0.5, 0.8, 0.95)
_RATED = (0.05, 0.3)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to simulate: ``experiments`` of up to ``questions`` each."""

    experiments: int
    questions: int


FULL = Scale(experiments=2_000, questions=10_000)
SMALL = Scale(experiments=200, questions=4_000)


def false_positives(scale: Scale) -> list[Rate]:
    """Equal arms, looked at after every rating: how often one is called better, and by the naive rule."""
    found = []
    for rated in _RATED:
        for base in _BASES:
            for alike in (0.0, 0.3):
                world = World((base, base), alike=alike)
                seen = _peek(world, scale.experiments, round(rated * scale.questions), seed=1)
                how = f"base {percent(base)}, avaliam {percent(rated)}, usuários {_alike(alike)}"
                found.append(rate(how, seen.when > 0, CONFIGURATION.alpha))
                if not alike:
                    found.append(rate("   o mesmo, teste z ingênuo a cada avaliação", seen.naive_when > 0))
    few = World((0.8, 0.8), users=30, alike=0.3)
    seen = _peek(few, scale.experiments, round(0.05 * scale.questions), seed=2)
    found.append(rate("base 80 %, só 30 usuários, parecidos consigo", seen.when > 0, CONFIGURATION.alpha))
    seen = _peek(World((0.8, 0.8), share=0.1), scale.experiments, round(0.05 * scale.questions), seed=3)
    found.append(rate("base 80 %, desafiante com 10 % dos usuários", seen.when > 0, CONFIGURATION.alpha))
    return found


def with_scores(scale: Scale) -> list[Rate]:
    """Equal arms with automatic scores on all answers, looked at after every answer."""
    experiments, count = scale.experiments // 4, scale.questions // 2
    cases = {
        "notas úteis": World((0.8, 0.8), alike=0.2, scores=True),
        "notas úteis, avaliam 30 %": World((0.8, 0.8), alike=0.2, scores=True, rated=0.3),
        "notas inúteis": World((0.8, 0.8), scores=True, telling=0.0),
        "notas que favorecem o desafiante em 0,2": World((0.8, 0.8), scores=True, flattered=0.2),
    }
    return [
        rate(
            name,
            _peek(replace(world, rated=max(0.05, world.rated % 1)), experiments, count, seed=4).when > 0,
            CONFIGURATION.alpha,
        )
        for name, world in cases.items()
    ]


def adaptively(scale: Scale) -> list[Rate]:
    """Equal arms with changing shares, without and with a drift that all arms have in common."""
    found = []
    for drift in (0.0, 0.3):
        for weighted in (True, False):
            rng = np.random.default_rng(5)
            when = adaptive(scale.experiments // 2, scale.questions // 5, rng, weighted=weighted, drift=drift)
            name = (
                f"aprovação {'deriva 30 pontos' if drift else 'constante'}, "
                f"{'com' if weighted else 'sem'} pesos inversos"
            )
            found.append(rate(name, when > 0, CONFIGURATION.alpha if weighted else None))
    return found


def power(scale: Scale) -> list[str]:
    """Samples until the better arm is named, against a z-test of a size fixed beforehand."""
    lines = []
    experiments, most = scale.experiments // 4, scale.questions // 2
    for base, challenger in ((0.8, 0.9), (0.7, 0.8), (0.8, 0.85), (0.5, 0.55)):
        seen = _peek(World((base, challenger), users=most), experiments, most, seed=6)
        fixed = _fixed_horizon(base, challenger)
        naive = np.where(seen.naive_when > 0, seen.naive_when, most)
        lines.append(
            f"  {percent(base)} → {percent(challenger):<8}{_within(seen, most)}  {_median(seen, most):>8}"
            f"{np.mean(np.where(seen.when > 0, seen.when, most)):>8.0f}{fixed:>8}{np.median(naive):>8.0f}"
            f"{percent(float((seen.way < 0).mean())):>9}"
        )
    return lines


def power_with_scores(scale: Scale) -> list[str]:
    """Answers until the better arm is named with 5 % of them rated: thumbs alone, and with scores."""
    lines = []
    experiments, most = scale.experiments // 8, scale.questions
    for name, telling in (("notas que dizem muito", 0.5), ("notas que dizem algo", 0.3), ("inúteis", 0.0)):
        world = World((0.75, 0.9), users=2_000, rated=0.05, scores=True, telling=telling)
        seen = _peek(world, experiments, most, seed=7)
        lines.append(f"  {name:<30}{_within(seen, most)}  {_median(seen, most):>8} perguntas")
    thumbs = _peek(replace(world, scores=False, rated=1.0), experiments, round(0.05 * most), seed=7)
    median = _median(thumbs, round(0.05 * most), 20)
    lines.append(f"  {'só polegares':<30}{_within(thumbs, round(0.05 * most))}  {median:>8} perguntas")
    return lines


def fallback(scale: Scale) -> list[Rate]:
    """Arms equal on easy questions; the challenger gives up on the hard ones, 30 % of all."""
    found = []
    experiments, count = scale.experiments // 4, scale.questions // 4
    for rescued in (False, True):
        for exposure in (True, False):
            world = World((0.85, 0.85), hard=0.3, hard_approval=0.5, rated=0.3, rescued=rescued)
            rng = np.random.default_rng(8)
            seen = peek(answers(world, experiments, count, rng, exposure=exposure), experiments)
            name = (
                f"{'reserva responde' if rescued else 'ninguém responde'}, "
                f"{'por quem respondeu' if exposure else 'por intenção de tratar'}: desafiante melhor"
            )
            found.append(rate(name, seen.way > 0, None if exposure else CONFIGURATION.alpha))
    return found


def guardrail_alarms(scale: Scale) -> list[Rate]:
    """Arms exactly at all bounds (the worst healthy ones), and well within them."""
    found = []
    count = scale.questions // 2
    for name, within in (("no limite exato", 1.0), ("na metade do limite", 0.5)):
        rng = np.random.default_rng(9)
        alarms = np.zeros(scale.experiments, dtype=bool)
        for bound in (0.05, 0.1, 0.2):  # p95, errors, refusals
            values = (rng.random((scale.experiments, count)) < bound * within).astype(float)
            alarms |= bets(values, bound)[:, -1] >= GUARDRAILS / CONFIGURATION.guardrail_alpha
        lack = rng.beta(4, 6 / within, (scale.experiments, count))  # 1 − groundedness, at least 0.6
        alarms |= bets(lack, 0.4)[:, -1] >= GUARDRAILS / CONFIGURATION.guardrail_alpha
        found.append(rate(f"quatro proteções, braço {name}", alarms, CONFIGURATION.guardrail_alpha))
    rng = np.random.default_rng(10)
    of_user = rng.beta(0.1 * 9, 0.9 * 9, (scale.experiments, 200))
    user = rng.integers(0, 200, (scale.experiments, count))
    values = (rng.random(user.shape) < np.take_along_axis(of_user, user, axis=1)).astype(float)
    alarms = bets(values, 0.1)[:, -1] >= GUARDRAILS / CONFIGURATION.guardrail_alpha
    found.append(rate("erros no limite exato, usuários diferentes entre si", alarms))
    return found


def guardrail_delays(scale: Scale) -> list[str]:
    """Answers until an arm that breaks a bound of 10 % errors is paused."""
    lines = []
    count = scale.questions // 2
    for bad in (0.15, 0.2, 0.3, 0.5):
        cells = []
        for good in (0, count // 2):
            rng = np.random.default_rng(11)
            chance = np.where(np.arange(count) < good, 0.03, bad)
            values = (rng.random((scale.experiments // 8, count)) < chance).astype(float)
            caught = bets(values, 0.1) >= GUARDRAILS / CONFIGURATION.guardrail_alpha
            delay = np.where(caught.any(axis=1), caught.argmax(axis=1) + 1 - good, count)
            cells.append(f"{np.median(delay):>10.0f}{np.percentile(delay, 90):>8.0f}")
        lines.append(f"  {percent(bad):<10}{''.join(cells)}")
    return lines


def sample_ratios(scale: Scale) -> list[Rate]:
    """Sound draws that the check blocks, and broken ones that it finds within so many users."""
    found = []
    count = scale.questions
    for name, planned, real in (
        ("50/50 são", 0.5, 0.5),
        ("90/10 são", 0.1, 0.1),
        ("de 50/50 a 80/20 no meio, são", None, None),
        ("50/50, perde 20 % dos usuários de um braço", 0.5, 0.4 / 0.9),
        ("50/50, perde 10 %", 0.5, 0.45 / 0.95),
        ("50/50, perde 5 %", 0.5, 0.475 / 0.975),
    ):
        rng = np.random.default_rng(12)
        shares = np.full((scale.experiments // 2, count), planned or 0.5)
        if planned is None:
            shares[:, count // 2 :] = 0.2
        drawn = rng.random(shares.shape) < (shares if real is None or real == planned else real)
        p_values = ratios(drawn, shares, CONFIGURATION.concentration)
        blocked = p_values < CONFIGURATION.sample_ratio_alpha
        sound = real is None or real == planned
        caught, title = np.asarray(blocked.any(axis=1)), name
        if not sound and caught.any():
            median = np.median(blocked[caught].argmax(axis=1) + 1)
            title = f"{name} (mediana {median:.0f} usuários)"
        found.append(rate(title, caught, CONFIGURATION.sample_ratio_alpha if sound else None))
    return found


def in_the_shadow(scale: Scale) -> list[Rate]:
    """Equal arms on the same questions."""
    return shadow_false_positives(scale.experiments // 2, scale.questions // 4)


def power_in_the_shadow(scale: Scale) -> list[str]:
    """Questions until a challenger with better scores is called ahead."""
    return shadow_power(scale.experiments // 4, scale.questions // 4)


TABLES: tuple[tuple[str, str, Callable[[Scale], Sequence[Rate | str]]], ...] = (
    ("Falsos positivos: braços iguais, olhados a cada avaliação", "", false_positives),
    ("Falsos positivos com notas automáticas, olhados a cada resposta", "", with_scores),
    ("Falsos positivos com proporções que mudam (modo adaptativo)", "", adaptively),
    ("Desafiante que desiste de 30 % das perguntas e no resto é igual", "", fallback),
    ("Proteções: alarmes falsos", "", guardrail_alarms),
    ("Proporção da amostra: bloqueios", "", sample_ratios),
    ("Modo sombra: braços iguais nas mesmas perguntas, olhados a cada par", "", in_the_shadow),
    (
        "Modo sombra: perguntas até o desafiante melhor ser apontado",
        "  ganho de nota      apontado   mediana    errado",
        power_in_the_shadow,
    ),
    (
        "Avaliações até o braço melhor ser apontado (z fixo: tamanho para poder de 80 %)",
        "  aprovação         apontado   mediana   média  z fixo ingênuo  errado",
        power,
    ),
    ("O mesmo com 5 % das respostas avaliadas, 75 % → 90 %", "", power_with_scores),
    (
        "Proteção de 10 % de erros: respostas até a pausa (mediana, p90)",
        "  erros      ruim desde o início   depois de um período bom",
        guardrail_delays,
    ),
)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="um décimo, para ver se funciona")
    scale = SMALL if parser.parse_args().small else FULL
    start = time.perf_counter()
    found: list[Rate] = []
    print("Entre colchetes, o erro da própria simulação (98 %); à direita, o que é prometido.")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = [(title, head, pool.submit(table, scale)) for title, head, table in TABLES]
        for title, head, table in running:
            print(f"\n{title}", *([head] if head else []), sep="\n")
            for row in table.result():
                print(row.line() if isinstance(row, Rate) else row, flush=True)
                found += [row] if isinstance(row, Rate) else []
    print(f"\n{time.perf_counter() - start:.0f} s")
    broken = [row for row in found if row.exceeded]
    for row in broken:
        print(f"Excedido: {row.name}")
    return 1 if broken else 0


def _peek(world: World, experiments: int, count: int, *, seed: int) -> Peeked:
    return peek(answers(world, experiments, count, np.random.default_rng(seed)), experiments)


def _fixed_horizon(base: float, challenger: float) -> int:
    """Ratings in both arms of a two-sided z-test at 5 % with a power of 80 %."""
    from scipy import stats

    quantiles = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    variance = base * (1 - base) + challenger * (1 - challenger)
    return int(np.ceil(2 * quantiles**2 * variance / (challenger - base) ** 2))


def _within(seen: Peeked, most: int) -> str:
    return f"{percent(float((seen.way > 0).mean())):>8} em {most}"


def _median(seen: Peeked, most: int, times: int = 1) -> str:
    half = np.median(np.where(seen.when > 0, seen.when, most + 1))
    return f"> {most * times}" if half > most else f"{half * times:.0f}"


def _alike(alike: float) -> str:
    return "parecidos consigo" if alike else "sem padrão"


if __name__ == "__main__":
    sys.exit(main())
