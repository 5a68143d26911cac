"""All that is kept of a user, as plain JSON values."""

from collections.abc import Mapping
from typing import Any

from melancia.errors import InputError
from melancia.mlops.privacy import cached, files
from melancia.records import DriftReport, utc_now
from melancia.settings import Settings
from melancia.signing import code_of
from melancia.store import Store

_TEAM = "equipe:"  # how the names of MELANCIA_AUTH are kept; see ui.identity


def user_named(settings: Settings, store: Store, name: str) -> str:
    """The user whose code, or name in MELANCIA_AUTH, is ``name``. Raises InputError if nothing is theirs."""
    for user in (name, f"{_TEAM}{name}"):
        if store.privacy.counts(user):
            return user
    for user in (name, f"{_TEAM}{name}"):
        before = store.privacy.erasures.of(code_of(settings, user))
        if before:
            when = f"{before[-1].created_at.astimezone():%d/%m/%Y %H:%M}"
            state = "apagados" if before[-1].done else "apagados do banco, e o resto espera o worker"
            raise InputError(
                f"Os dados de “{name}” já foram {state} em {when}.", "Não há mais nada guardado."
            )
    raise InputError(
        f"Não há nada guardado de “{name}”.",
        "Use o código que a página mostra em “Opções e como funciona”, ou o nome em MELANCIA_AUTH.",
    )


def export(settings: Settings, store: Store, user: str) -> Mapping[str, Any]:
    """What is kept of ``user``, by place. Raises StoreError."""
    rows = store.privacy.export(user)
    ids = [str(row["id"]) for row in rows["interactions"]]
    return {
        "user": user,
        "exported_at": utc_now().isoformat(),
        **rows,
        "cache": cached.entries(settings, ids),
        "reports": [
            report.id for report in store.reports.list(limit=100_000) if _names(report, frozenset(ids))
        ],
        "benchmarks": files.benchmarks(settings, ids),
    }


def _names(report: DriftReport, ids: frozenset[str]) -> bool:
    named = [*(one.examples for one in report.findings), *(gap.get("ids", ()) for gap in report.gaps)]
    return any(ids.intersection(some) for some in named)
