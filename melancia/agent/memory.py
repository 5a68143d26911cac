"""Memory of one conversation, and how a follow-up question is understood with it."""

import json
import re
from pathlib import Path

from melancia.records import Turn
from melancia.text import fold, normalise, words

MAX_TURNS = 4
_ASKING = frozenset("oq quanto quanta quantos quantas".split())  # no content, though no stopwords
_ENOUGH = 6  # content words before a pointing word: what it points to is most likely among them
# “É” and “está” would fold into words that point. What stands for them is no word, but takes their place.
_VERB = re.compile(r"\b(?:é|está)\b", re.IGNORECASE)
_BEGINS = re.compile(
    # “e” without accent may still be “é”, and begins “e-commerce”.
    r"^(?:e(?!-| (?:melhor|possivel|normal|crime|(?:obrigatori|permitid|proibid|necessari)[ao])\b)"
    r"|mas|entao|ai|tambem|ok|certo)\b"
)
_NOW = r"(?! (?:ano|mes|semana)\b)"  # “este mês” is a date
_POINTS = re.compile(
    r"\b(?:[dn]?isso|[dn]?isto|[dn]?esses|[dn]?essas|aquilo|[dn]?eles?|[dn]?elas?|la"
    # “esse tal de DSP” names what it points to.
    rf"|[dn]?ess[ae]{_NOW}(?! (?:(?:tal|negocio|historia|papo) )?de\b)|[dn]?este{_NOW}"
    # “esta” without accent may still be “está”.
    rf"|(?<!como )(?<!que )(?<!nao )[dn]?esta{_NOW}"
    r"(?! (?:\w+ndo|\w+[ai]d[ao]|sem|com|em|n[ao]|muito|bem|mais|menos|tao"
    r"|(?:alt|baix|car|barat|ativ)[ao])\b)"
    r"|aquel[ae](?! \w+ (?:que|d[aeo]s?)\b)"
    # “A é a mesma coisa que B” and “A e B são a mesma coisa” say what is the same.
    r"|(?<!sao )[ao] mesm[ao](?! (?:\w+ )?(?:que|em (?:tod|du|doi|vari)\w+)\b)"
    r"|(?<!ano )(?<!mes )(?<!semana )anterior|acima(?! d[aeo]s?\b))\b"
)
# “O que é DSP?” has one content word, and is whole.
_DEFINES = re.compile(
    r"^o ?q(?:ue)? (?:_|e|sao|significa)"
    r" (?!que\b|melhor|pior|possivel|(?:precis|necessari|obrigatori|permitid|proibid)[ao]\b)"
)


class ConversationMemory:
    """The turns of one conversation in a JSON Lines file (never pickled), oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def turns(self, limit: int = MAX_TURNS) -> list[Turn]:
        """The last ``limit`` turns."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()[-limit:]
        return [Turn(**json.loads(line)) for line in lines]

    def append(self, turn: Turn) -> None:
        """Add a turn at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        values = {"question": turn.question, "answer": turn.answer, "standalone": turn.standalone}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def clear(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)


def get_memory(history_file: str | Path) -> ConversationMemory:
    """The memory kept in ``history_file``, as the user's guide calls it."""
    return ConversationMemory(Path(history_file))


def standalone(question: str, history: list[Turn]) -> str:
    """``question`` with what it refers to: the last question's subject is put beside a follow-up.

    A question is a follow-up when it points back ("isso", "ele", "e no Mercado Livre?") or has at most
    one content word and defines none. Late in a long question, a word that points does so within it. The
    result is a search text, not a sentence.
    """
    if not history or not _follows(question):
        return question
    previous = history[-1].standalone or history[-1].question
    return f"{question} {previous}"


def _follows(question: str) -> bool:
    plain = fold(_VERB.sub("_", normalise(question))).strip(" ?!.")
    if _BEGINS.search(plain):
        return True
    if points := _POINTS.search(plain):
        return len(words(plain[: points.start()])) < _ENOUGH
    count = sum(word not in _ASKING for word in words(plain))
    return count == 0 or (count == 1 and not _DEFINES.search(plain))
