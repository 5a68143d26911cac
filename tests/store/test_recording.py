"""Many at once: all that was said to be written is, even by a process that is killed, and in few commits."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from melancia.errors import StoreError
from melancia.records import FinishReason
from melancia.store import Store
from tests.store.samples import answered, question


def together(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Make the calls at once; what each raised."""
    ready = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> BaseException | None:
        ready.wait()
        try:
            call()
        except StoreError as error:
            return error
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_fifty_at_once_are_all_kept_whole(store: Store) -> None:
    made = [answered(question(f"u{number}", f"c{number}")) for number in range(50)]

    def live(number: int) -> None:
        store.start(replace(question(f"u{number}", f"c{number}"), id=made[number].id))
        store.checkpoint(made[number].id, "até aqui")
        store.finish(made[number])

    assert together(*(lambda number=number: live(number) for number in range(50))) == [None] * 50
    for one in made:
        kept = store.get(one.id)
        assert (kept.user_id, kept.answer, kept.passages) == (one.user_id, one.answer, one.passages)
        assert kept.answer.finish_reason is FinishReason.STOP


def test_who_waits_is_written_with_the_others(store: Store) -> None:
    if store._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL has many writers, and groups their commits itself")
    commits: list[int] = []
    sa.event.listen(store._engine, "commit", lambda _connection: commits.append(1))
    # Another process is writing: what comes meanwhile waits.
    other = sa.create_engine(store._engine.url)
    with other.connect() as busy:
        busy.exec_driver_sql("BEGIN IMMEDIATE")
        threading.Timer(0.5, busy.exec_driver_sql, ["COMMIT"]).start()
        made = [question(f"u{number}") for number in range(20)]
        assert together(*(lambda one=one: store.start(one) for one in made)) == [None] * 20
        time.sleep(0.1)
    other.dispose()
    assert {store.get(one.id).id for one in made} == {one.id for one in made}
    assert len(commits) < 20


def test_a_write_that_is_refused_fails_alone(store: Store) -> None:
    made = [question(f"u{number}") for number in range(9)]
    made[4] = replace(made[4], question="\ud800")  # half a character: no database keeps it
    with pytest.raises((StoreError, UnicodeEncodeError)):
        store.start(made[4])
    failures: list[int] = []

    def start(number: int) -> None:
        try:
            store.start(made[number])
        except (StoreError, UnicodeEncodeError):
            failures.append(number)

    for _ in range(5):
        together(*(lambda number=number: start(number) for number in range(9)))
    assert set(failures) == {4}
    assert len(failures) == 5
    assert all(store.get(one.id) for number, one in enumerate(made) if number != 4)


WRITER = """
import sys, threading
from melancia.store import Store
from tests.store.samples import answered, question

store, lock = Store.open(sys.argv[1]), threading.Lock()

def write(number):
    while True:
        asked = question(f"u{number}")
        store.start(asked)
        store.finish(answered(asked))
        with lock:
            print(asked.id, flush=True)

for number in range(8):
    threading.Thread(target=write, args=(number,), daemon=True).start()
threading.Event().wait()
"""


def test_what_was_said_to_be_written_survives_a_kill(url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(100)]
    process.kill()
    rest, _ = process.communicate(timeout=20)
    told += [line for line in rest.splitlines() if len(line) == len(told[0])]
    store = Store.open(url)
    assert all(store.get(one).answer.finish_reason is FinishReason.STOP for one in told)
    store.close()
