"""The circuit breaker: opens after failures in a row, rests, tries once, and blames nobody wrongly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import (
    InputError,
    MelanciaError,
    ModelNotFoundError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from melancia.llms.breaker import Breaker


class Clock:
    """A clock that is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def away() -> MelanciaError:
    """A provider that is away."""
    return ProviderUnavailableError("ollama", "a", "Não responde.")


def breaker() -> tuple[Breaker, Clock]:
    """One that opens after three failures, for ten seconds."""
    clock = Clock()
    return Breaker(failures=3, rest=10.0, clock=clock), clock


def fail(of: Breaker, times: int) -> None:
    """So many failures."""
    for _ in range(times):
        assert of.lets_through("ollama")
        of.ended("ollama", away())


def test_it_opens_rests_and_tries_once() -> None:
    of, clock = breaker()
    fail(of, 3)
    assert not of.lets_through("ollama")
    assert of.lets_through("openai")
    assert of.resting() == ["ollama"]
    clock.now = 9.9
    assert not of.lets_through("ollama")
    clock.now = 10.0
    assert of.lets_through("ollama")
    assert not of.lets_through("ollama")  # one at a time finds out
    of.ended("ollama", away())
    clock.now = 19.9
    assert not of.lets_through("ollama")
    clock.now = 20.0
    assert of.lets_through("ollama")
    of.ended("ollama", None)
    assert of.lets_through("ollama")
    assert of.resting() == []
    fail(of, 2)
    assert of.lets_through("ollama")


def test_an_answer_in_between_starts_the_count_anew() -> None:
    of, _ = breaker()
    fail(of, 2)
    of.ended("ollama", None)
    fail(of, 2)
    assert of.lets_through("ollama")


@pytest.mark.parametrize("error", [ModelNotFoundError("ollama", "a", "?"), InputError("?")])
def test_what_is_not_the_providers_fault_opens_nothing(error: MelanciaError) -> None:
    of, _ = breaker()
    for _ in range(10):
        of.ended("ollama", error)
    assert of.lets_through("ollama")


def test_a_question_that_nobody_waited_for_neither_closes_nor_counts() -> None:
    of, clock = breaker()
    fail(of, 2)
    of.dropped("ollama")
    fail(of, 1)
    assert of.resting() == ["ollama"]
    clock.now = 10.0
    assert of.lets_through("ollama")
    of.dropped("ollama")
    assert of.resting() == ["ollama"]
    assert of.lets_through("ollama")  # the next one finds out
    assert not of.lets_through("ollama")
    of.ended("ollama", ModelNotFoundError("ollama", "a", "?"))
    assert of.resting() == ["ollama"]
    assert of.lets_through("ollama")
    of.ended("ollama", None)
    assert of.resting() == []


@given(st.lists(st.sampled_from(["ok", "fails", "waits", "dropped"])))
def test_after_a_rest_somebody_is_always_let_through(events: list[str]) -> None:
    of, clock = breaker()
    for event in events:
        if event == "waits":
            clock.now += 11
        elif of.lets_through("ollama"):
            if event == "dropped":
                of.dropped("ollama")
            else:
                of.ended("ollama", None if event == "ok" else ProviderTimeoutError("ollama", "a", "Lento."))
    clock.now += 11
    assert of.lets_through("ollama")
