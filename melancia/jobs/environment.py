"""What a job's process is told by its environment. An allow-list: a new secret does not leak by itself."""

from typing import Any

from pydantic import SecretStr

from melancia.settings import Settings, variable_name

# Every other setting concerns the page, its users or the launcher.
NEEDED = frozenset(
    {
        "data_dir",
        "knowledge_dir",
        "database_url",
        "pgpassfile",
        "chroma_url",
        "mlflow_url",
        "mlflow_public_url",
        "mlflow_experiment",
        "variant",
        "fallbacks",
        "prompt_version",
        "temperature",
        "max_tokens",
        "context_window",
        "k",
        "embedding_model",
        "first_token_timeout",
        "total_timeout",
        "openai_api_key",
        "openai_base_url",
        "huggingface_api_token",
        "huggingface_base_url",
        "ollama_base_url",
        "expect_gpu",
        "log_level",
        "log_format",
        "mask_providers",
        "drift_current",
        "drift_reference",
    }
)


def job_environment(settings: Settings, job_id: str) -> dict[str, str]:
    """The settings that were given (by environment or in code) and that a job needs, with its identifier."""
    told = {
        variable_name(Settings, name): _text(getattr(settings, name))
        for name in sorted(NEEDED & settings.model_fields_set)
    }
    # A log that is read while the job runs must not wait in a buffer.
    return {**told, "PYTHONUNBUFFERED": "1", variable_name(Settings, "job_id"): job_id}


def _text(value: Any) -> str:
    if value is None:
        return ""  # an empty variable means the default, also where one was inherited
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value)
