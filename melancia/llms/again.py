"""Which failures of a provider pass by themselves, and how long to wait for that."""

from tenacity import RetryCallState
from tenacity.wait import wait_exponential_jitter

from melancia.errors import ProviderError, ProviderRateLimitError

_LONGEST = 300.0

# By name: the library need not be loaded to hear that another one failed.
_LOST = {"APIConnectionError", "RemoteProtocolError", "ReadError", "WriteError", "ConnectionResetError"}


def passing(error: BaseException) -> bool:
    """Whether the same request may well be answered later.

    A connection that breaks before an answer is one of them: servers hang up on idle connections of a pool,
    and a request may be on its way just then.
    """
    cause = error.__cause__
    if not isinstance(error, ProviderError) or cause is None:
        return False
    status = getattr(cause, "status_code", None)
    if isinstance(status, int):
        return status in (408, 429) or (status >= 500 and status != 501)
    return any(kind.__name__ in _LOST for kind in type(cause).__mro__)


def pause(state: RetryCallState, first: float) -> float:
    """Seconds before the next try: what the server asked for, or twice as long as last time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderRateLimitError) else None
    return asked if asked is not None else backoff(state, first)


def backoff(state: RetryCallState, first: float, longest: float = _LONGEST) -> float:
    """Twice as long as last time, from ``first`` seconds on, and by chance up to ``first`` more."""
    return wait_exponential_jitter(multiplier=first, max=max(first, longest), jitter=first)(state)
