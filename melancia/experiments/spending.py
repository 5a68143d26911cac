"""A budget that is not exceeded: what a call may cost at most is set aside before it is made."""

from collections.abc import Callable, Sequence

from langchain_core.messages import BaseMessage

from melancia.errors import InputError
from melancia.llms import cost, price
from melancia.llms.batch_prices import batch_cost
from melancia.records import Usage, Variant
from melancia.settings import Settings

# Fewer characters a token than Portuguese has with any tokenizer in use: an estimate from above.
_CHARS_PER_TOKEN = 2.0
_OVERHEAD = 50  # tokens that frame the messages


Keep = Callable[[float, float], None]
"""Told what was spent and what is set aside, in US$, as often as that changes; what it raises is raised."""


class BudgetReachedError(Exception):
    """The next call might exceed the budget."""


class Purse:
    """What was spent, in US$, and what may be. For tasks of one event loop.

    ``spent`` and ``reserved`` are what an earlier part of the run left.
    """

    def __init__(
        self,
        settings: Settings,
        budget: float | None,
        spent: float = 0.0,
        reserved: float = 0.0,
        keep: Keep = lambda _spent, _reserved: None,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._reserved = reserved
        self._keep = keep
        self.spent = spent

    def check(self, variants: Sequence[Variant]) -> None:
        """Raises InputError when there is a budget and a price is not known: it could not be kept."""
        if self._budget is None:
            return
        for variant in variants:
            if price(variant.provider, variant.model, settings=self._settings) is None:
                raise InputError(
                    f"O preço de {variant.label} não é conhecido; o orçamento não pode ser garantido.",
                    "Rode sem --budget, ou sem esse modelo em --models e --judge.",
                )

    def most(self, variant: Variant, messages: Sequence[BaseMessage], *, batch: bool = False) -> float:
        """The most that the answer may cost; 0 where no price is known."""
        chars = sum(len(message.text) for message in messages)
        usage = Usage(int(chars / _CHARS_PER_TOKEN) + _OVERHEAD, variant.max_tokens)
        if batch:
            return batch_cost(variant, usage, self._settings) or 0.0
        return cost(variant.provider, variant.model, usage, settings=self._settings) or 0.0

    def reserve(self, amount: float) -> None:
        """Set ``amount`` aside. Raises BudgetReachedError, and sets nothing aside, when it is not there."""
        if self._budget is not None and self.spent + self._reserved + amount > self._budget and amount > 0:
            raise BudgetReachedError
        self._change(0.0, amount)

    def settle(self, reserved: float, actual: float | None) -> None:
        """Give back what was set aside; what was paid is spent, or all of it when nobody knows."""
        self._change(reserved if actual is None else actual, -reserved)

    def release(self, reserved: float) -> None:
        """Give back what was set aside for a call that cost nothing."""
        self._change(0.0, -reserved)

    def _change(self, spent: float, reserved: float) -> None:
        if spent or reserved:
            self.spent += spent
            self._reserved = max(0.0, self._reserved + reserved)
            self._keep(self.spent, self._reserved)
