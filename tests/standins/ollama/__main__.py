"""`python -m tests.standins.ollama`: the stand-in as a process."""

import argparse
from contextlib import ExitStack

import uvicorn

from tests.standins.llamacpp import SmallModel
from tests.standins.ollama.backends import Backend, Llama, Scripted
from tests.standins.ollama.server import create_app


def main() -> None:
    """Parse the arguments and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="tests.standins.ollama", description="A stand-in for an Ollama server."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--backend", choices=["scripted", "llama"], default="scripted")
    parser.add_argument(
        "--models", nargs="*", default=["llama3.2:3b"], metavar="NAME", help="installed at the start"
    )
    parser.add_argument(
        "--token-delay", type=float, default=0.0, help="seconds a token of the scripted backend"
    )
    parser.add_argument("--pull-step-seconds", type=float, default=0.0, help="seconds a step of a pull")
    args = parser.parse_args()
    with ExitStack() as stack:
        backend: Backend
        if args.backend == "llama":
            small = stack.enter_context(SmallModel())
            backend = Llama(small.base_url, small.model, context_length=small.n_ctx)
        else:
            backend = Scripted(token_delay=args.token_delay)
        app = create_app(backend, args.models, pull_step_seconds=args.pull_step_seconds)
        print(f"Ollama stand-in ({args.backend}) on http://{args.host}:{args.port}", flush=True)
        uvicorn.run(
            app,
            host=args.host,
            port=args.port,
            log_level="warning",
            http="h11",
            timeout_graceful_shutdown=0,
            # As in `tests.standins.serving`: a real Ollama does not hang up on idle connections either.
            timeout_keep_alive=3600,
        )


if __name__ == "__main__":
    main()
