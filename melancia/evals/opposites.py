"""Words of Portuguese that say the contrary of each other, and words that negate. Data, and one look-up.

In ``_GROUPS``, every word left of a bar is a contrary of every word right of it; a verb stands for its forms
that share its stem, and irregular forms stand beside it. A prefix of negation makes a contrary of any word.
"""

from functools import lru_cache

from melancia.text import fold, stems

NEGATIONS = frozenset("nao nunca nem jamais tampouco ninguem nada".split())
"""What negates the words after it."""
NEXT_ONLY = frozenset("sem nenhum nenhuma".split())
"""What negates the next content word alone."""
_PREFIXES = ("des", "in", "im", "ir")
_MIN_STEM = 5  # “contar” and “descontar” are no contraries; short stems are left alone
_GROUPS = """
aumentar aumento elevar eleva subir sobe crescer cresce crescimento ampliar expandir encarecer
    | reduzir reducao diminuir baixar cair cai queda descer desce encolher cortar baratear;
mais maior maiores acima superior superar ultrapassar exceder excede | menos menor menores abaixo inferior;
alto alta altos altas elevado elevada | baixo baixa baixos baixas reduzido reduzida;
maximo maxima teto | minimo minima piso;
muito muita muitos muitas bastante | pouco pouca poucos poucas;
antes antecipar | depois apos adiar;
sempre | nunca raramente;
todos todas ambos ambas | nenhum nenhuma;
apenas somente unico unica exclusivo exclusiva | tambem varios varias diversos diversas;
inicio comeco comecar iniciar abrir abre | fim final terminar encerrar fechar;
primeiro primeira primeiros primeiras | ultimo ultima ultimos ultimas;
novo nova novos novas recente | antigo antiga antigos antigas velho velha;
curto curta encurtar | longo longa alongar prolongar;
rapido rapida depressa acelerar | lento lenta devagar frear;
frente | tras; cedo | tarde; adiantar antecipar | atrasar adiar;
incluir inclui inclua entrar entra dentro adicionar somar acrescentar
    | excluir exclui exclua sair sai fora remover descontar subtrair subtrai;
interno interna | externo externa;
manter mantem mantenha conservar continuar continue seguir segue
    | retirar mudar trocar parar encerrar interromper suspender pausar;
ativar ligar ligue reativar | desativar desligar desligue pausar;
separar dividir isolar espalhar | juntar misturar agrupar concentrar unir;
multiplicar | dividir; numerador | denominador; crescente | decrescente; entrada | saida; origem | destino;
bruto bruta | liquido liquida; fixo fixa | variavel variaveis; direto direta | indireto indireta;
total totais inteiro inteira completo completa | parcial parciais;
automatico automatica | manual manuais;
publico publica aberto aberta | privado privada fechado fechada;
melhor melhores melhorar favorecer beneficiar ajudar vantagem vantajoso diferencial positivo positiva
    favoravel | pior piores piorar prejudicar atrapalhar desvantagem negativo negativa desfavoravel;
ganhar ganho lucro lucrar | perder perde perda prejuizo;
barato barata | caro cara; gratis gratuito gratuita | pago paga;
igual iguais identico semelhante parecido | diferente diferentes distinto distinta;
principal | secundario secundaria;
permitir autorizar liberar aceitar aprovar | proibir impedir vetar bloquear recusar rejeitar reprovar;
obrigatorio obrigatoria exigir necessario necessaria precisar indispensavel
    | opcional facultativo facultativa dispensar dispensavel desnecessario;
recomendar recomendavel usar aproveitar convem preferir | evitar desaconselhar;
facil simples | dificil complexo complicado;
forte | fraco fraca;
certo certa correto correta verdadeiro verdadeira acertar | errado errada falso falsa errar engano;
confiavel seguro segura garantido | enganoso arriscado duvidoso;
mostrar exibir aparecer aparece revelar visivel | esconder sumir some ocultar desaparecer;
considerar contar reconhecer enxergar | ignorar desconsiderar descartar;
lembrar | esquecer; quente | frio; cheio cheia | vazio vazia; perto proximo proxima | longe distante;
raro rara raramente | frequente frequentes frequentemente;
apertar restringir restrito restrita limitar | afrouxar frouxa alargar amplo ampla;
generico generica geral amplo ampla | exato exata especifico especifica;
sucesso acerto | fracasso falha; presente presenca | ausente ausencia; causa | efeito consequencia;
existir existe sobrar | faltar; bastar suficiente | insuficiente; confirmar | negar desmentir;
compensar | desperdicar; atrair atrai | afastar
"""


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Stem of a folded word; of a stopword, the word itself (“mais”, “depois” have opposites too)."""
    found = stems(word)
    return found[0] if found else word


@lru_cache(maxsize=1)
def _table() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for group in fold(_GROUPS).split(";"):
        left, right = ({stem(word) for word in side.split()} for side in group.split("|"))
        for words, others in ((left, right), (right, left)):
            for word in words:
                table.setdefault(word, set()).update(others - {word})
    return {word: frozenset(others) for word, others in table.items()}


@lru_cache(maxsize=20_000)
def opposites(stemmed: str) -> frozenset[str]:
    """Stems that say the contrary of ``stemmed``."""
    found = set(_table().get(stemmed, ()))
    if len(stemmed) >= _MIN_STEM:
        found.update(prefix + stemmed for prefix in _PREFIXES)
    for prefix in _PREFIXES:
        rest = stemmed.removeprefix(prefix)
        if rest != stemmed and len(rest) >= _MIN_STEM:
            found.add(rest)
    return frozenset(found)


def has_opposite(word: str) -> bool:
    """Whether a folded word has a contrary in the list."""
    return stem(word) in _table()
