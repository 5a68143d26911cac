"""A real PostgreSQL server for tests: Debian's binaries, a cluster of its own in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.ports import free_port


@contextmanager
def server() -> Iterator[sa.URL]:
    """Start a server; its superuser's address. Skips without PostgreSQL, but fails in CI."""
    binaries = _binaries()
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        _give_away(folder)
        data = folder / "data"
        _run(binaries / "initdb", "-D", data, "-U", "melancia", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        _run(binaries / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield sa.URL.create("postgresql", "melancia", host="127.0.0.1", port=port, database="postgres")
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def create_database(server_url: sa.URL, name: str) -> str:
    """A fresh database of the server; its address."""
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return server_url.set(database=name).render_as_string(hide_password=False)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = str(found[-1]) if found else shutil.which("initdb")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is required in CI")
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return Path(path).parent


def _run(*command: object) -> None:
    # PostgreSQL refuses to run as root.
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def _give_away(folder: Path) -> None:
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
