"""When something is due: cron expressions, in UTC, and what the platform does by the clock."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from melancia.errors import SettingsError
from melancia.records import utc_now
from melancia.settings import Settings, variable_name

NEVER = "nunca"
DRIFT, VERDICT, RETENTION = "drift", "verdict", "retention"
_HOURLY, _NIGHTLY = "0 * * * *", "40 3 * * *"
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_OF_WEEK = re.compile(r"(?P<first>\*|[0-7])(-(?P<last>[0-7]))?(/(?P<step>[1-7]))?")
_REMEDY = (
    "Use cinco campos (minuto, hora, dia, mês, dia da semana), em UTC, como “0 6 * * *” (todo dia às 6h) ou "
    f"“30 2 * * 1” (às segundas), ou “{NEVER}”."
)


class Cron:
    """A cron expression, in UTC; ``text`` as it was given. Raises SettingsError naming ``variable``."""

    def __init__(self, text: str, variable: str) -> None:
        self.text = " ".join(text.split()).lower()
        try:
            fields = self.text.split(" ")
            # The clock would want both, where cron wants one of them: better refused than at another time.
            if len(fields) == 5 and "*" not in (fields[2], fields[4]):
                raise ValueError("day of month and day of week")
            fields[-1] = _named(fields[-1])
            self._trigger = CronTrigger.from_crontab(" ".join(fields), timezone="UTC")
        except ValueError as error:
            raise SettingsError(f"{variable}={text!r} não é um horário que se entenda.", _REMEDY) from error
        if self.next(utc_now()) is None:
            raise SettingsError(f"{variable}={text!r} nunca chega.", _REMEDY)

    def next(self, after: datetime) -> datetime | None:
        """The first due time after an instant; None when none ever comes."""
        found: datetime | None = self._trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        return found

    def due(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The last due times after one instant and not after the other, oldest first; ``most`` of them."""
        span = timedelta(hours=1)
        while True:
            # Backwards in ever longer steps: what was due each minute of a year is not counted through.
            start = max(after, until - span)
            found: list[datetime] = []
            at = self.next(start)
            while at is not None and at <= until:
                found.append(at)
                at = self.next(at)
            if len(found) >= most or start == after:
                return found[-most:]
            span *= 4


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that is done by the clock. ``cron`` is None when it is switched off."""

    name: str
    title: str
    cron: Cron | None


def timetable(settings: Settings) -> Sequence[Timed]:
    """All that is done by the clock. Raises SettingsError for an expression that cannot be read."""
    drift = settings.drift_schedule.strip()
    off = drift.lower() in ("", NEVER)
    variable = variable_name(Settings, "drift_schedule")
    return (
        Timed(DRIFT, "relatório de mudanças", None if off else Cron(drift, variable)),
        Timed(VERDICT, "veredito do experimento", Cron(_HOURLY, VERDICT)),
        Timed(RETENTION, "limpeza por prazo", Cron(_NIGHTLY, RETENTION)),
    )


def _named(field: str) -> str:
    """Days of the week by name: to cron 0 is Sunday, to APScheduler 3 Monday. Raises ValueError."""
    if field == "*" or not re.search(r"\d", field):
        return field
    days = []
    for part in field.split(","):
        found = _DAYS_OF_WEEK.fullmatch(part)
        if found is None:
            raise ValueError(part)
        first = 0 if found["first"] == "*" else int(found["first"])
        # One day with a step goes to the end of the week, as in cron.
        last = int(found["last"]) if found["last"] else 6 if found["first"] == "*" or found["step"] else first
        if last < first:
            raise ValueError(part)
        days += [_DAYS[day] for day in range(first, last + 1, int(found["step"] or 1))]
    return ",".join(dict.fromkeys(days))
