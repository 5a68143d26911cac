"""Does the base hold evidence for a question? Calibrated on the index itself, never a keyword list.

Two signals: the best cosine between the question and a chunk, and the idf-weighted share of the
question's words that the retrieved passages contain. Positives are the documents' own likely questions
(their own vectors left out) and headings; negatives are generic questions that no Retail Media base
answers (``offtopic.txt``, written for this, independent of the evaluation sets). The cut-off is lenient on
purpose: people ask more loosely than likely questions are written, a wrong refusal leaves them with
nothing, and a wrong acceptance still meets the prompt's own rule. Weight and quantiles were chosen on the dev
questions; see docs/decisions/0001.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

_REFUSED = 0.95
_LOST = 0.05


@dataclass(frozen=True, slots=True)
class Signal:
    """``cosine`` is None while there are no vectors; ``coverage`` is in [0, 1]."""

    cosine: float | None
    coverage: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Score = weight·(cosine − mean)/deviation + coverage must reach ``cut``; without vectors, coverage."""

    mean: float = 0.83
    deviation: float = 0.03
    weight: float = 0.75
    cut: float = 1.0
    lexical_cut: float = 0.5

    def score(self, signal: Signal) -> float:
        """The evidence for a question with vectors at hand."""
        cosine = signal.cosine if signal.cosine is not None else self.mean
        return self.weight * (cosine - self.mean) / self.deviation + signal.coverage

    def supported(self, signal: Signal) -> bool:
        """Whether the base holds enough evidence to answer."""
        if signal.cosine is None:
            return signal.coverage >= self.lexical_cut
        return self.score(signal) >= self.cut


@lru_cache(maxsize=1)
def offtopic_questions() -> list[str]:
    """Generic questions from outside the field, one a line."""
    text = files("melancia.agent").joinpath("offtopic.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def calibrate(positives: Sequence[Signal], negatives: Sequence[Signal]) -> Calibration:
    """Fit on signals of both kinds. With fewer than 8 of one kind, the defaults stay."""
    if len(positives) < 8 or len(negatives) < 8:
        return Calibration()
    lexical = _cut([s.coverage for s in positives], [s.coverage for s in negatives])
    known = [s.cosine for s in negatives if s.cosine is not None]
    if len(known) < 8:
        return Calibration(lexical_cut=lexical)
    mean, deviation = float(np.mean(known)), max(float(np.std(known)), 1e-3)
    base = Calibration(mean=mean, deviation=deviation)
    cut = _cut([base.score(s) for s in positives], [base.score(s) for s in negatives])
    return Calibration(mean=mean, deviation=deviation, cut=cut, lexical_cut=lexical)


def _cut(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Refuses ``_REFUSED`` of the negatives, unless more than ``_LOST`` of the positives would go too."""
    return float(min(np.quantile(negatives, _REFUSED), np.quantile(positives, _LOST)))
