"""The page's light table of figures says what the tests of drift say."""

from melancia.mlops import figure_names
from melancia.mlops.drift import embedding, words
from melancia.mlops.drift.figures import FIGURES


def test_each_tested_figure_has_the_same_name_and_the_same_harm() -> None:
    for figure in FIGURES:
        known = figure_names.FIGURES[figure.name]
        assert (known.title, known.worse) == (figure.label, figure.worse), figure.name


def test_what_is_no_column_is_known_too() -> None:
    others = set(figure_names.FIGURES) - {figure.name for figure in FIGURES}
    assert others == {
        *(embedding.FIGURE, "topic_new", "model_replaced"),
        *("document_dominance", "document_silent", "documents_never"),
    }
    for name in others:
        assert figure_names.FIGURES[name].title == words.label(name), name


def test_figures_are_sorted_by_group_and_unknown_ones_last() -> None:
    known = sorted(["novidade", "thumbs_down", "latency", "topic_mix"], key=figure_names.place)
    assert known == ["topic_mix", "latency", "thumbs_down", "novidade"]
