"""What makes two questions the same writing, and which answers may be kept."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from melancia.agent.cache_entry import CacheKey, entry_id, keepable, personal, plain
from melancia.records import (
    Answer,
    Assignment,
    Attempt,
    Filters,
    FinishReason,
    Interaction,
    Turn,
    Variant,
)

VARIANT = Variant("ollama", "llama3.1:8b")
KEY = CacheKey.of(VARIANT, "v1")
LETTERS = "abcdeçãéíõúABCDEÇÃÉÍÕÚ"
WORD = st.text(LETTERS, min_size=1, max_size=8) | st.sampled_from(["10", "1,5", "20%", "-3", "1.200", "15"])
QUESTION = st.lists(WORD, min_size=1, max_size=8)
# Each ends in a space: a mark that touches the number after it may belong to it (“-3”).
NOISE = st.sampled_from(
    [" ", "  ", "\t ", "\n", " - ", ", ", "? ", "... ", " “ ", "” ", " ( ", ") ", " / ", "! "]
)
GOOD = Interaction(
    user_id="ana",
    conversation_id="c",
    question="O que é ACOS?",
    assignment=Assignment(VARIANT),
    exposure=VARIANT,
    index_version="v1",
    answer=Answer(text="É o custo sobre a venda [1].", finish_reason=FinishReason.STOP),
)


@given(QUESTION, st.data())
def test_writing_does_not_matter(words: list[str], data: st.DataObject) -> None:
    """Spaces, punctuation between words, case and the form of accents give the same entry."""
    written = "".join(word + data.draw(NOISE) for word in words)
    written = data.draw(st.sampled_from([str.upper, str.lower, str.title]))(written)
    written = unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), written)
    assert entry_id(KEY, written) == entry_id(KEY, " ".join(words))


@given(QUESTION, QUESTION)
def test_anything_else_does(a: list[str], b: list[str]) -> None:
    """Other words, order, numbers or accents give another entry."""
    assume([word.casefold() for word in a] != [word.casefold() for word in b])
    assert entry_id(KEY, " ".join(a)) != entry_id(KEY, " ".join(b))


@given(st.text(max_size=60))
def test_the_form_is_stable(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("ACOS de 1,5", "ACOS de 15"),
        ("ACOS de 10%", "ACOS de 10"),
        ("variação de -5", "variação de 5"),
        ("variação de –5", "variação de 5"),
        ("variação (-5)", "variação (5)"),
        ("lucro de -R$ 5", "lucro de R$ 5"),
        ("lucro de R$ -5", "lucro de R$ 5"),
        ("de 10-20", "de 1020"),
        ("até", "ate"),
    ],
)
def test_what_belongs_to_a_word_or_number_stays(a: str, b: str) -> None:
    assert plain(a) != plain(b)


def test_each_part_of_the_key_makes_another_scope() -> None:
    keys = [
        KEY,
        CacheKey.of(replace(VARIANT, prompt_version="v2"), "v1"),
        CacheKey.of(VARIANT, "v2"),
        CacheKey.of(VARIANT, "v1", Filters(marketplace="amazon")),
        CacheKey.of(VARIANT, "v1", Filters(topic="amazon")),
        CacheKey.of(VARIANT, "v1", None, [Turn("a", "b")]),
        CacheKey.of(VARIANT, "v1", None, [Turn("a", "c")]),
    ]
    assert len({key.scope for key in keys}) == len(keys)
    assert CacheKey.of(VARIANT, "v1", Filters()) == KEY


def test_a_whole_answer_of_the_meant_variant_may_be_kept() -> None:
    assert keepable(KEY, GOOD)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, answer=replace(GOOD.answer, refused=True)),
        replace(GOOD, answer=replace(GOOD.answer, invented_citations=1)),
        replace(GOOD, answer=replace(GOOD.answer, text=" ")),
        *(
            replace(GOOD, answer=replace(GOOD.answer, finish_reason=reason))
            for reason in FinishReason
            if reason is not FinishReason.STOP
        ),
        replace(GOOD, exposure=None),
        replace(GOOD, exposure=replace(VARIANT, model="outro")),
        replace(GOOD, attempts=(Attempt(VARIANT, "timeout", "demorou", 1.0),)),
        replace(GOOD, index_version="v0"),
        replace(GOOD, question="?!"),
        replace(GOOD, question="meu cpf é 123.456.789-09, posso anunciar?"),
        replace(GOOD, answer=replace(GOOD.answer, text="Fale com joao@loja.com.br [1].")),
    ],
)
def test_nothing_else_may(bad: Interaction) -> None:
    assert not keepable(KEY, bad)


def test_a_follow_up_is_not_kept() -> None:
    assert not keepable(CacheKey.of(VARIANT, "v1", None, [Turn("a", "b")]), GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "cpf 123.456.789-09",
        "12345678909",
        "CNPJ 12.345.678/0001-95",
        "me liga no (11) 98765-4321",
        "+55 11 3232 1010",
        "cartão 4111 1111 1111 1111",
        "ana.silva@gmail.com",
        "segue @ana_vendas",
    ],
)
def test_personal_data_is_recognised(text: str) -> None:
    assert personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "faturei R$ 12.345.678,90 no ano",
        "investi 1.728 e faturei 9.720 pelos anuncios, loja toda 32.400",
        "30.000 impressões, 240 cliques a 1,50 e 12 pedidos de 140 cada",
        "Preciso de CPF para anunciar?",
    ],
)
def test_amounts_are_not_personal_data(text: str) -> None:
    assert not personal(text)
