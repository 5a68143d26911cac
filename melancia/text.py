"""Portuguese text: normalisation, tokens for lexical search, sentences, citations. Pure functions."""

import re
import unicodedata
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"[0-9a-z]+(?:[.,][0-9]+)*")
_STOPWORDS = frozenset(
    """a ao aos aquela aquelas aquele aqueles aquilo as ate com como da das de dela delas dele deles depois do
    dos e ela elas ele eles em entre era essa essas esse esses esta estas este estes eu foi for foram ha isso
    isto ja la lhe lhes mais mas me mesmo meu meus minha minhas muito na nas nem no nos nossa nosso num numa o
    os ou para pela pelas pelo pelos por pra pro qual quais quando que quem se sem ser seu seus so sua suas
    tambem te tem tenho ter um uma umas uns voce voces vou onde porque sobre ai vai pode posso fica ficar
    sao estou esta seria sera devo deve faz fazer faco tipo assim entao""".split()
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:ex|etc|Sr|Sra|Dr|Dra|Ltda|S\.A|R|art|n|nº|pág|p|aprox|vs|máx|mín)|\b[A-Z])\.$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”)]*\s+(?=[\"“(]?[A-ZÀ-Ü0-9])|\n{2,}|\n(?=\s*(?:[-*|]|\d+\.\s))")

# “[1]”, “[1, 2 e 5]”, “[1-3]”, “[Fonte 2]”, “[fontes 1 e 3]”, but no link. Without groups and with its own
# flags, so that it can be part of another pattern.
_RANK = r"(?:fontes?\s+)?\d{1,3}"
CITATION = re.compile(rf"(?i:\[\s*{_RANK}(?:(?:\s*[,;]\s*(?:e\s+)?|\s+e\s+|\s*[-–]\s*){_RANK})*\s*\](?!\())")
_RANKS = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")
_WIDEST = 20  # ranks that one range may cite: “[1-999]” names its ends, not a thousand sources


def normalise(text: str) -> str:
    """NFC, without NUL and with runs of white space collapsed."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\x00", " ").split())


def decimal(number: float, places: int = 1) -> str:
    """A number with a decimal comma."""
    return f"{number:.{places}f}".replace(".", ",")


def gigabytes(count: float) -> str:
    """Bytes in GB, as shops count them."""
    return f"{decimal(count / 1e9)} GB"


def pull_progress(completed: int, total: int) -> str:
    """How far a download is: “43 % (2,0 de 4,7 GB)”."""
    if total <= 0:
        return "começando"
    return f"{int(100 * completed / total)} % ({decimal(completed / 1e9)} de {gigabytes(total)})"


def placement(gpu_share: float | None, tokens_per_second: float | None) -> str:
    """Where a model runs and how fast: “100 % na GPU, 42,0 tokens/s”; "" when neither is known."""
    parts = []
    if gpu_share is not None:
        # A little short of the whole must not read as the whole.
        share = min(99, round(100 * gpu_share)) if gpu_share < 1 else 100
        parts.append(f"{share} % na GPU" if share else "CPU")
    if tokens_per_second is not None:
        parts.append(f"{decimal(tokens_per_second)} tokens/s")
    return ", ".join(parts)


def fold(text: str) -> str:
    """Lower case without accents: the form in which words are compared."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("portuguese")


def words(text: str) -> list[str]:
    """Folded content words in order, stopwords left out."""
    return [word for word in _WORD.findall(fold(text)) if word not in _STOPWORDS]


def stems(text: str) -> list[str]:
    """Stemmed content words. Accents go *before* stemming, so that "anuncio" and "anúncio" meet."""
    return [str(stem) for stem in _stemmer().stemWords(words(text))]


def char_ngrams(text: str, n: int = 4) -> list[str]:
    """Character ``n``-grams of each padded content word: what survives a typing error."""
    grams: list[str] = []
    for word in words(text):
        padded = f"_{word}_"
        grams.extend(padded[i : i + n] for i in range(max(1, len(padded) - n + 1)))
    return grams


def sentences(text: str) -> list[str]:
    """Sentences, list items and table rows of ``text``; Portuguese abbreviations do not end one."""
    found: list[str] = []
    for raw in _SENTENCE_END.split(text):
        piece = raw.strip()
        if not piece:
            continue
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
    return found


def cited(text: str) -> list[int]:
    """The ranks of all citations in ``text`` in order, repeated ones too; a range stands for all within."""
    return [rank for match in CITATION.finditer(text) for rank in _ranks(match[0])]


def _ranks(citation: str) -> list[int]:
    found: list[int] = []
    for first, last in _RANKS.findall(citation):
        start, end = int(first), int(last or first)
        if start <= end < start + _WIDEST:
            found.extend(range(start, end + 1))
        else:
            found.extend((start, end))
    return found
