"""``python -m melancia.launcher``: serve on every address of the container, one process."""

import sys

import uvicorn

from melancia.errors import MelanciaError
from melancia.jobs.dispatcher import Dispatcher
from melancia.launcher.api import create_app
from melancia.launcher.containers import Containers
from melancia.settings import load_launcher_settings, load_settings
from melancia.store import Store
from melancia.telemetry.logs import setup_logging

_STOPPING = 5  # seconds that running requests get


def serve() -> None:
    """Serve until stopped. Raises SettingsError, StoreError."""
    settings, launcher = load_settings(), load_launcher_settings()
    # Names and identifiers of jobs go by here, never a person's text: its small image has no masks.
    setup_logging(settings, mask=None)
    store = Store.open(settings.store_url)
    try:
        containers = Containers(settings, launcher)
        dispatcher = Dispatcher(store.jobs, containers)
        config = uvicorn.Config(
            create_app(settings, store, dispatcher, containers.ping),
            host="0.0.0.0",  # noqa: S104 (in a container; which networks reach it is Compose's to say)
            port=launcher.port,
            workers=1,
            log_config=None,
            access_log=settings.log_level == "DEBUG",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_STOPPING,
        )
        uvicorn.Server(config).run()
    finally:
        store.close()


def main() -> None:
    """Serve; expected failures become a message in Portuguese and exit code 1."""
    try:
        serve()
    except KeyboardInterrupt:
        pass  # uvicorn passes on the signal that it has already obeyed
    except MelanciaError as error:
        sys.exit(f"Erro: {error}")


if __name__ == "__main__":
    main()
