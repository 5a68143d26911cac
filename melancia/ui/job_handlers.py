"""What the tabs that start, watch and cancel jobs have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from melancia.app import Runtime
from melancia.errors import MelanciaError, NotOwnerError
from melancia.records import Job
from melancia.ui import job_view, render
from melancia.ui.identity import Identity


class JobHandlers:
    """Each handler asks anew who is there: what is hidden on the page can still be called."""

    def __init__(self, runtime: Runtime, identity: Identity) -> None:
        self._runtime = runtime
        self._identity = identity

    def _do(self, act: Callable[[str], str], request: gr.Request) -> str:
        """Let an administrator ``act``, given who they are; what to say of it, in Markdown."""
        try:
            user, admin = self._user(request)
            if user is None or not admin:
                raise NotOwnerError(
                    "Só quem administra pode iniciar ou cancelar tarefas.", "Peça acesso (MELANCIA_ADMINS)."
                )
            return act(user)
        except MelanciaError as error:
            return warning(error)

    def _cancel(self, job_id: str | None, request: gr.Request) -> str:
        """Cancel a job; what to say of it."""

        def act(_user: str) -> str:
            job = self._runtime.jobs.cancel(job_id or "")
            if job.state.final and not job.cancel_requested:
                return "Essa tarefa já tinha terminado."
            return "⏹ Cancelamento pedido; o que já foi medido fica guardado."

        return self._do(act, request)

    def _look_after(self) -> str:
        """Have the jobs of an earlier process seen to; what to say when nobody can run jobs."""
        try:
            # Whoever runs jobs also tells how those of an earlier process ended.
            _ = self._runtime.jobs
        except MelanciaError as error:
            return warning(error)
        return ""

    def _user(self, request: gr.Request) -> tuple[str | None, bool]:
        """Who is there, and whether they administer."""
        user = self._identity.user(request.cookies, request.headers.get("authorization", ""))
        return user, self._identity.is_admin(user)


def choice(present: Sequence[Job]) -> Any:
    """The list of open jobs to cancel one of; hidden while there is no choice."""
    choices = [(job_view.title(job), job.id) for job in present]
    # The oldest is the one that runs.
    return gr.Dropdown(choices=choices, value=present[0].id if present else None, visible=len(present) > 1)


def warning(error: MelanciaError) -> str:
    """A failure in Markdown."""
    return f"⚠️ {render.inert(str(error))}"
