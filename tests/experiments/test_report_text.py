"""What a benchmark prints: the guide's shape, Portuguese numbers, and what may be believed of them."""

import re
from dataclasses import replace
from unicodedata import east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.experiments import report_text as text
from melancia.experiments import words
from melancia.experiments.plan import Step
from melancia.experiments.questions import Question
from melancia.experiments.results import Interval, JudgeReport, Report
from melancia.llms.catalog import Availability, ModelCard, State
from melancia.records import Variant
from tests.experiments.measurements import CLOUD, CONTROL, LOCAL, answer, failure, report, sampled

LEVELS = {
    CONTROL: {"quality": 0.5, "latency": 0.05, "cost": 0.0},
    CLOUD: {"quality": 0.85, "latency": 1.25, "cost": 0.0002},
    LOCAL: {"quality": 0.7, "latency": 2.1, "cost": 0.0},
}
LONG = Variant("huggingface", "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo-with-a-long-name")


def columns(line: str) -> int:
    """How wide a terminal shows ``line``: an emoji takes two columns."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


def part(said: str, title: str) -> list[str]:
    """The lines of a model's or the ranking's part, up to the next one."""
    lines = said.splitlines()
    begin = lines.index(title) + 2
    ends = [place for place in range(begin, len(lines)) if lines[place].startswith(("🤖", "===", "🏆"))]
    return [line for line in lines[begin : ends[0]] if line]


@pytest.fixture(scope="module")
def three() -> Report:
    """Three models that forty questions tell apart."""
    return report(list(LEVELS), sampled(LEVELS, 40))


def test_a_model_has_the_guides_lines_with_decimal_commas() -> None:
    scores = {"quality": 0.87, "relevance": 0.92}
    answers = [
        answer(CLOUD, n, latency_seconds=value, tokens=450, cost=0.00115, scores=scores)
        for n, value in enumerate([1.15, 1.35])
    ]
    said = text.results(report([CLOUD], answers))
    assert part(said, "🤖 OPENAI - gpt-4o-mini") == [
        "  ⚡ Latência:    1,25 s (±0,14 s)",
        "  📝 Tokens:      450 (média)",
        "  💰 Custo:       US$ 0,0023",
        "  ⭐ Qualidade:   0,87/1,0",
        "  🎯 Relevância:  0,92/1,0",
        "  📈 p50 e p95:   1,25 s e 1,34 s",
        "  ✅ Sucesso:     100 % (2 de 2)",
    ]
    assert said.splitlines()[1:3] == ["📊 RELATÓRIO DE BENCHMARK", "=" * 80]


def test_the_ranking_is_the_guides_when_the_models_can_be_told_apart(three: Report) -> None:
    figures = {item.variant: item.figures for item in three.summaries}
    lines = part(text.results(three), "🏆 RANKING")
    assert lines[:3] == [
        f"  🥇 Melhor Qualidade:        openai - gpt-4o-mini ({words.score(figures[CLOUD]['quality_avg'])})",
        f"  ⚡ Mais Rápido:             extractive ({words.seconds(figures[CONTROL]['latency_avg'])})",
        "  💎 Melhor Custo-Benefício:  openai - gpt-4o-mini",
    ]


def test_differences_are_told_with_interval_adjusted_p_and_verdict(three: Report) -> None:
    said = part(text.results(three), "🤖 OPENAI - gpt-4o-mini")
    control = said.index("  ↔ Contra o controle (extractive):")
    number = r"[+−]\d,\d\d"
    assert re.fullmatch(
        rf"      Qualidade:   {number} \[{number}; {number}\], p ajustado . 0,00\d: melhor", said[control + 1]
    )
    assert re.fullmatch(
        rf"      Latência:    {number} s \[{number}; {number}\], p ajustado . 0,00\d: mais lento",
        said[control + 3],
    )
    assert said[control + 4] == "  ↔ Contra ollama - llama3.1:8b, logo abaixo em qualidade, relevância e"
    assert said[-1].endswith(": mais rápido")
    assert any(line.startswith("  ✅ Sucesso:     100 % (40 de 40) [91 %; 100 %]") for line in said)


def test_what_cannot_be_told_apart_is_a_technical_tie() -> None:
    same = {CLOUD: {**LEVELS[CLOUD], "cost": 0.0}, LOCAL: LEVELS[CLOUD] | {"cost": 0.0}}
    found = report(list(same), sampled(same, 40))
    said = " ".join(" ".join(part(text.results(found), "🏆 RANKING")).split())
    assert re.search(
        r"Melhor Qualidade: +empate técnico entre \S+ - \S+ \(0,8\d\) e \S+ - \S+ \(0,8\d\)", said
    )
    assert re.search(r"Mais Rápido: +empate técnico entre", said)
    assert "p ajustado" in text.results(found)
    assert ": empate técnico" in text.results(found)


def test_three_questions_are_said_to_be_too_few() -> None:
    said = text.results(report(list(LEVELS), sampled(LEVELS, 3)))
    flat = " ".join(said.split())
    assert "só 3 perguntas em comum" in flat
    assert "Com 3 perguntas e 3 modelos, nenhuma diferença, por maior que seja, se distingue do acaso" in flat
    assert "ao menos 9 perguntas" in flat
    assert "empate técnico entre openai - gpt-4o-mini" in flat
    assert "p ajustado" not in flat


def test_the_least_number_of_questions_that_is_told_is_enough() -> None:
    """Of nine questions on three models the largest differences survive, as the note says; of eight none."""
    fixed = {CONTROL: 0.1, LOCAL: 0.5, CLOUD: 0.9}
    for questions, told in ((8, False), (9, True)):
        answers = [
            answer(variant, n, latency_seconds=place + 1.0, scores={"quality": value, "relevance": value})
            for place, (variant, value) in enumerate(fixed.items())
            for n in range(questions)
        ]
        found = report(list(fixed), answers)
        assert any(item.verdict == "better" for item in found.comparisons) is told
        assert ("nenhuma diferença" in text.results(found)) is not told


def test_failures_and_quarantines_are_listed_with_reasons_the_most_frequent_first() -> None:
    answers = [answer(LOCAL, n, quality=0.5) for n in range(3)]
    answers += [failure(LOCAL, 10, "Sem  memória.")] + [
        failure(LOCAL, n, "O servidor falhou.") for n in (11, 12)
    ]
    answers += [answer(LOCAL, 20, quarantine="O modelo rodou na CPU.")]
    said = part(text.results(report([LOCAL], answers)), "🤖 OLLAMA - llama3.1:8b")
    assert said[-3:] == [
        "  ⚠️  2 × O servidor falhou.",
        "  ⚠️  1 × Sem memória.",
        "  🚧 1 em quarentena, fora das médias: O modelo rodou na CPU.",
    ]
    assert "  ✅ Sucesso:     50 % (3 de 6) [19 %; 81 %]" in said


def test_many_different_reasons_are_counted_together() -> None:
    answers = [failure(LOCAL, n, f"Motivo {n}.") for n in range(9)]
    said = text.results(report([LOCAL], answers))
    assert said.count(" × Motivo") == 5
    assert "… e mais 4, por outros motivos" in said


def test_a_model_without_answers_has_dashes_and_no_rank() -> None:
    answers = sampled({CLOUD: LEVELS[CLOUD]}, 3) + [failure(LOCAL, n) for n in range(3)]
    said = text.results(report([CLOUD, LOCAL], answers))
    lines = part(said, "🤖 OLLAMA - llama3.1:8b")
    assert lines[:5] == [
        "  ⚡ Latência:    –",
        "  📝 Tokens:      não contados",
        "  💰 Custo:       não se sabe",
        "  ⭐ Qualidade:   –",
        "  🎯 Relevância:  –",
    ]
    assert "  – Fora do ranking: ollama - llama3.1:8b (respondeu 0 de 3)" in said.splitlines()
    nobody = text.results(report([LOCAL], answers[3:]))
    assert part(nobody, "🏆 RANKING") == ["  Nenhum modelo respondeu."]


def test_batch_latencies_are_marked_as_not_comparable() -> None:
    answers = [answer(CLOUD, n, quality=0.8, comparable_latency=False) for n in range(4)]
    said = text.results(report([CLOUD], answers))
    assert "  ⚡ Latência:    não comparável (em lote)" in said.splitlines()
    assert "  ⚡ Mais Rápido:             não se sabe" in said.splitlines()
    assert "latência de respostas em lote não é comparável" in said


def test_an_unknown_price_is_said_to_keep_a_model_from_the_last_ranking() -> None:
    answers = [replace(item, cost=None) for item in sampled({CLOUD: LEVELS[CLOUD]}, 3)]
    said = text.results(report([CLOUD], answers)).splitlines()
    assert "  💎 Melhor Custo-Benefício:  não se sabe" in said
    assert "  – Sem preço, fora do custo-benefício: openai - gpt-4o-mini" in said


@pytest.mark.parametrize(
    ("stopped", "title"), [("", "interrompido"), ("orçamento esgotado", "orçamento esgotado")]
)
def test_a_report_that_was_stopped_says_so(stopped: str, title: str) -> None:
    found = report([CLOUD], [answer(CLOUD)], complete=False, stopped=stopped)
    assert text.results(found).splitlines()[1] == f"📊 RELATÓRIO DE BENCHMARK ({title})"


AGREEMENT = {"kappa": 0.31, "low": 0.1, "high": 0.5, "pairs": 40, "agree_share": 0.7, "reason": ""}


@pytest.mark.parametrize(
    ("fit", "word"), [(True, "✓ Apto."), (False, "Inapto: não confie"), (None, "Não se sabe se é apto")]
)
def test_the_judge_stands_apart_with_its_kappa_and_whether_it_is_fit(fit: bool | None, word: str) -> None:
    answers = [answer(CLOUD, n, quality=0.8, judge_score=0.25) for n in range(8)]
    judge = JudgeReport("openai:gpt-4o", fit, {"labelled": AGREEMENT}, "")
    said = text.results(report([CLOUD], answers, judge=judge))
    before, after = said.split("⚖️ JUIZ - openai:gpt-4o")
    assert "0,25" not in before
    assert "     openai - gpt-4o-mini: 0,25/1,0 [0,25; 0,25]" in after.splitlines()
    assert "com as respostas rotuladas: κ de Cohen 0,31 [0,10; 0,50], 40 respostas" in " ".join(after.split())
    assert word in after
    noted = JudgeReport("openai:gpt-4o", fit, AGREEMENT, "κ de Cohen 0,31: nota.")
    assert text.results(report([CLOUD], answers, judge=noted)).count("κ") == 1
    assert "JUIZ" not in text.results(report([CLOUD], answers))


@pytest.mark.parametrize("questions", [3, 8, 40])
def test_no_line_is_wider_than_80_columns(questions: int) -> None:
    levels = {**LEVELS, LONG: {"quality": 0.85, "latency": 12.0, "cost": 0.01}}
    answers = sampled(levels, questions) + [
        failure(LONG, f"x{n}", "Uma razão longa. " * 20) for n in range(2)
    ]
    judge = JudgeReport("openai:gpt-4o", False, AGREEMENT, "Uma nota longa. " * 20)
    said = text.results(report(list(levels), answers, judge=judge))
    assert not [line for line in said.splitlines() if columns(line) > 80]
    assert "\N{NO-BREAK SPACE}" not in said


def test_two_variants_of_one_model_can_be_told_apart() -> None:
    colder = replace(CLOUD, temperature=0.0)
    found = report([CLOUD, colder], [answer(CLOUD, quality=0.5), answer(colder, quality=0.5)])
    assert f"openai - gpt-4o-mini ({colder.hash[:6]})" in text.results(found)


def test_the_opening_names_the_mode_and_the_first_questions() -> None:
    asked = [Question(str(number), f"Pergunta {number}?") for number in range(1, 13)]
    lines = text.opening("quick", asked).splitlines()
    assert lines[:5] == [
        "🚀 TESTE RÁPIDO - Experimentação de LLMs",
        "=" * 80,
        "",
        "📝 Perguntas de teste:",
        "   1. Pergunta 1?",
    ]
    assert lines[-1] == "   … e mais 2"
    assert "BENCHMARK COMPLETO" in text.opening("full", asked[:1])
    unquoted = text.opening("quick", asked, quoted=False)
    assert unquoted.splitlines()[-1] == "📝 12 perguntas de teste"
    assert "Pergunta" not in unquoted


def _card(provider: str, model: str, availability: Availability) -> ModelCard:
    return ModelCard(provider, model, model, None, None, None, None, None, "", availability)


def test_providers_are_told_with_their_models_or_what_is_missing() -> None:
    ready = Availability(True, State.READY, "pronto")
    cards = [
        _card("extractive", "extractive", ready),
        _card("ollama", "llama3.2:3b", ready),
        _card("ollama", "mistral:7b", Availability(False, State.NOT_PULLED, "não baixado")),
        _card("openai", "gpt-4o-mini", Availability(False, State.NO_KEY, "chave ausente", "Crie uma.")),
    ]
    assert text.providers(cards).splitlines() == [
        "🔍 Testando Extrativo...",
        "   ✓ Extrativo configurado (controle, sem modelo de linguagem)",
        "🔍 Testando Ollama...",
        "   ✓ Ollama configurado (llama3.2:3b)",
        "🔍 Testando OpenAI...",
        "   – OpenAI: chave ausente. Crie uma.",
    ]
    assert "ollama pull" in text.providers(cards[2:3])


def test_models_left_out_for_want_of_a_price_are_named() -> None:
    unpriced = Availability(False, State.UNPRICED, "preço desconhecido", "Rode sem --budget.")
    cards = [
        _card("openai", "gpt-4o-mini", Availability(True, State.READY, "pronto")),
        _card("openai", "gpt-novo", unpriced),
        _card("huggingface", "Qwen/Qwen3-32B", unpriced),
    ]
    assert text.providers(cards).splitlines()[1::2] == [
        "   ✓ OpenAI configurado (gpt-4o-mini); fora, por preço desconhecido: gpt-novo",
        "   – Hugging Face: preço desconhecido. Rode sem --budget. Fora: Qwen/Qwen3-32B.",
    ]


def test_how_much_there_is_to_do() -> None:
    assert text.beginning(2, 3).splitlines()[1] == "🎯 Testando 2 modelos em 3 perguntas"
    assert text.beginning(1, 1).splitlines()[1] == "🎯 Testando 1 modelo em 1 pergunta"


def test_where_a_run_stands_is_one_short_line() -> None:
    assert text.where(Step(LOCAL, "", 0, 6)) == "ollama:llama3.1:8b: aquecendo (0 de 6)"
    assert text.where(Step(CONTROL, "O que é ACOS?", 1, 6)) == "extractive: O que é ACOS? (1 de 6)"
    numbers = {"O que é ACOS?": 2}
    assert text.where(Step(CONTROL, "O que é ACOS?", 1, 6), numbers) == "extractive: pergunta 2 (1 de 6)"
    assert text.where(Step(LOCAL, "", 0, 6), numbers) == "ollama:llama3.1:8b: aquecendo (0 de 6)"
    assert text.where(Step(CLOUD, "calibração", 0, 6), numbers).endswith(": calibração (0 de 6)")
    long = text.where(Step(LOCAL, "uma pergunta\n" * 30, 1, 6))
    assert len(long) < 80
    assert "\n" not in long


def test_how_an_answer_went() -> None:
    assert text.answer_line(answer(LOCAL, quality=0.8)) == "1,00 s, qualidade 0,80"
    assert text.answer_line(answer(LOCAL, comparable_latency=False)) == "respondida em lote"
    assert text.answer_line(answer(LOCAL, quarantine="Na CPU.")) == "1,00 s, em quarentena: Na CPU."
    assert text.answer_line(failure(LOCAL, error="Sem rede.")) == "falhou: Sem rede."


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.seconds(1.254), "1,25 s"),
        (words.seconds(0.0312), "0,031 s"),
        (words.seconds(0.0), "0,000 s"),
        (words.seconds(None), "–"),
        (words.money(0.0023), "US$ 0,0023"),
        (words.money(0.0), "US$ 0,0000"),
        (words.money(0.0000312), "US$ 0,000031"),
        (words.share(0.999), "99 %"),
        (words.share(0.001), "1 %"),
        (words.share(1.0), "100 %"),
        (words.score(0.875), "0,88"),
        (words.difference(0.12), "+0,12"),
        (words.difference(-0.8, words.seconds), "−0,80 s"),
        (words.difference(-0.001), "0,00"),
        (words.difference(0.0), "0,00"),
        (words.p_value(0.0004), "p < 0,001"),
        (words.p_value(0.0123), "p = 0,012"),
        (words.span(Interval(0.8, 0.92)), " [0,80; 0,92]"),
        (words.span(None), ""),
        (words.listed(["a", "b", "c"]), "a, b e c"),
        (words.category("how-to"), "como fazer"),
        (words.category("minha"), "minha"),
    ],
)
def test_numbers_as_brazilians_write_them(said: str, expected: str) -> None:
    assert said == expected


@given(st.floats(1e-9, 1e6))
def test_money_that_was_spent_never_reads_as_nothing(value: float) -> None:
    assert re.search(r"[1-9]", words.money(value))
