"""Answers that were given before, served again for free: the same question, or one that asks the same.

First the very question (its writing aside), then, in Chroma, its nearest neighbours: one serves when its
cosine reaches the threshold *and* ``cache_guard`` finds no difference. Both only within one scope: variant
(prompt version included), index version, filters, and no history. The answers themselves stay in the store;
the cache holds questions and the identifiers of their interactions, so that what the store no longer has
is not served. A failure of Chroma is a miss, never an error.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from melancia.agent.cache_entry import CacheKey, entry_id, keepable, plain
from melancia.agent.cache_guard import difference
from melancia.agent.cache_place import CachePlace
from melancia.errors import InteractionNotFoundError, MelanciaError
from melancia.records import Interaction, utc_now

THRESHOLDS = {"local:enpt": 0.89}  # embedding model → least cosine; docs/decisions/0012
CAPACITY = 10_000
# Filtering by scope inside Chroma takes time linear in the entries (70 ms at 10,000); sorting out the nearest
# few dozen here does not, and what other scopes crowd out is only a miss.
_NEIGHBOURS = 40
_FRESH = timedelta(hours=1)  # a use is written down this often: each is a write
_FORGOTTEN_AT_ONCE = 200
_BATCH = 5000  # Chroma refuses more than 5,461 a call

logger = logging.getLogger(__name__)


class HitKind(StrEnum):
    """How the question was found."""

    EXACT = "exact"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer that may be served: the interaction that it was given in, whose user is somebody else.

    ``question`` is the one that was asked then; ``similarity`` the cosine, 1 for an exact hit.
    """

    interaction: Interaction
    kind: HitKind
    question: str
    similarity: float


class AnswerCache:
    """Finds and keeps answers. Thread-safe; no method raises because of Chroma or of the store."""

    def __init__(
        self,
        place: CachePlace,
        embeddings: Embeddings | None,
        read: Callable[[str], Interaction | None],
        *,
        threshold: float = 1.0,
        capacity: int = CAPACITY,
        lifetime: timedelta | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """``read``: the interaction of an id if its answer may still be served; None or StoreError if not.

        ``threshold``: least cosine, in [0, 1]; it belongs to one embedding model. Without ``embeddings`` only
        exact questions are found. ``capacity``: entries; the least recently used go. ``lifetime``: None, for
        ever.
        """
        self._place = place
        self._embeddings = embeddings
        self._read = read
        self._threshold = threshold
        self._capacity = max(1, capacity)
        self._lifetime = lifetime
        self._now = now
        self._forgotten: set[str] = set()
        self._version = ""  # of the index, when an answer was last kept
        self._trimming = threading.Lock()

    def ready(self, seconds: float = 60.0) -> bool:
        """Open Chroma now, so that the first answers need not wait for it; whether it is open."""
        return self._place.ready(seconds)

    def find(self, key: CacheKey, question: str) -> Hit | None:
        """The answer that was given to this question, or to one that asks the same."""
        if key.history or not plain(question):
            return None
        exact = self._place.use(lambda chroma: self._exact(chroma, key, question), None)
        if exact is not None or self._embeddings is None:
            return exact
        return self._place.use(lambda chroma: self._semantic(chroma, key, question), None)

    def keep(self, key: CacheKey, interaction: Interaction) -> bool:
        """Keep a fresh answer if it may serve others (``cache_entry.keepable``); whether it was kept.

        Never give it an answer that came from the cache.
        """
        if interaction.id in self._forgotten or not keepable(key, interaction):
            return False
        if key.index_version != self._version:
            self.forget_other_versions(key.index_version)
            self._version = key.index_version
        return self._place.use(lambda chroma: self._put(chroma, key, interaction), False)

    def forget(self, interaction_id: str) -> bool:
        """Never serve this interaction's answer again; whether Chroma could be told."""
        self._forgotten.add(interaction_id)
        return self._delete({"interaction_id": interaction_id})

    def forget_all(self, interaction_ids: Sequence[str]) -> int | None:
        """Never serve these answers again; entries deleted, None when Chroma could not be told."""
        self._forgotten.update(interaction_ids)

        def action(chroma: Any) -> int:
            count = 0
            for start in range(0, len(interaction_ids), _FORGOTTEN_AT_ONCE):
                some = list(interaction_ids[start : start + _FORGOTTEN_AT_ONCE])
                found = chroma.get(where={"interaction_id": {"$in": some}}, include=[])["ids"]
                if found:
                    chroma.delete(ids=found)
                    count += len(found)
            return count

        return self._place.use(action, None)

    def forget_user(self, user_id: str) -> bool:
        """Delete what a user asked; whether it was done."""
        return self._delete({"user_id": user_id})

    def forget_other_versions(self, index_version: str) -> bool:
        """Delete what was answered from other versions of the index; whether it was done."""
        return self._delete({"index_version": {"$ne": index_version}})

    def count(self) -> int:
        """Entries; 0 while Chroma does not answer."""
        return self._place.use(lambda chroma: int(chroma.count()), 0)

    def close(self) -> None:
        """Let go of the database."""
        self._place.close()

    def _exact(self, chroma: Any, key: CacheKey, question: str) -> Hit | None:
        id_ = entry_id(key, question)
        found = chroma.get(ids=[id_], include=["metadatas"])
        if not found["ids"]:
            return None
        return self._hit(chroma, id_, found["metadatas"][0], HitKind.EXACT, 1.0)

    def _semantic(self, chroma: Any, key: CacheKey, question: str) -> Hit | None:
        count = chroma.count()
        if not count:
            return None
        found = chroma.query(
            query_embeddings=[self._vector(question)],
            n_results=min(_NEIGHBOURS, count),
            include=["distances", "metadatas"],
        )
        rows = zip(found["ids"][0], found["distances"][0], found["metadatas"][0], strict=True)
        for id_, distance, row in rows:
            similarity = 1.0 - distance
            if similarity < self._threshold:
                return None
            if row["scope"] == key.scope and not difference(question, row["question"]):
                hit = self._hit(chroma, id_, row, HitKind.SEMANTIC, similarity)
                if hit is not None:
                    return hit
        return None

    def _hit(
        self, chroma: Any, id_: str, row: dict[str, Any], kind: HitKind, similarity: float
    ) -> Hit | None:
        now = self._now()
        expired = self._lifetime is not None and now - _instant(row["kept_at"]) > self._lifetime
        source = None if expired or row["interaction_id"] in self._forgotten else self._source(row)
        if isinstance(source, Interaction):
            if now - _instant(row["used_at"]) > _FRESH:
                chroma.update(ids=[id_], metadatas=[{"used_at": now.timestamp()}])
            return Hit(source, kind, row["question"], min(1.0, similarity))
        if source is None:
            chroma.delete(ids=[id_])
        return None

    def _source(self, row: dict[str, Any]) -> Interaction | MelanciaError | None:
        """The interaction; None when it is not to be served any more, an error when nobody knows."""
        try:
            return self._read(row["interaction_id"])
        except InteractionNotFoundError:
            return None
        except MelanciaError as error:
            logger.warning("a cached answer could not be read: %s", error)
            return error

    def _put(self, chroma: Any, key: CacheKey, interaction: Interaction) -> bool:
        now = self._now().timestamp()
        vector = self._vector(interaction.question)
        chroma.upsert(
            ids=[entry_id(key, interaction.question)],
            embeddings=[vector],
            metadatas=[
                {
                    "scope": key.scope,
                    "question": interaction.question,
                    "interaction_id": interaction.id,
                    "user_id": interaction.user_id,
                    "index_version": key.index_version,
                    "kept_at": now,
                    "used_at": now,
                }
            ],
        )
        with self._trimming:
            self._trim(chroma)
        return True

    def _trim(self, chroma: Any) -> None:
        """Over capacity, the least recently used tenth goes: to look for them costs the same as for one."""
        if chroma.count() <= self._capacity:
            return
        found = chroma.get(include=["metadatas"])
        used = sorted(
            (row["used_at"], row["kept_at"], id_)
            for id_, row in zip(found["ids"], found["metadatas"], strict=True)
        )
        spare = len(used) - (self._capacity - self._capacity // 10)
        old = [id_ for *_, id_ in used[:spare]]
        for start in range(0, len(old), _BATCH):
            chroma.delete(ids=old[start : start + _BATCH])

    def _delete(self, where: dict[str, Any]) -> bool:
        def action(chroma: Any) -> bool:
            chroma.delete(where=where)
            return True

        return self._place.use(action, False)

    def _vector(self, question: str) -> list[float]:
        """The question's vector, made as a query's on both sides, so that equal texts have cosine 1."""
        # Without a model every entry has the same vector and no one looks at it.
        return self._embeddings.embed_query(question) if self._embeddings is not None else [1.0]


def open_cache(
    directory: Path,
    model: str,
    embeddings: Embeddings,
    read: Callable[[str], Interaction | None],
    *,
    server: str | None = None,
    capacity: int = CAPACITY,
    lifetime: timedelta | None = None,
) -> AnswerCache:
    """The cache in ``directory`` (one process at a time), or on the Chroma ``server`` (a URL).

    An embedding model whose threshold was never measured finds exact questions only. Nothing is opened yet.
    """
    threshold = THRESHOLDS.get(model)
    place = CachePlace(directory, model if threshold is not None else "exact", server)
    return AnswerCache(
        place,
        embeddings if threshold is not None else None,
        read,
        threshold=threshold or 1.0,
        capacity=capacity,
        lifetime=lifetime,
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, utc_now().tzinfo)
