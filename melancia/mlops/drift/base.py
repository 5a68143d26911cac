"""The knowledge base as a drift report sees it: which documents it has, and how near a question is to it."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melancia.agent.evidence import Calibration
from melancia.index.catalog import Catalog
from melancia.settings import Settings

# Deviations above the generic questions' mean cosine (see ``agent.evidence``). Of the questions of data/ that
# were refused or should have been, it takes 90 % of the generic ones for strange, and 10 % of those of the
# field that the base lacks.
_STRANGE = 1.0
_ROWS = 256  # questions that are compared at a time


@dataclass(frozen=True, slots=True)
class Base:
    """``documents``: their ids. ``passages``: vectors by the embedding model of the settings; none, or no
    ``calibration``, while the index is being made.
    """

    documents: tuple[str, ...] = ()
    passages: NDArray[np.float32] | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Base":
        """The index of ``settings``; an empty one when there is none."""
        path = settings.index_dir / "catalog.db"
        if not path.exists():
            return cls()
        catalog = Catalog(path)
        try:
            kept = {chunk.text_hash for chunk in catalog.chunks() if chunk.kind == "passage"}
            hashes, matrix = catalog.vectors(settings.embedding_model)
            rows = [row for row, key in enumerate(hashes) if key in kept]
            stored = catalog.fact("calibration")
            return cls(
                documents=tuple(document.id for document in catalog.documents()),
                passages=matrix[rows] if rows else None,
                calibration=Calibration(**json.loads(stored)) if stored else None,
            )
        finally:
            catalog.close()

    def strange(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        """Whether each question (unit vectors) is as far from all that the base holds as a question from
        outside the field; None where nothing can be said.
        """
        if self.passages is None or self.calibration is None:
            return None
        known = self.calibration
        bound = known.mean + _STRANGE * known.deviation
        nearest = [
            (vectors[start : start + _ROWS] @ self.passages.T).max(axis=1)
            for start in range(0, len(vectors), _ROWS)
        ]
        return np.asarray(np.concatenate(nearest) < bound if nearest else np.zeros(0, np.bool_))
