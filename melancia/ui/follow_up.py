"""What may follow the last answer of a conversation: its final version, and being asked how it was."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import gradio as gr

from melancia.agent.draft import replaces
from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.records import Feedback, Interaction, OriginKind
from melancia.ui.render import FINAL_WANTED

Items = Sequence[tuple[Interaction, Feedback | None]]
HIDDEN: tuple[Any, Any] = gr.Button(visible=False), gr.Row(visible=False)
"""The button for the final answer, and the prompt for a rating, neither of them there."""

logger = logging.getLogger(__name__)


def follow_ups() -> tuple[gr.Button, gr.Row, gr.Button, gr.Button]:
    """Lay them out: the button for the final answer; the prompt, with its answers yes and no."""
    final = gr.Button(FINAL_WANTED, size="sm", visible=False, elem_id="final")
    with gr.Row(visible=False, elem_id="pedido") as prompt:
        gr.Markdown("Esta resposta ajudou?", elem_id="pedido-texto", container=False)
        helped = gr.Button("Sim, ajudou", size="sm", scale=0, min_width=120, elem_id="pedido-sim")
        failed = gr.Button("Não ajudou", size="sm", scale=0, min_width=120, elem_id="pedido-nao")
    return final, prompt, helped, failed


class FollowUp:
    """Looks at what is recorded: the page remembers nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def shown(self, user: str, current: str) -> tuple[Any, Any]:
        """Button and prompt as they are due after the last answer."""
        try:
            return await asyncio.to_thread(self._shown, user, current)
        except MelanciaError:
            logger.warning("what may follow an answer could not be read", exc_info=True)
            return HIDDEN

    def draft(self, user: str, current: str) -> Interaction | None:
        """The answer that the last question got at first. Raises StoreError."""
        return _first(self._runtime.store.conversation(current, user))

    def prompted(self, user: str, current: str) -> Interaction | None:
        """The answer that this user is being asked about. Raises StoreError."""
        return prompted(self._runtime.store.conversation(current, user))

    def _shown(self, user: str, current: str) -> tuple[Any, Any]:
        items = self._runtime.store.conversation(current, user)
        draft = last_draft(items)
        wanted = draft is not None and self._runtime.finals.is_draft(draft)
        return gr.Button(visible=wanted), gr.Row(visible=prompted(items) is not None)


def prompted(items: Items) -> Interaction | None:
    """The last answer, if its user is to be asked for a rating and has given none."""
    if not items:
        return None
    last, rating = items[-1]
    return last if last.asked and not (rating and rating.thumb) else None


def last_draft(items: Items) -> Interaction | None:
    """The last answer, if no final one has taken its place."""
    if not items or (_is_final(items[-1][0]) and replaces(items[-1][0])):
        return None
    return _first(items)


def _first(items: Items) -> Interaction | None:
    """The answer that the last question got at first."""
    return next((item for item, _ in reversed(items) if not _is_final(item)), None)


def _is_final(item: Interaction) -> bool:
    return item.origin is not None and item.origin.kind is OriginKind.FINAL
