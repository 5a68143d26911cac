"""``melancia worker`` in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment(tmp_path: Path, url: str, **more: str) -> dict[str, str]:
    """That of a process of its own."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MELANCIA_DATA_DIR": str(tmp_path),
        "MELANCIA_DATABASE_URL": url,
        "MELANCIA_VARIANT": "extractive",
        "MLFLOW_TRACKING_URI": "",  # MLflow's client leaves its address in our own environment
        **more,
    }


class Process:
    """``melancia worker`` in a process of its own."""

    def __init__(self, folder: Path, name: str, variables: dict[str, str]) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "melancia", "worker"],
                cwd=folder,
                env=variables,
                stdout=file,
                stderr=file,
            )

    def says(self, words: str) -> bool:
        """Whether its log has these words."""
        assert self.process.poll() is None, self.log.read_text()
        return words in self.log.read_text()

    def end(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


Start = Callable[[str, dict[str, str]], Process]  # name of its log, variables


def once(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``melancia worker --once``."""
    given = environment(folder, f"sqlite:///{folder / 'melancia.db'}", **variables)
    return subprocess.run(
        [sys.executable, "-m", "melancia", "worker", "--once"],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
