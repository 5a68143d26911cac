"""Jobs as real subprocesses: queue, log, exit codes, signals, cancel, and a page that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from melancia.errors import InputError, JobError, JobNotFoundError
from melancia.jobs import job_control
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.local import LocalJobs
from melancia.jobs.processes import Processes
from melancia.records import Job, JobState
from melancia.settings import Settings
from melancia.store import Store
from melancia.store.jobs import LOG_TAIL_CHARS
from tests.jobs.fake_main import CHATTY, FAIL, LEAVES_CHILD, MEMORY, SLEEP, STUBBORN
from tests.jobs.helpers import wait_for_log, wait_for_state
from tests.waiting import until

REPOSITORY = Path(__file__).parents[2]
# A page that is there until somebody kills it. What it starts is the fake; itself is real.
PAGE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from melancia.jobs.local import LocalJobs
from melancia.settings import load_settings
from melancia.store import Store
settings = load_settings(data_dir=sys.argv[2])
jobs = LocalJobs(settings, Store.open(settings.store_url))
sys.stdout.write(jobs.submit("benchmark", {"limit": int(sys.argv[3])}, "ana").id + "\\n")
sys.stdout.flush()
time.sleep(300)
"""


@pytest.fixture
def jobs(settings: Settings, store: Store) -> Iterator[LocalJobs]:
    """Running job control."""
    made = LocalJobs(settings, store)
    yield made
    made.close()


def pid(job: Job) -> int:
    """The subprocess of a running job."""
    return int(job.handle.partition("@")[0])


def gone(number: int) -> bool:
    """Whether a process has ended (one that nobody has waited for yet counts as ended)."""
    try:
        return bool(psutil.Process(number).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_without_a_launcher_jobs_are_subprocesses(settings: Settings, store: Store) -> None:
    control = job_control(settings, store)
    assert isinstance(control, LocalJobs)
    control.close()
    control.close()


def test_a_job_runs_to_its_end_with_our_settings(jobs: LocalJobs, store: Store, settings: Settings) -> None:
    job = jobs.submit("benchmark", {"mode": "quick"}, "ana")
    assert job.state is JobState.QUEUED
    done = wait_for_state(store, job.id, JobState.SUCCEEDED)
    assert (done.exit_code, done.error, done.progress, done.requested_by) == (0, "", 1.0, "ana")
    assert f'["benchmark", "--mode", "quick"] {job.id} {settings.data_dir}' in done.log_tail
    assert done.log_tail.endswith("pronto\n")


def test_what_is_not_allowed_is_refused_and_queues_nothing(jobs: LocalJobs, store: Store) -> None:
    for name, given in (
        ("shell", {}),
        ("benchmark", {"mode": "quick; rm -rf /"}),
        ("../benchmark", {}),
        ("benchmark", {"image": "alpine"}),
    ):
        with pytest.raises(InputError):
            jobs.submit(name, given, "ana")
    assert store.jobs.list() == []


def test_a_failure_tells_its_code_and_last_line(jobs: LocalJobs, store: Store) -> None:
    done = wait_for_state(store, jobs.submit("benchmark", {"limit": FAIL}, "ana").id, JobState.FAILED)
    assert (done.exit_code, done.error) == (3, "terminou com código 3: não achei as perguntas")


def test_a_crash_names_its_signal(jobs: LocalJobs, store: Store) -> None:
    job = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    wait_for_log(store, job.id, "dormindo")
    os.kill(pid(store.jobs.get(job.id)), signal.SIGSEGV)
    done = wait_for_state(store, job.id, JobState.FAILED)
    assert done.exit_code == 139
    assert done.error == "foi encerrada pelo sinal SIGSEGV (código 139): dormindo"


def test_the_end_of_a_long_log_is_kept(jobs: LocalJobs, store: Store) -> None:
    done = wait_for_state(store, jobs.submit("benchmark", {"limit": CHATTY}, "ana").id, JobState.SUCCEEDED)
    assert len(done.log_tail) == LOG_TAIL_CHARS
    assert done.log_tail.endswith("á�fim\npronto\n")  # no NUL, which PostgreSQL would refuse


def test_two_of_a_kind_queue_and_two_kinds_run_together(jobs: LocalJobs, store: Store) -> None:
    first = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    second = jobs.submit("benchmark", {}, "bia")
    other = jobs.submit("ingest", {}, "bia")
    for job in (first, other):
        wait_for_log(store, job.id, "dormindo")
    assert store.jobs.get(second.id).state is JobState.QUEUED
    jobs.cancel(first.id)
    done = wait_for_state(store, second.id, JobState.SUCCEEDED)
    ended = store.jobs.get(first.id)
    assert ended.ended_at is not None
    assert done.started_at is not None
    assert ended.ended_at <= done.started_at
    assert store.jobs.get(other.id).state is JobState.RUNNING


def test_a_queued_job_is_cancelled_without_ever_starting(jobs: LocalJobs, store: Store) -> None:
    wait_for_log(store, jobs.submit("benchmark", {"limit": SLEEP}, "ana").id, "dormindo")
    waiting = jobs.submit("benchmark", {}, "ana")
    assert jobs.cancel(waiting.id).state is JobState.CANCELLED
    assert store.jobs.get(waiting.id).started_at is None
    with pytest.raises(JobNotFoundError):
        jobs.cancel("0" * 32)
    with pytest.raises(JobNotFoundError):
        jobs.cancel("../" + waiting.id)


def test_a_running_job_ends_when_it_is_cancelled(jobs: LocalJobs, store: Store) -> None:
    job = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    wait_for_log(store, job.id, "dormindo")
    process = pid(store.jobs.get(job.id))
    assert jobs.cancel(job.id).cancel_requested
    done = wait_for_state(store, job.id, JobState.CANCELLED)
    assert (done.exit_code, done.error) == (143, "")
    assert gone(process)


def test_one_that_does_not_obey_is_killed(settings: Settings, store: Store) -> None:
    dispatcher = Dispatcher(store.jobs, Processes(settings), grace=0.2, every=0.1)
    job = Job("benchmark", {"limit": STUBBORN}, "ana")
    store.jobs.add(job)
    dispatcher.start()
    try:
        wait_for_log(store, job.id, "teimosa")
        store.jobs.request_cancel(job.id)
        assert wait_for_state(store, job.id, JobState.CANCELLED).exit_code == 137
    finally:
        dispatcher.stop()
        dispatcher.end_all("fim do teste")


def test_what_a_job_leaves_behind_is_ended(jobs: LocalJobs, store: Store) -> None:
    done = wait_for_state(
        store, jobs.submit("benchmark", {"limit": LEAVES_CHILD}, "ana").id, JobState.SUCCEEDED
    )
    child = int(done.log_tail.partition("filha ")[2].split()[0])
    until(lambda: gone(child), "the end of the grandchild")


def test_closing_the_page_ends_its_jobs_and_says_so(settings: Settings, store: Store) -> None:
    jobs = LocalJobs(settings, store)
    job = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    wait_for_log(store, job.id, "dormindo")
    waiting = jobs.submit("benchmark", {}, "ana")
    process = pid(store.jobs.get(job.id))
    jobs.close()
    done = store.jobs.get(job.id)
    assert (done.state, done.error) == (JobState.FAILED, "o processo que a rodava foi encerrado")
    assert "dormindo" in done.log_tail
    assert gone(process)
    with pytest.raises(JobError):
        jobs.submit("benchmark", {}, "ana")
    assert store.jobs.get(waiting.id).state is JobState.QUEUED
    again = LocalJobs(settings, store)
    wait_for_state(store, waiting.id, JobState.SUCCEEDED)
    again.close()


@pytest.fixture
def page(settings: Settings, store: Store) -> Iterator[tuple[subprocess.Popen[str], Job]]:
    """Another page of the same data, in a process of its own, with a running job that says nothing."""
    process = subprocess.Popen(
        [sys.executable, "-c", PAGE, str(REPOSITORY), str(settings.data_dir), str(SLEEP)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    job_id = process.stdout.readline().strip()
    wait_for_log(store, job_id, "dormindo")
    yield process, store.jobs.get(job_id)
    process.kill()
    process.wait()
    process.stdout.close()


def test_jobs_of_a_killed_page_are_ended_and_marked(
    page: tuple[subprocess.Popen[str], Job], settings: Settings, store: Store
) -> None:
    process, job = page
    process.kill()
    process.wait()
    assert not gone(pid(job))  # it survived
    assert store.jobs.get(job.id).state is JobState.RUNNING
    jobs = LocalJobs(settings, store)
    try:
        done = wait_for_state(store, job.id, JobState.FAILED)
        assert done.error == "o processo que a iniciou foi encerrado à força"
        assert gone(pid(job))
        wait_for_state(store, jobs.submit("benchmark", {}, "ana").id, JobState.SUCCEEDED)
    finally:
        jobs.close()


def test_jobs_of_another_page_that_lives_are_left_alone(
    page: tuple[subprocess.Popen[str], Job], settings: Settings, store: Store
) -> None:
    _, job = page
    dispatcher = Dispatcher(store.jobs, Processes(settings))
    waiting = Job("benchmark", {}, "bia")
    store.jobs.add(waiting)
    for _ in range(3):
        dispatcher.tick()
    assert store.jobs.get(job.id).state is JobState.RUNNING
    assert not gone(pid(job))
    assert store.jobs.get(waiting.id).state is JobState.QUEUED


def test_a_number_that_belongs_to_another_process_by_now_is_not_touched(
    settings: Settings, store: Store
) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True
    )
    try:
        job = Job("benchmark", {}, "ana")
        store.jobs.add(job)
        store.jobs.claim(job.id)
        earlier = time.time() - 3600
        store.jobs.set_handle(job.id, f"{stranger.pid}@{earlier:.2f} 999999@{earlier:.2f}")
        Dispatcher(store.jobs, Processes(settings)).tick()
        assert store.jobs.get(job.id).state is JobState.FAILED
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_row_that_nobody_checked_is_checked_before_it_runs(settings: Settings, store: Store) -> None:
    job = Job("benchmark", {"mode": "quick; rm -rf /"}, "ana")
    store.jobs.add(job)
    processes = Processes(settings)
    Dispatcher(store.jobs, processes).tick()
    assert store.jobs.get(job.id).state is JobState.FAILED
    assert processes.executions() == []


def test_a_claim_that_came_to_nothing_is_given_up(settings: Settings, store: Store) -> None:
    job = Job("benchmark", {"limit": MEMORY}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    patient = Dispatcher(store.jobs, Processes(settings))
    patient.tick()
    assert store.jobs.get(job.id).state is JobState.RUNNING  # perhaps another page is about to start it
    Dispatcher(store.jobs, Processes(settings), start_within=0).tick()
    done = store.jobs.get(job.id)
    assert (done.state, done.error) == (JobState.FAILED, "não começou em 0 s")
