"""Stands in for ``melancia/__main__.py``: the command line of a job that does what the test needs.

Standard library only: it runs in an image that has nothing else. ``--limit`` chooses what it does.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

QUICK, SLEEP, STUBBORN, FAIL, LOOK, CHATTY, LEAVES_CHILD, MEMORY = 1, 7, 8, 13, 21, 50, 60, 99


def main() -> None:
    """Say the arguments, then do what was asked."""
    arguments = sys.argv[1:]
    print(
        "argumentos:",
        json.dumps(arguments),
        os.environ.get("MELANCIA_JOB_ID"),
        os.environ.get("MELANCIA_DATA_DIR"),
        flush=True,
    )
    limit = int(arguments[-1]) if "--limit" in arguments else QUICK
    if arguments == ["ingest"] or limit == SLEEP:
        print("dormindo", flush=True)
        time.sleep(120)
    elif limit == STUBBORN:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("teimosa", flush=True)
        time.sleep(120)
    elif limit == FAIL:
        print("não achei as perguntas", file=sys.stderr)
        sys.exit(3)
    elif limit == LOOK:
        print(json.dumps(look()))
    elif limit == CHATTY:
        print("á" * 60_000 + "\0fim")
    elif limit == LEAVES_CHILD:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        print("filha", child.pid, flush=True)
    elif limit == MEMORY:
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1024) * 4096))
    print("pronto")


def look() -> dict[str, object]:
    """What a job can see and do in its container."""
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    places = ("/data", "/tmp", "/run/melancia", "/", "/app", "/etc")
    return {
        "user": [os.getuid(), os.getgid()],
        "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privileges": status["NoNewPrivs"],
        "writable": [place for place in places if _writable(Path(place))],
        "socket": Path("/var/run/docker.sock").exists() or Path("/run/docker.sock").exists(),
        "environment": dict(os.environ),
    }


def _writable(place: Path) -> bool:
    try:
        (place / "escrito").write_text("x")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
