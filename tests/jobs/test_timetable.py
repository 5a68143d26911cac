"""Cron expressions mean what cron means, are refused in Portuguese, and are counted backwards quickly."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.errors import SettingsError
from melancia.jobs.timetable import Cron, timetable
from melancia.settings import load_settings

MONDAY = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def at(text: str, after: datetime = MONDAY) -> datetime | None:
    """The next due time."""
    return Cron(text, "X").next(after)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 6 * * *", datetime(2026, 5, 5, 6, tzinfo=UTC)),
        ("  0   6 * * * ", datetime(2026, 5, 5, 6, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 5, 4, 12, 15, tzinfo=UTC)),
        ("0 12 * * *", datetime(2026, 5, 5, 12, tzinfo=UTC)),  # what is due now is not the next
        ("0 0 * * 0", datetime(2026, 5, 10, tzinfo=UTC)),  # Sunday, and so is 7
        ("0 0 * * 7", datetime(2026, 5, 10, tzinfo=UTC)),
        ("0 0 * * 1", datetime(2026, 5, 11, tzinfo=UTC)),
        ("0 0 * * 2-4", datetime(2026, 5, 5, tzinfo=UTC)),
        ("0 0 * * 5-7", datetime(2026, 5, 8, tzinfo=UTC)),
        ("0 0 * * 0,3", datetime(2026, 5, 6, tzinfo=UTC)),
        ("0 0 * * */2", datetime(2026, 5, 5, tzinfo=UTC)),
        ("0 0 * * 4/2", datetime(2026, 5, 7, tzinfo=UTC)),
        ("0 0 * * TUE-WED", datetime(2026, 5, 5, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_when_it_is_due(text: str, expected: datetime) -> None:
    assert at(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "6h", "* * * *", "61 * * * *", "0 25 * * *", "0 0 31 2 *", "0 0 * * 8", "0 0 1 * 1", "0 0 * * 5-1"],
)
def test_what_cannot_be_read_is_refused_with_its_variable(text: str) -> None:
    with pytest.raises(SettingsError, match=r"MELANCIA_DRIFT_SCHEDULE.*Use cinco campos"):
        Cron(text, "MELANCIA_DRIFT_SCHEDULE")


def test_the_timetable_has_drift_unless_it_is_off() -> None:
    def drift(text: str) -> Cron | None:
        return next(
            one.cron
            for one in timetable(load_settings(_env_file=None, drift_schedule=text))
            if one.name == "drift"
        )

    daily = drift("30 4 * * *")
    assert daily is not None
    assert daily.next(MONDAY) == datetime(2026, 5, 5, 4, 30, tzinfo=UTC)
    assert drift("nunca") is None
    assert drift(" Nunca ") is None
    with pytest.raises(SettingsError, match="MELANCIA_DRIFT_SCHEDULE"):
        drift("todo dia")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 */5 * * *", "0 6 * * 1", "30 2 1 * *"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 (Hypothesis wants them so)
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.integers(1, 6),
)
def test_the_last_due_times_are_those_found_one_by_one(
    text: str, start: datetime, span: timedelta, most: int
) -> None:
    cron, after = Cron(text, "X"), start.replace(tzinfo=UTC)
    until, every, at = after + span, [], cron.next(after)
    while at is not None and at <= until:
        every.append(at)
        at = cron.next(at)
    assert cron.due(after, until, most) == every[-most:]


def test_each_minute_of_ten_years_is_not_counted_through() -> None:
    cron = Cron("* * * * *", "X")
    found = cron.due(MONDAY - timedelta(days=3650), MONDAY, 3)
    assert found == [MONDAY - timedelta(minutes=2), MONDAY - timedelta(minutes=1), MONDAY]
