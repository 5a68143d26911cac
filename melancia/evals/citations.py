"""Do the citations hold? Precision and recall in the sense of ALCE (Gao et al. 2023, arXiv:2305.14627). Pure.

``precision``: mean support (see ``statements``) of each citing sentence by the source that it cites; a
citation that was invented counts 0. None when nothing is cited. ``recall``: share of the sentences that say
something that cite a source; where the gold documents are known and one was given, its mean with whether one
of them is cited. Both in [0, 1]. ALCE asks an entailment model; word support stands in for it.
"""

from collections.abc import Sequence

from melancia.evals.case import Case
from melancia.evals.sources import Evidence, Sentence
from melancia.evals.statements import support


def precision(answer: Sequence[Sentence], given: Evidence, case: Case) -> float | None:
    """Whether what is cited supports what it is cited for."""
    found = [
        support(sentence, given, rank) if 1 <= rank <= len(case.sources) else 0.0
        for sentence in answer
        for rank in sentence.citations
    ]
    found.extend([0.0] * case.invented_citations)
    return sum(found) / len(found) if found else None


def recall(answer: Sequence[Sentence], case: Case) -> float:
    """Whether what is said is cited, and the right documents are."""
    telling = [sentence for sentence in answer if sentence.telling]
    valid = range(1, len(case.sources) + 1)
    citing = [any(rank in valid for rank in sentence.citations) for sentence in telling]
    share = sum(citing) / len(citing) if citing else 0.0
    given = {source.document_id for source in case.sources} & set(case.gold)
    if not given:
        return share
    cited = {
        case.sources[rank - 1].document_id
        for sentence in answer
        for rank in sentence.citations
        if rank in valid
    }
    return (share + float(bool(cited & given))) / 2
