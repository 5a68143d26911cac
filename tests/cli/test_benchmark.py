"""``benchmark``, in a process of its own: its report, its files, its job, and how it is stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.records import Job
from melancia.store import Store
from tests.cli.test_cli import ROOT, melancia
from tests.ports import free_port
from tests.standins.ollama import OllamaStandin
from tests.store.samples import answered, question
from tests.store.test_privacy import report

MODEL = "llama3.2:3b"


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """A running stand-in."""
    with OllamaStandin(models=[MODEL]) as server:
        yield server


@pytest.fixture(autouse=True)
def _calm(ollama: OllamaStandin) -> None:
    ollama.reset()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a small knowledge folder that speaks of the guide's questions."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "retail-media.md").write_text(
        "# O que é Retail Media\n\nRetail Media é a publicidade nos canais de um varejista. As principais "
        "métricas de performance são ACOS, ROAS e conversão. O ACOS no Mercado Livre funciona como a divisão "
        "do investimento em anúncios pela receita.\n",
        "utf-8",
    )
    return tmp_path


def variables(data: Path, ollama: str, **more: str) -> dict[str, str]:
    """The environment of a run on ``data``'s own documents."""
    return {"MELANCIA_KNOWLEDGE_DIR": str(data / "docs"), "OLLAMA_BASE_URL": ollama, **more}


def test_the_report_has_the_shape_of_the_guides(data: Path, ollama: OllamaStandin) -> None:
    done = melancia("benchmark", "--mode", "quick", data=data, **variables(data, ollama.url))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "🚀 TESTE RÁPIDO - Experimentação de LLMs"
    for said in (
        "📝 Perguntas de teste:",
        "   3. Como funciona o ACOS no Mercado Livre?",
        "   ✓ Extrativo configurado (controle, sem modelo de linguagem)",
        f"   ✓ Ollama configurado ({MODEL})",
        "🎯 Testando 2 modelos em 3 perguntas",
        "📊 RELATÓRIO DE BENCHMARK",
        "🤖 EXTRACTIVE - extractive",
        f"🤖 OLLAMA - {MODEL}",
        "  📝 Tokens:      não contados",
        "  💰 Custo:       US$ 0,0000",
        "  ✅ Sucesso:     100 % (3 de 3)",
        "🏆 RANKING",
    ):
        assert said in lines
    for figure in (
        r"⚡ Latência:    \d,\d+ s \(±",
        r"⭐ Qualidade:   [01],\d\d/1,0",
        r"🎯 Relevância:  [01],\d\d/1,0",
    ):
        assert len(re.findall(figure, done.stdout)) == 2
    assert "empate técnico" in done.stdout  # three questions tell nobody apart
    assert "– OpenAI: chave ausente. Crie uma em" in done.stdout
    assert "melancia benchmark --mode ui" in done.stdout
    assert f"ollama:{MODEL}: O que é Retail Media?" in done.stderr
    assert "melancia ingest" in done.stderr  # there are no vectors yet
    files = sorted((data / "experiments").iterdir())
    assert [file.suffix for file in files] == ["", ".json", ".csv", ".json", ".log"]
    assert all(
        str(file) in done.stdout
        for file in files
        if file.suffix in (".csv", ".json") and "config" not in file.name
    )
    assert {picture.suffix for picture in files[0].iterdir()} == {".png"}
    assert "📊 RELATÓRIO DE BENCHMARK" in files[4].read_text("utf-8")
    store = Store.open(f"sqlite:///{data / 'melancia.db'}")
    assert store.counts()["interactions"] == 0
    store.close()


def test_a_budget_leaves_out_what_has_no_price_and_refuses_it_when_asked_for(
    data: Path, ollama: OllamaStandin
) -> None:
    given = variables(data, ollama.url, HUGGINGFACE_API_TOKEN="hf_" + "a" * 34)
    done = melancia("benchmark", "--limit", "1", "--budget", "0.5", data=data, **given)
    assert done.returncode == 0, done.stderr
    assert "🎯 Testando 2 modelos em 1 pergunta\n" in done.stdout
    (left_out,) = (line for line in done.stdout.splitlines() if "– Hugging Face: preço desconhecido" in line)
    assert "Qwen/Qwen3-32B" in left_out
    named = ("--models", "huggingface:Qwen/Qwen3-32B")
    done = melancia("benchmark", "--limit", "1", "--budget", "0.5", *named, data=data, **given)
    assert done.returncode == 1
    assert "O preço de huggingface:Qwen/Qwen3-32B não é conhecido" in done.stderr


def test_the_guides_name_is_the_same_command(data: Path, ollama: OllamaStandin) -> None:
    command = [
        sys.executable,
        "-m",
        "melancia.experiments.run_experiments",
        "--mode",
        "quick",
        "--limit",
        "1",
    ]
    given = {"PYTHONPATH": str(ROOT), "MELANCIA_DATA_DIR": str(data)}
    environment = os.environ | given | variables(data, ollama.url)
    done = subprocess.run(
        command, cwd=data, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "🎯 Testando 2 modelos em 1 pergunta\n" in done.stdout


def test_failures_are_told_with_their_reasons_and_an_absent_mlflow_too(
    data: Path, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=None, http_500=True)
    away = f"http://127.0.0.1:{free_port()}"
    given = variables(data, ollama.url, MLFLOW_TRACKING_URI=away)
    done = melancia("benchmark", "--limit", "2", data=data, **given)
    assert done.returncode == 0, done.stderr  # the control answered, and the files are there
    assert "  ✅ Sucesso:     0 % (0 de 2)" in done.stdout
    assert "  ⚠️  2 × " in done.stdout, done.stdout
    ranking = done.stdout.partition("🏆 RANKING")[2]
    assert "extractive" in ranking
    assert f"{MODEL} (respondeu 0 de 2)" in ranking  # without a place
    assert f"O MLflow não responde em {away}" in done.stderr
    assert "docker compose up -d mlflow" in done.stderr
    assert "o worker os registra quando o MLflow voltar" in done.stderr
    assert len(list((data / "experiments").glob("*.csv"))) == 1


def test_nobody_answering_is_a_failure_of_the_run(data: Path, ollama: OllamaStandin) -> None:
    questions = data / "minhas.txt"
    questions.write_text("quanto?\n", "utf-8")
    (data / "docs" / "retail-media.md").write_text("# Bolo\n\nPão.\n", "utf-8")
    done = melancia(
        "benchmark", "--questions", str(questions), data=data, **variables(data, "http://127.0.0.1:9")
    )
    assert "– Ollama:" in done.stdout
    if done.returncode == 0:  # the control says that it found nothing, which is an answer
        assert "Não encontrei isso na base" in next((data / "experiments").glob("*.csv")).read_text("utf-8")
    else:
        assert "nenhum modelo respondeu" in done.stderr


def test_a_job_tells_its_row_how_far_it_is_and_what_it_found(data: Path, ollama: OllamaStandin) -> None:
    store = Store.open(f"sqlite:///{data / 'melancia.db'}")
    job = Job("benchmark", {"mode": "quick"}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    done = melancia("benchmark", data=data, **variables(data, ollama.url, MELANCIA_JOB_ID=job.id))
    assert done.returncode == 0, done.stderr
    row = store.jobs.get(job.id)
    store.close()
    assert (row.progress, row.message) == (1.0, "Gravando os resultados…")
    assert row.result is not None
    assert [model["model"] for model in row.result["models"]] == [
        "extractive:extractive",
        f"ollama:{MODEL}",
    ]
    assert row.result["models"][1]["success_rate"] == 1.0
    assert row.result["models"][1]["latency_avg"] > 0
    assert 0 <= row.result["models"][1]["quality_avg"] <= 1
    assert row.result["benchmark"].startswith("benchmark_")
    assert row.result["link"] is None


def test_a_job_never_prints_the_questions_of_users(data: Path, ollama: OllamaStandin) -> None:
    """What a job prints stays in its row, whatever they erase."""
    secret = "Como está o ACOS da padaria da Zuleica no bairro?"
    store = Store.open(f"sqlite:///{data / 'melancia.db'}")
    asked = answered(question("zuleica", "c1", secret))
    store.finish(asked)
    kept = report(store, asked.id)
    job = Job("benchmark", {"report": kept}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    options = ("--report", kept, "--judge", f"ollama:{MODEL}")
    done = melancia("benchmark", *options, data=data, **variables(data, ollama.url, MELANCIA_JOB_ID=job.id))
    store.close()
    assert done.returncode == 0, done.stderr
    assert "1 pergunta de teste" in done.stdout
    assert f"ollama:{MODEL}: pergunta 1 (2 de 2): " in done.stderr
    assert "Zuleica" not in done.stdout + done.stderr
    by_hand = melancia("benchmark", *options[:2], data=data, **variables(data, ollama.url))
    assert f"   1. {secret}" in by_hand.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_keeps_what_was_measured(
    data: Path, ollama: OllamaStandin, number: signal.Signals
) -> None:
    ollama.faults.set(times=None, slow_first_token=30)
    given = {"PYTHONPATH": str(ROOT), "MELANCIA_DATA_DIR": str(data), "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "melancia", "benchmark"],
        cwd=data,
        env=os.environ | given | variables(data, ollama.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ollama.wait_for(lambda record: record.path == "/api/chat", timeout=60)
    process.send_signal(number)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "RELATÓRIO DE BENCHMARK (interrompido)" in said
    assert "o que foi medido está nos arquivos" in errors
    assert "Traceback" not in errors
    (kept,) = (path for path in (data / "experiments").glob("*.json") if "config" not in path.name)
    document = json.loads(kept.read_text("utf-8"))
    assert not document["complete"]
    assert [answer["provider"] for answer in document["answers"]] == ["extractive"] * 3
    assert f"melancia benchmark --resume {kept.stem}" in errors
    ollama.reset()
    again = melancia("benchmark", "--resume", "ultimo", data=data, **variables(data, ollama.url))
    assert again.returncode == 0, again.stderr
    assert "3 respostas já medidas" in again.stdout
    whole = json.loads(kept.read_text("utf-8"))
    assert whole["complete"]
    assert whole["answers"][:3] == document["answers"]
    assert len(whole["answers"]) == 6


@pytest.mark.parametrize(
    "arguments",
    [("--mode", "outro"), ("--limit", "0"), ("--limit", "x"), ("--inventada",), ("--repeats", "0")],
)
def test_what_the_command_does_not_know_is_refused(data: Path, arguments: tuple[str, ...]) -> None:
    assert melancia("benchmark", *arguments, data=data).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--models", "ollama:nao-existe"), "ollama pull nao-existe"),
        (("--models", "ollama"), "provedor:modelo"),
        (("--models", "opena:gpt"), "openai"),
        (("--questions", "nao-existe.jsonl"), "não puderam ser lidas"),
        (("--categories", "inventada"), "--mode full"),
        (("--mode", "full", "--categories", "inventada"), "inventada"),
        (("--judge", "extractive"), "não julga"),
        (("--judge", "openai:gpt-4o-mini"), "OPENAI_API_KEY"),
        (("--resume", "benchmark_20200101_000000"), "Não há benchmark"),
        (("--resume", "ultimo", "--limit", "2"), "Tire --limit; só --budget pode mudar."),
        (("--resume", "ultimo", "--mode", "full", "--repeats", "1"), "Tire --mode, --repeats;"),
        (("--resume", "ultimo", "--mode", "quick"), "--resume continua com o modo"),
        (("--mode", "ui", "--limit", "2", "--pipeline"), "Tire --limit, --pipeline."),
        (("--mode", "ui", "--resume", "ultimo"), "Tire --resume."),
        (("--batch", "--pipeline"), "não andam juntos"),
    ],
)
def test_what_cannot_be_is_said_with_a_remedy_before_anything_is_asked(
    data: Path, ollama: OllamaStandin, arguments: tuple[str, ...], said: str
) -> None:
    done = melancia("benchmark", *arguments, data=data, **variables(data, ollama.url))
    assert done.returncode not in (0, 130)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(record.path == "/api/chat" for record in ollama.requests)
    assert not list(data.glob("experiments/*"))


def test_own_questions_chosen_models_and_a_judge(data: Path, ollama: OllamaStandin) -> None:
    questions = data / "minhas.jsonl"
    asked = [
        {"question": "O que é Retail Media?", "category": "definition"},
        {"question": "E o ACOS?", "category": "x"},
    ]
    questions.write_text("\n".join(json.dumps(item) for item in asked), "utf-8")
    judged = {"reason": "Diz o que é.", "verdict": "right", "score": 0.9}
    ollama.set_script(json.dumps(judged))
    done = melancia(
        *("benchmark", "--questions", str(questions), "--categories", "definition"),
        *("--models", f"ollama:{MODEL}", "--judge", f"ollama:{MODEL}", "--repeats", "2"),
        data=data,
        **variables(data, ollama.url),
    )
    assert done.returncode == 0, done.stderr
    assert "🎯 Testando 2 modelos em 1 pergunta" in done.stdout
    (kept,) = (path for path in (data / "experiments").glob("*.json") if "config" not in path.name)
    document = json.loads(kept.read_text("utf-8"))
    assert [answer["repeat"] for answer in document["answers"]] == [1, 2, 1, 2]
    assert {answer["judge_score"] for answer in document["answers"]} == {0.9}
    # It calls everything right: κ is 0, and it is said to be unfit.
    assert document["judge"]["fit"] is False
    assert document["judge"]["agreement"]["labelled"]["agreement"]["kappa"] == pytest.approx(0)
    assert "não serve" in done.stdout
