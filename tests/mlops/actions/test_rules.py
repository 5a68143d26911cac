"""The rule table: the one that is shipped, what is refused and where, and what a rule matches."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import SettingsError
from melancia.jobs.catalog import parameters
from melancia.mlops.actions.rules import load, worsened
from melancia.mlops.drift import embedding, figures
from melancia.mlops.figure_names import FIGURES
from melancia.records import Finding
from melancia.settings import Settings
from tests.mlops.actions.samples import finding, rule, rules, written

ONE = """
    rules:
      - name: aviso
        figures: [latency]
        kind: alert
        text: "Mudou."
        cooldown: 24h
"""
FINDINGS = st.builds(
    Finding,
    figure=st.sampled_from(sorted(FIGURES)),
    drifted=st.booleans(),
    message=st.just("Mudou."),
    arm=st.sampled_from(["", "A", "B"]),
    topic=st.sampled_from(["", "frete"]),
    value=st.none() | st.floats(0, 1),
    reference=st.none() | st.floats(0, 1),
    severity=st.sampled_from(["info", "warning", "critical"]),
)


def test_the_shipped_table_covers_every_kind_of_action() -> None:
    table = load(Settings.model_fields["rules_file"].default)
    assert {one.kind for one in table} == {"alert", "benchmark", "hold", "pause", "gaps"}
    for one in table:
        parameters("benchmark", one.parameters)
        if one.kind == "pause":
            assert one.worse
            assert not one.matches(finding(one.figures[0], arm="", value=0.3))
        if one.kind == "benchmark":
            assert one.parameters["budget"] <= 1  # nobody asked for it: it must not cost much


def test_all_that_reports_watch_is_known_to_rules() -> None:
    watched = {one.name for one in figures.FIGURES} | {embedding.FIGURE, "topic_new", "model_replaced"}
    assert watched | {"document_dominance", "document_silent", "documents_never"} <= set(FIGURES)
    assert {one.name: one.worse for one in figures.FIGURES} == {
        one.name: FIGURES[one.name].worse for one in figures.FIGURES
    }


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("cooldown: 24h", "cooldown: 24h\n        prazo: 3h"), 8, "“prazo” não existe"),
        (("cooldown: 24h", "cooldown: 1 dia"), 7, "“cooldown” deve ser um prazo como 12h ou 7d"),
        (("cooldown: 24h", "cooldown: 24"), 7, "prazo"),
        (
            ("kind: alert", "kind: email"),
            5,
            "“kind” deve ser 'alert', 'benchmark', 'hold', 'pause' ou 'gaps'",
        ),
        (("[latency]", "[latencia]"), 4, "“figures” não conhece a medida “latencia” (quis dizer latency?)"),
        (("[latency]", "[latency, zebra]"), 4, "há: question_length"),
        (("[latency]", "[]"), 4, "“figures” não pode ficar vazio"),
        (("[latency]", "latency"), 4, "“figures” deve ser uma lista"),
        (('text: "Mudou."', ""), 3, "“text” falta"),
        (('"Mudou."', "7"), 6, "“text” deve ser um texto"),
        (("cooldown: 24h", "cooldown: 24h\n        severity: alta"), 8, "'info', 'warning' ou 'critical'"),
        (("cooldown: 24h", "cooldown: 24h\n        min_value: muito"), 8, "“min_value” deve ser um número"),
        (("cooldown: 24h", "cooldown: 24h\n        cooldown: 12h"), 8, "“cooldown” se repete"),
        (("cooldown: 24h", "cooldown: 24h\n        parameters: {limit: 5}"), 3, "quando a ação é benchmark"),
        (("kind: alert", "kind: benchmark\n        parameters: {limite: 5}"), 3, "“limite” não existe"),
        (
            ("kind: alert", "kind: benchmark\n        parameters: {limit: 0}"),
            3,
            "“limit” deve ser no mínimo 1",
        ),
        (("kind: alert", "kind: benchmark\n        parameters: {topic: x}"), 3, "não pode dizer “topic”"),
        (("    rules:", "    regras:"), 2, "“regras” não existe"),
        (("name: aviso", "name: Aviso Geral"), 3, "“name” não vale"),
        (("kind: alert", "kind: [alert"), 6, "não é YAML"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    before, after = change
    assert before in ONE
    path = written(tmp_path, ONE.replace(before, after))
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert refused.value.message.startswith(f"{path}, linha {line}: ")
    assert said in refused.value.message
    assert refused.value.remedy


def test_two_rules_of_one_name_and_an_empty_or_absent_table_are_refused(tmp_path: Path) -> None:
    twice = ONE + ONE.replace("    rules:\n", "").lstrip("\n")
    with pytest.raises(SettingsError, match="duas regras chamadas “aviso”"):
        rules(tmp_path, twice)
    with pytest.raises(SettingsError, match="linha 1: “rules” falta"):
        rules(tmp_path, "")
    with pytest.raises(SettingsError, match="MELANCIA_RULES_FILE"):
        load(tmp_path / "nenhuma.yaml")
    assert rules(tmp_path, "rules: []") == ()
    (one,) = rules(tmp_path, ONE)
    assert one.cooldown == timedelta(days=1)


@given(FINDINGS)
def test_a_rule_without_conditions_matches_what_drifted(found: Finding) -> None:
    assert rule().matches(found) is found.drifted
    assert rule(drifted=False).matches(found)


@given(FINDINGS, st.sampled_from(sorted(FIGURES)))
def test_patterns_choose_figures_arms_and_topics(found: Finding, name: str) -> None:
    found = replace(found, drifted=True)
    assert rule(figures=[name]).matches(found) is (found.figure == name)
    assert rule(figures=["question_*", name]).matches(found) is (
        found.figure == name or found.figure.startswith("question_")
    )
    assert rule(arms=["?*"]).matches(found) is (found.arm != "")
    assert rule(arms=["", "A"]).matches(found) is (found.arm in ("", "A"))
    assert rule(topics=["fre*"]).matches(found) is (found.topic == "frete")


@given(FINDINGS, st.floats(0, 1), st.sampled_from(["info", "warning", "critical"]))
def test_a_condition_only_ever_takes_away_and_an_unknown_figure_meets_none(
    found: Finding, bound: float, least: str
) -> None:
    found = replace(found, drifted=True)
    conditions: list[dict[str, Any]] = [
        {"min_value": bound},
        {"max_value": bound},
        {"min_change": bound},
        {"worse": True},
    ]
    for condition in conditions:
        if found.value is None:
            assert not rule(**condition).matches(found)
        if rule(**condition, severity=least).matches(found):
            assert rule(**condition).matches(found)
    if found.value is not None:
        assert rule(min_value=bound).matches(found) is (found.value >= bound)
        assert rule(max_value=bound).matches(found) is (found.value <= bound)
        if found.reference is not None:
            assert rule(min_change=bound).matches(found) is (abs(found.value - found.reference) >= bound)
    order = ["info", "warning", "critical"]
    assert rule(severity=least).matches(found) is (order.index(found.severity) >= order.index(least))


def test_only_what_harms_is_worse() -> None:
    assert worsened(finding("failed", value=0.3, reference=0.1))
    assert not worsened(finding("failed", value=0.1, reference=0.3))
    assert worsened(finding("groundedness", value=0.4, reference=0.8))
    assert not worsened(finding("groundedness", value=0.8, reference=0.4))
    assert not worsened(finding("question_length", value=9.0, reference=1.0))  # neither way is better
    assert not worsened(finding("failed", reference=None))
    assert not worsened(finding("de outra versão", value=2.0))
