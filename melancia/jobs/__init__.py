"""Jobs: the allow-list, how a job tells how far it is, and who starts it."""

from melancia.jobs.control import JobControl
from melancia.settings import Settings
from melancia.store import Store

__all__ = ["JobControl", "job_control"]


def job_control(settings: Settings, store: Store) -> JobControl:
    """The launcher's containers when ``settings.launcher_url`` names one, else subprocesses of this machine.

    Raises JobError when the launcher's token cannot be read. Close it before the store.
    """
    # Each is imported where it is used: the launcher's own image has neither httpx nor psutil.
    if settings.launcher_url:
        from melancia.jobs.remote import LauncherJobs

        return LauncherJobs(settings)
    from melancia.jobs.local import LocalJobs

    return LocalJobs(settings, store)
