"""The failure tree. Every message is Portuguese, made for people, and says what to do (``remedy``).

MelanciaError
├── SettingsError            a variable of the environment is unknown or has a bad value
├── InputError               what the user sent cannot be accepted (empty, too long, unknown filter…)
├── RateLimitError           too many requests of one user
├── KnowledgeError
│   ├── DocumentError        one file cannot be read or indexed (path, reason)
│   ├── IndexLockedError     another process holds the vector index
│   ├── VectorsUnavailableError  the vector server does not answer
│   └── EmbeddingError       the embedding model cannot be loaded, does not answer, or refuses its input
├── ProviderError            (provider, model)
│   ├── UnknownProviderError
│   ├── UnsupportedOptionError   the provider cannot honour the option: refused, not ignored
│   ├── ProviderUnavailableError nothing answers at its address, or the key is missing
│   ├── AuthenticationError      the key was refused
│   ├── ModelNotFoundError       the server does not have the model
│   ├── ProviderRateLimitError   retry_after in seconds, when the server said it
│   ├── ProviderTimeoutError
│   └── ProviderResponseError    the server failed or answered nonsense
├── StoreError
│   ├── InteractionNotFoundError
│   ├── JobNotFoundError
│   ├── ConflictError        somebody else changed it first
│   └── NotOwnerError        feedback on somebody else's answer
├── JobError                 a job was refused, or its launcher is not there
│   └── EngineUnavailableError   whoever runs jobs does not answer now: worth another try
├── AlertError               nobody took an alert
└── TrackingError            MLflow does not answer, or refused
"""


class MelanciaError(Exception):
    """Base of every expected failure. ``message`` says what happened, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(MelanciaError):
    """A variable of the environment is unknown or has a bad value."""


class InputError(MelanciaError):
    """What the user sent cannot be accepted."""


class RateLimitError(MelanciaError):
    """Too many requests of one user in too short a time."""


class KnowledgeError(MelanciaError):
    """The knowledge base cannot be read or written."""


class DocumentError(KnowledgeError):
    """One file cannot be indexed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class IndexLockedError(KnowledgeError):
    """Another process holds the vector index."""


class VectorsUnavailableError(KnowledgeError):
    """The vector server does not answer; lexical search still does."""


class EmbeddingError(KnowledgeError):
    """The embedding model cannot be loaded, does not answer, or refuses its input."""


class ProviderError(MelanciaError):
    """A model provider failed."""

    def __init__(self, provider: str, model: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.provider = provider
        self.model = model


class UnknownProviderError(ProviderError):
    """No provider has this name."""


class UnsupportedOptionError(ProviderError):
    """The provider cannot honour the option."""


class ProviderUnavailableError(ProviderError):
    """Nothing answers at the provider's address, or its key is missing."""


class AuthenticationError(ProviderError):
    """The provider refused the key."""


class ModelNotFoundError(ProviderError):
    """The server does not have the model."""


class ProviderRateLimitError(ProviderError):
    """The provider asks to slow down. ``retry_after`` in seconds, None if it did not say."""

    def __init__(
        self, provider: str, model: str, message: str, remedy: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(provider, model, message, remedy)
        self.retry_after = retry_after


class ProviderTimeoutError(ProviderError):
    """The provider did not answer in time; the call was cancelled."""


class ProviderResponseError(ProviderError):
    """The provider failed or answered what cannot be understood."""


class StoreError(MelanciaError):
    """The store cannot do what was asked."""


class InteractionNotFoundError(StoreError):
    """No interaction has this identifier."""


class NotOwnerError(StoreError):
    """The interaction belongs to another user."""


class ConflictError(StoreError):
    """Somebody else changed what one was about to change."""


class JobNotFoundError(StoreError):
    """No job has this identifier."""


class JobError(MelanciaError):
    """A job was refused, or whoever would run it is not there."""


class EngineUnavailableError(JobError):
    """Whoever runs jobs (the Docker engine, the system) cannot now; the same request may work later."""


class AlertError(MelanciaError):
    """The webhook does not answer, or refused the alert. Never with its address, which is a secret."""


class TrackingError(MelanciaError):
    """MLflow does not answer, or refused what it was told."""
