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
    AskEvent,
    Feedback,
    FellBack,
    Filters,
    Finished,
    FinishReason,
    Interaction,
    Retrieved,
    Token,
    new_id,
)
from melancia.ui import chat_view, render
from melancia.ui.chat_view import Growing
from melancia.ui.follow_up import HIDDEN, FollowUp
from melancia.ui.frames import frames
from melancia.ui.identity import Identity

_FRAME = 0.08  # seconds between two updates of a streaming answer
_SILENCE = 1.0  # seconds without a word after which the page is told so: a visitor who left is noticed
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
        self._follow_up = FollowUp(runtime)

    async def open(self, request: gr.Request) -> tuple[Any, ...]:
        """On page load: the user's last conversation and its thumbs, its identifier, examples, follow-ups."""
        user = self._user(request)
        if user is None:
            return chat_view.notice(_NO_USER), new_id(), gr.Row(visible=False), *HIDDEN
        try:
            current = await self._known(user, "")
            messages, thumbs = await self._messages(user, current)
        except MelanciaError as error:
            return chat_view.notice(_failed(error)), new_id(), gr.Row(visible=False), *HIDDEN
        following = await self._follow_up.shown(user, current)
        return chat_view.chat(messages, thumbs), current, gr.Row(visible=not messages), *following

    async def ask(
        self, question: str, current: str, marketplace: str | None, request: gr.Request, *, reuse: bool = True
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """Answer ``question``, streaming. Yields chat, question box, comment box, examples, follow-ups.

        ``reuse``: an answer that was given before will do. A draft that will not do is followed at once by
        its final answer.
        """
        user = self._user(request)
        if user is None:
            yield chat_view.notice(_NO_USER), gr.Textbox(), gr.skip(), gr.skip(), *HIDDEN
            return
        try:
            current = await self._known(user, current)
            messages, thumbs = await self._messages(user, current)
        except MelanciaError as error:
            yield self._away(error, question)
            return
        place = Growing([*messages, render.user_message(question)], thumbs, question)
        filters = Filters(marketplace=marketplace or None)
        asking = self._runtime.assistant.ask(
            question, user=user, conversation=current, filters=filters, reuse=reuse, prompted=True
        )
        ended: list[Interaction] = []
        async with aclosing(self._tell(asking, place, ended)) as updates:
            async for update in updates:
                yield update
        if not ended:
            return
        fault = await asyncio.to_thread(self._runtime.finals.due, ended[0])
        if fault is not None:
            messages, thumbs = await self._messages(user, current)
            following = self._runtime.finals.ask(ended[0], filters)
            place = Growing([*messages, render.final_message(fault)], thumbs, "")
            async with aclosing(self._tell(following, place, ended)) as updates:
                async for update in updates:
                    yield update
        # The answer once more: the browser may drop an update that another one overtakes.
        yield place.last, *await self._idle(user, current)

    async def final(
        self, current: str, marketplace: str | None, request: gr.Request
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """The final answer to the last question, beside its draft. Yields as ``ask`` does."""
        user = self._user(request)
        if user is None:
            yield chat_view.notice(_NO_USER), gr.Textbox(), gr.skip(), gr.skip(), *HIDDEN
            return
        try:
            current = await self._known(user, current)
            draft = await asyncio.to_thread(self._follow_up.draft, user, current)
            messages, thumbs = await self._messages(user, current)
        except MelanciaError as error:
            yield self._away(error, "")
            return
        if draft is None:
            yield chat_view.chat(messages, thumbs), *await self._idle(user, current)
            return
        place = Growing([*messages, render.final_message(None)], thumbs, "")
        ended: list[Interaction] = []
        following = self._runtime.finals.ask(draft, Filters(marketplace=marketplace or None))
        async with aclosing(self._tell(following, place, ended)) as updates:
            async for update in updates:
                yield update
        yield place.last, *await self._idle(user, current)

    async def _tell(
        self, asking: AsyncGenerator[AskEvent, None], place: Growing, ended: list[Interaction]
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """The updates while an answer grows. What was recorded goes into ``ended``; nothing does on a
        failure, which is said.
        """
        hidden = gr.Column(visible=False), gr.Row(visible=False), *HIDDEN
        yield place.chat(render.assistant_message(render.WAITING)), gr.Textbox(value="", **BUSY), *hidden
        try:
            async with aclosing(self._answer(asking, ended)) as growing:
                async for message in growing:
                    yield place.chat(message), gr.Textbox(), *hidden
        except MelanciaError as error:
            failed = _failed(error)
        except Exception:
            code = new_id()[:8]
            logger.exception("answering failed (code %s)", code)
            failed = (
                f"⚠️ Algo falhou aqui dentro. Tente de novo; se continuar, informe o código {code} à equipe."
            )
        else:
            return
        ended.clear()
        box = gr.Textbox(value=place.question, **IDLE)
        yield place.chat(render.assistant_message(failed)), box, *hidden

    async def _idle(self, user: str, current: str) -> tuple[Any, ...]:
        """Question box, comment box, examples and follow-ups when an answer has ended."""
        following = await self._follow_up.shown(user, current)
        return gr.Textbox(**IDLE), gr.Column(visible=False), gr.Row(visible=False), *following

    async def retry(
        self, current: str, marketplace: str | None, again: gr.RetryData, request: gr.Request
    ) -> AsyncGenerator[tuple[Any, ...]]:
        """Ask the same once more; the earlier answer and its rating stay recorded."""
        question = chat_view.text(again.value)
        asking = (
            self.final(current, marketplace, request)
            if render.is_final_message(question)
            else self.ask(question, current, marketplace, request, reuse=False)
        )
        async with aclosing(asking) as updates:
            async for update in updates:
                yield update

    async def stop(self, current: str, request: gr.Request) -> tuple[Any, ...]:
        """After the answer was cancelled: show what was recorded of it, and what may follow."""
        user = self._user(request)
        if user is None:
            return gr.skip(), gr.Textbox(**IDLE), *HIDDEN
        try:
            current = await self._known(user, current)
            await self._settled(user, current)
            shown = await self._view(user, current)
        except MelanciaError as error:
            return chat_view.notice(_failed(error)), gr.Textbox(**IDLE), *HIDDEN
        following = await self._follow_up.shown(user, current)
        return shown, gr.Textbox(**IDLE), *following

    async def _settled(self, user: str, current: str) -> None:
        """Wait until the stopped answer is recorded. Raises StoreError."""
        until = time.monotonic() + _STOP_WAIT
        # The cancelled task records the end; it may have died before it could, so this only polls.
        while time.monotonic() < until and await asyncio.to_thread(self._running, user, current):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def rate(
        self, history: list[dict[str, Any]], liked: gr.LikeData, request: gr.Request
    ) -> tuple[Any, str | None, Any, Any]:
        """A thumb. Returns comment box (open after a thumb down), what it is about, a notice, the prompt."""
        user, rated = self._user(request), chat_view.rated(history, liked)
        if user is None or rated is None:
            text = "Esta mensagem não pode ser avaliada." if user else _NO_USER
            return gr.Column(visible=False), None, chat_view.said(text), gr.skip()
        thumb = {True: 1, False: -1}.get(liked.liked, 0) if isinstance(liked.liked, bool) else 0
        try:
            await asyncio.to_thread(self._runtime.store.rate, Feedback(rated, user, thumb=thumb))
        except MelanciaError as error:
            return gr.Column(visible=False), None, chat_view.said(str(error)), gr.skip()
        return gr.Column(visible=thumb == -1), rated, chat_view.said(""), gr.Row(visible=False)

    async def helped(self, current: str, request: gr.Request) -> tuple[Any, ...]:
        """“Yes” to the prompt. Returns chat, comment box, what it is about, a notice, and the prompt."""
        return await self._reply(current, 1, request)

    async def did_not_help(self, current: str, request: gr.Request) -> tuple[Any, ...]:
        """“No” to the prompt: what a thumb down does. Returns as ``helped``."""
        return await self._reply(current, -1, request)

    async def _reply(self, current: str, thumb: int, request: gr.Request) -> tuple[Any, ...]:
        user = self._user(request)
        if user is None:
            return gr.skip(), gr.skip(), None, chat_view.said(_NO_USER), gr.Row(visible=False)
        try:
            current = await self._known(user, current)
            about = await asyncio.to_thread(self._follow_up.prompted, user, current)
            if about is not None:
                await asyncio.to_thread(self._runtime.store.rate, Feedback(about.id, user, thumb=thumb))
            shown = await self._view(user, current)
        except MelanciaError as error:
            return gr.skip(), gr.Column(visible=False), None, chat_view.said(str(error)), gr.skip()
        thanks = chat_view.said("Obrigado pela avaliação!" if about is not None else "")
        box = gr.Column(visible=about is not None and thumb == -1)
        return shown, box, about.id if about else None, thanks, gr.Row(visible=False)

    async def comment(self, text: str, rated: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        """The comment that goes with a thumb. Returns comment box, its text, and a notice."""
        user = self._user(request)
        if user is None or rated is None:
            return gr.skip(), gr.skip(), chat_view.said(_NO_USER)
        try:
            await asyncio.to_thread(self._runtime.store.rate, Feedback(rated, user, comment=text))
        except MelanciaError as error:
            return gr.skip(), gr.skip(), chat_view.said(str(error))
        return (
            gr.Column(visible=False),
            "",
            chat_view.said("Comentário guardado. Obrigado!" if text.strip() else ""),
        )

    def begin(self) -> tuple[Any, ...]:
        """A new conversation: chat, its identifier, comment box, examples, question box, follow-ups."""
        shown = gr.Column(visible=False), gr.Row(visible=True), gr.Textbox(**IDLE)
        return chat_view.chat([], []), new_id(), *shown, *HIDDEN

    async def _answer(
        self, asking: AsyncGenerator[AskEvent, None], ended: list[Interaction]
    ) -> AsyncGenerator[render.Message]:
        """The growing answer, at most once a frame, and at last the recorded one."""
        text, notes, identifier = "", "", None
        async with aclosing(frames(asking, _FRAME, _SILENCE)) as drawn:
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
                        ended[:] = [event.interaction]
                        draft = await asyncio.to_thread(self._runtime.finals.is_draft, event.interaction)
                        final = render.answer_markdown(event.interaction, blind=self._blind, draft=draft)
                        yield render.assistant_message(notes + final, event.interaction.id)
                        return
                yield render.assistant_message(notes + (render.inert(text) or render.WAITING), identifier)

    def _running(self, user: str, current: str) -> bool:
        items = self._runtime.store.conversation(current, user)
        return bool(items) and items[-1][0].answer.finish_reason is FinishReason.RUNNING

    async def _known(self, user: str, current: str) -> str:
        """The page's conversation; the user's last one when Gradio has forgotten it, as it does in time.

        Raises StoreError.
        """
        if current:
            return current
        latest = await asyncio.to_thread(self._runtime.store.latest_conversation, user)
        return latest or new_id()

    def _away(self, error: MelanciaError, question: str) -> tuple[Any, ...]:
        """What there is to show when nothing can be read; the question stays in its box."""
        box = gr.Textbox(value=question, **IDLE)
        return chat_view.notice(_failed(error)), box, gr.skip(), gr.skip(), *HIDDEN

    async def _view(self, user: str, current: str) -> Any:
        return chat_view.chat(*await self._messages(user, current))

    async def _messages(self, user: str, current: str) -> tuple[list[render.Message], list[str | None]]:
        items = await asyncio.to_thread(self._runtime.store.conversation, current, user)
        is_draft = self._runtime.finals.is_draft
        return await asyncio.to_thread(render.conversation, items, blind=self._blind, is_draft=is_draft)

    def _user(self, request: gr.Request) -> str | None:
        return self._identity.user(request.cookies, request.headers.get("authorization", ""))


def _failed(error: MelanciaError) -> str:
    return f"⚠️ {render.inert(str(error))}"
