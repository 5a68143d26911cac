"""Which language a text is in: Portuguese, English or Spanish, as far as its running prose says.

By py3langid (after Lui & Baldwin 2012, aclanthology.org/P12-3005), restricted like the metric of answers
(``evals.language``): names, acronyms and quotations are the same in every language.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

LANGUAGES = ("pt", "en", "es")
_NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\"[^\"]*\"|“[^”]*”|https?://\S+|\[[^\]]*\]", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# Of 900 Portuguese questions of data/, one is taken for another language with these, and 89 are left open; of
# 16 English and Spanish ones, each is told.
_ENOUGH = 3  # words
_SURE = 0.8  # probability
_CHARS = 300  # of an answer: more costs time and says the same


def languages(texts: Sequence[str]) -> list[str]:
    """ISO 639-1 of each text; "" for one that is too short, or could be either."""
    return [_language(text) for text in texts]


def _language(text: str) -> str:
    prose = [word for word in _WORD.findall(_NOT_PROSE.sub(" ", text[:_CHARS])) if word.islower()]
    if len(prose) < _ENOUGH:
        return ""
    name, probability = _identifier().classify(" ".join(prose))
    return str(name) if probability >= _SURE else ""


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier
