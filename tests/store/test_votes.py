"""Duels and their votes on both databases: the draw is kept first, the vote is final, the export is whole."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from melancia.errors import ConflictError, InputError, NotOwnerError
from melancia.records import Interaction, Variant
from melancia.store import Store
from melancia.store.duels import EXPORTED, Duel, DuelState, Name, Winner
from melancia.store.export import lines
from tests.store.samples import answered, question

SIDES: tuple[Name, Name] = ("left", "right")
ONE, OTHER = Variant("ollama", "a"), Variant("openai", "b", temperature=0.7, k=3)


def begun(store: Store, user: str = "ana", text: str = "O que é ACOS?") -> Duel:
    """A duel that is being answered."""
    duel = store.votes.begin(user, text, ONE, OTHER, "modelos")
    return store.votes.claim(duel.id, user)


def sides(store: Store, duel: Duel, texts: tuple[str, str] = ("curta", "mais longa")) -> list[Interaction]:
    """Both answers, recorded."""
    made = [
        answered(question(duel.user_id, duel.conversation(side), duel.question), text)
        for side, text in zip(SIDES, texts, strict=True)
    ]
    for one in made:
        store.start(one)
        store.finish(one)
    return made


def ready(store: Store, user: str = "ana", text: str = "O que é ACOS?") -> Duel:
    """A duel that can be voted on."""
    duel = begun(store, user, text)
    return store.votes.answered(duel.id, *sides(store, duel))


def test_a_duel_goes_from_draw_to_vote(store: Store) -> None:
    drawn = store.votes.begin("ana", "O que é ACOS?", ONE, OTHER, "modelos")
    assert (drawn.state, drawn.left.variant, drawn.right.variant) == (DuelState.DRAWN, ONE, OTHER)
    assert store.votes.get(drawn.id, "ana") == drawn
    assert store.votes.open("ana") is None
    assert store.votes.claim(drawn.id, "ana").state is DuelState.ANSWERING
    made = sides(store, drawn)
    answered_duel = store.votes.answered(drawn.id, *made)
    assert answered_duel.topic == "metricas"
    assert (answered_duel.left.interaction, answered_duel.left.length) == (made[0].id, 5)
    assert (answered_duel.right.interaction, answered_duel.right.length) == (made[1].id, 10)
    assert store.votes.open("ana") == answered_duel
    assert store.votes.open("bia") is None
    voted = store.votes.vote(drawn.id, "ana", "right")
    assert (voted.state, voted.winner) == (DuelState.VOTED, Winner.RIGHT)
    assert voted.voted_at is not None
    assert store.votes.open("ana") is None
    assert list(store.votes.voted()) == [voted]


def test_the_same_vote_again_changes_nothing_and_another_one_is_refused(store: Store) -> None:
    duel = ready(store)
    first = store.votes.vote(duel.id, "ana", "tie")
    assert store.votes.vote(duel.id, "ana", "tie") == first
    with pytest.raises(ConflictError, match="não muda"):
        store.votes.vote(duel.id, "ana", "left")
    assert list(store.votes.voted()) == [first]


def test_of_many_votes_at_once_one_is_kept(store: Store) -> None:
    duel = ready(store)

    def vote(winner: str) -> bool:
        try:
            store.votes.vote(duel.id, "ana", winner)
        except ConflictError:
            return False
        return True

    wanted = ["left", "right", "tie", "both_bad"] * 2
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(vote, wanted))
    (voted,) = store.votes.voted()
    assert [winner for winner, ok in zip(wanted, kept, strict=True) if ok] == [voted.winner] * 2


def test_forged_votes_are_refused(store: Store) -> None:
    duel = ready(store)
    with pytest.raises(NotOwnerError):
        store.votes.vote(duel.id, "bia", "left")
    with pytest.raises(NotOwnerError):
        store.votes.get(duel.id, "bia")
    with pytest.raises(InputError, match="não existe"):
        store.votes.vote("0" * 32, "ana", "left")
    for winner in ("", "LEFT", "a", "left' OR 1=1"):
        with pytest.raises(InputError, match="voto não existe"):
            store.votes.vote(duel.id, "ana", winner)
    assert store.votes.count() == 0


def test_only_answered_duels_are_voted_on(store: Store) -> None:
    drawn = store.votes.begin("ana", "O que é ACOS?", ONE, OTHER)
    with pytest.raises(InputError, match="ainda não terminaram"):
        store.votes.vote(drawn.id, "ana", "left")
    duel = begun(store)
    with pytest.raises(InputError, match="ainda não terminaram"):
        store.votes.vote(duel.id, "ana", "left")
    store.votes.void(duel.id, "left: error")
    assert store.votes.get(duel.id, "ana").reason == "left: error"
    with pytest.raises(InputError, match="anulado"):
        store.votes.vote(duel.id, "ana", "left")
    with pytest.raises(ConflictError, match="anulado"):
        store.votes.answered(duel.id, *sides(store, duel))
    assert store.votes.count() == 0


def test_a_duel_is_answered_once_by_its_user(store: Store) -> None:
    drawn = store.votes.begin("ana", "O que é ACOS?", ONE, OTHER)
    with pytest.raises(NotOwnerError):
        store.votes.claim(drawn.id, "bia")
    store.votes.claim(drawn.id, "ana")
    with pytest.raises(ConflictError):
        store.votes.claim(drawn.id, "ana")
    with pytest.raises(ValueError, match="itself"):
        store.votes.begin("ana", "O que é ACOS?", ONE, ONE)


def test_what_was_answered_is_not_void_any_more(store: Store) -> None:
    duel = ready(store)
    store.votes.void(duel.id, "cancelled")
    assert store.votes.get(duel.id, "ana") == duel


def test_a_void_duel_does_not_hide_the_one_that_waits_but_a_later_one_does(store: Store) -> None:
    waiting = ready(store)
    void = begun(store)
    assert store.votes.open("ana") is None
    store.votes.void(void.id, "cancelled")
    assert store.votes.open("ana") == waiting


def test_the_chat_does_not_take_up_a_duel(store: Store) -> None:
    chat = question("ana", "c1")
    store.start(chat)
    ready(store)
    assert store.latest_conversation("ana") == "c1"
    ready(store, "bia")
    assert store.latest_conversation("bia") is None


def test_the_vote_outlives_its_answers(store: Store) -> None:
    duel = ready(store)
    store.votes.vote(duel.id, "ana", "left")
    with store._engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM interactions"))
    (kept,) = store.votes.voted()
    assert (kept.left.interaction, kept.left.length, kept.winner) == (None, 5, Winner.LEFT)
    assert next(store.votes.export())["left_text"] is None


def test_the_export_names_the_exact_variants_and_is_safe_in_a_spreadsheet(store: Store) -> None:
    duel = ready(store, text="=HYPERLINK(1)")
    store.votes.vote(duel.id, "ana", "both_bad")
    ready(store)
    (row,) = [json.loads(line) for line in lines(store.votes.export(), "jsonl", EXPORTED)]
    assert list(row) == EXPORTED
    assert row["duel_id"] == duel.id
    assert (row["winner"], row["topic"], row["experiment"]) == ("both_bad", "metricas", "modelos")
    assert Variant.from_dict(row["left_variant"]) == ONE
    assert (row["right_hash"], row["right_model"]) == (OTHER.hash, "b")
    assert (row["left_text"], row["left_length"], row["left_total_time"]) == ("curta", 5, 0.9)
    (cells,) = csv.DictReader(io.StringIO("".join(lines(store.votes.export(), "csv", EXPORTED))))
    assert cells["question"] == "'=HYPERLINK(1)"
    assert Variant.from_dict(json.loads(cells["right_variant"])) == OTHER


def test_the_newest_ranking_is_kept(store: Store) -> None:
    assert store.votes.ranking() is None
    store.votes.keep_ranking(3, {"rankings": []})
    store.votes.keep_ranking(4, {"rankings": [{"topic": ""}]})
    found = store.votes.ranking()
    assert found is not None
    assert (found["votes"], found["content"]) == (4, {"rankings": [{"topic": ""}]})


def test_many_votes_are_streamed_in_order(store: Store) -> None:
    drawn = [ready(store, f"u{number}") for number in range(5)]
    for duel in reversed(drawn):
        store.votes.vote(duel.id, duel.user_id, "left")
    assert [row["user_id"] for row in store.votes.export()] == ["u4", "u3", "u2", "u1", "u0"]
    assert [duel.user_id for duel in store.votes.voted()] == ["u4", "u3", "u2", "u1", "u0"]
