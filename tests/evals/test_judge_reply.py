"""From a judge's reply to a judgement, or to the reason why it is none."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.evals.judge_reply import Choice, Judgement, UnusableReplyError, read, schema, verdict_of
from tests.evals.judges import choice, judgement

VALID = judgement("partial", 0.5, "Falta o prazo.")
EXPECTED = Judgement(reason="Falta o prazo.", verdict="partial", score=0.5)
SCORES = st.floats(0, 1)


def outcome(text: str) -> Judgement | str:
    """The judgement, or why there is none."""
    try:
        return read(text, Judgement)
    except UnusableReplyError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        VALID,
        f"```json\n{VALID}\n```",
        f"Claro! Segue o julgamento:\n{VALID}\nEspero ter ajudado {{:)}}.",
        f"<think>Talvez {judgement('right', 1)}?</think>\n{VALID}",
        f"Talvez {judgement('wrong', 0)}?</think>{VALID}",
        f"A resposta traz {{um}} número. {VALID}",
        f"{VALID}\n{VALID}",
        '{"nota": 1} ' + VALID,
        VALID[:-1] + ', "confidence": 0.9}',
    ],
    ids=["bare", "fenced", "chatter", "thoughts", "half-thoughts", "braces", "twice", "another", "extra"],
)
def test_the_object_is_found_in_whatever_stands_around_it(text: str) -> None:
    assert read(text, Judgement) == EXPECTED


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "não há um objeto JSON completo"),
        ("A nota é 1.", "não há um objeto JSON completo"),
        (VALID[:-2], "não há um objeto JSON completo"),
        (f"<think>{VALID}", "não há um objeto JSON completo"),
        (f"[{VALID[1:-1]}]", "não há um objeto JSON completo"),
        ("{", "não há um objeto JSON completo"),
        ('{"a":' * 3000, "não há um objeto JSON completo"),
        ('{"a":' + "[" * 15_000, "não há um objeto JSON completo"),
        (VALID + " " * 30_000, "a resposta é longa demais"),
        (judgement("right", 1.2), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("wrong", -0.1), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("right", float("nan")), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("right", float("inf")), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("right", 10**400), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("right", True), "o campo “score” deve ser um número de 0 a 1"),
        (VALID.replace("0.5", '"0.5"'), "o campo “score” deve ser um número de 0 a 1"),
        (judgement("certa", 1), 'o campo “verdict” deve ser "right", "partial" ou "wrong"'),
        (judgement("right", 1, "  "), "o campo “reason” deve ser um texto não vazio"),
        ('{"verdict": "right", "score": 1}', "falta o campo “reason”"),
        (judgement("right", 0.1), "o veredito “right” não combina com a nota 0.1"),
        (judgement("wrong", 1), "o veredito “wrong” não combina com a nota 1"),
        (f"{judgement()} ou {judgement('wrong', 0)}", "há mais de um julgamento"),
    ],
)
def test_what_is_no_judgement_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(UnusableReplyError, match=f"^{re.escape(problem)}$"):
        read(text, Judgement)


@given(st.text() | st.text(alphabet='{}[]":,.0123456789eE-ntrufalsecodi verdict score reason\\'))
def test_any_text_is_a_judgement_or_unusable(text: str) -> None:
    found = outcome(text)
    assert found
    assert isinstance(found, str) or 0 <= found.score <= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "reason": JSON | st.text(min_size=1),
        "verdict": JSON | st.sampled_from(["right", "partial", "wrong"]),
        "score": JSON | SCORES,
    },
)


@given(FIELDS)
def test_any_object_is_a_judgement_or_unusable(item: dict[str, object]) -> None:
    found = outcome(json.dumps(item))
    assert found
    if isinstance(found, Judgement):
        assert (item["verdict"], item["score"]) == (found.verdict, found.score)
        assert 0 <= found.score <= 1


@given(SCORES, st.text(min_size=1), st.text(alphabet="ab\n`.:[]}"), st.text(alphabet="ab\n`.:[]}"))
def test_a_valid_judgement_is_read_as_it_is_whatever_is_around_it(
    score: float, reason: str, before: str, after: str
) -> None:
    try:
        expected = Judgement(reason=reason, verdict=verdict_of(score), score=score)
    except ValueError:
        return  # a reason of white space only
    reply = before + judgement(expected.verdict, score, reason) + after
    if "<think>" not in reply and "</think>" not in reply:
        assert read(reply, Judgement) == expected


def test_a_long_reason_is_one_line_of_bounded_length() -> None:
    found = read(judgement("right", 1, "Confere.\n\x00" + "bem " * 500), Judgement)
    assert found.reason.startswith("Confere. bem")
    assert len(found.reason) <= 600


@pytest.mark.parametrize("preference", ["first", "second", "tie"])
def test_a_choice_is_read(preference: str) -> None:
    assert read(f"Pois: {choice(preference)}", Choice) == Choice("Mais completa.", preference)  # type: ignore[arg-type]


@pytest.mark.parametrize("preference", ["a", "1", "both"])
def test_an_unknown_choice_is_refused(preference: str) -> None:
    with pytest.raises(UnusableReplyError, match="“preference” deve ser"):
        read(choice(preference), Choice)


@pytest.mark.parametrize("shape", [Judgement, Choice])
def test_the_schema_is_as_strict_structured_output_wants_it(shape: type[object]) -> None:
    """OpenAI: every field required, no others. https://platform.openai.com/docs/guides/structured-outputs"""
    made = schema(shape)
    assert set(made["required"]) == set(made["properties"])
    assert made["additionalProperties"] is False
    assert next(iter(made["properties"])) == "reason"
