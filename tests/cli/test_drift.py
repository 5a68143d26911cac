"""``drift`` as an engineer types it, and as a job."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from melancia.records import Answer, Assignment, FinishReason, Interaction, Job, Variant, utc_now
from melancia.settings import load_settings
from melancia.store import Store
from tests.cli.test_cli import melancia

VARIANT = Variant("extractive", "extractive")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform where answers have become four times as slow."""
    data = tmp_path_factory.mktemp("dados")
    store = Store.open(load_settings(_env_file=None, data_dir=data).store_url)
    now = utc_now()
    for number in range(560):
        ago = timedelta(days=35 * (number + 0.5) / 560)
        spread = 1 + (number * 37 % 50) / 100
        interaction = Interaction(
            user_id=f"u{number * 7 % 45}",
            conversation_id=f"c{number}",
            question=f"Como medir o ACOS da campanha {number % 3}?",
            assignment=Assignment(VARIANT),
            exposure=VARIANT,
            answer=Answer(
                text="O ACOS é o investimento dividido pela receita dos anúncios.",
                total_time=spread * (4 if ago < timedelta(days=7) else 1),
                finish_reason=FinishReason.STOP,
            ),
            created_at=now - ago,
        )
        store.start(interaction)
        store.finish(interaction)
    store.close()
    return data


def test_what_changed_is_said_and_kept(asked: Path) -> None:
    done = melancia("drift", "--current", "7d", "--reference", "28d", data=asked)
    assert done.returncode == 0, done.stderr
    for part in (
        "Situação: mudou",
        "112 interações",
        "448 interações",
        "[crítico] Tempo de resposta:",
        "Não testado",
        "nenhuma medida",
        "💾",
    ):
        assert part in done.stdout
    assert "Traceback" not in done.stderr
    (page,) = (asked / "drift").glob("*.html")
    assert "Tempo de resposta" in page.read_text("utf-8")


def test_embeddings_that_cannot_be_computed_are_an_error_with_its_remedy(asked: Path) -> None:
    nowhere = {"MELANCIA_EMBEDDING_MODEL": "ollama:nomic-embed-text", "OLLAMA_BASE_URL": "http://127.0.0.1:9"}
    done = melancia("drift", "--current", "7d", "--reference", "28d", data=asked, **nowhere)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Erro: O Ollama, que calcula os embeddings, não está respondendo." in done.stderr
    assert "`ollama serve`" in done.stderr


def test_as_json_it_is_what_was_kept(asked: Path) -> None:
    store = Store.open(load_settings(_env_file=None, data_dir=asked).store_url)
    job = Job("drift", {}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    variables = {"MELANCIA_JOB_ID": job.id, "MELANCIA_DRIFT_REFERENCE": "14d"}
    done = melancia("drift", "--json", "--current", "1d", data=asked, **variables)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    kept = store.reports.get(told["id"])
    assert (told["status"], told["sizes"]["reference"]) == ("too_little", 224)
    assert (told["sizes"], told["notes"]) == (kept.sizes, list(kept.notes))
    known = store.jobs.get(job.id)
    assert known.result is not None
    assert known.result["report"] == told["id"]
    assert known.result["status"] == "too_little"
    assert known.run_id == kept.run_id
    assert known.progress == 0.9
    store.close()


def test_too_little_is_no_error(tmp_path: Path) -> None:
    done = melancia("drift", data=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Situação: dados de menos" in done.stdout
    assert "Faltam 100 interações na janela recente (0 de 100)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--current", "semana"), "não é um período"),
        (("--reference", "ontem"), "não é um período"),
        (("--reference", "nada.jsonl"), "não pôde ser lido"),
    ],
)
def test_what_cannot_be_is_refused_in_portuguese(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = melancia("drift", *arguments, data=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
