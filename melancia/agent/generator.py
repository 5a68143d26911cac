"""Streams one answer from the first variant that starts to speak.

Before the first token a failing or slow variant gives way to the next; after it, what was said is kept and
marked. A time-out cancels the call: the connection to the provider closes.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage

from melancia.errors import MelanciaError, ProviderResponseError, ProviderTimeoutError
from melancia.llms import capabilities, translate_error
from melancia.llms.again import passing
from melancia.llms.breaker import Breaker
from melancia.llms.select import EXTRACTIVE
from melancia.records import Attempt, FellBack, FinishReason, Token, Usage, Variant
from melancia.settings import Settings

MakeModel = Callable[[Variant], BaseChatModel]

_RESERVE = 5.0  # seconds for the extractive answerer, however late it is: it asks nobody and answers at once


@dataclass(slots=True)
class Generation:
    """What has been said so far, by whom, and how it went. Times in seconds since ``started``."""

    started: float = field(default_factory=time.monotonic)
    text: str = ""
    exposure: Variant | None = None
    attempts: list[Attempt] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    time_to_first_token: float | None = None
    finish_reason: FinishReason = FinishReason.RUNNING
    failure: MelanciaError | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self.started


async def generate(
    generation: Generation,
    messages: Sequence[BaseMessage],
    variants: Sequence[Variant],
    make_model: MakeModel,
    settings: Settings,
    *,
    breaker: Breaker | None = None,
) -> AsyncGenerator[Token | FellBack, None]:
    """Stream into ``generation``, trying ``variants`` in order (at least one).

    A provider that ``breaker`` keeps away is passed over like one that failed, except as the last one.
    The time-outs are those of ``settings``: to each variant's first token, and to the end of the answer,
    after which only the extractive answerer is asked.
    Ends with ``finish_reason`` stop, length, timeout or error; ``failure`` says why of the last two. Raises
    only what nobody expects. Closing it (or cancelling the task) closes the provider's stream.
    """
    for position, variant in enumerate(variants):
        begun = time.monotonic()
        last = position + 1 == len(variants)
        if variant.provider != EXTRACTIVE and generation.elapsed >= settings.total_timeout and not last:
            generation.attempts.append(_out_of_time(variant))
            yield FellBack(generation.attempts[-1], variants[position + 1])
            continue
        let_through = breaker is None or breaker.lets_through(variant.provider)
        if not let_through and not last:
            generation.attempts.append(_kept_away(variant))
            yield FellBack(generation.attempts[-1], variants[position + 1])
            continue
        outcome: MelanciaError | None = None
        ended = False
        try:
            async with aclosing(_speak(generation, messages, variant, make_model, settings)) as tokens:
                async for token in tokens:
                    yield token
            ended = True
            return
        except MelanciaError as error:
            outcome, ended = error, True
            if generation.exposure is not None:
                timed_out = isinstance(error, ProviderTimeoutError)
                generation.finish_reason = FinishReason.TIMEOUT if timed_out else FinishReason.ERROR
                generation.failure = error
                return
            attempt = _attempt(variant, error, time.monotonic() - begun)
            generation.attempts.append(attempt)
            if last:
                generation.finish_reason = FinishReason.ERROR
                generation.failure = error
                return
        finally:
            if breaker is not None and ended:
                breaker.ended(variant.provider, outcome)
            elif breaker is not None and let_through:
                # Whoever leaves may have grown tired of a provider that hangs.
                breaker.dropped(variant.provider)
        yield FellBack(attempt, variants[position + 1])


async def _speak(
    generation: Generation,
    messages: Sequence[BaseMessage],
    variant: Variant,
    make_model: MakeModel,
    settings: Settings,
) -> AsyncGenerator[Token, None]:
    """One variant's tokens. Raises ProviderError (and its kin) however it fails."""
    end_by = generation.started + settings.total_timeout
    first_by = min(time.monotonic() + settings.first_token_timeout, end_by)
    hurried = first_by == end_by
    if variant.provider == EXTRACTIVE:
        # Whoever waited all the time for the others must not go without an answer.
        first_by = end_by = max(end_by, time.monotonic() + _RESERVE)
    reason: str | None = None
    stream: AsyncIterator[AIMessageChunk] | None = None
    try:
        stream = make_model(variant).astream(list(messages))
        while True:
            until = end_by if generation.exposure is not None else first_by
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            reason = _reason(chunk) or reason
            generation.usage = _usage(chunk) or generation.usage
            text = chunk.text
            if text:
                if generation.exposure is None:
                    generation.exposure = variant
                    generation.time_to_first_token = generation.elapsed
                generation.text += text
                yield Token(text)
    except TimeoutError as error:
        raise _too_slow(variant, spoken=generation.exposure is not None, hurried=hurried) from error
    except MelanciaError:
        raise
    except Exception as error:
        raise translate_error(variant.provider, variant.model, error, settings) from error
    finally:
        closing = getattr(stream, "aclose", None)
        if closing is not None:
            await closing()
    if generation.exposure is None:
        raise ProviderResponseError(
            variant.provider, variant.model, f"O modelo {variant.label} terminou sem dizer nada."
        )
    generation.finish_reason = FinishReason.LENGTH if reason == "length" else FinishReason.STOP


def _kept_away(variant: Variant) -> Attempt:
    return Attempt(
        variant,
        "CircuitOpen",
        f"{capabilities(variant.provider).title} vem falhando e não foi consultado por enquanto.",
        0.0,
        passing=True,
    )


def _out_of_time(variant: Variant) -> Attempt:
    return Attempt(
        variant,
        "OutOfTime",
        f"O modelo {variant.label} não foi consultado: o tempo da resposta acabou antes da sua vez.",
        0.0,
        passing=True,
    )


def _attempt(variant: Variant, error: MelanciaError, elapsed: float) -> Attempt:
    return Attempt(
        variant,
        type(error).__name__,
        str(error),
        elapsed,
        passing=passing(error),
        retry_after=getattr(error, "retry_after", None),
    )


def _reason(chunk: AIMessageChunk) -> str | None:
    metadata = chunk.response_metadata
    found = metadata.get("finish_reason") or metadata.get("done_reason")
    return str(found) if found else None


def _usage(chunk: AIMessageChunk) -> Usage | None:
    counted = chunk.usage_metadata
    return Usage(counted["input_tokens"], counted["output_tokens"]) if counted else None


def _too_slow(variant: Variant, *, spoken: bool, hurried: bool) -> ProviderTimeoutError:
    """``hurried``: the end of the answer came before the first-token time-out."""
    if spoken:
        return ProviderTimeoutError(
            variant.provider,
            variant.model,
            "A resposta passou do tempo total e foi interrompida.",
            "Pergunte de novo ou aumente MELANCIA_TOTAL_TIMEOUT.",
        )
    variable = "MELANCIA_TOTAL_TIMEOUT" if hurried else "MELANCIA_FIRST_TOKEN_TIMEOUT"
    return ProviderTimeoutError(
        variant.provider,
        variant.model,
        f"O modelo {variant.label} não começou a responder a tempo.",
        f"Confira o provedor com `melancia doctor` ou aumente {variable}.",
    )
