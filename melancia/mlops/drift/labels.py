"""What a group of questions is called: the words that tell it from the others, as people write them.

Terms are stems and pairs of neighbouring stems, weighed by class-based TF-IDF (Grootendorst 2022,
arXiv:2203.05794): how often the group says it × log(1 + mean terms a group / how often all say it). A term
that a single question of the group has is never shown.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from melancia.text import fold, normalise, stems

NAMELESS = "Assunto"
_PARTS = 3
_MASKED = re.compile(r"\[[^\]]*\]")
_WORD = re.compile(r"[^\W\d_]{2,}")
# What says how somebody asks, not what about; the page is written to as people write to each other.
_EMPTY = frozenset(
    """oq q qto qtos qta qtas qnto quanto quanta quantos quantas ta to eh pq vc vcs tb tbm mto mt hj ai la ne
    nao sim ok oi ola bom dia tarde noite obrigado favor quero queria preciso precisa saber dizer explica
    explique entender ajuda funciona existe serve coisa coisas certo errado melhor pior agora antes depois
    ainda aqui ali outro outra outros outras vez vezes alguem gente pessoal cara hein dentro cada todo toda
    todos todas alguma algum mudar muda""".split()
)
_PAIR = 1.5  # a pair says more than its words, but is rarer by nature

Term = tuple[str, ...]


class _Group:
    """The terms of some questions: how often, in how many questions, and how they are written."""

    def __init__(self, questions: Iterable[str]) -> None:
        self.said: Counter[Term] = Counter()
        self.questions: Counter[Term] = Counter()
        self.written: dict[Term, Counter[str]] = {}
        for question in questions:
            found = list(_terms(question))
            self.said.update(term for term, _ in found)
            self.questions.update({term for term, _ in found})
            for term, form in found:
                self.written.setdefault(term, Counter())[form] += 1


def labels(
    groups: Sequence[Sequence[str]], others: Sequence[str] = (), taken: Collection[str] = ()
) -> list[str]:
    """A label for each group of questions, unlike all others and those ``taken``.

    ``others``: questions that are in no group, to compare with.
    """
    counted = [_Group(group) for group in groups]
    everywhere = sum((group.said for group in counted), _Group(others).said)
    mean = everywhere.total() / (len(groups) + bool(others)) if groups else 0.0
    used = {fold(label) for label in taken}
    found = []
    for group in counted:
        label = _label(_ranked(group, everywhere, mean), group, used)
        used.add(fold(label))
        found.append(label)
    return found


def _ranked(group: _Group, everywhere: Counter[Term], mean: float) -> list[Term]:
    def weight(term: Term) -> float:
        length = _PAIR if len(term) == 2 else 1.0
        return length * group.said[term] * math.log(1 + mean / everywhere[term])

    shared = [term for term, count in group.questions.items() if count > 1]
    return sorted(shared, key=lambda term: (-weight(term), term))


def _label(ranked: Sequence[Term], group: _Group, used: Collection[str]) -> str:
    """The first terms that say something new; more of them, or a number, until nothing else is so called."""
    parts: list[str] = []
    said: set[str] = set()
    for term in ranked:
        if said & set(term):
            continue
        said |= set(term)
        parts.append(_form(group.written[term]))
        if len(parts) >= _PARTS and fold(label := " · ".join(parts)) not in used:
            return label
    name = " · ".join(parts[:_PARTS]) or NAMELESS
    numbered = (f"{name} ({number})" for number in range(2, len(used) + 3))
    return name if fold(name) not in used else next(each for each in numbered if fold(each) not in used)


def _form(written: Counter[str]) -> str:
    """The commonest writing; of equally common ones, that with accents."""
    return max(written, key=lambda form: (written[form], fold(form) != form.lower(), form))


def _terms(question: str) -> Iterable[tuple[Term, str]]:
    """Each term with its writing: words, and pairs of words that nothing stands between."""
    text = _MASKED.sub(" . ", normalise(question))
    before: tuple[str, str, int] | None = None
    for match in _WORD.finditer(text):
        word = _unbegun(match[0]) if not text[: match.start()].strip(" ¿¡\"'“(") else match[0]
        stem = _stem(word)
        if not stem:
            before = None
            continue
        yield (stem,), word
        if before is not None and text[before[2] : match.start()] == " ":
            yield (before[0], stem), f"{before[1]} {word}"
        before = stem, word, match.end()


def _unbegun(word: str) -> str:
    """The first word of a question without the capital that it owes to its place."""
    return word.lower() if word[1:].islower() else word


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """Nothing for a word without content."""
    return "" if fold(word) in _EMPTY else next(iter(stems(word)), "")
