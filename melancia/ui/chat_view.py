"""The chat's components with their values, and what its events carry."""

from typing import Any

import gradio as gr

from melancia.ui import render


class Growing:
    """Where an answer grows: below ``messages``. ``question`` returns to its box when it fails."""

    def __init__(self, messages: list[render.Message], thumbs: list[str | None], question: str) -> None:
        self.question = question
        self.last: Any = None
        self._messages = messages
        self._thumbs = thumbs

    def chat(self, message: render.Message) -> Any:
        """The chat with ``message`` as its last; it is kept in ``last``."""
        self.last = chat([*self._messages, message], [*self._thumbs, None])
        return self.last


def chat(messages: list[render.Message], thumbs: list[str | None]) -> Any:
    """The whole conversation."""
    # Every value must carry the thumbs again, or their fill is lost.
    return gr.Chatbot(value=messages, feedback_value=thumbs)


def notice(text: str) -> Any:
    """A message in the place of a conversation."""
    return chat([render.assistant_message(text)], [None])


def said(text: str) -> Any:
    """The line below the chat; none without text."""
    # Toasts are only shown by events of the queue, which these are not. It is always there: a screen reader
    # tells what changes in a place that it knows.
    return gr.Markdown(value=render.inert(text))


def rated(history: list[dict[str, Any]], liked: gr.LikeData) -> str | None:
    """The interaction of the message at the event's index, or of the group that begins there."""
    index = liked.index if isinstance(liked.index, int) else liked.index[0]
    found: str | None = None
    for message in history[index:]:
        if message.get("role") != "assistant":
            break
        found = (message.get("metadata") or {}).get("id") or found
    return found


def text(value: Any) -> str:
    """The text of a message or of an example, in whichever shape the component sends it."""
    if isinstance(value, dict):
        return text(value.get("text") or value.get("content") or "")
    if isinstance(value, list):
        return " ".join(text(item) for item in value)
    return str(value or "").replace("\u2060", "")
