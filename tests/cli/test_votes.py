"""``votes``: the export and the ranking as an analyst types them."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.records import Variant
from melancia.store import Store
from melancia.store.duels import EXPORTED
from tests.cli.test_cli import melancia
from tests.images import run_in_image
from tests.store.samples import answered, question

STRONG, WEAK = Variant("ollama", "forte"), Variant("ollama", "fraco")
WARM = Variant("ollama", "fraco", temperature=0.9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of the commands' data folder."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def vote(store: Store, user: str, left: Variant, right: Variant, winner: str) -> None:
    """One vote."""
    duel = store.votes.begin(user, "O que é ACOS?", left, right)
    store.votes.claim(duel.id, user)
    made = [answered(question(user, duel.conversation("left")), text) for text in ("=um", "outra")]
    for one in made:
        store.start(one)
        store.finish(one)
    store.votes.answered(duel.id, *made)
    store.votes.vote(duel.id, user, winner)


def fill(store: Store) -> None:
    """Thirty votes of six people: the strong one wins most, the weak ones are alike."""
    for number in range(30):
        pairs = ((STRONG, WEAK), (WARM, STRONG), (WEAK, WARM))
        left, right = pairs[number % 3]
        if WEAK in (left, right) and WARM in (left, right):
            winner = "tie" if number % 2 else "both_bad"
        else:
            winner = "left" if left == STRONG else "right"
        vote(store, f"u{number % 6}", left, right, winner)


def test_votes_are_exported_whole(store: Store, tmp_path: Path) -> None:
    empty = melancia("votes", "export", data=tmp_path)
    assert empty.stdout.strip().split(",") == EXPORTED
    vote(store, "ana", STRONG, WARM, "both_bad")
    printed = list(csv.DictReader(io.StringIO(melancia("votes", "export", data=tmp_path).stdout)))
    assert [(row["winner"], row["right_hash"], row["left_text"]) for row in printed] == [
        ("both_bad", WARM.hash, "'=um")
    ]
    done = melancia("votes", "export", "-o", str(tmp_path / "votos.jsonl"), data=tmp_path)
    assert "1 voto em" in done.stdout, done.stderr
    row = json.loads((tmp_path / "votos.jsonl").read_text("utf-8"))
    assert Variant.from_dict(row["right_variant"]) == WARM
    assert row["left_text"] == "=um"
    saved = melancia("votes", "export", "-o", str(tmp_path / "votos.csv"), data=tmp_path)
    assert saved.returncode == 0
    assert (tmp_path / "votos.csv").read_bytes().startswith(b"\xef\xbb\xbfduel_id,")
    refused = melancia("votes", "export", "-o", str(tmp_path / "votos.xlsx"), data=tmp_path)
    assert refused.returncode == 1
    assert "csv ou jsonl" in refused.stderr


def test_the_ranking_is_printed_with_ties_and_the_effect_of_length(store: Store, tmp_path: Path) -> None:
    fill(store)
    done = melancia("votes", "ranking", data=tmp_path)
    assert done.returncode == 0, done.stderr
    first, _, best, *others = done.stdout.splitlines()
    assert first == "30 votos de 6 pessoas"
    assert best.startswith("1º ")
    assert "20/0/0/0" in best
    assert "ollama:forte" in best
    assert all(line.startswith("2º, empate técnico") for line in others[:2])
    assert any("(prompt v1, temperatura 0,9, 5 trechos)" in line for line in others[:2])
    assert "Efeito do tamanho" in done.stdout
    # The page now shows the same.
    kept = store.votes.ranking()
    assert kept is not None
    assert kept["votes"] == 30


def test_the_ranking_of_a_topic_as_json(store: Store, tmp_path: Path) -> None:
    fill(store)
    done = melancia("votes", "ranking", "--topic", "metricas", "--json", data=tmp_path)
    found = json.loads(done.stdout)
    assert (found["topic"], found["votes"], found["users"], found["enough_votes"]) == (
        "metricas",
        30,
        6,
        True,
    )
    best = found["places"][0]
    assert Variant.from_dict(found["variants"][best["variant"]]) == STRONG
    assert best["rating"]["low"] <= best["rating"]["value"] <= best["rating"]["high"]
    assert found["length_effect"]["value"] is not None
    refused = melancia("votes", "ranking", "--topic", "marte", data=tmp_path)
    assert refused.returncode == 1
    assert "Há votos em: metricas" in refused.stderr


def test_few_votes_have_no_order(store: Store, tmp_path: Path) -> None:
    assert "0 votos de 0 pessoas" in melancia("votes", "ranking", data=tmp_path).stdout
    vote(store, "ana", STRONG, WEAK, "left")
    done = melancia("votes", "ranking", data=tmp_path)
    assert "1 voto de 1 pessoa" in done.stdout
    assert "Poucos votos para uma ordem" in done.stdout
    assert "1º" not in done.stdout
    refused = melancia("votes", "ranking", "--topic", "marte", data=tmp_path)
    assert "não há votos no tópico marte" in refused.stderr.lower()


def test_the_pages_image_says_where_the_ranking_is_computed(store: Store, tmp_path: Path) -> None:
    fill(store)
    code = """
from melancia.cli import main
sys.argv[1:] = ["votes", "ranking"]
main()
"""
    done = run_in_image("app", code, MELANCIA_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "Este comando precisa do pacote statsmodels" in done.stderr
    assert "docker compose exec worker melancia" in done.stderr
    assert "Traceback" not in done.stderr
