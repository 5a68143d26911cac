"""Join the group that owns the Docker socket, stop being root, and become the launcher.

The group's number differs from host to host (and is root's own on Docker Desktop), so it cannot be written
into compose.yaml. The container has only the two capabilities that this needs; the process keeps neither.
"""

import os
import sys
from pathlib import Path

SOCKET = Path("/var/run/docker.sock")
USER = 10001


def main() -> None:
    """Drop to the user and execute the given command. Exits with a message when there is no socket."""
    try:
        group = SOCKET.stat().st_gid
    except OSError as error:
        sys.exit(
            f"O socket do Docker não está em {SOCKET} ({error.strerror}). Confira DOCKER_SOCKET no .env."
        )
    if os.getuid() == 0:
        os.setgroups([USER, group])
        os.setgid(USER)
        os.setuid(USER)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
