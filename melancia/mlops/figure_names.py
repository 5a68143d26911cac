"""What each watched figure is called in Portuguese, and its unit. Light, since the page's image reads it.

A kept figure's name (``naming.drift_figure``) begins with one of ``FIGURES``. One that is not listed is shown
as it is, so that a report of another version can still be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

QUESTIONS, ANSWERS, RETRIEVAL = "Perguntas", "Respostas", "Busca na base"
SERVICE, FEEDBACK, OTHER = "Serviço", "Avaliações", "Outras medidas"
ALONE = "sem outra parecida"  # instead of the name of a group of unanswered questions
GROUPS = (QUESTIONS, ANSWERS, RETRIEVAL, SERVICE, FEEDBACK, OTHER)


@dataclass(frozen=True, slots=True)
class Figure:
    """``unit``: "share" and "score" in [0, 1], "s", "US$", "characters", "tokens", "" (a count), "moved" (how
    much of a mixture is elsewhere than before, in [0, 1]), "none" (its number means nothing by itself).

    ``worse`` is the direction in which things get worse: 1 up, -1 down, 0 neither.
    """

    title: str
    group: str
    unit: str = "share"
    worse: int = 0


FIGURES: Mapping[str, Figure] = {
    "question_length": Figure("tamanho das perguntas", QUESTIONS, "characters"),
    "question_language": Figure("idioma das perguntas", QUESTIONS, "moved"),
    "question_embedding": Figure("sentido das perguntas", QUESTIONS, "score"),
    "topic_mix": Figure("assuntos das perguntas", QUESTIONS, "moved"),
    "topic_new": Figure("assunto novo", QUESTIONS),
    "out_of_scope": Figure("perguntas fora do escopo", QUESTIONS, worse=1),
    "unanswered": Figure("perguntas sem resposta na base", QUESTIONS, worse=1),
    "answer_length": Figure("tamanho das respostas", ANSWERS, "characters"),
    "answer_language": Figure("idioma das respostas", ANSWERS, "moved"),
    "groundedness": Figure("fundamentação das respostas", ANSWERS, "score", worse=-1),
    "refused": Figure("recusas", ANSWERS, worse=1),
    "citation_valid": Figure("respostas com citações válidas", ANSWERS, worse=-1),
    "top_score": Figure("pontuação do melhor trecho", RETRIEVAL, "score", worse=-1),
    "documents_never": Figure("documentos nunca recuperados", RETRIEVAL, worse=1),
    "document_silent": Figure("documentos que silenciaram", RETRIEVAL, "", worse=1),
    "document_dominance": Figure("documentos que dominam", RETRIEVAL, worse=1),
    "model_mix": Figure("modelos que respondem", SERVICE, "moved"),
    "model_replaced": Figure("modelo trocado sem aviso", SERVICE, "none"),
    "latency": Figure("tempo de resposta", SERVICE, "s", worse=1),
    "time_to_first_token": Figure("tempo até o primeiro token", SERVICE, "s", worse=1),
    "tokens": Figure("tokens por resposta", SERVICE, "tokens", worse=1),
    "cost": Figure("custo por resposta", SERVICE, "US$", worse=1),
    "failed": Figure("falhas", SERVICE, worse=1),
    "fell_back": Figure("respostas da reserva", SERVICE, worse=1),
    "cached": Figure("respostas reaproveitadas", SERVICE, worse=-1),
    "rated": Figure("respostas avaliadas", FEEDBACK, worse=-1),
    "thumbs_down": Figure("polegares para baixo", FEEDBACK, worse=1),
}
_PLACES = {name: place for place, name in enumerate(FIGURES)}


def split(name: str) -> tuple[str, str]:
    """A kept figure's name as the figure and whose it is: an arm, a topic, both; "" is everybody's."""
    own, _, whose = name.partition(".")
    return own, whose


def figure(name: str) -> Figure:
    """What is known of a figure; an unknown one is called as it is written, with a plain number."""
    return FIGURES.get(name) or Figure(name.replace("_", " ").replace(":", ": "), OTHER, "score")


def place(name: str) -> tuple[int, int, str]:
    """What to sort figures by: the groups in their order, and in a group as listed here."""
    return GROUPS.index(figure(name).group), _PLACES.get(name, len(_PLACES)), name
