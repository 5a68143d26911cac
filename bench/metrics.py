"""Do the metrics tell right answers from wrong ones? AUC on the labelled answers, overall and per kind.

Each answer is measured twice: with what is known of a right one (reference, key facts, gold documents,
answerable), and without any of it, as a user's question is. AUC is the chance that a right answer scores
higher than a wrong one (ties count half). Intervals are percentile bootstraps over questions (``RESAMPLES``
resamples), since the answers to one question go together. ``--split design`` is what the weights were fitted
on: each of its files is measured by weights that were fitted on the others; ``--fit`` fits them anew and
rewrites ``melancia/evals/weights.py``. ``heldout`` (the default) was not looked at while the metrics were
designed.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pprint import pformat
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melancia.agent.lexical import LexicalIndex
from melancia.embeddings.local import LocalEmbeddings
from melancia.evals.case import SCORES, Case
from melancia.evals.evaluate import Evaluator
from melancia.evals.labelled_answers import FOLDER, read_labelled
from melancia.evals.quality import ADMITTED, ALONE, WAYS, Fitted, quality, refusal_quality, variant
from melancia.evals.refusals import admits, refuses
from melancia.settings import PROJECT_DIR
from melancia.text import normalise

RIGHT = ("right", "refusal")
WRONG = (
    "wrong-number", "unsupported", "negated", "english", "other-answer", "empty", "undue-refusal", "answered",
)  # fmt: skip
SPLITS = {
    "design": ("design.jsonl", "tuning.jsonl", "tuning-2.jsonl"),
    "heldout": ("heldout.jsonl",),
}
"""Name of a split → its files."""
RESAMPLES = 2000
PENALTY = 1.0
_KIND_OF = {
    "numbers": "wrong-number", "statements": "unsupported", "polarity": "negated", "topic": "other-answer",
    "language": "english", "evidence": "answered", "refusal": "undue-refusal",
}  # fmt: skip
_WEIGHTS_FILE = PROJECT_DIR / "melancia" / "evals" / "weights.py"
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer of which the kind is known; ``bare`` is its case without what is known of a right one."""

    file: str
    question: str
    kind: str
    case: Case
    bare: Case


def labelled(split: str, folder: Path = FOLDER) -> list[Labelled]:
    """The labelled answers of a split of ``SPLITS``."""
    return [
        Labelled(
            name,
            one.question_id,
            one.kind,
            one.case,
            Case(one.case.question, one.case.answer, one.case.sources, history=one.case.history),
        )
        for name in SPLITS[split]
        for one in read_labelled(folder / name)
    ]


@cache
def corpus_idf() -> Callable[[str], float]:
    """Inverse document frequency over the paragraphs of the knowledge base."""
    folder = PROJECT_DIR / "data" / "knowledge"
    texts = [
        normalise(part)
        for file in sorted(folder.glob("*.md"))
        for part in file.read_text("utf-8").split("\n\n")
    ]
    return LexicalIndex([text for text in texts if len(text) > 40]).idf


def auc(right: Values, wrong: Values) -> float:
    """Chance that one of ``right`` is above one of ``wrong`` (Mann–Whitney U ÷ n·m); ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([right, wrong]))
    count = len(right)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(wrong)))


def interval(values: Values, right: Flags, wrong: Flags, questions: Sequence[str]) -> tuple[float, float]:
    """95 % percentile bootstrap of the AUC, whole questions drawn with replacement."""
    generator = np.random.default_rng(0)
    names = np.asarray(questions)
    groups = [np.flatnonzero(names == name) for name in sorted(set(questions))]
    found = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([groups[at] for at in generator.integers(0, len(groups), len(groups))])
        above, below = values[rows[right[rows]]], values[rows[wrong[rows]]]
        if len(above) and len(below):
            found.append(auc(above, below))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def fit(
    rows: Sequence[Labelled], signals: Sequence[Mapping[str, float]], *, known: bool, vectors: bool
) -> Fitted:
    """Weights of each way of being wrong: ``right`` against its kind, both sides with equal weight."""
    name = variant(known=known, vectors=vectors)
    kinds = np.array([row.kind for row in rows])
    refused = np.array([refuses(row.case.answer) for row in rows])
    fitted: dict[str, dict[str, float]] = {}
    for way, names in WAYS.items():
        alone = way in ALONE
        if known and (alone or way == "evidence"):
            continue  # with a reference, there is an answer, and a refusal is judged by that alone
        good = (kinds == ("refusal" if alone else "right")) & (refused == alone)
        bad = (kinds == _KIND_OF[way]) & (refused == alone)
        picked = [int(at) for at in np.flatnonzero(good | bad)]
        used = [signal for signal in names if all(signal in signals[at] for at in picked)]
        table = np.array([[signals[at][signal] for signal in used] for at in picked])
        weights = _logistic(table, good[picked])
        fitted[way] = dict(zip(["intercept", *used], (float(w) for w in weights), strict=True))
    return {name: fitted}


def _logistic(table: Values, good: Flags) -> Values:
    """Ridge logistic regression without negative weights, classes balanced; intercept first."""
    from scipy.optimize import minimize

    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    scaled = (table - mean) / spread
    sign = np.where(good, 1.0, -1.0)
    balance = np.where(good, 1 / good.sum(), 1 / (~good).sum()) * 40

    def loss(beta: Values) -> tuple[float, Values]:
        margin = sign * (scaled @ beta[1:] + beta[0])
        slope = -balance * sign / (1 + np.exp(margin))
        value = (balance * np.logaddexp(0, -margin)).sum() + PENALTY / 2 * (beta[1:] ** 2).sum()
        return float(value), np.concatenate([[slope.sum()], scaled.T @ slope + PENALTY * beta[1:]])

    bounds = [(None, None), *[(0, None)] * table.shape[1]]
    beta = minimize(loss, np.zeros(table.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = beta[1:] / spread
    return np.concatenate([[beta[0] - weights @ mean], weights])


def carried_over(
    rows: Sequence[Labelled], signals: Sequence[Mapping[str, float]], *, known: bool, vectors: bool
) -> Values:
    """Quality of each answer by weights that were fitted on the other files than its own."""
    found = np.zeros(len(rows))
    for file in {row.file for row in rows}:
        others = [at for at, row in enumerate(rows) if row.file != file]
        weights = fit(
            [rows[at] for at in others], [signals[at] for at in others], known=known, vectors=vectors
        )
        for at, row in enumerate(rows):
            if row.file == file:
                found[at] = _quality(row, signals[at], weights, known=known, vectors=vectors)
    return found


def _quality(
    row: Labelled, signals: Mapping[str, float], weights: Fitted, *, known: bool, vectors: bool
) -> float:
    """As ``Evaluator`` does it, by ``weights``."""
    answer, name = row.case.answer, variant(known=known, vectors=vectors)
    if not answer.strip():
        return 0.0
    if known and refuses(answer):
        return float(not row.case.answerable)
    if known and not row.case.answerable:
        return ADMITTED * admits(answer)
    return refusal_quality(signals, name, weights) if refuses(answer) else quality(signals, name, weights)


def table(title: str, values: Values, rows: Sequence[Labelled]) -> None:
    """Print AUC with intervals, overall and per kind."""
    questions = [row.question for row in rows]
    kinds = np.array([row.kind for row in rows])
    right = np.isin(kinds, RIGHT)
    print(f"\n{title}")
    for kind in ("todos", *WRONG):
        wrong = np.isin(kinds, WRONG) if kind == "todos" else kinds == kind
        low, high = interval(values, right, wrong, questions)
        found = auc(values[right], values[wrong])
        print(f"  {kind:<14}{int(wrong.sum()):>5}   {found:.3f} [{low:.2f}; {high:.2f}]")


def single_metrics(evaluator: Evaluator, rows: Sequence[Labelled]) -> None:
    """Print the AUC per kind of each metric with what is known; only answers that have the metric count."""
    scores = [evaluator.evaluate(row.case).values for row in rows]
    kinds = np.array([row.kind for row in rows])
    print("\nCada métrica, com referência (só as respostas em que ela tem sentido)")
    print(" " * 20 + "".join(f"{kind[:12]:>14}" for kind in WRONG))
    for name in SCORES:
        has = np.array([name in values for values in scores])
        values = np.array([found.get(name, np.nan) for found in scores])
        right = has & np.isin(kinds, RIGHT)
        cells = ""
        for kind in WRONG:
            wrong = has & (kinds == kind)
            cells += (
                f"{auc(values[right], values[wrong]):>14.2f}" if right.any() and wrong.any() else f"{'–':>14}"
            )
        print(f"  {name:<18}{cells}")


def cost(embeddings: LocalEmbeddings, rows: Sequence[Labelled]) -> None:
    """Print the time of an answer in ms: on the clock, and of this process alone."""
    evaluator = Evaluator(embeddings, corpus_idf())
    times, used = [], []
    for row in rows:
        start, own = perf_counter(), process_time()
        evaluator.evaluate(row.case)
        times.append(1000 * (perf_counter() - start))
        used.append(1000 * (process_time() - own))
    middle, high = np.percentile(used, [50, 95])
    print(f"\nCusto por resposta: {np.mean(times):.0f} ms no relógio; de processador, em média,")
    print(f"{np.mean(used):.0f} ms (p50 {middle:.0f} ms, p95 {high:.0f} ms)")


def _measured(evaluator: Evaluator, rows: Sequence[Labelled], *, known: bool) -> Values:
    scores = [evaluator.evaluate(row.case if known else row.bare) for row in rows]
    return np.array([score.values["quality"] for score in scores])


def write_weights(embeddings: LocalEmbeddings, folder: Path) -> None:
    """Fit on all of ``design`` and rewrite the constants."""
    rows = labelled("design", folder)
    kinds = [row.kind for row in rows]
    fitted: dict[str, Any] = {}
    for vectors in (True, False):
        evaluator = Evaluator(embeddings if vectors else None, corpus_idf())
        for known in (True, False):
            signals = [evaluator.signals(row.case if known else row.bare) for row in rows]
            fitted.update(fit(rows, signals, known=known, vectors=vectors))
    priors = {
        way: round(kinds.count(kind) / kinds.count("refusal" if way in ALONE else "right"), 3)
        for way, kind in _KIND_OF.items()
    }
    rounded = {
        name: {way: {key: round(w, 3) for key, w in weights.items()} for way, weights in ways.items()}
        for name, ways in fitted.items()
    }
    _WEIGHTS_FILE.write_text(
        '"""Weights of quality, written by ``python -m bench.metrics --fit``. Not edited by hand."""\n\n'
        f"PRIORS: dict[str, float] = {pformat(priors, sort_dicts=False, width=100)}\n\n"
        "WEIGHTS: dict[str, dict[str, dict[str, float]]] = "
        f"{pformat(rounded, sort_dicts=False, width=100)}\n",
        "utf-8",
    )


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("design", "heldout"), default="heldout")
    parser.add_argument("--fit", action="store_true", help="ajusta os pesos em design e os grava")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="onde estão as respostas rotuladas")
    given = parser.parse_args()
    embeddings = LocalEmbeddings()
    if given.fit:
        write_weights(embeddings, given.folder)
        return 0
    rows = labelled(given.split, given.folder)
    print(f"{given.split}: {len(rows)} respostas a {len({row.question for row in rows})} perguntas")
    for vectors in (True, False):
        evaluator = Evaluator(embeddings if vectors else None, corpus_idf())
        for known in (False, True):
            if given.split == "design":
                signals = [evaluator.signals(row.case if known else row.bare) for row in rows]
                values = carried_over(rows, signals, known=known, vectors=vectors)
                for file in SPLITS["design"]:
                    picked = [at for at, row in enumerate(rows) if row.file == file]
                    title = f"{file}, com pesos ajustados nos outros arquivos"
                    table(title, values[picked], [rows[at] for at in picked])
            else:
                values = _measured(evaluator, rows, known=known)
            how = f"{'com' if known else 'sem'} referência, {'com' if vectors else 'sem'} vetores"
            table(f"AUC da qualidade, {how} (IC de 95 %)", values, rows)
        if vectors:
            single_metrics(evaluator, rows)
    cost(embeddings, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
