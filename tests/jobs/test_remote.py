"""The page's side of the launcher, against a real one served by uvicorn; its jobs are subprocesses here."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.errors import InputError, JobError, JobNotFoundError
from melancia.jobs import job_control
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.processes import Processes
from melancia.jobs.remote import LauncherJobs
from melancia.launcher.api import create_app
from melancia.records import JobState
from melancia.settings import Settings
from melancia.store import Store
from tests.jobs.fake_main import SLEEP
from tests.jobs.helpers import TOKEN, served, wait_for_log, wait_for_state
from tests.ports import free_port


def engine_is_there() -> None:
    """An engine that answers."""


@pytest.fixture
def url(settings: Settings, store: Store) -> Iterator[str]:
    """Address of a running launcher."""
    dispatcher = Dispatcher(store.jobs, Processes(settings))
    with served(create_app(settings, store, dispatcher, engine_is_there)) as address:
        yield address
    dispatcher.end_all("fim do teste")


@pytest.fixture
def jobs(url: str, settings: Settings, store: Store) -> Iterator[LauncherJobs]:
    """The page's control."""
    made = job_control(settings.model_copy(update={"launcher_url": url + "/"}), store)
    assert isinstance(made, LauncherJobs)
    yield made
    made.close()


def test_a_job_is_queued_over_there_and_comes_back_whole(jobs: LauncherJobs, store: Store) -> None:
    job = jobs.submit("benchmark", {"mode": "quick"}, "josé")
    assert (job.name, job.parameters, job.requested_by) == ("benchmark", {"mode": "quick"}, "josé")
    assert job.created_at.tzinfo is not None
    assert store.jobs.get(job.id).created_at == job.created_at
    wait_for_state(store, job.id, JobState.SUCCEEDED)


def test_running_and_queued_jobs_are_cancelled(jobs: LauncherJobs, store: Store) -> None:
    running = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    waiting = jobs.submit("benchmark", {}, "ana")
    wait_for_log(store, running.id, "dormindo")
    assert jobs.cancel(waiting.id).state is JobState.CANCELLED
    assert jobs.cancel(running.id).cancel_requested
    wait_for_state(store, running.id, JobState.CANCELLED)


def test_refusals_come_back_as_ours(jobs: LauncherJobs, store: Store) -> None:
    with pytest.raises(InputError) as refused:
        jobs.submit("shell", {}, "ana")
    assert refused.value.message == "Essa tarefa não existe."
    assert refused.value.remedy == "Existem: benchmark, drift, ingest."
    for given in ({"mode": "quick; rm -rf /"}, {"image": "alpine"}, {"mode": "x" * 20_000}, {"limit": {1}}):
        with pytest.raises(InputError):
            jobs.submit("benchmark", given, "ana")
    with pytest.raises(InputError):
        jobs.submit("benchmark", {}, "")
    assert store.jobs.list() == []


@pytest.mark.parametrize("job_id", ["0" * 32, "nenhum", "../jobs", "a/b?c", "\0"])
def test_an_unknown_job_is_not_found(jobs: LauncherJobs, job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        jobs.cancel(job_id)


def test_a_launcher_that_is_not_there_is_named_with_what_to_do(settings: Settings, store: Store) -> None:
    place = f"127.0.0.1:{free_port()}"
    jobs = LauncherJobs(settings.model_copy(update={"launcher_url": f"http://ana:senha@{place}"}))
    with pytest.raises(JobError) as failed:
        jobs.submit("benchmark", {}, "ana")
    assert failed.value.message == f"O launcher não responde em http://{place}."
    assert "docker compose up -d launcher" in failed.value.remedy
    jobs.close()


def test_one_that_accepts_and_stays_silent_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melancia.jobs.remote._TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        jobs = LauncherJobs(settings.model_copy(update={"launcher_url": url}))
        with pytest.raises(JobError, match="não responde"):
            jobs.cancel("0" * 32)
        jobs.close()


def test_somebody_else_at_that_address_is_not_taken_for_the_launcher(settings: Settings, url: str) -> None:
    other = settings.model_copy(update={"launcher_url": url + "/outro"})
    jobs = LauncherJobs(other)
    with pytest.raises(JobError):
        jobs.submit("benchmark", {}, "ana")
    jobs.close()


def test_the_token_is_read_anew_on_both_sides(
    jobs: LauncherJobs, settings: Settings, url: str, tmp_path: Path, store: Store
) -> None:
    assert settings.launcher_token_file is not None
    settings.launcher_token_file.write_text("outro-" + TOKEN)
    jobs.submit("benchmark", {}, "ana")
    old = tmp_path / "antigo"
    old.write_text(TOKEN)
    late = LauncherJobs(settings.model_copy(update={"launcher_url": url, "launcher_token_file": old}))
    with pytest.raises(JobError, match="recusou o nosso segredo"):
        late.submit("ingest", {}, "ana")
    late.close()
    assert len(store.jobs.list()) == 1


def test_without_a_token_there_is_no_control(settings: Settings, store: Store, tmp_path: Path) -> None:
    for file in (None, tmp_path / "nenhum"):
        with pytest.raises(JobError, match="segredo"):
            job_control(
                settings.model_copy(update={"launcher_url": "http://x", "launcher_token_file": file}), store
            )
