"""Which numbers follow from which: the sums that a text writes out, and those that it leaves to the reader.

Liberal arithmetic supports anything, so operands are few: those of the question, and of the same or the
neighbouring sentences. A written sum is checked as it stands, and a wrong one supports nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations, permutations

from melancia.evals.numbers import Number, folded, rounds_to

MAX_OPERANDS = 20
_TRIPLES = 8
_EXACT = 3  # significant digits that hardly agree by chance
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_OPERATOR = re.compile(
    r"^[a-z%²\s)(]{0,14}?([+×x*÷/:−–-]|\bvezes\b|\bdividid[oa]s? por\b)"
    r"(?:\s+[ao]s?\b)?[\s(]*(?:r\$|us\$)?\s*$"
)
_SPELT = {"vezes": "×"} | {f"dividid{ending} por": "÷" for ending in ("o", "a", "os", "as")}
_RESULT = re.compile(
    r"^[a-z%²\s)]{0,14}?"
    r"(?:[=≈→]|\b(?:da|dao|sao|resultam?(?: em)?|fica|igual a|vira|equivale a|chega a|chegamos a)\b)"
    r"[^\d;.]{0,24}$"
)


def written_sums(text: str, found: Sequence[Number]) -> dict[int, bool]:
    """Place in ``found`` of each result of a sum that ``text`` writes out → whether the sum is right."""
    plain = folded(text)
    results: dict[int, bool] = {}
    for start, end, operators in _chains(plain, found):
        if end + 1 < len(found) and _RESULT.match(plain[found[end].end : found[end + 1].start]):
            values = _worth(plain, found[start : end + 1], operators)
            if values:
                results[end + 1] = any(rounds_to(value, found[end + 1]) for value in values)
    return results


def written_values(text: str, found: Sequence[Number]) -> list[float]:
    """What each sum that ``text`` writes out, with a result or without, is worth."""
    plain = folded(text)
    return [
        value
        for start, end, operators in _chains(plain, found)
        for value in _worth(plain, found[start : end + 1], operators)
    ]


def _chains(plain: str, found: Sequence[Number]) -> Iterator[tuple[int, int, list[str]]]:
    """First and last place in ``found`` of each run of numbers with operators between, and these."""
    start = 0
    while start < len(found) - 1:
        operators: list[str] = []
        end = start
        while end + 1 < len(found):
            match = _OPERATOR.match(plain[found[end].end : found[end + 1].start])
            if not match:
                break
            operators.append(_SPELT.get(match[1], match[1]))
            end += 1
        if operators:
            yield start, end, operators
        start = max(end, start + 1)


def _worth(plain: str, chain: Sequence[Number], operators: Sequence[str]) -> list[float]:
    """Values of a chain, brackets first; none when its brackets do not pair."""
    depths, depth = [], 0
    before = plain[max(0, chain[0].start - 5) : chain[0].start]
    for number, after in zip(chain, [*chain[1:], None], strict=True):
        depth += before.count("(")
        depths.append(depth)
        before = plain[number.end : after.start if after else number.end + 2]
        depth -= before.count(")")
        before = before.replace(")", "")
    if min(depths) < 0 or (depth > 0 and depth != min(depths)):
        return []
    return _evaluations(_squared(plain, chain), operators, depths)


def derivable(shown: Number, operands: Iterable[Number], asked: Sequence[Number] = ()) -> bool:
    """Whether ``shown`` is a sum, difference, product, quotient or percentage of two of ``operands``, or a
    product or quotient of three numbers that were ``asked`` about.
    """
    operands = list(operands)
    if shown.unit == "date":
        return _date_follows(shown, operands)
    pool = list(dict.fromkeys((number.value, number.unit) for number in operands))[:MAX_OPERANDS]
    return any(rounds_to(value, shown) for value in _pairs(pool)) or any(
        rounds_to(value, shown) for value in _triples([(n.value, n.unit) for n in asked])
    )


def _pairs(pool: Sequence[tuple[Decimal, str]]) -> Iterator[float]:
    for (first, unit), (second, other) in combinations(pool, 2):
        a, b = float(first), float(second)
        if unit == other or not unit or not other:
            yield a + b
            yield abs(a - b)
        for x, y in {(x, y) for x in _values(a, unit) for y in _values(b, other)}:
            yield x * y
            if y:
                yield x / y
            if x:
                yield y / x
        if a and b and unit == other:
            yield (b - a) / a
            yield (a - b) / b
        for x, y, sign in ((a, b, other), (b, a, unit)):
            if sign == "%":
                yield x * (1 + y / 100)
                yield x * (1 - y / 100)
                if y < 100:
                    yield x / (1 - y / 100)
    for value, unit in pool:
        yield from _alone(value, unit)


def _alone(value: Decimal, unit: str) -> Iterator[float]:
    if unit == "%":
        yield 1 - float(value) / 100
    if value:
        yield 1 / float(value)
    if 0 < value < 1:
        yield 1 - float(value)
    if _digits(value) >= _EXACT:
        yield 2 * float(value)  # “in both groups”


def _digits(value: Decimal) -> int:
    """How many significant digits."""
    return len(value.normalize().as_tuple().digits)


def _triples(pool: Sequence[tuple[Decimal, str]]) -> Iterator[float]:
    for triple in permutations(pool[:_TRIPLES], 3):
        a, b, c = (float(value) / (100 if unit == "%" else 1) for value, unit in triple)
        yield a * b * c
        if c:
            yield a * b / c
            if b:
                yield a / b / c
            yield (a - b) / c
        yield a * b - c


def _squared(plain: str, chain: Sequence[Number]) -> list[Number]:
    return [
        replace(number, value=number.value**2) if plain[number.end : number.end + 1] == "²" else number
        for number in chain
    ]


def _values(value: float, unit: str) -> tuple[float, ...]:
    return (value / 100,) if unit == "%" else (value,)


def _evaluations(chain: Sequence[Number], operators: Sequence[str], depths: Sequence[int]) -> list[float]:
    percent = [float(n.value) / 100 if n.unit == "%" else float(n.value) for n in chain]
    plain = [float(n.value) for n in chain]
    found = [_nested(values, operators, depths) for values in (percent, plain)]
    return [value for value in found if value is not None]


def _nested(values: Sequence[float], operators: Sequence[str], depths: Sequence[int]) -> float | None:
    """Value of a chain of which each number stands in as many brackets as ``depths`` says."""
    low = min(depths)
    inner = [place for place, depth in enumerate(depths) if depth > low]
    if not inner:
        return _evaluate(values, operators)
    start = end = inner[0]
    while end + 1 < len(depths) and depths[end + 1] > low:
        end += 1
    value = _nested(values[start : end + 1], operators[start:end], depths[start : end + 1])
    if value is None:
        return None
    return _nested(
        [*values[:start], value, *values[end + 1 :]],
        [*operators[:start], *operators[end:]],
        [*depths[:start], low, *depths[end + 1 :]],
    )


def _evaluate(values: Sequence[float], operators: Sequence[str]) -> float | None:
    terms = [values[0]]
    for operator, value in zip(operators, values[1:], strict=True):
        if operator in "×x*":
            terms[-1] *= value
        elif operator in "÷/:":
            if not value:
                return None
            terms[-1] /= value
        else:
            terms.append(value if operator == "+" else -value)
    return sum(terms)


def _date_follows(shown: Number, operands: Sequence[Number]) -> bool:
    """Whether another date lies as many days off as one of the numbers says."""
    day = _day(shown)
    gaps = {abs(day - _day(other)) for other in operands if other.unit == "date"} - {0}
    return any(other.value in gaps for other in operands if other.unit in ("", "d"))


def _day(number: Number) -> int:
    month, day = divmod(int(number.value), 100)
    return _DAYS_BEFORE[month - 1] + day
