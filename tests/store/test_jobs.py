"""Jobs and model statuses: claimed once, ended once, read back whole."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from melancia.errors import JobNotFoundError
from melancia.records import Job, JobState, ModelState, ModelStatus
from melancia.store import Store
from melancia.store.jobs import LOG_TAIL_CHARS


def queued(store: Store, name: str = "benchmark") -> Job:
    """A job in the queue."""
    job = Job(name, {"mode": "quick"}, "ana")
    store.jobs.add(job)
    return job


def test_a_job_comes_back_as_it_was(store: Store) -> None:
    job = queued(store)
    assert store.jobs.get(job.id) == job
    with pytest.raises(JobNotFoundError):
        store.jobs.get("nenhum")


def test_only_one_of_many_claims_a_job(store: Store) -> None:
    job = queued(store)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.jobs.claim(job.id), range(8)))
    assert claims.count(True) == 1
    assert store.jobs.get(job.id).state is JobState.RUNNING


def test_a_job_tells_how_far_it_is_and_what_it_found(store: Store) -> None:
    job = queued(store)
    assert not store.jobs.report(job.id, 0.1, "cedo demais")
    store.jobs.claim(job.id)
    assert store.jobs.report(job.id, 0.5, "metade")
    store.jobs.set_handle(job.id, "c0ffee")
    store.jobs.set_result(job.id, {"melhor": "extractive"}, "run1")
    store.jobs.set_log(job.id, "x" * (LOG_TAIL_CHARS + 5) + "fim")
    assert store.jobs.finish(job.id, JobState.SUCCEEDED, exit_code=0)
    done = store.jobs.get(job.id)
    assert (done.progress, done.message, done.handle, done.run_id) == (1.0, "metade", "c0ffee", "run1")
    assert done.result == {"melhor": "extractive"}
    assert len(done.log_tail) == LOG_TAIL_CHARS
    assert done.log_tail.endswith("fim")
    assert done.started_at is not None
    assert done.ended_at is not None
    assert done.started_at <= done.ended_at


def test_the_first_end_stands(store: Store) -> None:
    job = queued(store)
    store.jobs.claim(job.id)
    assert store.jobs.finish(job.id, JobState.FAILED, exit_code=137, error="sem memória")
    assert not store.jobs.finish(job.id, JobState.SUCCEEDED)
    assert not store.jobs.report(job.id, 0.9, "tarde demais")
    assert store.jobs.get(job.id).error == "sem memória"


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(store: Store) -> None:
    waiting, running = queued(store), queued(store)
    store.jobs.claim(running.id)
    assert store.jobs.request_cancel(waiting.id).state is JobState.CANCELLED
    asked = store.jobs.request_cancel(running.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert [job.id for job in store.jobs.open()] == [running.id]


def test_lists_are_newest_first_and_by_name(store: Store) -> None:
    first, second, other = queued(store), queued(store), queued(store, "ingest")
    assert [job.id for job in store.jobs.list()] == [other.id, second.id, first.id]
    assert [job.id for job in store.jobs.list(1, name="benchmark")] == [second.id]


def test_model_statuses_are_kept_by_name(store: Store) -> None:
    status = ModelStatus("llama3.2:3b", ModelState.PULLING, completed=3_000_000_000, total=4_000_000_000)
    store.models.put(status)
    store.models.put(replace(status, state=ModelState.READY, gpu_share=0.0, tokens_per_second=12.5))
    store.models.put(ModelStatus("phi3:mini"))
    found = store.models.get("llama3.2:3b")
    assert found is not None
    assert (found.state, found.total, found.gpu_share) == (ModelState.READY, 4_000_000_000, 0.0)
    store.models.keep_only(["phi3:mini"])
    assert [item.model for item in store.models.list()] == ["phi3:mini"]
    assert store.models.get("llama3.2:3b") is None
