"""``experiment``: what an engineer types, what it answers, what it refuses."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_cli import melancia
from tests.standins.ollama import OllamaStandin

ARMS = ("--arm", "A=ollama:llama3.2:3b", "--arm", "B=openai:gpt-4o-mini,temperature=0.7,k=3")
WHY = ("--reason", "comparar")
KEY = {"OPENAI_API_KEY": "sk-teste"}


def test_an_experiment_is_created_watched_changed_and_rolled_back(tmp_path: Path) -> None:
    assert "Nenhum experimento" in melancia("experiment", "list", data=tmp_path).stdout
    made = melancia(
        *("experiment", "create", "modelos", *ARMS, "--weights", "80,20"),
        *("--guardrail", "p95_latency=20", *WHY),
        data=tmp_path,
        **KEY,
    )
    assert made.returncode == 0, made.stderr
    assert "modelos, versão 1: em andamento (modo sticky)" in made.stdout
    assert "B  openai:gpt-4o-mini  20 % dos usuários" in made.stdout
    assert "proteção: p95_latency 20" in made.stdout
    paused = melancia("experiment", "pause", "modelos", "--arm", "B", "--reason", "B erra", data=tmp_path)
    assert "B  openai:gpt-4o-mini  0 % dos usuários  pausado" in paused.stdout
    promoted = melancia("experiment", "promote", "modelos", "A", "--reason", "melhor", data=tmp_path)
    assert "versão 3: todos com A" in promoted.stdout
    back = melancia("experiment", "rollback", "modelos", "--version", "1", "--reason", "volta", data=tmp_path)
    assert "versão 4: em andamento" in back.stdout
    told = melancia("experiment", "status", "modelos", "--json", data=tmp_path)
    history = json.loads(told.stdout)
    assert [one["reason"] for one in history] == ["volta", "melhor", "B erra", "comparar"]
    second = history[0]["arms"][1]["variant"]
    assert (second["temperature"], second["k"]) == (0.7, 3)
    assert "3. " in melancia("experiment", "status", "modelos", data=tmp_path).stdout
    assert "modelos (versão 4)" in melancia("experiment", "list", data=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "m", "--arm", "A=ollama:a", *WHY), "dois braços"),
        (("create", "m", *ARMS, "--weights", "1", *WHY), "2 braços e 1 pesos"),
        (("create", "m", *ARMS, "--weights", "a,b", *WHY), "não é um número"),
        (("create", "m", *ARMS, "--mode", "sorte", *WHY), "sticky"),
        (("create", "m", *ARMS, "--mode", "escondido", *WHY), "não existe"),
        (("create", "m", *ARMS, "--guardrail", "sorte=1", *WHY), "p95_latency"),
        (("create", "m", "--arm", "A", "--arm", "B=ollama:b", *WHY), "não diz um braço"),
        (("create", "m", "--arm", "A=ollama:a,cor=azul", "--arm", "B=ollama:b", *WHY), "não existe"),
        (("create", "m", "--arm", "A=ollama:a,prompt=v99", "--arm", "B=ollama:b", *WHY), "v99"),
        (("create", "m", "--arm", "A=ollama:a,k=0", "--arm", "B=ollama:b", *WHY), "um valor não vale: k"),
        (("create", "m", "--arm", "A=auto", "--arm", "B=ollama:b", *WHY), "provedor:modelo"),
        (("create", "m", "--arm", "A=ollama", "--arm", "B=ollama:b", *WHY), "provedor:modelo"),
        (("status", "nada"), "Não há experimento nada"),
        (("pause", "nada", *WHY), "Não há experimento nada"),
    ],
)
def test_what_cannot_be_is_refused_in_portuguese(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = melancia("experiment", *arguments, data=tmp_path, **KEY)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_prompts_are_compared_those_that_ship_and_ones_own(tmp_path: Path) -> None:
    def create(name: str, first: str, second: str) -> "subprocess.CompletedProcess[str]":
        arms = [
            word for arm in (first, second) for word in ("--arm", f"{arm[0].upper()}=extractive,prompt={arm}")
        ]
        return melancia("experiment", "create", name, *arms, *WHY, data=tmp_path)

    assert create("breve", "v1", "w2").returncode == 1
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "curto.md").write_text("Responda em uma frase.\n<fontes>\n</fontes>\n", "utf-8")
    missing = create("prompts", "v1", "curto")
    assert missing.returncode == 1
    assert f"No prompt em {folder / 'curto.md'} falta {{sources}}." in missing.stderr
    (folder / "curto.md").write_text("Responda em uma frase.\n<fontes>\n{sources}\n</fontes>\n", "utf-8")
    made = create("prompts", "v1", "curto")
    assert made.returncode == 0, made.stderr
    [policy] = json.loads(melancia("experiment", "status", "prompts", "--json", data=tmp_path).stdout)
    assert [arm["variant"]["prompt_version"] for arm in policy["arms"]] == ["v1", "curto"]
    (folder / "v2.md").write_text("{sources}", "utf-8")
    taken = create("outro", "curto", "v2")
    assert taken.returncode == 1
    assert "são os nomes dos prompts que vêm com a MelâncIA" in taken.stderr
    outside = create("outro", "v1", "../curto")
    assert "O prompt “../curto” não existe. Existem: v1, v2, curto." in " ".join(outside.stderr.split())


def test_a_shadow_its_guardrails_and_its_end_as_an_ab_test(tmp_path: Path) -> None:
    made = melancia("experiment", "create", "modelos", *ARMS, "--mode", "shadow", *WHY, data=tmp_path, **KEY)
    assert "todos com A, os outros na sombra (modo shadow)" in made.stdout
    limits = ("--guardrail", "p95_latency=20", "--guardrail", "error_rate=0.1")
    guarded = melancia("experiment", "guard", "modelos", *limits, *WHY, data=tmp_path)
    assert "proteção: error_rate 0,1" in guarded.stdout
    said = melancia("experiment", "verdict", "modelos", data=tmp_path)
    assert "B respondeu a 0 de 0 perguntas" in said.stdout
    assert "nada de polegares" in said.stdout
    changed = melancia("experiment", "mode", "modelos", "sticky", *WHY, data=tmp_path)
    assert "versão 3: em andamento (modo sticky)" in changed.stdout
    freed = melancia("experiment", "guard", "modelos", *WHY, data=tmp_path)
    assert "proteção" not in freed.stdout
    assert melancia("experiment", "mode", "modelos", "sorte", *WHY, data=tmp_path).returncode == 1


def test_an_arm_that_could_answer_nobody_is_refused_and_one_still_to_come_warned_of(tmp_path: Path) -> None:
    create = ("experiment", "create", "modelos", *ARMS, *WHY)
    refused = melancia(*create, data=tmp_path, OPENAI_API_KEY="")
    assert refused.returncode == 1
    assert "O braço B não responderia a ninguém. Falta a chave do provedor OpenAI." in refused.stderr
    assert "OPENAI_API_KEY=sk-..." in refused.stderr
    assert "Nenhum experimento" in melancia("experiment", "list", data=tmp_path).stdout
    with OllamaStandin(models=["mistral:7b"]) as server:
        alone = melancia(*create, data=tmp_path, **KEY, OLLAMA_BASE_URL=server.url)
    assert alone.returncode == 0
    assert "`ollama pull llama3.2:3b`" in alone.stderr
    told = melancia(
        *("experiment", "status", "modelos"), data=tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9"
    )
    assert "o Ollama ainda não tem llama3.2:3b" in told.stdout
    assert "ainda não tem" not in melancia("experiment", "status", "modelos", data=tmp_path).stdout


def test_a_change_without_a_reason_is_no_command(tmp_path: Path) -> None:
    assert melancia("experiment", "pause", "modelos", data=tmp_path).returncode == 2


def test_a_verdict_is_said_kept_and_found_the_same_again(tmp_path: Path) -> None:
    melancia("experiment", "create", "modelos", *ARMS, *WHY, data=tmp_path, **KEY)
    said = melancia("experiment", "verdict", "modelos", data=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "Veredito 1, com o que se sabia em" in said.stdout
    assert "B menos A" in said.stdout
    told = json.loads(melancia("experiment", "verdict", "modelos", "--json", data=tmp_path).stdout)
    assert (told["status"], told["rows"], told["recommendation"]) == ("too_early", 0, "continue")
    again = melancia("experiment", "verdict", "modelos", "--check", data=tmp_path)
    assert "veredito 1: o mesmo" in again.stdout
