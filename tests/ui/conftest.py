"""A store, a job control that only notes, and a runtime of both for the handlers of the tabs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from melancia.app import Runtime
from melancia.jobs.catalog import parameters
from melancia.records import Job
from melancia.settings import load_settings
from melancia.store import Store
from melancia.ui.identity import COOKIE, Identity

STRANGERS: list[tuple[bool, dict[str, str]]] = [
    (True, {"allowed_origins": "https://exemplo.com"}),
    (False, {}),
    (True, {"auth": "ana:s", "admins": ""}),
]
"""(with a genuine cookie, settings) of visitors who do not administer."""


class Control:
    """A job control that checks and queues, and runs nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
        job = Job(name, parameters(name, given).model_dump(exclude_unset=True), requested_by)
        self._store.jobs.add(job)
        return job

    def cancel(self, job_id: str) -> Job:
        return self._store.jobs.request_cancel(job_id)

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def visit(
    store: Store, folder: Path, *, jobs: Any = None, cookie: bool = True, **overrides: Any
) -> tuple[Runtime, Identity, gr.Request]:
    """A runtime without documents, and a visitor of its page; with ``cookie=False``, a forged one."""
    settings = load_settings(_env_file=None, data_dir=folder, **overrides)
    identity = Identity(settings)
    index = SimpleNamespace(version="base", documents=list)
    made = SimpleNamespace(settings=settings, store=store, jobs=jobs or Control(store), index=index)
    cookies = {COOKIE: identity.issue() if cookie else "falso"}
    return cast(Runtime, made), identity, cast(gr.Request, SimpleNamespace(cookies=cookies, headers={}))
