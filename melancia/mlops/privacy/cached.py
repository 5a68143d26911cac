"""A user's questions in the answer cache, opened from outside the page."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from melancia.agent.cache import THRESHOLDS, AnswerCache
from melancia.agent.cache_place import CachePlace
from melancia.settings import Settings

_COLLECTIONS = (*THRESHOLDS, "exact")  # whichever embedding model is set, or was


def forget(settings: Settings, ids: Sequence[str], cache: AnswerCache | None = None) -> int | None:
    """Delete what the cache holds of interactions; entries deleted, None while it cannot be opened.

    ``cache`` is that of this process, if it has one: a folder belongs to one process. One that nobody has
    open goes as a whole if it held any of them: Chroma's log keeps what was deleted for up to 1,000 writes,
    and a cache can be lost.
    """
    if cache is not None:
        return cache.forget_all(ids)
    count = 0
    for place in _places(settings):
        with _open(place) as opened:
            if opened is None:
                return None
            deleted = opened.forget_all(ids)
        if deleted is None:
            return None
        count += deleted
    if count and settings.chroma_url is None and not _discard(settings.answers_dir):
        return None
    return count


def _discard(folder: Path) -> bool:
    """Delete a cache's folder; whether it was free to be."""
    with folder.with_name(f"{folder.name}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder)
    return True


def entries(settings: Settings, ids: Sequence[str]) -> list[dict[str, Any]] | None:
    """What the cache holds of interactions; None while another process has it open."""
    found: list[dict[str, Any]] = []
    wanted = frozenset(ids)
    for place in _places(settings):
        try:
            if not place.ready():
                return None
            kept = place.use(lambda chroma: chroma.get(include=["metadatas"])["metadatas"], None)
        finally:
            place.close()
        if kept is None:
            return None
        found += [dict(entry) for entry in kept if entry["interaction_id"] in wanted]
    return found


@contextmanager
def _open(place: CachePlace) -> Iterator[AnswerCache | None]:
    cache = AnswerCache(place, None, lambda _: None)
    try:
        yield cache if cache.ready() else None
    finally:
        cache.close()


def _places(settings: Settings) -> Iterator[CachePlace]:
    if settings.chroma_url is None and not settings.answers_dir.is_dir():
        return
    for name in _COLLECTIONS:
        yield CachePlace(settings.answers_dir, name, settings.chroma_url)
