"""Erases a user's data: from the database at once, from everywhere else now, or when it can be reached.

The rows go in one transaction, which also writes down what is left to erase elsewhere. Each of those parts
may be tried any number of times, by whichever process can reach it.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from melancia.agent.cache import AnswerCache
from melancia.errors import MelanciaError
from melancia.mlops.privacy import cached, files, traces
from melancia.records import utc_now
from melancia.settings import Settings
from melancia.signing import code_of
from melancia.store import Store
from melancia.store.erasures import Erasure, Part

_BEING_WRITTEN = "Havia uma resposta sendo escrita: confere de novo em alguns minutos."
_UNDER_WAY = timedelta(minutes=1)  # a trace that was being sent when its row was erased has arrived by then

logger = logging.getLogger(__name__)


def erase(settings: Settings, store: Store, user: str, requested_by: str) -> Erasure:
    """Erase what there is of ``user``; what was removed where, and what waits, and why.

    Raises StoreError and SettingsError, with nothing erased.
    """
    made = store.privacy.erase(user, code_of(settings, user), requested_by)
    logger.info("erasure %s: rows removed: %s", made.id, dict(made.removed))
    return _finish(settings, store, made, None)


def finish_pending(
    settings: Settings, store: Store, cache: AnswerCache | None = None, stop: Callable[[], bool] | None = None
) -> list[Erasure]:
    """Go on with what earlier erasures left waiting; those that were looked at, as they stand now.

    ``cache`` is the one that this process has open. Raises StoreError.
    """
    looked = []
    for erasure in store.privacy.erasures.waiting():
        if stop is not None and stop():
            break
        looked.append(_finish(settings, store, erasure, cache))
    return looked


def _finish(settings: Settings, store: Store, erasure: Erasure, cache: AnswerCache | None) -> Erasure:
    parts: Mapping[Part, Callable[[], tuple[Mapping[str, int], str]]] = {
        "store": lambda: _rows(store, erasure),
        "cache": lambda: _cache(settings, erasure, cache),
        "files": lambda: (files.erase(settings, store, erasure.interactions, erasure.reports), ""),
        "mlflow": lambda: _traces(settings, erasure),
    }
    for part, work in parts.items():
        if part not in erasure.waiting:
            continue
        try:
            removed, problem = work()
        except (MelanciaError, OSError) as error:
            removed, problem = {}, str(error)
            if problem != erasure.waiting[part]:  # the same outage at each look is one event
                logger.warning("erasure %s: %s waits: %s", erasure.id, part, problem)
        store.privacy.erasures.settle(erasure.id, part, removed, problem)
    now = store.privacy.erasures.get(erasure.id) or erasure
    if now.done:
        logger.info("erasure %s: done: %s", now.id, dict(now.removed))
    return now


def _rows(store: Store, erasure: Erasure) -> tuple[Mapping[str, int], str]:
    again = {"interactions": store.privacy.remove_again(erasure.interactions)}
    whole = store.privacy.overwrite()
    found = {name: count for name, count in again.items() if count}
    if _may_come_back(erasure):
        return found, _BEING_WRITTEN
    return found, "" if whole else "Uma leitura usa o diário do SQLite: confere de novo em um minuto."


def _cache(settings: Settings, erasure: Erasure, cache: AnswerCache | None) -> tuple[Mapping[str, int], str]:
    count = cached.forget(settings, erasure.interactions, cache)
    if count is None:
        return {}, "O cache está aberto por outro processo (a página), que o apaga em até um minuto."
    return {"cache": count} if count else {}, ""


def _traces(settings: Settings, erasure: Erasure) -> tuple[Mapping[str, int], str]:
    # Whoever has no MLflow tells it of no answer that ends now.
    told = settings.mlflow_url or erasure.traces or erasure.lost
    count = traces.erase(settings, erasure.traces, [*erasure.lost, *erasure.running]) if told else 0
    found = {"traces": count} if count else {}
    if _may_come_back(erasure):
        return found, _BEING_WRITTEN
    if erasure.lost and utc_now() < erasure.created_at + _UNDER_WAY:
        return found, "Um traço estava a caminho: confere de novo em um minuto."
    return found, ""


def _may_come_back(erasure: Erasure) -> bool:
    """Whether an answer that was under way may still be written."""
    return erasure.running_until is not None and utc_now() < erasure.running_until
