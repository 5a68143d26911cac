"""What is older than MELANCIA_RETENTION_DAYS goes, from everywhere, a few hundred interactions at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from melancia.mlops.privacy import files
from melancia.mlops.privacy.erase import finish_pending
from melancia.records import utc_now
from melancia.settings import Settings
from melancia.store import Store

_BATCH = 500
_AUTHOR = "prazo"


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge removed: place → how much. ``complete``: nothing that old is left in the database."""

    removed: dict[str, int] = field(default_factory=dict)
    complete: bool = True

    @property
    def summary(self) -> str:
        """It in Portuguese."""
        from melancia.mlops.privacy.words import listed

        said = f"Removidos pelo prazo: {listed(self.removed)}." if self.removed else "Nada passou do prazo."
        return said if self.complete else f"{said} Interrompido: continua na próxima vez."


def purge(
    store: Store,
    settings: Settings,
    *,
    now: datetime | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Purged:
    """Remove what is too old; nothing when ``retention_days`` is 0. Each batch stands by itself.

    ``stop`` is asked between batches. What MLflow, the cache and the files have waits for ``finish_pending``
    where it cannot be reached now. Raises StoreError.
    """
    if not settings.retention_days:
        return Purged()
    before = (now or utc_now()) - timedelta(days=settings.retention_days)
    removed: dict[str, int] = {}

    def count(found: dict[str, int]) -> None:
        for place, number in found.items():
            removed[place] = removed.get(place, 0) + number

    gone, logs = store.privacy.expire_reports(before)
    count({name: number for name, number in (("reports", len(gone)), ("job_logs", logs)) if number})
    for report_id in gone:
        files.erase_report(settings, report_id)
    complete = True
    while True:
        if stop():
            complete = False
            break
        made = store.privacy.expire(before, _BATCH, _AUTHOR)
        if made is None:
            break
        count({name: number for name, number in made.removed.items() if name != "reports"})
    store.privacy.overwrite()
    finish_pending(settings, store, stop=stop)
    return Purged(removed, complete)
