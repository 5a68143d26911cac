"""A result on the page: the table, the ranking, what may be believed, mishaps, files; nothing smuggled in."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.experiments.results import JudgeReport, Report
from melancia.records import Turn, Variant
from melancia.ui import benchmark_answers, benchmark_compare, benchmark_view
from tests.experiments.measurements import CLOUD, CONTROL, LOCAL, answer, failure, report, sampled
from tests.ui.benchmarks import EVIL, NEW, OLD, made


class _Elements(HTMLParser):
    """The elements of some HTML and its rows of cells; fails on one that is left open."""

    VOID = ("img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"th", "td"} & set(self._open):
            self.rows[-1][-1] += f"{data} "


def shown(found: Report, drawn: tuple[str, ...] = (), link: str = "") -> str:
    """The result, well-formed."""
    html = benchmark_view.result(found, drawn, link)
    _Elements(html)
    return html


def test_the_table_has_a_row_a_model_by_quality_with_the_control_marked() -> None:
    rows = _Elements(shown(made())).rows[:4]
    assert rows[0][0].strip() == "Modelo"
    assert [row[0].split()[0] for row in rows[1:]] == ["openai", "ollama", "extractive"]
    assert rows[3][0].split() == ["extractive", "controle"]
    first = dict(zip((cell.split()[0] for cell in rows[0]), rows[1], strict=True))
    assert re.match(r"0,8\d \[0,8\d; 0,\d\d\]", first["Qualidade"])
    assert re.match(r"1,\d\d s ± 0,\d\d s \[1,\d\d s; 1,\d\d s\]", first["Latência"])
    assert re.match(r"450 \d+,\d/s", first["Tokens"])
    assert re.match(r"96 % 23 de 24 \[", first["Sucesso"])
    assert "US$ 0,0069" in first["Custo"]


def test_what_is_unknown_is_a_dash_and_never_a_zero() -> None:
    found = report([CONTROL, LOCAL], [answer(CONTROL, quality=0.5), failure(LOCAL, cost=None)])
    rows = _Elements(shown(replace(found, id=NEW))).rows
    failed = next(row for row in rows if row[0].startswith("ollama"))
    assert [cell.strip() for cell in failed[1:8]] == ["–", "–", "–", "–", "–", "–", "não se sabe"]
    assert failed[8].startswith("0 %")


def test_the_ranking_shares_places_that_the_data_cannot_tell_apart() -> None:
    html = shown(made())
    assert "openai - gpt-4o-mini (0,8" in html
    assert html.index("empate técnico") < html.index("extractive (0,")
    few = shown(made(questions=3))
    assert "são precisas ao menos" in few
    assert "Com 3 perguntas e 3 modelos, nenhuma diferença" in few


def test_differences_are_told_with_their_interval_their_p_and_a_verdict() -> None:
    rows = _Elements(shown(made())).rows
    against = next(row for row in rows if row[0].startswith("openai") and row[1].startswith("+0,"))
    assert re.match(r"\+0,(38|39|40) \[\+0,3\d; \+0,4\d\] p [=<] 0,\d+ melhor", against[1])
    assert against[3].strip().endswith("mais lento")
    following = next(row for row in rows if "contra ollama - llama3.1:8b" in row[1])
    assert "empate técnico" in following[1]
    assert "só 3 perguntas em comum não se sabe" in " ".join(
        " ".join(row) for row in _Elements(shown(made(questions=3))).rows
    )


def test_why_it_stopped_and_with_which_options_is_said() -> None:
    found = made(
        complete=False,
        stopped="o orçamento acabou",
        options=Options(repeats=3, seed=5, budget=0.5, pipeline=True, judge="openai:gpt-4o"),
        index_version="abc123",
    )
    html = shown(found)
    for said in (
        "Parou antes do fim (o orçamento acabou): só 72 respostas",
        "3 repetições",
        "caminho inteiro dos usuários",
        "juiz openai:gpt-4o",
        "orçamento de US&#36; 0,5000",
        "semente 5",
        "base abc123",
        "em 5 min 00 s",
    ):
        assert said in html
    assert "Parou antes do fim" not in shown(made())


def test_failures_and_quarantines_come_with_their_reasons() -> None:
    held = [
        replace(one, quarantine="rodou na CPU") if one.question_id == "1" else one for one in made().answers
    ]
    html = shown(made(answers=held))
    assert "❌ 1 × O servidor não respondeu." in html
    assert html.count("🚧 1 × rodou na CPU") == 3
    calm = report([CONTROL], [answer(CONTROL, quality=1.0)])
    assert "Nenhuma." in shown(replace(calm, id=NEW))


@pytest.mark.parametrize(
    ("fit", "said"), [(True, "✅ Apto."), (False, "Inapto: não confie"), (None, "Não se sabe")]
)
def test_the_judge_stands_beside_with_its_kappa(fit: bool | None, said: str) -> None:
    agreement = {"labelled": {"kappa": 0.71, "low": 0.55, "high": 0.83, "pairs": 80}, "thumbs": None}
    beside = {"wins": 6, "losses": 1, "ties": 1, "inconsistent": 2, "failures": 0, "win_share": 0.6}
    pairs = {CLOUD.hash: {**beside, "interval": {"low": 0.3125, "high": 0.8312}}}
    judge = JudgeReport("openai:gpt-4o", fit, agreement, "Nota.", pairs=pairs)
    answers = [replace(one, judge_score=0.75) for one in made().answers]
    html = shown(made(answers=answers, judge=judge))
    assert said in html
    assert "com as respostas rotuladas: κ de Cohen 0,71 [0,55; 0,83], 80 respostas" in html
    assert "Notas do juiz, à parte da qualidade" in html
    assert "vence em 6 (60 % [31 %; 83 %]), perde em 1, empata em 1, muda com a ordem em 2<" in html
    assert "Juiz:" not in shown(made())


def test_pictures_have_their_words_and_files_their_links() -> None:
    drawn = ("qualidade_custo.png", "latencias.png", "estranho.png")
    html = shown(made(), drawn, "https://mlflow.exemplo.com/#/experiments/1/runs/a&b")
    assert html.count("<img") == 2
    assert re.search(
        rf'src="resultados/{NEW}/qualidade_custo\.png\?v=\d+" alt="Qualidade média[^"]*openai', html
    )
    for kind in ("json", "csv", "log"):
        assert f'href="resultados/{NEW}.{kind}" download' in html
    assert 'href="https://mlflow.exemplo.com/#/experiments/1/runs/a&amp;b"' in html
    without = shown(made(), link="javascript:alert(1)")
    assert "javascript" not in without
    assert "melancia benchmark --mode ui" in without


def test_a_questions_answers_stand_side_by_side_with_all_that_is_known() -> None:
    found = made()
    told: dict[str, Any] = {
        "documents": ("buy-box", "outro"),
        "citations": (1,),
        "invented_citations": 2,
        "finish_reason": "length",
        "refused": True,
        "scores": {"quality": 0.9},
        "unscored": {"correctness": "sem referência"},
        "judge_score": 0.25,
        "judge_reason": "Falta o prazo.",
        "judge_pair": "inconsistent",
        "judge_pair_reason": "Mudou com a ordem.",
        "answer": "A **buy box** [1].",
    }
    answers = [answer(CONTROL, 1, **told), failure(CLOUD, 1), answer(LOCAL, 1, quarantine="rodou na CPU")]
    asked = Question(
        "1", "E agora?", (Turn("Antes?", "Sim."),), "how-to", "Referência.", ("fato",), (), False
    )
    found = replace(found, answers=answers, questions=[asked])
    assert benchmark_answers.questions(found) == [("1. E agora?", "1")]
    html = benchmark_answers.answers(found, "1", {"buy-box": "Buy box"})
    elements = _Elements(html)
    assert elements.names.count("article") == 3
    for said in (
        "Antes?",
        "como fazer",
        "Referência.",
        "o certo é recusar",
        "A <strong>buy box</strong> [1].",
        "[1] Buy box <strong>citado</strong>",
        "[2] outro</li>",
        "2 citações inventadas",
        "cortada no tamanho máximo",
        "recusou",
        "não medida: sem referência",
        "Falta o prazo.",
        "o juiz muda com a ordem",
        "Mudou com a ordem.",
        "Falhou: O servidor falhou.",
        "Em quarentena: rodou na CPU",
    ):
        assert said in html, said
    assert benchmark_answers.answers(found, "outra", {}) == ""


def test_nothing_of_a_file_becomes_an_element() -> None:
    evil = Variant("openai", EVIL)
    answers = [
        failure(evil, 1, EVIL, quarantine=EVIL),
        answer(
            evil,
            2,
            quality=0.5,
            answer=f"**{EVIL}** {EVIL}",
            documents=(EVIL,),
            unscored={"relevance": EVIL},
            judge_score=0.5,
            judge_reason=EVIL,
            judge_pair="win",
            judge_pair_reason=EVIL,
        ),
        *(answer(CONTROL, place, quality=0.5) for place in (1, 2)),
    ]
    found = replace(
        report(
            [CONTROL, evil], answers, complete=False, stopped=EVIL, judge=JudgeReport(EVIL, None, {}, EVIL)
        ),
        id=EVIL,
        mode=EVIL,  # type: ignore[arg-type]
        index_version=EVIL,
        environment={"system": EVIL, "melancia": EVIL},
        prices=[
            {
                "provider": EVIL,
                "model_name": EVIL,
                "input_per_million": 1.0,
                "output_per_million": 1.0,
                "date": "2026-11-30",
            }
        ],
        questions=[Question("1", EVIL), Question("2", EVIL, (Turn(EVIL, EVIL),), EVIL, EVIL, (EVIL,))],
    )
    plain = made()
    for html in (
        benchmark_view.result(found, ["latencias.png"], f"https://x/{EVIL}"),
        benchmark_answers.answers(found, "1", {}),
        benchmark_answers.answers(found, "2", {EVIL: EVIL}),
        benchmark_compare.compare(found, plain),
        benchmark_compare.compare(plain, found),
    ):
        elements = _Elements(html)
        assert "script" not in elements.names
        assert ("src", "x") not in elements.attributes
        assert not [name for name, _ in elements.attributes if name.startswith("on")]
        assert not set("${}`") & set(html)


def test_then_and_now_stand_together_and_claim_nothing() -> None:
    then = made(OLD)
    html = benchmark_compare.compare(made(), then)
    _Elements(html)
    assert "Mesmas perguntas, mesma base, mesmas configurações" in html
    assert "não foram testadas" in html
    assert "diferença: 0,00" in html
    assert "p =" not in html


def test_all_that_changed_beside_the_model_is_said() -> None:
    colder = Variant("ollama", "llama3.1:8b", temperature=0.0)
    then = made(OLD, questions=12, variants=[CONTROL, LOCAL], index_version="v0", complete=False)
    answers = sampled({CONTROL: LEVEL, colder: LEVEL, CLOUD: LEVEL}, 24)
    now = replace(
        report([CONTROL, colder, CLOUD], answers),
        id=NEW,
        options=Options(repeats=2, pipeline=True),
        environment={"embedding_model": "openai:x", "melancia": "0.1.0", "ollama": None},
    )
    html = benchmark_compare.compare(now, then)
    for said in (
        "Não foi só o modelo que mudou",
        "Perguntas: 12 antes, 24 agora, 12 em comum.",
        "O benchmark anterior parou antes do fim.",
        "versão v0 antes, v1 agora",
        "Configuração de ollama:llama3.1:8b: temperature 0.3 → 0.0.",
        "Repetições: 1 antes, 2 agora.",
        "Caminho inteiro dos usuários: não antes, sim agora.",
        "Modelo de embeddings: local:enpt antes, openai:x agora.",
        "Versão do Ollama: 0.9.0 antes, – agora.",
        "Só no atual: openai:gpt-4o-mini.",
    ):
        assert said in html, said
    assert len(_Elements(html).rows) == 3


LEVEL = {"quality": 0.5, "latency": 1.0, "cost": 0.0}
