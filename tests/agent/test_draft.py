"""Which drafts will not do, and who is asked for a rating."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.agent.draft import Fault, fault, replaces
from melancia.agent.rating import is_drawn
from melancia.records import (
    Answer,
    Assignment,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Variant,
    new_id,
)

A, OTHER = Variant("ollama", "a"), Variant("extractive", "extractive")
GOOD = Interaction(
    user_id="ana",
    conversation_id="c",
    question="O que é ACOS?",
    assignment=Assignment(A),
    exposure=A,
    answer=Answer("É a razão [1].", citations=(1,), finish_reason=FinishReason.STOP),
)


def with_(draft: Interaction = GOOD, *, exposure: Variant | None = A, **answer: object) -> Interaction:
    return replace(draft, exposure=exposure, answer=replace(draft.answer, **answer))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("draft", "found"),
    [
        (GOOD, None),
        (with_(citations=()), Fault.UNCITED),
        (with_(refused=True, citations=()), Fault.REFUSED),
        (with_(finish_reason=FinishReason.LENGTH), Fault.CUT),
        (with_(finish_reason=FinishReason.TIMEOUT), Fault.CUT),
        (with_(finish_reason=FinishReason.ERROR, text=""), Fault.FAILED),
        (with_(exposure=None, finish_reason=FinishReason.ERROR, text=""), Fault.FAILED),
        (with_(exposure=OTHER), Fault.FAILED),  # another one spoke in its place
        (with_(exposure=None, refused=True, citations=()), None),  # there is no evidence: rightly refused
        (with_(finish_reason=FinishReason.CANCELLED, citations=()), None),  # the user stopped it
        (with_(finish_reason=FinishReason.RUNNING, citations=()), None),
        (replace(with_(citations=()), origin=Origin(OriginKind.EXACT, "x")), None),
    ],
)
def test_a_draft_that_will_not_do_is_known_by_its_record(draft: Interaction, found: Fault | None) -> None:
    assert fault(draft) is found


def test_only_a_whole_final_answer_takes_the_drafts_place() -> None:
    assert replaces(GOOD)
    assert replaces(with_(finish_reason=FinishReason.LENGTH))
    assert not replaces(with_(finish_reason=FinishReason.TIMEOUT))
    assert not replaces(with_(text=""))


def test_the_lot_is_as_large_as_it_should_be_and_the_same_each_time() -> None:
    ids = [new_id() for _ in range(20_000)]
    drawn = {one for one in ids if is_drawn(one, 0.1)}
    assert 0.09 < len(drawn) / len(ids) < 0.11
    assert drawn == {one for one in ids if is_drawn(one, 0.1)}
    assert drawn <= {one for one in ids if is_drawn(one, 0.2)}


@given(st.text(min_size=1))
def test_none_and_all(interaction_id: str) -> None:
    assert is_drawn(interaction_id, 1.0)
    assert not is_drawn(interaction_id, 0.0)
