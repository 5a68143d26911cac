"""A store on either database, settings of one's own, somebody who takes alerts."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from melancia.mlops.actions import webhook
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.mlops.actions.receiver import Receiver
from tests.mlops.actions.samples import written


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store."""
    made = Store.open(url)
    yield made
    made.close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A running one, waited for as long as a busy machine may need."""
    monkeypatch.setattr(webhook, "send", partial(webhook.send, timeout=60))
    with Receiver() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Callable[..., Settings]:
    """Makes settings with a rule table of this text."""

    def make(table: str, webhook: str | None = None) -> Settings:
        return load_settings(
            data_dir=tmp_path / "dados",
            database_url=url,
            rules_file=written(tmp_path, table),
            alert_webhook=webhook,
        )

    return make
