"""Where the answers come from: a script, or the small real model behind llama.cpp."""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx

from tests.standins.ollama.library import EMBEDDING_LENGTH, MODEL_CONTEXT
from tests.standins.ollama.prompt import TEMPLATE_TOKENS, Message, split_words

DEFAULT_REPLY = "Retail Media é a venda de espaços publicitários nos canais de um varejista [1]."

Script = str | Callable[[Sequence[Message]], str]
"""A fixed reply, or what makes one from the messages that the model got to see."""


@dataclass(frozen=True)
class Call:
    """What a backend is asked for. The messages are cut to the window already."""

    model: str
    messages: Sequence[Message]
    prompt_tokens: int
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """One generated token (or as much text as came at once)."""

    text: str


@dataclass(frozen=True)
class Finish:
    """The end of an answer; Ollama counts the end-of-text token too."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


class Backend(Protocol):
    """What the server needs of a model."""

    context_length: int
    template_tokens: int
    template_base: int

    async def tokenize(self, text: str) -> list[str]:
        """The text in tokens, which joined give it back."""

    def stream(self, call: Call) -> AsyncIterator[Piece | Finish]:
        """The answer, piece by piece, and then its end."""

    def embed(self, text: str) -> list[float]:
        """A vector, not normalised."""


def hashed_embedding(text: str) -> list[float]:
    """A vector near those of texts with the same words: a word's hash is its place and sign."""
    vector = [0.0] * EMBEDDING_LENGTH
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4]) % EMBEDDING_LENGTH] += 1.0 if digest[4] % 2 else -1.0
    return vector


def normalise(vector: Sequence[float]) -> list[float]:
    """The vector at length 1, as `/api/embed` returns it."""
    norm = max(math.sqrt(sum(value * value for value in vector)), 1e-12)
    return [value / norm for value in vector]


class Scripted:
    """Deterministic answers, at once unless `token_delay` (seconds a token) says otherwise."""

    context_length = MODEL_CONTEXT
    template_tokens = TEMPLATE_TOKENS
    template_base = 0

    def __init__(self, script: Script = DEFAULT_REPLY, *, token_delay: float = 0.0) -> None:
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.token_delay = token_delay

    def set_script(self, script: Script, model: str | None = None) -> None:
        """Change the reply of every model, or of the one that is asked for under this name."""
        if model is None:
            self.script = script
            self.scripts.clear()
        else:
            self.scripts[model] = script

    async def tokenize(self, text: str) -> list[str]:
        """Words."""
        return split_words(text)

    def embed(self, text: str) -> list[float]:
        """Words, hashed."""
        return hashed_embedding(text)

    async def stream(self, call: Call) -> AsyncIterator[Piece | Finish]:
        """The scripted reply, within the limits of the call."""
        script = self.scripts.get(call.model, self.script)
        text = script if isinstance(script, str) else script(call.messages)
        ends = [text.find(stop) for stop in call.stop if stop and stop in text]
        tokens = split_words(text[: min(ends)] if ends else text)
        # A model that has just said its last word at the limit has had no room for the end-of-text token.
        limit = call.max_tokens
        cut = limit is not None and len(tokens) >= limit
        for sent, token in enumerate(tokens[:limit] if cut else tokens):
            if self.token_delay and sent:
                await asyncio.sleep(self.token_delay)
            yield Piece(token)
        if cut and limit is not None:
            yield Finish("length", call.prompt_tokens, limit)
        else:
            yield Finish("stop", call.prompt_tokens, len(tokens) + 1)


class Llama:
    """The real model, through an OpenAI-compatible server of llama.cpp (see `tests.standins.llamacpp`)."""

    # Room for what the chat template adds; SmolLM2's puts in a system prompt of its own when there is none.
    template_tokens = 6
    template_base = 28

    def __init__(
        self, base_url: str, model: str, *, context_length: int = 2048, max_tokens: int = 256
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.context_length = context_length
        self.max_tokens = max_tokens

    async def tokenize(self, text: str) -> list[str]:
        """The model's own tokens."""
        async with httpx.AsyncClient(timeout=30) as client:
            url = f"{self.base_url.removesuffix('/v1')}/tokenize"
            reply = await client.post(url, json={"content": text, "with_pieces": True})
            reply.raise_for_status()
            # A piece that is not text by itself (half a character) comes as its bytes.
            pieces = [token["piece"] for token in reply.json()["tokens"]]
        return [piece if isinstance(piece, str) else bytes(piece).decode(errors="ignore") for piece in pieces]

    def embed(self, text: str) -> list[float]:
        """Words, hashed: the small model is no embedding model."""
        return hashed_embedding(text)

    async def stream(self, call: Call) -> AsyncIterator[Piece | Finish]:
        """The model's answer; leaving the iterator hangs up on llama.cpp, which then stops."""
        payload: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in call.messages],
            # A model this small may never end by itself.
            "max_tokens": self.max_tokens if call.max_tokens is None else call.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if call.stop:
            payload["stop"] = list(call.stop)
        payload |= {name: call.options[name] for name in _PASSED_ON if call.options.get(name) is not None}
        reason: Literal["stop", "length"] = "stop"
        usage: dict[str, int] = {}
        async with (
            httpx.AsyncClient(timeout=120) as client,
            client.stream("POST", f"{self.base_url}/chat/completions", json=payload) as reply,
        ):
            if reply.is_error:
                raise RuntimeError((await reply.aread()).decode())
            async for line in reply.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices", ()):
                    if choice.get("finish_reason") == "length":
                        reason = "length"
                    if text := choice["delta"].get("content"):
                        yield Piece(text)
        yield Finish(reason, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))


_PASSED_ON = (
    "temperature",
    "seed",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)
