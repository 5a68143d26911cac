"""A drift report on the page: state, findings, trend, actions and gaps, and nothing smuggled in."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from melancia.mlops import figure_names
from melancia.records import Action, ActionState, DriftReport, Finding
from melancia.settings import Settings, load_settings
from melancia.ui import health_actions as actions
from melancia.ui import health_charts as charts
from melancia.ui import health_data as data
from melancia.ui import health_view as view
from melancia.ui import health_words as names
from melancia.ui.health_data import Health, Viewer
from melancia.ui.job_view import moment
from tests.ui import health as seeds
from tests.ui.benchmarks import EVIL
from tests.ui.test_benchmark_view import _Elements

ADMIN, READER = Viewer(admin=True, reader=True, named=True), Viewer(admin=False, reader=True, named=True)
VISITOR, BLIND = Viewer(admin=False, reader=False, named=True), Viewer(admin=False, reader=False, named=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a fresh checkout."""
    return load_settings(_env_file=None, data_dir=tmp_path)


def seen(*reports: DriftReport, who: Viewer = ADMIN, planned: tuple[Action, ...] = (), **more: Any) -> Health:
    """What is shown when the first report is chosen."""
    return Health(who, reports, reports[0] if reports else None, planned, **more)


def whole(health: Health, settings: Settings) -> str:
    """All the HTML, well-formed, tables and lists included."""
    reader = health.viewer.reader
    figures = data.figures(health.reports)
    parts = [
        view.overview(health, settings),
        view.document(health),
        actions.actions(health),
        actions.gaps(health.shown, reader=reader),
        *(charts.numbers(health.reports, figure) for figure in figures),
    ]
    _Elements("".join(parts))
    return "".join(parts)


def cells(html: str) -> list[list[str]]:
    """The rows of all tables."""
    return [[" ".join(cell.split()) for cell in row] for row in _Elements(html).rows]


def test_what_changed_comes_first_the_gravest_on_top(settings: Settings) -> None:
    html = view.overview(seen(seeds.report()), settings)
    assert "Mudanças encontradas" in html
    assert "4 mudanças em 8 comparações" in html
    assert "<strong>1.240</strong> interações" in html
    assert "perguntas de antes" in html
    assert "amostra de 1.000" in html
    rows = [row for row in cells(html) if len(row) == 5]
    head, *drifted = rows[:5]
    assert head == ["Medida", "Agora", "Antes", "Diferença", "Certeza"]
    assert drifted == [
        ["Tempo de resposta braço A", "4,90 s", "3,40 s", "+44 % piora", "p < 0,001 muito segura"],
        [
            "Assunto novo assunto: suplemento, full",
            "12,0 %",
            "0,2 %",
            "+11,8 p.p.",
            "p < 0,001 muito segura",
        ],
        ["Assuntos das perguntas", "14,0 %", "–", "–", "p = 0,006 segura"],
        ["Respostas avaliadas", "31,0 %", "24,0 %", "+7,0 p.p. melhora", "p = 0,030 razoável"],
    ]
    calm = {row[0]: row for row in rows[6:]}
    assert calm["Falhas"][4] == "p = 0,700 pode ser acaso"
    assert calm["Modelo trocado sem aviso ollama:llama3.2:3b"][1] == "–"
    order = [
        html.index(said)
        for said in ("crítico</span> O tempo", "atenção</span> Surgiu", "informação</span> Mais respostas")
    ]
    assert order == sorted(order)
    assert "Não testadas (1)" in html
    assert "nunca recuperados: 3 de 40" in html
    assert "<li>Polegares para baixo (braço B): não testado, 12 medidas agora.</li>" in html


def test_too_little_data_says_how_much_is_missing(settings: Settings) -> None:
    assert "Poucos dados: faltam 1.088 interações" in view.overview(
        seen(seeds.scarce(missing=1088)), settings
    )
    html = view.overview(seen(seeds.scarce()), settings)
    assert ">⏳ Poucos dados</h3>" in html
    assert "nada foi testado" in html
    assert "<table" not in html


def test_a_calm_report_says_so(settings: Settings) -> None:
    html = view.overview(seen(seeds.calm()), settings)
    assert "✅ Estável" in html
    assert "nenhuma diferença maior do que o acaso explica" in html
    assert "O que mudou" not in html
    assert "Sem mudança além do acaso (8)" in html


@time_machine.travel("2026-12-01T12:00:00Z")
def test_without_a_report_the_tab_says_what_it_does_and_when(settings: Settings) -> None:
    html = view.overview(seen(), settings)
    assert "Ainda não há relatório" in html
    assert moment(datetime(2026, 12, 2, 6, tzinfo=UTC)) in html
    assert "Procurar mudanças agora" in html
    assert "melancia drift --current 7d --reference 28d" in html
    visited = view.overview(seen(who=VISITOR), settings)
    assert "Procurar mudanças agora" not in visited
    assert "Quem administra pode procurar" in visited
    assert actions.actions(seen()) == actions.gaps(None, reader=True) == view.document(seen()) == ""


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        *(
            ("nunca", "desligada"),
            ("todo dia", "não é um horário"),
            ("0 6 * * *", "Próxima busca automática"),
        ),
        ("30 2 * * 0", moment(datetime(2026, 12, 6, 2, 30, tzinfo=UTC))),  # 0 is Sunday, as in cron
    ],
)
@time_machine.travel("2026-12-01T12:00:00Z")
def test_the_next_search_is_said(tmp_path: Path, schedule: str, said: str) -> None:
    assert said in names.next_search(
        load_settings(_env_file=None, data_dir=tmp_path, drift_schedule=schedule)
    )


def test_only_the_newest_report_says_when_the_next_comes(settings: Settings) -> None:
    older = Health(ADMIN, (seeds.report(), seeds.calm()), seeds.calm())
    assert "Há um mais novo" in view.overview(older, settings)
    assert "Próxima busca" not in view.overview(older, settings)
    assert "Próxima busca" in view.overview(seen(seeds.report(), seeds.calm()), settings)


def test_what_people_asked_is_only_for_readers(settings: Settings) -> None:
    known = {seeds.ASKED: "O Full aceita? [e-mail]"}
    html = whole(seen(seeds.report(), who=READER, questions=known), settings)
    assert "“O Full aceita? [e-mail]”" in html
    assert "“Posso anunciar vitaminas? Escrevam para [e-mail]”" in html
    assert f"saude/relatorios/{seeds.NEWEST}.csv" in html
    assert f'src="saude/relatorios/{seeds.NEWEST}.html" sandbox="allow-scripts allow-popups"' in html
    visited = whole(seen(seeds.report(), who=VISITOR), settings)
    for hidden in ("aceita", "vitaminas", ".csv", ".html", "<iframe"):
        assert hidden not in visited
    assert "2 grupos de perguntas; só a equipe" in visited
    assert "subiu de 3,4 s para 4,9 s" in visited


def test_a_blind_page_names_no_model(settings: Settings) -> None:
    planned = (seeds.action(detail={"result": "gpt"}), seeds.action(state=ActionState.DISMISSED))
    html = whole(seen(seeds.report(), who=BLIND, planned=planned), settings)
    for hidden in ("llama", "gpt", "subiu de 3,4 s"):
        assert hidden not in html
    assert "Tempo de resposta" in html
    assert "4,90 s" in html


def test_open_actions_come_as_cards_and_the_rest_as_history() -> None:
    planned = (
        seeds.action("alert", ActionState.FAILED, error="O webhook não respondeu.", attempts=3),
        seeds.action("hold"),
        seeds.action("pause", report_id=None),
        seeds.action("benchmark", report_id="f" * 32, detail={"result": "O benchmark está na fila."}),
        seeds.action("gaps", ActionState.PLANNED),
        seeds.action("novidade"),
        seeds.action("alert", ActionState.DISMISSED),
    )
    html = actions.actions(seen(seeds.report(), planned=planned))
    assert "em aberto (6)" in html
    assert html.count("<article") == 6
    assert html.count("Marcar como visto</button>") == 5
    assert html.count("Liberar a promoção</button>") == 1
    assert html.count("Ver o relatório</button>") == 4
    for said in (
        *("3 tentativas: O webhook não respondeu.", "por uma proteção", "por um relatório mais antigo"),
        *("O benchmark está na fila.", "🔔 Aviso", "✋ Promoção suspensa", "🧪 Benchmark", "a fazer"),
        *("⏸ Braço em pausa", "📚 Lacunas", "• novidade", "Histórico (1)"),
    ):
        assert said in html
    visited = actions.actions(seen(seeds.report(), planned=planned, who=READER))
    assert "Marcar como visto" not in visited
    assert "Ver o relatório" in visited
    assert "Nada em aberto." in actions.actions(seen(seeds.report()))


def test_many_open_actions_are_counted_and_not_all_drawn() -> None:
    planned = tuple(seeds.action(id=str(number)) for number in range(60))
    html = actions.actions(seen(seeds.report(), planned=planned))
    assert html.count("<article") == 40
    assert "E mais 20" in html


def test_the_biggest_gap_is_first_and_the_csv_runs_nothing() -> None:
    html = actions.gaps(seeds.report(), reader=True)
    assert html.index("suplemento, full") < html.index("fatura, boleto")
    assert "41 perguntas" in html
    rows = list(csv.reader(io.StringIO(actions.gaps_csv(seeds.report()))))
    assert rows == [
        ["grupo", "perguntas", "exemplo"],
        ["suplemento, full", "41", "O Full aceita suplemento?"],
        ["suplemento, full", "41", "Posso anunciar vitaminas? Escrevam para [e-mail]"],
        ["fatura, boleto", "9", "'=HYPERLINK(1)"],
        ["fatura, boleto", "9", "Onde vejo a fatura?"],
    ]
    assert "nenhuma pergunta se repetiu" in actions.gaps(seeds.calm(), reader=True)
    odd = replace(seeds.report(), gaps=({"count": 2}, {"label": None, "examples": None}))
    assert actions.gaps_csv(odd).count("sem outra parecida") == 2
    assert actions.gaps(odd, reader=True).count("<article") == 2


def chart(made: Any) -> dict[str, Any]:
    """What the browser is sent."""
    assert made is not None
    value: dict[str, Any] = json.loads(made.plot, parse_constant=pytest.fail)
    return value


def test_the_trend_has_a_line_an_arm_and_marks_what_changed() -> None:
    reports = (seeds.report(), seeds.calm(), seeds.calm("x", days=2))
    drawn = chart(charts.trend(reports, "latency"))
    lines = {line["name"]: line for line in drawn["data"]}
    assert list(lines) == ["tudo", "braço A", "braço B", "mudou"]
    assert lines["braço A"]["y"] == [3.4, 3.4, 4.9]
    assert lines["mudou"]["y"] == [4.9]
    assert drawn["layout"]["yaxis"]["title"]["text"] == "segundos"
    share = chart(charts.trend(reports, "unanswered"))
    assert share["data"][0]["y"] == [6.0, 6.0, 15.0]
    assert share["layout"]["yaxis"]["title"]["text"] == "%"
    assert share["layout"]["showlegend"] is False
    assert share["config"]["displayModeBar"] is False
    assert charts.trend(reports, "nenhuma") is None
    assert charts.trend((seeds.scarce(),), "latency") is None
    rows = cells(charts.numbers(reports, "latency"))
    assert rows[0] == ["Relatório", "tudo", "braço A", "braço B"]
    assert rows[1][1:] == ["4,20 s", "4,90 s mudou", "2,80 s"]
    assert len(rows) == 4
    assert charts.numbers(reports, "nenhuma") == ""


def test_the_trend_begins_with_what_changed_most_surely() -> None:
    assert data.figures((seeds.report(figures={"b_nova": 1, "latency.a": 1, "topic_mix": 1}),)) == [
        "topic_mix",
        "latency",
        "b_nova",
    ]
    assert data.first_figure(seen(seeds.report())) == "latency"
    assert data.first_figure(seen(seeds.calm())) == "question_length"
    assert data.first_figure(seen()) == ""
    once = seeds.report(figures={**seeds.FIGURES, "topic_new.x": 0.12})
    assert data.first_figure(seen(once)) == "topic_new"
    assert data.first_figure(seen(once, seeds.calm())) == "latency"


def test_mlflow_is_linked_where_browsers_reach_it(tmp_path: Path) -> None:
    def url(run: str, **more: Any) -> str:
        return data.run_url(load_settings(_env_file=None, data_dir=tmp_path, **more), run)

    assert url("abc") == url("", mlflow_url="http://mlflow:5000") == ""
    known = {"mlflow_url": "http://mlflow:5000", "mlflow_public_url": "https://mlflow.exemplo/"}
    assert url("abc", **known) == "https://mlflow.exemplo/#/runs/abc"


def test_figures_of_another_version_are_shown_as_they_are_called() -> None:
    assert names.figure("coisa_nova") == "Coisa nova"
    assert names.written("coisa_nova", 0.123) == "0,12"
    assert names.change("latency", 2.0, 0.0) == "–"
    assert figure_names.split("latency.A.b") == ("latency", "A.b")


def test_every_figure_has_words_for_its_unit() -> None:
    for name in figure_names.FIGURES:
        assert names.written(name, None) == "–"
        assert names.written(name, 0.5)
        assert figure_names.figure(name).unit in names.AXES


def test_nothing_is_smuggled_in(settings: Settings) -> None:
    evil = Finding(
        EVIL, True, EVIL, arm=EVIL, topic=EVIL, value=1, p_value=0.001, severity=EVIL, examples=("a",)
    )
    found = seeds.report(
        reference_kind=EVIL,
        findings=(evil, replace(evil, drifted=False), replace(evil, drifted=False, p_value=None)),
        figures={EVIL: 1.0, f"latency.{EVIL}": 2.0},
        gaps=({"label": EVIL, "count": 3, "examples": [EVIL]},),
        notes=(EVIL,),
    )
    planned = (
        seeds.action(EVIL, message=EVIL, rule=EVIL, error=EVIL, id=EVIL, detail={"result": EVIL}),
        seeds.action(state=ActionState.DISMISSED, message=EVIL, rule=EVIL),
    )
    html = whole(seen(found, planned=planned, questions={"a": EVIL}), settings)
    elements = _Elements(html)
    assert not {"img", "script"} & set(elements.names)
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert "${" not in html
    assert "{{" not in html
    drawn = charts.trend((found,), "latency")
    assert drawn is not None
    assert "<img" not in drawn.plot
