"""From question, passages and history to the messages that a chat model gets."""

from collections.abc import Sequence
from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from melancia.agent.prompt_files import load_prompt
from melancia.records import Passage, Turn

_MAX_ANSWER_CHARS = 1200  # of an earlier answer: enough to refer to, not enough to crowd out the sources


def build_messages(
    version: str,
    question: str,
    passages: Sequence[Passage],
    history: Sequence[Turn],
    folder: Path | None = None,
) -> list[BaseMessage]:
    """System message with the sources, earlier turns, the question. ``folder``: of one's own prompts.

    Raises InputError when there is no prompt of that version.

    The passages also ride along in ``additional_kwargs`` of the question, which providers do not send:
    the extractive answerer reads them there.
    """
    sources = "\n\n".join(f"[{p.rank}] {_title(p)}\n{_inert(p.text)}" for p in passages)
    messages: list[BaseMessage] = [SystemMessage(load_prompt(version, folder).replace("{sources}", sources))]
    for turn in history:
        messages.append(HumanMessage(turn.question))
        messages.append(AIMessage(turn.answer[:_MAX_ANSWER_CHARS]))
    messages.append(HumanMessage(question, additional_kwargs={"passages": [p.as_dict() for p in passages]}))
    return messages


def _title(passage: Passage) -> str:
    return f"{passage.title} › {passage.section}" if passage.section else passage.title


def _inert(text: str) -> str:
    """A document cannot close the block that marks it as data."""
    return text.replace("<fontes>", "‹fontes›").replace("</fontes>", "‹/fontes›")
