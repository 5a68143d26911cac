"""OpenAI's Batch API: many questions in one file, answered within a day at half price.

A batch lives at the server: its id is all that is needed to go on waiting for it, from another process or on
another day. https://developers.openai.com/api/docs/guides/batch
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import AsyncRetrying, Retrying, retry_if_exception, stop_after_attempt

from melancia.addresses import is_openai
from melancia.errors import InputError, ProviderError, ProviderResponseError, UnsupportedOptionError
from melancia.llms.again import passing, pause
from melancia.llms.batch_lines import (
    ENDPOINT,
    BatchAnswer,
    BatchRequest,
    answer_of,
    openai_messages,
    read_lines,
    why_missing,
    write_lines,
)
from melancia.llms.batch_prices import BATCH_DISCOUNT, batch_cost
from melancia.llms.capabilities import capabilities
from melancia.llms.errors import translate_error
from melancia.llms.factory import create_chat_model
from melancia.llms.keys import address_of
from melancia.llms.masked import masked_requests
from melancia.llms.select import variant_options
from melancia.masking.providers import masked_providers
from melancia.records import Variant
from melancia.settings import Settings

if TYPE_CHECKING:
    from openai.types import Batch

__all__ = [
    "BATCH_DISCOUNT",
    "BatchAnswer",
    "BatchRequest",
    "BatchStatus",
    "OpenAIBatch",
    "batch_cost",
    "openai_messages",
]

_ENDED = ("completed", "failed", "expired", "cancelled")
_NO_SUCH_SERVICE = (404, 405, 501)
_ASKING_TIMEOUT = 30.0  # seconds, for requests whose answer is a small object
_LOOK = 1.0  # seconds between two looks at whether to go on waiting
_POLL_TRIES, _READ_TRIES = 10, 4  # in all; the first rides out an outage of half an hour
_LONGEST_READ_WAIT = 60.0
_WITHOUT = "Rode sem --batch."

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """Where a batch stands, in the server's words ("unknown" before the first), and its requests so far."""

    state: str
    completed: int = 0
    failed: int = 0
    total: int = 0
    ended: bool = False


class _UnwantedError(Exception):
    """Whoever waits wants to wait no more."""


class OpenAIBatch:
    """The batches of one variant. Nothing is sent before a method is called.

    Raises UnsupportedOptionError for another provider than ``openai``, and what ``create_chat_model`` raises.
    Every method raises ProviderError: UnsupportedOptionError at a server without batches, and no message
    holds a key.
    """

    def __init__(self, settings: Settings, variant: Variant) -> None:
        self._who = (variant.provider, variant.model)
        if variant.provider != "openai":
            title = capabilities(variant.provider).title
            raise UnsupportedOptionError(
                *self._who, f"O provedor {title} não tem modo de lote (--batch).", _WITHOUT
            )
        self._settings = settings
        self._variant = variant
        self._openai = is_openai(address_of("openai", variant.model, settings))
        # The factory's client: same key, address, proxy rules and time-outs as a question asked at once.
        self._client: Any = self._chat(None).root_client

    def submit(self, requests: Sequence[BatchRequest], seed: int | None = None) -> str:
        """Upload the questions and start their batch; its id. They are asked as ``create_chat_model`` would.

        Raises InputError when there are none, when two have the same id, or when they are too many for one
        batch (50,000 requests, 200 MB).
        """
        if self._variant.provider in masked_providers(self._settings):
            requests = masked_requests(requests)
        content = write_lines(requests, _parameters(self._chat(seed)))
        missing = None if self._openai else self._no_batches()
        file = self._call(
            lambda: self._client.files.create(file=("melancia.jsonl", content), purpose="batch"), missing
        )
        batch = self._call(
            lambda: self._client.batches.create(
                input_file_id=self._id_of(file),
                endpoint=ENDPOINT,
                completion_window="24h",
                timeout=_ASKING_TIMEOUT,
            ),
            missing,
        )
        return self._id_of(batch)

    def status(self, batch_id: str) -> BatchStatus:
        """Where the batch stands now."""
        return _status(self._retrieve(batch_id))

    def results(self, batch_id: str, expected: Sequence[str] = ()) -> list[BatchAnswer]:
        """One answer for each of the ``expected`` custom ids, in their order, with an error where none came.

        Without ``expected`` the ids are those of the batch's own file; where the server does not give that
        back, only requests with a line are known. Raises InputError while the batch has not ended. A server
        that is busy is asked again a few times.
        """
        retrying = Retrying(
            retry=retry_if_exception(passing),
            stop=stop_after_attempt(_READ_TRIES),
            wait=lambda state: min(pause(state, 1.0), _LONGEST_READ_WAIT),
            sleep=time.sleep,
            reraise=True,
        )
        batch: Batch = retrying(self._retrieve, batch_id)
        if not _status(batch).ended:
            raise InputError(f"O lote {batch_id} ainda não terminou.", "Espere por ele com --resume.")
        # The output file last: an answer is worth more than an error of the same request.
        answers: dict[str, BatchAnswer] = {}
        for file in (batch.error_file_id, batch.output_file_id):
            for line in read_lines(retrying(self._content, file)) if file else ():
                answer = answer_of(line, self._variant, self._settings)
                answers[answer.custom_id] = answer
        codes = [error.code for error in (batch.errors.data if batch.errors else None) or ()]
        reason = why_missing(batch.status, codes)
        wanted = list(expected) or self._asked(batch, retrying) or list(answers)
        if not wanted:
            raise ProviderResponseError(*self._who, reason, "Comece outra execução.")
        return [answers.get(name) or BatchAnswer(name, error=reason) for name in wanted]

    def cancel(self, batch_id: str) -> BatchStatus:
        """Ask the server to stop; what was answered until then can be read. One that ended stays as it is."""
        now = self.status(batch_id)
        if now.ended:
            return now
        cancelled = self._call(
            lambda: self._client.batches.cancel(batch_id, timeout=_ASKING_TIMEOUT), self._no_batch(batch_id)
        )
        return _status(self._understood(cancelled))

    async def wait(self, batch_id: str, poll: float, told: Callable[[BatchStatus], bool]) -> BatchStatus:
        """Look every ``poll`` seconds until the batch ends; its last status.

        ``told`` hears of the status each second between looks, and False from it ends the waiting: the batch
        goes on at the server. A server that is busy, fails or cannot be reached is asked again, later and
        later, or after the time that it names; it raises after ten failures in a row.
        """
        last = BatchStatus("unknown")

        async def rest(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                if not told(last):
                    raise _UnwantedError
                await asyncio.sleep(min(left, _LOOK))

        async def look() -> BatchStatus:
            return await asyncio.to_thread(self.status, batch_id)

        sleep: Callable[[float], Awaitable[None]] = rest
        try:
            while True:
                last = await AsyncRetrying(
                    retry=retry_if_exception(passing),
                    stop=stop_after_attempt(_POLL_TRIES),
                    wait=lambda state: pause(state, poll),
                    sleep=sleep,
                    reraise=True,
                )(look)
                if not told(last) or last.ended:
                    return last
                await rest(poll)
        except _UnwantedError:
            return last

    def _chat(self, seed: int | None) -> Any:
        options = variant_options(self._variant)
        return create_chat_model("openai", self._variant.model, self._settings, seed=seed, **options)

    def _retrieve(self, batch_id: str) -> "Batch":
        found = self._call(
            lambda: self._client.batches.retrieve(batch_id, timeout=_ASKING_TIMEOUT), self._no_batch(batch_id)
        )
        return self._understood(found)

    def _content(self, file_id: str) -> bytes:
        gone = ProviderResponseError(
            *self._who, "Um arquivo do lote já não existe no servidor.", "Comece outra execução."
        )
        content: bytes = self._call(lambda: self._client.files.content(file_id).content, gone)
        return content

    def _asked(self, batch: "Batch", retrying: Retrying) -> list[str]:
        """The custom ids of the file that the batch was made of; none when the server keeps it to itself."""
        try:
            content = retrying(self._content, batch.input_file_id)
        except ProviderError as error:
            if passing(error):
                raise
            logger.warning("the questions of batch %s cannot be read back: %s", batch.id, error)
            return []
        return [line["custom_id"] for line in read_lines(content)]

    def _call(self, work: Callable[[], T], missing: ProviderError | None) -> T:
        """What ``work`` gives; ``missing`` is raised when the server has no such thing."""
        try:
            return work()
        except Exception as error:
            if missing is not None and getattr(error, "status_code", None) in _NO_SUCH_SERVICE:
                raise missing from error
            raise translate_error(*self._who, error, self._settings) from error

    def _understood(self, batch: Any) -> "Batch":
        """``batch`` itself. The SDK does not check what a server says."""
        if not isinstance(getattr(batch, "status", None), str):
            raise self._nonsense()
        found: Batch = batch
        return found

    def _id_of(self, thing: Any) -> str:
        name = getattr(thing, "id", None)
        if not isinstance(name, str) or not name:
            raise self._nonsense()
        return name

    def _nonsense(self) -> ProviderError:
        return ProviderResponseError(
            *self._who,
            "O servidor respondeu ao pedido de lote algo que não se entende.",
            "Confira se OPENAI_BASE_URL é mesmo o endereço do serviço, ou rode sem --batch.",
        )

    def _no_batches(self) -> ProviderError:
        return UnsupportedOptionError(*self._who, "Este servidor não tem modo de lote (--batch).", _WITHOUT)

    def _no_batch(self, batch_id: str) -> ProviderError:
        if self._openai:
            return ProviderResponseError(
                *self._who,
                f"A OpenAI não conhece o lote {batch_id}.",
                "Confira se OPENAI_API_KEY é da conta em que ele foi criado.",
            )
        # Others say 404 to both, in the same words.
        return UnsupportedOptionError(
            *self._who,
            f"Este servidor não tem modo de lote (--batch), ou não conhece o lote {batch_id}.",
            "Confira OPENAI_BASE_URL, ou rode sem --batch.",
        )


def _parameters(chat: Any) -> Mapping[str, Any]:
    """What ``chat`` sends besides messages. Its own fields, because it drops what a model does not take."""
    sent = {
        "model": chat.model_name,
        "temperature": chat.temperature,
        "max_completion_tokens": chat.max_tokens,
        "seed": chat.seed,
        **(chat.extra_body or {}),
    }
    return {name: value for name, value in sent.items() if value is not None}


def _status(batch: "Batch") -> BatchStatus:
    counts = batch.request_counts
    done, failed, total = (getattr(counts, name, None) or 0 for name in ("completed", "failed", "total"))
    return BatchStatus(batch.status, done, failed, total, ended=batch.status in _ENDED)
