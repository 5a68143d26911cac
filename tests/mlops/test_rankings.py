"""The arena's ranking is computed when there are new votes, and only then; what its lines say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.mlops import ranking_words, rankings
from melancia.records import Variant
from melancia.store import Store
from tests.store.samples import answered, question

A, B, C = Variant("ollama", "a"), Variant("ollama", "b"), Variant("openai", "c")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def vote(store: Store, left: Variant, right: Variant, winner: str, user: str = "ana") -> None:
    """One vote, the left answer being the longer one."""
    duel = store.votes.begin(user, "O que é ACOS?", left, right)
    store.votes.claim(duel.id, user)
    made = [answered(question(user, duel.conversation("left")), text) for text in ("longa" * 9, "curta")]
    for one in made:
        store.start(one)
    store.votes.answered(duel.id, *made)
    store.votes.vote(duel.id, user, winner)


def test_it_is_computed_anew_only_for_new_votes(store: Store) -> None:
    assert rankings.newest(store) is None
    assert rankings.refresh(store).votes == 0
    vote(store, A, B, "left")
    first = rankings.refresh(store)
    assert (first.votes, first.variants) == (1, {A.hash: A, B.hash: B})
    again = rankings.refresh(store)
    assert again == first == rankings.newest(store)
    vote(store, B, C, "tie")
    later = rankings.refresh(store)
    assert later.votes == 2
    overall = later.of("")
    assert overall is not None
    assert {place.variant for place in overall.places} == {A.hash, B.hash, C.hash}
    topic = later.of("metricas")
    assert topic is not None
    assert topic.votes == 2
    assert later.of("logistica") is None


def test_what_another_version_kept_is_not_read_but_computed(store: Store) -> None:
    vote(store, A, B, "left")
    store.votes.keep_ranking(1, {"rankings": [{"de": "outra versão"}], "variants": {}})
    assert rankings.newest(store) is None
    assert rankings.refresh(store).variants == {A.hash: A, B.hash: B}


def test_variants_that_never_met_are_not_to_be_compared(store: Store) -> None:
    warm = Variant("ollama", "a", temperature=0.9)
    vote(store, A, B, "left")
    vote(store, C, warm, "right")
    standing = rankings.refresh(store)
    overall = standing.of("")
    assert overall is not None
    assert any("nunca se enfrentaram" in line for line in ranking_words.remarks(overall))
    assert any("Poucos votos" in line for line in ranking_words.remarks(overall))
    assert [row.place for row in ranking_words.rows(standing, overall)] == ["–"] * 4
    names = {row.name for row in ranking_words.rows(standing, overall)}
    assert {"ollama:b", "openai:c"} < names
    assert "ollama:a (prompt v1, temperatura 0,9, 5 trechos)" in names


def test_every_variant_has_a_name_of_its_own() -> None:
    alike = [A, Variant("ollama", "a", max_tokens=100), Variant("ollama", "a", k=3), B]
    names = ranking_words.names({variant.hash: variant for variant in alike})
    assert len(set(names.values())) == len(alike)
    assert names[B.hash] == "ollama:b"
    extractive = Variant("extractive", "extractive")
    assert ranking_words.names({extractive.hash: extractive}) == {extractive.hash: "extrativo"}


@given(st.floats(-500, 2500))
def test_the_chance_is_elos_and_both_sides_sum_to_one(rating: float) -> None:
    chance = rankings.win_chance(rating)
    assert 0 < chance < 1
    assert chance + rankings.win_chance(2000 - rating) == pytest.approx(1)
    assert rankings.win_chance(1400) == pytest.approx(10 / 11)
