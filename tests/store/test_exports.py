"""The outbox: what has not been told waits, in order, and a failure makes it wait longer."""

from dataclasses import replace
from datetime import timedelta

from melancia.records import Feedback, Interaction, utc_now
from melancia.store import Store
from melancia.store.exports import ABANDONED
from tests.store.samples import answered, question


def finished(store: Store) -> Interaction:
    """An answered interaction."""
    done = answered(question())
    store.finish(done)
    return done


def test_an_ended_answer_waits_until_it_is_traced(store: Store) -> None:
    done = finished(store)
    store.start(question())
    [pending] = store.exports.pending(10)
    assert (pending.interaction, pending.trace_id, pending.rating, pending.attempts) == (done, None, None, 0)
    store.exports.begun(done.id)
    assert store.exports.pending(10)[0].attempts == 1
    store.exports.traced(done.id, "tr-1")
    assert (store.exports.pending(10), store.exports.backlog()) == ([], 0)
    assert store.exports.trace_id(done.id) == "tr-1"


def test_an_answer_whose_process_died_is_told_in_the_end(store: Store) -> None:
    asked = question()
    store.start(asked)
    assert store.exports.pending(10) == []
    later = utc_now() + ABANDONED + timedelta(minutes=1)
    assert [item.interaction.id for item in store.exports.pending(10, later)] == [asked.id]


def test_a_rating_waits_for_its_trace_and_each_change_waits_again(store: Store) -> None:
    done = finished(store)
    store.rate(Feedback(done.id, done.user_id, 1))
    store.exports.begun(done.id)
    store.exports.traced(done.id, "tr-1")
    [pending] = store.exports.pending(10)
    assert pending.rating is not None
    assert (pending.trace_id, pending.rating.thumb) == ("tr-1", 1)
    store.exports.rated(done.id, pending.rating.created_at, {"thumb": "a-1"})
    assert store.exports.backlog() == 0
    store.rate(Feedback(done.id, done.user_id, -1, "não", utc_now() + timedelta(seconds=1)))
    [again] = store.exports.pending(10)
    assert again.rating is not None
    assert (again.rating.thumb, again.rating.comment, again.assessments) == (-1, "não", {"thumb": "a-1"})


def test_what_failed_waits_longer_each_time_and_stays_in_the_backlog(store: Store) -> None:
    done = finished(store)
    other = finished(store)
    store.exports.failed(done.id, "MLflow não responde", attempts=1)
    assert [item.interaction.id for item in store.exports.pending(10)] == [other.id]
    assert store.exports.backlog() == 2
    assert store.exports.last_error() == "MLflow não responde"
    soon, late = utc_now() + timedelta(seconds=11), utc_now() + timedelta(hours=1, minutes=1)
    assert len(store.exports.pending(10, soon)) == 2
    store.exports.failed(done.id, "ainda não", attempts=50)
    assert len(store.exports.pending(10, soon)) == 1
    assert len(store.exports.pending(10, late)) == 2
    store.exports.traced(done.id, "tr-1")
    assert store.exports.last_error() == ""


def test_the_oldest_come_first_and_no_more_than_asked(store: Store) -> None:
    now = utc_now()
    made = [replace(answered(question()), created_at=now - timedelta(minutes=age)) for age in (1, 3, 2)]
    for item in made:
        store.finish(item)
    assert [item.interaction.id for item in store.exports.pending(2)] == [made[1].id, made[2].id]
