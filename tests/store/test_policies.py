"""Versions of experiments, outcomes, scores and the ledger of verdicts, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from melancia.errors import ConflictError
from melancia.records import (
    Answer,
    Arm,
    Assignment,
    Feedback,
    FinishReason,
    Interaction,
    Policy,
    PolicyMode,
    PolicyState,
    Variant,
    utc_now,
)
from melancia.store import Store

A, B = Variant("ollama", "a"), Variant("openai", "b", temperature=0.7, k=3)
POLICY = Policy(
    "modelos",
    (Arm("A", A, 2.0), Arm("B", B, paused=True)),
    "sal",
    mode=PolicyMode.ADAPTIVE,
    guardrails={"p95_latency": 20.0},
    floor=0.2,
    author="ana",
    reason="começar",
)


def test_a_version_comes_back_as_it_was(store: Store) -> None:
    kept = store.policies.add(replace(POLICY, version=7), None)
    assert kept == replace(POLICY, version=1)
    assert store.policies.newest("modelos") == kept
    assert store.policies.newest("outro") is None
    again = store.policies.add(replace(POLICY, state=PolicyState.PAUSED, reason="ver"), 1)
    assert (again.version, again.hash == kept.hash) == (2, False)
    assert store.policies.history("modelos") == [again, kept]
    assert store.policies.running() is None
    other = store.policies.add(replace(POLICY, experiment="prompts"), None)
    assert store.policies.running() == other
    assert {policy.experiment for policy in store.policies.list()} == {"modelos", "prompts"}


def test_only_one_of_two_changes_at_once_is_kept(store: Store) -> None:
    store.policies.add(POLICY, None)

    def change(number: int) -> bool:
        try:
            store.policies.add(replace(POLICY, reason=f"mudança {number}"), 1)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(change, range(4))) == 1
    assert len(store.policies.history("modelos")) == 2


def answered(store: Store, arm: str, exposed: Variant | None = A, **changes: object) -> Interaction:
    """An interaction of the experiment that came to its end."""
    values: dict[str, object] = {"text": "resposta", "finish_reason": FinishReason.STOP, "total_time": 2.0}
    interaction = Interaction(
        user_id="ana",
        conversation_id="c",
        question="O que é ACOS?",
        assignment=Assignment({"A": A, "B": B}[arm], "modelos", arm, "hash", 0.5),
        exposure=exposed,
        answer=Answer(**(values | changes)),  # type: ignore[arg-type]
    )
    store.start(interaction)
    store.finish(interaction)
    return interaction


def test_outcomes_are_of_the_assigned_arm_whoever_answered(store: Store) -> None:
    whole = answered(store, "A", cost=0.25)
    fell = answered(store, "B", exposed=A)
    stalled = answered(store, "B", exposed=B, finish_reason=FinishReason.TIMEOUT)
    refused = answered(store, "A", exposed=None, refused=True)
    answered(store, "A", finish_reason=FinishReason.CANCELLED)
    given_up = answered(store, "B", exposed=None, text="", finish_reason=FinishReason.CANCELLED)
    running = Interaction("ana", "c", "E agora?", Assignment(A, "modelos", "A"))
    store.start(running)
    outside = Interaction("ana", "c", "Fora", Assignment(A), answer=Answer(finish_reason=FinishReason.STOP))
    store.finish(outside)
    found = {outcome.interaction_id: outcome for outcome in store.outcomes.of("modelos")}
    assert list(found) == [whole.id, fell.id, stalled.id, refused.id, given_up.id]
    assert [(one.arm, one.failed, one.fell_back, one.refused) for one in found.values()] == [
        ("A", False, False, False),
        ("B", True, True, False),
        ("B", True, False, False),
        ("A", False, False, True),
        ("B", True, False, False),
    ]
    assert found[given_up.id].latency is None, "that is how long the user waited"
    assert given_up.id not in {one.interaction_id for one in store.outcomes.of("modelos", given_up=False)}
    first = found[whole.id]
    assert (first.latency, first.cost, first.propensity, first.thumb) == (2.0, 0.25, 0.5, None)
    assert first.created_at == whole.created_at
    assert not list(store.outcomes.of("modelos", as_of=whole.created_at - timedelta(seconds=1)))


@pytest.mark.parametrize(("thumbs", "seen"), [((1,), 1), ((1, -1), -1), ((-1, 0), None)])
def test_the_newest_thumb_counts_and_one_taken_back_does_not(
    store: Store, thumbs: tuple[int, ...], seen: int | None
) -> None:
    interaction = answered(store, "A")
    for thumb in thumbs:
        store.rate(Feedback(interaction.id, "ana", thumb=thumb))
    (outcome,) = store.outcomes.of("modelos")
    assert outcome.thumb == seen


def test_scores_and_failures_to_score(store: Store) -> None:
    first, second = answered(store, "A"), answered(store, "B")
    assert [item.id for item in store.outcomes.unscored(10)] == [first.id, second.id]
    assert [item.id for item in store.outcomes.unscored(1)] == [first.id]
    store.outcomes.score(first.id, {"quality": 0.5}, {"relevance": "sem modelo"})
    store.outcomes.score(second.id, {}, {})
    assert store.outcomes.unscored(10) == []
    store.outcomes.score(first.id, {"quality": 0.75}, {})
    assert [outcome.scores for outcome in store.outcomes.of("modelos")] == [{"quality": 0.5}, {}]


def test_the_past_does_not_change(store: Store) -> None:
    interaction = answered(store, "A")
    store.rate(Feedback(interaction.id, "ana", thumb=1))
    store.outcomes.score(interaction.id, {"quality": 0.5}, {})
    then = utc_now()
    before = list(store.outcomes.of("modelos", then))
    store.rate(Feedback(interaction.id, "ana", thumb=-1))
    store.rate(Feedback(interaction.id, "ana", comment="errado"))
    store.outcomes.score(interaction.id, {"relevance": 0.5}, {})
    answered(store, "B", exposed=B)
    assert list(store.outcomes.of("modelos", then)) == before
    assert [outcome.thumb for outcome in before] == [1]
    now = list(store.outcomes.of("modelos"))
    assert [outcome.thumb for outcome in now] == [-1, None]
    assert now[0].scores == {"quality": 0.5, "relevance": 0.5}


def test_many_outcomes_are_streamed_with_their_scores(store: Store) -> None:
    many = [answered(store, "A") for _ in range(520)]
    for interaction in many[::2]:
        store.outcomes.score(interaction.id, {"quality": 1.0}, {})
    found = list(store.outcomes.of("modelos"))
    assert [bool(outcome.scores) for outcome in found].count(True) == 260
    assert len(found) == 520


def test_the_ledger_keeps_each_verdict_once(store: Store) -> None:
    now = utc_now()
    first = store.outcomes.keep_verdict("modelos", 1, now, "h1", {"status": "too_early"})
    assert store.outcomes.keep_verdict("modelos", 1, now, "h1", {"status": "too_early"}) == first
    second = store.outcomes.keep_verdict("modelos", 1, now, "h2", {"status": "better"})
    assert [line["id"] for line in store.outcomes.ledger("modelos")] == [second, first]
    assert store.outcomes.ledger("modelos")[0]["content"] == {"status": "better"}
    assert store.outcomes.ledger("outro") == []
