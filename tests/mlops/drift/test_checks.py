"""What drift checks find, at which sizes, and how often they cry wolf: seeded versions of ``bench.drift``."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import drift as bench
from bench.drift_simulations import TOPICS, Drift, World, replaced, slower, windows
from melancia.mlops.drift import clusters
from melancia.mlops.drift.checks import check
from melancia.mlops.drift.figures import BY_NAME, FIGURES, Figure, Kind
from melancia.mlops.drift.frame import Window, typed
from melancia.mlops.drift.hypotheses import LEAST_ROWS
from melancia.records import Finding
from melancia.settings import PROJECT_DIR
from melancia.text import decimal

WORLD = World(1000, 200, 0.5)
CALM = windows(WORLD, np.random.default_rng(5))


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """Statsmodels collects garbage before every correction: what was imported needs not be looked at."""
    gc.freeze()
    yield
    gc.unfreeze()


def checked(world: World, drift: Drift | None = None, seed: int = 5) -> list[Finding]:
    """The findings of a simulated pair."""
    return check(*windows(world, np.random.default_rng(seed), drift), bench.LABELS)


def about(findings: Sequence[Finding], figure: str, arm: str = "", topic: str = "") -> Finding:
    """The finding of a figure."""
    (one,) = [one for one in findings if (one.figure, one.arm, one.topic) == (figure, arm, topic)]
    return one


def changed(window: Window, **columns: Any) -> Window:
    """The window with other columns."""
    return replace(window, frame=retyped(window.frame.assign(**columns)))


def retyped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the types that it should have."""
    return typed({str(name): frame[name] for name in frame})


@pytest.mark.parametrize("world", [World(300, 80), World(300, 80, 1.0), World(300, 8, 1.0)])
def test_without_drift_few_runs_have_a_finding(world: World) -> None:
    """At most 1 of 20 in the long run: more than 3 of 12 would be seen once in 300 times."""
    assert sum(bool(bench.found(world, seed)) for seed in range(12)) <= 3


def test_rows_taken_for_independent_would_cry_wolf() -> None:
    """What the correction for users is for."""
    assert sum(bool(bench.found(World(1000, 120, 1.0), seed, naive=True)) for seed in range(6)) > 3


@pytest.mark.parametrize("injected", bench.DRIFTS, ids=lambda one: one.name)
def test_injected_drifts_are_found(injected: bench.Injected) -> None:
    world = World(2000, 500, 0.5)
    assert bench.found(world, 3, injected.drift) & set(injected.figures)


def test_a_new_topic_is_named_with_its_questions() -> None:
    current, reference = windows(WORLD, np.random.default_rng(1), bench.DRIFTS[0].drift)
    one = about(check(current, reference, bench.LABELS), "topic_new", topic="assunto que não havia")
    assert one.value == pytest.approx(0.1, abs=0.03)
    assert one.reference == 0
    assert one.examples
    topics = current.frame.set_index("id")["topic"]
    assert {topics[example] for example in one.examples} == {99}


def test_a_replaced_model_is_told_by_name_and_by_what_changed() -> None:
    findings = checked(WORLD, replaced("openai:gpt-4o-mini", 2.0))
    one = about(findings, "model_replaced", topic="openai:gpt-4o-mini")
    assert one.drifted
    assert "tamanho das respostas" in one.message
    assert "tempo de resposta" in one.message
    assert not about(findings, "model_replaced", topic="ollama:llama3.1:8b").drifted


def test_other_questions_do_not_make_another_model() -> None:
    """Answers of a topic are longer, and it is asked about more: the model is the same."""
    current, reference = CALM
    asked = np.where(np.random.default_rng(0).random(len(current)) < 0.4, 1, current.frame["topic"])
    before, after = reference.frame["answer_length"], current.frame["answer_length"]
    then = changed(reference, answer_length=before.where(reference.frame["topic"] != 1, 3 * before))
    now = changed(current, topic=asked, answer_length=after.where(asked != 1, 3 * after))
    findings = check(now, then, TOPICS)
    assert about(findings, "answer_length").drifted
    assert not any(one.drifted for one in findings if one.figure == "model_replaced")


def test_another_mix_of_models_is_a_change() -> None:
    current, reference = CALM
    fallen = np.random.default_rng(0).random(len(current)) < 0.4
    model = current.frame["model"].mask(fallen & (current.frame["model"] != ""), "extractive:extractive")
    one = about(check(changed(current, model=model), reference, TOPICS), "model_mix")
    assert one.drifted
    assert "extractive:extractive" in one.message


@pytest.mark.parametrize(
    ("column", "value", "figure"),
    [
        ("failed", True, "failed"),
        ("question_language", "en", "question_language"),
        ("top_score", 0.1, "top_score"),
        ("citation_valid", 0.0, "citation_valid"),
        ("cached", False, "cached"),
    ],
)
def test_a_total_change_is_found(column: str, value: Any, figure: str) -> None:
    """Windows without any spread inside: no estimate of error, and yet nothing is clearer."""
    current, reference = CALM
    now = changed(current, **{column: value})
    if figure == "top_score":
        reference = changed(reference, top_score=0.8)
    assert about(check(now, reference, TOPICS), figure).drifted


def test_one_user_alone_does_not_make_a_drift() -> None:
    current, reference = CALM
    mine = np.arange(len(current)) % 4 == 0
    now = changed(
        current,
        user=current.frame["user"].mask(mine, "u0"),
        question_language=current.frame["question_language"].mask(mine, "es"),
        latency=current.frame["latency"] * np.where(mine, 4, 1),
    )
    findings = check(now, reference, TOPICS)
    assert not about(findings, "question_language").drifted
    assert not about(findings, "latency").drifted


def test_trifles_do_not_alarm_however_many_rows_there_are() -> None:
    world = World(20_000, 5_000)
    current, reference = windows(world, np.random.default_rng(2), slower(0.04))
    one = about(check(current, reference, TOPICS), "latency")
    assert one.p_value is not None
    assert one.p_value < 0.05
    assert not one.drifted
    assert "pequena demais" in one.message


def test_a_change_for_the_better_is_news_and_a_great_harm_critical() -> None:
    assert about(checked(WORLD, slower(-0.4)), "latency").severity == "info"
    assert about(checked(WORLD, slower(0.3)), "latency").severity == "warning"
    assert about(checked(WORLD, slower(1.0)), "latency").severity == "critical"


def test_arms_are_tested_one_by_one() -> None:
    current, reference = CALM
    mine = current.frame["arm"] == "B"
    now = changed(current, latency=current.frame["latency"].mask(mine, current.frame["latency"] * 2))
    findings = check(now, reference, TOPICS)
    assert about(findings, "latency", "B").drifted
    assert not about(findings, "latency", "A").drifted
    asked = {one.figure for one in findings if one.arm}
    assert asked == {figure.name for figure in FIGURES if figure.by_arm}


def test_thumbs_are_tested_by_topic() -> None:
    current, reference = windows(World(6000, 900), np.random.default_rng(4))
    hated = (current.frame["topic"] == 0) & current.frame["rated"]
    findings = check(changed(current, thumb=current.frame["thumb"].mask(hated, -1.0)), reference, TOPICS)
    assert about(findings, "thumbs_down", topic="campanhas").drifted
    assert not about(findings, "thumbs_down", topic="lances").drifted


def test_a_small_team_is_compared_with_itself() -> None:
    """Eight people: nothing is said of users in general, but what changed for all of them is found."""
    team = World(400, 8, 0.5)
    assert about(checked(team, slower(1.0)), "latency").drifted
    current, reference = windows(team, np.random.default_rng(3))
    strangers = changed(current, user=current.frame["user"] + "x")
    one = about(check(strangers, reference, TOPICS), "latency")
    assert one.p_value is None
    assert "não testado" in one.message


def test_documents_that_dominate_and_documents_that_fell_silent() -> None:
    current, reference = CALM
    then = replace(reference, retrieved={**reference.retrieved, "doc-3": 800})
    others = {name: count for name, count in current.retrieved.items() if name != "doc-3"}
    now = replace(current, retrieved=others | {"doc-7": 800})
    findings = check(now, then, TOPICS)
    dominant, silent = about(findings, "document_dominance"), about(findings, "document_silent")
    assert dominant.drifted
    assert "doc-7 aparece em" in dominant.message
    assert silent.drifted
    assert silent.message.endswith("doc-3.")
    never = about(findings, "documents_never")
    assert never.p_value is None
    assert never.value == pytest.approx(1 - len(now.retrieved) / len(now.documents))


def test_embeddings_that_moved_are_found() -> None:
    current, reference = windows(World(2000, 600), np.random.default_rng(6))
    moved = current.vectors + 0.08 * np.ones(current.vectors.shape[1], dtype=np.float32)
    assert about(check(replace(current, vectors=moved), reference, TOPICS), "question_embedding").drifted
    assert not about(check(current, reference, TOPICS), "question_embedding").drifted


def test_too_few_rows_are_not_tested_and_it_is_said() -> None:
    current, reference = CALM
    scored = np.arange(len(current)) < LEAST_ROWS - 1
    now = changed(current, groundedness=np.where(scored, 0.1, np.nan), cost=np.nan)
    findings = check(now, reference, TOPICS)
    few, none = about(findings, "groundedness"), about(findings, "cost")
    assert (few.p_value, few.drifted) == (None, False)
    assert f"{LEAST_ROWS - 1} medidas agora" in few.message
    assert "nenhuma medida agora" in none.message
    assert none.reference is not None


def test_a_file_of_questions_is_compared_by_its_questions_only() -> None:
    current, reference = CALM
    nobody = changed(reference, user="", arm="", model="")
    findings = check(current, replace(nobody, kind="file", retrieved={}), TOPICS)
    tested = {one.figure for one in findings if one.p_value is not None}
    assert tested == {"question_length", "question_language", "topic_mix", "question_embedding"}
    assert "a referência não tem respostas" in about(findings, "latency").message


@settings(max_examples=25, deadline=None)
@given(
    rows=st.tuples(st.integers(0, 80), st.integers(0, 80)),
    users=st.integers(1, 40),
    constant=st.sets(st.sampled_from([figure.column for figure in FIGURES]), max_size=6),
    missing=st.sets(st.sampled_from(["latency", "cost", "groundedness", "thumb", "top_score"]), max_size=3),
)
def test_nothing_passes_in_silence(
    rows: tuple[int, int], users: int, constant: set[str], missing: set[str]
) -> None:
    """Whatever the windows: a test has a p-value in [0, 1], or it says that it was not made."""
    first, second = (
        _cut(window, count, users, constant, missing) for window, count in zip(CALM, rows, strict=True)
    )
    for one in check(first, second, TOPICS):
        if one.p_value is None:
            assert not one.drifted
            assert "não testado" in one.message or one.figure == "documents_never"
        else:
            assert 0 <= one.p_value <= 1
            assert min(rows) >= LEAST_ROWS
        assert all(value is None or math.isfinite(value) for value in (one.value, one.reference))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=40, max_size=80), st.integers(0, 9))
def test_the_order_of_the_windows_turns_the_effect_around(numbers: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, now = np.array(numbers, dtype=float), np.arange(len(numbers)) % 3 == 0
    cluster = rng.integers(0, 25, len(numbers))
    one = clusters.numbers(values, clusters.Rows(now, cluster))
    other = clusters.numbers(values, clusters.Rows(~now, cluster))
    assert one.effect == pytest.approx(-other.effect)
    assert one.p_value == pytest.approx(other.p_value)
    scaled = clusters.numbers(2 * values + 1, clusters.Rows(now, cluster))
    assert scaled == one


@pytest.mark.parametrize("alike", [0.0, 0.8])
def test_p_values_are_no_smaller_than_they_should_be(alike: float) -> None:
    """Both tests, 400 times without a difference, 40 users who keep to themselves or not."""
    rng = np.random.default_rng(8)
    tests: tuple[Callable[..., clusters.Tested], ...] = (clusters.numbers, clusters.share)
    low = np.zeros(2)
    for _ in range(400):
        user = rng.integers(0, 40, 600)
        values = rng.lognormal(alike * rng.normal(0, 1, 40)[user], 0.5)
        rows = clusters.Rows(rng.random(600) < 0.2, user)
        hits = (values > 1).astype(float)
        low += [test(data, rows).p_value < 0.05 for test, data in zip(tests, (values, hits), strict=True)]
    assert (low <= 33).all()  # 20 are expected at most; more than 33 once in 500 times


def test_the_guide_has_every_figure_with_its_least_change_and_why() -> None:
    guide = (PROJECT_DIR / "docs" / "saude.md").read_text("utf-8")
    assert len(BY_NAME) == len(FIGURES)
    for figure in FIGURES:
        assert figure.column in CALM[0].frame
        assert _in_the_guide(figure) in guide


def _in_the_guide(figure: Figure) -> str:
    """The figure's row of the table in docs/saude.md."""
    least = f"{100 * figure.least:.0f}"
    change = {
        Kind.NUMBER: f"P(agora > antes) a {least} pontos de 50 %",
        Kind.SHARE: f"{least} pontos",
        Kind.MIX: f"{least} % das linhas em outra categoria",
    }[figure.kind]
    if figure.relative is not None:
        change += f" e mediana {100 * figure.relative:.0f} %"
    if figure.absolute is not None:
        change += f" e média {decimal(figure.absolute, 2)}"
    return f"| {figure.label} | {change} | {'sim' if figure.by_arm else 'não'} | {figure.why} |"


def _cut(window: Window, rows: int, users: int, constant: set[str], missing: set[str]) -> Window:
    frame = window.frame.iloc[:rows].reset_index(drop=True)
    frame = frame.assign(user=[f"u{number % users}" for number in range(rows)])
    frame = frame.assign(**{name: frame[name].iloc[0] for name in constant if rows})
    frame = frame.assign(**dict.fromkeys(missing, np.nan))
    kept = np.arange(min(rows, 40), dtype=np.int64)
    return replace(
        window,
        frame=retyped(frame),
        sampled=kept,
        vectors=window.vectors[: len(kept)],
        total=rows,
    )
