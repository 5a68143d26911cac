"""The rows of two windows side by side, and whose they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from melancia.mlops.drift import clusters
from melancia.mlops.drift.clusters import Rows
from melancia.mlops.drift.figures import Columns, Figure
from melancia.mlops.drift.frame import Window

LIVE = "store"  # the kind of a window of answers to users
_LEFT_OUT = ("question", "user", "created_at")


@dataclass(frozen=True, slots=True)
class Pair:
    """Rows of both windows, the current ones first. ``columns`` are of all rows, ``places`` those looked at.

    ``few_users``: rows are compared within each user, a user's day being what is independent.
    """

    columns: Columns
    places: NDArray[np.int64]
    rows: Rows
    live: bool
    few_users: bool

    @classmethod
    def of(cls, current: Window, reference: Window) -> "Pair":
        """The pair; the same users' rows belong together whichever window they are in."""
        frame = pd.concat([current.frame, reference.frame], ignore_index=True)
        now = np.arange(len(frame)) < len(current.frame)
        rows = Rows(now, clusters.codes(frame["user"]))
        live = reference.kind == LIVE
        columns = {str(name): frame[name].to_numpy() for name in frame if name not in _LEFT_OUT}
        pair = cls(columns, np.arange(len(frame)), rows, live, few_users=False)
        if not live or rows.clusters >= clusters.LEAST_CLUSTERS or (frame["user"] == "").any():
            return pair
        day = frame["created_at"].dt.floor("D").astype("int64").to_numpy()
        user = rows.cluster
        pair = replace(pair, rows=Rows(now, crossed(user, day), user), few_users=True)
        # Who is in one window only cannot be compared.
        return pair.among(np.isin(user, np.intersect1d(user[now], user[~now])))

    def __getitem__(self, column: str) -> NDArray[Any]:
        return np.asarray(self.columns[column][self.places])

    def about(self, figure: Figure) -> "Pair":
        """The rows that ``figure`` speaks of."""
        return self.among(figure.mask(_View(self)))

    def among(self, mask: NDArray[np.bool_]) -> "Pair":
        """The rows of ``mask``."""
        return replace(self, places=self.places[mask], rows=self.rows.among(mask))

    def sides(self, found: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """A column's values now and then."""
        return found[self.rows.now], found[~self.rows.now]


class _View(Mapping[str, NDArray[Any]]):
    """The columns of the rows of a pair, taken when asked for."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._pair[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pair.columns)

    def __len__(self) -> int:
        return len(self._pair.columns)


def crossed(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number a pair of codes."""
    return np.asarray(pd.factorize(pd.MultiIndex.from_arrays([first, second]))[0], dtype=np.int64)
