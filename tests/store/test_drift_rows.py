"""What a drift report reads of the store, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from melancia.records import Answer, Assignment, Feedback, FinishReason, Interaction, Origin, OriginKind
from melancia.store import Store
from tests.store.samples import EXTRACTIVE, LOCAL, answered, question

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def asked(store: Store, at: datetime = NOON, **changes: Any) -> Interaction:
    """An answered question of that instant, stored."""
    made = replace(answered(question()), created_at=at, **changes)
    store.finish(made)
    return made


def ids(store: Store, since: datetime = NOON, until: datetime = NOON + DAY, **which: Any) -> list[str]:
    """The ids that are read, in order."""
    return [row["id"] for batch in store.drift_rows.of(since, until, **which) for row in batch]


def test_a_window_takes_its_beginning_and_leaves_its_end(store: Store) -> None:
    asked(store, NOON - timedelta(microseconds=1))
    first = asked(store, NOON)
    last = asked(store, NOON + DAY - timedelta(microseconds=1))
    asked(store, NOON + DAY)
    assert ids(store) == [first.id, last.id]
    assert store.drift_rows.count(NOON, NOON + DAY) == 2


def test_what_nobody_saw_and_duels_are_left_out(store: Store) -> None:
    kept = asked(store)
    asked(store, origin=Origin(OriginKind.SHADOW, kept.id))
    asked(store, conversation_id="arena:d1:left")
    cached = asked(store, NOON + timedelta(1e-6), origin=Origin(OriginKind.EXACT, kept.id))
    assert ids(store) == [kept.id, cached.id]


def test_an_arm_alone(store: Store) -> None:
    asked(store)
    mine = asked(store, assignment=Assignment(LOCAL, "e", "A"))
    asked(store, assignment=Assignment(EXTRACTIVE, "e", "B"))
    assert ids(store, arm="A") == [mine.id]
    assert store.drift_rows.count(NOON, NOON + DAY, "A") == 1


def test_above_the_limit_the_same_ones_are_drawn_every_time(store: Store) -> None:
    made = [asked(store, NOON + timedelta(minutes=n)) for n in range(30)]
    drawn = ids(store, limit=10)
    assert len(drawn) == 10
    assert drawn == ids(store, limit=10)
    assert set(drawn) <= set(ids(store, limit=20))
    order = [one.id for one in made]
    assert drawn == sorted(drawn, key=order.index)


def test_a_row_has_the_rating_of_its_user_and_the_stored_score(store: Store) -> None:
    rated, unrated = asked(store), asked(store, NOON + timedelta(minutes=1))
    store.rate(Feedback(rated.id, "ana", -1, "não ajudou"))
    store.outcomes.score(rated.id, {"groundedness": 0.75, "quality": 0.5}, {})
    store.outcomes.score(unrated.id, {}, {"groundedness": "falhou"})
    first, second = (row for batch in store.drift_rows.of(NOON, NOON + DAY) for row in batch)
    assert (first["thumb"], first["comment"], first["groundedness"]) == (-1, "não ajudou", 0.75)
    assert (second["thumb"], second["comment"], second["groundedness"]) == (None, None, None)
    assert first["created_at"] == NOON
    assert first["exposed"]["model"] == "extractive"
    assert first["passages"][0]["document_id"] == "acos"


def test_whole_interactions_come_back(store: Store) -> None:
    one, other = asked(store), asked(store, answer=Answer(text="Sim.", finish_reason=FinishReason.STOP))
    asked(store)
    found = store.drift_rows.whole([one.id, other.id, "nenhuma"])
    assert {each.id: each.answer.text for each in found} == {one.id: one.answer.text, other.id: "Sim."}


def test_topics_are_kept_by_embedding_model(store: Store) -> None:
    first, second = store.topics.add("m", [("frete", [0.6, 0.8], 9), ("ACOS", [1.0, 0.0], 7)])
    (other,) = store.topics.add("outro", [("frete", [0.0, 1.0, 0.0], 3)])
    assert first.id < second.id < other.id
    assert [topic.label for topic in store.topics.of("m")] == ["frete", "ACOS"]
    assert store.topics.of("m")[0].centroid == (0.6, 0.8)
    store.topics.resize({first.id: 12})
    changed = store.topics.of("m")[0]
    assert (changed.size, changed.label, changed.id) == (12, "frete", first.id)
    assert changed.updated_at >= changed.created_at
    assert store.topics.of("nenhum") == []
