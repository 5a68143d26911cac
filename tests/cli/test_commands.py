"""ask, models, feedback export, doctor and serve, each in a process of its own."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.records import Feedback
from melancia.store import Store
from tests.cli.test_cli import ROOT, melancia
from tests.standins.ollama import OllamaStandin

QUESTION = "o que é acos?"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """A running stand-in."""
    with OllamaStandin(models=["llama3.2:3b"]) as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a small knowledge folder, not indexed."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "acos.md").write_text(
        "# ACOS\n\nO ACOS é o investimento em anúncios dividido pela receita desses anúncios.\n", "utf-8"
    )
    return tmp_path


def run(
    *arguments: str, data: Path, ollama: str = NOWHERE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The command on ``data``'s own documents."""
    given = {"MELANCIA_KNOWLEDGE_DIR": str(data / "docs"), "OLLAMA_BASE_URL": ollama}
    return melancia(*arguments, data=data, **(given | variables))


def test_a_model_answers_on_request_and_the_interaction_is_recorded(
    data: Path, ollama: OllamaStandin
) -> None:
    ollama.set_script("É a divisão [1]. Inventado [8].")
    arguments = ("--provider", "ollama", "--model", "llama3.2:3b", "--json")
    done = run("ask", QUESTION, *arguments, data=data, ollama=ollama.url)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["answer"] == "É a divisão [1]. Inventado."
    assert answer["invented_citations"] == 1
    assert answer["answered_by"]["model"] == "llama3.2:3b"
    assert answer["usage"]["completion_tokens"] > 0
    store = Store.open(f"sqlite:///{data / 'melancia.db'}")
    assert store.get(answer["id"]).answer.text == answer["answer"]
    store.close()


def test_auto_picks_the_model_that_is_there_and_falls_back_when_it_dies(
    data: Path, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=1, http_500=True)
    done = run("ask", QUESTION, data=data, ollama=ollama.url)
    assert done.returncode == 0
    assert "Responde agora: extractive:extractive" in done.stderr
    assert "dividido pela receita" in done.stdout
    assert "[1] ACOS" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "gpt-4o"), "--provider e --model juntos"),
        (("--provider", "ollama"), "--provider e --model juntos"),
        (("--provider", "olama", "--model", "x"), "Quis dizer ollama?"),
    ],
)
def test_half_a_variant_is_refused(data: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("ask", QUESTION, *arguments, data=data)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (data / "melancia.db").exists()


def test_models_shows_what_is_usable_now(data: Path, ollama: OllamaStandin) -> None:
    cards = json.loads(run("models", "--json", data=data, ollama=ollama.url).stdout)
    by_label = {card["label"]: card for card in cards}
    assert by_label["ollama:llama3.2:3b"]["availability"]["usable"]
    assert by_label["ollama:llama3.2:3b"]["current"]
    assert by_label["openai:gpt-4o-mini"]["input_price"] == pytest.approx(0.15)
    assert not by_label["openai:gpt-4o-mini"]["availability"]["usable"]
    guide = (
        "openai:gpt-4o openai:gpt-3.5-turbo ollama:llama3.1:8b ollama:llama3.1:70b ollama:mistral:7b"
    ).split()
    assert set(guide) <= set(by_label)
    table = run("models", data=data)
    assert "ollama:llama3.1:8b" in table.stdout
    assert "servidor não responde" in table.stdout
    assert "ollama serve" in table.stdout


def test_feedback_export(data: Path) -> None:
    identifier = json.loads(run("ask", QUESTION, "--json", data=data).stdout)["id"]
    store = Store.open(f"sqlite:///{data / 'melancia.db'}")
    store.rate(Feedback(identifier, "cli", thumb=1, comment="boa"))
    store.close()
    printed = run("feedback", "export", data=data)
    (row,) = csv.DictReader(io.StringIO(printed.stdout))
    assert (row["question"], row["thumb"], row["comment"]) == (QUESTION, "1", "boa")
    done = run("feedback", "export", "-o", str(data / "a.jsonl"), data=data)
    assert "1 avaliação em" in done.stdout
    assert json.loads((data / "a.jsonl").read_text("utf-8"))["interaction_id"] == identifier
    refused = run("feedback", "export", "-o", str(data / "a.xlsx"), data=data)
    assert refused.returncode == 1
    assert "xlsx" in refused.stderr


def test_doctor_names_each_problem_with_its_remedy_and_no_key(data: Path) -> None:
    secret = "sk-segredo-1234567890"
    done = run("doctor", "--json", data=data, OPENAI_API_KEY=secret, HUGGINGFACE_API_TOKEN="hf_...")
    findings = json.loads(done.stdout)
    by_name = {finding["name"]: finding for finding in findings}
    assert done.returncode == 0
    assert by_name["Ollama"]["level"] == "warning"
    assert "ollama serve" in by_name["Ollama"]["remedy"]
    assert "melancia ingest" in by_name["Índice"]["remedy"]
    assert any("é só um exemplo" in finding["message"] for finding in findings)
    assert secret not in done.stdout + done.stderr
    assert all(finding["remedy"] for finding in findings if finding["level"] != "ok")
    assert not (data / "melancia.db").exists()


def test_doctor_sees_models_and_a_silent_cpu_fallback(data: Path, ollama: OllamaStandin) -> None:
    ollama.faults.clear()
    ollama.faults.set(times=None, cpu_fallback=True)
    run("ask", QUESTION, data=data, ollama=ollama.url)
    done = run("doctor", data=data, ollama=ollama.url)
    ollama.faults.clear()
    assert "llama3.2:3b" in done.stdout
    assert "0 % na GPU" in " ".join(done.stdout.split())


def test_doctor_fails_when_nothing_can_be_answered(data: Path) -> None:
    (data / "melancia.db").write_text("não é um banco" * 99)
    done = run("doctor", data=data)
    assert done.returncode == 1
    assert "danificado" in done.stdout


def test_serve_announces_the_address_answers_and_stops_cleanly(data: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MELANCIA_DATA_DIR": str(data),
        "MELANCIA_KNOWLEDGE_DIR": str(data / "docs"),
        "OLLAMA_BASE_URL": NOWHERE,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "melancia", "serve", "--port", str(port)],
        cwd=data,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert f"http://127.0.0.1:{port}" in lines[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert json.load(answer)["status"] == "ok"
    second = run("serve", "--port", str(port), data=data)
    assert second.returncode == 1
    assert "--port" in second.stderr
    assert "a MelâncIA já responde" in run("doctor", data=data, MELANCIA_PORT=str(port)).stdout
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode in (0, 130)


def test_help_is_quick_and_names_every_command(tmp_path: Path) -> None:
    code = (
        "import resource, subprocess, sys\n"
        "command = [sys.executable, '-m', 'melancia', '--help']\n"
        "done = subprocess.run(command, capture_output=True, text=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(done.stdout, used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    text, _, seconds = done.stdout.rstrip().rpartition(" ")
    assert all(name in text for name in ("serve", "ask", "ingest", "search", "models", "feedback", "doctor"))
    # The floor of the issue, in CPU time, which other processes do not lengthen.
    assert float(seconds) < 0.4
