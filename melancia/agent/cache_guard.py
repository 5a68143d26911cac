"""May the answer to one question be served for another? What cosines cannot tell. Pure functions.

“O ACOS subiu” and “o ACOS caiu” have a cosine of 0.98, more than most true paraphrases: an embedding says
what a question is about, not what it asks. So a neighbour must also have the same numbers, names, metrics and
periods in the same order, the same negations in the same places and the same kind of question, and every
content word of either must be met on the other side, by itself, by a synonym or as a spelling mistake.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from melancia.agent import cache_words
from melancia.agent.cache_numbers import MINUS, Number, read_numbers, same_numbers
from melancia.text import fold, normalise, stems

_TOKEN = re.compile(r"@\w+|[0-9a-z]+")
_INTENTS = tuple((name, re.compile(pattern)) for name, pattern in cache_words.INTENTS)
_GREETINGS = re.compile(cache_words.GREETINGS)
_NOT = "@nao"
_SIGNS = (
    (">=", " maior igual "), ("<=", " menor igual "), ("≥", " maior igual "), ("≤", " menor igual "),
    (">", " maior "), ("<", " menor "),
)  # fmt: skip
_LEAST = 4  # letters of a word in which one wrong letter is a spelling mistake, not another word


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question says.

    ``anchors``: the names, metrics and periods, by kind, each kind in order. ``words``: what else has
    content, negations and the anchors whose place among it matters, in order. ``compared``: the two sides of
    the one joint (“A ou B”, “entre A e B”) of a question that compares, with all but articles and the like,
    else nothing.
    """

    numbers: tuple[Number, ...]
    anchors: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    intent: str
    compared: tuple[tuple[str, ...], ...]


def difference(asked: str, cached: str) -> str:
    """Why ``cached``'s answer may not be served for ``asked``; "" when it may.

    One content word more narrows a question (“campanha de vídeo”), so that none may be left over.
    """
    a, b = read(asked), read(cached)
    if not same_numbers(a.numbers, b.numbers):
        return "number"
    if any(Counter(x) != Counter(y) for x, y in zip(a.anchors, b.anchors, strict=True)):
        return "name"
    if a.words.count(_NOT) != b.words.count(_NOT):
        return "negation"
    if a.intent and b.intent and a.intent != b.intent:
        return "intent"
    places, left_a, left_b = _align(a.words, b.words)
    if left_a or left_b:
        return "words"
    in_order = a.anchors == b.anchors and places == sorted(places)
    return "" if in_order or _exchanged(a, b) else "order"


@lru_cache(maxsize=4096)
def read(question: str) -> Reading:
    """Take a question apart."""
    plain = _GREETINGS.sub(" ", MINUS.sub("−", fold(normalise(question)))).strip(" ,.!?¿¡-–:;")
    for sign, word in _SIGNS:
        plain = plain.replace(sign, word)
    numbers, rest = read_numbers(plain)
    tokens = _TOKEN.findall(_FORMS.sub(lambda match: f" {_CANON[match[0]]} ", rest))
    words, compared = [word for token in tokens if (word := _content(token))], _compared(tokens)
    if compared:
        # “Full ou Flex, qual a diferença?”: there its place says nothing.
        words.sort(key=_DIFFERENCE.__ne__)
    asks = [(match.start(), name) for name, pattern in _INTENTS if (match := pattern.search(plain))]
    return Reading(
        numbers=tuple(numbers),
        anchors=tuple(tuple(token for token in tokens if token in kind) for kind in _KINDS),
        words=tuple(words),
        intent=min(asks)[1] if asks else "",
        compared=compared,
    )


def _content(token: str) -> str:
    """The form in which a word is compared; "" for what says nothing by itself."""
    if token.startswith("@"):
        return "" if token in _FREE else token
    if token in cache_words.NEGATIONS:
        return _NOT
    if token in cache_words.FILLERS:
        return ""
    stem = _stem(token)
    return (
        _SYNONYM.get(token) or _SYNONYM.get(stem) or (stem if token in _POLAR_FORMS or stems(token) else "")
    )


def _compared(tokens: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    joints, comparing = [], False
    for place, word in enumerate(tokens):
        comparing = comparing or word in cache_words.COMPARING
        saying = tokens[place : place + 2] == ["ou", "seja"]
        if (word in cache_words.JOINTS and not saying) or (comparing and word == "e"):
            joints.append(place)
    if len(joints) != 1:
        return ()
    sides = (tokens[: joints[0]], tokens[joints[0] + 1 :])
    # “De A para B ou de C para D”: what may be exchanged there, words do not tell.
    if all(any(token in cache_words.DIRECTED for token in side) for side in sides):
        return ()
    told = [[_content(token) or token for token in side if token not in cache_words.LIGHT] for side in sides]
    return tuple(tuple(word for word in side if word != _DIFFERENCE) for side in told)


def _exchanged(a: Reading, b: Reading) -> bool:
    """Whether the questions differ in nothing but which of the two things beside the joint comes first.

    Not with numbers or negations: what they belong to is not read.
    """
    if not a.compared or not b.compared or a.numbers or _NOT in a.words:
        return False
    (left, right), (other_left, other_right) = a.compared, b.compared
    for start in range(min(len(left), len(other_left))):
        end = len(other_left) - start  # of what came second, and now comes first
        first = (*left[:start], *right[:end])
        second = (*left[start:], *right[end:])
        if end <= len(right) and _alike(first, other_left) and _alike(second, other_right):
            return True
    return False


def _alike(a: Sequence[str], b: Sequence[str]) -> bool:
    return len(a) == len(b) and all(x == y or _misspelt(x, y) for x, y in zip(a, b, strict=True))


def _stem(word: str) -> str:
    found = stems(word)
    return found[0] if found else word


def _align(a: Sequence[str], b: Sequence[str]) -> tuple[list[int], list[str], list[str]]:
    """Places in ``b`` of the words that meet one, in ``a``'s order; then the words of each that meet none."""
    free = dict(enumerate(b))
    met: dict[int, int] = {}
    for alike in (str.__eq__, _misspelt):
        for place, word in enumerate(a):
            if place in met:
                continue
            there = next((other for other, known in free.items() if alike(word, known)), None)
            if there is not None:
                met[place] = there
                del free[there]
    left = [word for place, word in enumerate(a) if place not in met]
    return [met[place] for place in sorted(met)], left, list(free.values())


def _misspelt(a: str, b: str) -> bool:
    """Whether two words differ by one letter (wrong, missing, doubled or exchanged with its neighbour)."""
    if min(len(a), len(b)) < _LEAST or a[0] != b[0] or "@" in (a[0], b[0]):
        return False
    if a in _POLAR and b in _POLAR:
        return False
    return _one_edit(a, b)


def _one_edit(a: str, b: str) -> bool:
    if len(a) > len(b):
        a, b = b, a
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[start:] == b[start + 1 :]
    swapped = a[:start] + a[start : start + 2][::-1] + a[start + 2 :]
    return a[start + 1 :] == b[start + 1 :] or swapped == b


def _groups(text: str) -> list[list[str]]:
    lines = text.strip().replace(";\n", "; ").splitlines()
    return [[form.strip() for form in line.split(";")] for line in lines]


def _anchor(name: str) -> str:
    return "@" + name.replace(" ", "_")


_ANCHORS = (cache_words.PLACES, cache_words.PROGRAMMES, cache_words.METRICS, cache_words.PERIODS)
_KINDS = tuple(frozenset(_anchor(group[0]) for group in _groups(text)) for text in _ANCHORS)
_FREE = _KINDS[0] | _KINDS[3]  # shops and periods move freely in a sentence
_WORD_GROUPS = _groups(cache_words.SYNONYMS)
_CANON = {form: _anchor(group[0]) for text in _ANCHORS for group in _groups(text) for form in group} | {
    form: group[0] for group in _WORD_GROUPS for form in group if " " in form
}
_FORMS = re.compile(
    r"\b(?:" + "|".join(re.escape(form) for form in sorted(_CANON, key=len, reverse=True)) + r")\b"
)
# A form before a stem: stems of different words may be the same.
_SYNONYM = {_stem(form): _stem(group[0]) for group in _WORD_GROUPS for form in group} | {
    form: _stem(group[0]) for group in _WORD_GROUPS for form in group
}
_DIFFERENCE = _SYNONYM["diferenca"]
_POLAR_FORMS = cache_words.POLAR
_POLAR = frozenset(_SYNONYM.get(word, _stem(word)) for word in _POLAR_FORMS)
