"""The vocabulary of the cache's guard: names, metrics, periods and words that say the same. Data, folded.

Each line is a group (one that ends in “;” goes on): its first form stands for all. Forms may have several
words. What is missing here costs
a hit, never a wrong one, so only words that mean the same in *any* question of a seller belong in a group.
"""

# Shops: two questions about different ones are different questions. Where one stands alone, its place in the
# sentence says nothing (“na Amazon, como…”).
PLACES = """
mercado livre; mercadolivre; meli; ml
google; google ads
facebook; meta ads
instagram
tiktok
shein
amazon; amzon; amazom
shopee; shope; shoppe
shopee ads; shope ads; shoppe ads
magalu; magazine luiza
magalu ads
americanas; americanas advertising
casas bahia; casas bahia ads
carrefour
ifood; ifod
ifood ads; ifod ads
"""

# Programmes and formats.
PROGRAMMES = """
mercado ads
product ads; productads; produt ads
brand ads
sponsored products; sponsored product; sponsored produts
sponsored brands; sponsored brand
sponsored display
full; fulfillment; ful
flex
coleta
me1
me2
fba
dba
fbm
buy box; buybox
dsp
ssp
display
rmn
"""

# Numbers that people compare. “Taxa” and “índice” before them are dropped with the fillers.
METRICS = """
acos; acoss
tacos
roas
troas
iroas
ctr; taxa de clique; taxa de cliques
cvr; taxa de conversao; conversao; converter; converte; convertem; convertendo; converto; converteu
cpc; custo por clique; custo do clique; preco do clique; preco de um clique; por clique; no clique;
clique custa; custa o clique; cada clique; por clic; no clic; custa o clic; cada clic; por click; no click
cpm; custo por mil
cpa
cir
gmv
ltv
cac
ntb
roi
margem; margen; margem de contribuicao
"""

PERIODS = """
hoje
ontem
amanha
dia; dias; diario; diaria; por dia
semana; semanas; semanal
quinzena
mes; meses; mensal
bimestre
trimestre; trimestral
semestre
ano; anos; anual
hora; horas; horario; orario; horarios; hora do dia
feriado; feriados
fim de semana
segunda; segundas
terca; tercas
quarta; quartas
quinta; quintas
sexta; sextas
sabado; sabados
domingo; domingos; domigos
janeiro; mes de janeiro; janero
fevereiro; mes de fevereiro
marco; mes de marco
abril; mes de abril
maio; mes de maio
junho; mes de junho
julho; mes de julho
agosto; mes de agosto
setembro; mes de setembro
outubro; mes de outubro
novembro; mes de novembro
dezembro; mes de dezembro; dezenbro
black friday; blackfriday; black fryday
cyber monday
natal
pos natal
dia das maes
dia dos pais
dia das criancas
dia dos namorados
dia do consumidor
pascoa
carnaval
ano novo
volta as aulas
manha
tarde
noite
madrugada
proximo; proxima; que vem
passado; passada; anterior; pasada
atual
"""

# Ordinary words that are exchanged without changing what is asked.
SYNONYMS = """
maior; mais alto; mais alta; mais caro; mais cara
menor; mais baixo; mais baixa; mais barato; mais barata
como; passo a passo
aumentar; subir; elevar; crescer; ampliar; almentar; almento; aumento; subiu; sobe; disparou; disparar
reduzir; baixar; diminuir; cortar; cair; baxar; baixei; reduzi; caiu; cairam; queda; caindo; redusir; cai
anuncio; ads; anuncios; anunciar; publicidade; midia; anucio; anuciar; anucios; propaganda; patrocinado
orcamento; verba; budget; grana; dinheiro; orcameto; orsamento
investir; gastar; gasto; gastei; investi; botei; invisto
clique; cliques; clic; clics; click; clicks
palavra; termo; palavras; termos; palavra chave; palavras chave
foto; imagem; fotos; imagens; imajem
formula; conta; calculo; calcular; calcula; calclo
produto; item; produtos; itens; prodtos; mercadoria; prodto
campanha; campanhas; campaha; canpanha; campnha
venda; vendas; vender; vendi; vende
trocar; mudar; alterar; mexer; migrar; passar; mudanca; migro; passo; passa; transferir; realocar; mudo; muda
criar; montar; fazer uma
esperar; aguardar; espero
pausar; pauso; pauzar; pausada
baixo; baixa; baxo; baixinho
alto; alta
melhor; melhores
melhorar; melhoro; melhora; melora; melhorou
pior; piores
piorar; piora; piorou; pioro
caro; cara
barato; barata
frete; envio
estoque; estoqe; inventario
preco; valor; precos
equilibrio; empate; zero a zero; nao tomo prejuizo; nao perder dinheiro
faturar; faturamento; receita; faturei; faturou; faturo
organico; organica; organicas
concorrente; concorrentes; concorente
usar; uso; utilizar; usa
cupom; cupon; cupons
diferenca; diferencia; diferensa; o que muda; oq muda; difere; distingue; diferencas
desconto; descontos; off
meta; alvo; objetivo
devolucao; devolucoes
conquistar; ganhar; ganho; gano; pegar
impressao; impressoes; impresoes; impressos; exibicoes
colocar; botar; ponho; boto; coloco; por
ativo; ligado; ativa; ativos; ligada
encalhado; encalhada; parado; parada; encalhar; desencalhar
separar; dividir; separo; divido; dividida; divididas; separado
fechar; encerrar; fecho; encerro; feixo
comecar; iniciar; comecando; inicial; comeco
manual; manuais
negativar; negativo; negatvo; negativa; negativacao; palavra negativa
olhar; ver; olho; vejo; analisar; investigar
obrigatorio; obrigado; obrigatoria; obriga
cobrar; cobranca; cobra
trazer; trouxe; trouxeram; troxe; traz
marca; marcas
funcionar; funciona; fusiona
custar; custa; custo; custou
bom; boa; ideal; bons; recomendado
muito; muita; muitas; muitos
"""

# Words that turn a question round: they count even where they are stopwords, and none of them is another one
# misspelt.
POLAR = frozenset(
    """mais menos antes depois apos alto baixo maior menor melhor pior novo antigo aumentar reduzir ligar
    desligar ativar desativar pausar manter continuar parar deixar deixo evitar proibir permitir ganhar perder
    abrir fechar juntar separar incluir excluir remover retirar tirar adicionar entrar sair comprar vender
    receber caro barato gratis obrigatorio opcional facultativo minimo maximo primeiro ultimo acima abaixo
    dentro fora automatico manual ativo inativo sempre todo nenhum atacar proteger ajudar atrapalhar
    prejudicar principal secundario total parcial bruto liquido direto indireto organico bom ruim diferenca
    semelhanca""".split()
)

NEGATIONS = frozenset("nao nunca jamais nem nenhum nenhuma ninguem nada sem zero n".split())

# What a question wants, by the words that ask. The earliest in the question wins.
INTENTS = (
    ("why", r"\b(por ?que|pq|causas?|motivos?|razao|(o que|oq) (houve|aconteceu|pode ser)|por que sera)\b"),
    (
        "should",
        r"\b(vale (a )?pena|vale apena|compensa)\b|^(vale|devo|preciso|presiso|e melhor)\b|\btem que\b",
    ),
    ("same", r"\b(mesm[ao]|msm[ao]?) coisa\b"),
    ("when", r"\b(quando|qando|qdo|que momento|que hora|que situacao)\b"),
    ("how-much", r"\b(quant[oa]s?|qt[oa]s?|qnt[oa]s?)\b"),
    ("define", r"\b(o ?que|oq|o q|que negocio) (e|sao|significa)\b|\b(significa|quer dizer|definicao)\b"),
    (
        "how",
        r"\b(como|passo a passo|formula|que (jeito|forma|maneira)|ensina|macete"
        r"|(o que|oq) (fazer|faco|eu faco))\b",
    ),
    ("may", r"\b(poss?o|pode|permitido|proibido)\b(?! ser)"),
)

GREETINGS = r"\b(oi|ola|bom dia|boa tarde|boa noite|por favor|obrigad[oa]|valeu)\b"

# The order of two things compared does not matter: what stands between them, and what makes an “e” do so.
JOINTS = frozenset("ou vs versus x".split())
COMPARING = frozenset("entre diferenca diferensa comparar".split())

# What may differ between things that are exchanged: “vou para o” before one of them may not.
LIGHT = frozenset("o a os as um uma no na nos nas do da dos das de em ao".split())

# What turns two things into a from and a to.
DIRECTED = frozenset("para pra pras pro pros por pelo pela pelos pelas".split())

FILLERS = frozenset(
    """oq qual quais quanto quanta quantos quantas qto qtos qtas como fazer faco faz quero qero queria
    gostaria preciso presiso posso poso pode podem devo deve vale pena apena compensa jeito forma
    maneira modo mesmo gente galera explica explicar explique favor saber sei descobrir descubro oi ola
    coisa por negocio certo tipo entao ai eh ta esta estao to pq porque porq quando qando
    qdo q que pra pro pras pros para isso iso esse essa desse dessa desa neste nesta desta deste aparece
    dar dou da tem ter tenho significa dizer quer caso se o e me minha meu meus minhas mina minas nosso
       momento hora situacao causa causas motivo sera ser acontece aconteceu houve
    resolvo resolver possivel existe existem algum alguma seria fica ficar ficou rodar rodo""".split()
)
