"""What MLflow was away for, told it later: a few of them a round, and none that fails keeps the others."""

from collections import Counter
from collections.abc import Callable, Mapping

from melancia.errors import TrackingError
from melancia.mlops.client import connect
from melancia.settings import Settings
from melancia.store import Store

_LOOKS = 20  # of one round


class Missed:
    """Goes through what waits, round by round; what failed before comes last."""

    def __init__(self, settings: Settings, stop: Callable[[], bool]) -> None:
        self._settings = settings
        self._stop = stop
        self._failed: Counter[str] = Counter()

    def record(self, waiting: Mapping[str, Callable[[], bool]]) -> int:
        """Do some of ``waiting``, by name: each says whether it was recorded; how many were.

        Raises TrackingError when MLflow is away, or refused some; what else one of them raises, at once.
        """
        chosen = sorted(waiting, key=self._failed.__getitem__)[:_LOOKS]
        if chosen:
            connect(self._settings)  # an MLflow that is away is noticed once, not at each of them
        count, problem = 0, None
        for name in chosen:
            if self._stop():
                break
            try:
                count += waiting[name]()
            except TrackingError as error:
                problem = error
                self._failed[name] += 1
        if problem is not None:
            raise problem
        return count


def job_of(store: Store, job: str, result: str, name: str) -> str | None:
    """The newest job of that kind whose ``result`` is ``name``, if one has it. Raises StoreError."""
    jobs = store.jobs.list(200, name=job)
    return next((one.id for one in jobs if (one.result or {}).get(result) == name), None)
