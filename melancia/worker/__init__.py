"""The worker: what is done for the platform while nobody looks, on a schedule. One a database."""

from melancia.worker.process import run_once, run_worker
from melancia.worker.worker import Pace, Round, Worker

__all__ = ["Pace", "Round", "Worker", "run_once", "run_worker"]
