"""The guide's door to the models."""

from typing import Any

from langchain_core.language_models import BaseChatModel

from melancia.llms import ModelCard, create_chat_model, list_models
from melancia.settings import get_settings


class MultiLLMManager:
    """Makes chat models of any provider, with the settings of this process."""

    @staticmethod
    def create_llm(provider: str, model: str, **options: Any) -> BaseChatModel:
        """A LangChain chat model; ``options`` and failures are those of ``create_chat_model``."""
        return create_chat_model(provider, model, get_settings(), **options)

    @staticmethod
    def available_models() -> list[ModelCard]:
        """Every known model, with whether it can be used now."""
        return list_models(get_settings())
