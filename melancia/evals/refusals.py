"""Does an answer refuse, and was that right? A refusal in a model's own words counts as one.

Definition: an answer refuses when a sentence of it says that the sources lack the answer, or that it will not
answer, and what is left answers nothing: pointers to what the base does cover, offers of help, advice to ask
elsewhere. Judged by what sentences say (patterns of Portuguese and English refusals), not by how long they
are.

``refusal_score``: range {0, 1}: 1 when the question was refused if and only if the base has no answer (as
abstention accuracy in SQuAD 2.0, Rajpurkar et al. 2018, doi:10.18653/v1/P18-2124).
"""

import re

from melancia.evals.numbers import numbers
from melancia.llms.extractive import NOT_FOUND
from melancia.text import fold, sentences

_MATERIAL = (
    r"(?:fontes?|bases?(?! (?:de (?:calculo|clientes|compradores|dados de)|legal|juridica)\b)"
    r"|documentos?|documentacao"
    r"|materia(?:l|is)|trechos?|passage(?:m|ns)|artigos?|conteudos?"
    r"|contexto|textos?|informac(?:ao|oes)|acervo|referencias?)"
)
_HOLDS = (
    r"(?:diz(?:em)?|trata(?:m|ndo)?|traz(?:em)?|informam?|cobrem?|abordam?|mencionam?|falam?|citam?|contem"
    r"|respondem?|explicam?|inclui|incluem|descrevem?|oferecem?|apresentam?|mostram?|tem|ha|existem?|constam?"
    r"|especificam?|detalham?|chegam?|entram?|da[o]? conta|aparecem?|est(?:a|ao)|permitem?|vao?|servem?)"
)
_ABLE = (
    r"(?:responder|orientar|ajudar|atender|afirmar|dizer|informar|indicar|recomendar|opinar|confirmar|arriscar"
    r"|cumprir|passar|seguir|fazer|obedecer|palpitar|chutar|inventar|revelar|mostrar|traduzir|compartilhar"
    r"|calcular|explicar|dar|assumir|mudar|ignorar|reproduzir|copiar|transcrever|repetir|imprimir|expor|exibir"
    r"|divulgar|fornecer|entregar|abandonar|sair)"
)
# A stretch of a clause: what says “not” and what it is about stand in one.
_GAP = r"[^.;!?]"
_REFUSALS = (
    r"\bnao (?:encontr|ach|localiz|identifiqu)(?:ei|o|amos)\b",
    r"\bnao consegui (?:encontrar|achar|localizar)\b",
    r"\bnada (?:encontrei|achei|sobre|a respeito|disso|consta|n[ao]s?)\b",
    rf"\b{_MATERIAL}\b{_GAP}{{0,90}}\b(?:nao|nem|nada|nenhuma?)\b{_GAP}{{0,25}}\b{_HOLDS}\b",
    rf"\b{_MATERIAL}\b{_GAP}{{0,60}}\b{_HOLDS}\b{_GAP}{{0,15}}\bnada\b",
    rf"\b(?:nenhuma?|nada)\b{_GAP}{{0,40}}\b{_MATERIAL}\b",
    rf"\b(?:nenhuma?|nada)\b(?: del[ae]s| disso)? {_HOLDS}\b",
    rf"\bnao {_HOLDS}\b{_GAP}{{0,40}}\b{_MATERIAL}\b",
    rf"\bnao (?:ha|existem?|tenho|temos|disponho|possuo|constam?|tem)\b{_GAP}{{0,50}}"
    rf"\b(?:{_MATERIAL}|dados?|resposta|nada|detalhes?|registros?|mencao)\b",
    rf"\bsem (?:nenhuma? |qualquer )?(?:{_MATERIAL}|dados?|resposta|mencao|esse dado|essa info)\b",
    rf"\b(?:fora d[aoe]|fogem? d[aoe]|escapam? (?:d[aoe]|a))\b{_GAP}{{0,40}}"
    rf"\b(?:escopo|alcance|assunto|tema|area|{_MATERIAL}|cobr\w+"
    r"|que (?:eu|as|os|minhas|meus|consulto|tenho|posso|sei))\b",
    rf"\bnao (?:posso|consigo|vou|devo|da para|tenho como|saberia|sei|me cabe|sou capaz de|quero)\s+"
    rf"(?:\w+ ){{0,2}}?{_ABLE}\b",
    r"\bnao (?:compartilho|revelo|mostro|divulgo|obedeco|assumo|mudo|dou|opino|respondo"
    r"|atendo|cubro|abordo|sigo|reproduzo|copio|transcrevo|repito|imprimo|exponho|exibo|forneco|entrego"
    r"|abandono|saio)\b",
    r"\bso (?:respondo|trato|falo|atendo|posso (?:responder|falar|tratar))\b",
    rf"\bnao (?:e|foi|seria) possivel (?:\w+ ){{0,2}}?{_ABLE}\b",
    r"\bnao (?:e|sao|foi|foram|esta|estao) (?:encontr|localiz|abord|cobert|mencion|trat|respond|document)\w*",
    r"\bnao (?:faz|fazem) parte\b|\beu nao (?:passo|sei|digo|falo|faco)\b|^\W*nao sei\b",
    r"\b(?:prefiro|opto por|melhor) nao\b",
    r"\b(?:fico|vou ficar|estou) devendo\b|\bseria (?:chute|palpite|adivinha|invenc)\w*",
    rf"\b(?:desculpe|lamento|infelizmente|sinto muito)\b{_GAP}{{0,60}}\b(?:nao|nada|nem)\b",
    rf"\b(?:could ?n[o']t|can ?not|can't|did ?n[o']t|do(?:es)? ?n[o']t|unable to)\b{_GAP}{{0,30}}"
    r"\b(?:find|answer|help|cover|contain|mention|provide)",
)
_REFUSES = re.compile("|".join(_REFUSALS))
_AROUND = re.compile(
    "|".join(
        (
            r"\b(?:posso|podemos) (?:te |lhe |o )?(?:ajudar|explicar|responder|falar)\b",
            r"\bestou a disposicao\b|\bconte comigo\b",
            r"\bse (?:a |sua |tua )?(?:duvida|pergunta|quiser|precisar|tiver|ajudar|for)\b",
            r"\b(?:consulte|procure|pergunte|fale|recomendo|sugiro|verifique|confira|veja|busque|o melhor"
            r"|vale (?:consultar|perguntar|ver|conferir|procurar)|mais seguro|tente|contate|acione)\b",
            rf"^\W*(?:o mais proximo|el[ae]s?|(?:[aeo]s?|minhas?|meus?|ess[ae]s?) {_MATERIAL})\b",
            rf"\b(?:sigo|continuo|mantenho)\b{_GAP}{{0,40}}\b(?:instrucoes|regras|papel|portugues)\b",
            rf"\b(?:assunto|questao|tema|pergunta|pedido|duvida)\b{_GAP}{{0,40}}\b(?:e|sao|fica|seria) "
            r"(?:de|um|uma|fora|sobre)\b",
        )
    )
)
_CONTRAST = re.compile(r",?\s+(?:mas|porem|entretanto|contudo|so que)\s+")
_LEFT = 0.4  # share of the words that may be something else still, if it holds no number
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s")
_START = fold(NOT_FOUND).rstrip(".")


def refuses(answer: str) -> bool:
    """Whether ``answer`` refuses. An empty answer says nothing: it does not."""
    plain = fold(answer).strip()
    if plain.lstrip(" *_\"'“").startswith(_START):
        return True
    if not plain:
        return False
    pieces = [piece for sentence in sentences(answer) for piece in _clauses(fold(sentence))]
    answering = [piece for piece in pieces if not _REFUSES.search(piece) and not _AROUND.search(piece)]
    if not any(_REFUSES.search(piece) for piece in pieces[:2]):
        return False
    left = " ".join(answering)
    said = sum(len(piece.split()) for piece in pieces)
    return not numbers(left) and len(left.split()) <= _LEFT * said


def refusal_score(answer: str, *, answerable: bool) -> float:
    """1 when ``answer`` refuses what cannot be answered, or answers what can; an empty one does neither."""
    if not answer.strip():
        return 0.0
    return float(refuses(answer) != answerable)


def _clauses(sentence: str) -> list[str]:
    if _ITEM.match(sentence):
        return []  # a list after a refusal names what the base does hold
    return [piece for piece in _CONTRAST.split(sentence) if piece.strip()]
