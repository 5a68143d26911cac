"""What the tests of the stand-in ask, and what it answers."""

from typing import Any

from langchain_openai import ChatOpenAI

from tests.standins.ollama import DEFAULT_REPLY, OllamaStandin, split_words

MODEL = "llama3.2:3b"
QUESTION = [{"role": "user", "content": "O que é Retail Media?"}]
REPLY_TOKENS = len(split_words(DEFAULT_REPLY))


def chat_openai(standin: OllamaStandin, **options: Any) -> ChatOpenAI:
    settings = {
        "model": MODEL,
        "base_url": standin.openai_url,
        "api_key": "none",
        "max_retries": 0,
        "timeout": 60,
    }
    return ChatOpenAI(**settings | options)
