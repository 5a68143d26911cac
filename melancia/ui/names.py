"""What the page calls things that the front matter names in short."""

_MARKETPLACES = {
    "mercado-livre": "Mercado Livre",
    "amazon": "Amazon",
    "shopee": "Shopee",
    "magalu": "Magalu",
    "americanas": "Americanas",
    "casas-bahia": "Casas Bahia",
    "carrefour": "Carrefour",
    "ifood": "iFood",
    "farmacias": "Farmácias",
    "geral": "Geral",
}
_TOPICS = {
    "amazon-ads": "Amazon Ads",
    "mercado-ads": "Mercado Ads",
    "catalogo-e-operacao": "Catálogo e operação",
    "criativos": "Criativos",
    "diagnostico": "Diagnóstico",
    "estrategia": "Estratégia",
    "fundamentos": "Fundamentos",
    "glossario": "Glossário",
    "legislacao": "Legislação",
    "lances-e-orcamento": "Lances e orçamento",
    "logistica": "Logística",
    "mensuracao": "Mensuração",
    "metricas": "Métricas",
    "outras-plataformas": "Outras plataformas",
    "preco": "Preço",
    "relatorios": "Relatórios",
    "sazonalidade": "Sazonalidade",
}


def marketplace_name(name: str) -> str:
    """A marketplace's name for people; an unknown one as it is written."""
    return _MARKETPLACES.get(name, name)


def topic_name(name: str) -> str:
    """A topic's name for people; an unknown one as it is written."""
    return _TOPICS.get(name, name.replace("-", " ").capitalize())
