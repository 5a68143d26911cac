"""What happens on the page: ask, stop, rate, comment, begin anew. Truth lives in the store, never here."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError
from melancia.records import (
    Feedback,
    FellBack,
    Filters,
    Finished,
    FinishReason,
    Retrieved,
    Token,
    new_id,
)
from melancia.ui import render
from melancia.ui.frames import frames
from melancia.ui.identity import Identity

_FRAME = 0.08  # seconds between two updates of a streaming answer
_STOP_WAIT = 3.0  # seconds in which a stopped answer is recorded
_LEXICAL = "*Busca só por palavras: a busca por significado ainda está sendo preparada.*\n\n"
_NO_USER = (
    "A sessão não foi reconhecida. Recarregue a página; os cookies deste endereço precisam estar ligados."
)
IDLE: dict[str, Any] = {"submit_btn": "Enviar", "stop_btn": False}
BUSY: dict[str, Any] = {"submit_btn": False, "stop_btn": "Parar"}

logger = logging.getLogger(__name__)


class Chat:
    """Handlers of the chat tab."""

    def __init__(self, runtime: Runtime, identity: Identity) -> None:
        self._runtime = runtime
        self._identity = identity
        self._blind = runtime.settings.blind

    async def open(self, request: gr.Request) -> tuple[Any, str, Any]:
        """On page load: the user's last conversation, with its thumbs."""
        user = self._user(request)
        if user is None:
            return _notice(_NO_USER), new_id(), gr.Row(visible=False)
        latest = await asyncio.to_thread(self._runtime.store.latest_conversation, user)
        current = latest or new_id()
        messages, thumbs = await self._messages(user, current)
        return _chat(messages, thumbs), current, gr.Row(visible=not messages)

    async def ask(
        self, question: str, current: str, marketplace: str | None, request: gr.Request
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """Answer ``question``, streaming. Yields chat, question box, comment box, examples."""
        user = self._user(request)
        if user is None:
            yield _notice(_NO_USER), gr.Textbox(), gr.skip(), gr.skip()
            return
        messages, thumbs = await self._messages(user, current)
        asked = [*messages, render.user_message(question)]
        hidden = gr.Column(visible=False), gr.Row(visible=False)
        shown = _chat([*asked, render.assistant_message(render.WAITING)], [*thumbs, None])
        yield shown, gr.Textbox(value="", **BUSY), *hidden
        try:
            filters = Filters(marketplace=marketplace or None)
            async with aclosing(self._answer(question, user, current, filters)) as growing:
                async for message in growing:
                    shown = _chat([*asked, message], [*thumbs, None])
                    yield shown, gr.Textbox(), *hidden
        except MelanciaError as error:
            failed = render.assistant_message(f"⚠️ {render.inert(str(error))}")
            yield _chat([*asked, failed], [*thumbs, None]), gr.Textbox(value=question, **IDLE), *hidden
            return
        except Exception:
            code = new_id()[:8]
            logger.exception("answering failed (code %s)", code)
            failed = render.assistant_message(
                f"⚠️ Algo falhou aqui dentro. Tente de novo; se continuar, informe o código {code} à equipe."
            )
            yield _chat([*asked, failed], [*thumbs, None]), gr.Textbox(value=question, **IDLE), *hidden
            return
        # The answer once more: the browser may drop an update that another one overtakes.
        yield shown, gr.Textbox(**IDLE), *hidden

    async def retry(
        self, current: str, marketplace: str | None, again: gr.RetryData, request: gr.Request
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """Ask the same question once more; the earlier answer and its rating stay recorded."""
        async with aclosing(self.ask(_text(again.value), current, marketplace, request)) as updates:
            async for update in updates:
                yield update

    async def stop(self, current: str, request: gr.Request) -> tuple[Any, Any]:
        """After the answer was cancelled: show what was recorded of it."""
        user = self._user(request)
        if user is None:
            return gr.skip(), gr.Textbox(**IDLE)
        until = time.monotonic() + _STOP_WAIT
        # The cancelled task records the end; it may have died before it could, so this only polls.
        while time.monotonic() < until and await asyncio.to_thread(self._running, user, current):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return await self._view(user, current), gr.Textbox(**IDLE)

    async def rate(
        self, history: list[dict[str, Any]], liked: gr.LikeData, request: gr.Request
    ) -> tuple[Any, str | None, Any]:
        """A thumb. Returns the comment box (open after a thumb down), what it is about, and a notice."""
        user, rated = self._user(request), _rated(history, liked)
        if user is None or rated is None:
            text = "Esta mensagem não pode ser avaliada." if user else _NO_USER
            return gr.Column(visible=False), None, _said(text)
        thumb = {True: 1, False: -1}.get(liked.liked, 0) if isinstance(liked.liked, bool) else 0
        try:
            await asyncio.to_thread(self._runtime.store.rate, Feedback(rated, user, thumb=thumb))
        except MelanciaError as error:
            return gr.Column(visible=False), None, _said(str(error))
        return gr.Column(visible=thumb == -1), rated, _said("")

    async def comment(self, text: str, rated: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        """The comment that goes with a thumb. Returns comment box, its text, and a notice."""
        user = self._user(request)
        if user is None or rated is None:
            return gr.skip(), gr.skip(), _said(_NO_USER)
        try:
            await asyncio.to_thread(self._runtime.store.rate, Feedback(rated, user, comment=text))
        except MelanciaError as error:
            return gr.skip(), gr.skip(), _said(str(error))
        return gr.Column(visible=False), "", _said("Comentário guardado. Obrigado!" if text.strip() else "")

    def begin(self) -> tuple[Any, ...]:
        """A new conversation: chat, its identifier, comment box, examples, question box."""
        return _chat([], []), new_id(), gr.Column(visible=False), gr.Row(visible=True), gr.Textbox(**IDLE)

    async def _answer(
        self, question: str, user: str, current: str, filters: Filters
    ) -> AsyncGenerator[render.Message]:
        """The growing answer, at most once a frame, and at last the recorded one."""
        text, notes, identifier = "", "", None
        asking = self._runtime.assistant.ask(question, user=user, conversation=current, filters=filters)
        async with aclosing(frames(asking, _FRAME)) as drawn:
            async for events in drawn:
                for event in events:
                    if isinstance(event, Retrieved):
                        identifier = event.interaction_id
                        notes = _LEXICAL if event.mode == "lexical" else ""
                    elif isinstance(event, FellBack):
                        notes += render.fell_back(event.attempt, event.next, blind=self._blind) + "\n\n"
                    elif isinstance(event, Token):
                        text += event.text
                    elif isinstance(event, Finished):
                        final = render.answer_markdown(event.interaction, blind=self._blind)
                        yield render.assistant_message(notes + final, event.interaction.id)
                        return
                yield render.assistant_message(notes + (render.inert(text) or render.WAITING), identifier)

    def _running(self, user: str, current: str) -> bool:
        items = self._runtime.store.conversation(current, user)
        return bool(items) and items[-1][0].answer.finish_reason is FinishReason.RUNNING

    async def _view(self, user: str, current: str) -> Any:
        return _chat(*await self._messages(user, current))

    async def _messages(self, user: str, current: str) -> tuple[list[render.Message], list[str | None]]:
        items = await asyncio.to_thread(self._runtime.store.conversation, current, user)
        return render.conversation(items, blind=self._blind)

    def _user(self, request: gr.Request) -> str | None:
        return self._identity.user(request.cookies, request.headers.get("authorization", ""))


def _chat(messages: list[render.Message], thumbs: list[str | None]) -> Any:
    # Every value must carry the thumbs again, or their fill is lost.
    return gr.Chatbot(value=messages, feedback_value=thumbs)


def _notice(text: str) -> Any:
    return _chat([render.assistant_message(text)], [None])


def _said(text: str) -> Any:
    # Toasts are only shown by events of the queue, which these are not.
    return gr.Markdown(value=render.inert(text), visible=bool(text))


def _rated(history: list[dict[str, Any]], liked: gr.LikeData) -> str | None:
    """The interaction of the message at the event's index, or of the group that begins there."""
    index = liked.index if isinstance(liked.index, int) else liked.index[0]
    found: str | None = None
    for message in history[index:]:
        if message.get("role") != "assistant":
            break
        found = (message.get("metadata") or {}).get("id") or found
    return found


def _text(value: Any) -> str:
    """The text of a message or of an example, in whichever shape the component sends it."""
    if isinstance(value, dict):
        return _text(value.get("text") or value.get("content") or "")
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    return str(value or "").replace("\u2060", "")
