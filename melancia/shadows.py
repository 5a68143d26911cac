"""Shadow mode at work: what other arms would have said, found out after the user has been answered.

In a thread and an event loop of its own, at the lowest priority. On a server of ours, where one answer slows
another, a shadow begins only while no user waits; when one comes it is cut short and begins anew later. It is
never dropped for being slow, or the slow answers would be missing: what is dropped is a question that finds
the backlog full. Cached answers have no shadow: their arm did nothing that could be compared.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC

from melancia.agent.beside import Beside
from melancia.agent.watching import Asked
from melancia.errors import MelanciaError
from melancia.llms.sharing import own_server
from melancia.records import Assignment, FinishReason, OriginKind, utc_now
from melancia.settings import Settings
from melancia.store import Store

BACKLOG = 50  # questions that wait, on our servers and elsewhere each
_QUIET = 0.5  # seconds without a user before a shadow begins on a server of ours
_CLOSING = 5.0  # seconds that a cancelled shadow gets to let go of its connection
_TOLD_EVERY = 50  # dropped questions between two lines of the log
_SPEND = "daily_spend"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """Shadows since the start: answered to an end (a failure is one), dropped, and begun anew for a user."""

    answered: int = 0
    dropped: int = 0
    interrupted: int = 0


@dataclass(frozen=True, slots=True)
class _Task:
    """An arm that owes an answer."""

    asked: Asked
    given: Assignment


class Shadows:
    """Told by the assistant of users' answers (``agent.watching.Watcher``). Thread-safe.

    Nothing happens before ``start``: a command has no time for shadows.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        challengers: Callable[[Assignment], tuple[Assignment, ...]],
        beside: Beside,
        *,
        backlog: int = BACKLOG,
    ) -> None:
        """``challengers``: who is to answer, out of sight, what an assignment answered."""
        self._settings = settings
        self._store = store
        self._challengers = challengers
        self._beside = beside
        self._backlog = backlog
        self._lock = threading.Lock()
        self._users = 0
        self._counts = Counts()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Counts:
        """What came of them so far."""
        return self._counts

    def start(self) -> None:
        """Begin to look, in the background."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="shadows", daemon=True
        )
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        """End at once: what is being answered is cancelled and leaves no trace, what waits is let go."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None or self._running is None:
            return
        loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join(_CLOSING)
        logger.info("shadow answers: %s", self._counts)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a user is being answered, whoever could slow them makes way."""
        self._users_change(1)
        try:
            yield
        finally:
            self._users_change(-1)

    def answered(self, asked: Asked) -> None:
        """A user's answer has ended: others may answer its question now, out of sight."""
        first = asked.interaction
        if first.assignment.experiment is None or first.origin is not None:
            return
        # What the user stopped is no outcome of the arm: there is nothing to compare.
        if first.answer.finish_reason in (FinishReason.CANCELLED, FinishReason.RUNNING):
            return
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._admissions.put_nowait, asked)

    def _users_change(self, by: int) -> None:
        with self._lock:
            self._users += by
            if self._loop is not None and self._users == max(0, by):
                # Under the lock: the order of the calls is that of the changes.
                self._loop.call_soon_threadsafe(self._alone if by < 0 else self._disturbed)

    def _alone(self) -> None:
        self._busy.clear()
        self._idle.set()

    def _disturbed(self) -> None:
        self._idle.clear()
        self._busy.set()

    async def _run(self, ready: threading.Event) -> None:
        self._admissions: asyncio.Queue[Asked] = asyncio.Queue()
        self._idle, self._busy = asyncio.Event(), asyncio.Event()
        lanes: dict[bool, asyncio.Queue[_Task]] = {own: asyncio.Queue(self._backlog) for own in (True, False)}
        self._running = asyncio.current_task()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            (self._disturbed if self._users else self._alone)()
        ready.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._admit(lanes))
                for own, lane in lanes.items():
                    group.create_task(self._work(lane, make_way=own))
        except asyncio.CancelledError:
            logger.debug("shadows stopped")
        finally:
            with self._lock:
                self._loop = None

    async def _admit(self, lanes: dict[bool, asyncio.Queue[_Task]]) -> None:
        while True:
            asked = await self._admissions.get()
            for given in await asyncio.to_thread(self._challengers, asked.interaction.assignment):
                lane = lanes[own_server(given.variant.provider, self._settings)]
                if lane.full():
                    self._drop(f"{lane.qsize()} wait already")
                else:
                    lane.put_nowait(_Task(asked, given))

    async def _work(self, lane: asyncio.Queue[_Task], *, make_way: bool) -> None:
        while True:
            task = await lane.get()
            try:
                while not await (self._when_alone(task) if make_way else self._answer(task)):
                    self._count(interrupted=1)
            except MelanciaError as error:
                logger.warning(
                    "the shadow of %s by arm %s failed: %s", task.asked.interaction.id, task.given.arm, error
                )
            except Exception:
                # The assistant has recorded its failure; the next question is another one.
                logger.exception("the shadow of %s failed", task.asked.interaction.id)

    async def _when_alone(self, task: _Task) -> bool:
        """Answer while no user waits; False when one came before the end."""
        while True:
            await self._idle.wait()
            await asyncio.sleep(_QUIET)
            if self._idle.is_set():
                break
        answering = asyncio.create_task(self._answer(task))
        disturbed = asyncio.create_task(self._busy.wait())
        try:
            await asyncio.wait({answering, disturbed}, return_when=asyncio.FIRST_COMPLETED)
            return await answering if answering.done() else False
        finally:
            for one in (answering, disturbed):
                one.cancel()
            await asyncio.gather(answering, disturbed, return_exceptions=True)

    async def _answer(self, task: _Task) -> bool:
        """True when there is nothing more to do about it."""
        # The arm may have been paused since, or have spent what it may spend.
        if task.given not in await asyncio.to_thread(
            self._challengers, task.asked.interaction.assignment
        ) or not await asyncio.to_thread(self._may_spend, task.given):
            self._drop(f"arm {task.given.arm} is closed, or has spent its day")
            return True
        async with aclosing(self._beside.ask(task.asked, task.given, OriginKind.SHADOW)) as events:
            async for _ in events:
                pass
        self._count(answered=1)
        return True

    def _may_spend(self, given: Assignment) -> bool:
        """Whether the arm is below its ``daily_spend``. Raises StoreError."""
        policy = self._store.policies.running()
        bound = policy.guardrails.get(_SPEND) if policy else None
        if policy is None or bound is None:
            return True
        midnight = utc_now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return self._store.outcomes.spent(policy.experiment, given.arm or "", midnight) < bound

    def _drop(self, why: str) -> None:
        self._count(dropped=1)
        if self._counts.dropped % _TOLD_EVERY == 1:
            logger.warning("%d shadow answers dropped so far (%s)", self._counts.dropped, why)

    def _count(self, **more: int) -> None:
        now = {name: getattr(self._counts, name) + by for name, by in more.items()}
        self._counts = replace(self._counts, **now)
