"""What the suites about jobs share: waits for jobs, a fake ``melancia``, a served application."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from melancia.records import Job, JobState
from melancia.store import Store
from tests.ports import free_port
from tests.waiting import until

TOKEN = "segredo-de-teste-" + "0123456789abcdef" * 2


def wait_for_state(store: Store, job_id: str, *states: JobState, seconds: float = 30.0) -> Job:
    """Wait until a job is in one of the states; the job."""
    until(lambda: store.jobs.get(job_id).state in states, f"{states}, is {store.jobs.get(job_id)}", seconds)
    return store.jobs.get(job_id)


def wait_for_log(store: Store, job_id: str, text: str, seconds: float = 30.0) -> None:
    """Wait until the end of a job's log holds a text."""
    until(lambda: text in store.jobs.get(job_id).log_tail, f"“{text}” in the log", seconds)


def fake_package(folder: Path) -> Path:
    """A folder whose ``melancia`` is ``fake_main``."""
    package = folder / "melancia"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("fake_main.py"), package / "__main__.py")
    return folder


@contextmanager
def served(app: ASGIApp, port: int | None = None) -> Iterator[str]:
    """Serve an application with uvicorn, in a thread, on a free port unless one is given; its address."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "uvicorn", 120)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()
