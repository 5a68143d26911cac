"""A stand-in for an Ollama server: same paths, fields, streaming and error bodies; scripted answers.

In a test::

    from tests.standins.ollama import OllamaStandin

    with OllamaStandin(models=["llama3.2:3b"]) as ollama:
        ollama.set_script("Retail Media é publicidade no varejo [1].")
        ollama.faults.set(http_500=True, times=1)    # the next answer fails, then all is well
        ...                                          # point the code under test at `ollama.url`
        record = ollama.wait_for(lambda r: r.disconnected)   # an event, not a sleep
        assert record.body["options"]["num_ctx"] == 8192

From a shell, or as a service::

    python -m tests.standins.ollama --port 11434 --models llama3.2:3b qwen2.5:1.5b
    curl -X POST localhost:11434/_standin/faults -d '{"stall_after_tokens": 3, "times": 2}'
    curl -X DELETE localhost:11434/_standin/faults

What is imitated on purpose, because clients trip over it: the prompt is cut to `num_ctx` without a word and
only `prompt_eval_count` shows it; the response head is sent with the first token, not before; an error
after that arrives as a line of a 200 response; `/v1` hides such an error altogether, cannot set `num_ctx` and
ignores `max_completion_tokens`; a model that fell back to the CPU shows in `size_vram` only.
Known differences are listed in `server.py`.
"""

from tests.standins.ollama.backends import DEFAULT_REPLY, Backend, Llama, Scripted
from tests.standins.ollama.faults import Faults, InvalidFault
from tests.standins.ollama.prompt import Message, count_prompt_tokens, split_words
from tests.standins.ollama.records import Outcome, RequestRecord
from tests.standins.ollama.runner import OllamaStandin
from tests.standins.ollama.server import create_app

__all__ = [
    "DEFAULT_REPLY",
    "Backend",
    "Faults",
    "InvalidFault",
    "Llama",
    "Message",
    "OllamaStandin",
    "Outcome",
    "RequestRecord",
    "Scripted",
    "count_prompt_tokens",
    "create_app",
    "split_words",
]
