"""What happens in the arena: draw, answer side by side, vote, reveal. Truth lives in the store, never here.

The page knows a duel by an identifier that says nothing; who answers stays in the database until the vote.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import InputError, MelanciaError, ProviderError
from melancia.mlops import rankings
from melancia.records import Finished, Interaction, Token, new_id
from melancia.store.duels import Duel, DuelState, Name
from melancia.ui import arena_draw, arena_view
from melancia.ui.arena_sides import FAILED, SIDES, VoidError, both_sides, lone_assistant
from melancia.ui.frames import frames
from melancia.ui.identity import Identity

_FRAME = 0.1  # seconds between two updates of streaming answers
_STOP_WAIT = 3.0  # seconds in which a stopped duel is recorded
_NO_USER = (
    "A sessão não foi reconhecida. Recarregue a página; os cookies deste endereço precisam estar ligados."
)
_ANSWERING = "As duas respostas estão sendo escritas. Os modelos só aparecem depois do voto."
_VOTE = "Qual é melhor? O voto é definitivo, e os modelos aparecem depois dele."
_STOPPED = "Você interrompeu as respostas, e o duelo foi anulado."
IDLE: dict[str, Any] = {"submit_btn": "Comparar", "stop_btn": False}
BUSY: dict[str, Any] = {"submit_btn": False, "stop_btn": "Parar"}

Shown = tuple[Any, ...]
"""Duel, question box, status, question, answer A, answer B, both answers, votes, reveal."""

logger = logging.getLogger(__name__)


class Arena:
    """Handlers of the tab."""

    def __init__(self, runtime: Runtime, identity: Identity, chance: arena_draw.Chance | None = None) -> None:
        """``chance`` draws; None: the system's randomness."""
        self._chance = chance
        self._runtime = runtime
        self._identity = identity
        self._votes = runtime.store.votes
        self._assistant = lone_assistant(runtime)

    def open(self, current: str | None, request: gr.Request) -> Shown:
        """When the tab is opened: the duel that waits for this user's vote, unless one is shown already."""
        user = self._user(request)
        if user is None:
            return _shown(said=_NO_USER, alert=True)
        try:
            duel = self._votes.open(user) if current is None else None
            return self._answered(duel) if duel is not None else _shown()
        except MelanciaError as error:
            return _shown(said=str(error), alert=True)

    def draw(self, question: str, request: gr.Request) -> tuple[str | None, Any]:
        """Draw who answers ``question``. Returns the duel (None: there is none) and what is to be said."""
        user = self._user(request)
        if user is None:
            return None, arena_view.status(_NO_USER, alert=True)
        try:
            text = self._accept(question)
            found = arena_draw.candidates(self._runtime)
            left, right = arena_draw.draw(found.variants, self._chance)
            duel = self._votes.begin(user, text, left, right, found.experiment)
        except MelanciaError as error:
            return None, arena_view.status(str(error), alert=True)
        # The page changes when the answers begin: the limit of questions may still refuse them.
        return duel.id, gr.skip()

    async def answer(self, drawn: str | None, request: gr.Request) -> AsyncGenerator[Shown]:
        """Let both sides of a drawn duel answer, streaming."""
        user = self._user(request)
        if user is None or drawn is None:
            yield _shown()  # ``draw`` has said why
            return
        try:
            duel = await asyncio.to_thread(self._votes.claim, drawn, user)
        except MelanciaError as error:
            yield _shown(said=str(error), alert=True)
            return
        waiting = arena_view.growing("")
        yield _shown(duel, _ANSWERING, (waiting, waiting), box=gr.Textbox(value="", **BUSY), reveal="")
        try:
            async with aclosing(self._stream(duel)) as growing:
                async for shown in growing:
                    yield shown
        except (asyncio.CancelledError, GeneratorExit):
            # At once: the task that we run in is being torn down.
            self._void(duel, "cancelled")
            raise
        except VoidError as failure:
            self._void(duel, str(failure))
            yield _void(duel, failure.said)
        except ProviderError as error:
            self._void(duel, type(error).__name__)  # its message would name the model
            yield _void(duel, FAILED)
        except MelanciaError as error:
            self._void(duel, type(error).__name__)
            yield _void(duel, str(error))
        except Exception:
            code = new_id()[:8]
            logger.exception("a duel failed (code %s)", code)
            self._void(duel, f"code {code}")
            yield _void(
                duel, f"Algo falhou aqui dentro. Tente de novo; se continuar, informe o código {code}."
            )

    async def stop(self, drawn: str | None, request: gr.Request) -> Shown:
        """After the answers were cancelled: there is no duel any more, unless both had just ended."""
        user = self._user(request)
        if user is None or drawn is None:
            return _shown(box=gr.Textbox(**IDLE))
        try:
            until = time.monotonic() + _STOP_WAIT
            duel = await asyncio.to_thread(self._votes.get, drawn, user)
            # The cancelled task records the end; it may have died before it could, so this only polls.
            while duel.state is DuelState.ANSWERING and time.monotonic() < until:
                await asyncio.sleep(0.05)
                duel = await asyncio.to_thread(self._votes.get, drawn, user)
            if duel.state is DuelState.ANSWERED:
                return await asyncio.to_thread(self._answered, duel)
            await asyncio.to_thread(self._votes.void, duel.id, "cancelled")
        except MelanciaError as error:
            return _shown(said=str(error), alert=True, box=gr.Textbox(**IDLE))
        return _void(duel, _STOPPED)

    def vote(self, current: str | None, winner: str, request: gr.Request) -> Shown:
        """Keep the vote and show who answered."""
        user = self._user(request)
        if user is None:
            return _shown(said=_NO_USER, alert=True)
        try:
            duel = self._votes.vote(current or "", user, winner)
            left, right = self._interactions(duel)
        except MelanciaError as error:
            return _shown(said=str(error), alert=True)
        told = arena_view.reveal(duel, left, right, blind=self._runtime.settings.blind)
        return _shown(said="Voto guardado. Obrigado!", reveal=told)

    def standings(self, topic: str | None) -> tuple[Any, str]:
        """The topics that can be chosen, and the ranking of ``topic``."""
        try:
            standing, votes = rankings.newest(self._runtime.store), self._votes.count()
        except MelanciaError as error:
            return gr.skip(), arena_view.status(str(error), alert=True)
        choices = arena_view.topics(standing)
        chosen = topic if topic in [value for _, value in choices] else ""
        blind = self._runtime.settings.blind
        box = gr.Dropdown(choices=choices, value=chosen, visible=len(choices) > 1 and not blind)
        return box, arena_view.ranking(standing, chosen or "", votes, blind=blind)

    async def _stream(self, duel: Duel) -> AsyncGenerator[Shown]:
        """Both answers as they grow, and at last to be voted on. Raises VoidError if one is missing."""
        said: dict[Name, str] = dict.fromkeys(SIDES, "")
        done: dict[Name, Interaction] = {}
        speaking = both_sides(self._runtime, self._assistant, duel)
        async with aclosing(frames(speaking, _FRAME)) as drawn:
            async for pieces in drawn:
                for piece in filter(None, pieces):
                    if isinstance(piece.event, Token):
                        said[piece.side] += piece.event.text
                    elif isinstance(piece.event, Finished):
                        done[piece.side] = piece.event.interaction
                texts = [
                    arena_view.answer(done[side]) if side in done else arena_view.growing(said[side])
                    for side in SIDES
                ]
                yield _shown(duel, None, (texts[0], texts[1]))
        answered = await asyncio.to_thread(self._votes.answered, duel.id, done["left"], done["right"])
        yield await asyncio.to_thread(self._answered, answered)

    def _answered(self, duel: Duel) -> Shown:
        left, right = self._interactions(duel)
        texts = arena_view.answer(left), arena_view.answer(right)
        return _shown(duel, _VOTE, texts, box=gr.Textbox(**IDLE), voting=True, reveal="")

    def _interactions(self, duel: Duel) -> tuple[Interaction, Interaction]:
        get = self._runtime.store.get
        return get(duel.left.interaction or ""), get(duel.right.interaction or "")

    def _void(self, duel: Duel, reason: str) -> None:
        logger.warning("duel %s is void: %s", duel.id, reason)
        try:
            self._votes.void(duel.id, reason)
        except MelanciaError as error:
            # It stays unanswered: nobody can vote on it either way.
            logger.error("the end of duel %s could not be recorded: %s", duel.id, error)

    def _accept(self, question: str) -> str:
        text = (question or "").replace("\x00", "").strip()
        if not text:
            raise InputError("A pergunta está vazia.", "Escreva o que deseja saber.")
        limit = self._runtime.settings.max_question_chars
        if len(text) > limit:
            raise InputError(f"A pergunta passa de {limit} caracteres.", "Encurte-a e envie de novo.")
        return text

    def _user(self, request: gr.Request) -> str | None:
        return self._identity.user(request.cookies, request.headers.get("authorization", ""))


def _shown(
    duel: Duel | None = None,
    said: str | None = None,
    texts: tuple[str, str] | None = None,
    *,
    alert: bool = False,
    box: Any = None,
    voting: bool = False,
    reveal: str | None = None,
) -> Shown:
    """What the components get; None leaves one as it is. The buttons are there only with ``voting``, and what
    is only said leaves them alone.
    """
    whole = texts is not None or reveal is not None
    return (
        gr.skip() if duel is None else duel.id,
        gr.skip() if box is None else box,
        gr.skip() if said is None else arena_view.status(said, alert=alert),
        gr.skip() if duel is None else arena_view.asked(duel.question),
        *(texts or (gr.skip(), gr.skip())),
        gr.skip() if texts is None else gr.Row(visible=True),
        gr.Row(visible=voting) if whole else gr.skip(),
        gr.skip() if reveal is None else reveal,
    )


def _void(duel: Duel, said: str) -> Shown:
    """Of a duel that is void nothing stays but the question."""
    return (
        duel.id,
        gr.Textbox(value=duel.question, **IDLE),
        arena_view.status(said, alert=True),
        "",
        "",
        "",
        gr.Row(visible=False),
        gr.Row(visible=False),
        "",
    )
