"""An experiment on the page: the verdict, its arms, charts, checks and history, and nothing smuggled in."""

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from melancia.mlops import policies, verdicts
from melancia.mlops.decide.results import Status
from melancia.records import Arm, OriginKind, PolicyMode, utc_now
from melancia.store import Store
from melancia.store.tables import verdicts as ledger
from melancia.ui import experiment_charts as charts
from melancia.ui import experiment_data as data
from melancia.ui import experiment_details as details
from melancia.ui import experiment_history, experiment_view
from melancia.ui import experiment_words as names
from melancia.ui.experiment_data import Shown
from tests.clock import later
from tests.ui.benchmarks import EVIL
from tests.ui.experiments import NAME, OTHER, A, B, answered, begun, judged, lived, shadowed
from tests.ui.test_benchmark_view import _Elements


def whole(shown: Shown) -> str:
    """All the HTML of an experiment."""
    parts = (
        experiment_view.overview(shown),
        details.lead(shown),
        details.difference(shown),
        details.secondary(shown),
        details.checks(shown),
        experiment_history.history(shown),
    )
    return "".join(parts)


def seen(store: Store, *, named: bool = True) -> Shown:
    return data.load(store, NAME, named=named)


def cells(html: str) -> list[list[str]]:
    """The rows of all tables."""
    return [[" ".join(cell.split()) for cell in row] for row in _Elements(html).rows]


def chart(made: Any) -> dict[str, Any]:
    """What the browser is sent."""
    assert made is not None
    assert made.type == "plotly"
    value: dict[str, Any] = json.loads(made.plot, parse_constant=pytest.fail)
    return value


def test_the_figures_are_those_of_the_newest_verdict(store: Store) -> None:
    lived(store, begun(store), users=160, steps=4)
    with later():
        kept = verdicts.conclude(store, NAME)
    html = whole(seen(store))
    rows = cells(html)
    assert kept.verdict.text in html
    first, second = kept.verdict.arms
    row = next(row for row in rows if row and row[0].startswith("B") and "gpt-4o-mini" in row[0])
    assert row[1] == "50 %"
    assert row[2] == f"{second.questions} {second.users}"
    assert row[3].startswith(f"{second.up} de {second.ratings}")
    assert row[4] == f"{100 * (second.approval or 0):.1f} %".replace(".", ",")
    assert row[5].startswith(str(second.failed))
    assert row[8].endswith(" s")
    assert row[9].startswith("US$ 0,000")
    assert ["A", str(first.users), "80,0"] in rows
    assert "✅ É a do sorteio" in html
    assert "leitura bayesiana, secundária" in html


def test_without_a_verdict_it_is_said_when_there_will_be_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(store)
    monkeypatch.setattr(data, "find_spec", lambda _name: None)
    shown = seen(store)
    html = whole(shown)
    assert "O worker calcula a cada hora" in html
    assert "calculá-lo agora" not in html
    assert "latência p95: até 20 s" in html
    assert charts.over_time(shown) is charts.forest(shown) is None
    policies.end(store, NAME, "ana", "x")
    assert "Não há veredito." in whole(seen(store))


def test_a_wrong_sample_ratio_blocks_and_says_where_to_look(store: Store) -> None:
    policy = begun(store)
    for number in range(90):
        answered(store, policy, "A" if number % 6 else "B", number, 1)
    with later():
        assert verdicts.conclude(store, NAME).verdict.status is Status.BLOCKED
    html = whole(seen(store))
    assert "bloqueado: a divisão das pessoas falhou" in html
    assert "nenhum número deste experimento é confiável" in html
    assert "robôs" in html
    assert ["A", "75", "45,0"] in cells(html)


def test_a_breached_guardrail_is_marked_and_its_arm_paused(store: Store) -> None:
    policy = begun(store, guardrails={"error_rate": 0.1})
    for number in range(120):
        answered(store, policy, "AB"[number % 2], number, failed=number % 2 == 1)
    with later():
        verdicts.conclude(store, NAME)
    policies.pause(store, NAME, "proteção", "B falha", "B")
    html = whole(seen(store))
    (row,) = (row for row in cells(html) if row and row[0] == "B: taxa de erros")
    assert row[1] == "até 10 %"
    assert row[2].startswith("100,0 %")
    assert row[4] == "ultrapassada braço em pausa"
    assert "proteção ultrapassada" in html
    assert "É da versão 1." in html


def test_the_charts_hold_the_ledger(store: Store) -> None:
    lived(store, begun(store), users=160, steps=4)
    shown = seen(store)
    value = chart(charts.over_time(shown))
    high, low, line = value["data"]
    spans = [kept.verdict.comparisons[0].difference for kept in reversed(shown.lines)]
    assert line["y"] == pytest.approx([100 * (span.value or 0) for span in spans])
    known = [span for span in spans if span.low is not None]
    assert low["y"] == pytest.approx([100 * (span.low or 0) for span in known])
    assert high["y"] == pytest.approx([100 * (span.high or 0) for span in known])
    assert low["fill"] == "tonexty"
    assert line["x"] == sorted(line["x"])
    assert line["x"][-1] == shown.lines[0].until.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    assert value["layout"]["separators"] == ",."
    assert value["layout"]["yaxis"]["zeroline"]
    assert value["config"] == {"displayModeBar": False, "displaylogo": False, "scrollZoom": False}

    value = chart(charts.forest(shown))
    newest = shown.lines[0].verdict.comparisons[0]
    drawn = {trace["y"][0]: trace for trace in value["data"]}
    assert set(drawn) == {names.figure(one.name) for one in newest.secondary}
    latency = next(one for one in newest.secondary if one.name == "latency").difference
    trace = drawn["latência média"]
    assert trace["x"] == pytest.approx([latency.value])
    assert trace["error_x"]["array"] == pytest.approx([(latency.high or 0) - (latency.value or 0)])
    assert trace["xaxis"] != drawn["falhas"]["xaxis"]  # seconds and points share no axis


def test_a_single_verdict_has_its_interval_as_a_bar(store: Store) -> None:
    lived(store, begun(store), users=160, steps=1)
    *_, line = chart(charts.over_time(seen(store)))["data"]
    assert line["error_y"]["array"][0] > 0


def test_three_arms_are_compared_with_the_first(store: Store) -> None:
    arms = (Arm("A", A), Arm("B", B), Arm("C", replace(B, temperature=0.9)))
    policy = begun(store, arms=arms)
    for number in range(120):
        answered(store, policy, "ABC"[number % 3], number, 1 if number % 4 else -1)
    for step in range(2):
        judged(store, policy, utc_now())
        answered(store, policy, "A", 200 + step, 1)
    shown = seen(store)
    html = whole(shown)
    assert "B menos A" in html
    assert "C menos A" in html
    value = chart(charts.over_time(shown))
    assert {trace["name"] for trace in value["data"] if "name" in trace} == {"B menos A", "C menos A"}
    assert value["layout"]["showlegend"]
    assert "recusas (C)" in {trace["y"][0] for trace in chart(charts.forest(shown))["data"]}


def test_the_history_says_what_each_version_changed(store: Store) -> None:
    begun(store)
    policies.pause(store, NAME, "equipe:bia", "lento", "B")
    policies.promote(store, NAME, "proteção", "melhor", "A")
    policies.rollback(store, NAME, "ana", "cedo", 1)
    policies.change(
        store,
        NAME,
        "ana",
        "outro modelo",
        lambda policy: replace(
            policy, arms=(policy.arms[0], replace(policy.arms[1], variant=OTHER, weight=10.0))
        ),
    )
    rows = {row[0]: row for row in cells(whole(seen(store))) if row and row[0].isdigit()}
    assert rows["2"][2:] == ["bia", "lento", "braço B pausado"]
    assert rows["3"][4] == "em andamento → todos com A"
    assert rows["4"][4] == "todos com A → em andamento; braço B retomado"
    assert "extrativo" in rows["5"][4]
    assert "pesos: A 83 %, B 17 %" in rows["5"][4]
    assert rows["1"][2] == "ana"
    hidden = whole(seen(store, named=False))
    assert "braço B: outra variante" in hidden
    assert "gpt-4o" not in hidden


def test_what_people_wrote_stays_text(store: Store) -> None:
    arms = (Arm("A", replace(A, model=EVIL)), Arm("B", B))
    begun(store, arms=arms, reason=EVIL, author=EVIL)
    found = _Elements(whole(seen(store)))
    assert "script" not in found.names
    assert "img" not in found.names
    assert not any(name.startswith("on") for name, _ in found.attributes)


def test_a_line_that_another_version_wrote_is_left_out(store: Store) -> None:
    policy = begun(store)
    lived(store, policy, users=40, steps=2)
    with store._engine.begin() as connection:
        newest = connection.execute(sa.select(sa.func.max(ledger.c.id))).scalar_one()
        connection.execute(ledger.update().where(ledger.c.id == newest).values(content={"status": "?"}))
    assert [line.number for line in seen(store).lines] == [newest - 1]


def test_a_shadow_compares_scores_and_says_that_nobody_rates(store: Store) -> None:
    policy = begun(store, mode=PolicyMode.SHADOW)
    shadowed(store, policy)
    found = seen(store)
    assert found.newest is not None
    assert (found.newest.verdict.status, found.newest.verdict.arm) == (Status.AHEAD, "B")
    html = whole(found)
    for said in (
        "todos com A, os outros na sombra",
        "Fora da vista, o braço B responde melhor que A",
        "mostre B às pessoas num experimento A/B",
        "80 de 80 perguntas têm as duas respostas",
        "sem polegares",
        "Neste modo ninguém é sorteado",
        "Diferença de nota automática na mesma pergunta ao longo do tempo",
        "Só a nota de qualidade decide",
    ):
        assert said in html, said
    assert "Quem avalia" not in html
    assert "só com os polegares" not in html
    drawn = chart(charts.over_time(found))
    assert drawn["layout"]["yaxis"]["title"]["text"] == "pontos de nota automática"
    assert chart(charts.forest(found))


def test_after_a_shadow_has_become_an_ab_test_its_moments_are_not_mixed_in(store: Store) -> None:
    policy = begun(store, mode=PolicyMode.SHADOW)
    shadowed(store, policy)
    shown = policies.remode(store, NAME, "ana", "B responde melhor", PolicyMode.STICKY)
    lived(store, shown, users=80, steps=2)
    with later():
        verdicts.conclude(store, NAME)
    found = seen(store)
    assert found.paired == ""
    assert len(found.alike) == len(found.lines) - 1
    assert "Diferença de aprovação ao longo do tempo" in whole(found)


def test_hybrid_names_no_winner_on_the_page_either(store: Store) -> None:
    policy = begun(store, mode=PolicyMode.HYBRID)
    shadowed(store, policy, kind=OriginKind.FINAL)
    html = whole(seen(store))
    for said in (
        "No modo híbrido não se aponta vencedor",
        "80 de 80 perguntas têm resposta final",
        "não há vencedor",
        "rascunho de A, final a pedido",
    ):
        assert said in html, said
    assert "Perguntas que faltam" not in html


def test_ratings_that_the_page_asked_for_are_set_beside_the_others(store: Store) -> None:
    policy = begun(store)
    lived(store, policy, users=160, steps=1)
    assert "a página pediu" not in whole(seen(store))
    for row in list(store.outcomes.of(NAME))[::2]:
        store.finish(replace(store.get(row.interaction_id), asked=True))
    with later():
        verdicts.conclude(store, NAME)
    html = whole(seen(store))
    assert "das 80 avaliações que a página pediu" in html
    assert "das 80 espontâneas" in html
