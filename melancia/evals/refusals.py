"""Does an answer refuse, and was that right? A refusal in a model's own words counts as one.

Definition: an answer refuses when a sentence of it says that the sources lack the answer, or that it will not
answer, and what is left answers nothing: pointers to what the base does cover, offers of help, advice to ask
elsewhere. An amount or a citation beside it answers something. Judged by what sentences say (patterns of
Portuguese and English refusals), not by how long they are.

``refusal_score``: range {0, 1}: 1 when the question was refused if and only if the base has no answer (as
abstention accuracy in SQuAD 2.0, Rajpurkar et al. 2018, doi:10.18653/v1/P18-2124).
"""

import re

from melancia.evals.numbers import numbers
from melancia.llms.extractive import NOT_FOUND
from melancia.text import CITATION, fold, sentences

_MATERIAL = (
    r"(?:fontes?|bases?(?! (?:de (?:calculo|clientes|compradores|dados de)|legal|juridica)\b)"
    r"|documentos?|documentacao"
    r"|materia(?:l|is)|trechos?|passage(?:m|ns)|artigos?|conteudos?"
    r"|contexto|textos?|informac(?:ao|oes)|acervo|referencias?)"
    r"(?! d[aeo]s? (?:anuncio|campanha|cliente|item|loja|pagina|pedido|produto|titulo|vendedor)s?\b)"
)
_HOLDS = (
    r"(?:(?:diz|trat|traz|inform|cobr|abord|mencion|fal|cit|respond|explic|inclu|descrev|oferec|apresent"
    r"|mostr|constam?|especific|detalh|cheg|entr|aparec|permit|serv|ensin|indic)[a-z]{0,4}"
    r"|contem|tem|ha|existem?|da[o]? conta|est(?:a|ao)|vao?)"
)
_ABLE = (
    r"(?:responder|orientar|ajudar|atender|afirmar|dizer|informar|indicar|recomendar|opinar|confirmar|arriscar"
    r"|cumprir|passar|seguir|fazer|obedecer|palpitar|chutar|inventar|revelar|mostrar|traduzir|compartilhar"
    r"|calcular|explicar|dar|assumir|mudar|ignorar|reproduzir|copiar|transcrever|repetir|imprimir|expor|exibir"
    r"|divulgar|fornecer|entregar|abandonar|sair|saber)"
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
    rf"\bnao (?:ha|existem?|tenho|teria|temos|disponho|possuo|constam?|tem)\b{_GAP}{{0,50}}"
    rf"\b(?:{_MATERIAL}|dados?|resposta|nada|detalhes?|registros?|mencao)\b",
    rf"\bsem (?:nenhuma? |qualquer )?(?:{_MATERIAL}|resposta|mencao|esse dado|essa info)\b",
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
    r"(?:^\W*|\beu )nao (?!como|quando|pelo|tanto|isso|muito|pouco|todo|mesmo|outro|segundo|preciso|claro)"
    r"(?:[a-z]{2,}[^d]o|vou)\b",
    rf"\b{_MATERIAL}\b (?:silenciam?|calam?|param?|terminam?)\b",
    rf"\bfalt(?:a|am)\b{_GAP}{{0,30}}\b{_MATERIAL}\b|^\W*desconheco\b|\bpedido (?:recusado|negado)\b",
    rf"\bnada (?:do|d[eo]) que\b{_GAP}{{0,30}}\b{_HOLDS}\b",
    rf"\b(?:sigo|sigamos|continu[oa]r?|mantenho|limito)\b{_GAP}{{0,40}}"
    r"\b(?:instrucoes|regras|papel|portugues|tema|retail media)\b|\bminha (?:funcao|tarefa|area)\b",
    r"\bnao e (?:algo que|comigo|assunto|tema)\b",
    r"\b(?:prefiro|opto por|melhor) nao\b",
    r"\b(?:fico|vou ficar|estou) devendo\b|\bseria (?:chute|palpite|adivinha|invenc)\w*",
    rf"\b(?:desculpe|lamento|infelizmente|sinto muito)\b{_GAP}{{0,60}}\b(?:nao|nada|nem)\b{_GAP}{{0,15}}"
    rf"\b(?:{_ABLE}|{_HOLDS}|[a-z]{{2,}}o|encontr\w+|localiz\w+|ach\w+)\b",
    rf"\b(?:could ?n[o']t|can ?not|can't|did ?n[o']t|do(?:es)? ?n[o']t|unable to)\b{_GAP}{{0,30}}"
    r"\b(?:find|answer|help|cover|contain|mention|provide)",
)
_REFUSES = re.compile("|".join(_REFUSALS))
_AROUND = re.compile(
    "|".join(
        (
            rf"\b(?:posso|podemos|consigo|da para|e possivel)\b{_GAP}{{0,25}}"
            r"\b(?:ajudar|explicar|responder|falar|orientar|mostrar)\b",
            r"\bestou a disposicao\b|\bconte comigo\b",
            r"\bse (?:a |sua |tua )?(?:duvida|pergunta|quiser|precisar|tiver|ajudar|for)\b",
            r"\bmelhor (?:buscar|procurar|perguntar|consultar|ver)\b"
            r"|\b(?:consulte|procure|pergunte|fale|recomendo|sugiro|verifique|confira|veja|busque|o melhor"
            r"|vale (?:consultar|perguntar|ver|conferir|procurar)|mais seguro|tente|contate|acione)\b",
            rf"^\W*(?:o (?:\w+ )?mais proximo|o que (?:[ao]s? )?{_MATERIAL}|el[ae]s?"
            rf"|(?:[aeo]s?|minhas?|meus?|ess[ae]s?) {_MATERIAL})\b",
            r"\b(?:sigo|continuo|mantenho|faco)\b",
            rf"\b(?:assunto|questao|tema|pergunta|pedido|duvida)\b{_GAP}{{0,40}}\b(?:e|sao|fica|seria) "
            r"(?:de|um|uma|fora|sobre)\b",
        )
    )
)
_CONTRAST = re.compile(r",?\s+(?:mas|porem|entretanto|contudo|so que)\s+")
_LEFT = 0.4  # share of the words that may be something else still, if it holds neither amount nor citation
_SUBJECT = re.compile(rf"\b{_MATERIAL}\b")
_BARE = "as fontes "  # the subject of a clause that has lost it: “as fontes tratam de A, mas não de B”
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s")
_START = fold(NOT_FOUND).rstrip(".")


def refuses(answer: str) -> bool:
    """Whether ``answer`` refuses. An empty answer says nothing: it does not."""
    plain = fold(answer).strip()
    if plain.lstrip(" *_\"'“").startswith(_START):
        return True
    if not plain:
        return False
    pieces = _pieces(answer)
    answering = [piece for piece in pieces if not _REFUSES.search(piece) and not _AROUND.search(piece)]
    if not any(_REFUSES.search(piece) for piece in pieces[:2]):
        return False
    left = " ".join(answering)
    said = sum(len(piece.split()) for piece in pieces)
    told = " ".join(piece for piece in pieces if not _REFUSES.search(piece))
    measured = any(number.unit for number in numbers(told))
    return not measured and not CITATION.search(left) and len(left.split()) <= _LEFT * said


def admits(answer: str) -> bool:
    """Whether any clause of ``answer`` says that the sources lack it, or that it will not answer."""
    return any(_REFUSES.search(piece) for piece in _pieces(answer))


def refusal_score(answer: str, *, answerable: bool) -> float:
    """1 when ``answer`` refuses what cannot be answered, or answers what can; an empty one does neither."""
    if not answer.strip():
        return 0.0
    return float(refuses(answer) != answerable)


def _pieces(answer: str) -> list[str]:
    return [piece for sentence in sentences(answer) for piece in _clauses(fold(sentence))]


def _clauses(sentence: str) -> list[str]:
    if _ITEM.match(sentence):
        return []  # a list after a refusal names what the base does hold
    pieces = [piece for piece in _CONTRAST.split(sentence) if piece.strip()]
    if len(pieces) > 1 and _SUBJECT.search(pieces[0]):
        pieces[1:] = [f"{_BARE}{piece}" if piece.startswith("nao ") else piece for piece in pieces[1:]]
    return pieces
