"""What a cached answer is known by, and which answers may be kept. Pure functions."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from melancia.agent.cache_numbers import MINUS
from melancia.records import Filters, FinishReason, Interaction, Turn, Variant, content_hash

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_HANDLE = re.compile(r"(?<!\w)@\w{3,}")
# CPF, CNPJ, telephone, card, parcel: eight digits or more in a row, however they are set apart.
_DIGITS = re.compile(r"\d(?:[ .\-/()]{0,2}\d){7,}")
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+")


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What must be equal for an answer to serve again, besides its question.

    ``history`` is a hash of the turns that the prompt would hold, "" without any.
    """

    variant: str
    index_version: str
    filters: str
    history: str

    @classmethod
    def of(
        cls, variant: Variant, index_version: str, filters: Filters | None = None, turns: Sequence[Turn] = ()
    ) -> "CacheKey":
        """The key of a question that ``variant`` (its prompt version included) would answer now."""
        wanted = filters or Filters()
        told = [[turn.question, turn.answer] for turn in turns]
        return cls(
            variant=variant.hash,
            index_version=index_version,
            filters=content_hash([wanted.marketplace, wanted.topic]),
            history=content_hash(told) if told else "",
        )

    @property
    def scope(self) -> str:
        """One hash of all four."""
        return content_hash([self.variant, self.index_version, self.filters, self.history], 32)


def plain(question: str) -> str:
    """The form in which two writings of a question are the same: NFC, no case, no punctuation, single spaces.

    Punctuation between two digits, a percent sign after and a minus before a number belong to it and stay.
    Accents stay too: “até” is not “ate”.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", question).casefold())
    padded = f" {MINUS.sub('−', text)} "  # no punctuation for Unicode, and one for all
    kept = [
        char if not unicodedata.category(char).startswith("P") or _of_a_number(before, char, after) else " "
        for (before, char), (_, after) in pairwise(pairwise(padded))
    ]
    return " ".join("".join(kept).split())


def _of_a_number(before: str, char: str, after: str) -> bool:
    if before.isdigit() and after.isdigit():
        return True
    return char == "%" and before.isdigit()


def entry_id(key: CacheKey, question: str) -> str:
    """Identifier of an entry: equal for the same key and question."""
    return content_hash([key.scope, plain(question)], 32)


def keepable(key: CacheKey, interaction: Interaction) -> bool:
    """Whether the answer may be served to anybody who asks the same.

    Only the first question of a conversation, answered whole by the variant that was meant, from the index
    version of ``key``, without refusal or invented citation, and without what looks like personal data.
    """
    answer = interaction.answer
    return (
        not key.history
        and interaction.exposure is not None
        and not interaction.fell_back
        and not interaction.attempts
        and interaction.exposure.hash == key.variant
        and interaction.index_version == key.index_version
        and answer.finish_reason is FinishReason.STOP
        and not answer.refused
        and answer.invented_citations == 0
        and bool(answer.text.strip())
        and bool(plain(interaction.question))
        and not personal(f"{interaction.question}\n{answer.text}")
    )


def personal(text: str) -> bool:
    """Whether there may be an e-mail, a user name, or a document, telephone or card number in ``text``."""
    if _EMAIL.search(text) or _HANDLE.search(text):
        return True
    return any(not _THOUSANDS.fullmatch(match[0]) for match in _DIGITS.finditer(text))
