"""The chat's handlers: what Gradio forgets is found again, and a database that is away is said."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from melancia.app import Runtime
from melancia.errors import StoreError
from melancia.ui.chat import Chat
from melancia.ui.identity import COOKIE, Identity
from tests.api.conftest import open_runtime

QUESTION = "Como ganho a buy box no Mercado Livre?"
CHAT, BOX = 0, 1


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """An application over one document."""
    made = open_runtime(tmp_path)
    made.index.ensure_ingested()
    yield made
    made.close()


class Visit:
    """A visitor and the handlers of their page."""

    def __init__(self, runtime: Runtime) -> None:
        identity = Identity(runtime.settings)
        cookies = {COOKIE: identity.issue()}
        self.request = cast(gr.Request, SimpleNamespace(cookies=cookies, headers={}))
        self.user = identity.user(cookies, "") or ""
        self.chat = Chat(runtime, identity)

    def ask(self, question: str, current: str) -> list[tuple[Any, ...]]:
        """Every update of an answer."""

        async def collect() -> list[tuple[Any, ...]]:
            async with aclosing(self.chat.ask(question, current, None, self.request)) as updates:
                return [update async for update in updates]

        return asyncio.run(collect())


def test_a_page_whose_conversation_gradio_forgot_goes_on_with_it(runtime: Runtime) -> None:
    ana, bia = Visit(runtime), Visit(runtime)
    ana.ask(QUESTION, "conversa")
    ana.ask("E isso vale para a reputação?", "")
    bia.ask(QUESTION, "")
    bia.ask("E o prazo?", "")
    said = [item.question for item, _ in runtime.store.conversation("conversa", ana.user)]
    assert said == [QUESTION, "E isso vale para a reputação?"]
    begun = runtime.store.latest_conversation(bia.user)
    assert begun
    assert len(runtime.store.conversation(begun, bia.user)) == 2
    opened = asyncio.run(ana.chat.open(ana.request))
    assert opened[1] == "conversa"


def test_a_database_that_is_away_is_said_and_the_question_stays(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = Visit(runtime)

    def away(*_: Any) -> None:
        raise StoreError("O banco de dados não está respondendo.", "Confira MELANCIA_DATABASE_URL.")

    for name in ("conversation", "latest_conversation"):
        monkeypatch.setattr(runtime.store, name, away)
    (update,) = ana.ask(QUESTION, "conversa")
    assert "não está respondendo. Confira MELANCIA_DATABASE_URL." in str(update[CHAT].value)
    assert update[BOX].value == QUESTION
    for shown in (
        asyncio.run(ana.chat.open(ana.request)),
        asyncio.run(ana.chat.stop("conversa", ana.request)),
    ):
        assert "não está respondendo" in str(shown[CHAT].value)
