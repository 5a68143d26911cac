"""What models and documents say cannot become HTML or fetch an image."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from melancia.records import Answer, Assignment, FinishReason, Interaction, Passage, Variant
from melancia.ui.render import answer_markdown, conversation, inert

MODEL = Variant("ollama", "llama3.2:3b")
PASSAGE = Passage(
    1,
    0.9,
    "d",
    "d#1",
    "Título <b>",
    "Seção",
    "Texto ![x](http://a.b/c.png) [veja](outro.md)",
    "t",
    "m",
    (),
    "f.md",
)


def _interaction(text: str = "Resposta [1].", **answer: object) -> Interaction:
    values = {"citations": (1,), "finish_reason": FinishReason.STOP} | answer
    return Interaction(
        user_id="u",
        conversation_id="c",
        question="Pergunta?",
        assignment=Assignment(MODEL),
        exposure=MODEL,
        passages=(PASSAGE,),
        answer=Answer(text, **values),  # type: ignore[arg-type]
    )


@given(st.text(alphabet=st.sampled_from(list("<>!/?`[]()\\ab\n ")), max_size=60))
@example("`\\`<img src=x>")
@example("<!--<script>-->")
def test_no_element_and_no_image_can_begin(text: str) -> None:
    assert re.search(r"<[A-Za-z/!?]|!\[", inert(text)) is None


@given(st.text(max_size=60))
def test_nothing_visible_changes(text: str) -> None:
    assert inert(text).replace("\u2060", "") == text.replace("\u2060", "")


def test_sources_are_inert_and_relative_links_do_not_lead_nowhere() -> None:
    shown = answer_markdown(_interaction(), blind=False)
    assert "<details" in shown
    assert "<b>" not in shown
    assert "![x]" not in shown
    assert "outro.md" not in shown
    assert "ollama:llama3.2:3b" in shown


def test_a_blind_page_does_not_tell_the_model() -> None:
    assert "llama" not in answer_markdown(_interaction(), blind=True)


def test_an_answer_that_ended_early_says_so() -> None:
    shown = answer_markdown(_interaction(finish_reason=FinishReason.CANCELLED), blind=False)
    assert "interrompeu" in shown


def test_a_failure_without_text_is_told_and_has_no_sources() -> None:
    shown = answer_markdown(_interaction("", finish_reason=FinishReason.ERROR, citations=()), blind=False)
    assert shown.startswith("⚠️")
    assert "<details" not in shown


def test_only_the_last_exchanges_are_shown_with_their_identifiers() -> None:
    items = [(_interaction(), None) for _ in range(25)]
    messages, thumbs = conversation(items, blind=False)
    assert len(messages) == 40
    assert thumbs == [None] * 20
    assert messages[-1]["metadata"] == {"id": items[-1][0].id}
