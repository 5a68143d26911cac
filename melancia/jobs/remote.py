"""Jobs as containers: asks the launcher, over HTTP."""

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from melancia.errors import InputError, JobError, JobNotFoundError, SettingsError
from melancia.jobs.queue import check_id
from melancia.jobs.token import read_token
from melancia.records import Job
from melancia.settings import Settings
from melancia.telemetry.secrets import without_login

_TIMEOUT = 5.0  # seconds
_START = "Inicie-o: docker compose up -d launcher."
_LOGS = "Veja os registros: docker compose logs launcher."
_JOB = TypeAdapter(Job)


class LauncherJobs:
    """Starts and cancels jobs through the launcher. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = (settings.launcher_url or "").rstrip("/")
        self._shown = without_login(self._url)
        self._token()  # a missing secret is told at the start, not when somebody clicks
        # The launcher is on our own network: no proxy of the environment gets to see the secret.
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
        """Queue a job. Raises InputError for what the launcher refuses, JobError when it is not there."""
        body = {"name": name, "parameters": dict(given), "requested_by": requested_by}
        try:
            return self._post("/jobs", body)
        except JobNotFoundError as error:
            raise JobError(f"Quem responde em {self._shown} não é o launcher.", _START) from error

    def cancel(self, job_id: str) -> Job:
        """End a job, or ask for it. Raises JobNotFoundError, JobError."""
        check_id(job_id)
        return self._post(f"/jobs/{job_id}/cancel")

    def close(self) -> None:
        """Release the connections; jobs go on."""
        self._client.close()

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Job:
        try:
            answer = self._client.post(
                self._url + path, json=body, headers={"Authorization": f"Bearer {self._token()}"}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise JobError(f"O launcher não responde em {self._shown}.", _START) from error
        except (TypeError, ValueError) as error:
            raise InputError(
                "Os parâmetros da tarefa não podem ser enviados.", "Use texto e números."
            ) from error
        if answer.is_success:
            try:
                return _JOB.validate_json(answer.content)
            except ValidationError as error:
                raise JobError(f"Quem responde em {self._shown} não é o launcher.", _START) from error
        raise self._failure(answer)

    def _failure(self, answer: httpx.Response) -> Exception:
        told = _told(answer)
        if told is None:
            return JobError(
                f"Quem responde em {self._shown} não é o launcher ({answer.status_code}).", _START
            )
        if answer.status_code in (400, 413, 422):
            return InputError(*told)
        if answer.status_code == 401:
            return JobError(
                "O launcher recusou o nosso segredo.",
                "Use o mesmo MELANCIA_LAUNCHER_TOKEN_FILE nos dois serviços.",
            )
        if answer.status_code == 404:
            return JobNotFoundError(*told)
        return JobError(told[0], told[1] or _LOGS)

    def _token(self) -> str:
        try:
            return read_token(self._settings.launcher_token_file)
        except SettingsError as error:
            raise JobError(error.message, error.remedy) from error


def _told(answer: httpx.Response) -> tuple[str, str] | None:
    """The launcher's message and remedy; None when that is not how the launcher answers."""
    try:
        said = answer.json()
    except ValueError:
        return None
    # Others say "detail" too; the two together are ours.
    if not isinstance(said, dict) or not {"detail", "remedy"} <= said.keys():
        return None
    return str(said["detail"]), str(said["remedy"])
