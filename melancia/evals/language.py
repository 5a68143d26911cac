"""Is an answer in Portuguese? Range [0, 1], 1: yes.

The probability of Portuguese among Portuguese, English and Spanish by py3langid (after Lui & Baldwin 2012,
aclanthology.org/P12-3005), doubled and cut at 1: what is likelier Portuguese than not is right. Only running
prose counts: acronyms, names, code, italics, quotations and numbers are the same in every language. A text
with hardly any prose says nothing, and is not wrong.
"""

import re
from functools import lru_cache
from typing import Any

_LANGUAGES = ["pt", "en", "es"]
_NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|(?<!\*)\*[^*\s][^*]*\*(?!\*)|\"[^\"]*\"|“[^”]*”|https?://\S+|\[[^\]]*\]", re.DOTALL
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ENOUGH = 3


def language(answer: str) -> float:
    """Whether ``answer`` is Portuguese; 0 for an empty one."""
    if not answer.strip():
        return 0.0
    prose = [word for word in _WORD.findall(_NOT_PROSE.sub(" ", answer)) if word.islower()]
    if len(prose) < _ENOUGH:
        return 1.0
    probabilities: dict[str, float] = dict(_identifier().rank(" ".join(prose)))
    return min(1.0, 2 * float(probabilities["pt"]))


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)
    return identifier
