"""The pictures of a benchmark: which are drawn, what is on them, and their alternative texts."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from melancia.experiments import drawing
from melancia.experiments.pictures import (
    ALTS,
    CATEGORIES,
    COST,
    DISTRIBUTION,
    LATENCY,
    alt,
    draw,
    pareto,
    picture,
)
from melancia.experiments.results import Measured
from melancia.records import Variant
from tests.experiments.measurements import CLOUD, CONTROL, LOCAL, answer, failure, report, sampled

LEVELS = {
    CONTROL: {"quality": 0.5, "latency": 0.05, "cost": 0.0},
    CLOUD: {"quality": 0.85, "latency": 1.25, "cost": 0.0002},
    LOCAL: {"quality": 0.7, "latency": 2.1, "cost": 0.0},
}
MANY = {
    Variant("huggingface", f"meta-llama/Meta-Llama-3.{n}-70B-Instruct-Turbo-with-a-long-name"): {
        "quality": 0.5 + 0.04 * n,
        "latency": 1.0 + n,
        "cost": 0.0004 * n,
    }
    for n in range(9)
}
NUMBERS = st.integers(0, 6).map(float)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12)


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """No dearer, worth no less, and not the same."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(POINTS)
def test_the_front_is_exactly_the_points_that_no_other_beats(points: list[tuple[float, float]]) -> None:
    front = pareto(points)
    unbeaten = [n for n, point in enumerate(points) if not any(beats(other, point) for other in points)]
    assert sorted(front) == unbeaten
    assert len(front) == len(set(front))


@given(POINTS)
def test_along_the_front_worth_rises_with_the_price(points: list[tuple[float, float]]) -> None:
    front = [points[place] for place in pareto(points)]
    assert front == sorted(front)
    assert [worth for _, worth in front] == sorted(worth for _, worth in front)


@pytest.mark.parametrize("levels", [LEVELS, MANY], ids=["three", "nine with long names"])
def test_four_pictures_are_drawn_1200_pixels_wide(
    levels: dict[Variant, dict[str, float]], tmp_path: Path
) -> None:
    found = report(list(levels), sampled(levels, 24, categories=("how-to", "definition", "")))
    files = draw(found, tmp_path / "new")
    assert [file.name for file in files] == [COST, LATENCY, DISTRIBUTION, CATEGORIES] == list(ALTS)
    for file in files:
        with Image.open(file) as image:
            assert image.format == "PNG"
            assert image.width == 1200
            assert len(image.convert("L").getcolors() or range(9)) > 8  # there is something on it


BATCH = [answer(CLOUD, n, quality=0.8, comparable_latency=False) for n in range(8)]
UNPRICED = [answer(CLOUD, n, quality=0.8, cost=None) for n in range(8)]
UNSCORED = [answer(CLOUD, n, category=f"c{n % 2}") for n in range(8)]
CATEGORISED = [answer(CLOUD, n, quality=0.8, category=f"c{n % 2}") for n in range(8)]


@pytest.mark.parametrize(
    ("answers", "drawn"),
    [
        (BATCH, [COST]),
        (UNPRICED, [LATENCY, DISTRIBUTION]),
        (UNSCORED, [DISTRIBUTION]),
        (CATEGORISED, [COST, LATENCY, DISTRIBUTION, CATEGORIES]),
        ([failure(CLOUD, n, category=f"c{n % 2}") for n in range(8)], []),
        ([], []),
    ],
    ids=["batch", "no price", "no scores", "all there", "failures", "nothing"],
)
def test_a_picture_with_nothing_to_show_is_left_out(
    answers: list[Measured], drawn: list[str], tmp_path: Path
) -> None:
    assert [file.name for file in draw(report([CLOUD], answers), tmp_path)] == drawn
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(drawn)


def test_the_front_and_every_model_are_in_the_legend_with_units_on_the_axes() -> None:
    points = [
        drawing.Point("extractive", 0.0, 0.5, None, (0.4, 0.6)),
        drawing.Point("openai - gpt-4o-mini", 0.2, 0.85, (0.1, 0.3), (0.8, 0.9)),
    ]
    figure = drawing.trade_off(points, [0, 1], title="T", x_label="Custo (US$)", y_label="Q", note="N")
    (axes,) = figure.axes
    (legend,) = figure.legends
    names = [item.get_text() for item in legend.get_texts()]
    assert names == ["Fronteira de Pareto", "extractive", "openai - gpt-4o-mini"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("Custo (US$)", "Q", "T")
    figure.draw_without_rendering()
    assert "0,80" in [tick.get_text() for tick in axes.get_yticklabels()]
    assert axes.get_xlim()[0] < 0 < axes.get_xlim()[1]  # a cost of 0 is not on the frame


def test_free_models_alone_are_drawn_at_0() -> None:
    points = [drawing.Point("a", 0.0, 0.5, None, None), drawing.Point("b", 0.0, 0.6, None, None)]
    figure = drawing.trade_off(points, [1], title="T", x_label="X", y_label="Y", note="")
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high


def test_values_that_are_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    near = drawing.distributions({"a": [1.0, 2.0], "b": [3.0]}, title="T", unit="Latência (s)")
    far = drawing.distributions({"a": [0.01, 0.02], "b": [3.0]}, title="T", unit="Latência (s)")
    assert [figure.axes[1].get_xscale() for figure in (near, far)] == ["linear", "log"]
    assert far.axes[1].get_xlabel() == "Latência (s), escala logarítmica"


@pytest.mark.parametrize("name", ALTS)
def test_labels_do_not_cover_each_other(name: str) -> None:
    found = report(list(MANY), sampled(MANY, 18, categories=[f"uma categoria longa {n}" for n in range(9)]))
    figure = picture(found, name)
    assert figure is not None
    figure.draw_without_rendering()
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            slanted = any(label.get_rotation() for label in labels)
            boxes = [label.get_window_extent() for label in labels if label.get_text()]
            assert slanted or not any(one.overlaps(other) for one, other in pairwise(boxes))
        for legend in figure.legends:
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())
            assert legend.get_window_extent().x1 <= figure.bbox.width


def test_long_names_keep_what_tells_them_apart() -> None:
    names = [f"huggingface - meta-llama/Meta-Llama-3.1-{size}B-Instruct-Turbo" for size in (8, 70)]
    rows = drawing.heat_map(names, ["a"], [[0.1], [None]], title="T", scale="S")
    labels = [label.get_text() for label in rows.axes[0].get_yticklabels()]
    assert labels == [f"huggingface\nMeta-Llama-3.1-{size}B-Instruct-Turbo" for size in (8, 70)]
    assert [item.get_text() for item in rows.axes[0].texts] == ["0,10", "–"]


def test_threads_may_draw_at_the_same_time(tmp_path: Path) -> None:
    found = report(list(LEVELS), sampled(LEVELS, 12, categories=("a", "b")))
    threads = [threading.Thread(target=draw, args=(found, tmp_path / str(n))) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = ([file.read_bytes() for file in sorted((tmp_path / str(n)).iterdir())] for n in range(2))
    assert len(one) == 4
    assert one == other


def test_the_alternative_text_says_what_is_on_the_picture() -> None:
    scores = {CLOUD: 0.9, LOCAL: 0.6, CONTROL: 0.7}
    answers = [
        answer(variant, n, quality=value, cost=0.001 if variant is CLOUD else 0.0, category=f"c{n % 2}")
        for variant, value in scores.items()
        for n in range(4)
    ]
    found = report(list(scores), answers)
    said = alt(found, COST)
    assert said.startswith(ALTS[COST])
    assert "Na fronteira: extractive e openai - gpt-4o-mini." in said
    assert "openai - gpt-4o-mini: qualidade 0,90, custo US$ 1,0000" in said
    assert "ollama - llama3.1:8b: qualidade 0,60, latência 1,00 s" in alt(found, LATENCY)
    assert "extractive: p50 1,00 s, p95 1,00 s" in alt(found, DISTRIBUTION)
    assert "extractive: 0,70 (c0) a 0,70 (c" in alt(found, CATEGORIES)


def test_the_alternative_text_of_nothing_is_the_general_one() -> None:
    assert {alt(report([], []), name) for name in ALTS} == set(ALTS.values())
    with pytest.raises(KeyError):
        alt(report([], []), "outra.png")
