"""The shape in which a window of interactions goes from the store to the tests: one row an interaction.

Everything after ``windows`` works on frames, so that tests and simulations can draw theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Column → dtype. Numbers that were not measured are NaN, never 0.
COLUMNS: Mapping[str, str] = {
    "id": "str",
    "created_at": "datetime64[us, UTC]",
    "user": "str",  # whose: rows of one user are not independent
    "arm": "str",  # assigned arm; "" outside experiments
    "model": "str",  # provider:model that really answered; "" when none did
    "question": "str",  # masked; what examples are shown from
    "question_length": "float64",  # characters
    "question_language": "str",  # ISO 639-1; "" when too short to tell
    "topic": "int64",  # id in the table of topics; -1: not among the sampled
    "top_score": "float64",  # of the best passage, in [0, 1]; NaN without passages
    "unanswered": "bool",  # refused before any model was asked: no evidence in the base
    "out_of_scope": "float64",  # 1.0: unanswered, and far from all of the base; NaN: not among the sampled
    "answer_length": "float64",  # characters; NaN when there was no answer
    "answer_language": "str",
    "groundedness": "float64",  # in [0, 1]; NaN when not scored
    "citation_valid": "float64",  # 1.0: cites, and only passages that it was given; 0.0; NaN when not due
    "refused": "bool",
    "latency": "float64",  # seconds; NaN for cached answers
    "time_to_first_token": "float64",
    "tokens": "float64",  # prompt and completion together
    "cost": "float64",  # US$
    "failed": "bool",  # ended in error or time-out, or nothing was said
    "fell_back": "bool",
    "cached": "bool",
    "rated": "bool",
    "thumb": "float64",  # +1 or -1; NaN unrated
}


@dataclass(frozen=True, slots=True)
class Window:
    """Interactions of a stretch of time, or of a file.

    ``frame`` has ``COLUMNS`` and a fresh integer index; it may be a sample of ``total`` interactions.
    ``sampled``: positions in ``frame`` of the questions that were embedded; ``vectors``: theirs, unit length.
    ``retrieved``: document id → answers that retrieved it; ``documents``: all ids of the base.
    """

    kind: str  # "store", "benchmark" or "file"
    since: datetime
    until: datetime
    frame: pd.DataFrame
    sampled: NDArray[np.int64]
    vectors: NDArray[np.float32]
    total: int
    retrieved: Mapping[str, int]
    documents: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)


def empty() -> pd.DataFrame:
    """A frame without rows."""
    return typed({name: [] for name in COLUMNS})


def typed(values: Mapping[str, Any]) -> pd.DataFrame:
    """A frame of one sequence a column, with the dtypes of ``COLUMNS``. Raises KeyError for a missing one."""
    return pd.DataFrame({name: pd.Series(values[name], dtype=kind) for name, kind in COLUMNS.items()})
