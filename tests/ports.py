"""Ports for servers that tests start."""

import random
import socket

# Below those that Linux (32768 and above) and macOS (49152 and above) give to whoever asks for any port:
# between the look and the server's start, which may be minutes away, nobody else gets one of these.
_OURS = range(20_000, 32_768)
_chance = random.SystemRandom()  # whatever a test seeds: several suites may run at once
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that nobody else gets: neither from the system nor from here."""
    for port in _chance.sample(_OURS, len(_OURS)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))  # on no address: some servers listen on all of them
        except OSError:
            return False
    return True
