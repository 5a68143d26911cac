"""Words of Portuguese that say the contrary of each other, and words that negate. Data, and one look-up."""

from functools import lru_cache

from melancia.text import fold, stems

NEGATIONS = frozenset("nao nunca nem jamais tampouco nenhum nenhuma ninguem nada".split())
WITHOUT = "sem"
_PAIRS = """
aumentar reduzir; aumentar diminuir; aumenta diminui; aumento reducao; aumento queda; aumentar baixar
elevar reduzir; eleva reduz; elevar baixar; subir cair; subir descer; sobe cai; sobe desce; subiu caiu
subir baixar; crescer cair; cresce cai; crescimento queda; crescer encolher; reduzir subir; ampliar reduzir
ampliar restringir; expandir reduzir; maior menor; maiores menores; mais menos; alto baixo; alta baixa
altos baixos; altas baixas; acima abaixo; superior inferior; maximo minimo; maxima minima; teto piso
muito pouco; muitos poucos; muita pouca; muitas poucas; antes depois; antes apos; sempre nunca; todos nenhum
inicio fim; comecar terminar; comeca termina; primeiro ultimo; primeira ultima; novo antigo; novos antigos
curto longo; curta longa; rapido lento; rapida lenta; depressa devagar; cedo tarde; antecipar adiar
incluir excluir; inclua exclua; inclui exclui; incluindo excluindo; dentro fora; interno externo
entrar sair; entra sai; adicionar remover; adicione remova; manter retirar; colocar tirar; manter mudar
mantem muda; abrir fechar; abre fecha; ativar pausar; ativar desativar; ative pause; ativa desativa
ligar desligar; ligue desligue; iniciar encerrar; continuar parar; acelerar frear
separar juntar; separe junte
concentrar dividir; concentrar espalhar; soma subtrai; somar subtrair; multiplicar dividir
multiplicado dividido; numerador denominador; bruto liquido; bruta liquida; fixo variavel; fixa variavel
total parcial; direto indireto; direta indireta; automatico manual; automatica manual; publico privado
melhor pior; melhores piores; melhorar piorar; melhora piora; ganhar perder; ganha perde; ganho perda
ganhas perdidas; lucro prejuizo; positivo negativo; positiva negativa; favoravel desfavoravel
vantagem desvantagem; vantajoso desvantajoso; barato caro; barata cara; gratis pago; gratuito pago
gratuita paga; comprar vender; comprador vendedor; pagar receber; paga recebe; igual diferente
iguais diferentes; mesmo diferente; mesma diferente; principal secundario; principal secundaria
permitir proibir; permite proibe; permitido proibido; permitida proibida; permitir impedir; permite impede
aceitar recusar; aceita recusa; aprovar reprovar; aprovado reprovado; obrigatorio opcional
obrigatoria opcional; obrigatorio facultativo; exigir dispensar; exige dispensa; necessario desnecessario
precisa dispensa; recomendar desaconselhar; usar evitar; use evite; recomendado evitado; ajudar atrapalhar
ajuda atrapalha; compensa prejudica; favorece prejudica; facil dificil; forte fraco; suficiente insuficiente
previsivel imprevisivel; regular irregular; certo errado; correto incorreto; valido invalido
verdadeiro falso; possivel impossivel; confiavel enganoso; funciona engana; conta ignora; considera ignora
separado junto; visivel oculto; mostra esconde; mostrar esconder; aparece some; disponivel indisponivel
limitado ilimitado; apto inapto; quente frio; cheio vazio; perto longe; proximo distante; raro frequente
raramente frequentemente; apertar afrouxar; apertada frouxa; endemico generico; amplo restrito; ampla exata
"""


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Stem of a folded word; of a stopword, the word itself (“mais”, “depois” have opposites too)."""
    found = stems(word)
    return found[0] if found else word


@lru_cache(maxsize=1)
def _table() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for pair in fold(_PAIRS).replace("\n", ";").split(";"):
        if pair.strip():
            first, second = (stem(word) for word in pair.split())
            table.setdefault(first, set()).add(second)
            table.setdefault(second, set()).add(first)
    return {word: frozenset(others - {word}) for word, others in table.items()}


def opposites(stemmed: str) -> frozenset[str]:
    """Stems that say the contrary of ``stemmed``."""
    return _table().get(stemmed, frozenset())


def has_opposite(word: str) -> bool:
    """Whether a folded word has a contrary."""
    return stem(word) in _table()
