"""``privacy``: the copy and the erasure as whoever keeps the server types them."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.records import Feedback
from melancia.store import Store
from tests.cli.test_cli import melancia
from tests.store.samples import answered, question


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of the commands' data folder, with a member's question and another user's."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    for user in ("equipe:ana", "bia"):
        done = answered(question(user, f"c-{user}", f"Pergunta de {user}"))
        made.finish(done)
        made.rate(Feedback(done.id, user, thumb=1))
    yield made
    made.close()


def test_a_copy_and_then_the_erasure(store: Store, tmp_path: Path) -> None:
    printed = json.loads(melancia("privacy", "export", "ana", data=tmp_path).stdout)
    assert printed["user"] == "equipe:ana"
    assert [row["question"] for row in printed["interactions"]] == ["Pergunta de equipe:ana"]
    file = tmp_path / "ana.json"
    file.touch(0o644)
    said = melancia("privacy", "export", "equipe:ana", "--output", str(file), data=tmp_path)
    assert str(file) in said.stdout
    assert json.loads(file.read_text())["feedback"][0]["thumb"] == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    for typed in ("", "\n", "não\n", "NAO\n", "talvez\nn\n"):  # nobody said yes
        refused = melancia("privacy", "erase", "ana", data=tmp_path, typed=typed)
        assert refused.returncode == 1
        assert "Não tem volta. [s/N]:" in refused.stdout
        assert refused.stderr.split() == [
            *("Responda sim ou não.".split() * ("talvez" in typed)),
            "Cancelado.",
        ]
        assert store.privacy.counts("equipe:ana")

    erased = melancia("privacy", "erase", "ana", "--yes", data=tmp_path)
    assert "1 pergunta com sua resposta" in erased.stdout
    assert "1 avaliação" in erased.stdout
    assert "Falta" not in erased.stdout
    assert store.privacy.counts("equipe:ana") == {}
    assert store.privacy.counts("bia")
    for command in ("export", "erase"):
        again = melancia("privacy", command, "ana", data=tmp_path)
        assert again.returncode == 1
        assert "já foram apagados" in again.stderr


@pytest.mark.parametrize("typed", ["s", "Sim", "SIM "])
def test_a_yes_is_in_portuguese(store: Store, tmp_path: Path, typed: str) -> None:
    erased = melancia("privacy", "erase", "bia", data=tmp_path, typed=f"{typed}\n")
    assert erased.returncode == 0
    assert erased.stderr == ""
    assert store.privacy.counts("bia") == {}


def test_a_user_who_is_not_known(store: Store, tmp_path: Path) -> None:
    for command in ("export", "erase"):
        said = melancia("privacy", command, "ninguem", data=tmp_path)
        assert said.returncode == 1
        assert "Não há nada guardado de “ninguem”." in said.stderr
        assert "Opções e como funciona" in said.stderr
