"""Memory of one conversation, and how a follow-up question is understood with it."""

import json
import re
from pathlib import Path

from melancia.records import Turn
from melancia.text import fold, words

MAX_TURNS = 4
_REFERENCE = re.compile(
    r"^(e|mas|entao|ai|tambem|ok|certo)\b"
    r"|\b(isso|isto|disso|nisso|disto|esse|essa|esses|essas|este|esta|desse|dessa|nesse|nessa|aquilo|aquele"
    r"|aquela|ele|ela|eles|elas|dele|dela|deles|delas|nele|nela|la|o mesmo|a mesma|anterior|acima)\b"
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
    one content word. The result is a search text, not a sentence.
    """
    if not history:
        return question
    points_back = bool(_REFERENCE.search(fold(question).strip(" ?!.")))
    if not points_back and len(words(question)) > 1:
        return question
    previous = history[-1].standalone or history[-1].question
    return f"{question} {previous}"
